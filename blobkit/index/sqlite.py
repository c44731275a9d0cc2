"""The index in one SQLite file: WAL, one writer at a time, readers that never wait."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from blobkit.digest import pack
from blobkit.errors import BatchError, StoreBusyError, StoreClosedError, StoreError
from blobkit.index.faults import clear
from blobkit.index.forking import Gate
from blobkit.index.rows import EPOCH, Rows
from blobkit.index.schema import check_version, connect, create, raise_translated, translated
from blobkit.model import LINK_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.model import Arrival, Change, Link
    from blobkit.protocols import Reading

__all__ = ["SqliteIndex"]

T = TypeVar("T")

SYNCHRONOUS = {"full": "FULL", "normal": "NORMAL", "off": "OFF"}
CHANGED = """INSERT OR IGNORE INTO changed_names
    VALUES (?, (SELECT b.digest FROM tags t JOIN blobs b ON b.id = t.blob_id WHERE t.name = ?))"""
REMOVE = (
    """INSERT OR IGNORE INTO tombstones SELECT digest FROM blobs WHERE id IN (SELECT value FROM json_each(?))
        ORDER BY digest""",
    "DELETE FROM links WHERE from_id IN (SELECT value FROM json_each(?))",
    """DELETE FROM missing_links WHERE EXISTS (SELECT 1 FROM missing_links)
        AND from_id IN (SELECT value FROM json_each(?))""",
    "DELETE FROM given WHERE EXISTS (SELECT 1 FROM given) AND blob_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM blobs WHERE id IN (SELECT value FROM json_each(?))",
)
"""How rows go. Most stores have nothing in two of these tables: then no id is looked up there."""
_inherited: list[sqlite3.Connection] = []
"""Connections that were in use at a fork: closing one in the child could take locks and the WAL from the parent."""


class SqliteIndex:
    """The index at `path`, made if absent. `durability` (full, normal, off) is what an ordinary commit promises.

    StoreTooNewError, StoreDamagedError, StoreBusyError (after `timeout` seconds) as in `translated`. Threads that are
    inside transactions at the same time have a connection each; a forked child gets connections of its own.
    """

    def __init__(self, path: Path, *, durability: str = "full", timeout: float = 60.0) -> None:
        self._path = path
        self._synchronous = SYNCHRONOUS[durability]
        self._timeout = timeout
        self.closed = False
        check_version(path)
        self._begin_anew()
        self._gate = Gate(path, self._leave, timeout)
        with self._transaction("BEGIN"):
            pass

    def read(self, question: Callable[[Reading], T]) -> T:
        """Return the answer to a question, inside one read transaction."""
        with self._connection() as db:  # one context manager and no more: this is most of what a small question costs
            owner = os.getpid()
            db.execute("BEGIN")
            try:
                answer = question(Rows(db))
                db.execute("COMMIT")
            except BaseException:
                _roll_back(db, owner)
                raise
            return answer

    @contextmanager
    def writing(self, *, durable: bool = False) -> Iterator[SqliteWriting]:
        """Hold the write lock of the database, then commit; undo everything on an error."""
        level = "FULL" if durable else self._synchronous
        with self._turn(), self._transaction("BEGIN IMMEDIATE", level) as db:
            yield SqliteWriting(db)

    def close(self) -> None:
        """Close the connections; the last one to close empties the WAL into the file."""
        if not self.closed:
            self.closed = True
            if self._pid != os.getpid():
                self._begin_anew()
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
        return db

    def _begin_anew(self) -> None:
        """Start without connections and locks: those from before a fork are the parent's."""
        _inherited.extend(getattr(self, "_all", ()))
        self._pid = os.getpid()
        self._writer = threading.Lock()
        self._owner = 0
        self._all: list[sqlite3.Connection] = []
        self._idle: list[sqlite3.Connection] = []

    def _close_idle(self) -> None:
        with translated(self._path):
            while self._idle:
                self._idle.pop().close()

    def _leave(self) -> None:
        """Close every connection, before a fork: none is in use. A disk that fails meanwhile shows at the next one."""
        with contextlib.suppress(StoreError, sqlite3.Error):
            self._close_idle()
        self._all.clear()

    def _taken(self) -> sqlite3.Connection:
        """Return a connection that nobody uses, made if there is none."""
        try:
            return self._idle.pop()
        except IndexError:
            db = self._connected()
            self._all.append(db)
            return db

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let the threads of this process write in turn: SQLite's own lock is only tried again and again."""
        if self._pid != os.getpid():
            self._begin_anew()
        if self._owner == threading.get_ident():
            msg = f"{self._path}: this thread has a transaction open on this store: end it, or use its verbs"
            raise BatchError(msg)
        if not self._writer.acquire(timeout=self._timeout):
            msg = f"{self._path}: another thread is writing for {self._timeout:g} s now; try again when it is done"
            raise StoreBusyError(msg)
        writer = self._writer
        self._owner = threading.get_ident()
        try:
            yield
        finally:
            self._owner = 0
            writer.release()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Hold a connection of one's own, and forks off; raise what SQLite raises as what it means."""
        if self._pid != os.getpid():
            self._begin_anew()
        if self.closed:
            msg = f"{self._path.parent.parent}: this store was closed; open it again"
            raise StoreClosedError(msg)
        self._gate.enter()
        try:
            db = self._taken()
            try:
                yield db
            finally:
                if db in self._all:  # else this is a forked child now, and the connection its parent's
                    self._idle.append(db)
                if self.closed:  # meanwhile, by another thread
                    self._close_idle()
        except sqlite3.DatabaseError as error:
            raise_translated(error, self._path)
        finally:
            self._gate.exit()

    @contextmanager
    def _transaction(self, begin: str, level: str = "") -> Iterator[sqlite3.Connection]:
        with self._connection() as db, _synchronous(db, level, self._synchronous), _begun(db, begin):
            yield db


@contextmanager
def _synchronous(db: sqlite3.Connection, level: str, usual: str) -> Iterator[None]:
    """Let one commit be more durable than usual: the level cannot be changed inside a transaction."""
    if level in ("", usual):
        yield
        return
    db.execute(f"PRAGMA synchronous = {level}")
    try:
        yield
    finally:
        db.execute(f"PRAGMA synchronous = {usual}")


@contextmanager
def _begun(db: sqlite3.Connection, begin: str) -> Iterator[None]:
    db.execute(begin)
    owner = os.getpid()
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        _roll_back(db, owner)
        raise


def _roll_back(db: sqlite3.Connection, owner: int) -> None:
    """Undo the transaction, unless a full disk has ended it; a child that was forked inside has no part in it."""
    if db.in_transaction and owner == os.getpid():
        db.execute("ROLLBACK")


class SqliteWriting(Rows):
    """The answers and the writes of one write transaction."""

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is written in the block where it raises."""
        self._db.execute("SAVEPOINT verb")
        try:
            yield
        except BaseException:
            if self._db.in_transaction:  # a full disk may have ended the transaction already
                self._db.execute("ROLLBACK TO verb")
                self._db.execute("RELEASE verb")
            self._forget()
            raise
        self._db.execute("RELEASE verb")

    def add(self, arrivals: Collection[Arrival]) -> None:
        """Record new blobs with one anonymous pin each; their tombstones are cleared."""
        types = self._type_ids({new.media_type for new in arrivals})
        self._db.executemany(
            "INSERT INTO blobs(digest, size, refcount, pins, media_type, created) VALUES (?, ?, 1, 1, ?, ?)",
            [(pack(new.digest), new.size, types[new.media_type], _microseconds(new.created)) for new in arrivals],
        )
        self.forget([new.digest for new in arrivals])

    def apply(self, change: Change) -> None:
        """Make a plan true; each part is one statement, executed in bulk."""
        links = (*change.linked, *change.unlinked)
        known = self._seen({*(d for link in links for d in link[:2]), *change.refcounts, *change.named.values()})
        ids = {blob: found[0] for blob, found in known.items()}
        run = self._db.executemany
        new = sorted((ids[s], ids[t], LINK_KINDS.index(k)) for s, t, k in change.linked)  # in the order of the tree
        run("INSERT INTO links VALUES (?, ?, ?)", new)
        run("DELETE FROM links WHERE from_id = ? AND to_id = ?", [(ids[s], ids[t]) for s, t, _ in change.unlinked])
        run(CHANGED, [(name, name) for name in (*change.unnamed, *change.named)])
        run("DELETE FROM tags WHERE name = ?", [(name,) for name in change.unnamed])
        run(
            "UPDATE blobs SET refcount = ?, pins = pins + ? WHERE id = ?",
            [(refcount, change.pins.get(blob, 0), ids[blob]) for blob, refcount in change.refcounts.items()],
        )
        run("INSERT OR REPLACE INTO tags VALUES (?, ?)", [(name, ids[blob]) for name, blob in change.named.items()])
        if change.freed:
            self._remove(change.freed.digests)
        self._forget()

    def expect(self, links: Mapping[Link, str]) -> None:
        """Record links to absent blobs."""
        known = self._seen({link.source for link in links})
        self._db.executemany(
            "INSERT OR IGNORE INTO missing_links VALUES (?, ?, ?, ?)",
            [(pack(t), known[s][0], LINK_KINDS.index(k), media_type) for (s, t, k), media_type in links.items()],
        )

    def unexpect(self, links: Collection[Link]) -> None:
        """Forget links to absent blobs."""
        known = self._seen({link.source for link in links})
        self._db.executemany(
            "DELETE FROM missing_links WHERE digest = ? AND from_id = ?",
            [(pack(link.target), known[link.source][0]) for link in links],
        )

    def give(self, source: str, pins: Mapping[Digest, int]) -> None:
        """Record how many pins each blob was given by `source`, in all."""
        known = self._seen(pins)
        self._db.executemany(
            "INSERT OR REPLACE INTO given VALUES (?, ?, ?)",
            [(source, known[blob][0], number) for blob, number in pins.items()],
        )

    def retype(self, media_types: Mapping[Digest, str]) -> None:
        """Set media types."""
        types = self._type_ids(set(media_types.values()))
        self._db.executemany(
            "UPDATE blobs SET media_type = ? WHERE digest = ?",
            [(types[name], pack(blob)) for blob, name in media_types.items()],
        )

    def resize(self, sizes: Mapping[Digest, int]) -> None:
        """Set sizes."""
        self._db.executemany("UPDATE blobs SET size = ? WHERE digest = ?", [(n, pack(d)) for d, n in sizes.items()])
        self._forget()

    def recount(self, counts: Mapping[Digest, tuple[int, int]]) -> None:
        """Set refcount and pins."""
        statement = "UPDATE blobs SET refcount = ?, pins = ? WHERE digest = ?"
        self._db.executemany(statement, [(*counted, pack(blob)) for blob, counted in counts.items()])
        self._forget()

    def clear(self, codes: Collection[str]) -> None:
        """Take out, or make harmless, the rows with faults of these kinds."""
        clear(self._db, codes)
        self._forget()

    def forget(self, tombstones: Collection[Digest]) -> None:
        """Clear tombstones."""
        self._db.executemany("DELETE FROM tombstones WHERE digest = ?", [(pack(digest),) for digest in tombstones])

    def settle_names(self) -> None:
        """Forget which names changed."""
        self._db.execute("DELETE FROM changed_names")

    def set_meta(self, key: str, value: str | None) -> None:
        """Set a fact about the store itself, or drop it."""
        if value is None:
            self._db.execute("DELETE FROM meta WHERE key = ?", (key,))
        else:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _remove(self, blobs: Collection[Digest]) -> None:
        """Take rows out, with all links from them; nothing links to them any more but one another."""
        ids = (self._ids(blobs),)
        for statement in REMOVE:
            self._db.execute(statement, ids)

    def _type_ids(self, names: Collection[str]) -> dict[str, int]:
        """Return the ids of media types; those that are new get one."""
        known = self._known_types(names)
        if len(known) < len(names):
            self._db.executemany("INSERT OR IGNORE INTO media_types(name) VALUES (?)", [(name,) for name in names])
            known = self._known_types(names)
        return known

    def _known_types(self, names: Collection[str]) -> dict[str, int]:
        statement = "SELECT name, id FROM media_types WHERE name IN (SELECT value FROM json_each(?))"
        return dict(self._db.execute(statement, (json.dumps(list(names)),)).fetchall())


def _microseconds(moment: datetime) -> int:
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
