"""Stores of the original Go package: those that it wrote itself, and those that no sound run would leave."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

import blobkit
from layouts import GoStore, Layout, codes, fingerprint, freed, garbage, noticed, nowhere, sha

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Said = dict[str, Any]
    Dataset = Callable[[str], tuple[Path, Said]]

STORES = ("go-store-simple", "go-store-shared")


@pytest.fixture
def store(tmp_path: Path) -> GoStore:
    return GoStore(tmp_path / "store")


@pytest.fixture(params=STORES)
def real(go_store: Dataset, request: pytest.FixtureRequest) -> tuple[Path, Said]:
    return go_store(request.param)


def pins(snapshot: Snapshot) -> dict[str, int]:
    """The anonymous pins by key."""
    return {snapshot.key(pin["node"]): pin["count"] for pin in snapshot.pins.to_pylist()}


def test_a_real_store_is_what_go_says(real: tuple[Path, Said]) -> None:
    root, said = real
    before = fingerprint(root)
    snapshot = blobkit.scan(root, verify=True, progress=False)
    frame = blobkit.to_frame(snapshot)
    assert (snapshot.kind, snapshot.policy) == ("go-blobstore", "counts")
    assert frame["size"].to_dict() == {digest: blob["size"] for digest, blob in said["blobs"].items()}
    assert frame["refcount"].to_dict() == {digest: blob["refCount"] for digest, blob in said["blobs"].items()}
    assert snapshot.bytes == said["total_size"]
    assert [digest for digest in frame.index if digest.startswith("sha256:")] == said["list_in_go"]
    assert pins(snapshot) == said["owned_references"]
    assert sorted(frame.index[frame["links_in"] == 0]) == sorted(said["roots"])
    assert snapshot.notices.num_rows == 0
    assert fingerprint(root) == before


def test_the_links_of_a_real_store(real: tuple[Path, Said]) -> None:
    root, said = real
    links = blobkit.links_frame(blobkit.scan(root, progress=False))
    want = {(source, target) for source, blob in said["blobs"].items() for target in blob["linksTo"]}
    assert set(zip(links["source"], links["target"], strict=True)) == want


def test_every_preview_is_what_go_did(real: tuple[Path, Said]) -> None:
    root, said = real
    snapshot = blobkit.scan(root, progress=False)
    counts = {digest: blob["refCount"] for digest, blob in said["blobs"].items()}
    for digest, done in said["one_deref_in_go"].items():
        if digest not in said["owned_references"]:
            with pytest.raises(blobkit.NotPinnedError):
                blobkit.simulate_deref(snapshot, digest)
            continue
        preview = blobkit.simulate_deref(snapshot, digest)
        assert (sorted(preview.digests), preview.bytes, preview.exact) == (done["removed"], done["freed_bytes"], True)
        gone = set(preview.digests)
        changed = {digest: counts[digest] - 1} if digest not in gone else {}
        for target in [target for one in gone for target in said["blobs"][one]["linksTo"] if target not in gone]:
            changed[target] = changed.get(target, counts[target]) - 1
        assert changed == done["changed"]


def test_a_bare_path_is_recognised_and_no_layout_is_mistaken_for_it(store: GoStore, tmp_path: Path) -> None:
    store.add("content", 1)
    assert blobkit.scan(store.root, progress=False).kind == "go-blobstore"
    layout = Layout(tmp_path / "layout")
    layout.image("x", "content")
    (layout.root / "blobs" / nowhere(1)).mkdir()
    (layout.root / "blobs" / nowhere(1) / "info.json").write_text("{}")
    assert blobkit.scan(layout.root, progress=False).kind == "oci"
    GoStore(tmp_path / "empty")
    with pytest.raises(blobkit.AddressError, match=r"go-blobstore \(blobs/<digest>/info\.json\)"):
        blobkit.scan(tmp_path / "empty")
    assert blobkit.scan(f"go-blobstore:{tmp_path / 'empty'}").blobs == 0
    with pytest.raises(blobkit.UnreadableStoreError, match="it has no directory blobs"):
        blobkit.scan(f"go-blobstore:{tmp_path}")


@pytest.mark.parametrize("links", ["absent", "null", "empty"])
def test_what_older_versions_did_not_write_may_be_absent(store: GoStore, links: str) -> None:
    digest = store.add("content", 2)
    said = {"digest": digest, "refCount": 2} | {"absent": {}, "null": {"linksTo": None}, "empty": {"linksTo": []}}[
        links
    ]
    store.say(digest, said)
    snapshot = store.scan()
    assert pins(snapshot) == {digest: 2}
    assert (snapshot.bytes, snapshot.notices.num_rows) == (7, 0)


def test_fields_in_any_case(store: GoStore) -> None:
    target = store.add("target", 2)
    source = store.add("source", 1)
    store.say(source, {"DIGEST": source, "mediatype": "text/plain", "SIZE": 6, "refcount": 1, "LinksTo": [target]})
    snapshot = store.scan()
    assert pins(snapshot) == {source: 1, target: 1}
    assert blobkit.to_frame(snapshot).loc[source, "media_type"] == "text/plain"
    assert snapshot.notices.num_rows == 0


DAMAGED = {
    "empty": "",
    "truncated": '{"digest":"sha256:',
    "a list": "[]",
    "null": "null",
    "nested": "[" * 100_000,
    "no count": {"linksTo": []},
    "null count": {"refCount": None},
    "negative count": {"refCount": -1},
    "wrapped count": {"refCount": 2**64 - 1},
    "count as text": {"refCount": "1"},
    "count with a fraction": {"refCount": 1.0},
    "count as truth": {"refCount": True},
    "links as text": {"refCount": 1, "linksTo": "sha256:"},
    "links to numbers": {"refCount": 1, "linksTo": [1]},
    "size as text": {"refCount": 1, "size": "7"},
    "type as list": {"refCount": 1, "mediaType": []},
    "of another blob": {"refCount": 1, "digest": nowhere(7)},
    "too long": '{"refCount": 1}' + " " * (4 << 20),
    "absent": None,
}


@pytest.mark.parametrize("how", [*DAMAGED, "a directory", "a pipe", "unreadable", "leaves"])
def test_a_damaged_info_is_unknown_and_kept_never_free(store: GoStore, tmp_path: Path, how: str) -> None:
    damaged, child = store.add("damaged", 1, sha(b"child")), store.add("child", 1)
    other, loose = store.add("other", 1), store.add("loose", 0)
    break_info(store.info(damaged), tmp_path, how)
    before = fingerprint(store.root)
    snapshot = store.scan()
    assert ("damaged", damaged) in noticed(snapshot)
    frame = blobkit.to_frame(snapshot)
    assert frame.loc[[damaged, loose], "status"].tolist() == ["live", "unknown"]
    assert garbage(snapshot) == set()
    assert frame.loc[damaged, "pins"] == 0
    with pytest.raises(blobkit.NotPinnedError):
        blobkit.simulate_deref(snapshot, damaged)
    assert not blobkit.why(snapshot, damaged).preview()
    for digest in (child, other):
        preview = blobkit.simulate_deref(snapshot, digest)
        assert (preview.exact, preview.opaque, preview.certain_bytes) == (False, (damaged,), 0)
    assert fingerprint(store.root) == before


def break_info(path: Path, tmp_path: Path, how: str) -> None:
    if how == "unreadable":
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("root reads everything")
        return
    path.unlink()
    if how == "a directory":
        path.mkdir()
    elif how == "a pipe":
        os.mkfifo(path)
    elif how == "leaves":
        (tmp_path / "secret").write_text('{"refCount": 0}')
        path.symlink_to(tmp_path / "secret")
    elif how != "absent":
        body = DAMAGED[how]
        path.write_text(body if isinstance(body, str) else json.dumps(body))


@pytest.mark.parametrize("what", ["directory", "file"])
def test_what_stands_in_the_place_of_a_blob_is_unknown(store: GoStore, tmp_path: Path, what: str) -> None:
    GoStore(tmp_path / "other").add("content", 0)
    if what == "directory":
        (store.root / "blobs" / sha(b"content")).symlink_to(tmp_path / "other" / "blobs" / sha(b"content"))
    else:
        (store.root / "blobs" / sha(b"content")).write_text("content")
    snapshot = store.scan()
    assert noticed(snapshot) == {("damaged", sha(b"content"))}
    assert snapshot.blobs == 0


def test_blobs_that_lead_out_of_the_store_are_not_followed(store: GoStore, tmp_path: Path) -> None:
    digest = store.add("content", 1)
    store.path(digest).rename(tmp_path / "file")
    store.path(digest).symlink_to(tmp_path / "file")
    assert {("symlink", digest), ("missing", digest)} <= noticed(store.scan())
    assert store.scan().blobs == 0
    (store.root / "blobs").rename(tmp_path / "elsewhere")
    (store.root / "blobs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(blobkit.UnreadableStoreError):
        store.scan()


def test_negative_pins_are_reported_and_hold_nothing(store: GoStore) -> None:
    target = store.add("target", 1)
    one, two = store.add("one", 1, target), store.add("two", 1, target)
    snapshot = store.scan()
    assert pins(snapshot) == {one: 1, two: 1}
    assert noticed(snapshot) == {("negative-pins", target)}
    assert "has -1 pins: a refCount of 1 and 2 links to it" in snapshot.notices["message"][0].as_py()
    assert freed(snapshot, one) == {one}
    assert freed(snapshot, one, two) == {one, two, target}


def test_a_count_of_zero_is_garbage_and_what_it_holds_stays(store: GoStore) -> None:
    target = store.add("target", 1)
    loose = store.add("loose", 0, target)
    snapshot = store.scan()
    assert garbage(snapshot) == {loose, target}
    assert pins(snapshot) == {}


def test_links_that_no_run_leaves(store: GoStore) -> None:
    target = store.add("target", 2)
    source = store.add("source", 1, target, target, nowhere(1), "../../etc/passwd", "sha256:AB")
    circle = sha(b"circle")
    store.add("circle", 2, circle)
    snapshot = store.scan()
    assert noticed(snapshot) == {("odd", source), ("dangling", source)}
    assert pins(snapshot) == {source: 1, target: 1, circle: 1}
    assert blobkit.to_frame(snapshot, absent=True).loc[nowhere(1), "stored"] == "missing"
    assert freed(snapshot, source) == {source}
    assert freed(snapshot, circle) == set()


def test_content_that_is_missing_short_or_other(store: GoStore) -> None:
    missing, short, other = (store.add(content, 1) for content in ("missing", "short", "other"))
    store.drop(missing)
    store.path(short).write_text("shor")
    store.path(other).write_text("rehto")
    snapshot = store.scan()
    assert {("missing", missing), ("size-mismatch", short), ("digest-mismatch", other)} <= noticed(snapshot)
    assert pins(snapshot) == {missing: 1, short: 1, other: 1}
    assert snapshot.bytes == 9


def test_what_is_no_blob(store: GoStore) -> None:
    digest = store.add("content", 1)
    (store.root / "blobs" / "README").write_text("")
    (store.root / "blobs" / nowhere(1)).mkdir()
    (store.root / "blobs" / digest / "info.json~").write_text("")
    (store.root / "temp-blob-123").write_text("half")
    snapshot = store.scan()
    assert codes(snapshot) == {"junk", "upload"}
    assert noticed(snapshot) == {("junk", ""), ("junk", nowhere(1)), ("junk", digest), ("upload", "")}
    assert blobkit.to_frame(snapshot, absent=True).index.tolist() == [digest]


def test_every_algorithm(store: GoStore) -> None:
    long = store.add("long", 1, label="sha512")
    store.add("short", 1, long, label="sha384")
    snapshot = store.scan()
    assert freed(snapshot, sha(b"short", "sha384")) == {long, sha(b"short", "sha384")}
    assert pins(snapshot) == {sha(b"short", "sha384"): 1}
