"""A registry's storage as it may be: what revision links and tags hold under each policy, and what is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.analysis.collectors import would_abort
from blobkit.errors import UnreadableStoreError
from layouts import INDEX, MANIFEST, SCHEMA1, Registry, codes, freed, garbage, noticed, nowhere, sha

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def collected(registry: Registry, policy: str) -> set[str]:
    return garbage(registry.scan(policy))


def test_a_tag_holds_under_gc_m_only_with_a_revision_link_of_its_own_repository(registry: Registry) -> None:
    image = registry.push("b", "1", "content")
    registry.tag("a", "1", image)
    registry.link("b/_manifests/tags/1/current/link", nowhere(1))
    snapshot = registry.scan()
    assert image in garbage(snapshot, "gc-m")
    assert image not in garbage(snapshot, "gc")
    assert image not in garbage(snapshot, "tags")
    assert ("tag-without-revision", "a:1") in noticed(snapshot)


def test_a_manifest_in_two_repositories_goes_with_the_last_link(registry: Registry) -> None:
    image = registry.push("a", "1", "content")
    registry.tag("b", "1", registry.revision("b", image))
    snapshot = registry.scan("gc")
    assert freed(snapshot, f"a@{image}") == set()
    assert freed(snapshot, f"a@{image}", f"b@{image}") == freed(snapshot, image)
    assert image in freed(snapshot, image)
    assert blobkit.simulate_deref(snapshot, f"a@{image}").also_untagged == ("a:1",)


def test_garbage_collect_marks_one_level(registry: Registry) -> None:
    """An index child whose own revision link is gone keeps its manifest and loses its layers."""
    child = registry.manifest(registry.blob("child layer"))
    index = registry.tag("r", "multi", registry.revision("r", registry.index(child)))
    registry.revision("r", child)
    assert collected(registry, "gc") == set()
    registry.delete("r", child)
    assert collected(registry, "gc") == {sha(b"child layer"), registry.config()}
    assert collected(registry, "revisions") == collected(registry, "tags") == set()
    assert collected(registry, "gc-m") == {sha(b"child layer"), registry.config()}
    assert {index, child} == freed(registry.scan("gc"), index)


def test_garbage_collect_m_takes_children_that_no_tag_names(registry: Registry) -> None:
    child = registry.revision("r", registry.manifest(registry.blob("child layer")))
    registry.tag("r", "multi", registry.revision("r", registry.index(child)))
    snapshot = registry.scan()
    assert garbage(snapshot, "gc-m") == {sha(b"child layer"), registry.config()}
    assert garbage(snapshot, "tags") == set()


@pytest.mark.parametrize("policy", ["tags", "revisions", "gc", "gc-m"])
def test_a_subject_holds_nothing_and_is_held_by_nothing(registry: Registry, policy: str) -> None:
    image = registry.push("r", "1", "content")
    referrer = registry.manifest(registry.blob("sbom"), subject=image)
    assert {referrer, sha(b"sbom")} <= collected(registry, policy)
    assert image not in collected(registry, policy)


def test_layer_links_hold_nothing(registry: Registry) -> None:
    layer = registry.blob("layer")
    for digest in (layer, nowhere(1)):
        registry.link(f"r/_layers/{digest.replace(':', '/')}/link", digest)
    snapshot = registry.scan()
    assert garbage(snapshot) == {layer}
    assert {key for code, key in noticed(snapshot) if code == "dangling-layer-link"} == {"r"}


def test_repository_names_nest(registry: Registry) -> None:
    outer, inner = registry.push("a", "1", "outer"), registry.push("a/b", "1", "inner")
    deep = registry.push("x/y/z", "tags", "deep")
    tags = blobkit.tags_frame(registry.scan())
    assert tags["digest"].to_dict() == {"a:1": outer, "a/b:1": inner, "x/y/z:tags": deep}
    assert tags["repo"].tolist() == ["a/b", "a", "x/y/z"]
    gone = set(blobkit.simulate_deref(registry.scan("gc"), groups="a").digests)
    assert outer in gone
    assert inner not in gone


@pytest.mark.parametrize("repository", ["tags", "revisions", "blobs", "sha256", "a/current", "a/link", "a/data"])
def test_repositories_may_be_called_like_parts_of_the_layout(registry: Registry, repository: str) -> None:
    image = registry.push(repository, "1", "content")
    assert blobkit.tags_frame(registry.scan())["digest"].to_dict() == {f"{repository}:1": image}


@pytest.mark.parametrize("tag", ["tag:x", "digest:y", "sha256-abcdef", "current", "deadbeef", "a b", "ü"])
def test_tags_may_be_called_anything(registry: Registry, tag: str) -> None:
    image = registry.push("r", tag, "content")
    snapshot = registry.scan("tags")
    assert image in freed(snapshot, f"r:{tag}")
    assert image in freed(snapshot, f"tag:r:{tag}")


def test_an_untagged_image_and_a_deleted_one(registry: Registry) -> None:
    untagged = registry.revision("r", registry.manifest(registry.blob("untagged")))
    deleted = registry.push("r", "1", "deleted")
    registry.delete("r", deleted)
    snapshot = registry.scan()
    assert untagged not in garbage(snapshot, "gc")
    assert untagged in garbage(snapshot, "tags")
    assert deleted in garbage(snapshot, "gc")
    assert deleted not in garbage(snapshot, "tags")


@pytest.mark.parametrize("body", ["schema1", "plain", "index"])
def test_media_types_are_not_stored_so_documents_say_their_own(registry: Registry, body: str) -> None:
    layer = registry.blob("layer")
    documents = {
        "schema1": {"schemaVersion": 1, "fsLayers": [{"blobSum": layer}], "mediaType": SCHEMA1},
        "plain": {"schemaVersion": 2, "config": registry.to(registry.config()), "layers": [registry.to(layer)]},
        "index": {"schemaVersion": 2, "manifests": [registry.to(registry.manifest(layer), MANIFEST)]},
    }
    registry.tag("r", "1", registry.revision("r", registry.json(documents[body])))
    assert layer not in collected(registry, "tags")


def test_a_tag_on_an_absent_manifest_makes_the_rest_unknown(registry: Registry) -> None:
    other = registry.blob("other")
    registry.tag("r", "1", registry.revision("r", nowhere(1)))
    snapshot = registry.scan()
    frame = blobkit.to_frame(snapshot)
    assert frame.loc[other, "status"] == "unknown"
    assert {("missing", nowhere(1)), ("opaque", nowhere(1))} <= noticed(snapshot)


@pytest.mark.parametrize("policy", ["gc", "gc-m"])
def test_the_collector_passes_over_a_manifest_that_is_not_stored(registry: Registry, policy: str) -> None:
    other = registry.blob("other")
    registry.tag("r", "1", registry.revision("r", nowhere(1)))
    snapshot = registry.scan(policy)
    assert would_abort(snapshot) == ()
    assert garbage(snapshot) == {other}


@pytest.mark.parametrize(
    ("content", "held"),
    [
        ("", "is empty"),
        ("x", "contains 'x'"),
        (nowhere(1) + "\n", "not a digest"),
        ("sha256:" + "f" * 1000, "not a digest"),
    ],
)
def test_damaged_links_are_told(registry: Registry, content: str, held: str) -> None:
    registry.push("r", "ok", "content")
    registry.link("r/_manifests/tags/bad/current/link", content)
    registry.link(f"r/_manifests/revisions/sha256/{'a' * 64}/link", content)
    snapshot = registry.scan()
    assert {("damaged-tag", "r:bad"), ("damaged-revision", f"r@sha256:{'a' * 64}")} <= noticed(snapshot)
    assert any(held in message for message in snapshot.notices["message"].to_pylist())
    assert list(blobkit.tags_frame(snapshot).index) == ["r:ok"]


def test_a_tag_directory_without_a_link_is_told(registry: Registry) -> None:
    (registry.v2 / "repositories/r/_manifests/tags/half/current").mkdir(parents=True)
    assert ("damaged-tag", "r:half") in noticed(registry.scan())


def test_stale_uploads_are_told_with_their_bytes(registry: Registry) -> None:
    registry.link("r/_uploads/1234/data", "x" * 4321)
    registry.link("r/_uploads/1234/startedat", "2024")
    snapshot = registry.scan()
    assert ("upload", "r") in noticed(snapshot)
    assert "4321 bytes" in snapshot.notices["message"].to_pylist()[0]
    assert snapshot.bytes == 0


def test_junk_below_blobs_is_told(registry: Registry) -> None:
    layer = registry.blob("content")
    wrong = registry.v2 / "blobs/sha256/00" / layer.removeprefix("sha256:")
    wrong.mkdir(parents=True)
    (wrong / "data").write_text("content")
    (registry.v2 / "blobs/sha256/ab/abc").mkdir(parents=True)
    snapshot = registry.scan()
    assert snapshot.bytes == len("content")
    assert {key for code, key in noticed(snapshot) if code == "junk"} == {layer, "sha256:abc"}


def test_the_root_may_be_given_at_either_depth(registry: Registry) -> None:
    registry.push("r", "1", "content")
    whole, inner = registry.scan(), blobkit.scan(f"registry:{registry.v2}", progress=False)
    assert whole.nodes.equals(inner.nodes)
    assert whole.pins.equals(inner.pins)


def test_links_that_cannot_be_read_hide_what_they_hold(registry: Registry) -> None:
    """What nobody may read can hold anything: nothing is called garbage, but by a collector that looks at neither."""
    lost = registry.blob("held by what cannot be read")
    (registry.v2 / "repositories/r/_manifests/revisions").mkdir(parents=True)
    (registry.v2 / "repositories/r/_manifests/revisions/sha256").write_text("in the place of a directory")
    link = registry.link("r/_manifests/tags/1/current/link", "")
    link.unlink()
    link.mkdir()
    snapshot = registry.scan()
    for policy in snapshot.policies:
        status = "garbage" if policy.startswith("gc") else "unknown"
        assert blobkit.to_frame(snapshot.with_policy(policy)).loc[lost, "status"] == status, policy


@pytest.mark.parametrize("part", ["blobs", "repositories"])
def test_a_registry_that_leads_elsewhere_says_where_to_look(registry: Registry, tmp_path: Path, part: str) -> None:
    registry.push("r", "1", "content")
    elsewhere = tmp_path.with_name(f"{tmp_path.name}-elsewhere")
    (registry.v2 / part).rename(elsewhere)
    (registry.v2 / part).symlink_to(elsewhere)
    with pytest.raises(UnreadableStoreError, match=r"leads out of .* by a symbolic link"):
        registry.scan()


def test_an_empty_registry(registry: Registry) -> None:
    (registry.v2 / "blobs").rmdir()
    snapshot = registry.scan()
    assert snapshot.blobs == 0
    assert codes(snapshot) == {"gc-no-blobs"}
    assert blobkit.to_frame(snapshot).empty


def test_an_index_of_referrers_outlives_its_image(registry: Registry) -> None:
    """The fallback tag of a deleted image goes on holding its referrers."""
    image = registry.push("r", "1", "content")
    sbom = registry.revision("r", registry.manifest(registry.blob("sbom"), subject=image))
    fallback = registry.index(sbom)
    registry.tag("r", image.replace(":", "-"), registry.revision("r", fallback))
    snapshot = registry.scan()
    for policy in ("tags", "gc"):
        gone = freed(snapshot, image, policy=policy)
        assert image in gone
        assert not gone & {sbom, fallback, sha(b"sbom")}
    assert blobkit.to_frame(snapshot).loc[fallback, "media_type"] == INDEX
