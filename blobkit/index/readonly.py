"""The SQLite index of a store that must stay as it is: no byte, mode or time of any file changes, no file appears.

Opening a WAL database even with `mode=ro` leaves -wal and -shm files beside it where it may, and fails where it may
not. So: without a -wal nobody has the store open, and the file is read as `immutable`; then the file is looked at
again, because somebody may have opened the store meanwhile. With a -wal, file and WAL are copied and the copy is read.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar
from urllib.parse import quote

from blobkit.errors import NO_STORE, NotAStoreError, ReadOnlyStoreError, StoreBusyError, StoreClosedError
from blobkit.index.handles import opened
from blobkit.index.rows import Rows
from blobkit.index.schema import check_version, translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.digest import Digest
    from blobkit.transactions import Plain, Reading, Writing

__all__ = ["ReadOnlyIndex"]

T = TypeVar("T")

TRIES = 10
PIECE = 1 << 20
TICK = 0.02
"""Seconds: longer than the clock of any file system that is used for this takes to show a second write."""

Signature = tuple[object, ...]


class ReadOnlyIndex:
    """The index at `path`, which is only read. Every answer is about the state at the time of the question."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wal = path.with_name(f"{path.name}-wal")
        self._db: sqlite3.Connection | None = None
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._seen: Signature = ()
        self._lock = threading.RLock()
        self.closed = False
        check_version(path)
        self.read(lambda tx: tx.total())

    def read(self, question: Callable[[Reading], T]) -> T:
        """Return the answer to a question; it is asked again if the files changed while it was answered."""
        with self._lock, translated(self._path):
            if self.closed:
                msg = f"{self._path.parent.parent}: this store was closed; open it again"
                raise StoreClosedError(msg)
            for _ in range(TRIES):
                db = self._current()
                try:
                    answer = _asked(db, question)
                except sqlite3.DatabaseError:
                    if self._is_good():
                        raise
                    continue
                if self._is_good():
                    return answer
        return self._give_up()

    def peek(self, blob: Digest) -> None:
        """Return None: looking whether the files have changed is what costs, as in `read`."""

    def put_plain(self, new: Plain, put: Callable[[bool], bool]) -> None:
        """Return None: `writing` refuses."""

    def write(self, plan: Callable[[Writing], T], *, durable: bool = False) -> T:
        """Raise ReadOnlyStoreError."""
        with self.writing(durable=durable) as tx:
            return plan(tx)

    @contextmanager
    def writing(self, *, durable: bool = False, later: bool = False) -> Iterator[Writing]:  # noqa: ARG002 (refused either way)
        """Raise ReadOnlyStoreError."""
        msg = f"{self._path.parent.parent} is open for reading only: open it with blobkit.LocalStore to write"
        raise ReadOnlyStoreError(msg)
        yield

    def close(self) -> None:
        """Close the connection and remove the private copy."""
        with self._lock:
            self._let_go()
            self.closed = True

    def _let_go(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None

    def _current(self) -> sqlite3.Connection:
        """Return a connection to the state that the files have now."""
        signature = self._signature()
        if self._db is not None and signature == self._seen:
            return self._db
        self._let_go()
        if self._wal.exists():
            self._db = self._opened_copy()
        else:
            self._db = _connect(f"file:{quote(os.fsencode(self._path))}?mode=ro&immutable=1")
        self._seen = signature
        check_version(self._path, self._db)
        return self._db

    def _is_good(self) -> bool:
        """Return whether what was just read was one state: a copy is; the file is if it did not change meanwhile."""
        return self._copy is not None or self._signature() == self._seen

    def _opened_copy(self) -> sqlite3.Connection:
        """Return a connection to a copy of file and WAL, taken while no checkpoint wrote to the file.

        Frames that are appended to the WAL meanwhile do no harm: what is copied is a prefix, and SQLite ignores
        a torn last frame.
        """
        for _ in range(TRIES):
            self._let_go()
            before = self._file_signature()
            self._copy = tempfile.TemporaryDirectory(prefix="blobkit-")
            copy = Path(self._copy.name, self._path.name)
            _copy(self._path, copy)
            try:
                shutil.copyfile(self._wal, copy.with_name(self._wal.name))
            except FileNotFoundError:
                continue
            if self._file_signature() == before:
                return _connect(f"file:{quote(os.fsencode(copy))}")
        return self._give_up()

    def _give_up(self) -> NoReturn:
        msg = f"{self._path}: another process wrote to the store at each of {TRIES} attempts to read it; try again"
        raise StoreBusyError(msg)

    def _signature(self) -> Signature:
        """Return what changes when anything is written to the store."""
        try:
            wal = self._wal.stat()
        except FileNotFoundError:
            return self._file_signature()
        return (*self._file_signature(), wal.st_ino, wal.st_size, wal.st_mtime_ns)

    def _file_signature(self) -> Signature:
        """Return what changes when the file itself is written to, or its WAL starts anew."""
        try:
            age = time.time() - self._path.stat().st_mtime
            if 0 <= age < TICK:  # a second write might leave the same time
                time.sleep(TICK)
            with opened(self._path) as fd:
                header = os.pread(fd, 100, 0)
            stat = self._path.stat()
        except FileNotFoundError:
            msg = f"{self._path.parent.parent} is no blobkit store: it has no {self._path.name}"
            raise NotAStoreError(msg, hint=NO_STORE) from None
        return (stat.st_ino, stat.st_size, stat.st_mtime_ns, header, self._wal_header())

    def _wal_header(self) -> bytes | None:
        try:
            with self._wal.open("rb") as file:
                return file.read(32)
        except FileNotFoundError:
            return None


def _copy(path: Path, copy: Path) -> None:
    with opened(path) as fd, copy.open("wb") as file:
        at = 0
        while part := os.pread(fd, PIECE, at):
            file.write(part)
            at += len(part)


def _connect(uri: str) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA query_only = ON")
    return db


def _asked(db: sqlite3.Connection, question: Callable[[Reading], T]) -> T:
    db.execute("BEGIN")
    try:
        return question(Rows(db))
    finally:
        if db.in_transaction:
            db.execute("COMMIT")
