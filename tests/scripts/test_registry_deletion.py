"""What scripts for registries delete by digest, and what they leave: run against a real registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.questions.deletion import Drop
from blobkit.scripts.registry import with_api
from blobkit.snapshot.kinds import STORES
from layouts import MANIFEST, Registry, garbage, sha
from live_registry import needs, shell

if TYPE_CHECKING:
    from pathlib import Path

    from live_registry import Served

TOOLS = ("curl", "skopeo")


def run(served: Served, preview: blobkit.Preview, tool: str = "curl", *, extra: bool = False) -> set[str]:
    """Run the script, and return what it removed beyond garbage; unless `extra` that must be what was said."""
    before, already = served.stored(), garbage(preview.snapshot, preview.collection.snapshot.policy)
    done = served.run(preview.script(tool))
    assert done.returncode == 0, done.stderr
    gone = before - served.stored() - already
    assert extra or gone == set(preview.collected.digests)
    return gone


@pytest.mark.slow
@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize("tool", TOOLS)
def test_platforms_go_unless_another_tag_of_the_repository_needs_them(
    served: Served, tool: str, *, docker: bool
) -> None:
    amd, arm, shared = (served.image("app", name, "base", docker=docker) for name in ("amd", "arm", "shared"))
    served.index("app", amd, shared, tag="1", docker=docker)
    served.index("app", arm, shared, tag="2", docker=docker)
    served.image("app", "plain", "base", tag="plain", docker=docker)
    preview = blobkit.simulate_deref(served.scan(), "app:1")
    gone = run(served, preview, tool)
    assert {sha(b"amd"), str(amd["digest"])} <= gone
    assert {sha(b"shared"), sha(b"base"), str(shared["digest"])}.isdisjoint(gone)
    assert served.pulls("app", "2")
    assert served.pulls("app", "plain")
    assert served.ask("HEAD", f"/v2/app/manifests/{amd['digest']}")[0] == 404


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
def test_a_platform_that_another_repository_keeps_is_unlinked_here(served: Served, tool: str) -> None:
    for repo in ("app", "other/app"):
        amd = served.image(repo, "amd")
        served.index(repo, amd, tag="multi")
    preview = blobkit.simulate_deref(served.scan(), "app:multi")
    assert not preview
    assert run(served, preview, tool) == set()
    assert "app" not in served.scan("gc").pins["group"].to_pylist()
    assert served.pulls("other/app", "multi")
    last = blobkit.simulate_deref(served.scan(), "other/app:multi")
    assert sha(b"amd") in run(served, last, tool)


def test_an_index_within_an_index_goes_before_what_it_contains(served: Served) -> None:
    amd = served.image("app", "amd")
    inner = served.index("app", amd)
    outer = served.index("app", inner, tag="deep")
    preview = blobkit.simulate_deref(served.scan(), "app:deep")
    lines = preview.script().splitlines()
    order = [line.split()[2] for line in lines if line.startswith(("drop app ", "drop_child app "))]
    assert order == [str(one["digest"]) for one in (outer, inner, amd)]
    assert len(run(served, preview)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
def test_platforms_stay_where_the_tag_was_moved_meanwhile(served: Served, tool: str) -> None:
    """The new index has a platform of the old one: nothing of it may go."""
    amd, arm, new = (served.image("app", name) for name in ("amd", "arm", "new"))
    served.index("app", amd, arm, tag="multi")
    served.image("other", "one", tag="1")
    text = blobkit.simulate_deref(served.scan(), "app:multi", "other:1").script(tool)
    served.index("app", amd, new, tag="multi")
    done = served.run(text)
    assert done.returncode == 0
    assert f"skipped app@{amd['digest']}: a manifest that contains it may still exist" in done.stderr
    assert served.pulls("app", "multi")
    assert sha(b"one") not in served.stored()


@pytest.mark.parametrize("tool", TOOLS)
def test_an_untagged_manifest_and_a_referrer_are_left_and_keep_what_they_share(served: Served, tool: str) -> None:
    image = served.image("app", "base", "own", tag="1")
    about = {key: image[key] for key in ("mediaType", "digest", "size")}
    signature = served.image("app", "signature", "base", subject=about)
    preview = blobkit.simulate_deref(served.scan(), "app:1")
    assert preview.waiting["held_by"].tolist() == [(f"app@{signature['digest']}",)]
    assert preview.waiting["reason"].tolist() == ["a referrer that no tag names needs it"]
    assert run(served, preview, tool) == set(preview.digests) - {sha(b"base")}
    assert served.pulls("app", str(signature["digest"]))


def test_what_another_repository_keeps_untagged(served: Served) -> None:
    served.image("app", "base", "own", tag="1")
    other = served.image("mirror", "base", "mirrored")
    preview = blobkit.simulate_deref(served.scan(), "app:1")
    assert preview.waiting["reason"].tolist() == ["another repository needs it"]
    assert str(other["digest"])[:19] in preview.title()
    run(served, preview)


@pytest.mark.slow
def test_two_names_of_one_image(served: Served) -> None:
    for tag in ("1", "stable"):
        served.image("app", "base", "own", tag=tag)
    served.image("mirror", "base", "own", tag="1")
    preview = blobkit.simulate_deref(served.scan(), "app:1")
    assert preview.same_image == ("app:stable", "mirror:1")
    assert "docker-registry 2.8.2 cannot delete app:1 alone (HTTP 400)" in preview.title()
    every = blobkit.simulate_deref(served.scan(), "app:1", "app:stable", "mirror:1")
    assert "app:stable, mirror:1 name the same image and keep it" in str(preview)
    assert f"together frees {blobkit.render.human_bytes(every.collected.bytes)}" in str(preview)
    assert served.ask("DELETE", "/v2/app/manifests/1")[0] == 400
    assert run(served, preview) == set()
    assert served.pulls("app", "stable")
    assert run(served, every) == set(every.digests)


def test_the_collector_is_not_run_where_it_takes_what_stays(served: Served) -> None:
    """The repository lost its link to the platform of a tagged index: the collector would take the layers."""
    amd = served.image("app", "amd")
    served.index("app", amd, tag="multi")
    served.image("app", "old", tag="old")
    hexa = str(amd["digest"]).partition(":")[2]
    (served.root / f"docker/registry/v2/repositories/app/_manifests/revisions/sha256/{hexa}/link").unlink()
    preview = blobkit.simulate_deref(served.scan(), "app:old")
    why = "registry garbage-collect would delete 2 blobs needed by app:multi"
    assert (preview.collected.bytes, preview.collected.stops) == (0, why)
    assert preview.title().startswith(f"Dropping app:old frees nothing: {why}; 3 blobs, ")
    assert set(preview.waiting["reason"]) == {why}
    before = served.stored()
    done = served.run(preview.script())
    assert f"not collected: {why}" in done.stderr
    assert served.stored() == before
    assert "app:old" not in served.scan().pins["name"].to_pylist()
    with pytest.raises(blobkit.UnknownToolError, match=r"would delete 2 blobs, .* needed by app:multi"):
        blobkit.audit(served.scan()).script()


def test_a_collector_that_stops_frees_nothing(served: Served) -> None:
    served.image("app", "one", tag="1")
    two = served.image("app", "two", tag="2")
    hexa = str(two["digest"]).partition(":")[2]
    (served.root / f"docker/registry/v2/repositories/app/_manifests/revisions/sha256/{hexa}/link").write_text("no")
    preview = blobkit.simulate_deref(served.scan(), "app:1")
    assert preview.collected.bytes == 0
    assert "registry garbage-collect would abort" in preview.collected.stops
    assert "frees nothing: registry garbage-collect would abort" in preview.title()
    before = served.stored()
    assert "not collected: registry garbage-collect would abort" in served.run(preview.script()).stderr
    assert served.stored() == before
    runs = blobkit.simulate_deref(served.scan("gc"), "app:2").script()
    assert served.run(runs).returncode != 0
    assert served.stored() == before


def test_a_collector_alone_takes_what_is_garbage_already(served: Served) -> None:
    served.image("app", "one", tag="1")
    gone = served.image("app", "two")
    assert served.ask("DELETE", f"/v2/app/manifests/{gone['digest']}")[0] == 202
    text = blobkit.audit(served.scan()).script()
    size = sum(blobkit.to_frame(served.scan())["size"].loc[sorted(garbage(served.scan(), "gc"))])
    assert f"registry garbage-collect deletes 3 blobs, {blobkit.render.human_bytes(size)} ({size} bytes)" in text
    before = served.stored()
    assert served.run(text).returncode == 0
    assert before - served.stored() >= {sha(b"two"), str(gone["digest"])}
    assert served.pulls("app", "1")


def test_audit_refuses_the_collector_that_takes_platforms(served: Served) -> None:
    served.index("app", served.image("app", "amd"), tag="multi")
    answer = blobkit.audit(served.scan(), policy="gc-m")
    with pytest.raises(blobkit.UnknownToolError, match=r"garbage-collect -m would delete 2 blobs.*needed by app:multi"):
        answer.script()
    assert blobkit.audit(served.scan()).script("skopeo").endswith('registry garbage-collect "$CONFIG"\n')


def test_a_layer_that_was_pushed_as_sha512_stays(served: Served) -> None:
    """It is stored under its sha256 digest, which no manifest names: the collector would take it."""
    config = served.blob("app", "{}")
    layer = served.blob("app", "a layer", label="sha512")
    body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    served.manifest("app", body, "new")
    served.image("app", "own", tag="old")
    if "stored-as" not in served.scan().links["kind"].to_pylist():
        pytest.skip("the scanner does not follow layers that were pushed as sha512")
    preview = blobkit.simulate_deref(served.scan(), "app:old")
    assert preview.collected.bytes == 0
    assert "would delete 1 blob needed by app:new" in preview.collected.stops
    assert run(served, preview) == set()
    assert served.pulls("app", "new")


@pytest.mark.parametrize("tool", STORES["registry"].tools)
def test_only_a_checked_digest_is_deleted(tmp_path: Path, tool: str) -> None:
    """Whoever made the snapshot: a key that is no digest reaches no command."""
    drop = Drop("app", "sha256:$(touch pwned)", names=("app:1",))
    other = Drop("-rf", "sha256:" + "a" * 64, names=("-rf:1",), skip="no such name")
    text = "\n".join(["#!/bin/sh", *with_api(tool, [drop, other], "registry gc")])
    done = shell("registry() { :; }\n" + text, tmp_path, REGISTRY="127.0.0.1:1", CONFIG="none")
    assert "skipped app:1: that is not a digest" in done.stderr
    assert "skipped '-rf:1': no such name" in done.stderr
    assert not list(tmp_path.rglob("pwned"))
    assert not any(line.startswith(("drop ", "drop_tag ", "drop_child ")) for line in text.splitlines())


def test_hostile_names_are_left_and_said_to_wait(tmp_path: Path) -> None:
    needs("curl")
    registry = Registry(tmp_path)
    registry.push("app", "$(touch pwned)", "base", "own")
    preview = blobkit.simulate_deref(registry.scan(), "app:*")
    assert (len(preview), preview.collected.bytes) == (4, 0)
    assert set(preview.waiting["reason"]) == {"a name that the script cannot drop needs it"}
    assert "frees 0 blobs, 0 B, of 4 blobs" in preview.title()
