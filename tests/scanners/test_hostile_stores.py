"""Stores made by strangers: files in odd places, names of any kind, documents of any shape. Nothing is touched."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blobkit
from blobkit.errors import UnreadableStoreError
from blobkit.oci.documents import Document, entries, read_config, read_document
from blobkit.oci.untrusted import DocumentError, parse_json
from blobkit.scanners import oci_layout
from layouts import INDEX, MANIFEST, NAME, Layout, Registry, codes, fingerprint, freed, garbage, noticed, nowhere, sha

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "store")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "store")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oci_layout, "PAUSE", 0)


def moved(layout: Layout, digest: str, to: Path) -> None:
    """Put a symbolic link in the place of a blob."""
    to.parent.mkdir(parents=True, exist_ok=True)
    layout.path(digest).rename(to)
    layout.path(digest).symlink_to(to)


def test_a_symbolic_link_within_the_store_is_followed(layout: Layout) -> None:
    image = layout.image("x", "content")
    for digest in (image, sha(b"content")):
        moved(layout, digest, layout.root / "pool" / digest[-8:])
    snapshot = layout.scan()
    assert {("symlink", image), ("symlink", sha(b"content"))} <= noticed(snapshot)
    assert snapshot.bytes == layout.size(image, sha(b"content"), layout.config())


@pytest.mark.parametrize("what", ["document", "layer"])
def test_a_symbolic_link_that_leaves_the_store_is_not_followed(layout: Layout, tmp_path: Path, what: str) -> None:
    image = layout.image("x", "content")
    out = {"document": image, "layer": sha(b"content")}[what]
    moved(layout, out, tmp_path / "elsewhere" / "file")
    snapshot = layout.scan()
    assert ("symlink", out) in noticed(snapshot)
    assert out not in blobkit.to_frame(snapshot).index
    assert ("opaque" in codes(snapshot)) == (what == "document")


@pytest.mark.parametrize("place", ["blobs", "blobs/sha256"])
def test_a_directory_that_leaves_the_store_is_not_followed(layout: Layout, tmp_path: Path, place: str) -> None:
    layout.image("x", "content")
    (layout.root / place).rename(tmp_path / "elsewhere")
    (layout.root / place).symlink_to(tmp_path / "elsewhere")
    snapshot = layout.scan()
    assert "symlink" in codes(snapshot)
    assert snapshot.blobs == 0
    assert garbage(snapshot) == set()


def test_links_in_a_circle_and_into_nothing(layout: Layout) -> None:
    layout.image("x", "content")
    for digest, target in ((nowhere(1), nowhere(2)), (nowhere(2), nowhere(1)), (nowhere(3), "gone")):
        layout.path(digest).symlink_to(layout.root / "blobs/sha256" / target.removeprefix("sha256:"))
    (layout.root / "blobs" / "sha512").symlink_to(layout.root / "blobs" / "sha512")
    snapshot = layout.scan()
    assert snapshot.blobs == 3
    assert {key for code, key in noticed(snapshot) if code == "unreadable"} == {nowhere(1), nowhere(2), nowhere(3)}


@pytest.mark.parametrize("place", ["garbage", "manifest", "layer"])
def test_a_pipe_named_like_a_blob_is_not_waited_for(layout: Layout, place: str) -> None:
    image = layout.image("x", "content")
    digest = {"garbage": nowhere(1), "manifest": image, "layer": sha(b"content")}[place]
    layout.path(digest).unlink(missing_ok=True)
    os.mkfifo(layout.path(digest))
    snapshot = blobkit.scan(layout.root, verify=True, progress=False)
    assert ("junk", digest) in noticed(snapshot)
    assert digest not in blobkit.to_frame(snapshot).index


@pytest.mark.parametrize("place", ["data", "link"])
def test_a_pipe_in_a_registry_is_not_waited_for(registry: Registry, place: str) -> None:
    image = registry.push("r", "1", "content")
    path = {"data": registry.path(image), "link": registry.v2 / "repositories/r/_manifests/tags/1/current/link"}[place]
    path.unlink()
    os.mkfifo(path)
    assert codes(registry.scan()) & {"junk", "damaged-tag"}


@pytest.mark.parametrize("how", ["absent", "pipe", "directory", "half", "list", "object", "nested", "leaves", "text"])
def test_an_index_that_cannot_be_read_is_an_error_that_names_it(layout: Layout, tmp_path: Path, how: str) -> None:
    path = layout.root / "index.json"
    content = {"half": '{"manifests": [{"dig', "list": "[]", "object": '{"manifests": {}}', "nested": "[" * 100_000}
    path.unlink()
    if how == "pipe":
        os.mkfifo(path)
    elif how == "directory":
        path.mkdir()
    elif how == "leaves":
        (tmp_path / "secret").write_text('{"manifests": []}')
        path.symlink_to(tmp_path / "secret")
    elif how != "absent":
        layout.write(content.get(how, "not JSON"))
    with pytest.raises(UnreadableStoreError, match=r"index\.json"):
        layout.scan()


def test_an_index_that_is_too_large_is_an_error(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    layout.image("x", "content")
    layout.scan()
    monkeypatch.setattr(oci_layout, "INDEX_LIMIT", 100)
    with pytest.raises(UnreadableStoreError, match="larger than"):
        layout.scan()


def test_an_index_that_is_being_rewritten_is_tried_again(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    layout.image("x", "content")
    whole = (layout.root / "index.json").read_text()
    layout.write(whole[:20])
    monkeypatch.setattr(oci_layout.time, "sleep", lambda _: layout.write(whole))
    assert layout.scan().blobs == 3


@pytest.mark.parametrize("body", [{"manifests": None}, {}, {"manifests": []}])
def test_an_index_may_list_nothing(layout: Layout, body: dict[str, object]) -> None:
    layout.write(body)
    lost = layout.blob("lost")
    assert garbage(layout.scan()) == {lost}


@pytest.mark.parametrize("name", ["\ud800", "x\udcff", "a\x00b", "x" * 5000, " ", "🙂", "é", "\u202e", "'; rm -rf /"])
def test_names_of_any_kind_can_be_dropped_as_they_are_shown(layout: Layout, name: str) -> None:
    layout.image(name, "content")
    snapshot = layout.scan()
    (shown,) = blobkit.tags_frame(snapshot).index
    shown.encode()
    assert len(freed(snapshot, shown)) == 3


@pytest.mark.parametrize("name", [b"\xff\xfe", b"tag\n", b"\xed\xa0\x80"])
def test_file_names_that_are_no_text(registry: Registry, name: bytes) -> None:
    image = registry.push("r", "ok", "content")
    tags = os.fsencode(registry.v2 / "repositories/r/_manifests/tags")
    os.mkdir(os.path.join(tags, name))  # noqa: PTH102, PTH118 (bytes)
    os.rename(os.path.join(tags, b"ok/current"), os.path.join(tags, name, b"current"))  # noqa: PTH104, PTH118
    os.mkdir(os.path.join(os.fsencode(registry.v2 / "blobs"), name))  # noqa: PTH102, PTH118
    snapshot = registry.scan()
    (shown,) = blobkit.tags_frame(snapshot).index
    assert shown.startswith("r:")
    assert image in freed(snapshot, shown)


@pytest.mark.parametrize("name", ["", None, 7, ["x"], {}])
def test_a_name_that_is_no_text_is_none(layout: Layout, name: object) -> None:
    image = layout.manifest()
    layout.write({"manifests": [layout.to(image, MANIFEST, annotations={NAME: name})]})
    assert layout.scan().pins["name"].to_pylist() == [None]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just(nowhere(1)),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("digest", "mediaType", "size", "data", "platform", "urls")), inner, max_size=4
        )
    ),
    max_leaves=8,
)
FIELDS = (
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "blobs",
    "fsLayers",
    "subject",
    "annotations",
    "artifactType",
    "rootfs",
    "created",
    "os",
    "architecture",
)
DOCUMENTS = st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from((MANIFEST, INDEX, 2)), max_size=6)


@given(DOCUMENTS, st.sampled_from(("", MANIFEST, INDEX)))
def test_documents_of_any_shape_are_read_or_refused(body: dict[str, object], media_type: str) -> None:
    data = json.dumps(body).encode()
    read_config(data)
    try:
        document = read_document(data, media_type)
    except DocumentError:
        return
    assert isinstance(document, Document)
    assert all(reference.digest == nowhere(1) for reference in document.references)
    list(entries({"manifests": [body]}, []))


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\xff", b'"x"', b"nul", b"{" * 10_000, b'{"a":' * 10_000, b"1" * 10_000]
)
def test_bytes_of_any_kind_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(DocumentError):
        read_document(data, MANIFEST)
    assert read_config(data).platform == ""


@pytest.mark.parametrize("field", ["config", "layers", "subject", "annotations", "mediaType", "schemaVersion"])
@pytest.mark.parametrize("value", [None, 7, "x", [], {}, [7], [None], [[]], {"digest": 7}, [{"digest": "sha256:x"}]])
def test_a_manifest_with_anything_anywhere_is_scanned(layout: Layout, field: str, value: object) -> None:
    whole = json.loads(layout.path(layout.manifest(layout.blob("content"))).read_bytes())
    layout.add(layout.json(whole | {field: value}), "x")
    layout.image("ok", "other")
    layout.write({"manifests": [*layout.entries, 7, None, {}, {field: value}, {"digest": value}]})
    snapshot = layout.scan()
    assert sha(b"other") in freed(snapshot, "ok")
    assert "odd" in codes(snapshot)


def test_times_and_platforms_of_any_kind(layout: Layout) -> None:
    for created in (
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "yesterday",
        7,
        None,
        "2024-01-01",
        "x" * 10_000,
    ):
        layout.add(layout.manifest(config=layout.config(created=created, variant=[])), str(created)[:40])
    frame = blobkit.to_frame(layout.scan())
    assert frame["created"].dropna().dt.year.isin([2024, 9999, 10000]).all()
    assert "linux/amd64" in set(frame["platform"])


def test_scanning_leaves_no_trace(layout: Layout, tmp_path: Path) -> None:
    layout.image("x", "content", subject=nowhere(1))
    layout.blob("damaged", digest=nowhere(2))
    layout.path(nowhere(3)).symlink_to(tmp_path)
    layout.path(layout.blob("read-only")).chmod(0o400)
    registry = Registry(tmp_path / "registry")
    registry.push("a/b", "1", "content")
    registry.link("a/_manifests/tags/1/current/link", "damaged")
    for path in (layout.root, registry.root):
        before = fingerprint(path)
        for verify in (False, True):
            blobkit.to_frame(blobkit.scan(path, verify=verify, progress=False))
        assert fingerprint(path) == before


def test_fields_are_found_in_any_case_as_programs_in_go_find_them() -> None:
    digest = "sha256:" + "a" * 64
    spelled = {"MEDIATYPE": MANIFEST, "Config": None, "LAYERS": [{"Digest": digest, "SIZE": 7}]}
    document = read_document(json.dumps(spelled).encode())
    assert [(r.digest, r.kind, r.size) for r in document.references] == [(digest, "layer", 7)]
    assert document.odd == ()


@pytest.mark.parametrize(
    ("names", "counts"),
    [
        (("layers", "Layers"), 1),
        (("LAYERS", "layers"), 1),
        (("layers", "Layers", "layers"), 2),
        (("layers", "layers"), 1),
        (("layers", "layer\u017f"), 1),  # Go takes a long s for an s
        (("layers", "\\u004cayers"), 1),
    ],
)
def test_of_a_field_that_is_given_twice_the_last_value_counts(names: tuple[str, ...], counts: int) -> None:
    values = [[{"digest": f"sha256:{number:064}"}] for number in range(len(names))]
    members = (f'"{name}": {json.dumps(value)}' for name, value in zip(names, values, strict=True))
    document = read_document(f"{{{', '.join(members)}}}".encode(), MANIFEST)
    assert [reference.digest for reference in document.references] == [values[counts][0]["digest"]]


def test_keys_of_annotations_are_no_fields() -> None:
    body = parse_json(b'{"Annotations": {"Size": "1", "size": "2"}, "SIZE": 3}')
    assert body == {"annotations": {"Size": "1", "size": "2"}, "size": 3}


@pytest.mark.parametrize("refused", ["\ufeff{}".encode(), "{}".encode("utf-16"), b'{"a": NaN}', b"{} {}", b"{}x"])
def test_documents_that_no_tool_reads_are_refused(refused: bytes) -> None:
    with pytest.raises(DocumentError, match="JSON"):
        parse_json(refused)


def test_bytes_that_are_no_utf_8_are_replaced() -> None:
    assert parse_json(b'{"a": "gr\xfc\xdfe"}') == {"a": "gr\ufffd\ufffde"}


ELSEWHERE = {"mediaType": INDEX, "digest": "blake3:" + "a" * 64, "size": 3}


def test_an_entry_that_is_not_understood_may_hold_anything(layout: Layout) -> None:
    layout.image("t", "content")
    orphan = layout.blob("an orphan, or not")
    assert garbage(layout.scan()) == {orphan}
    body = json.loads((layout.root / "index.json").read_text())
    layout.write({**body, "manifests": [*body["manifests"], ELSEWHERE]})
    snapshot = layout.scan()
    assert garbage(snapshot) == set()
    assert blobkit.to_frame(snapshot).loc[orphan, "status"] == "unknown"
    assert blobkit.simulate_deref(snapshot, "t").opaque == ("index.json",)


def test_a_child_that_is_not_understood_may_hold_anything_a_layer_nothing(layout: Layout) -> None:
    orphan = layout.blob("an orphan, or not")
    odd_layer = {"mediaType": MANIFEST, "config": None, "layers": [{**ELSEWHERE, "mediaType": "application/x"}]}
    layout.add(layout.json(odd_layer), "layer")
    assert garbage(layout.scan()) == {orphan}
    layout.add(layout.json({"mediaType": INDEX, "manifests": [ELSEWHERE]}), "index", INDEX)
    assert garbage(layout.scan()) == set()
