"""The connections of one SQLite index: one for each thread that is inside a transaction, none across a fork.

An exception may come between any two steps: Ctrl-C, a timer. So what a transaction has taken is tied to an object, its
`Lease`, and is given back when that is forgotten, if it was not before. Nothing is counted that could be miscounted.
"""

from __future__ import annotations

import contextlib
import gc
import sqlite3
import threading
import time
from typing import TYPE_CHECKING
from weakref import WeakSet, ref

from blobkit.errors import BatchError, StoreBusyError, StoreClosedError, StoreError
from blobkit.index import forking
from blobkit.index.schema import check_version, connect, create, raise_translated, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import NoReturn

    from blobkit.index.handles import Connection

__all__ = ["UNDONE", "Lease", "Pool"]

GLANCE = 0.05
"""Seconds after which somebody who waits looks whether the writer was forgotten without a word."""
UNDONE = "the disk was full or failed, so that all of this transaction is undone: begin it again"
MARK = "commit-failed"
"""The name of a file beside the index: a commit failed, and what the WAL holds is not in the database yet."""
_inherited: list[Connection] = []
"""Connections that were in use at a fork: closing one in the child could take locks and the WAL from the parent."""


class Lease:
    """A connection that nobody else uses and, for a writer, the turn to write; held until `end`, or until forgotten."""

    __slots__ = ("__weakref__", "_pool", "_writes", "db")
    db: Connection

    def __init__(self, pool: Pool, *, writes: bool = False, unless: Callable[[], bool] | None = None) -> None:
        """Take a connection; none where `unless` comes true while this thread waits for its turn to write."""
        self._pool = pool
        self._writes = writes
        try:
            if writes and not pool.wait_to_write(self, unless):
                self._writes = False
                return
            self.db = pool.connection()
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Undo what is not committed and give everything back; a second time is nothing."""
        pool = self._pool
        db = getattr(self, "db", None)
        try:
            if db is not None:
                pool.undo(db)
        finally:
            if db is not None:
                del self.db  # first: a connection that is lost is closed some day, one given back twice is two's
                pool.put_back(db)
            if self._writes:
                pool.done_writing(self)

    def __del__(self) -> None:
        """Give back what an exception kept from being given back; at the end of the interpreter the system does."""
        if hasattr(self, "db") and sqlite3 is not None:
            with contextlib.suppress(sqlite3.Error, StoreError):
                self.end()


class Pool:
    """Connections to the index at `path`, all with `synchronous` as the level of their commits."""

    def __init__(self, path: Path, synchronous: str, timeout: float) -> None:
        self.path = path.resolve()
        self.closed = False
        self._end = "this store was closed; open it again"
        self._path = path
        self._synchronous = synchronous
        self._timeout = timeout
        self._mark = self.path.with_name(MARK)
        self._doubted = self._mark.exists()
        self._writer: tuple[ref[Lease], int] | None = None
        self._renew()
        forking.register(self)

    def connection(self) -> Connection:
        """Return a connection that nobody uses, made if there is none."""
        if self.closed:
            msg = f"{self._path.parent.parent}: {self._end}"
            raise StoreClosedError(msg)
        try:
            while (db := self._idle.pop()).owner is not self._owner:
                pass  # it was put back and closed in one garbage collection, after an interrupt
        except IndexError:
            return self._connected()
        return db

    def put_back(self, db: Connection) -> None:
        """Keep a connection for the next one who needs it. In a child that was forked meanwhile it is the parent's."""
        if db.owner is self._owner:
            self._idle.append(db)
            if self.closed:  # meanwhile, by another thread
                self._close_idle()

    def undo(self, db: Connection) -> None:
        """Undo the transaction, unless a full disk has ended it; a child that was forked inside has no part in it."""
        if db.owner is self._owner and db.in_transaction:
            db.execute("ROLLBACK")

    def begin(self, db: Connection) -> None:
        """Take the write lock of the database.

        After a commit whose sync failed, all that the WAL holds is written to the database first: pages of the WAL may
        be gone that an earlier commit did not sync, and what is committed behind a gap would be gone with them.
        """
        if self._doubted:
            (busy, *_) = db.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            if busy:
                msg = f"{self._path}: a commit failed, and what was committed before is not safe while others read"
                raise StoreBusyError(msg)
            self._mark.unlink(missing_ok=True)
            self._doubted = False
        db.execute("BEGIN IMMEDIATE")

    def commit(self, db: Connection) -> None:
        """Commit; remember where the disk failed at that, and tell who opens the index from now on.

        Who has it open already hears of it from the system, at its own next commit. StoreError where an error that
        somebody has caught had undone the transaction.
        """
        if not db.in_transaction:
            raise StoreError(UNDONE)
        try:
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if (getattr(error, "sqlite_errorname", "") or "").startswith("SQLITE_IOERR"):
                self._doubted = True
                with contextlib.suppress(OSError):
                    self._mark.touch()
            raise

    def wait_to_write(self, lease: Lease, unless: Callable[[], bool] | None) -> bool:
        """Let the threads of this process write in turn: SQLite's own lock is only tried again and again.

        False where `unless` came true meanwhile, and nobody needs the turn.
        """
        with self._lock:
            if self._writer is None:
                self._writer = ref(lease), threading.get_ident()
                return True
            until = time.monotonic() + self._timeout
            while (writer := self._alive()) is not None:
                if unless is not None and unless():
                    return False
                left = until - time.monotonic()
                if writer == threading.get_ident() or left <= 0:
                    gc.collect()  # an interrupt leaves cycles of frames and exceptions; a lease may be forgotten in one
                    self._refuse(self._alive())
                else:
                    self._crowd = True
                    self._turn.wait(min(left, GLANCE))
            self._writer = ref(lease), threading.get_ident()
        return True

    def _alive(self) -> int | None:
        """Return the thread that writes, None where nobody does or the writer was forgotten."""
        return None if self._writer is None or self._writer[0]() is None else self._writer[1]

    def _refuse(self, writer: int | None) -> None:
        if writer == threading.get_ident():
            msg = f"{self._path}: this thread has a transaction open on this store: end it, or use its verbs"
            raise BatchError(msg)
        if writer is not None:
            msg = f"{self._path}: another thread writes for {self._timeout:g} s now; try again when it is done"
            raise StoreBusyError(msg)

    def done_writing(self, lease: Lease) -> None:
        """Let the next thread write."""
        with self._lock:
            if self._writer is not None and self._writer[0]() in (lease, None):
                self._writer = None
                if self._crowd:
                    self._crowd = False  # whoever has to wait again says so again
                    self._turn.notify_all()

    def fail(self, error: sqlite3.DatabaseError) -> NoReturn:
        """Raise what SQLite raised as what it means."""
        raise_translated(error, self._path)

    def close(self) -> None:
        """Close the connections; the last one to close empties the WAL into the file."""
        if not self.closed:
            self.closed = True
            self._close_idle()

    def leave(self) -> bool:
        """Close what is not in use, before a fork. A disk that fails meanwhile shows at the next transaction."""
        with contextlib.suppress(StoreError, sqlite3.Error):
            self._close_idle()
        return not self._all

    def abandon(self) -> bool:
        """Refuse every use, in a child: connections and locks from before a fork are the parent's."""
        inherited, is_busy = list(self._all), bool(self._opening)
        _inherited.extend(inherited)
        self._renew()
        self.closed = True
        self._end = "this store was opened by the process that forked this one: open it again in this process"
        return not inherited and not is_busy

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._turn = threading.Condition(self._lock)
        self._writer = None
        self._crowd = False
        self._owner = object()
        self._all: WeakSet[Connection] = WeakSet()  # weak: one that an interrupt lost is closed
        self._idle: list[Connection] = []
        self._opening: set[object] = set()
        """Threads that open or close a connection: a fork meanwhile leaves locks of SQLite in the child for ever."""

    @contextlib.contextmanager
    def _while_opening(self) -> Iterator[None]:
        token, opening = object(), self._opening
        opening.add(token)
        try:
            yield
        finally:
            opening.discard(token)

    def _connected(self) -> Connection:
        """Return a new connection to an index of this version."""
        forking.check(self.path)
        with translated(self._path), self._while_opening():
            db = connect(self._path, timeout=self._timeout)
            try:
                create(db)
                check_version(self._path, db)
                db.execute(f"PRAGMA synchronous = {self._synchronous}")
                self._all.add(db)
                db.owner = self._owner
            except BaseException:
                db.close()
                raise
        return db

    def _close_idle(self) -> None:
        with translated(self._path), self._while_opening():
            while self._idle:
                db = self._idle.pop()
                self._all.discard(db)
                db.close()
