"""Scripts do what the preview said: run against a real registry and real layouts, file for file; and hostile names."""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.snapshot.kinds import STORES
from layouts import INDEX, GoStore, Layout, Registry, garbage, sha
from live_registry import needs, shell, syntax

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from live_registry import Served

    Dataset = tuple[Path, dict[str, object]]


def images(root: Path) -> Layout:
    """Two images that share a layer, one with two names, an index over two more, one of which has a name as well."""
    layout = Layout(root)
    layout.image("one", "a base layer", "one")
    layout.image("two", "a base layer", "two")
    amd, arm = (layout.manifest(layout.blob(text), layout.blob("shared by platforms")) for text in ("amd", "arm"))
    layout.add(layout.index(amd, arm), "multi", INDEX)
    layout.add(amd, "amd")
    layout.add(layout.manifest(layout.blob("alone")), "alone")
    return layout


@pytest.fixture(scope="module")
def pushed(registry: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the storage of a registry into which skopeo pushed these images."""
    where = tmp_path_factory.mktemp("pushed")
    layout = images(where / "layout")
    registry.fill()
    for name, target in (
        ("one", "app:1"),
        ("one", "app:one"),
        ("two", "app:2"),
        ("multi", "app:multi"),
        ("multi", "both:multi"),
        ("amd", "both:amd"),
        ("alone", "team/deep:1.0"),
        ("one", "team/deep:one"),
    ):
        registry.push(layout, name, target)
    return shutil.copytree(registry.root, where / "storage")


@pytest.fixture
def images_served(served: Served, pushed: Path) -> Served:
    """The registry with these images."""
    served.fill(pushed)
    return served


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["curl", "skopeo"])
@pytest.mark.parametrize(
    ("policy", "targets"),
    [
        ("tags", ["app:2"]),
        ("tags", ["app:1", "app:one", "team/deep:one"]),
        ("tags", ["app:multi", "both:multi"]),
        ("tags", ["app:multi", "both:multi", "both:amd"]),
        ("gc-m", ["app:2", "team/deep:1.0"]),
        ("gc-m", ["app:1", "app:one", "team/deep:one"]),
        ("gc", ["app@"]),
        ("gc", ["team/deep@"]),
    ],
)
def test_a_registry_frees_what_the_preview_said(
    images_served: Served, tmp_path: Path, tool: str, policy: str, targets: list[str]
) -> None:
    snapshot = images_served.scan(policy)
    names = [name for name in snapshot.pins["name"].to_pylist() if any(name.startswith(t) for t in targets)]
    names = names if policy == "gc" else targets
    preview = blobkit.simulate_deref(snapshot, names)
    text = preview.script(tool)
    syntax(text, tmp_path)
    before, already = images_served.stored(), garbage(snapshot)
    done = images_served.run(text)
    assert done.returncode == 0, done.stderr
    assert "0 skipped" in done.stderr
    collected = garbage(snapshot, "gc") if policy == "tags" else already
    assert before - images_served.stored() == set(preview.digests) | collected
    assert preview
    left = images_served.scan("tags").pins["name"].to_pylist()
    assert not set(preview.targets) & set(left)
    assert not set(preview.also_untagged) & set(left)
    rules = {"tags": "garbage-collect ", "gc": "garbage-collect ", "gc-m": "garbage-collect -m "}
    assert rules[policy] in text.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["curl", "skopeo"])
def test_a_tag_that_names_something_else_by_now_is_skipped(images_served: Served, tmp_path: Path, tool: str) -> None:
    preview = blobkit.simulate_deref(images_served.scan(), "app:2", "team/deep:1.0")
    text = preview.script(tool)
    other = Layout(tmp_path / "more")
    other.image("x", "something new")
    images_served.push(other, "x", "app:2")
    before = images_served.stored()
    done = images_served.run(text)
    assert done.returncode == 0
    assert "skipped app:2: it names sha256:" in done.stderr
    alone = blobkit.simulate_deref(preview.snapshot, "team/deep:1.0")
    assert before - images_served.stored() == set(alone.digests)
    assert "app:2" in images_served.scan().pins["name"].to_pylist()


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["tags", "gc-m"])
@pytest.mark.parametrize("tool", ["curl", "skopeo"])
def test_a_manifest_that_has_another_name_stays(images_served: Served, tool: str, policy: str) -> None:
    """This registry cannot delete a tag alone; deleting the manifest would take the other tag along."""
    preview = blobkit.simulate_deref(images_served.scan(policy), "app:1")
    assert not preview
    text = preview.script(tool)
    assert "the same digest stays as app:one" in text
    done = images_served.run(text)
    assert "skipped app:1: this registry cannot delete a tag and leave its manifest" in done.stderr
    assert {"app:1", "app:one"} <= set(images_served.scan().pins["name"].to_pylist())


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["curl", "skopeo"])
def test_a_child_that_an_index_needs_stays(images_served: Served, tool: str) -> None:
    """Its manifest has one tag, but deleting it by digest would break the index of the same repository."""
    preview = blobkit.simulate_deref(images_served.scan(), "both:amd")
    assert not preview
    before = images_served.stored(), images_served.scan("gc").pins["name"].to_pylist()
    images_served.run(preview.script(tool))
    assert (images_served.stored(), images_served.scan("gc").pins["name"].to_pylist()) == before


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_real_registry_frees_what_the_preview_said(
    dataset: Callable[[str], Dataset], served: Served, seed: int
) -> None:
    """One policy after the other, a few random names each, over what the ones before have left."""
    draw = random.Random(seed)  # noqa: S311 (no secret)
    served.fill(dataset("dev-registry")[0])
    for policy, kind in (("tags", "tag"), ("gc-m", "tag"), ("gc", "revision")):
        snapshot = served.scan(policy)
        names = [pin["name"] for pin in snapshot.pins.to_pylist() if pin["kind"] == kind]
        preview = blobkit.simulate_deref(snapshot, draw.sample(names, min(len(names), 3)))
        already = garbage(preview.snapshot, "gc" if policy == "tags" else policy)
        text = preview.script(draw.choice(["curl", "skopeo"]))
        before = served.stored()
        assert served.run(text).returncode == 0
        assert ("NOTE" in text) == (before - served.stored() != set(preview.digests) | already)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tool", ["umoci", "rm"])
def test_a_real_layout_frees_what_the_preview_said(
    dataset: Callable[[str], Dataset], tmp_path: Path, tool: str, seed: int
) -> None:
    needs("umoci")
    root = tmp_path / "layout"
    shutil.copytree(dataset("dev-oci-layout")[0], root)
    snapshot = blobkit.scan(f"oci:{root}", policy="strong", progress=False)
    draw = random.Random(seed)  # noqa: S311 (no secret)
    names = draw.sample(sorted(blobkit.tags_frame(snapshot).index), 3)
    preview = blobkit.simulate_deref(snapshot, names)
    status = blobkit.to_frame(snapshot, min_age=None if tool == "umoci" else "24h")["status"]
    already = set(status.index[status == "garbage"])
    before = {path.name for path in root.glob("blobs/*/*")}
    done = shell(preview.script(tool), tmp_path)
    assert done.returncode == 0, done.stderr
    gone = before - {path.name for path in root.glob("blobs/*/*")}
    assert {f"sha256:{name}" for name in gone} == set(preview.digests) | already
    assert not set(names) & set(blobkit.tags_frame(blobkit.scan(f"oci:{root}", progress=False)).index)


def test_the_collector_works_by_other_rules_and_the_script_says_so(tmp_path: Path) -> None:
    """A manifest without a tag holds a layer still when garbage-collect looks."""
    registry = Registry(tmp_path)
    registry.push("app", "1", "a base layer", "own")
    registry.revision("app", registry.manifest(registry.blob("a base layer")))
    preview = blobkit.simulate_deref(registry.scan(), "app:1")
    text = preview.script()
    assert "# NOTE: registry garbage-collect works as policy gc says, not tags: it frees 2 blobs" in text
    assert len(preview) == 4


@pytest.mark.parametrize("policy", ["strong", "dependent"])
def test_umoci_frees_what_the_preview_said(tmp_path: Path, policy: str) -> None:
    needs("umoci")
    layout = images(tmp_path / "a layout: with spaces")
    layout.add(layout.manifest(layout.blob("full")), "reg.example.org/team/core:9.0")
    preview = blobkit.simulate_deref(layout.scan(policy), "one", "multi", "reg.example.org/team/core:9.0")
    text = preview.script()
    syntax(text, tmp_path)
    before = files(layout)
    done = shell(text, tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, "0 skipped"), done.stderr
    assert before - files(layout) == set(preview.digests)
    assert len(preview) > 6
    assert text.splitlines()[-1].startswith("umoci gc")


def files(layout: Layout) -> set[str]:
    return {f"sha256:{path.name}" for path in (layout.root / "blobs/sha256").iterdir()}


@pytest.mark.parametrize("tool", ["umoci", "rm"])
def test_a_name_that_was_moved_is_skipped_in_a_layout(tmp_path: Path, tool: str) -> None:
    needs("umoci")
    layout = images(tmp_path / "l")
    preview = blobkit.simulate_deref(layout.scan("strong"), "one")
    layout.entries[0]["digest"] = layout.entries[1]["digest"]  # type: ignore[index]
    layout.write({"schemaVersion": 2, "manifests": layout.entries[:-1]})
    before = (layout.root / "index.json").read_text()
    done = shell(preview.script(tool), tmp_path)
    assert "skipped" in done.stderr
    assert sha(b"two") in files(layout)
    assert "one" in blobkit.tags_frame(layout.scan()).index
    if tool == "rm":
        assert done.returncode == 1
        assert preview.digests[0] in files(layout)
        assert (layout.root / "index.json").read_text() == before


def test_by_hand_with_entries_that_have_no_name(tmp_path: Path) -> None:
    """Of two equal entries one is dropped; garbage goes if it is old; what depends on what goes loses its entry."""
    layout = images(tmp_path / "l")
    plain = layout.image(None, "no name")
    layout.add(plain)
    gone = layout.image(None, "no name either")
    referrer = layout.image(None, "about one", subject=layout.entries[0]["digest"])  # type: ignore[index]
    layout.blob("old garbage")
    old = layout.path(sha(b"old garbage"))
    os.utime(old, (1_000_000_000, 1_000_000_000))
    layout.blob("fresh garbage")
    preview = blobkit.simulate_deref(layout.scan(), "one", plain, gone)
    assert referrer in preview.digests
    text = preview.script("rm")
    syntax(text, tmp_path)
    before = files(layout)
    mode = (layout.root / "index.json").stat().st_mode
    done = shell(text, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert before - files(layout) == {*preview.digests, sha(b"old garbage")}
    entries = json.loads((layout.root / "index.json").read_text())["manifests"]
    assert [entry["digest"] for entry in entries].count(plain) == 1
    assert not {gone, referrer} & {entry["digest"] for entry in entries}
    assert (layout.root / "index.json").stat().st_mode == mode
    assert sorted(path.name for path in layout.root.iterdir()) == ["blobs", "index.json", "oci-layout"]
    again = blobkit.simulate_deref(layout.scan(), "*")
    assert again.exact


def test_by_hand_only_what_goes_for_sure(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "l")
    layout.image("x", "content")
    layout.add("sha256:" + "1" * 64, "broken", INDEX)
    preview = blobkit.simulate_deref(layout.scan(), "x")
    before = files(layout)
    assert shell(preview.script("rm"), tmp_path).returncode == 0
    assert files(layout) == before


def test_by_hand_a_name_that_is_no_text_goes_with_its_files(tmp_path: Path) -> None:
    layout = images(tmp_path / "l")
    names = set(blobkit.tags_frame(layout.scan()).index)
    layout.add(layout.manifest(layout.blob("odd")), "odd\ud800name")
    (odd,) = set(blobkit.tags_frame(layout.scan()).index) - names
    assert shell(blobkit.simulate_deref(layout.scan(), odd).script("rm"), tmp_path).returncode == 0
    assert sha(b"odd") not in files(layout)
    assert set(blobkit.tags_frame(layout.scan()).index) == names


def test_what_goes_stops_no_collector(tmp_path: Path) -> None:
    layout = images(tmp_path / "l")
    layout.add(layout.blob("no manifest"), "broken")
    for policy in ("strong", "dependent"):
        preview = blobkit.simulate_deref(layout.scan(policy), "broken")
        assert preview.notices == ()
        assert "would abort" not in preview.script("umoci")
        assert "would abort" in blobkit.simulate_deref(layout.scan(policy), "one").script("umoci")


def test_what_is_dropped_is_not_said_to_break(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    image = registry.push("app", "1", "content")
    registry.tag("app", "2", image)
    platform = registry.revision("app", registry.manifest(registry.blob("amd")))
    registry.tag("app", "multi", registry.revision("app", registry.index(platform)))
    for targets in (["app:1"], ["app:multi"], ["app:1", "app:2"], ["*"]):
        preview = blobkit.simulate_deref(registry.scan(), targets)
        assert "no longer be pulled" not in preview.script()


@pytest.mark.slow
def test_a_store_of_our_own(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "it's a store", durability="off") as store:
        low, plain = store.put(b"low"), store.put(b"plain")
        for name in ("reg.example.org/app:1", "moved"):
            store.tag(name, store.put(name.encode(), links=[low.digest]).digest)
        preview = blobkit.simulate_deref(store, "reg.example.org/app:1", "moved", plain.digest)
        text = preview.script()
        store.tag("moved", low.digest, move=True)
    syntax(text, tmp_path)
    done = shell(text, tmp_path, PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    assert "skipped 'moved': it names sha256:" in done.stderr
    with blobkit.LocalStore(tmp_path / "it's a store") as store:
        assert store.tags() == {"moved": low.digest}
        assert plain.digest not in store
        assert sha(b"moved") in store


HOSTILE = [
    "$(touch pwned)",
    "`touch pwned`",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "a\ntouch pwned\n",
    "a\rtouch pwned",
    "\\'; touch pwned #",
    "-rf",
    "../../etc",
    "END\ntouch pwned",
    "\x1b]0;pwned\x07",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("tool", ["umoci", "rm"])
def test_hostile_names_in_a_layout(tmp_path: Path, name: str, tool: str) -> None:
    layout = images(tmp_path / "l")
    layout.add(layout.manifest(layout.blob("hostile")), name)
    preview = blobkit.simulate_deref(layout.scan("strong"), f"tag:{name}" if "*" in name else name)
    text = preview.script(tool)
    syntax(text, tmp_path, "warning")  # a name that looks like code is an info
    done = shell(text, tmp_path)
    assert not list(tmp_path.rglob("pwned"))
    assert "\x1b" not in done.stderr
    if tool == "rm":
        assert done.returncode == 0, done.stderr
        assert sha(b"hostile") not in files(layout)
    assert sha(b"one") in files(layout)


@pytest.mark.parametrize("name", [name for name in HOSTILE if "/" not in name])
@pytest.mark.parametrize("tool", STORES["registry"].tools)
def test_hostile_names_in_a_registry(tmp_path: Path, name: str, tool: str) -> None:
    registry = Registry(tmp_path / "r")
    registry.push("app", name, "content")
    registry.push(name, "1", "more")
    preview = blobkit.simulate_deref(registry.scan(), f"app:{name}", f"{name}:1")
    text = preview.script(tool)
    syntax(text, tmp_path, "warning")  # a name that looks like code is an info
    done = shell("registry() { :; }\n" + text, tmp_path, REGISTRY="127.0.0.1:1", CONFIG="none")
    assert not list(tmp_path.rglob("pwned"))
    assert done.stderr.count("registries do not accept this name") == 2
    assert "\x1b" not in text
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("tool", STORES["registry"].tools)
def test_scripts_name_no_host_and_are_sound(tmp_path: Path, tool: str) -> None:
    registry = Registry(tmp_path / "r")
    registry.push("app", "1", "a base layer", "one")
    registry.push("app", "2", "a base layer", "two")
    text = blobkit.simulate_deref(registry.scan(), "app:1").script(tool)
    syntax(text, tmp_path)
    assert "REGISTRY=${REGISTRY:?" in text
    assert tool in text
    assert shell(text, tmp_path).returncode != 0  # no registry was given
    preview = blobkit.simulate_deref(registry.scan(), "app:1")
    assert f"({preview.bytes} bytes)" in text


def fake(where: Path, name: str, body: str) -> None:
    """A program of this name that notes its arguments."""
    (where / "bin").mkdir(exist_ok=True)
    path = where / "bin" / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{where}/calls"\n{body}\n')
    path.chmod(0o755)


@pytest.mark.parametrize(("tool", "read"), [("crane", "digest"), ("regctl", "manifest head")])
def test_what_tools_are_called_with_that_are_not_here(tmp_path: Path, tool: str, read: str) -> None:
    """What they would do is not tested, only the calls: read, compare, delete, and the collector at the end."""
    registry = Registry(tmp_path / "r")
    digest = registry.push("app", "1", "one")
    registry.push("app", "2", "two")
    registry.tag("app", "two", registry.scan().key(registry.scan().pins["node"][-1].as_py()))
    two = str(blobkit.tags_frame(registry.scan()).loc["app:2", "digest"])
    registry.tag("app", "two", two)
    fake(tmp_path, tool, f'case "$*" in *"{read}"*:1) echo {digest} ;; *"{read}"*:2) echo {two} ;; esac')
    fake(tmp_path, "registry", ":")
    text = blobkit.simulate_deref(registry.scan("gc-m"), "app:1", "app:2").script(tool)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    done = shell(text, tmp_path, REGISTRY="reg.example.org", CONFIG="c.yml", PATH=path)
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    flat = [" ".join(call.split()) for call in calls]
    alone = {"crane": "crane delete reg.example.org/app:2", "regctl": "regctl tag delete reg.example.org/app:2"}
    whole = {"crane": "crane delete", "regctl": "regctl manifest delete"}
    assert f"{whole[tool]} reg.example.org/app@{digest}" in flat
    assert alone[tool] in flat
    assert flat[-1] == "registry garbage-collect -m c.yml"


def test_what_fits_what(tmp_path: Path) -> None:
    layout = images(tmp_path / "l")
    preview = blobkit.simulate_deref(layout.scan(), "one")
    with pytest.raises(blobkit.UnknownToolError, match="'crane' does not fit stores of the kind oci: use umoci, rm"):
        preview.script("crane")
    registry = Registry(tmp_path / "r")
    registry.push("app", "1", "one")
    with pytest.raises(blobkit.UnknownToolError, match="use curl, crane, skopeo, regctl"):
        blobkit.simulate_deref(registry.scan(), "app:1").script("umoci")
    go = GoStore(tmp_path / "g")
    digest = go.add("content", 1)
    with pytest.raises(blobkit.UnknownToolError, match="import it into a blobkit store"):
        blobkit.simulate_deref(go.scan(), digest).script()
