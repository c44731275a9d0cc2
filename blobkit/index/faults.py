"""Faults that the SQLite index finds in itself: dangling rows, counts that do not add up, a damaged file.

Few statements over whole tables, each of them one scan: a check asks them once, however many blobs there are.
"""
# ruff: noqa: S608 (the statements are put together from constants of this file)

from __future__ import annotations

from array import array
from itertools import chain
from typing import TYPE_CHECKING

from blobkit.digest import ALGORITHMS, Digest, unpack
from blobkit.model import LINK_KINDS, IndexFault, RefCounts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator

__all__ = ["clear", "edges", "faults", "is_packed", "miscounts"]

DAMAGES_SHOWN = 20
YEARS = (0, 253_402_300_799_999_999)
"""Microseconds since 1970 that are a time."""


def is_packed(column: str) -> str:
    """Return the condition that a column holds a packed digest."""
    shapes = (
        f"(length({column}) = {a.size + 1} AND substr({column}, 1, 1) = x'0{a.code}')" for a in ALGORITHMS.values()
    )
    return f"(typeof({column}) = 'blob' AND ({' OR '.join(shapes)}))"


BLOBS = "(SELECT id FROM blobs)"
NO_DIGEST = f"NOT {is_packed('digest')}"
NO_KIND = f"kind NOT IN ({', '.join(str(number) for number in range(len(LINK_KINDS)))})"
NO_NUMBER = " OR ".join(f"typeof({column}) <> 'integer'" for column in ("size", "refcount", "pins", "created"))
NO_TIME = f"created NOT BETWEEN {YEARS[0]} AND {YEARS[1]}"
NO_TYPE = "media_type NOT IN (SELECT id FROM media_types WHERE typeof(name) = 'text')"
NO_SOURCE = f"(typeof(from_id) <> 'integer' OR from_id NOT IN {BLOBS})"
NO_TARGET = f"(typeof(to_id) <> 'integer' OR to_id NOT IN {BLOBS}) AND NOT {NO_SOURCE}"
NO_NAME = "(typeof(name) <> 'text' OR name = '')"
ARRIVED = f"digest IN (SELECT digest FROM blobs) AND from_id IN {BLOBS}"
ROW = "'row ' || id || ' of blobs holds no '"

CHECKS = (
    ("bad-digest", "blobs", NO_DIGEST, f"NULL, {ROW} || 'digest'"),
    ("bad-row", "blobs", f"{NO_NUMBER} OR size < 0 OR {NO_TIME}", f"digest, {ROW} || 'numbers'"),
    ("bad-digest", "tombstones", NO_DIGEST, "NULL, 'a tombstone has no digest'"),
    ("bad-digest", "missing_links", NO_DIGEST, "NULL, 'an expected link has no digest'"),
    ("bad-row", "links", NO_KIND, "NULL, 'a link is of no kind'"),
    ("bad-row", "missing_links", NO_KIND, "digest, 'an expected link is of no kind'"),
    ("dangling-link", "links", NO_SOURCE, "(SELECT digest FROM blobs WHERE id = to_id), 'from'"),
    ("dangling-link", "links", NO_TARGET, "(SELECT digest FROM blobs WHERE id = from_id), 'to'"),
    ("dangling-expected", "missing_links", NO_SOURCE, "digest, 'from'"),
    ("bad-name", "tags", NO_NAME, "(SELECT digest FROM blobs WHERE id = blob_id), ''"),
    ("dangling-tag", "tags", f"blob_id NOT IN {BLOBS} AND NOT {NO_NAME}", "NULL, name"),
    ("media-type", "blobs", NO_TYPE, "digest, ''"),
    ("expected-here", "missing_links", ARRIVED, "digest, ''"),
    ("buried-alive", "tombstones", "digest IN (SELECT digest FROM blobs)", "digest, ''"),
)
"""A fault, the table and the condition of its rows, and what is said of each: a digest or NULL, and a word."""

CURES = {
    ("bad-row", "blobs"): f"""UPDATE blobs SET size = max(CAST(size AS INTEGER), 0),
        refcount = CASE WHEN {NO_NUMBER} THEN max(CAST(refcount AS INTEGER), 1) ELSE refcount END,
        pins = CASE WHEN {NO_NUMBER} THEN 0 ELSE pins END,
        created = CASE WHEN {NO_NUMBER} OR {NO_TIME} THEN 0 ELSE created END""",
    ("bad-row", "links"): "UPDATE links SET kind = 0",
    ("bad-row", "missing_links"): "UPDATE missing_links SET kind = 0",
    ("media-type", "blobs"): "UPDATE blobs SET media_type = (SELECT id FROM media_types WHERE name = '')",
}
"""What is done to rows that are not deleted for their fault."""

MISCOUNTS = f"""SELECT digest, refcount, pins, links, tags FROM (
    SELECT b.digest, b.refcount, b.pins,
        (SELECT count(*) FROM links l CROSS JOIN blobs s ON s.id = l.from_id WHERE l.to_id = b.id) AS links,
        (SELECT count(*) FROM tags t WHERE t.blob_id = b.id) AS tags
    FROM blobs b WHERE {is_packed("b.digest")} AND NOT ({NO_NUMBER}) AND {{}})
    WHERE refcount <> pins + links OR pins < max(tags, 0) OR refcount <= 0"""


EDGES = "SELECT from_id, to_id FROM links WHERE typeof(from_id) = 'integer' AND typeof(to_id) = 'integer'"


def faults(db: sqlite3.Connection) -> Iterator[IndexFault]:
    """Yield what is wrong with single rows; where the file itself is damaged only that, as all else is unsure then."""
    damages = list(_damages(db))
    yield from damages
    if any(fault.code == "index-damaged" for fault in damages):
        return
    for code, table, condition, said in CHECKS:
        for packed, detail in db.execute(f"SELECT {said} FROM {table} WHERE {condition}"):
            yield IndexFault(code, _digest(packed), str(detail))


def miscounts(db: sqlite3.Connection, ids: str | None) -> dict[Digest, RefCounts]:
    """Return the blobs whose count is not pins plus links, that have fewer pins than tags, or that nothing holds."""
    condition = "TRUE" if ids is None else "b.id IN (SELECT value FROM json_each(?))"
    rows = db.execute(MISCOUNTS.format(condition), () if ids is None else (ids,))
    return {unpack(packed): RefCounts(*numbers) for packed, *numbers in rows}


def edges(db: sqlite3.Connection) -> tuple[array[int], array[int]]:
    """Return every link as a source and a target, which are ids of blobs; one whose ends are no ids is dangling."""
    ends = array("q", chain.from_iterable(db.execute(EDGES)))
    return ends[::2], ends[1::2]


def clear(db: sqlite3.Connection, codes: Collection[str]) -> None:
    """Take out, or make harmless, the rows that have one of these faults."""
    if "lookup" in codes:
        db.execute("REINDEX")
    db.execute("INSERT OR IGNORE INTO media_types(name) VALUES ('')")
    for code, table, condition, _ in CHECKS:
        if code in codes:
            db.execute(f"{CURES.get((code, table), f'DELETE FROM {table}')} WHERE {condition}")


def _damages(db: sqlite3.Connection) -> Iterator[IndexFault]:
    """Yield what SQLite's own check finds, except what the statements above say better."""
    for (line,) in db.execute(f"PRAGMA integrity_check({DAMAGES_SHOWN})"):
        if " in index " in f"{line} " or " from index " in line:
            yield IndexFault("lookup", None, str(line))
        elif line != "ok" and not line.startswith(("CHECK constraint failed", "NULL value")):
            yield IndexFault("index-damaged", None, str(line))


def _digest(packed: object) -> Digest | None:
    try:
        return unpack(packed) if isinstance(packed, bytes) and len(packed) > 1 else None
    except KeyError:
        return None
