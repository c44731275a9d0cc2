"""One consistent state of an index in PostgreSQL: every question in a bounded number of statements.

In a transaction that writes, what is asked of a blob or a name locks it, so that it is still true at the commit: rows
by FOR UPDATE, in the order of digests; digests that are absent, and names, by advisory locks on one of a few numbers
that they are hashed to. A second statement then reads what the lock protects: one that waited for a lock still sees
other tables as they were before.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from zlib import crc32

from blobkit.digest import pack, unpack
from blobkit.index.postgres.checks import edges, faults, miscounts
from blobkit.model import LINK_KINDS, JournalEntry, Link, PendingWork, Record

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.index.postgres.connecting import Connection
    from blobkit.index.ranges import Ranges
    from blobkit.model import Column, Facts, IndexFault, RefCounts

__all__ = ["EPOCH", "LOCKED", "Rows", "bucket"]

V = TypeVar("V")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BUCKETS = 256
"""The advisory locks of what is absent: a server has few, and a batch may put thousands of blobs."""
KNOWN = "SELECT digest, id, size, refcount, pins, media_type, created, place FROM blobs WHERE digest = ANY(%s)"
LOCKED = f"{KNOWN} ORDER BY digest FOR UPDATE"
TARGETS_LOCKED = """SELECT digest, id, size, refcount, pins, media_type, created, place FROM blobs
    WHERE id IN (SELECT to_id FROM links WHERE from_id = ANY(%s)) ORDER BY digest FOR UPDATE"""
LINKS = """SELECT b.digest, b.id, b.size, b.refcount, b.pins, b.media_type, b.created, b.place, n
    FROM (SELECT to_id, count(*) AS n FROM links WHERE from_id = ANY(%s) GROUP BY to_id) l
    JOIN blobs b ON b.id = l.to_id"""
TARGETS = """SELECT l.from_id, b.digest FROM links l JOIN blobs b ON b.id = l.to_id WHERE l.from_id = ANY(%s)
    ORDER BY b.digest"""
HOLDERS = "SELECT l.to_id, b.digest FROM links l JOIN blobs b ON b.id = l.from_id WHERE l.to_id = ANY(%s) LIMIT %s"
LINKED = """SELECT l.from_id, l.to_id FROM links l
    JOIN unnest(%s::bigint[], %s::bigint[]) q(source, target) ON l.from_id = q.source AND l.to_id = q.target"""
EXPECTING = """SELECT b.digest, w.digest, w.kind FROM missing_links w JOIN blobs b ON b.id = w.from_id
    WHERE w.digest = ANY(%s)"""
TAGS = "SELECT t.name, b.digest FROM tags t JOIN blobs b ON b.id = t.blob_id"
PENDING = """SELECT (SELECT value FROM meta WHERE key = 'unsynced'),
    (SELECT value FROM meta WHERE key = 'layout_dirty'),
    EXISTS (SELECT 1 FROM tombstones), EXISTS (SELECT 1 FROM missing_links), EXISTS (SELECT 1 FROM given),
    EXISTS (SELECT 1 FROM meta WHERE key = 'layout_kept')"""
JOURNALLED = """SELECT number, digest, length(content), EXISTS (SELECT 1 FROM blobs b WHERE b.digest = j.digest)
    FROM journal j WHERE number > %s ORDER BY number LIMIT %s"""
KNOWN_PLACES = """SELECT place FROM blobs WHERE place = ANY(%(places)s) UNION SELECT place FROM intents
    WHERE place = ANY(%(places)s) UNION SELECT place FROM graves WHERE place = ANY(%(places)s)"""

DETAILS = """SELECT b.id, (SELECT count(*) FROM tags t WHERE t.blob_id = b.id),
    EXISTS (SELECT 1 FROM links l WHERE l.from_id = b.id) FROM unnest(%s::bigint[]) b(id)"""

Known = tuple[int, int, int, int, int, int, str]
"""Id, size, refcount, pins, number of the media type, time, and place of a blob."""


class Rows:
    """The answers to `blobkit.transactions.Reading` and the questions of `Places`, inside a transaction of `db`.

    It remembers the rows that it has seen, of which those of a transaction that writes are locked, and which of them
    have tags and links. `types` are media types that
    are committed, by number.
    """

    locks = False

    def __init__(self, db: Connection, types: dict[int, str]) -> None:
        self._db = db
        self._types = types
        self._known: dict[Digest, Known | None] = {}
        self._details: dict[int, tuple[int, bool]] = {}

    def counts(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the reference count of each of these."""
        return {blob: found[2] for blob, found in self._seen(blobs).items()}

    def sizes(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the size of each of these, as recorded."""
        return {blob: found[1] for blob, found in self._seen(blobs).items()}

    def places(self, blobs: Collection[Digest]) -> Mapping[Digest, str]:
        """Return the place of each of these that has one."""
        return {blob: found[6] for blob, found in self._seen(blobs).items() if found[6]}

    def known_places(self, places: Collection[str]) -> Collection[str]:
        """Return those of these that belong to a blob, an intent or a tombstone."""
        rows = self._db.execute(KNOWN_PLACES, {"places": list(places)}, binary=True)
        return {place for (place,) in rows}

    def links(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return each blob that these link to, with the number of links that come from these."""
        ids = self._with(blobs, 1)
        if not ids:
            return {}
        if self.locks:
            self._note(self._ask(TARGETS_LOCKED, ids))
        found = {}
        for packed, *row, number in self._ask(LINKS, ids):
            blob = unpack(packed)
            self._known[blob] = tuple(row)
            found[blob] = number
        return found

    def records(self, blobs: Collection[Digest]) -> Mapping[Digest, Record]:
        """Return what is recorded of each of these."""
        seen = self._seen(blobs)
        if not seen:
            return {}
        unseen = [found[0] for found in seen.values() if found[0] not in self._details]
        if unseen:
            self._details.update({ident: (tags, linked) for ident, tags, linked in self._ask(DETAILS, unseen)})
        names = self._type_names({found[4] for found in seen.values()})
        return {
            blob: Record(size, refcount, pins, self._details[ident][0], names[kind], EPOCH + timedelta(0, 0, created))
            for blob, (ident, size, refcount, pins, kind, created, _) in seen.items()
        }

    def targets(self, blobs: Collection[Digest]) -> Mapping[Digest, Sequence[Digest]]:
        """Return what each of these links to, sorted."""
        ids = self._with(blobs, 1)
        rows = self._ask(TARGETS, ids) if ids else ()
        return self._grouped(blobs, ((at, unpack(packed)) for at, packed in rows))

    def holders(self, blobs: Collection[Digest], limit: int = -1) -> Mapping[Digest, Sequence[Digest]]:
        """Return what links to each of these, at most `limit` in all."""
        rows = self._ask(HOLDERS, self._ids(blobs), None if limit < 0 else limit)
        return self._grouped(blobs, ((at, unpack(packed)) for at, packed in rows))

    def linked(self, links: Collection[Link]) -> Collection[Link]:
        """Return those of the links that exist."""
        seen = self._seen({blob for link in links for blob in link[:2]})
        pairs = {link: (seen[link.source][0], seen[link.target][0]) for link in links if {*link[:2]} <= seen.keys()}
        if not pairs:
            return []
        sources, targets = zip(*pairs.values(), strict=True)
        have = set(self._ask(LINKED, list(sources), list(targets)))
        return [link for link, pair in pairs.items() if pair in have]

    def expecting(self, digests: Collection[Digest]) -> Sequence[Link]:
        """Return the links that wait for one of these."""
        self._seen(digests)
        rows = self._ask(EXPECTING, list(map(pack, digests))) if digests else ()
        return [Link(unpack(source), unpack(target), LINK_KINDS[kind]) for source, target, kind in rows]

    def names(self, blobs: Collection[Digest]) -> Mapping[Digest, Sequence[str]]:
        """Return the tags of each of these, sorted."""
        ids = self._with(blobs, 0)
        rows = self._ask("SELECT blob_id, name FROM tags WHERE blob_id = ANY(%s) ORDER BY name", ids) if ids else ()
        return self._grouped(blobs, rows)

    def tags(self, names: Collection[str] | None = None) -> Mapping[str, Digest]:
        """Return what these names name, or all names, sorted."""
        if names is None:
            rows = self._ask(f"{TAGS} ORDER BY t.name")
        else:
            self._lock_names(names)
            rows = self._ask(f"{TAGS} WHERE t.name = ANY(%s) ORDER BY t.name", list(names))
        return {name: unpack(packed) for name, packed in rows}

    def digests(self, after: Digest | None = None, limit: int = -1) -> Sequence[Digest]:
        """Return the blobs that sort behind `after`, at most `limit`."""
        return self._page("blobs", after, limit)

    def tombstones(self, limit: int, after: Digest | None = None) -> Sequence[Digest]:
        """Return up to `limit` blobs without a place that were removed while their bytes may still be there."""
        return self._page("tombstones", after, limit)

    def total(self) -> int:
        """Return the number of blobs. Cost: a scan of an index: seconds for 100 million."""
        return int(self._ask("SELECT count(*) FROM blobs")[0][0])

    def given(self, source: str, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        """Return how many pins were recorded as given to each of these by `source`."""
        statement = "SELECT blob_id, pins FROM given WHERE source = %s AND blob_id = ANY(%s)"
        found = self._grouped(blobs, self._ask(statement, source, self._ids(blobs)))
        return {blob: pins for blob, (pins,) in found.items()}

    def changed_names(self) -> Mapping[str, Digest | None]:
        """Return the names that changed, with what each one named before."""
        return {name: packed and unpack(packed) for name, packed in self._ask("SELECT name, digest FROM changed_names")}

    def journalled(self, after: int, limit: int) -> Sequence[JournalEntry]:
        """Return entries of the journal."""
        found = self._ask(JOURNALLED, after, limit)
        return [JournalEntry(number, unpack(packed), size, is_blob) for number, packed, size, is_blob in found]

    def journal_content(self, number: int) -> bytes | None:
        """Return the content of an entry of the journal."""
        found = self._ask("SELECT content FROM journal WHERE number = %s", number)
        return bytes(found[0][0]) if found else None

    def pending(self) -> PendingWork:
        """Return what is left to do. Five look-ups of one row each."""
        return PendingWork(*self._ask(PENDING)[0])

    def meta(self, key: str) -> str | None:
        """Return a fact about the store itself."""
        found = self._ask("SELECT value FROM meta WHERE key = %s", key)
        return str(found[0][0]) if found else None

    def faults(self) -> Sequence[IndexFault]:
        """Return what is wrong with single rows. Cost: scans everything."""
        return faults(self._db)

    def miscounts(self, blobs: Collection[Digest] | None = None) -> Mapping[Digest, RefCounts]:
        """Return those of these (of all) blobs whose counts do not add up. Cost: one scan of the links of them."""
        return miscounts(self._db, None if blobs is None else self._ids(blobs))

    def edges(self) -> tuple[Column, Column]:
        """Return all links, dangling ones too, as ids."""
        return edges(self._db)

    def numbered(self, numbers: Collection[int]) -> Mapping[int, Digest]:
        """Return the blobs with these ids."""
        found = self._ask("SELECT id, digest FROM blobs WHERE id = ANY(%s)", list(map(int, numbers)))
        return {ident: unpack(packed) for ident, packed in found}

    def facts(self) -> Facts:
        """Return everything, as numpy columns."""
        from blobkit.index.postgres.columns import facts  # noqa: PLC0415 (verbs must not wait for numpy)

        return facts(self._db)

    def ranges(self, place: Path) -> Ranges:
        """Return everything, as numpy columns of one range of digests after the other; `place` is for its files."""
        from blobkit.index.postgres.sliced import Sliced  # noqa: PLC0415 (verbs must not wait for numpy)
        from blobkit.index.ranges import Ranges  # noqa: PLC0415 (as above)

        return Ranges(Sliced(self._db), place)

    def _ask(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a statement; numbers and bytes travel in binary."""
        return self._db.execute(statement, parameters, binary=True).fetchall()

    def _looked_up(self, blobs: Collection[Digest]) -> dict[Digest, Known | None]:
        """Return the rows of all blobs that were looked up so far, these among them; None for those that are absent."""
        unseen = sorted({blob for blob in blobs if blob not in self._known})
        if unseen:
            packed = list(map(pack, unseen))
            self._note(self._ask(LOCKED if self.locks else KNOWN, packed))
            absent = [blob for blob in unseen if blob not in self._known]
            if absent and self.locks:  # others may have put them before the lock was ours
                self._note(self._lock_absent(absent))
            self._known.update(dict.fromkeys(set(absent).difference(self._known)))
        return self._known

    if TYPE_CHECKING:  # in a transaction that writes

        def _lock_absent(self, blobs: Sequence[Digest]) -> list[tuple[Any, ...]]: ...

    def _lock_names(self, names: Collection[str]) -> None:
        """Lock names until the transaction ends."""

    def _note(self, rows: Iterable[Sequence[Any]]) -> None:
        self._known.update({unpack(packed): tuple(row) for packed, *row in rows})

    def _seen(self, blobs: Collection[Digest]) -> dict[Digest, Known]:
        """Return the row of each of these that exists."""
        known = self._looked_up(blobs)
        return {blob: found for blob in blobs if (found := known.get(blob))}

    def _ids(self, blobs: Collection[Digest]) -> list[int]:
        return [found[0] for found in self._seen(blobs).values()]

    def _with(self, blobs: Collection[Digest], what: int) -> list[int]:
        """Return the ids of these, but of those that are known to have no tags (0), or no links (1)."""
        return [ident for ident in self._ids(blobs) if ident not in self._details or self._details[ident][what]]

    def _forget(self) -> None:
        """Look everything up again: it may have changed. The locks stay."""
        self._known.clear()
        self._details.clear()

    def _type_names(self, numbers: Collection[int]) -> Mapping[int, str]:
        """Return media types by number; those that are committed are remembered."""
        unknown = [number for number in numbers if number not in self._types]
        if unknown:
            found = self._ask("SELECT id, name FROM media_types WHERE id = ANY(%s)", unknown)
            self._types.update({number: bytes(name).decode() for number, name in found})
        return defaultdict(str, self._types)

    def _grouped(self, blobs: Collection[Digest], rows: Iterable[Sequence[Any]]) -> dict[Digest, list[Any]]:
        blob_of = {found[0]: blob for blob, found in self._seen(blobs).items()}
        grouped: dict[Digest, list[Any]] = {}
        for ident, value in rows:
            grouped.setdefault(blob_of[ident], []).append(value)
        return grouped

    def _page(self, table: str, after: Digest | None, limit: int) -> list[Digest]:
        statement = f"SELECT digest FROM {table} WHERE digest > %s ORDER BY digest LIMIT %s"  # noqa: S608 (two names)
        rows = self._ask(statement, pack(after) if after else b"", None if limit < 0 else limit)
        return [unpack(packed) for (packed,) in rows]


def bucket(text: str) -> int:
    """Return which of the advisory locks a digest or a name shares."""
    return crc32(text.encode()) % BUCKETS
