"""The whole index as numpy columns, the fast way out: the server joins rows to one value of bytes, numpy reads them.

Measured for 100,000 blobs and 750,000 links: a tenth of the processor time of COPY, which makes a Python object of each
row. All statements belong to one transaction, so to one moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blobkit.digest import ALGORITHMS, unpack
from blobkit.index.positions import Positions
from blobkit.model import LINK_KINDS, Facts
from blobkit.snapshot.packing import sorted_links

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blobkit.digest import Algorithm
    from blobkit.index.postgres.connecting import Connection
    from blobkit.snapshot.parts.sorting import Links

__all__ = ["LINK", "facts", "link_slices", "native", "texts"]

SLICE = 50_000
"""Rows that are joined to one value."""
BLOBS = """SELECT string_agg(digest || int8send(id) || int8send(size) || int8send(created) || int4send(media_type)
    || int8send(pins), ''::bytea ORDER BY digest) FROM (
    SELECT * FROM blobs WHERE digest > %s AND digest < %s ORDER BY digest LIMIT %s) x"""
LINKS = """SELECT string_agg(int8send(from_id) || int8send(to_id) || int2send(kind), ''::bytea ORDER BY from_id, to_id)
    FROM (SELECT * FROM links WHERE (from_id, to_id) > (%s, %s) ORDER BY from_id, to_id LIMIT %s) x"""
LINK = np.dtype([("source", ">i8"), ("target", ">i8"), ("kind", ">i2")])
HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint8).reshape(256, 2)


def facts(db: Connection) -> Facts:
    """Return everything that the index holds, in the transaction that is open; blobs in the order of digests."""
    parts = [_blobs(db, algorithm) for algorithm in ALGORITHMS.values()]
    filled = [part for part in parts if len(part["id"])] or parts[:1]
    blobs = {name: np.concatenate([part[name] for part in filled]) for name in filled[0]}
    at = Positions(blobs["id"])
    types = db.execute("SELECT id, name FROM media_types ORDER BY id", binary=True).fetchall()
    expected = db.execute("SELECT from_id, digest, kind, media_type FROM missing_links", binary=True).fetchall()
    tags = db.execute("SELECT blob_id, name FROM tags ORDER BY name", binary=True).fetchall()
    tagged = at.of_rows(tags)
    source, target, kind = native(np.concatenate([np.empty(0, LINK), *link_slices(db)]))
    links = at.of(source), at.of(target), kind.astype(np.int8)
    sources, targets, kinds = sorted_links(links, len(blobs["id"]), len(LINK_KINDS))
    return Facts(
        digests=blobs["digest"],
        sizes=blobs["size"],
        created=blobs["created"],
        media_types=[bytes(name).decode() for _, name in types],
        media_type=Positions(np.array([number for number, _ in types], np.int64)).of(blobs["media_type"]),
        anonymous=blobs["pins"] - np.bincount(tagged, minlength=len(blobs["id"])),
        sources=sources,
        targets=targets,
        kinds=kinds,
        expected=[
            (place, unpack(packed), LINK_KINDS[kind], bytes(name).decode())
            for place, (_, packed, kind, name) in zip(at.of_rows(expected).tolist(), expected, strict=True)
        ],
        tags=[(name, place) for place, (_, name) in zip(tagged.tolist(), tags, strict=True)],
    )


def _blobs(db: Connection, algorithm: Algorithm) -> dict[str, NDArray[Any]]:
    """Return the columns of the blobs of one algorithm."""
    numbers = [(name, ">i8") for name in ("id", "size", "created")]
    row = np.dtype([("digest", f"V{algorithm.size + 1}"), *numbers, ("media_type", ">i4"), ("pins", ">i8")])
    start, end = bytes((algorithm.code,)), bytes((algorithm.code + 1,))
    found = np.concatenate([np.empty(0, row), *_slices(db, BLOBS, row, start, end)])
    packed = np.ascontiguousarray(found["digest"]).view(np.uint8).reshape(len(found), algorithm.size + 1)
    columns = {name: found[name].astype(np.int64) for name in ("id", "size", "created", "media_type", "pins")}
    return {"digest": texts(packed[:, 1:], algorithm), **columns}


def _slices(db: Connection, statement: str, row: np.dtype[Any], after: bytes, end: bytes) -> Iterator[NDArray[Any]]:
    while joined := db.execute(statement, (after, end, SLICE), binary=True).fetchall()[0][0]:
        rows = np.frombuffer(joined, row)
        yield rows
        after = rows["digest"][-1].tobytes()


def link_slices(db: Connection) -> Iterator[NDArray[Any]]:
    """Yield rows of all links (`LINK`), in slices, in the order of ids."""
    after = (-1, -1)
    while joined := db.execute(LINKS, (*after, SLICE), binary=True).fetchall()[0][0]:
        rows = np.frombuffer(joined, LINK)
        yield rows
        after = int(rows["source"][-1]), int(rows["target"][-1])


def native(rows: NDArray[Any]) -> Links:
    """Return source, target and kind of rows of links as columns."""
    source, target, kind = (rows[name].astype(np.int64) for name in ("source", "target", "kind"))
    return source, target, kind


def texts(hashes: NDArray[np.uint8], algorithm: Algorithm) -> NDArray[np.bytes_]:
    """Return raw hashes as digests."""
    head = f"{algorithm.label}:".encode()
    text = np.empty((len(hashes), len(head) + 2 * algorithm.size), np.uint8)
    text[:, : len(head)] = np.frombuffer(head, np.uint8)
    text[:, len(head) :] = HEX[hashes].reshape(len(hashes), 2 * algorithm.size)
    return text.reshape(-1).view(f"S{text.shape[1]}")
