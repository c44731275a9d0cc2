"""The writes of one transaction of the SQLite index, in bulk."""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from blobkit.digest import pack
from blobkit.errors import StoreError
from blobkit.index.faults import clear
from blobkit.index.pool import UNDONE
from blobkit.index.rows import EPOCH, Rows
from blobkit.index.schema import raise_translated
from blobkit.model import LINK_KINDS
from blobkit.transactions import Put

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.model import Change, Link, NewBlob, Record
    from blobkit.transactions import Plain

__all__ = ["SqliteWriting", "put_row"]

CHANGED = """INSERT OR IGNORE INTO changed_names
    VALUES (?, (SELECT b.digest FROM tags t JOIN blobs b ON b.id = t.blob_id WHERE t.name = ?))"""
PIN = """UPDATE blobs SET refcount = refcount + ?, pins = pins + ? WHERE digest = ? RETURNING id, size, refcount, pins,
    (SELECT count(*) FROM tags t WHERE t.blob_id = blobs.id), (SELECT name FROM media_types m WHERE m.id = media_type),
    created, EXISTS (SELECT 1 FROM links l WHERE l.from_id = blobs.id)"""
PUT = """INSERT INTO blobs(digest, size, refcount, pins, media_type, created) SELECT ?, ?, 1, 1, ?, ?
    WHERE (SELECT count(*) FROM meta WHERE key = 'unsynced') = ?
    AND NOT EXISTS (SELECT 1 FROM meta WHERE key = 'layout_dirty')
    AND NOT EXISTS (SELECT 1 FROM tombstones) AND NOT EXISTS (SELECT 1 FROM missing_links)
    ON CONFLICT (digest) DO UPDATE SET refcount = refcount + 1, pins = pins + 1
        WHERE size = excluded.size AND media_type = excluded.media_type
        AND NOT EXISTS (SELECT 1 FROM links l WHERE l.from_id = blobs.id)
        AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.blob_id = blobs.id) AND refcount < 0x7fffffffffffffff
    RETURNING refcount, pins, created"""
"""A blob that is new, or one that has neither links nor tags; no row where anything else is to be done."""
JOURNAL = "INSERT INTO journal(digest, content) VALUES (?, ?)"
DRAIN = "DELETE FROM journal WHERE number <= ? AND number NOT IN (SELECT value FROM json_each(?))"
BURY = """INSERT OR IGNORE INTO tombstones SELECT digest FROM blobs WHERE id IN (SELECT value FROM json_each(?))
    ORDER BY digest"""
REMOVE = "DELETE FROM {} WHERE {} IN (SELECT value FROM json_each(?))"
OF_BLOBS = {"links": "from_id", "missing_links": "from_id", "given": "blob_id", "blobs": "id"}
"""The tables whose rows go with a blob, and the column that names it."""
FEW = 8
"""Up to so many rows, a statement for each takes less than JSON."""


class SqliteWriting(Rows):
    """The answers and the writes of one write transaction. `types` are ids of media types that are committed."""

    def __init__(self, db: sqlite3.Connection, types: Mapping[str, int], path: Path) -> None:
        super().__init__(db)
        self._path = path
        self._committed = types
        self.types = dict(types)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is written in the block where it raises; StoreError where the transaction is gone already.

        A disk that is full or fails, and memory that is not enough, may end the whole of it.
        """
        if not self._db.in_transaction:
            raise StoreError(UNDONE)
        self._db.execute("SAVEPOINT verb")
        try:
            yield
        except BaseException as error:
            if self._db.in_transaction:  # a full disk may have ended the transaction already
                self._db.execute("ROLLBACK TO verb")
                self._db.execute("RELEASE verb")
            self._forget()
            self._pending = None
            self.types = dict(self._committed)
            if isinstance(error, sqlite3.DatabaseError):
                raise_translated(error, self._path)
            raise
        self._db.execute("RELEASE verb")

    def add(self, arrivals: Collection[NewBlob]) -> None:
        """Record new blobs with one anonymous pin each; their tombstones are cleared."""
        types = self._type_ids({new.media_type for new in arrivals})
        self._db.executemany(
            "INSERT INTO blobs(digest, size, refcount, pins, media_type, created) VALUES (?, ?, 1, 1, ?, ?)",
            [(pack(new.digest), new.size, types[new.media_type], _microseconds(new.created)) for new in arrivals],
        )
        if self.pending().buried:
            self.forget([new.digest for new in arrivals])

    def pin(self, pins: Mapping[Digest, int]) -> Mapping[Digest, Record]:
        """Add pins; return the new records. One statement a blob."""
        found = {}
        for blob, number in pins.items():
            for row in self._db.execute(PIN, (number, number, pack(blob))).fetchall():
                if isinstance(row[2], float):  # SQLite goes on with it where an integer ends
                    msg = f"{blob} has as many references as can be counted"
                    raise OverflowError(msg)
                found[blob] = self._noted(blob, *row)
        return found

    def apply(self, change: Change) -> None:
        """Make a plan true; each part is one statement, executed in bulk."""
        links = (*change.linked, *change.unlinked)
        known = self._seen({*(d for link in links for d in link[:2]), *change.refcounts, *change.named.values()})
        ids = {blob: found[0] for blob, found in known.items()}
        run = self._db.executemany
        if links:
            new = sorted((ids[s], ids[t], LINK_KINDS.index(k)) for s, t, k in change.linked)  # in the order of the tree
            run("INSERT INTO links VALUES (?, ?, ?)", new)
            run("DELETE FROM links WHERE from_id = ? AND to_id = ?", [(ids[s], ids[t]) for s, t, _ in change.unlinked])
            self._leaves.clear()
        if change.unnamed or change.named:
            run(CHANGED, [(name, name) for name in (*change.unnamed, *change.named)])
            run("DELETE FROM tags WHERE name = ?", [(name,) for name in change.unnamed])
            run("INSERT OR REPLACE INTO tags VALUES (?, ?)", [(name, ids[d]) for name, d in change.named.items()])
        if change.refcounts:
            run(
                "UPDATE blobs SET refcount = ?, pins = pins + ? WHERE id = ?",
                [(refcount, change.pins.get(blob, 0), ids[blob]) for blob, refcount in change.refcounts.items()],
            )
        if change.freed:
            self._remove(change.freed.digests)
        self._forget()

    def journal(self, contents: Mapping[Digest, bytes]) -> int:
        """Keep content in the journal; return the number of the last entry."""
        last = None
        for digest, content in contents.items():
            last = self._db.execute(JOURNAL, (pack(digest), content)).lastrowid
        return last or 0

    def drain(self, number: int, kept: Collection[int] = ()) -> None:
        """Drop the entries of the journal up to this number but those `kept`; the last place says that it was given."""
        self._db.execute(DRAIN, (number, str(list(kept))))
        self._db.execute("INSERT OR IGNORE INTO journal VALUES (?, x'', x'')", (number,))

    def expect(self, links: Mapping[Link, str]) -> None:
        """Record links to absent blobs."""
        known = self._seen({link.source for link in links})
        self._pending = None
        self._db.executemany(
            "INSERT OR IGNORE INTO missing_links VALUES (?, ?, ?, ?)",
            [(pack(t), known[s][0], LINK_KINDS.index(k), media_type) for (s, t, k), media_type in links.items()],
        )

    def unexpect(self, links: Collection[Link]) -> None:
        """Forget links to absent blobs."""
        known = self._seen({link.source for link in links})
        self._pending = None
        self._db.executemany(
            "DELETE FROM missing_links WHERE digest = ? AND from_id = ?",
            [(pack(link.target), known[link.source][0]) for link in links],
        )

    def give(self, source: str, pins: Mapping[Digest, int]) -> None:
        """Record how many pins each blob was given by `source`, in all."""
        known = self._seen(pins)
        self._pending = None
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
        self._pending = None

    def forget(self, tombstones: Collection[Digest]) -> None:
        """Clear tombstones."""
        self._pending = None
        for _ in self._by_digest("DELETE FROM tombstones WHERE digest IN (:digests)", tombstones):
            pass

    def settle_names(self) -> None:
        """Forget which names changed."""
        self._db.execute("DELETE FROM changed_names")

    def set_meta(self, key: str, value: str | None) -> None:
        """Set a fact about the store itself, or drop it."""
        self._pending = None
        if value is None:
            self._db.execute("DELETE FROM meta WHERE key = ?", (key,))
        else:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def _remove(self, blobs: Collection[Digest]) -> None:
        """Take rows out, with all links from them; nothing links to them any more but one another.

        No id is looked up in a table that is empty, as two of them mostly are, nor links of what is known to have none.
        """
        pending, ids = self.pending(), self._sorted_ids(blobs)
        empty = {"missing_links": not pending.unresolved, "given": not pending.given}
        tables = [table for table in OF_BLOBS if not empty.get(table)]
        if self._leaves.issuperset(blobs):
            tables.remove("links")
        if len(ids) <= FEW:
            self._db.executemany(
                "INSERT OR IGNORE INTO tombstones VALUES (?)", [(pack(blob),) for blob in sorted(blobs)]
            )
        else:
            self._db.execute(BURY, (str(ids),))
        for table in tables:
            self._db.execute(REMOVE.format(table, OF_BLOBS[table]), (str(ids),))
        self._pending = pending._replace(buried=True)

    def _type_ids(self, names: Collection[str]) -> dict[str, int]:
        """Return the ids of media types; those that are new get one.

        Each is asked for by itself, once: JSON would cut off at a NUL what a stranger wrote.
        """
        for name in [(name,) for name in names if name not in self.types]:
            self._db.execute("INSERT OR IGNORE INTO media_types(name) VALUES (?)", name)
            self.types.update(self._db.execute("SELECT name, id FROM media_types WHERE name = ?", name).fetchall())
        return self.types


def put_row(db: sqlite3.Connection, new: Plain, types: Mapping[str, int], put: Callable[[bool], bool]) -> Put | None:
    """Record new content, or one pin more on a blob without links and tags, in the transaction that is open.

    None, and nothing is changed, where it is not that, or where `put` returns False of a blob that is here.
    """
    kind = types.get(new.media_type)
    if kind is None:
        return None
    packed, run = pack(new.digest), db.execute
    rows = run(PUT, (packed, new.size, kind, time.time_ns() // 1000, new.unsynced)).fetchall()
    if not rows:
        return None
    ((refcount, pins, created),) = rows
    is_new = refcount == 1
    if not put(is_new):
        run("UPDATE blobs SET refcount = refcount - 1, pins = pins - 1 WHERE digest = ?", (packed,))
        return None
    number = run(JOURNAL, (packed, new.journal)).lastrowid if is_new and new.journal is not None else 0
    return Put(refcount, pins, EPOCH + timedelta(0, 0, created), number or 0)


def _microseconds(moment: datetime) -> int:
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
