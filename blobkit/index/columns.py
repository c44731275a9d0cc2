"""The whole SQLite index as numpy columns, the fast way out: SQLite joins numbers to text, numpy parses the text.

Measured for 8M links: rows fetched one by one 8.7 s, three numbers a link as joined text 1.5 s, one packed number
1.1 s. This is the one module of the store that needs numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import ALGORITHMS, unpack
from blobkit.errors import StoreDamagedError
from blobkit.model import LINK_KINDS, Facts

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blobkit.digest import Algorithm

    Numbers = NDArray[np.int64]

__all__ = ["facts"]

SLICE = 250_000  # rows a text: memory that is used again is faster than memory that is new
ID_BITS, KIND_BITS = 30, (len(LINK_KINDS) - 1).bit_length()
"""A link in one number."""

# The index over digests knows the ids, too; other columns in this order would be a look-up a blob.
DIGESTS = """SELECT group_concat(hex(digest), ''), group_concat(id) FROM (
    SELECT digest, id FROM blobs WHERE digest > ? AND digest < ? ORDER BY digest LIMIT ?)"""
BLOBS = """SELECT group_concat(id), group_concat(size), group_concat(created), group_concat(media_type),
    group_concat(pins) FROM (SELECT * FROM blobs WHERE id > ? ORDER BY id LIMIT ?)"""
PACKED_LINKS = """SELECT group_concat(link) FROM (
    SELECT (from_id << :high) | (to_id << :low) | kind AS link FROM links
    WHERE (from_id, to_id) > (:source, :target) ORDER BY from_id, to_id LIMIT :rows)"""
WIDE_LINKS = """SELECT group_concat(from_id), group_concat(to_id), group_concat(kind) FROM (
    SELECT * FROM links WHERE (from_id, to_id) > (:source, :target) ORDER BY from_id, to_id LIMIT :rows)"""
DAMAGED = "the index names something that it does not hold: run blobkit fsck --repair"
EXPECTED = "SELECT from_id, digest, kind, media_type FROM missing_links"


def facts(db: sqlite3.Connection) -> Facts:
    """Return everything that the index holds, in the transaction that is open. Blobs are in the order of digests."""
    digests, ids = _digests(db)
    places = _Places(ids)
    sizes, created, media_type, pins = _blobs(db, places, len(ids))
    sources, targets, kinds = _links(db, places)
    types = db.execute("SELECT id, name FROM media_types ORDER BY id").fetchall()
    expected = db.execute(EXPECTED).fetchall()
    tags = db.execute("SELECT blob_id, name FROM tags ORDER BY name").fetchall()
    tagged = places.of_rows(tags)
    return Facts(
        digests=digests,
        sizes=sizes,
        created=created,
        media_types=[name for _, name in types],
        media_type=_Places(np.array([ident for ident, _ in types], np.int64)).of(media_type),
        anonymous=pins - np.bincount(tagged, minlength=len(ids)),
        sources=sources,
        targets=targets,
        kinds=kinds,
        expected=[
            (at, unpack(packed), LINK_KINDS[kind], media_type)
            for at, (_, packed, kind, media_type) in zip(places.of_rows(expected).tolist(), expected, strict=True)
        ],
        tags=[(name, at) for at, (_, name) in zip(tagged.tolist(), tags, strict=True)],
    )


class _Places:
    """The position of each id in this sequence; through a table where ids are dense, which they mostly are."""

    def __init__(self, ids: Numbers) -> None:
        self.bits = int(ids.max(initial=0)).bit_length()
        self._table: NDArray[np.int32] | None = None
        if ids.max(initial=0) <= 8 * len(ids):
            self._table = np.full(int(ids.max(initial=0)) + 1, -1, np.int32)
            self._table[ids] = np.arange(len(ids), dtype=np.int32)
        else:
            self._order = np.argsort(ids).astype(np.int32)
            self._sorted = ids[self._order]

    def of(self, ids: Numbers) -> NDArray[np.int32]:
        """Return the position of each of these; StoreDamagedError where one is not there."""
        if not len(ids):
            return np.empty(0, np.int32)
        if self._table is not None:
            at = self._table[np.minimum(ids, len(self._table) - 1)]
            known = int(ids.max()) < len(self._table) and int(at.min()) >= 0
        else:
            found = np.minimum(np.searchsorted(self._sorted, ids), len(self._sorted) - 1)
            at = self._order[found]
            known = bool((self._sorted[found] == ids).all())
        if not known:
            raise StoreDamagedError(DAMAGED)
        return at

    def of_rows(self, rows: Sequence[Sequence[int]]) -> NDArray[np.int32]:
        """Return the position of the first column of each of these rows."""
        return self.of(np.array([row[0] for row in rows], np.int64))


def _digests(db: sqlite3.Connection) -> tuple[NDArray[np.bytes_], Numbers]:
    """Return the digests, sorted, and their ids. Packed digests sort as their texts do: by algorithm first."""
    parts = [part for algorithm in ALGORITHMS.values() if len((part := _digests_of(db, algorithm))[1])]
    if len(parts) == 1:
        return parts[0]
    digests, ids = (
        [np.empty(0, "S1"), *(part[0] for part in parts)],
        [np.empty(0, np.int64), *(part[1] for part in parts)],
    )
    return np.concatenate(digests), np.concatenate(ids)


def _digests_of(db: sqlite3.Connection, algorithm: Algorithm) -> tuple[NDArray[np.bytes_], Numbers]:
    """Return the digests of one algorithm as text, and their ids. No digest becomes a Python object on the way."""
    label, size = f"{algorithm.label}:", 2 * algorithm.size
    packed = np.dtype({"names": ["hash"], "formats": [f"S{size}"], "offsets": [2], "itemsize": size + 2})
    after, end = bytes((algorithm.code,)), bytes((algorithm.code + 1,))
    (count,) = db.execute("SELECT count(*) FROM blobs WHERE digest > ? AND digest < ?", (after, end)).fetchone()
    text = np.empty(count, [("label", f"S{len(label)}"), ("hash", f"S{size}")])
    text["label"] = label.encode()
    ids = np.empty(count, np.int64)
    for start in range(0, count, SLICE):
        hashes, numbers = db.execute(DIGESTS, (after, end, SLICE)).fetchone()
        text["hash"][start : start + SLICE] = np.frombuffer(hashes.lower().encode(), packed)["hash"]
        ids[start : start + SLICE] = _parsed(numbers)
        after = bytes.fromhex(hashes[-packed.itemsize :])
    return text.view(f"S{len(label) + size}"), ids


def _blobs(db: sqlite3.Connection, places: _Places, count: int) -> list[Numbers]:
    """Return size, created, media type and pins, by position."""
    columns = [np.empty(count, np.int64) for _ in range(4)]
    after = 0
    for _ in range(0, count, SLICE):
        ids, *found = map(_parsed, db.execute(BLOBS, (after, SLICE)).fetchone())
        at = places.of(ids)
        for column, values in zip(columns, found, strict=True):
            column[at] = values
        after = int(ids[-1])
    return columns


def _links(db: sqlite3.Connection, places: _Places) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int8]]:
    """Return sources, targets (positions) and kinds."""
    (count,) = db.execute("SELECT count(*) FROM links").fetchone()
    sources, targets, kinds = np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, np.int8)
    after = (0, 0)
    for start in range(0, count, SLICE):
        rows = slice(start, start + SLICE)
        source, target, kinds[rows] = _slice_of_links(db, after, packed=places.bits <= ID_BITS)
        sources[rows], targets[rows] = places.of(source), places.of(target)
        after = (int(source[-1]), int(target[-1]))
    return sources, targets, kinds


def _slice_of_links(db: sqlite3.Connection, after: tuple[int, int], *, packed: bool) -> tuple[Numbers, ...]:
    where = {"source": after[0], "target": after[1], "rows": SLICE}
    if not packed:
        return tuple(map(_parsed, db.execute(WIDE_LINKS, where).fetchone()))
    shifts = {"high": ID_BITS + KIND_BITS, "low": KIND_BITS}
    link = _parsed(db.execute(PACKED_LINKS, where | shifts).fetchone()[0])
    ids, kinds = (1 << ID_BITS) - 1, (1 << KIND_BITS) - 1
    return link >> shifts["high"], (link >> KIND_BITS) & ids, link & kinds


def _parsed(numbers: str) -> Numbers:
    return np.fromstring(numbers, dtype=np.int64, sep=",")
