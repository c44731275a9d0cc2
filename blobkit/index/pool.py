"""The connections of one SQLite index: one for each thread that is inside a transaction, none across a fork."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING

from blobkit.errors import BatchError, StoreBusyError, StoreClosedError, StoreError
from blobkit.index.forking import Gate
from blobkit.index.schema import check_version, connect, create, raise_translated, translated

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Pool"]

_inherited: list[sqlite3.Connection] = []
"""Connections that were in use at a fork: closing one in the child could take locks and the WAL from the parent."""


class Pool:
    """Connections to the index at `path`, all with `synchronous` as the level of their commits."""

    def __init__(self, path: Path, synchronous: str, timeout: float) -> None:
        self._path = path
        self._synchronous = synchronous
        self._timeout = timeout
        self.closed = False
        self._writer = threading.Lock()
        self._owner = 0
        self._all: list[sqlite3.Connection] = []
        self._idle: list[sqlite3.Connection] = []
        self._gate = Gate(path, self._leave, self._begin_anew, timeout)

    def take(self) -> sqlite3.Connection:
        """Return a connection that nobody else uses, and hold forks off until it is given back."""
        if self.closed:
            msg = f"{self._path.parent.parent}: this store was closed; open it again"
            raise StoreClosedError(msg)
        self._gate.enter()
        try:
            return self._idle.pop()
        except IndexError:
            try:
                return self._connected()
            except BaseException:
                self._gate.exit()
                raise

    def give(self, db: sqlite3.Connection) -> None:
        """Give a connection back. In a child that was forked meanwhile it stays the parent's."""
        if db in self._all:
            self._idle.append(db)
            if self.closed:  # meanwhile, by another thread
                self._close_idle()
            self._gate.exit()

    def undo(self, db: sqlite3.Connection) -> None:
        """Undo the transaction, unless a full disk has ended it; a child that was forked inside has no part in it."""
        if db in self._all and db.in_transaction:
            db.execute("ROLLBACK")

    def wait_to_write(self) -> None:
        """Let the threads of this process write in turn: SQLite's own lock is only tried again and again."""
        if self._owner == threading.get_ident():
            msg = f"{self._path}: this thread has a transaction open on this store: end it, or use its verbs"
            raise BatchError(msg)
        if not self._writer.acquire(timeout=self._timeout):
            msg = f"{self._path}: another thread is writing for {self._timeout:g} s now; try again when it is done"
            raise StoreBusyError(msg)
        self._owner = threading.get_ident()

    def done_writing(self) -> None:
        """Let the next thread write; in a child that was forked meanwhile there is none."""
        if self._owner == threading.get_ident():
            self._owner = 0
            self._writer.release()

    def fail(self, error: sqlite3.DatabaseError) -> None:
        """Raise what SQLite raised as what it means."""
        raise_translated(error, self._path)

    def close(self) -> None:
        """Close the connections; the last one to close empties the WAL into the file."""
        if not self.closed:
            self.closed = True
            self._close_idle()

    def _connected(self) -> sqlite3.Connection:
        """Return a new connection to an index of this version."""
        with translated(self._path):
            db = connect(self._path, timeout=self._timeout)
            try:
                create(db)
                check_version(self._path, db)
                db.execute(f"PRAGMA synchronous = {self._synchronous}")
            except BaseException:
                db.close()
                raise
        self._all.append(db)
        return db

    def _begin_anew(self) -> None:
        """Start without connections and locks: those from before a fork are the parent's."""
        _inherited.extend(self._all)
        self._writer = threading.Lock()
        self._owner = 0
        self._all, self._idle = [], []

    def _close_idle(self) -> None:
        with translated(self._path):
            while self._idle:
                self._idle.pop().close()

    def _leave(self) -> None:
        """Close every connection, before a fork: none is in use. A disk that fails meanwhile shows at the next one."""
        with contextlib.suppress(StoreError, sqlite3.Error):
            self._close_idle()
        self._all.clear()
