"""Scripts for layouts do what was said and no more: docker's types, sha512, stops, odd names, odd spellings."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.oci.names import IMAGE_NAME, REF_NAME
from layouts import DOCKER_MANIFEST, INDEX, MANIFEST, Layout, nowhere, sha
from live_registry import needs, shell

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = (
    "-a",
    "--help",
    "a b",
    "$(touch PWNED)",
    "`touch PWNED`",
    "it's",
    "a\ntouch PWNED",
    "\x1b[31m",
    "'; touch PWNED #",
)


def ran(preview: blobkit.Preview, layout: Layout, tool: str = "umoci") -> set[str]:
    """Run the script; return what is gone, which is what was said where the script collects."""
    before, where = files(layout), layout.root.parent
    done = shell(preview.script(tool), where)
    assert done.returncode == 0, done.stderr
    assert not list(where.rglob("PWNED"))
    return before - files(layout)


def files(layout: Layout) -> set[str]:
    return {f"{path.parent.name}:{path.name}" for path in layout.root.glob("blobs/*/*")}


def names(layout: Layout) -> set[str]:
    return set(blobkit.tags_frame(layout.scan()).index)


def commands(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r"(drop|skip|umoci|rm) ", line)]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    needs("umoci")
    made = Layout(tmp_path / "layout")
    made.image("oci", "layer of oci")
    return made


def docker(layout: Layout, name: str) -> set[str]:
    """An image of docker's types: umoci gc takes its config and its layer."""
    layer, config = layout.blob(f"layer of {name}"), layout.config(name)
    return {layer, config, layout.add(layout.manifest(layer, config=config), name, DOCKER_MANIFEST)}


@pytest.mark.parametrize("policy", ["dependent", "ignore"])
def test_an_image_of_dockers_types_that_stays_stays_whole(layout: Layout, policy: str) -> None:
    kept = docker(layout, "docker")
    preview = blobkit.simulate_deref(layout.scan(policy), "oci")
    text = preview.script("umoci")
    assert "umoci gc" not in commands(text)
    assert "by hand" in text
    assert "umoci gc would delete 2 blobs needed by docker" in text
    assert ran(preview, layout) == set(preview.digests) == set(preview.collected.digests)
    assert kept <= files(layout)


def test_under_the_rules_of_umoci_it_goes_as_garbage(layout: Layout) -> None:
    kept = docker(layout, "docker")
    preview = blobkit.simulate_deref(layout.scan("strong"), "oci")
    assert commands(preview.script("umoci"))[-1] == "umoci gc --layout ."
    gone = ran(preview, layout)
    assert set(preview.collected.digests) == set(preview.digests) < gone
    assert len(gone & kept) == 2


def test_dropping_all_images_of_dockers_types_collects_with_umoci(layout: Layout) -> None:
    dropped = docker(layout, "docker")
    preview = blobkit.simulate_deref(layout.scan(), "docker")
    assert commands(preview.script("umoci"))[-1] == "umoci gc --layout ."
    assert ran(preview, layout) == dropped


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["dependent", "strong"])
def test_where_umoci_gc_would_stop_it_is_left_out(layout: Layout, policy: str) -> None:
    layout.image("broken", "a layer")
    layout.drop(sha(b"a layer"))
    layout.blob("garbage")
    preview = blobkit.simulate_deref(layout.scan(policy), "oci")
    text = preview.script("umoci")
    assert "umoci gc --layout ." not in text
    assert "# umoci gc is left out, because it would not do what the preview shows: " in text
    assert f"{sha(b'a layer')} is missing" in text
    assert preview.collected.bytes == 0
    assert ran(preview, layout) == set()
    assert names(layout) == {"broken"}
    again = blobkit.simulate_deref(layout.scan(policy), "broken")
    assert set(again.collected.digests) < ran(again, layout)  # and what waited for it
    assert files(layout) == set()


def test_a_stop_that_comes_late_removes_nothing(layout: Layout) -> None:
    (layout.root / "blobs/sha256/zz.tmp").write_bytes(b"")
    layout.blob("garbage")
    preview = blobkit.simulate_deref(layout.scan("strong"), "oci")
    assert "zz.tmp in blobs/sha256 is not named like a blob" in preview.collected.stops
    assert ran(preview, layout) == set()


@pytest.mark.slow
def test_the_script_works_where_umoci_takes_the_path_for_a_pattern(tmp_path: Path) -> None:
    needs("umoci")
    layout = Layout(tmp_path / "- a [path: it's")
    layout.image("x", "content")
    preview = blobkit.simulate_deref(layout.scan("strong"), "x")
    assert ran(preview, layout, "rm") == set(preview.digests)


def test_sha512_stays(layout: Layout) -> None:
    long = layout.blob("long", label="sha512")
    digest = layout.add(layout.manifest(long, config=layout.config("long")), "long")
    preview = blobkit.simulate_deref(layout.scan(), "long")
    assert {long, digest} < set(preview.digests)
    assert set(preview.collected.digests) == set(preview.digests) - {long}
    assert ran(preview, layout) == set(preview.digests) - {long}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("tool", ["umoci", "rm"])
def test_a_hostile_name(layout: Layout, name: str, tool: str) -> None:
    layout.image(name, "layer of it", annotations={"n": "1"})
    target = next(iter(names(layout) - {"oci"}))
    preview = blobkit.simulate_deref(layout.scan("strong"), f"tag:{target}")
    text = preview.script(tool)
    for line in commands(text):
        assert not re.match(r"\S+ '?-", line), line
    gone = ran(preview, layout, tool)
    if tool == "rm":
        assert gone == set(preview.digests)
        assert names(layout) == {"oci"}
    else:
        assert gone == set(preview.collected.digests) == set()
        assert "umoci does not accept this name: use rm" in text
        assert names(layout) == {"oci", target}


@pytest.mark.parametrize("tool", ["umoci", "rm"])
def test_a_whole_name_is_dropped_by_its_reference_name(layout: Layout, tool: str) -> None:
    for number, whole in enumerate(("docker.io/library/web:1.0", "docker.io/team/app:2.0")):
        notes = {IMAGE_NAME: whole, REF_NAME: whole[-3:]}
        layout.add(layout.manifest(layout.blob(whole), config=layout.config(str(number))), annotations=notes)
    preview = blobkit.simulate_deref(layout.scan("strong"), "web:1.0")
    if tool == "umoci":
        assert [line.split()[1] for line in commands(preview.script()) if line.startswith("drop")] == ["1.0"]
    assert ran(preview, layout, tool) == set(preview.digests)
    assert names(layout) == {"oci", "team/app:2.0"}


def test_a_reference_name_that_another_image_has_is_never_dropped(layout: Layout) -> None:
    for number, whole in enumerate(("docker.io/library/web:latest", "docker.io/team/app:latest")):
        notes = {IMAGE_NAME: whole, REF_NAME: "latest"}
        layout.add(layout.manifest(layout.blob(whole), config=layout.config(str(number))), annotations=notes)
    preview = blobkit.simulate_deref(layout.scan("strong"), "web:latest")
    text = preview.script("umoci")
    assert [line for line in commands(text) if line.startswith("drop")] == []
    assert "umoci drops all entries of a name" in text
    assert ran(preview, layout) == set(preview.collected.digests) == set()
    both = blobkit.simulate_deref(layout.scan("strong"), "web:latest", "team/app:latest")
    assert ran(both, layout) == set(both.digests)
    assert names(layout) == {"oci"}


def test_by_hand_one_of_two_images_of_one_name(layout: Layout) -> None:
    first = layout.image("same", "one")
    second = layout.image("same", "two", annotations={"n": "2"})
    preview = blobkit.simulate_deref(layout.scan("strong"), second)
    assert "umoci drops all entries of a name" in preview.script("umoci")
    assert ran(preview, layout, "rm") == set(preview.digests) > {second}
    assert blobkit.tags_frame(layout.scan())["digest"].to_dict()["same"] == first


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["umoci", "rm"])
def test_an_index_json_in_odd_spelling(layout: Layout, tool: str) -> None:
    layout.image("gone", "layer of gone")
    index = layout.root / "index.json"
    entries = json.dumps(layout.entries).replace('"digest"', '"Digest"').replace('"annotations"', '"annotation\\u017f"')
    text = f'{{"x": {"9" * 5000}, "manifests": [], "Manifests": {entries}, "caf\\u00e9": 1}}'
    index.write_bytes(text.encode().replace(b"caf\\u00e9", b"caf\xe9"))
    preview = blobkit.simulate_deref(layout.scan("strong"), "gone")
    assert ran(preview, layout, tool) == set(preview.digests)
    assert names(layout) == {"oci"}


@pytest.mark.parametrize("tool", ["umoci", "rm"])
def test_entries_that_name_nothing_are_left(layout: Layout, tool: str) -> None:
    layout.image("gone", "layer of gone")
    layout.entries += [None, 5, {"digest": "sha256:short", "annotations": {REF_NAME: "odd"}}]
    layout.write({"manifests": layout.entries, "more": {"a": [1.5, None]}})
    preview = blobkit.simulate_deref(layout.scan("strong"), "gone")
    ran(preview, layout, tool)
    if tool == "rm":
        body = json.loads((layout.root / "index.json").read_text())
        assert body == {"manifests": [layout.entries[0], *layout.entries[2:]], "more": {"a": [1.5, None]}}


@pytest.mark.slow
def test_a_shared_platform_stays(layout: Layout) -> None:
    shared, own = (layout.manifest(layout.blob(text), config=layout.config(text)) for text in ("shared", "own"))
    layout.add(layout.index(shared, own), "multi", INDEX)
    layout.add(layout.index(shared), "other", INDEX)
    preview = blobkit.simulate_deref(layout.scan(), "multi")
    assert ran(preview, layout) == set(preview.digests)
    assert shared in files(layout)
    assert own not in files(layout)


def test_a_referrer_goes_by_hand_with_its_subject(layout: Layout) -> None:
    """Umoci would keep the subject, which the referrer in index.json holds."""
    subject = layout.image("subject", "layer of subject")
    layout.image(None, "sbom", subject=subject)
    preview = blobkit.simulate_deref(layout.scan(), "subject")
    assert subject in preview.digests
    assert ran(preview, layout, "rm") == set(preview.digests)


def test_only_digests_become_paths(layout: Layout) -> None:
    text = blobkit.simulate_deref(layout.scan(), "oci").script("rm")
    listed = text[text.rindex("<<'END'") :].splitlines()[1:-1]
    assert len(listed) == 3
    assert all(re.fullmatch(r"sha256/[0-9a-f]{64}", line) for line in listed)


def test_a_name_that_moved_is_skipped(layout: Layout) -> None:
    preview = blobkit.simulate_deref(layout.scan("strong"), "oci")
    layout.entries[0] = {**layout.to(nowhere(1), MANIFEST), "annotations": {REF_NAME: "oci"}}
    layout.write({"manifests": layout.entries})
    done = shell(preview.script().replace("umoci gc", ": umoci gc"), layout.root.parent)
    assert "skipped oci: it names sha256:000" in done.stderr
    assert "1 skipped" in done.stderr
