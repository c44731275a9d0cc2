"""One consistent state of the SQLite index: every question in a bounded number of statements, however many blobs.

Digests are bound in chunks of fixed sizes, ids as one JSON array, so that there are few statements and SQLite
prepares each of them once. Measured against a temporary table: the same for wide questions, twice as fast for the
many small ones that a deep cascade asks.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from blobkit.digest import pack, unpack, unpack_column
from blobkit.index.faults import edges, faults, is_packed, miscounts
from blobkit.model import LINK_KINDS, JournalEntry, Link, PendingWork, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.index.ranges import Ranges
    from blobkit.model import Column, Facts, IndexFault, RefCounts
    from blobkit.transactions import Peeked

__all__ = ["EPOCH", "Rows", "peek"]

V = TypeVar("V")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHUNK = 500
SIZES = (1, 2, 8, 32, 128, CHUNK)
"""How many digests a statement asks for: few statements to prepare, and few places left empty."""

KNOWN = "SELECT digest, id, size, refcount FROM blobs WHERE digest IN (:digests)"
RECORDS = """SELECT b.digest, b.id, b.size, b.refcount, b.pins, (SELECT count(*) FROM tags t WHERE t.blob_id = b.id),
    m.name, b.created, EXISTS (SELECT 1 FROM links l WHERE l.from_id = b.id)
    FROM blobs b JOIN media_types m ON m.id = b.media_type WHERE b.digest IN (:digests)"""
PLAIN = """SELECT b.size, b.refcount, b.pins, b.media_type, b.created FROM blobs b WHERE b.digest = ?
    AND NOT EXISTS (SELECT 1 FROM links l WHERE l.from_id = b.id)
    AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.blob_id = b.id)"""
EXPECTING = """SELECT b.digest, w.digest, w.kind FROM missing_links w JOIN blobs b ON b.id = w.from_id
    WHERE w.digest IN (:digests)"""
# CROSS JOIN keeps the order of the tables: the planner would scan all blobs at every level of a cascade. Links are
# counted before blobs are looked up: each is looked up once, in the order of the table.
LINKS = """SELECT b.digest, b.id, b.size, b.refcount, n FROM (SELECT to_id, count(*) AS n FROM links
    WHERE from_id IN (SELECT value FROM json_each(?)) GROUP BY to_id) CROSS JOIN blobs b ON b.id = to_id"""
LINKS_OF_ONE = """SELECT b.digest, b.id, b.size, b.refcount, 1 FROM links l CROSS JOIN blobs b ON b.id = l.to_id
    WHERE l.from_id = ?"""
TARGETS = """SELECT l.from_id, b.digest FROM links l CROSS JOIN blobs b ON b.id = l.to_id
    WHERE l.from_id IN (SELECT value FROM json_each(?)) ORDER BY b.digest"""
HOLDERS = """SELECT l.to_id, b.digest FROM links l CROSS JOIN blobs b ON b.id = l.from_id
    WHERE l.to_id IN (SELECT value FROM json_each(?)) LIMIT ?"""
NAMES = "SELECT blob_id, name FROM tags WHERE blob_id IN (SELECT value FROM json_each(?)) ORDER BY name"
GIVEN = "SELECT blob_id, pins FROM given WHERE source = ? AND blob_id IN (SELECT value FROM json_each(?))"
NUMBERED = "SELECT id, digest FROM blobs WHERE id IN (SELECT value FROM json_each(?))"
PENDING = """SELECT (SELECT value FROM meta WHERE key = 'unsynced'),
    (SELECT value FROM meta WHERE key = 'layout_dirty'), EXISTS (SELECT 1 FROM tombstones),
    EXISTS (SELECT 1 FROM missing_links), EXISTS (SELECT 1 FROM given),
    EXISTS (SELECT 1 FROM meta WHERE key = 'layout_kept')"""
JOURNALLED = f"""SELECT number, digest, length(content), EXISTS (SELECT 1 FROM blobs b WHERE b.digest = journal.digest)
    FROM journal WHERE number > ? AND {is_packed("digest")} ORDER BY number LIMIT ?"""  # noqa: S608 (of constants)
JOURNAL_CONTENT = "SELECT content FROM journal WHERE number = ? AND digest <> x'' AND typeof(content) = 'blob'"
JOURNAL_SINCE = 3
"""The version of the schema that brought the journal."""
TAGS = "SELECT t.name, b.digest FROM tags t JOIN blobs b ON b.id = t.blob_id"


class Rows:
    """The answers to `blobkit.transactions.Reading`, inside a transaction of `db`.

    It remembers id, size and count of the blobs it has seen, so that a cascade looks each one up once, and which
    of them have no links.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[Digest, tuple[int, int, int]] = {}
        self._leaves: set[Digest] = set()
        self._pending: PendingWork | None = None

    def counts(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the reference count of each of these."""
        known = self._looked_up(blobs)
        return {blob: found[2] for blob in blobs if (found := known.get(blob))}

    def links(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return each blob that these link to, with the number of links that come from these. One statement at most."""
        blobs = [blob for blob in blobs if blob not in self._leaves]
        if not blobs:
            return {}
        ids = self._sorted_ids(blobs)
        one = len(ids) == 1  # as on each level of a chain: asked in half of the time
        rows = self._db.execute(LINKS_OF_ONE, ids) if one else self._db.execute(LINKS, (str(ids),))
        found: dict[Digest, int] = {}
        for packed, ident, size, refcount, number in rows:
            blob = unpack(packed)
            self._known[blob] = (ident, size, refcount)
            found[blob] = number
        return found

    def sizes(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the size of each of these, as recorded."""
        known = self._looked_up(blobs)
        return {blob: found[1] for blob in blobs if (found := known.get(blob))}

    def records(self, blobs: Collection[Digest]) -> Mapping[Digest, Record]:
        """Return what is recorded of each of these."""
        return {(blob := unpack(packed)): self._noted(blob, *row) for packed, *row in self._by_digest(RECORDS, blobs)}

    def _noted(  # noqa: PLR0913, PLR0917 (the columns of a row)
        self,
        blob: Digest,
        ident: int,
        size: int,
        refcount: int,
        pins: int,
        tags: int,
        media_type: str,
        created: int,
        links: int,
    ) -> Record:
        """Return a row as a record; remember it, and whether it has links."""
        self._known[blob] = (ident, size, refcount)
        if not links:
            self._leaves.add(blob)
        return Record(size, refcount, pins, tags, media_type, EPOCH + timedelta(0, 0, created))

    def targets(self, blobs: Collection[Digest]) -> Mapping[Digest, Sequence[Digest]]:
        """Return what each of these links to, sorted. Blobs whose records were read without a link cost nothing."""
        blobs = [blob for blob in blobs if blob not in self._leaves]
        if not blobs:
            return {}
        return self._grouped(blobs, ((i, unpack(d)) for i, d in self._db.execute(TARGETS, (self._ids(blobs),))))

    def holders(self, blobs: Collection[Digest], limit: int = -1) -> Mapping[Digest, Sequence[Digest]]:
        """Return what links to each of these, at most `limit` in all."""
        return self._grouped(blobs, ((i, unpack(d)) for i, d in self._db.execute(HOLDERS, (self._ids(blobs), limit))))

    def linked(self, links: Collection[Link]) -> Collection[Link]:
        """Return those of the links that exist. One look-up by primary key a link."""
        known = self._seen({blob for link in links for blob in link[:2]})
        statement = "SELECT 1 FROM links WHERE from_id = ? AND to_id = ?"
        return [
            link
            for link in links
            if link.source in known
            and link.target in known
            and self._db.execute(statement, (known[link.source][0], known[link.target][0])).fetchone()
        ]

    def expecting(self, digests: Collection[Digest]) -> Sequence[Link]:
        """Return the links that wait for one of these."""
        if not self.pending().unresolved:
            return []
        rows = self._by_digest(EXPECTING, digests)
        return [Link(unpack(source), unpack(target), LINK_KINDS[kind]) for source, target, kind in rows]

    def names(self, blobs: Collection[Digest]) -> Mapping[Digest, Sequence[str]]:
        """Return the tags of each of these, sorted."""
        return self._grouped(blobs, self._db.execute(NAMES, (self._ids(blobs),)))

    def tags(self, names: Collection[str] | None = None) -> Mapping[str, Digest]:
        """Return what these names name, or all names, sorted."""
        if names is None:
            return {name: unpack(packed) for name, packed in self._db.execute(f"{TAGS} ORDER BY t.name")}
        rows = (self._db.execute(f"{TAGS} WHERE t.name = ?", (name,)).fetchone() for name in sorted(names))
        return {row[0]: unpack(row[1]) for row in rows if row}

    def digests(self, after: Digest | None = None, limit: int = -1) -> Sequence[Digest]:
        """Return the blobs that sort behind `after`, at most `limit`."""
        return self._page("SELECT digest FROM blobs WHERE digest > ? ORDER BY digest LIMIT ?", after, limit)

    def total(self) -> int:
        """Return the number of blobs. Cost: SQLite counts the rows of an index."""
        return int(self._db.execute("SELECT count(*) FROM blobs").fetchone()[0])

    def tombstones(self, limit: int, after: Digest | None = None) -> Sequence[Digest]:
        """Return up to `limit` blobs that were removed while their bytes may still be there."""
        return self._page("SELECT digest FROM tombstones WHERE digest > ? ORDER BY digest LIMIT ?", after, limit)

    def given(self, source: str, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return how many pins were recorded as given to each of these by `source`."""
        rows = self._db.execute(GIVEN, (source, self._ids(blobs)))
        return {blob: pins for blob, (pins,) in self._grouped(blobs, rows).items()}

    def changed_names(self) -> Mapping[str, Digest | None]:
        """Return the names that changed, with what each one named before."""
        return {name: packed and unpack(packed) for name, packed in self._db.execute("SELECT * FROM changed_names")}

    def journalled(self, after: int, limit: int) -> Sequence[JournalEntry]:
        """Return entries of the journal; none in a store of a version that had no journal."""
        try:
            found = self._db.execute(JOURNALLED, (after, limit))
        except sqlite3.OperationalError:
            if self._db.execute("PRAGMA user_version").fetchone()[0] < JOURNAL_SINCE:
                return []
            raise
        return [JournalEntry(number, unpack(packed), size, bool(is_blob)) for number, packed, size, is_blob in found]

    def journal_content(self, number: int) -> bytes | None:
        """Return the content of an entry of the journal."""
        row = self._db.execute(JOURNAL_CONTENT, (number,)).fetchone()
        return None if row is None else bytes(row[0])

    def pending(self) -> PendingWork:
        """Return what is left to do. One statement a transaction, unless something changes it."""
        if self._pending is None:
            self._pending = PendingWork(*self._db.execute(PENDING).fetchone())
        return self._pending

    def meta(self, key: str) -> str | None:
        """Return a fact about the store itself."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def faults(self) -> Sequence[IndexFault]:
        """Return what is wrong with single rows, or with the file. Cost: scans everything."""
        return list(faults(self._db))

    def miscounts(self, blobs: Collection[Digest] | None = None) -> Mapping[Digest, RefCounts]:
        """Return those of these (of all) blobs whose counts do not add up. Cost: one scan of the links of them."""
        return miscounts(self._db, None if blobs is None else self._ids(blobs))

    def edges(self) -> tuple[Column, Column]:
        """Return all links, dangling ones too, as ids."""
        return edges(self._db)

    def numbered(self, numbers: Collection[int]) -> Mapping[int, Digest]:
        """Return the blobs with these ids."""
        found = self._db.execute(NUMBERED, (f"[{','.join(map(str, numbers))}]",))
        return {ident: unpack(packed) for ident, packed in found}

    def facts(self) -> Facts:
        """Return everything, as numpy columns."""
        from blobkit.index.columns import facts  # noqa: PLC0415 (the verbs of a store must not wait for numpy)

        return facts(self._db)

    def ranges(self, place: Path) -> Ranges:
        """Return everything, as numpy columns of one range of digests after the other; `place` is for its files."""
        from blobkit.index.ranges import Ranges  # noqa: PLC0415 (the verbs of a store must not wait for numpy)
        from blobkit.index.sliced import Sliced  # noqa: PLC0415 (as above)

        return Ranges(Sliced(self._db), place)

    def _forget(self) -> None:
        """Look everything up again: it may have changed."""
        self._known.clear()
        self._leaves.clear()

    def _looked_up(self, blobs: Collection[Digest]) -> dict[Digest, tuple[int, int, int]]:
        """Return (id, size, refcount) of all blobs that were looked up so far, these among them if they exist."""
        known = self._known
        unseen = [blob for blob in blobs if blob not in known]
        if unseen:
            for packed, ident, size, refcount in self._by_digest(KNOWN, unseen):
                known[unpack(packed)] = (ident, size, refcount)
        return known

    def _seen(self, blobs: Collection[Digest]) -> dict[Digest, tuple[int, int, int]]:
        """Return (id, size, refcount) of each of these that exists."""
        known = self._looked_up(blobs)
        return {blob: found for blob in blobs if (found := known.get(blob))}

    def _ids(self, blobs: Collection[Digest]) -> str:
        """Return the ids of these as a JSON array, in the order of the tables: SQLite then goes through them once."""
        return str(self._sorted_ids(blobs))

    def _sorted_ids(self, blobs: Collection[Digest]) -> list[int]:
        known = self._looked_up(blobs)
        return sorted([found[0] for blob in blobs if (found := known.get(blob))])

    def _by_digest(self, statement: str, digests: Collection[Digest]) -> Iterator[tuple[Any, ...]]:
        packed = list(map(pack, digests))
        if len(packed) <= CHUNK:
            return self._asked(statement, packed)
        chunks = (packed[start : start + CHUNK] for start in range(0, len(packed), CHUNK))
        return (row for chunk in chunks for row in self._asked(statement, chunk))

    def _asked(self, statement: str, packed: list[bytes]) -> Iterator[tuple[Any, ...]]:
        """Return the answer to a question about at most CHUNK digests, of which the last one fills up the places."""
        if not packed:
            return iter(())
        places = SIZES[bisect_left(SIZES, len(packed))]
        return self._db.execute(_asking(statement, places), packed + packed[-1:] * (places - len(packed)))

    def _grouped(self, blobs: Collection[Digest], rows: Iterable[tuple[int, V]]) -> dict[Digest, list[V]]:
        blob_of = {known[0]: blob for blob, known in self._seen(blobs).items()}
        found: dict[Digest, list[V]] = {}
        for ident, value in rows:
            found.setdefault(blob_of[ident], []).append(value)
        return found

    def _page(self, statement: str, after: Digest | None, limit: int) -> list[Digest]:
        return unpack_column(self._db.execute(statement, (pack(after) if after else b"", limit)))


def peek(db: sqlite3.Connection, blob: Digest, types: dict[int, str]) -> Peeked | None:
    """Return what is recorded of a blob that has neither links nor tags; `types` remembers the media types."""
    row = db.execute(PLAIN, (pack(blob),)).fetchone()
    if row is None:
        return None
    size, refcount, pins, media_type, created = row
    if media_type not in types:
        types.update(db.execute("SELECT id, name FROM media_types WHERE id = ?", (media_type,)).fetchall())
    name = types.get(media_type)
    return None if name is None else (size, refcount, pins, name, EPOCH + timedelta(0, 0, created))


@cache
def _asking(statement: str, places: int) -> str:
    """Return a statement about so many digests: always the same object, which its connection has prepared."""
    return statement.replace(":digests", ",".join("?" * places))
