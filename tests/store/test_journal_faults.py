"""Small content where something fails between its commit and its file: it is there, and is found whole."""

from __future__ import annotations

import sqlite3
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of, pack
from blobkit.errors import BlobNotFoundError
from blobkit.index.writes import SqliteWriting
from blobkit.store import journal
from blobkit.store.local import LocalStore, open_read_only
from draining import drain
from faulty import die, died, file, full_disk, held, journal_of, killed_in, shown
from foreign import Foreign, names
from layouts import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL = of(b"small")


def codes(store: LocalStore) -> list[str]:
    return [finding.code for finding in store.fsck(progress=False).findings]


def unplaced(root: Path, content: bytes, **how: object) -> None:
    """Let a process be killed between the commit of a put and its file. It has put before: so it takes a short path."""

    def put() -> None:
        store = LocalStore(root)
        store.put(b"before")
        drain(store)
        store._content.place = die
        store.put(content, **how)

    killed_in(put, root.parent / "trouble")


def test_a_full_disk_does_not_keep_a_store_from_opening(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be restored is read from the journal: one must be able to remove something."""
    LocalStore(root).close()
    unplaced(root, b"small")
    with monkeypatch.context() as patched:
        patched.setattr("blobkit.content.directory.DirectoryContent.place", full_disk)
        store = LocalStore(root)
        assert journal_of(store).odd == {SMALL}
        assert store.get(SMALL).read() == store.open(SMALL).read() == b"small"
        assert store.deref(store.put(b"other").digest).digests == (of(b"other"),)
        store.close()
    with LocalStore(root) as store:
        assert file(root, SMALL).read_bytes() == b"small"
        assert codes(store) == []


def test_what_cannot_be_placed_does_not_keep_the_rest_in_the_journal(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory came into the place of a file: its entry stays, all others go, and the store opens."""
    monkeypatch.setattr(journal, "PUTS", 4)
    store = LocalStore(root)
    with monkeypatch.context() as patched:
        patched.setattr(store._content, "place", full_disk)
        store.put(b"small")
    file(root, SMALL).mkdir()
    for number in range(10):
        store.put(b"%d" % number)
    assert held(store) == [SMALL, of(b"7"), of(b"8"), of(b"9")]
    store.close()
    with LocalStore(root) as store:
        assert held(store) == [SMALL]
        assert store.get(SMALL).read() == b"small"
        file(root, SMALL).rmdir()
        drain(store)
        assert (held(store), file(root, SMALL).read_bytes()) == ([], b"small")


def test_a_put_over_what_cannot_be_a_file_raises_and_records_nothing(root: Path) -> None:
    with LocalStore(root) as store:
        file(root, SMALL).mkdir()
        with pytest.raises(IsADirectoryError):
            store.put(b"small")
        assert (SMALL in store, held(store)) == (False, [])
        assert store.put(b"next").pins == 1


def test_a_failed_sync_that_could_not_be_noted_is_not_forgotten(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full for the index, too: the process remembers that files are to be written anew."""
    set_meta = SqliteWriting.set_meta

    def refusing(rows: SqliteWriting, key: str, value: str | None) -> None:
        if value is not None:
            msg = "SQLITE_FULL: database or disk is full"
            raise sqlite3.OperationalError(msg)
        set_meta(rows, key, value)

    with LocalStore(root) as store:
        store.put(b"small")
        before = file(root, SMALL).stat().st_ino
        with monkeypatch.context() as patched:
            patched.setattr(store._content, "sync", full_disk)
            patched.setattr(SqliteWriting, "set_meta", refusing)
            with pytest.raises(OSError, match="No space"):
                drain(store)
        assert held(store) == [SMALL]
        drain(store)
        assert held(store) == []
        assert file(root, SMALL).stat().st_ino != before


@pytest.mark.parametrize("media_type", ["", "text/plain"])
def test_other_bytes_of_the_same_size_are_replaced_before_the_commit(root: Path, media_type: str) -> None:
    """An orphan of a loss of power: no put may rest upon it, even if its writer is killed in between."""
    LocalStore(root).close()
    file(root, SMALL).write_bytes(b"\0" * 5)
    unplaced(root, b"small", media_type=media_type)
    with LocalStore(root) as other:
        assert SMALL not in other
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(other._content, "stage", full_disk)
            with pytest.raises(OSError, match="No space"):
                other.put(b"small")
        assert (SMALL in other, held(other)) == (False, [])
        assert (other.put(b"small").pins, other.get(SMALL).read()) == (1, b"small")
        drain(other)
        assert (held(other), other.get(SMALL).read(), codes(other)) == ([], b"small", [])


def test_a_drain_replaces_other_bytes_of_the_same_size(root: Path) -> None:
    LocalStore(root).close()
    unplaced(root, b"small")
    with LocalStore(root, durability="normal") as other:
        file(root, SMALL).unlink()
        file(root, SMALL).write_bytes(b"\0" * 5)
        drain(other)
        assert (held(other), file(root, SMALL).read_bytes()) == ([], b"small")


def test_an_entry_that_is_damaged_does_not_replace_a_file(root: Path) -> None:
    store = LocalStore(root)
    store.put(b"small")
    drain(store)
    with store._index.writing() as rows:
        rows._db.execute("INSERT INTO journal(digest, content) VALUES (?, x'00')", (pack(SMALL),))
    store.close()
    assert file(root, SMALL).read_bytes() == b"small"
    with LocalStore(root) as store:
        assert (codes(store), store.get(SMALL).read()) == ([], b"small")


def test_a_reader_does_not_believe_a_file_that_has_only_its_size(root: Path) -> None:
    """Some file systems bring a size back after a loss of power, and no bytes."""
    store = LocalStore(root)
    store.put(b"small", tag="t:1")
    died(store)
    file(root, SMALL).unlink()
    file(root, SMALL).write_bytes(b"\0" * 5)
    with open_read_only(root) as reader:
        assert reader.get(SMALL).read() == reader.open(SMALL).read() == reader.get(SMALL).open().read() == b"small"
        with LocalStore(root.parent / "copy") as copy:
            assert copy.import_(reader, progress=False).notices == ()
            assert copy.get(SMALL).read() == b"small"
        assert reader.export("t:1", root.parent / "layout").notices == ()
        assert file(root.parent / "layout", SMALL).read_bytes() == b"small"
    with LocalStore(root) as store:
        assert store.get(SMALL).read() == b"small"


def test_a_rebuild_puts_right_what_the_journal_has(root: Path) -> None:
    store = LocalStore(root)
    for name in ("absent", "torn", "zeros"):
        store.put(name.encode(), tag=name)
    died(store)
    file(root, of(b"absent")).unlink()
    for name, left in (("torn", b"to"), ("zeros", b"\0" * 5)):
        file(root, of(name.encode())).unlink()
        file(root, of(name.encode())).write_bytes(left)
    LocalStore.rebuild(root, progress=False)
    with LocalStore(root) as store:
        assert [store.get(of(name)).read() for name in (b"absent", b"torn", b"zeros")] == [b"absent", b"torn", b"zeros"]
        assert codes(store) == []


def test_files_are_restored_before_another_program_is_believed(root: Path) -> None:
    """It tagged a manifest here that a loss of power took away again: adopting finds it whole."""
    other, store = Foreign(root), LocalStore(root)
    digests = [store.put(content).digest for content in (b"{}", b"layer")]
    manifest = other.image("{}", b"layer")
    body = other.path(manifest).read_bytes()
    other.path(manifest).unlink()
    store.put(body, media_type=MANIFEST, tag="a:1")
    died(store)
    other.add(other.entry(manifest, "b:1"))
    for digest in (*digests, manifest):
        file(root, digest).unlink(missing_ok=True)
    with LocalStore(root, adopt=True) as store:
        assert (store.adopted.tags, store.adopted.damaged) == (("b:1",), ())
        assert store.tags() == {"a:1": manifest, "b:1": manifest} == names(other)
        assert codes(store) == []


def test_no_tag_is_shown_before_its_file_is_there(root: Path) -> None:
    """Its writer was killed; another process that has the store open shows the tag."""
    with LocalStore(root) as other:
        unplaced(root, b"small", tag="t:1")
        other.put(b"another")
        assert shown(root) == [SMALL]
        assert file(root, SMALL).read_bytes() == b"small"


def test_no_tag_is_shown_while_its_file_cannot_be_placed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalStore(root) as store:
        with monkeypatch.context() as patched, warnings.catch_warnings(action="ignore"):
            patched.setattr(store._content, "place", full_disk)
            assert store.put(b"small", tag="t:1").refcount == 1
            assert shown(root) == []
        store.put(b"another")
        assert shown(root) == [SMALL]
        assert file(root, SMALL).exists()


@pytest.fixture
def draining_at_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "PUTS", 2)


@pytest.mark.usefixtures("draining_at_two")
def test_a_put_that_is_committed_waits_for_nobody(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process takes the lock while the put drains: it drops no entries then, and takes no lock."""
    with LocalStore(root, timeout=0) as store, LocalStore(root) as other:
        store.put(b"first")
        locks, sync, other_writing = [], store._content.sync, other._index.writing()
        monkeypatch.setattr(store._content, "sync", lambda: (locks.append(other_writing.__enter__()), sync()))
        assert (store.put(b"second").pins, len(locks)) == (1, 1)
        monkeypatch.undo()
        assert len(held(store)) == 2
        other_writing.__exit__(None, None, None)
        store.put(b"third")
        assert held(store) == [of(b"third")]


@pytest.mark.usefixtures("draining_at_two")
@pytest.mark.parametrize("meets", ["lock", "full disk", "closed"])
def test_a_put_that_is_committed_raises_nothing(root: Path, monkeypatch: pytest.MonkeyPatch, meets: str) -> None:
    store, other = LocalStore(root, timeout=0), LocalStore(root)
    store.put(b"first")
    if meets == "lock":  # after a failed sync a drain must write, and takes the lock for that
        with monkeypatch.context() as patched, suppress(OSError):
            patched.setattr(store._content, "sync", full_disk)
            journal_of(store).sync()
    place, kept = store._content.place, []

    def placing(*blob: object, **how: object) -> None:
        place(*blob, **how)
        if meets == "lock" and not kept:
            kept.append(other._index.writing())
            kept[0].__enter__()
        elif meets == "full disk":
            store._content.sync = full_disk
        elif meets == "closed":
            store._index.close()

    monkeypatch.setattr(store._content, "place", placing)
    assert store.put(b"second").pins == 1
    assert len(kept) == (meets == "lock")
    for transaction in kept:
        transaction.__exit__(None, None, None)
    assert of(b"second") in other
    monkeypatch.undo()
    store.close()
    other.close()


def test_what_is_placed_while_it_is_read_is_found(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is absent at first, and the entry is gone when the journal is asked: another process has placed it."""
    with LocalStore(root) as store, LocalStore(root) as other:
        with monkeypatch.context() as patched:
            patched.setattr(store._content, "place", full_disk)
            store.put(b"small")
        blob, reader = other.get(SMALL), other._session.reader
        check = reader._check_place
        monkeypatch.setattr(reader, "_check_place", lambda: (check(), drain(store)))
        assert blob.read() == b"small"
        assert held(store) == []


def test_opening_waits_for_no_writer(root: Path) -> None:
    """A process was killed before it placed a file: whoever opens the store reads it in the journal."""
    with LocalStore(root) as other:
        unplaced(root, b"small")
        with other._index.writing(), LocalStore(root, timeout=0) as store:
            assert not file(root, SMALL).exists()
            assert store.get(SMALL).read() == b"small"
    assert file(root, SMALL).read_bytes() == b"small"


def between(store: LocalStore, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen between the first look of a journal at the index and what it does then."""
    read, acts = store._index.read, [act]

    def reading(question: Callable[[object], object]) -> object:
        found = read(question)
        if acts:
            acts.pop()()
        return found

    monkeypatch.setattr(store._index, "read", reading)


@pytest.mark.parametrize("verb", ["recover", "drain"])
@pytest.mark.parametrize("harm", ["torn", "absent"])
def test_what_is_removed_while_it_is_put_right_stays_removed(
    root: Path, monkeypatch: pytest.MonkeyPatch, verb: str, harm: str
) -> None:
    LocalStore(root).close()
    unplaced(root, b"small")
    with LocalStore(root, durability="normal") as store, LocalStore(root) as other:
        file(root, SMALL).unlink()
        if harm == "torn":
            file(root, SMALL).write_bytes(b"sm")
        with monkeypatch.context() as patched:
            between(store, patched, lambda: other.deref(SMALL))
            getattr(journal_of(store), verb)()
        with pytest.raises(BlobNotFoundError):
            store.get(SMALL)
    with LocalStore(root) as store:
        assert not file(root, SMALL).exists()
        assert codes(store) == []


def test_a_file_that_its_writer_places_late_is_not_placed_once_more(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drain finds it absent; its writer places it; another derefs it and unlinks it: it stays away."""
    with LocalStore(root) as store, LocalStore(root) as other:
        place = store._content.place
        with monkeypatch.context() as patched:
            patched.setattr(store._content, "place", full_disk)
            store.put(b"small")
        with monkeypatch.context() as patched:
            between(other, patched, lambda: (place(SMALL, b"small"), store.deref(SMALL)))
            journal_of(other).drain()
    with LocalStore(root) as store:
        assert (SMALL in store, file(root, SMALL).exists(), codes(store)) == (False, False, [])
