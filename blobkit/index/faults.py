"""Faults that the SQLite index finds in itself: dangling rows, counts that do not add up, a damaged file.

Few statements over whole tables, each of them one scan: a check asks them once, however many blobs there are.
"""
# ruff: noqa: S608 (the statements are put together from constants of this file)

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from blobkit.digest import ALGORITHMS, Digest, unpack
from blobkit.model import LINK_KINDS, IndexFault, RefCounts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator

__all__ = ["clear", "edges", "faults", "is_packed", "miscounts"]

SLICE = 2_000_000  # rows a text: SQLite refuses strings above 1e9 bytes
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
_KIND = f"kind NOT IN ({', '.join(str(number) for number in range(len(LINK_KINDS)))})"
_TIME = f"created NOT BETWEEN {YEARS[0]} AND {YEARS[1]}"
_NO_NUMBER = " OR ".join(f"typeof({column}) <> 'integer'" for column in ("size", "refcount", "pins", "created"))

FAULTS = (
    (
        "bad-digest",
        f"SELECT NULL, 'row ' || id || ' of blobs has no digest' FROM blobs WHERE NOT {is_packed('digest')}",
    ),
    (
        "bad-row",
        f"""SELECT digest, 'row ' || id || ' of blobs holds no numbers' FROM blobs
        WHERE {_NO_NUMBER} OR size < 0 OR {_TIME}""",
    ),
    ("bad-digest", f"SELECT NULL, 'a tombstone has no digest' FROM tombstones WHERE NOT {is_packed('digest')}"),
    ("bad-digest", f"SELECT NULL, 'an expected link has no digest' FROM missing_links WHERE NOT {is_packed('digest')}"),
    ("bad-row", f"SELECT NULL, 'a link is of no kind' FROM links WHERE {_KIND}"),
    ("bad-row", f"SELECT digest, 'an expected link is of no kind' FROM missing_links WHERE {_KIND}"),
    (
        "dangling-link",
        """SELECT coalesce(s.digest, t.digest), CASE WHEN s.id IS NULL THEN 'from' ELSE 'to' END
        FROM links l LEFT JOIN blobs s ON s.id = l.from_id LEFT JOIN blobs t ON t.id = l.to_id
        WHERE s.id IS NULL OR t.id IS NULL""",
    ),
    ("dangling-expected", f"SELECT digest, 'from' FROM missing_links WHERE from_id NOT IN {BLOBS}"),
    ("dangling-tag", f"SELECT NULL, name FROM tags WHERE blob_id NOT IN {BLOBS}"),
    ("media-type", "SELECT digest, '' FROM blobs WHERE media_type NOT IN (SELECT id FROM media_types)"),
    (
        "expected-here",
        "SELECT w.digest, '' FROM missing_links w JOIN blobs b ON b.digest = w.digest JOIN blobs s ON s.id = w.from_id",
    ),
    ("buried-alive", "SELECT t.digest, '' FROM tombstones t JOIN blobs b ON b.digest = t.digest"),
)
"""A fault, and the statement that finds its rows: a digest or NULL, and a word about it."""

CURES = {
    "bad-digest": (
        f"DELETE FROM blobs WHERE NOT {is_packed('digest')}",
        f"DELETE FROM tombstones WHERE NOT {is_packed('digest')}",
        f"DELETE FROM missing_links WHERE NOT {is_packed('digest')}",
    ),
    "bad-row": (
        f"UPDATE links SET kind = 0 WHERE {_KIND}",
        f"UPDATE missing_links SET kind = 0 WHERE {_KIND}",
        f"""UPDATE blobs SET size = max(CAST(size AS INTEGER), 0), created = 0, pins = 0,
        refcount = max(CAST(refcount AS INTEGER), 1) WHERE {_NO_NUMBER}""",
        "UPDATE blobs SET size = 0 WHERE size < 0",
        f"UPDATE blobs SET created = 0 WHERE {_TIME}",
    ),
    "dangling-link": (f"DELETE FROM links WHERE from_id NOT IN {BLOBS} OR to_id NOT IN {BLOBS}",),
    "dangling-expected": (f"DELETE FROM missing_links WHERE from_id NOT IN {BLOBS}",),
    "dangling-tag": (f"DELETE FROM tags WHERE blob_id NOT IN {BLOBS}",),
    "media-type": (
        "INSERT OR IGNORE INTO media_types(name) VALUES ('')",
        """UPDATE blobs SET media_type = (SELECT id FROM media_types WHERE name = '')
        WHERE media_type NOT IN (SELECT id FROM media_types)""",
    ),
    "buried-alive": ("DELETE FROM tombstones WHERE digest IN (SELECT digest FROM blobs)",),
    "lookup": ("REINDEX",),
}

MISCOUNTS = f"""SELECT digest, refcount, pins, links, tags FROM (
    SELECT b.digest, b.refcount, b.pins,
        (SELECT count(*) FROM links l CROSS JOIN blobs s ON s.id = l.from_id WHERE l.to_id = b.id) AS links,
        (SELECT count(*) FROM tags t WHERE t.blob_id = b.id) AS tags
    FROM blobs b WHERE {is_packed("b.digest")} AND NOT ({_NO_NUMBER}) AND {{}})
    WHERE refcount <> pins + links OR pins < max(tags, 0) OR refcount <= 0"""
EDGES = """SELECT group_concat(from_id), group_concat(to_id), count(*) FROM (SELECT from_id, to_id FROM links
    WHERE (from_id, to_id) > (?, ?) ORDER BY from_id, to_id LIMIT ?)"""


def faults(db: sqlite3.Connection) -> Iterator[IndexFault]:
    """Yield what is wrong with single rows; where the file itself is damaged only that, as all else is unsure then."""
    damages = list(_damages(db))
    yield from damages
    if any(fault.code == "index-damaged" for fault in damages):
        return
    for code, statement in FAULTS:
        for packed, detail in db.execute(statement):
            yield IndexFault(code, _digest(packed), str(detail))


def miscounts(db: sqlite3.Connection, ids: str | None) -> dict[Digest, RefCounts]:
    """Return the blobs whose count is not pins plus links, that have fewer pins than tags, or that nothing holds."""
    condition = "TRUE" if ids is None else "b.id IN (SELECT value FROM json_each(?))"
    rows = db.execute(MISCOUNTS.format(condition), () if ids is None else (ids,))
    return {unpack(packed): RefCounts(*numbers) for packed, *numbers in rows}


def edges(db: sqlite3.Connection) -> tuple[array[int], array[int]]:
    """Return every link as a source and a target, which are ids of blobs."""
    sources, targets = array("q"), array("q")
    after, count = (-1, -1), SLICE
    while count == SLICE:
        some, others, count = db.execute(EDGES, (*after, SLICE)).fetchone()
        if count:
            sources.extend(map(int, some.split(",")))
            targets.extend(map(int, others.split(",")))
            after = (sources[-1], targets[-1])
    return sources, targets


def clear(db: sqlite3.Connection, codes: Collection[str]) -> None:
    """Take out, or make harmless, the rows that have one of these faults."""
    for code in codes:
        for statement in CURES.get(code, ()):
            db.execute(statement)


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
