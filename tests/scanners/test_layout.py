"""An OCI image layout as it may be: what links, what holds, what is absent and why."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.analysis.collectors import would_abort
from layouts import (
    ARTIFACT,
    CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX,
    LAYER,
    MANIFEST,
    SCHEMA1,
    Layout,
    codes,
    freed,
    garbage,
    noticed,
    nowhere,
    sha,
    stored,
)

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def unknown(snapshot: Snapshot) -> set[str]:
    frame = blobkit.to_frame(snapshot)
    return set(frame.index[frame["status"] == "unknown"])


def opaque(snapshot: Snapshot) -> set[str]:
    return {key for code, key in noticed(snapshot) if code == "opaque"}


def links(snapshot: Snapshot) -> set[tuple[str, str, str]]:
    return set(blobkit.links_frame(snapshot).itertuples(index=False, name=None))


def test_an_image_and_what_it_links_to(layout: Layout) -> None:
    image = layout.image("x", "content")
    config = layout.config()
    snapshot = layout.scan()
    assert links(snapshot) == {(image, config, "config"), (image, sha(b"content"), "layer")}
    frame = blobkit.to_frame(snapshot)
    assert frame["kind"].to_dict() == {image: "manifest", config: "config", sha(b"content"): "layer"}
    assert frame["media_type"].to_dict() == {image: MANIFEST, config: CONFIG, sha(b"content"): LAYER}
    assert freed(snapshot, "x") == {image, config, sha(b"content")}


@pytest.mark.parametrize("label", ["sha256", "sha384", "sha512"])
def test_every_algorithm(layout: Layout, label: str) -> None:
    layer = layout.blob("content", label=label)
    image = layout.add(layout.json({"schemaVersion": 2, "layers": [layout.to(layer)]}, label=label), "x")
    snapshot = layout.scan()
    assert freed(snapshot, "x") == {image, layer}
    assert ("algorithm" in codes(snapshot)) == (label != "sha256")


@pytest.mark.parametrize(("media_type", "list_type"), [(MANIFEST, INDEX), (DOCKER_MANIFEST, DOCKER_LIST)])
def test_links_go_by_the_media_type_of_the_descriptor(layout: Layout, media_type: str, list_type: str) -> None:
    plain = layout.json({"layers": [layout.to(layout.blob("inner"))]})
    layout.add(layout.json({"manifests": [layout.to(plain, media_type)]}), "x", list_type)
    assert garbage(layout.scan()) == set()
    assert sha(b"inner") in freed(layout.scan(), "x")


@pytest.mark.parametrize(
    "media_type", [LAYER, CONFIG, "", "application/json", "application/vnd.oci.image.manifest.v2+json"]
)
def test_what_looks_like_a_manifest_and_is_not_called_one_is_a_leaf(layout: Layout, media_type: str) -> None:
    looks = layout.manifest(layout.blob("inner"))
    layout.add(layout.manifest(layout.to(looks, media_type)), "x")
    snapshot = layout.scan()
    assert sha(b"inner") in garbage(snapshot)
    assert looks not in garbage(snapshot)
    assert unknown(snapshot) == set()


@pytest.mark.parametrize("order", [1, -1])
def test_a_blob_called_layer_here_and_manifest_there_is_followed(layout: Layout, order: int) -> None:
    both = layout.manifest(layout.blob("inner"))
    for name, image in [("a", layout.manifest(both)), ("b", both)][::order]:
        layout.add(image, name)
    assert sha(b"inner") not in garbage(layout.scan())


@pytest.mark.parametrize("order", [1, -1])
def test_a_document_called_index_here_and_manifest_there_is_read_as_both(layout: Layout, order: int) -> None:
    child = layout.manifest(layout.blob("child"))
    both = layout.json({"manifests": [layout.to(child, MANIFEST)], "layers": [layout.to(layout.blob("layer"))]})
    for name, media_type in [("a", INDEX), ("b", MANIFEST)][::order]:
        layout.add(both, name, media_type)
    assert garbage(layout.scan()) == set()


def test_old_documents(layout: Layout) -> None:
    old = layout.json({"schemaVersion": 1, "fsLayers": [{"blobSum": layout.blob("v1")}], "history": [{}]})
    artifact = layout.json({"mediaType": ARTIFACT, "artifactType": "t", "blobs": [layout.to(layout.blob("file"))]})
    layout.add(old, "old", SCHEMA1)
    layout.add(artifact, "artifact", ARTIFACT)
    snapshot = layout.scan()
    assert freed(snapshot, "old") == {old, sha(b"v1")}
    assert freed(snapshot, "artifact") == {artifact, sha(b"file")}
    assert blobkit.to_frame(snapshot).loc[artifact, "kind"] == "artifact"


def test_an_image_without_an_image_config_is_an_artifact(layout: Layout) -> None:
    empty = layout.to(layout.blob("{}"), "application/vnd.oci.empty.v1+json")
    chart = layout.add(layout.manifest(config=empty), "chart")
    typed = layout.add(layout.manifest(artifactType="application/x"), "typed")
    frame = blobkit.to_frame(layout.scan())
    assert {frame.loc[chart, "kind"], frame.loc[typed, "kind"]} == {"artifact"}


@pytest.mark.parametrize("kind", ["config", "layer"])
def test_absent_leaves_are_missing_and_hide_nothing(layout: Layout, kind: str) -> None:
    lost = layout.config("lost") if kind == "config" else layout.blob("lost")
    layout.add(layout.manifest(config=lost) if kind == "config" else layout.manifest(lost), "x")
    layout.drop(lost)
    other = layout.blob("other")
    snapshot = layout.scan()
    assert ("missing", lost) in noticed(snapshot)
    assert stored(snapshot)[lost] == "missing"
    assert garbage(snapshot) == {other}
    assert blobkit.simulate_deref(snapshot, "x").exact


@pytest.mark.parametrize(
    "damage", ["absent", "no json", "no object", "no fields", "too large", "nested", "a directory"]
)
@pytest.mark.parametrize("place", ["entry", "child"])
def test_documents_that_cannot_be_read_are_opaque(layout: Layout, damage: str, place: str) -> None:
    content = {
        "no json": "{",
        "no object": "[]",
        "no fields": '{"schemaVersion":2}',
        "too large": '{"layers":[]' + " " * (4 << 20) + "}",
        "nested": "[" * 100_000,
    }.get(damage, damage)
    broken = layout.blob(content)
    if damage in ("absent", "a directory"):
        layout.drop(broken)
    if damage == "a directory":
        layout.path(broken).mkdir()
    if place == "entry":
        layout.add(broken, "x")
    else:
        layout.add(layout.index(broken), "x", INDEX)
    inner = layout.blob("maybe inside")
    snapshot = layout.scan()
    assert opaque(snapshot) == {broken}
    assert unknown(snapshot) == {inner}
    assert garbage(snapshot) == set()


def test_a_damaged_document_is_told_once_however_often_it_is_named(layout: Layout) -> None:
    broken = layout.blob("{")
    for i in range(5):
        layout.add(broken, f"x{i}")
    assert layout.scan().notices["code"].to_pylist().count("unparseable") == 1


def test_garbage_that_cannot_be_read_hides_nothing(layout: Layout) -> None:
    lost = layout.drop(layout.manifest())
    outer = layout.index(lost)
    snapshot = layout.scan()
    assert opaque(snapshot) == set()
    assert "missing" not in codes(snapshot)
    assert outer in garbage(snapshot)


def test_config_and_layer_the_same_blob_count_once(layout: Layout) -> None:
    both = layout.config()
    image = layout.add(layout.manifest(both, both, config=both), "x")
    snapshot = layout.scan()
    assert links(snapshot) == {(image, both, "config"), (image, both, "layer")}
    assert blobkit.to_frame(snapshot).loc[both, "links_in"] == 1


def inline(content: bytes, digest: str = "", media_type: str = CONFIG) -> dict[str, object]:
    return {
        "mediaType": media_type,
        "digest": digest or sha(content),
        "size": len(content),
        "data": base64.b64encode(content).decode(),
    }


def test_inline_content_is_not_missing(layout: Layout) -> None:
    layout.add(layout.manifest(config=inline(b"{}")), "x")
    snapshot = layout.scan()
    assert stored(snapshot)[sha(b"{}")] == "inline"
    assert ("inline", sha(b"{}")) in noticed(snapshot)
    assert snapshot.bytes == sum(layout.size(d) for d, state in stored(snapshot).items() if state == "yes")


@pytest.mark.parametrize("data", [base64.b64encode(b"other").decode(), "%%%", 7, None, "e30"])
def test_inline_content_that_does_not_fit_its_digest_is_missing(layout: Layout, data: object) -> None:
    layout.add(layout.manifest(config=inline(b"{}") | {"data": data}), "x")
    assert stored(layout.scan())[sha(b"{}")] == "missing"


def test_an_inline_manifest_is_followed(layout: Layout) -> None:
    inner = layout.manifest(layout.blob("inner"))
    content = layout.path(layout.manifest(layout.blob("inner"))).read_bytes()
    layout.drop(inner)
    layout.add(layout.index(inline(content, media_type=MANIFEST)), "x", INDEX)
    snapshot = layout.scan()
    assert opaque(snapshot) == set()
    assert sha(b"inner") in freed(snapshot, "x")


def test_garbage_does_not_make_inline_content_missing(layout: Layout) -> None:
    layout.add(layout.manifest(config=inline(b"{}")), "x")
    layout.manifest(config=inline(b"{}") | {"data": None})
    assert stored(layout.scan())[sha(b"{}")] == "inline"


@pytest.mark.parametrize(
    "foreign",
    [
        {"urls": ["https://example.org/layer"]},
        {"mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"},
        {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"},
    ],
)
def test_foreign_layers_need_not_be_here(layout: Layout, foreign: dict[str, object]) -> None:
    absent = layout.to(nowhere(1)) | foreign
    present = layout.to(layout.blob("present")) | foreign
    layout.add(layout.manifest(absent, present), "x")
    snapshot = layout.scan()
    assert stored(snapshot)[nowhere(1)] == "foreign"
    assert stored(snapshot)[sha(b"present")] == "yes"
    assert "missing" not in codes(snapshot)
    assert blobkit.simulate_deref(snapshot, "x").exact


def test_sizes_and_content_that_are_not_as_told(layout: Layout) -> None:
    layer = layout.blob("content")
    layout.add(layout.manifest(layout.to(layer) | {"size": 99}), "x")
    damaged = layout.blob("damaged", digest=nowhere(1))
    snapshot = layout.scan()
    assert ("size-mismatch", layer) in noticed(snapshot)
    assert ("digest-mismatch", damaged) in noticed(snapshot)
    assert blobkit.to_frame(snapshot).loc[layer, "size"] == len("content")


def test_large_blobs_are_verified_on_request(layout: Layout) -> None:
    damaged = layout.blob(b"x" * 100_000, digest=nowhere(1))
    assert "digest-mismatch" not in codes(layout.scan())
    snapshot = blobkit.scan(layout.root, verify=True, progress=False)
    assert ("digest-mismatch", damaged) in noticed(snapshot)


def test_one_content_compressed_twice(layout: Layout) -> None:
    diff = sha(b"uncompressed")
    for i, layer in enumerate((layout.blob("gzip 1"), layout.blob("gzip 2"))):
        layout.add(layout.manifest(layer, config=layout.config(str(i), rootfs={"diff_ids": [diff]})), str(i))
    layout.image("other", "gzip 3", rootfs={"diff_ids": [diff]})
    assert [(code, key) for code, key in noticed(layout.scan()) if code == "recompressed"] == [("recompressed", diff)]


def test_an_entry_without_a_name_holds(layout: Layout) -> None:
    image = layout.image(None, "content")
    snapshot = layout.scan()
    assert garbage(snapshot) == set()
    assert image in freed(snapshot, image)


def test_a_name_given_twice_is_told_and_dropped_whole(layout: Layout) -> None:
    first, second = layout.image("x", "1"), layout.image("x", "2")
    snapshot = layout.scan()
    assert ("duplicate-name", "x") in noticed(snapshot)
    assert {first, second} <= freed(snapshot, "x")


def test_short_scans_show_no_progress(layout: Layout, capsys: pytest.CaptureFixture[str]) -> None:
    layout.image("x", "content")
    blobkit.scan(layout.root)
    assert capsys.readouterr() == ("", "")


def test_only_what_a_tool_looks_at_makes_it_abort(layout: Layout) -> None:
    subject = layout.image("image", "subject")
    referrer = layout.manifest(layout.blob("sbom"), subject=subject)
    layout.drop(sha(b"sbom"))
    assert ("missing", sha(b"sbom")) in noticed(layout.scan())
    assert would_abort(layout.scan("strong")) == ()
    layout.add(referrer, "sbom")
    (reason,) = would_abort(layout.scan("strong"))
    assert reason.startswith(f"umoci gc would abort: {sha(b'sbom')} is missing")
