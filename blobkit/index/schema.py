"""The tables of the SQLite index, how a connection to it is set up, and what SQLite's errors mean."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import uuid
from typing import TYPE_CHECKING, NoReturn

from blobkit.errors import (
    Hint,
    NotAStoreError,
    ReadOnlyStoreError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreTooNewError,
)
from blobkit.index.handles import Connection, opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["VERSION", "check_version", "connect", "create", "raise_translated", "translated"]

VERSION = 3
"""Of the schema, as SQLite's `user_version`: bytes 60 to 63 of the file, readable without opening the database."""

TABLES = (
    """CREATE TABLE media_types(
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE)""",
    """CREATE TABLE blobs(
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE CHECK (typeof(digest) = 'blob'),
        size INTEGER NOT NULL CHECK (size >= 0),
        refcount INTEGER NOT NULL CHECK (refcount > 0),
        pins INTEGER NOT NULL CHECK (pins BETWEEN 0 AND refcount),
        media_type INTEGER NOT NULL REFERENCES media_types(id),
        created INTEGER NOT NULL)""",
    """CREATE TABLE links(
        from_id INTEGER NOT NULL REFERENCES blobs(id),
        to_id INTEGER NOT NULL REFERENCES blobs(id),
        kind INTEGER NOT NULL,
        PRIMARY KEY (from_id, to_id)) WITHOUT ROWID""",
    "CREATE INDEX links_to ON links(to_id, from_id)",
    """CREATE TABLE missing_links(
        digest BLOB NOT NULL,
        from_id INTEGER NOT NULL REFERENCES blobs(id),
        kind INTEGER NOT NULL,
        media_type TEXT NOT NULL,
        PRIMARY KEY (digest, from_id)) WITHOUT ROWID""",
    "CREATE INDEX missing_links_from ON missing_links(from_id)",
    """CREATE TABLE tags(
        name TEXT PRIMARY KEY,
        blob_id INTEGER NOT NULL REFERENCES blobs(id)) WITHOUT ROWID""",
    "CREATE INDEX tags_of ON tags(blob_id)",
    """CREATE TABLE IF NOT EXISTS given(
        source TEXT NOT NULL,
        blob_id INTEGER NOT NULL REFERENCES blobs(id),
        pins INTEGER NOT NULL,
        PRIMARY KEY (source, blob_id)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS given_of ON given(blob_id)",
    "CREATE TABLE IF NOT EXISTS changed_names(name TEXT PRIMARY KEY, digest BLOB) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS journal(number INTEGER PRIMARY KEY, digest BLOB NOT NULL, content BLOB NOT NULL)",
    "CREATE TABLE tombstones(digest BLOB PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)
"""References are documentation: they are not enforced while running, because a removal takes whole subgraphs out."""


def connect(path: Path, *, timeout: float) -> Connection:
    """Return a connection to the index for reading and writing, in WAL mode; made if absent."""
    db = sqlite3.connect(
        path, timeout=timeout, isolation_level=None, check_same_thread=False, cached_statements=256, factory=Connection
    )
    try:
        _check_wal(path, _set_wal(db, timeout))
        db.count_in(path)
        db.execute("PRAGMA cache_size = -65536")
        db.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        db.close()
        raise
    return db


def _check_wal(path: Path, mode: str) -> None:
    if mode != "wal":
        msg = f"{path}: SQLite cannot use its WAL here ({mode}); a network file system? Put the store on a local one"
        raise StoreError(msg)


def _set_wal(db: sqlite3.Connection, timeout: float) -> str:
    """Return the journal mode after asking for WAL. SQLite does not wait for the lock that the change needs."""
    until = time.monotonic() + timeout
    while True:
        try:
            return str(db.execute("PRAGMA journal_mode = WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.005)


def create(db: sqlite3.Connection) -> None:
    """Make the tables that are not there; safe against another process that does the same.

    A store of this version is only looked at: opening it must not wait for whoever is writing.
    """
    if _version(db) >= VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    with db:
        if db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,):
            for statement in TABLES:
                db.execute(statement)
            facts = {"uuid": str(uuid.uuid4()), "layout_dirty": "1"}
            db.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())
            db.execute(f"PRAGMA user_version = {VERSION}")
        elif 1 <= _version(db) < VERSION:
            for statement in TABLES:
                if "IF NOT EXISTS" in statement:
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")


def check_version(path: Path, db: sqlite3.Connection | None = None) -> None:
    """Check that the index at `path` is of this version; StoreTooNewError where it is newer.

    Without a connection the header of the file is read, so that a newer store is not even opened; what a WAL
    has not given to the file yet shows only in the connection.
    """
    version = _header_version(path) if db is None else _version(db)
    if version > VERSION:
        msg = f"{path.parent.parent} was written by a newer blobkit (schema {version}): pip install --upgrade blobkit"
        raise StoreTooNewError(msg)
    if db is not None and version < 1:
        msg = f"{path} has no blobkit tables: this is no blobkit store"
        raise NotAStoreError(msg)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _header_version(path: Path) -> int:
    with contextlib.suppress(FileNotFoundError), opened(path) as fd:
        header = os.pread(fd, 64, 0)
        return int.from_bytes(header[60:]) if header.startswith(b"SQLite format 3\0") else 0
    return 0


@contextlib.contextmanager
def translated(path: os.PathLike[str]) -> Iterator[None]:
    """Raise what SQLite raises as an error of blobkit that says what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise_translated(error, path)


def raise_translated(error: sqlite3.DatabaseError, path: os.PathLike[str]) -> NoReturn:
    """Raise what an error of SQLite means, from it; the error itself where it means a mistake of ours."""
    name = getattr(error, "sqlite_errorname", "") or ""
    for prefix, (kind, advice) in _MEANING.items():
        if name.startswith(prefix) or str(error).startswith(prefix):
            msg = f"{os.fspath(path)}: {error}"
            raise kind(msg, hint=advice) from error
    raise error


_REBUILD = "restore .blobkit/ from a backup, or run blobkit fsck --repair, which rebuilds it"
_MEANING: dict[str, tuple[type[StoreError], str | Hint]] = {
    "SQLITE_BUSY": (StoreBusyError, "another process is writing; try again when it is done"),
    "SQLITE_LOCKED": (StoreBusyError, "another process is writing; try again when it is done"),
    "SQLITE_READONLY": (
        ReadOnlyStoreError,
        Hint("open it with blobkit.scan, which only reads", "only commands that read work here, like blobkit audit"),
    ),
    "SQLITE_CANTOPEN": (
        StoreError,
        Hint(
            "check that the directory may be written, or blobkit.scan it",
            "check that the directory may be written, or read it with blobkit audit",
        ),
    ),
    "SQLITE_FULL": (StoreError, "the disk is full; make room and try again"),
    "SQLITE_IOERR": (StoreError, "the disk failed or is full; check it and try again"),
    "SQLITE_CORRUPT": (StoreDamagedError, f"the index is damaged; {_REBUILD}"),
    "SQLITE_NOTADB": (StoreDamagedError, f"the index is no database; {_REBUILD}"),
    "SQLITE_CONSTRAINT": (StoreDamagedError, "the index contradicts itself; run blobkit fsck --repair"),
    "no such table": (StoreDamagedError, f"a table of the index is gone; {_REBUILD}"),
    "no such column": (StoreDamagedError, f"a table of the index is not as it should be; {_REBUILD}"),
}
