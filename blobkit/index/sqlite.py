"""The index in one SQLite file: WAL, one writer at a time, readers that never wait."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, TypeVar

from blobkit.index.combining import Combining
from blobkit.index.pool import Lease, Pool
from blobkit.index.rows import Rows, peek
from blobkit.index.schema import check_version
from blobkit.index.writes import SqliteWriting

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from blobkit.digest import Digest
    from blobkit.index.handles import Connection
    from blobkit.transactions import Peeked, Plain, Put, Reading, Writing

__all__ = ["SqliteIndex"]

T = TypeVar("T")

AT = 1000
"""Pages in the WAL at which a commit writes them to the database, as is usual for SQLite."""
SYNCHRONOUS = {"full": "FULL", "normal": "NORMAL", "off": "NORMAL"}
"""SQLite's word for each promise. OFF would take the WAL away, unsynced, to which a stronger store has committed."""


class SqliteIndex:
    """The index at `path`, made if absent. `durability` (full, normal, off) is what an ordinary commit promises.

    StoreTooNewError, StoreDamagedError, StoreBusyError (after `timeout` seconds) as in `translated`. Threads that are
    inside transactions at the same time have a connection each; a forked child opens the index anew.
    """

    def __init__(self, path: Path, *, durability: str = "full", timeout: float = 60.0) -> None:
        check_version(path)
        self._synchronous = SYNCHRONOUS[durability]
        self._pool = Pool(path, self._synchronous, timeout)
        self._types: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._combining = Combining(self._pool, self._types)
        self.read(lambda _: None)

    @property
    def closed(self) -> bool:
        """Whether the index was closed."""
        return self._pool.closed

    def read(self, question: Callable[[Reading], T]) -> T:
        """Return the answer to a question, inside one read transaction."""
        lease = Lease(self._pool)  # no context managers: they would cost as much as a small question
        try:
            db = lease.db
            db.execute("BEGIN")
            answer = question(Rows(db))
            db.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            self._pool.fail(error)
        finally:
            lease.end()
        return answer

    def peek(self, blob: Digest) -> Peeked | None:
        """Return what is recorded of a blob without links and tags. One statement, which sees one state by itself.

        It needs no lease: there is no transaction that an interrupt could leave open.
        """
        pool = self._pool
        db = pool.connection()
        try:
            return peek(db, blob, self._names)
        except sqlite3.DatabaseError as error:
            pool.fail(error)
        finally:
            pool.put_back(db)

    def put_plain(self, new: Plain, put: Callable[[bool], bool]) -> Put | None:
        """Record new content, or one pin more; threads that do so at once share a transaction."""
        try:
            return self._combining.put(new, put)
        except sqlite3.DatabaseError as error:
            self._pool.fail(error)

    def write(self, plan: Callable[[Writing], T], *, durable: bool = False) -> T:
        """Return what a plan returns; it is run once, under the write lock."""
        with self.writing(durable=durable) as rows:
            return plan(rows)

    def writing(self, *, durable: bool = False, later: bool = False) -> _Transaction:
        """Hold the write lock of the database, then commit; undo everything on an error.

        In WAL mode, NORMAL syncs no commit, and the WAL before each checkpoint.
        """
        usual = self._synchronous
        level = "FULL" if durable else "NORMAL" if later and usual == "FULL" else usual
        return _Transaction(self._pool, self._types, usual, level)

    def close(self) -> None:
        """Close the connections; the last one to close empties the WAL into the file."""
        self._pool.close()


class _Transaction:
    """One write transaction. `level` may be other than is `usual`: it cannot be changed once it has begun."""

    __slots__ = ("_lease", "_level", "_pool", "_rows", "_types", "_usual")

    def __init__(self, pool: Pool, types: dict[str, int], usual: str, level: str) -> None:
        self._pool = pool
        self._types = types
        self._usual = usual
        self._level = level

    def __enter__(self) -> SqliteWriting:
        self._lease = lease = Lease(self._pool, writes=True)
        try:
            if self._level != self._usual:
                _set_level(lease.db, self._level, checkpoints=self._level == "FULL")
            self._pool.begin(lease.db)
        except BaseException as error:
            self._leave(error)
            raise
        self._rows = SqliteWriting(lease.db, self._types, self._pool.path)
        return self._rows

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._pool.commit(self._lease.db)
            except BaseException as failed:
                self._leave(failed)
                raise
            self._types.update(self._rows.types)
        self._leave(error)

    def _leave(self, error: BaseException | None) -> None:
        """Undo what an error leaves, let others write, and raise what SQLite raised as what it means."""
        lease = self._lease
        try:
            if self._level != self._usual:
                self._pool.undo(lease.db)
                _set_level(lease.db, self._usual, checkpoints=True)
        finally:
            lease.end()
        if isinstance(error, sqlite3.DatabaseError):
            self._pool.fail(error)


def _set_level(db: Connection, level: str, *, checkpoints: bool) -> None:
    """Set what the next commits promise.

    One that is to become durable later does not write the WAL to the database: an error of the disk would be lost there
    without a word, and with it what the next durable commit relies on.
    """
    db.execute(f"PRAGMA synchronous = {level}")
    if checkpoints is not db.checkpoints:
        db.execute(f"PRAGMA wal_autocheckpoint = {AT if checkpoints else 0}")
        db.checkpoints = checkpoints
