"""Puts of threads that share a commit, where something fails: each put is recorded once, or it raised and is not."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import threading
from collections import deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import BatchError, StoreBusyError, StoreClosedError
from blobkit.index import combining
from blobkit.index.combining import _Request
from blobkit.index.handles import Connection
from blobkit.index.pool import Lease
from blobkit.store.local import LocalStore
from blobkit.transactions import Plain
from faulty import at_once, pins_of
from patience import HANG
from workload import forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CREW = 6
CONTENTS = [b"%d" % number for number in range(CREW)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore(tmp_path / "store") as store:
        store.put(b"settled")
        yield store


def puts(store: LocalStore, contents: list[bytes]) -> list[Callable[[], object]]:
    return [partial(store.put, content) for content in contents]


def queue(store: LocalStore) -> list[_Request]:
    return list(store._index._combining._queue)


def once(error: BaseException, act: Callable[..., object]) -> Callable[..., object]:
    """Raise an error the first time, do it from then on."""
    errors = [error]

    def instead(*args: object, **how: object) -> object:
        if errors:
            raise errors.pop()
        return act(*args, **how)

    return instead


@contextmanager
def somebody_writing(store: LocalStore) -> Iterator[None]:
    """Let another thread have the turn to write for a while."""
    has_it, end = threading.Event(), threading.Event()

    def write() -> None:
        lease = Lease(store._index._pool, writes=True)
        has_it.set()
        end.wait(HANG)
        lease.end()

    thread = threading.Thread(target=write)
    thread.start()
    assert has_it.wait(HANG)
    yield
    end.set()
    thread.join(HANG)


def test_whoever_leads_is_in_the_group_however_many_wait(store: LocalStore) -> None:
    """The first of the queue make a group; a leader who came late is not among them, and was put once more later."""
    before = [_Request(Plain(of(b"%d" % n), 1, "", b"%d" % n, unsynced=False), bool) for n in range(combining.MOST + 5)]
    for request in before:
        request.put = lambda _: True
    store._index._combining._queue.extend(before)
    assert store.put(b"late").pins == 1
    assert queue(store) == before[combining.MOST - 1 :]
    assert store.put(b"next").pins == 1
    assert queue(store) == []
    assert all(request.is_done for request in before)
    assert set(pins_of(store, store.list())) == {1}
    assert len(store) == len(before) + 3


def test_more_threads_than_one_group_takes(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combining, "MOST", 3)
    contents = [b"%d" % number for number in range(16)]
    found = at_once(store, puts(store, contents))
    assert [blob.digest for blob in found] == [of(content) for content in contents]
    assert set(pins_of(store, store.list())) == {1}
    assert queue(store) == []


def test_a_put_that_gave_up_is_not_made_later(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "store", timeout=0) as store:
        store.put(b"settled")
        with somebody_writing(store), pytest.raises(StoreBusyError):
            store.put(b"given up")
        assert queue(store) == []
        store.put(b"unrelated")
        assert of(b"given up") not in store
        assert store.put(b"given up").pins == 1


def test_an_interrupt_while_it_waits_takes_a_put_back(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combining, "Lease", once(KeyboardInterrupt(), Lease))
    with pytest.raises(KeyboardInterrupt):
        store.put(b"interrupted")
    assert queue(store) == []
    store.put(b"unrelated")
    assert of(b"interrupted") not in store
    assert store.put(b"interrupted").pins == 1


def test_what_another_thread_commits_is_not_given_up(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is up while the leader is about to commit it: it waits for that, and says what is true."""
    claimed, late = threading.Event(), threading.Event()
    commit, tries = store._index._combining._commit, []

    def lease(*args: object, **how: object) -> Lease:
        if threading.current_thread() in slow:
            tries.append(1)
            if len(tries) == 1:
                assert claimed.wait(HANG)
                msg = "its time is up"
                raise StoreBusyError(msg)
            late.set()
        return Lease(*args, **how)

    def put_late() -> object:
        slow.append(threading.current_thread())
        try:
            return store.put(b"late")
        finally:
            late.set()

    slow: list[threading.Thread] = []

    def committing(*group: object) -> None:
        claimed.set()
        assert late.wait(HANG)
        commit(*group)

    monkeypatch.setattr(combining, "Lease", lease)
    monkeypatch.setattr(store._index._combining, "_commit", committing)
    found = at_once(store, [put_late, partial(store.put, b"leads")])
    assert [blob.pins for blob in found] == [1, 1]
    assert pins_of(store, [of(b"late"), of(b"leads")]) == [1, 1]


@pytest.mark.parametrize("point", ["after", "before"])
def test_an_interrupt_of_the_leader_is_its_own(store: LocalStore, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """After the commit all are told that they are put; before it the others put, each by itself."""
    name, owner = ("_mark", combining) if point == "after" else ("commit", store._index._pool)
    monkeypatch.setattr(owner, name, once(KeyboardInterrupt(), getattr(owner, name)))
    found = at_once(store, puts(store, CONTENTS))
    (leader,) = [content for content, one in zip(CONTENTS, found, strict=True) if isinstance(one, KeyboardInterrupt)]
    assert {one.pins for one in found if not isinstance(one, KeyboardInterrupt)} == {1}
    assert (of(leader) in store) == (point == "after")
    assert set(pins_of(store, store.list())) == {1}
    assert len(store) == CREW + (point == "after")
    assert queue(store) == []


def test_the_error_of_one_put_is_no_error_of_another(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, sizes = of(b"settled"), store._content.sizes

    def failing(digests: list[str]) -> object:
        if bad in digests:
            raise OSError(errno.EIO, "Input/output error")
        return sizes(digests)

    with monkeypatch.context() as patched:
        patched.setattr(store._content, "sizes", failing)
        found = at_once(store, puts(store, [*CONTENTS, b"settled"]))
    assert isinstance(found.pop(), OSError)
    assert [blob.pins for blob in found] == [1] * CREW
    assert set(pins_of(store, store.list())) == {1}


def fail_once(monkeypatch: pytest.MonkeyPatch, statement: str, name: str) -> None:
    """Let a statement fail, the next time that it is executed, as SQLite does: the transaction is over then."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    errors, execute = [error], Connection.execute

    def executed(self: Connection, sql: str, *args: object) -> object:
        if sql == statement and errors:
            execute(self, "ROLLBACK")
            raise errors.pop()
        return execute(self, sql, *args)

    monkeypatch.setattr(Connection, "execute", executed)


def test_a_commit_that_fails_is_told_to_nobody_as_done(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tries by itself then; nobody is recorded twice."""
    found = at_once(store, puts(store, CONTENTS), lambda: fail_once(monkeypatch, "COMMIT", "SQLITE_FULL"))
    assert [blob.pins for blob in found] == [1] * CREW
    assert set(pins_of(store, store.list())) == {1}
    assert not store.fsck(progress=False)


def test_a_put_alone_whose_commit_fails_is_not_there(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_once(monkeypatch, "COMMIT", "SQLITE_FULL")
    with pytest.raises(OSError, match="full"):
        store.put(b"failed")
    assert of(b"failed") not in store
    assert store.put(b"failed").pins == 1


def test_after_a_sync_that_failed_the_wal_is_written_to_the_database(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An earlier commit may have left pages in it that no sync covers any more: none may be relied upon."""
    statements: list[str] = []
    with monkeypatch.context() as patched:
        fail_once(patched, "COMMIT", "SQLITE_IOERR_FSYNC")
        with pytest.raises(OSError, match="disk"):
            store.put(b"failed")
    store._index._pool._idle[0].set_trace_callback(statements.append)
    for content in (b"first", b"second"):
        store.put(content)
    assert [one for one in statements if one.startswith(("PRAGMA wal", "BEGIN", "COMMIT"))] == [
        "PRAGMA wal_checkpoint(RESTART)",
        *["BEGIN IMMEDIATE", "COMMIT"] * 2,
    ]


def test_whoever_opens_the_index_after_such_a_sync_is_told(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system tells it to nobody who opens the WAL later, while its gap is still there."""
    with monkeypatch.context() as patched:
        fail_once(patched, "COMMIT", "SQLITE_IOERR_FSYNC")
        with pytest.raises(OSError, match="disk"):
            store.put(b"failed")
    for is_told in (True, False):
        statements: list[str] = []
        with LocalStore(store.root) as other:
            other._index._pool._idle[0].set_trace_callback(statements.append)
            other.ref(of(b"settled"))
        assert statements[0].startswith("PRAGMA wal_checkpoint" if is_told else "BEGIN")


def test_while_others_read_the_old_wal_nothing_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalStore(tmp_path / "store", timeout=0) as store, LocalStore(tmp_path / "store") as other:
        store.put(b"settled")
        with monkeypatch.context() as patched:
            fail_once(patched, "COMMIT", "SQLITE_IOERR_FSYNC")
            with pytest.raises(OSError, match="disk"):
                store.put(b"failed")

        def beside(_: object) -> None:
            with pytest.raises(StoreBusyError, match="not safe while others read"):
                store.put(b"refused")

        other._index.read(lambda rows: (rows.total(), beside(rows)))
        assert of(b"refused") not in store
        assert store.put(b"refused").pins == 1


def test_a_fork_while_threads_wait_and_commit(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parent goes on with each put; the child is refused what it inherited."""
    children: list[int] = []

    def child() -> None:
        with pytest.raises(StoreClosedError):
            store.put(b"child")

    def fork() -> None:
        children.append(forked(child, tmp_path / f"trouble {len(children)}"))

    commit = store._index._combining._commit
    monkeypatch.setattr(store._index._combining, "_commit", lambda *group: (fork(), commit(*group)))
    found = at_once(store, puts(store, CONTENTS), fork)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0]
    assert [blob.pins for blob in found] == [1] * CREW
    assert set(pins_of(store, store.list())) == {1}
    assert len(store) == CREW + 1
    assert not store.fsck(progress=False)


def test_a_handler_of_a_signal_that_puts_in_the_middle_of_a_put(store: LocalStore) -> None:
    """It is refused, as inside any transaction of its own thread; nobody waits for ever."""
    told: list[str] = []

    class Queue(deque[object]):
        def remove(self, request: object) -> None:
            if not told:
                signal.raise_signal(signal.SIGUSR1)
            super().remove(request)

    def put(*_: object) -> None:
        told.append("called")
        with pytest.raises(BatchError):
            store.put(b"of the handler")
        told.append("refused")

    store._index._combining._queue = Queue()
    before = signal.signal(signal.SIGUSR1, put)
    try:
        assert store.put(b"put").pins == 1
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert told == ["called", "refused"]
    assert of(b"of the handler") not in store
