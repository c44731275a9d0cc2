"""The writes of one transaction of an index in PostgreSQL, in bulk."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from blobkit.digest import pack
from blobkit.index.postgres import checks
from blobkit.index.postgres.connecting import overflows
from blobkit.index.postgres.places import PlacesWriting
from blobkit.index.postgres.rows import EPOCH, LOCKED, Rows, bucket
from blobkit.model import LINK_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from blobkit.digest import Digest
    from blobkit.index.postgres.connecting import Connection
    from blobkit.model import Change, Link, NewBlob, Record

__all__ = ["PostgresWriting"]

LOCK = """SELECT pg_advisory_xact_lock(%s, number) FROM (SELECT DISTINCT unnest(%s::int[]) AS number ORDER BY 1) AS x"""
FEW = 64
"""Blobs that are named in the text of a statement."""
ADD = """WITH cleared AS (DELETE FROM tombstones WHERE digest = ANY(%(digests)s))
    INSERT INTO blobs(digest, size, refcount, pins, media_type, created)
    SELECT digest, size, 1, 1, media_type, created
    FROM unnest(%(digests)s, %(sizes)s::bigint[], %(types)s::int[], %(times)s::bigint[])
        AS new(digest, size, media_type, created)
    RETURNING digest, id, size, refcount, pins, media_type, created, place"""
PIN = """UPDATE blobs b SET refcount = refcount + q.number, pins = pins + q.number
    FROM unnest(%s::bigint[], %s::bigint[]) q(id, number) WHERE b.id = q.id
    RETURNING b.digest, b.id, b.size, b.refcount, b.pins, b.media_type, b.created, b.place"""
COUNT = """UPDATE blobs b SET refcount = q.refcount, pins = b.pins + q.more
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) q(id, refcount, more) WHERE b.id = q.id"""
LINK = "INSERT INTO links SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::smallint[])"
UNLINK = """DELETE FROM links l USING unnest(%s::bigint[], %s::bigint[]) q(source, target)
    WHERE l.from_id = q.source AND l.to_id = q.target"""
CHANGED = """INSERT INTO changed_names SELECT n.name, b.digest FROM unnest(%s::text[]) n(name)
    LEFT JOIN tags t ON t.name = n.name LEFT JOIN blobs b ON b.id = t.blob_id ON CONFLICT DO NOTHING"""
NAME = """INSERT INTO tags SELECT * FROM unnest(%s::text[], %s::bigint[])
    ON CONFLICT (name) DO UPDATE SET blob_id = excluded.blob_id"""
REMOVE = """WITH gone AS (DELETE FROM blobs WHERE id = ANY(%(ids)s) RETURNING digest, place),
    unlinked AS (DELETE FROM links WHERE from_id = ANY(%(ids)s)),
    unexpected AS (DELETE FROM missing_links WHERE from_id = ANY(%(ids)s)),
    ungiven AS (DELETE FROM given WHERE blob_id = ANY(%(ids)s)),
    placed AS (INSERT INTO graves(place) SELECT place FROM gone WHERE place <> '' ON CONFLICT DO NOTHING)
    INSERT INTO tombstones SELECT digest FROM gone WHERE place = '' ON CONFLICT DO NOTHING"""
EXPECT = """INSERT INTO missing_links SELECT * FROM unnest(%s::bytea[], %s::bigint[], %s::smallint[], %s::bytea[])
    ON CONFLICT DO NOTHING"""
UNEXPECT = """DELETE FROM missing_links m USING unnest(%s::bytea[], %s::bigint[]) q(digest, source)
    WHERE m.digest = q.digest AND m.from_id = q.source"""
GIVE = """INSERT INTO given SELECT %s, * FROM unnest(%s::bigint[], %s::bigint[])
    ON CONFLICT (source, blob_id) DO UPDATE SET pins = excluded.pins"""
RETYPE = """UPDATE blobs b SET media_type = q.kind FROM unnest(%s::bytea[], %s::int[]) q(digest, kind)
    WHERE b.digest = q.digest"""
RESIZE = """UPDATE blobs b SET size = q.size FROM unnest(%s::bytea[], %s::bigint[]) q(digest, size)
    WHERE b.digest = q.digest"""
SET_META = "INSERT INTO meta VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
RECOUNT = """UPDATE blobs b SET refcount = q.refcount, pins = q.pins
    FROM unnest(%s::bytea[], %s::bigint[], %s::bigint[]) q(digest, refcount, pins) WHERE b.digest = q.digest"""


class PostgresWriting(PlacesWriting, Rows):
    """The answers and the writes of one write transaction.

    `locks` says that others write, too; `space` sets the advisory locks of one store apart from those of others.
    `type_ids` returns the numbers of media types, committed already; `notes_names` says whether a projection wants to
    know which names changed.
    """

    def __init__(  # noqa: PLR0913 (what a transaction is made of)
        self,
        db: Connection,
        types: dict[int, str],
        type_ids: Callable[[Collection[str]], Mapping[str, int]],
        *,
        locks: bool,
        space: int,
        notes_names: bool,
    ) -> None:
        super().__init__(db, types)
        self.locks = locks
        self._space = space
        self._type_ids = type_ids
        self._notes_names = notes_names

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is written in the block where it raises."""
        self._db.execute("SAVEPOINT verb")
        try:
            yield
        except BaseException:
            self._forget()
            if not self._db.closed:
                self._db.execute("ROLLBACK TO verb; RELEASE verb")
            raise
        self._db.execute("RELEASE verb")

    def add(self, arrivals: Collection[NewBlob]) -> None:
        """Record new blobs with one anonymous pin each; their tombstones are cleared."""
        new = sorted(arrivals, key=lambda one: one.digest)
        if new:
            types = self._type_ids({one.media_type for one in new})
            columns = {
                "digests": [pack(one.digest) for one in new],
                "sizes": [one.size for one in new],
                "types": [types[one.media_type] for one in new],
                "times": [_microseconds(one.created) for one in new],
            }
            self._note(self._db.execute(ADD, columns, binary=True))
            self._details.update({found[0]: (0, False) for found in self._seen([one.digest for one in new]).values()})

    def pin(self, pins: Mapping[Digest, int]) -> Mapping[Digest, Record]:
        """Add pins; return the new records. OverflowError where a count would not fit."""
        seen = self._seen(pins)
        try:
            numbers = [pins[blob] for blob in seen]
            self._note(self._ask(PIN, [found[0] for found in seen.values()], numbers) if seen else ())
        except Exception as error:
            if overflows(error):
                msg = f"{join(seen)} has as many references as can be counted"
                raise OverflowError(msg) from error
            raise
        return self.records(seen)

    def apply(self, change: Change) -> None:
        """Make a plan true; each part is one statement."""
        links = (*change.linked, *change.unlinked)
        seen = self._seen({*(d for link in links for d in link[:2]), *change.refcounts, *change.named.values()})
        ids = {blob: found[0] for blob, found in seen.items()}
        freed = self._ids(change.freed.digests) if change.freed else []
        if change.linked:
            self._run(LINK, *_columns(sorted((ids[s], ids[t], LINK_KINDS.index(k)) for s, t, k in change.linked)))
        if change.unlinked:
            self._run(UNLINK, *_columns(sorted((ids[s], ids[t]) for s, t, _ in change.unlinked)))
        if change.unnamed or change.named:
            self._rename(change.unnamed, {name: ids[blob] for name, blob in sorted(change.named.items())})
        if change.refcounts:
            counted = [(ids[blob], number, change.pins.get(blob, 0)) for blob, number in change.refcounts.items()]
            self._run(COUNT, *_columns(sorted(counted)))
        if freed:
            self._db.execute(REMOVE, {"ids": sorted(freed)}, binary=True)
        self._forget()

    def _rename(self, unnamed: Collection[str], named: Mapping[str, int]) -> None:
        self._lock_names({*unnamed, *named})
        if self._notes_names:
            self._run(CHANGED, sorted({*unnamed, *named}))
        if unnamed:
            self._run("DELETE FROM tags WHERE name = ANY(%s)", list(unnamed))
        if named:
            self._run(NAME, list(named), list(named.values()))

    def journal(self, contents: Mapping[Digest, bytes]) -> int:
        """Keep content in the journal; return the number of the last entry."""
        statement = "INSERT INTO journal(digest, content) VALUES (%s, %s) RETURNING number"
        return max((self._ask(statement, pack(d), content)[0][0] for d, content in contents.items()), default=0)

    def drain(self, number: int, kept: Collection[int] = ()) -> None:
        """Drop the entries of the journal up to this number but those `kept`."""
        self._run("DELETE FROM journal WHERE number <= %s AND number <> ALL(%s::bigint[])", number, list(kept))

    def expect(self, links: Mapping[Link, str]) -> None:
        """Record links to absent blobs."""
        seen = self._seen({blob for link in links for blob in link[:2]})
        rows = sorted((pack(t), seen[s][0], LINK_KINDS.index(k), name.encode()) for (s, t, k), name in links.items())
        if rows:
            self._run(EXPECT, *_columns(rows))

    def unexpect(self, links: Collection[Link]) -> None:
        """Forget links to absent blobs."""
        seen = self._seen({link.source for link in links})
        if links:
            self._run(UNEXPECT, *_columns(sorted((pack(link.target), seen[link.source][0]) for link in links)))

    def give(self, source: str, pins: Mapping[Digest, int]) -> None:
        """Record how many pins each blob was given by `source`, in all."""
        rows = sorted((found[0], pins[blob]) for blob, found in self._seen(pins).items())
        if rows:
            self._run(GIVE, source, *_columns(rows))

    def retype(self, media_types: Mapping[Digest, str]) -> None:
        """Set media types."""
        if media_types:
            self._seen(media_types)
            types = self._type_ids(set(media_types.values()))
            self._run(RETYPE, *_columns(sorted((pack(blob), types[name]) for blob, name in media_types.items())))
            self._forget()

    def resize(self, sizes: Mapping[Digest, int]) -> None:
        """Set sizes."""
        if sizes:
            self._run(RESIZE, *_columns(sorted((pack(blob), size) for blob, size in sizes.items())))
            self._forget()

    def recount(self, counts: Mapping[Digest, tuple[int, int]]) -> None:
        """Set refcount and pins."""
        if counts:
            self._run(RECOUNT, *_columns(sorted((pack(blob), *counted) for blob, counted in counts.items())))
            self._forget()

    def clear(self, codes: Collection[str]) -> None:
        """Take out, or make harmless, the rows with faults of these kinds."""
        checks.clear(self._db, codes)
        self._forget()

    def forget(self, tombstones: Collection[Digest]) -> None:
        """Clear tombstones."""
        self._run("DELETE FROM tombstones WHERE digest = ANY(%s)", list(map(pack, tombstones)))

    def settle_names(self) -> None:
        """Forget which names changed."""
        self._run("DELETE FROM changed_names")

    def set_meta(self, key: str, value: str | None) -> None:
        """Set a fact about the store itself, or drop it."""
        if value is None:
            self._run("DELETE FROM meta WHERE key = %s", key)
        else:
            self._run(SET_META, key, value)

    def _run(self, statement: str, *parameters: object) -> None:
        self._db.execute(statement, parameters, binary=True)

    def _lock_absent(self, blobs: Sequence[Digest]) -> list[tuple[Any, ...]]:
        """Lock blobs that have no row to lock, until the transaction ends; return the rows that they have by then.

        The second statement must begin when the first one has its locks. A few go in one request, as text.
        """
        if len(blobs) > FEW:
            self._lock_buckets(blobs)
            return self._ask(LOCKED, list(map(pack, blobs)))
        numbers = ", ".join(map(str, sorted({bucket(blob) for blob in blobs})))
        # the texts are numbers and hexadecimal digits
        lock = f"SELECT pg_advisory_xact_lock({self._space}, n) FROM unnest(ARRAY[{numbers}]) n"  # noqa: S608
        digests = ", ".join(f"'\\x{pack(blob).hex()}'" for blob in blobs)
        look = LOCKED.replace("%s", f"ARRAY[{digests}]::bytea[]")
        cursor = self._db.execute(f"{lock}; {look}")
        cursor.nextset()
        return cursor.fetchall()

    def _lock_buckets(self, texts: Iterable[str]) -> None:
        self._run(LOCK, self._space, [bucket(text) for text in texts])

    def _lock_names(self, names: Collection[str]) -> None:
        if self.locks and names:
            self._lock_buckets(names)


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Return the columns of rows."""
    return [list(column) for column in zip(*rows, strict=True)]


def join(blobs: Collection[Digest]) -> str:
    """Return digests as one text."""
    return ", ".join(sorted(blobs)[:3])


def _microseconds(moment: datetime) -> int:
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
