"""Faults of syncs, interrupts and locks that come together with another event: a put is kept, and counted once."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from blobkit.content import placing
from blobkit.digest import of
from blobkit.errors import StoreBusyError
from blobkit.store.local import LocalStore
from draining import drain
from faulty import at_once, file, full_disk, held, journal_of, pins_of
from interrupting import interrupted
from patience import HANG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

SMALL = of(b"small")


@contextmanager
def before(root: Path, digest: str) -> Iterator[BinaryIO]:
    """The file of a digest as it is now, open: so its number is given to no other file."""
    with file(root, digest).open("rb") as found:
        yield found


def is_replaced(found: BinaryIO) -> bool:
    return os.fstat(found.fileno()).st_nlink == 0


def fail_to_sync(store: LocalStore) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store._content, "sync", full_disk)
        with pytest.raises(OSError, match="No space"):
            journal_of(store).sync()


def next_transaction(store: LocalStore) -> None:
    """Let the entries go that a drain has made durable."""
    with store._session.writing():
        pass


def test_a_put_that_met_the_lock_of_another_process_is_not_made_later(root: Path) -> None:
    with LocalStore(root, timeout=0) as store, LocalStore(root) as other:
        store.put(b"settled")
        with other._index.writing(), pytest.raises(StoreBusyError):
            store.put(b"given up")
        store.put(b"unrelated")
        assert of(b"given up") not in store
        assert store.put(b"given up").pins == 1


@pytest.mark.parametrize("why", ["full disk", "lock"])
def test_what_could_not_be_written_anew_stays_in_doubt(root: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """After a sync that failed the drain must write each file; where it cannot, the next one must."""
    with LocalStore(root, timeout=0) as store, LocalStore(root) as other:
        store.put(b"small")
        fail_to_sync(store)
        with before(root, SMALL) as found:
            if why == "lock":
                with other._index.writing():
                    journal_of(store).drain()
            else:
                with monkeypatch.context() as patched:
                    patched.setattr(store._content, "stage", full_disk)
                    journal_of(store).drain()
            next_transaction(store)
            assert held(store) == [SMALL]
            drain(store)
            assert held(store) == []
            assert is_replaced(found)


def test_a_sync_that_fails_while_files_are_written_anew_is_not_forgotten(root: Path) -> None:
    """Another thread puts meanwhile, and a sync fails that was to make its file durable."""
    with LocalStore(root) as store:
        store.put(b"first")
        fail_to_sync(store)
        sync = store._content.sync

        def meanwhile() -> None:
            store.put(b"small")
            fail_to_sync(store)

        def syncing() -> None:
            store._content.sync = sync
            thread = threading.Thread(target=meanwhile)
            thread.start()
            thread.join(HANG)
            sync()

        store._content.sync = syncing
        journal_of(store).drain()
        next_transaction(store)
        with before(root, SMALL) as found:
            drain(store)
            assert held(store) == []
            assert is_replaced(found)


class Busy(set[int]):
    """A set to which another thread adds while somebody goes through it."""

    def __iter__(self) -> Iterator[int]:
        for number in super().__iter__():
            self.add(1 << 40)
            yield number


def test_files_may_be_placed_while_another_thread_drains(root: Path) -> None:
    with LocalStore(root) as store:
        for number in range(4):
            store.put(b"%d" % number)
        journal_of(store)._placed = Busy(journal_of(store)._placed)
        drain(store)
        assert held(store) == []


@pytest.mark.usefixtures("frozen")
def test_an_interrupt_of_a_drain_does_not_keep_others_from_draining(root: Path) -> None:
    with LocalStore(root) as store:
        store.put(b"small")
        points = interrupted(journal_of(store).drain, 0).points
        next_transaction(store)
        kept = []
        for number in range(1, points + 1):
            store.put(b"%d" % number)
            interrupt = interrupted(journal_of(store).drain, number)
            drain(store)
            if held(store):
                kept.append(interrupt.place)
                journal_of(store)._draining = threading.Lock()
        assert kept == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of what is dropped meanwhile
@pytest.mark.usefixtures("frozen")
def test_an_interrupt_anywhere_takes_a_put_back_or_leaves_it_done(root: Path) -> None:
    """It is never made later."""
    with LocalStore(root) as store:
        for content in (b"settled", b"once more"):
            store.put(content)
        points = interrupted(lambda: store.put(b"counted"), 0).points
        later = []
        for number in range(1, points + 1):
            content = b"interrupted %d" % number
            interrupt = interrupted(lambda content=content: store.put(content), number)
            is_there = of(content) in store
            store.put(b"unrelated %d" % number)
            if (of(content) in store) != is_there:
                later.append(interrupt.place)
        assert later == []


def test_an_interrupt_of_a_leader_that_has_claimed_others(root: Path) -> None:
    """They are put, each by itself: nobody was interrupted twice."""
    points = ["_claim"]

    def interrupt(frame: object, event: str, what: object) -> None:
        where = frame.f_code.co_name
        if points and event == "c_return" and where in points and getattr(what, "__name__", "") == "__exit__":
            points.pop()
            raise KeyboardInterrupt

    def putting(store: LocalStore, content: bytes) -> object:
        sys.setprofile(interrupt)
        try:
            return store.put(content)
        finally:
            sys.setprofile(None)

    contents = [b"%d" % number for number in range(4)]
    with LocalStore(root) as store:
        store.put(b"settled")
        found = at_once(store, [lambda content=content: putting(store, content) for content in contents])
        interrupts = [one for one in found if isinstance(one, KeyboardInterrupt)]
        assert len(interrupts) == 1
        assert [one.pins for one in found if one not in interrupts] == [1, 1, 1]
        assert set(pins_of(store, store.list())) == {1}
        assert list(store._index._combining._queue) == []


def test_a_late_writer_does_not_replace_a_file_that_is_durable(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without hard links it looks, then renames: meanwhile another process has placed, synced and dropped the entry."""
    late, go, rename, fsync = threading.Event(), threading.Event(), os.rename, os.fsync
    synced: list[int] = []

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    def renaming(source: str, target: str) -> None:
        if threading.current_thread() is writer and target.endswith(SMALL[7:]):
            late.set()
            assert go.wait(HANG)
        rename(source, target)

    with LocalStore(root) as store, LocalStore(root) as other:
        store.put(b"settled")
        writer = threading.Thread(target=store.put, args=(b"small",))
        monkeypatch.setattr(placing.os, "link", refuse)
        monkeypatch.setattr(placing.os, "rename", renaming)
        monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_ino), fsync(fd)))
        writer.start()
        assert late.wait(HANG)
        drain(other)
        durable = file(root, SMALL).stat().st_ino
        assert held(other) == []
        go.set()
        writer.join(HANG)
        assert file(root, SMALL).stat().st_ino in {durable, *synced} or SMALL in held(other)


@pytest.mark.slow
def test_a_checkpoint_of_a_store_that_promises_nothing_keeps_what_another_promised(tmp_path: Path) -> None:
    """The commits of a store with "full" are in the WAL: before that goes, the database must be durable."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not here: apt install strace")
    root, trace = tmp_path / "store", tmp_path / "trace"
    LocalStore(root).close()
    script = (
        "import os, sys; from blobkit.store.local import LocalStore\n"
        "full = LocalStore(sys.argv[1]); off = LocalStore(sys.argv[1], durability='off')\n"
        "off.put(b'marked'); full.put(b'promised'); full._index._pool.leave(); off.close(); os._exit(0)"
    )
    options = ["-f", "-y", "-qq", "-o", str(trace), "-e", "trace=pwrite64,fdatasync,fsync,unlink"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        ["strace", *options, sys.executable, "-c", script, str(root)],
        env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    calls = re.findall(r"(pwrite64|fdatasync|fsync|unlink)\(.*?(index\.sqlite(?:-wal)?)[>\"]", trace.read_text())
    assert ("unlink", "index.sqlite-wal") in calls
    last = len(calls) - 1 - calls[::-1].index(("unlink", "index.sqlite-wal"))
    written = [number for number, call in enumerate(calls[:last]) if call == ("pwrite64", "index.sqlite")]
    assert written
    assert {("fdatasync", "index.sqlite"), ("fsync", "index.sqlite")}.intersection(calls[written[-1] : last])
