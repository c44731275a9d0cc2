"""The whole SQLite index as numpy columns, the fast way out: SQLite joins numbers to text, numpy parses the text.

Measured for 8M links: rows fetched one by one 8.7 s, three numbers a link as joined text 1.5 s, one packed number
0.9 s, of which the text is a tenth; as bytes, which Python need not decode. This is the one module of the store that
needs numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import ALGORITHMS, unpack
from blobkit.index.positions import Positions
from blobkit.model import LINK_KINDS, Facts
from blobkit.snapshot.packing import WIDTH, bits_for, sorted_links

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from blobkit.digest import Algorithm
    from blobkit.snapshot.packing import Links

    Numbers = NDArray[np.int64]

__all__ = ["EXPECTED", "LOWER", "facts", "link_slices", "parsed", "put_together", "slices"]

SLICE = 25_000  # rows a text: memory that is used again, and near, is faster than memory that is new
KIND_BITS = bits_for(len(LINK_KINDS))
ID_BITS = (WIDTH - KIND_BITS) // 2
"""Ids of so many bits travel as one number a link."""
LOWER = 0x20  # the bit that makes a letter of a digest a small one; figures have it

# The index over digests knows the ids, too; other columns in this order would be a look-up a blob.
DIGESTS = """SELECT CAST(group_concat(hex(digest), '') AS BLOB), CAST(group_concat(id) AS BLOB) FROM (
    SELECT digest, id FROM blobs WHERE digest > ? AND digest < ? ORDER BY digest LIMIT ?)"""
BLOBS = """SELECT CAST(group_concat(id) AS BLOB), CAST(group_concat(size) AS BLOB),
    CAST(group_concat(created) AS BLOB), CAST(group_concat(media_type) AS BLOB), CAST(group_concat(pins) AS BLOB)
    FROM (SELECT id, size, created, media_type, pins FROM blobs WHERE id > ? ORDER BY id LIMIT ?)"""
# Sums of products take a tenth less than shifts.
PACKED_LINKS = """SELECT CAST(group_concat(link) AS BLOB) FROM (
    SELECT from_id * :high + to_id * :low + kind AS link FROM links
    WHERE (from_id, to_id) > (:source, :target) ORDER BY from_id, to_id LIMIT :rows)"""
WIDE_LINKS = """SELECT CAST(group_concat(from_id) AS BLOB), CAST(group_concat(to_id) AS BLOB),
    CAST(group_concat(kind) AS BLOB) FROM (
    SELECT * FROM links WHERE (from_id, to_id) > (:source, :target) ORDER BY from_id, to_id LIMIT :rows)"""
EXPECTED = "SELECT from_id, digest, kind, media_type FROM missing_links"


def facts(db: sqlite3.Connection) -> Facts:
    """Return everything that the index holds, in the transaction that is open.

    Blobs are in the order of digests, links in that of their sources, then targets: a snapshot need not sort them.
    """
    digests, ids = _digests(db)
    places = Positions(ids)
    blobs = _blobs(db, places, len(ids))
    links = _links(db, places, len(ids))
    types = db.execute("SELECT id, name FROM media_types ORDER BY id").fetchall()
    tags = db.execute("SELECT blob_id, name FROM tags ORDER BY name").fetchall()
    return put_together(digests, places, blobs, links, types, db.execute(EXPECTED).fetchall(), tags)


def put_together(  # noqa: PLR0913, PLR0917 (the tables of an index)
    digests: NDArray[np.bytes_],
    places: Positions,
    blobs: Sequence[Numbers],
    links: Links,
    types: Sequence[tuple[int, str]],
    expected: Sequence[tuple[int, bytes, int, str]],
    tags: Sequence[tuple[int, str]],
) -> Facts:
    """Return the facts in the rows of all tables; ids become positions, `links` has these already.

    `blobs`: size, created, media type and pins of each blob, in the order of the digests.
    """
    sizes, created, media_type, pins = blobs
    sources, targets, kinds = links
    tagged = places.of_rows(tags)
    return Facts(
        digests=digests,
        sizes=sizes,
        created=created,
        media_types=[name for _, name in types],
        media_type=Positions(np.array([ident for ident, _ in types], np.int64)).of(media_type),
        anonymous=pins - np.bincount(tagged, minlength=places.number),
        sources=sources,
        targets=targets,
        kinds=kinds,
        expected=[
            (at, unpack(packed), LINK_KINDS[kind], name)
            for at, (_, packed, kind, name) in zip(places.of_rows(expected).tolist(), expected, strict=True)
        ],
        tags=[(name, at) for at, (_, name) in zip(tagged.tolist(), tags, strict=True)],
    )


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
    (count,) = db.execute("SELECT count(*) FROM blobs WHERE digest > ? AND digest < ?", _range(algorithm)).fetchone()
    text = np.empty((count, len(label) + size), np.uint8)
    text[:, : len(label)] = np.frombuffer(label.encode(), np.uint8)
    ids = np.empty(count, np.int64)
    for start, (hashes, (numbers,)) in zip(range(0, count, SLICE), slices(db, algorithm, DIGESTS), strict=False):
        rows = slice(start, start + SLICE)
        np.bitwise_or(hashes, LOWER, out=text[rows, len(label) :])
        ids[rows] = numbers
    return text.reshape(-1).view(f"S{len(label) + size}"), ids


def slices(
    db: sqlite3.Connection, algorithm: Algorithm, query: str
) -> Iterator[tuple[NDArray[np.uint8], list[Numbers]]]:
    """Yield the digits of digests, letters large, and the numbers beside them: each slice of a query like DIGESTS."""
    after, end = _range(algorithm)
    width = 2 + 2 * algorithm.size
    while True:
        packed, *columns = db.execute(query, (after, end, SLICE)).fetchone()
        if packed is None:
            return
        yield np.frombuffer(packed, np.uint8).reshape(-1, width)[:, 2:], [parsed(column) for column in columns]
        after = bytes.fromhex(packed[-width:].decode())


def _range(algorithm: Algorithm) -> tuple[bytes, bytes]:
    """Return between which bytes the packed digests of an algorithm are."""
    return bytes((algorithm.code,)), bytes((algorithm.code + 1,))


def _blobs(db: sqlite3.Connection, places: Positions, count: int) -> list[Numbers]:
    """Return size, created, media type and pins, by position."""
    columns = [np.empty(count, np.int64) for _ in range(4)]
    after = 0
    for _ in range(0, count, SLICE):
        ids, *found = map(parsed, db.execute(BLOBS, (after, SLICE)).fetchone())
        at = places.of(ids)
        for column, values in zip(columns, found, strict=True):
            column[at] = values
        after = int(ids[-1])
    return columns


def _links(db: sqlite3.Connection, places: Positions, nodes: int) -> Links:
    """Return sources, targets (positions) and kinds, sorted."""
    (count,) = db.execute("SELECT count(*) FROM links").fetchone()
    sources, targets, kinds = np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, np.int8)
    for start, (source, target, kind) in zip(range(0, count, SLICE), link_slices(db, places.bits), strict=False):
        rows = slice(start, start + len(source))
        sources[rows], targets[rows], kinds[rows] = places.of(source), places.of(target), kind
    return sorted_links((sources, targets, kinds), nodes, len(LINK_KINDS))


def link_slices(db: sqlite3.Connection, bits: int) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """Yield the sources, targets (ids of so many bits) and kinds of all links, in slices, in the order of ids."""
    after = (0, 0)
    while True:
        found = _slice_of_links(db, after, packed=bits <= ID_BITS)
        if not len(found[0]):
            return
        yield found
        after = (int(found[0][-1]), int(found[1][-1]))


def _parts(links: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    ids, kinds = (1 << ID_BITS) - 1, (1 << KIND_BITS) - 1
    return links >> (ID_BITS + KIND_BITS), (links >> KIND_BITS) & ids, links & kinds


def _slice_of_links(
    db: sqlite3.Connection, after: tuple[int, int], *, packed: bool
) -> tuple[Numbers, Numbers, Numbers]:
    where = {"source": after[0], "target": after[1], "rows": SLICE}
    if not packed:
        source, target, kind = map(parsed, db.execute(WIDE_LINKS, where).fetchone())
        return source, target, kind
    units = {"high": 1 << (ID_BITS + KIND_BITS), "low": 1 << KIND_BITS}
    return _parts(parsed(db.execute(PACKED_LINKS, where | units).fetchone()[0]))


def parsed(numbers: bytes | None) -> Numbers:
    """Return the numbers in joined text; None, which SQLite joins no rows to, has none."""
    return np.fromstring(numbers, dtype=np.int64, sep=",") if numbers else np.empty(0, np.int64)
