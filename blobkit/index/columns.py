"""The whole SQLite index as numpy columns, the fast way out: SQLite joins numbers to text, numpy parses the text.

Measured for 8M links: rows fetched one by one 8.7 s, joined text 1.4 s. Three texts and not one packed number a
link, which would be a third faster, because ids may outgrow it. This is the one module of the store that needs numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import unpack
from blobkit.model import LINK_KINDS, Facts

if TYPE_CHECKING:
    import sqlite3

    from numpy.typing import NDArray

__all__ = ["facts"]

SLICE = 2_000_000  # rows a text: SQLite refuses strings above 1e9 bytes

BLOBS = """SELECT {} FROM (SELECT b.id, b.size, b.created, b.media_type, b.pins - coalesce(t.n, 0) AS anonymous
    FROM blobs b LEFT JOIN (SELECT blob_id, count(*) AS n FROM tags GROUP BY blob_id) t ON t.blob_id = b.id
    WHERE b.id > ? ORDER BY b.id LIMIT ?)"""
LINKS = """SELECT {} FROM (SELECT from_id, to_id, kind FROM links
    WHERE (from_id, to_id) > (?, ?) ORDER BY from_id, to_id LIMIT ?)"""
EXPECTED = "SELECT from_id, digest, kind, media_type FROM missing_links"


def facts(db: sqlite3.Connection) -> Facts:
    """Return everything that the index holds, in the transaction that is open. Blobs are in the order of their ids."""
    ids, sizes, created, media_type, anonymous = _blobs(db)
    sources, targets, kinds = _links(db)
    types = db.execute("SELECT id, name FROM media_types ORDER BY id").fetchall()
    expected = db.execute(EXPECTED).fetchall()
    tags = db.execute("SELECT blob_id, name FROM tags ORDER BY name").fetchall()
    return Facts(
        digests=[unpack(packed) for (packed,) in db.execute("SELECT digest FROM blobs ORDER BY id")],
        sizes=sizes,
        created=created,
        media_types=[name for _, name in types],
        media_type=np.searchsorted(np.array([ident for ident, _ in types], np.int64), media_type),
        anonymous=anonymous,
        sources=_positions(ids, sources),
        targets=_positions(ids, targets),
        kinds=kinds,
        expected=[(_position(ids, row[0]), unpack(row[1]), LINK_KINDS[row[2]], row[3]) for row in expected],
        tags=[(name, _position(ids, ident)) for ident, name in tags],
    )


def _blobs(db: sqlite3.Connection) -> list[NDArray[np.int64]]:
    columns = ("id", "size", "created", "media_type", "anonymous")
    parts: list[list[NDArray[np.int64]]] = []
    after = 0
    while (part := _numbers(db, BLOBS, columns, (after, SLICE))) and len(part[0]):
        parts.append(part)
        after = int(part[0][-1])
    return _joined(parts, len(columns))


def _links(db: sqlite3.Connection) -> list[NDArray[np.int64]]:
    columns = ("from_id", "to_id", "kind")
    parts: list[list[NDArray[np.int64]]] = []
    after = (0, 0)
    while (part := _numbers(db, LINKS, columns, (*after, SLICE))) and len(part[0]):
        parts.append(part)
        after = (int(part[0][-1]), int(part[1][-1]))
    return _joined(parts, len(columns))


def _numbers(
    db: sqlite3.Connection, statement: str, columns: tuple[str, ...], values: tuple[int, ...]
) -> list[NDArray[np.int64]]:
    """Return the columns of one slice; empty ones where no row is left."""
    joined = ", ".join(f"group_concat({column})" for column in columns)
    row = db.execute(statement.format(joined), values).fetchone()
    return [np.fromstring(text or "", dtype=np.int64, sep=",") for text in row]


def _joined(parts: list[list[NDArray[np.int64]]], width: int) -> list[NDArray[np.int64]]:
    if not parts:
        return [np.empty(0, np.int64) for _ in range(width)]
    return [np.concatenate([part[column] for part in parts]) for column in range(width)]


def _positions(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of each wanted id; through a table where ids are dense, which they mostly are."""
    if not len(wanted) or ids[-1] > 8 * len(ids):
        return np.searchsorted(ids, wanted)
    table = np.zeros(int(ids[-1]) + 1, np.int64)
    table[ids] = np.arange(len(ids))
    return table[wanted]


def _position(ids: NDArray[np.int64], wanted: int) -> int:
    return int(np.searchsorted(ids, wanted))
