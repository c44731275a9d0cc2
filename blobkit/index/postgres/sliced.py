"""All rows of an index in PostgreSQL, the fast way out: the server joins them to one value of bytes, numpy reads it.

Measured for 100,000 blobs and 750,000 links: a tenth of the processor time of COPY, which makes a Python object of each
row. These are the questions of `blobkit.index.ranges`, and of `columns`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blobkit.digest import ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blobkit.digest import Algorithm
    from blobkit.index.postgres.connecting import Connection
    from blobkit.index.ranges import Slice
    from blobkit.snapshot.parts.sorting import Links

__all__ = ["Sliced"]

SLICE = 50_000
"""Rows that are joined to one value."""
TOTALS = "SELECT count(*), coalesce(sum(size), 0)::bigint, coalesce(max(id), 0) FROM blobs"
EXPECTED = "SELECT from_id, digest, kind, media_type FROM missing_links ORDER BY digest, from_id"
BLOBS = """SELECT string_agg(digest || {}, ''::bytea ORDER BY digest)
    FROM (SELECT digest, {} FROM blobs WHERE digest > %s AND digest < %s ORDER BY digest LIMIT %s) x"""
LINKS = """SELECT string_agg(int8send(from_id) || int8send(to_id) || int2send(kind), ''::bytea ORDER BY from_id, to_id)
    FROM (SELECT * FROM links WHERE (from_id, to_id) > (%s, %s) ORDER BY from_id, to_id LIMIT %s) x"""
LINK = np.dtype([("source", ">i8"), ("target", ">i8"), ("kind", ">i2")])
TAGS = """SELECT blob_id, name FROM blobs JOIN tags ON blob_id = id WHERE digest >= %s AND digest <= %s
    ORDER BY digest, name"""
HEX = np.frombuffer("".join(f"{byte:02x}" for byte in range(256)).encode(), np.uint8).reshape(256, 2)


class Sliced:
    """The rows of an index in PostgreSQL, in the transaction that is open."""

    def __init__(self, db: Connection) -> None:
        self._db = db

    def _ask(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._db.execute(statement, parameters, binary=True).fetchall()

    def totals(self) -> tuple[int, int, int]:
        """Return how many blobs are stored, their bytes, and the highest id of one."""
        ((number, size, top),) = self._ask(TOTALS)
        return number, size, top

    def media_types(self) -> list[tuple[int, str]]:
        """Return number and name of each media type, by number."""
        found = self._ask("SELECT id, name FROM media_types ORDER BY id")
        return [(number, bytes(name).decode()) for number, name in found]

    def expected(self) -> list[tuple[int, bytes, int, str]]:
        """Return source, packed digest, kind and media type of each link to an absent blob, by digest and source."""
        return [(source, bytes(one), kind, bytes(name).decode()) for source, one, kind, name in self._ask(EXPECTED)]

    def blobs(self, *names: str) -> Iterator[Slice]:
        """Yield digests and these columns of all blobs, by digest."""
        joined = " || ".join(f"int8send({name})" for name in names)
        query = BLOBS.format(joined, ", ".join(names))
        for algorithm in ALGORITHMS.values():
            width = algorithm.size + 1
            row = np.dtype([("digest", f"V{width}"), *((name, ">i8") for name in names)])
            for rows in self._slices(query, row, bytes((algorithm.code,)), bytes((algorithm.code + 1,))):
                packed = np.ascontiguousarray(rows["digest"]).view(np.uint8).reshape(len(rows), width)
                yield _texts(packed[:, 1:], algorithm), [rows[name].astype(np.int64) for name in names]

    def _slices(self, query: str, row: np.dtype[Any], after: bytes, end: bytes) -> Iterator[Any]:
        """Yield rows by digest, so many at once."""
        while joined := self._ask(query, after, end, SLICE)[0][0]:
            rows = np.frombuffer(joined, row)
            yield rows
            after = rows["digest"][-1].tobytes()

    def links(self) -> Iterator[Links]:
        """Yield ids and kinds of the links between stored blobs, in the order of ids."""
        after = (-1, -1)
        while joined := self._ask(LINKS, *after, SLICE)[0][0]:
            rows = np.frombuffer(joined, LINK)
            source, target, kind = (rows[name].astype(np.int64) for name in ("source", "target", "kind"))
            yield source, target, kind
            after = int(source[-1]), int(target[-1])

    def tags(self, first: bytes, last: bytes) -> list[tuple[int, str]]:
        """Return the blobs and names of the tags of blobs with packed digests from `first` to `last`."""
        return self._ask(TAGS, first, last)

    def all_tags(self) -> list[tuple[int, str]]:
        """Return the blobs and names of all tags, by name."""
        return self._ask("SELECT blob_id, name FROM tags ORDER BY name")


def _texts(hashes: NDArray[np.uint8], algorithm: Algorithm) -> NDArray[np.bytes_]:
    """Return raw hashes as digests."""
    head = f"{algorithm.label}:".encode()
    text = np.empty((len(hashes), len(head) + 2 * algorithm.size), np.uint8)
    text[:, : len(head)] = np.frombuffer(head, np.uint8)
    text[:, len(head) :] = HEX[hashes].reshape(len(hashes), 2 * algorithm.size)
    return text.reshape(-1).view(f"S{text.shape[1]}")
