"""index.json: a projection that others read, rewritten after the commit, never over another program's change."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import LayoutBehindWarning, LayoutChangedWarning
from blobkit.store.layout import layout
from blobkit.store.local import LocalStore, open_read_only
from faulty import full_disk
from patience import Clock, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.transactions import Reading

REF_NAME = "org.opencontainers.image.ref.name"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> Iterator[LocalStore]:
    with LocalStore(root, durability="off") as store:
        yield store


def entries(root: Path) -> dict[str, str]:
    """The tags as another program sees them; the file must be a valid OCI index."""
    index = json.loads((root / "index.json").read_bytes())
    assert index["schemaVersion"] == 2
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    for entry in index["manifests"]:
        assert set(entry) == {"mediaType", "digest", "size", "annotations"}
        assert entry["mediaType"]
        content = (root / "blobs" / entry["digest"].replace(":", "/")).read_bytes()
        assert (len(content), of(content, entry["digest"].partition(":")[0])) == (entry["size"], entry["digest"])
    return {entry["annotations"][REF_NAME]: entry["digest"] for entry in index["manifests"]}


@pytest.mark.usefixtures("store")
def test_a_new_store_is_an_empty_layout(root: Path) -> None:
    assert json.loads((root / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert entries(root) == {}
    assert {path.name for path in root.iterdir()} == {"oci-layout", "index.json", "blobs", ".blobkit"}
    assert [path for path in (root / "blobs").rglob("*") if path.is_file()] == []
    assert {"index.sqlite", "tmp", "quarantine"} <= {path.name for path in (root / ".blobkit").iterdir()}


def test_it_shows_the_tags_after_every_change(store: LocalStore, root: Path) -> None:
    one, two = store.put(b"one", tag="app:v1").digest, store.put(b"two", algorithm="sha512").digest
    assert entries(root) == {"app:v1": one}
    store.tag("b", two)
    store.tag("a", two)
    assert entries(root) == store.tags() == {"app:v1": one, "a": two, "b": two}
    store.untag("b")
    store.tag("app:v1", two, move=True)
    assert entries(root) == {"app:v1": two, "a": two}
    assert one not in store


def test_it_shows_media_types_and_the_change_of_one(store: LocalStore, root: Path) -> None:
    store.put(b"one", tag="t")
    assert json.loads((root / "index.json").read_bytes())["manifests"][0]["mediaType"] == "application/octet-stream"
    store.put(b"one", media_type="text/plain")
    assert json.loads((root / "index.json").read_bytes())["manifests"][0]["mediaType"] == "text/plain"


def test_verbs_that_change_no_tag_do_not_write_it(store: LocalStore, root: Path) -> None:
    store.put(b"one", tag="t")
    before = (root / "index.json").stat()
    digest = store.put(b"two").digest
    store.ref(digest)
    store.link(digest, store.put(b"three").digest)
    store.put(b"one", tag="t")
    store.untag("t", dry_run=True)
    after = (root / "index.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def without_showing(store: LocalStore) -> None:
    """Let the store die, so to say, between the commit and the rewriting of index.json."""
    store._session.projection.show = lambda _: True


def test_a_dirty_store_is_redone_at_the_next_opening(root: Path) -> None:
    with LocalStore(root, durability="off") as store:
        without_showing(store)
        digest = store.put(b"one", tag="t").digest
        assert entries(root) == {}
    with LocalStore(root, durability="off"):
        assert entries(root) == {"t": digest}


def test_a_dirty_store_is_redone_by_the_next_write_of_another_process(root: Path) -> None:
    with LocalStore(root, durability="off") as other, LocalStore(root, durability="off") as store:
        without_showing(store)
        digest = store.put(b"one", tag="t").digest
        other.put(b"two")
        assert entries(root) == {"t": digest}


@pytest.mark.parametrize("change", ["open", "tag"])
def test_death_between_the_rename_and_its_commit_is_no_foreign_change(root: Path, change: str) -> None:
    with LocalStore(root, durability="off") as store:
        other = LocalStore(root, durability="off")
        store._layout.rewrite = lambda rows: rewritten_and_died(store, rows)
        store.put(b"one", tag="t")
        assert entries(root) == {"t": of(b"one")}
    if change == "open":
        other.close()
        other = LocalStore(root, durability="off")
    with other:
        other.tag("u", of(b"one"))
        assert entries(root) == {"t": of(b"one"), "u": of(b"one")}
        assert other.untag("u") or other.untag("t")
        assert not (root / "blobs/sha256" / hashlib.sha256(b"one").hexdigest()).exists()


def rewritten_and_died(store: LocalStore, _rows: Reading) -> bool:
    store._layout._write(store.root / "index.json", store._layout._text)
    return True


def test_a_removed_index_json_is_written_again(root: Path) -> None:
    with LocalStore(root, durability="off") as store:
        digest = store.put(b"one", tag="t").digest
    (root / "index.json").unlink()
    with LocalStore(root, durability="off"):
        assert entries(root) == {"t": digest}


FOREIGN = {
    "rewritten": lambda text: text.replace(b"v1", b"v2"),
    "emptied": lambda _: b"",
    "cut short": lambda text: text[: len(text) // 2],
    "reformatted": lambda text: text + b"\n",
}


@pytest.mark.parametrize("change", FOREIGN)
def test_a_foreign_change_is_not_overwritten_nothing_is_unlinked_and_it_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    Clock(monkeypatch)
    with LocalStore(root, durability="off") as store:
        keep = store.put(b"keep", tag="v1").digest
        gone = store.put(b"gone").digest
        foreign = FOREIGN[change]((root / "index.json").read_bytes())
        (root / "index.json").write_bytes(foreign)
        with pytest.warns(LayoutChangedWarning, match=r"index\.json was changed by another program"):
            assert store.deref(gone).digests == (gone,)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # it is said once
            store.tag("w", keep)
            assert store.untag("w") or store.untag("v1")
        assert store.list() == []
        assert (root / "blobs/sha256" / gone[7:]).exists()
        assert (root / "blobs/sha256" / keep[7:]).exists()
        assert (root / "index.json").read_bytes() == foreign
    with pytest.warns(LayoutChangedWarning):
        store = LocalStore(root, durability="off")
    with store:
        assert (root / "index.json").read_bytes() == foreign
        assert len(list((root / "blobs/sha256").iterdir())) == 2
        assert [notice["code"] for notice in store.snapshot().notices.to_pylist()] == ["layout-changed"]
    with open_read_only(root) as frozen:
        assert [notice["code"] for notice in frozen.snapshot().notices.to_pylist()] == ["layout-changed"]


def test_what_was_not_unlinked_goes_once_index_json_is_ours_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch)
    with LocalStore(root, durability="off") as store:
        gone = store.put(b"gone").digest
        ours = (root / "index.json").read_bytes()
        (root / "index.json").write_bytes(b"{}")
        with pytest.warns(LayoutChangedWarning):
            store.deref(gone)
        (root / "index.json").write_bytes(ours)
        store.put(b"next")
        assert not (root / "blobs/sha256" / gone[7:]).exists()


def test_a_blob_that_returns_while_its_file_is_still_there_keeps_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch)
    with LocalStore(root, durability="off") as store:
        digest = store.put(b"x").digest
        ours = (root / "index.json").read_bytes()
        (root / "index.json").write_bytes(b"{}")
        with pytest.warns(LayoutChangedWarning):
            store.deref(digest)
        store.put(b"x")
        (root / "index.json").write_bytes(ours)
        assert store.sweep() == 0
        assert store.get(digest).read() == b"x"


def test_a_file_that_cannot_be_unlinked_stays_for_the_next_time(root: Path) -> None:
    with LocalStore(root, durability="off") as store:
        digest = store.put(b"x").digest
        path = root / "blobs/sha256" / digest[7:]
        path.unlink()
        path.mkdir()  # unlink fails on a directory, for root too
        assert store.deref(digest).digests == (digest,)
        assert store.sweep() == 0
        path.rmdir()
        path.write_bytes(b"x")
        assert store.sweep() == 1
        assert not path.exists()


def test_a_settled_index_json_is_hashed_once_and_a_foreign_change_in_place_is_seen(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change keeps inode, size and time of modification; only its time of change differs."""
    monkeypatch.setattr(layout, "SETTLED", 0)
    with LocalStore(root, durability="off") as store:
        store.put(b"tagged", tag="a")
        blobs = [store.put(bytes([number])).digest for number in range(4)]
        path, hashed = root / "index.json", []
        real = layout._hash
        monkeypatch.setattr(layout, "_hash", lambda text: (hashed.append(text), real(text))[1])
        until(lambda: (store.deref(store.put(b"more").digest), store._layout._known[0])[1] is not None)
        hashed.clear()
        for blob in blobs[:3]:
            store.deref(blob)
        assert hashed == []
        found, ours = path.stat(), path.read_bytes()
        path.write_bytes(ours.replace(b'"a"', b'"b"'))
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
        assert path.stat().st_mtime_ns == found.st_mtime_ns
        store.deref(blobs[3])
        assert (root / "blobs" / blobs[3].replace(":", "/")).exists()


def test_index_json_names_no_file_that_is_gone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be rewritten, what it names stays."""
    with LocalStore(root) as store:
        digest = store.put(b"x", tag="a").digest
        with monkeypatch.context() as patched:
            patched.setattr(layout.Layout, "_write", full_disk)
            with pytest.warns(LayoutBehindWarning, match="No space") as told:
                assert store.untag("a").digests == (digest,)
        assert [warning.filename for warning in told] == [__file__]
        assert entries(root) == {"a": digest}
        store.put(b"next", tag="b")
        assert list(entries(root)) == ["b"]
        assert not (root / "blobs" / digest.replace(":", "/")).exists()


def test_threads_that_look_at_once_do_not_take_each_others_hash(store: LocalStore) -> None:
    """One that read before another program wrote must not tell one that looks afterwards that all is ours."""
    store.put(b"x", tag="a")
    found, ours = store._layout, store._layout.hash()
    foreign = []

    def look_meanwhile(text: bytes) -> str:
        monkeypatch.setattr(layout, "_hash", real)
        found.path.write_bytes(b"{}")
        foreign.append(found.hash())
        return real(text)

    real = layout._hash
    with pytest.MonkeyPatch.context() as monkeypatch:
        found._known = (None, "")
        monkeypatch.setattr(layout, "_hash", look_meanwhile)
        assert found.hash() == ours
        assert foreign == [real(b"{}")]
        assert found.hash() == real(b"{}")
    store.adopt() if found.parses() else found.path.unlink()
