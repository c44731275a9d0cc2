"""Small content in the journal: it is there whatever becomes of its file, until that is durable."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

import pytest

from blobkit.content import placing
from blobkit.digest import of
from blobkit.errors import ContentMissingError
from blobkit.index.rows import Rows
from blobkit.store import journal
from blobkit.store.journal import LIMIT, entries
from blobkit.store.local import LocalStore, open_read_only
from draining import drain

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.content.directory import DirectoryContent

SMALL = of(b"small")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def file(root: Path, digest: str) -> Path:
    return root / "blobs" / digest.replace(":", "/")


def held(store: LocalStore) -> list[str]:
    return [entry.digest for entry in store._index.read(lambda rows: list(entries(rows)))]


def died(store: LocalStore) -> None:
    """Let the store go as a process does that is killed."""
    store._index.close()


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_small_content_is_in_the_journal_and_in_its_place(root: Path, durability: str) -> None:
    with LocalStore(root, durability=durability) as store:
        store.put(b"small", tag="t")
        large = store.put(b"x" * (LIMIT + 1)).digest
        limit = store.put(b"y" * LIMIT).digest
        assert held(store) == [SMALL, limit]
        assert file(root, SMALL).read_bytes() == b"small"
        assert stat.S_IMODE(file(root, SMALL).stat().st_mode) == 0o444
        assert large in store
        store.put(b"small")
        assert len(held(store)) == 2, "what is in its place is not written again"
    with LocalStore(root) as store:
        assert held(store) == [], "a store that was closed has it in its place only"
        assert store.get(SMALL).read() == b"small"


def test_a_store_that_promises_nothing_keeps_no_journal(root: Path) -> None:
    with LocalStore(root, durability="off") as store:
        store.put(b"small")
        assert held(store) == []
        assert file(root, SMALL).read_bytes() == b"small"


def test_it_is_drained_every_so_often_and_numbers_are_given_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PUTS", 4)
    with LocalStore(root) as store:
        for number in range(10):
            store.put(b"%d" % number)
        assert held(store) == [of(b"8"), of(b"9")]
        numbers = store._index.read(lambda rows: [entry.number for entry in entries(rows)])
        assert numbers == [9, 10]


def test_it_is_drained_when_it_holds_much(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "BYTES", 100_000)
    with LocalStore(root) as store:
        most = 0
        for number in range(12):
            store.put(bytes([number]) * 30_000)
            most = max(most, len(held(store)))
        assert most == 4


@pytest.mark.parametrize("harm", ["gone", "cut", "other"])
def test_what_a_crash_left_of_a_file_is_put_right_by_opening(root: Path, harm: str) -> None:
    store = LocalStore(root)
    store.put(b"small", tag="t")
    damage(file(root, SMALL), harm)
    if harm != "other":
        assert store.get(SMALL).read() == b"small"
        assert store.open(SMALL).read() == b"small"
        with open_read_only(root) as reader:
            assert reader.get(SMALL).read() == b"small"
            found = [finding.code for finding in reader.fsck(progress=False).findings]
            assert found == ["unrestored"] * (harm != "gone"), "an absent file may be about to come"
    died(store)
    for durability in ("off", "full"):
        with LocalStore(root, durability=durability) as store:
            assert file(root, SMALL).read_bytes() == b"small"
            assert not store.fsck(progress=False)


def damage(path: Path, harm: str) -> None:
    path.unlink()
    if harm != "gone":
        path.write_bytes(b"sm" if harm == "cut" else b"large")


@pytest.mark.parametrize("harm", ["gone", "cut", "other"])
def test_a_check_of_an_open_store_restores_it(root: Path, harm: str) -> None:
    with LocalStore(root) as store:
        store.put(b"small")
        damage(file(root, SMALL), harm)
        found = store.fsck(progress=False)
        assert [(f.code, f.action) for f in found.findings] == [("unrestored", "")] * (harm != "gone")
        assert any("unfinished" in note for note in found.notes) == (harm == "gone"), (
            "its writer may be about to place it"
        )
        assert [(f.code, f.action) for f in store.fsck(repair=True, progress=False).findings] == [
            ("unrestored", "restored")
        ]
        assert file(root, SMALL).read_bytes() == b"small"
        assert not store.fsck(progress=False)


def test_what_was_removed_stays_removed(root: Path) -> None:
    store = LocalStore(root)
    store.deref(store.put(b"small").digest)
    assert held(store) == [SMALL], "only a drain takes entries out"
    died(store)
    with LocalStore(root) as store:
        assert not file(root, SMALL).exists()
        assert not store.fsck(progress=False)
        with pytest.raises(KeyError):
            store.get(SMALL)


def test_a_torn_file_that_was_removed_comes_back_whole_or_not_at_all(root: Path) -> None:
    """A loss of power may bring a name back whose removal was not durable yet, without its bytes."""
    store = LocalStore(root)
    store.deref(store.put(b"small").digest)
    file(root, SMALL).write_bytes(b"sm")
    died(store)
    LocalStore(root).close()
    assert file(root, SMALL).read_bytes() == b"small"


def test_a_writer_that_died_before_it_placed_a_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, other = LocalStore(root), LocalStore(root)
    with monkeypatch.context() as patched:
        patched.setattr(store._content, "place", lambda *_, **__: None)
        for data in (b"small", b"drained"):
            store.put(data)
    assert other.get(SMALL).read() == b"small"
    assert not file(root, SMALL).exists()
    other.put(b"small")
    assert file(root, SMALL).exists(), "whoever puts it again places it"
    drain(other)
    assert file(root, of(b"drained")).read_bytes() == b"drained"
    died(store)
    other.close()
    with LocalStore(root) as store:
        assert not store.fsck(progress=False)


def test_a_file_that_is_placed_after_its_blob_went_is_swept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalStore(root) as store, LocalStore(root) as other:
        place, late = store._content.place, []
        monkeypatch.setattr(store._content, "place", lambda *blob, **how: late.append((blob, how)))
        store.put(b"small")
        assert other.deref(SMALL).digests == (SMALL,)
        for blob, how in late:
            place(*blob, **how)
        monkeypatch.undo()
        assert file(root, SMALL).exists()
        store.put(b"next")
        assert not file(root, SMALL).exists()


def test_a_file_that_cannot_be_placed_fails_no_verb(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalStore(root) as store:
        with monkeypatch.context() as patched:
            patched.setattr(store._content, "place", full_disk)
            assert store.put(b"small").pins == 1
        assert store.get(SMALL).read() == b"small"
    with LocalStore(root) as store:
        assert file(root, SMALL).read_bytes() == b"small"


def full_disk(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_after_a_sync_that_failed_files_are_written_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel drops the pages that it could not write: another sync would say that all is well."""
    with LocalStore(root) as store:
        store.put(b"small")
        before = file(root, SMALL).stat().st_ino
        with monkeypatch.context() as patched:
            patched.setattr(store._content, "sync", full_disk)
            with pytest.raises(OSError, match="No space"):
                drain(store)
        assert held(store) == [SMALL]
        with LocalStore(root) as other:
            drain(other)
        assert held(store) == []
        assert file(root, SMALL).stat().st_ino != before
        after = file(root, SMALL).stat().st_ino
        store.put(b"next")
        drain(store)
        assert file(root, SMALL).stat().st_ino == after


def test_an_entry_that_is_damaged_itself_restores_nothing(root: Path) -> None:
    store = LocalStore(root)
    store.put(b"small")
    with store._index.writing() as rows:
        rows._db.execute("UPDATE journal SET content = x'00'")
        rows._db.execute("INSERT INTO journal(digest, content) VALUES (x'0910', x'00')")
    file(root, SMALL).unlink()
    died(store)
    with LocalStore(root) as store:
        with pytest.raises(ContentMissingError):
            store.get(SMALL).read()
        assert [finding.code for finding in store.fsck(progress=False).findings] == ["content-missing"]


@pytest.mark.parametrize("refusal", [errno.EOPNOTSUPP, None])
def test_where_no_file_can_be_without_a_name(root: Path, monkeypatch: pytest.MonkeyPatch, refusal: int | None) -> None:
    def refuse(*_: object) -> None:
        raise OSError(refusal, "not here")

    if refusal is None:
        monkeypatch.delattr(placing.os, "O_TMPFILE")
    else:
        monkeypatch.setattr(placing, "_place_nameless", refuse)
    with LocalStore(root) as store:
        store.put(b"small")
        files: DirectoryContent = store._content
        files.place(SMALL, b"small")
        assert file(root, SMALL).read_bytes() == b"small"
        assert list((root / ".blobkit/tmp").iterdir()) == []


def test_a_change_of_tags_lists_only_the_entries_since_the_last_one(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    journalled = Rows.journalled
    with LocalStore(root) as store:
        digests = [store.put(b"%d" % number).digest for number in range(3)]
        store.tag("first", digests[0])
        last = store._index.read(lambda tx: [entry.number for entry in entries(tx)][-1])
        monkeypatch.setattr(
            Rows, "journalled", lambda tx, after, limit: (asked.append(after), journalled(tx, after, limit))[1]
        )
        store.tag("second", digests[1])
    assert asked[0] == last
