"""The questions of `blobkit.index.ranges` to PostgreSQL: rows that the server joins to one value of bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blobkit.digest import ALGORITHMS
from blobkit.index.postgres import columns
from blobkit.index.postgres.columns import link_slices, native, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.index.postgres.connecting import Connection
    from blobkit.index.ranges import Slice
    from blobkit.snapshot.parts.sorting import Links

__all__ = ["Sliced"]

TOTALS = "SELECT count(*), coalesce(sum(size), 0)::bigint, coalesce(max(id), 0) FROM blobs"
EXPECTED = "SELECT from_id, digest, kind, media_type FROM missing_links ORDER BY digest, from_id"
SLICE = """SELECT string_agg(digest || {}, ''::bytea ORDER BY digest)
    FROM (SELECT digest, {} FROM blobs WHERE digest > %s AND digest < %s ORDER BY digest LIMIT %s) x"""
TAGS = """SELECT blob_id, name FROM blobs JOIN tags ON blob_id = id WHERE digest >= %s AND digest <= %s
    ORDER BY digest, name"""


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
        query = SLICE.format(joined, ", ".join(names))
        for algorithm in ALGORITHMS.values():
            width = algorithm.size + 1
            row = np.dtype([("digest", f"V{width}"), *((name, ">i8") for name in names)])
            for rows in self._slices(query, row, bytes((algorithm.code,)), bytes((algorithm.code + 1,))):
                packed = np.ascontiguousarray(rows["digest"]).view(np.uint8).reshape(len(rows), width)
                yield texts(packed[:, 1:], algorithm), [rows[name].astype(np.int64) for name in names]

    def _slices(self, query: str, row: np.dtype[Any], after: bytes, end: bytes) -> Iterator[Any]:
        """Yield rows by digest, so many at once."""
        while joined := self._ask(query, after, end, columns.SLICE)[0][0]:
            rows = np.frombuffer(joined, row)
            yield rows
            after = rows["digest"][-1].tobytes()

    def links(self) -> Iterator[Links]:
        """Yield ids and kinds of the links between stored blobs, in the order of ids."""
        return map(native, link_slices(self._db))

    def tags(self, first: bytes, last: bytes) -> list[tuple[int, str]]:
        """Return the blobs and names of the tags of blobs with packed digests from `first` to `last`."""
        return self._ask(TAGS, first, last)
