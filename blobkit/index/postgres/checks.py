"""Faults that an index in PostgreSQL finds in itself: dangling rows, counts that do not add up.

The server keeps types, keys and numbers right; what it cannot know is what rows of different tables owe one another.
Few statements over whole tables, each of them one scan.
"""
# ruff: noqa: S608 (the statements are put together from constants of this file)

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from blobkit.digest import ALGORITHMS, Digest, unpack
from blobkit.model import LINK_KINDS, IndexFault, RefCounts

if TYPE_CHECKING:
    from collections.abc import Collection

    from blobkit.index.postgres.connecting import Connection

__all__ = ["clear", "edges", "faults", "miscounts"]

YEARS = (0, 253_402_300_799_999_999)
"""Microseconds since 1970 that are a time."""
SHAPES = " OR ".join(f"(length(digest) = {a.size + 1} AND get_byte(digest, 0) = {a.code})" for a in ALGORITHMS.values())
NO_DIGEST = f"NOT coalesce({SHAPES}, false)"
NO_SOURCE = "NOT EXISTS (SELECT 1 FROM blobs b WHERE b.id = t.from_id)"
NO_TARGET = f"NOT EXISTS (SELECT 1 FROM blobs b WHERE b.id = t.to_id) AND NOT {NO_SOURCE}"
NO_KIND = f"kind NOT BETWEEN 0 AND {len(LINK_KINDS) - 1}"
NO_TIME = f"created NOT BETWEEN {YEARS[0]} AND {YEARS[1]}"
ARRIVED = f"EXISTS (SELECT 1 FROM blobs b WHERE b.digest = t.digest) AND NOT ({NO_SOURCE})"
CHECKS = (
    ("bad-digest", "blobs", NO_DIGEST, "NULL::bytea, 'row ' || id || ' of blobs holds no digest'"),
    ("bad-row", "blobs", NO_TIME, "digest, 'row ' || id || ' of blobs holds no time'"),
    ("bad-digest", "tombstones", NO_DIGEST, "NULL::bytea, 'a tombstone has no digest'"),
    ("bad-digest", "missing_links", NO_DIGEST, "NULL::bytea, 'an expected link has no digest'"),
    ("bad-row", "links", NO_KIND, "NULL::bytea, 'a link is of no kind'"),
    ("bad-row", "missing_links", NO_KIND, "digest, 'an expected link is of no kind'"),
    ("dangling-link", "links", NO_SOURCE, "(SELECT digest FROM blobs WHERE id = t.to_id), 'from'"),
    ("dangling-link", "links", NO_TARGET, "(SELECT digest FROM blobs WHERE id = t.from_id), 'to'"),
    ("dangling-expected", "missing_links", NO_SOURCE, "digest, 'from'"),
    ("bad-name", "tags", "name = ''", "(SELECT digest FROM blobs WHERE id = blob_id), ''"),
    ("dangling-tag", "tags", "NOT EXISTS (SELECT 1 FROM blobs b WHERE b.id = t.blob_id) AND name <> ''",
     "NULL::bytea, name"),
    ("media-type", "blobs", "NOT EXISTS (SELECT 1 FROM media_types m WHERE m.id = t.media_type)", "digest, ''"),
    ("expected-here", "missing_links", ARRIVED, "digest, ''"),
    ("buried-alive", "tombstones", "EXISTS (SELECT 1 FROM blobs b WHERE b.digest = t.digest)", "digest, ''"),
)  # fmt: skip
"""A fault, the table and the condition of its rows, and what is said of each: a digest or NULL, and a word."""
CURES = {
    ("bad-row", "blobs"): "UPDATE blobs t SET created = 0",
    ("bad-row", "links"): "UPDATE links t SET kind = 0",
    ("bad-row", "missing_links"): "UPDATE missing_links t SET kind = 0",
    ("media-type", "blobs"): "UPDATE blobs t SET media_type = (SELECT id FROM media_types WHERE name = '')",
}
"""What is done to rows that are not deleted for their fault."""
MISCOUNTS = f"""SELECT * FROM (SELECT digest, refcount, pins,
        (SELECT count(*) FROM links l JOIN blobs s ON s.id = l.from_id WHERE l.to_id = t.id) AS links,
        (SELECT count(*) FROM tags n WHERE n.blob_id = t.id) AS tags
    FROM blobs t WHERE NOT ({NO_DIGEST}) AND {{}}) x
    WHERE refcount <> pins + links OR pins < tags OR pins < 0 OR refcount <= 0"""


def faults(db: Connection) -> list[IndexFault]:
    """Return what is wrong with single rows."""
    return [
        IndexFault(code, _digest(packed), str(detail))
        for code, table, condition, said in CHECKS
        for packed, detail in db.execute(f"SELECT {said} FROM {table} t WHERE {condition}", binary=True).fetchall()
    ]


def miscounts(db: Connection, ids: list[int] | None) -> dict[Digest, RefCounts]:
    """Return the blobs whose count is not pins plus links, that have fewer pins than tags, or that nothing holds."""
    condition, parameters = ("TRUE", ()) if ids is None else ("id = ANY(%s)", (ids,))
    rows = db.execute(MISCOUNTS.format(condition), parameters, binary=True)
    return {unpack(packed): RefCounts(*numbers) for packed, *numbers in rows}


def edges(db: Connection) -> tuple[array[int], array[int]]:
    """Return every link as a source and a target, which are ids of blobs."""
    ends = array("q")
    with db.cursor(binary=True) as cursor:
        for pair in cursor.execute("SELECT from_id, to_id FROM links ORDER BY 1, 2"):
            ends.extend(pair)
    return ends[::2], ends[1::2]


def clear(db: Connection, codes: Collection[str]) -> None:
    """Take out, or make harmless, the rows that have one of these faults."""
    db.execute("INSERT INTO media_types(name) VALUES ('') ON CONFLICT DO NOTHING")
    for code, table, condition, _ in CHECKS:
        if code in codes:
            db.execute(f"{CURES.get((code, table), f'DELETE FROM {table} t')} WHERE {condition}")


def _digest(packed: object) -> Digest | None:
    try:
        return unpack(packed) if isinstance(packed, bytes) and len(packed) > 1 else None
    except KeyError:
        return None
