"""The questions of `blobkit.index.ranges` to SQLite: joined text, through the index over digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import ALGORITHMS
from blobkit.index.columns import EXPECTED, LOWER, link_slices, slices

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from blobkit.index.ranges import Slice
    from blobkit.snapshot.parts.sorting import Links

__all__ = ["Sliced"]

SLICE = """SELECT CAST(group_concat(hex(digest), '') AS BLOB), {} FROM (
    SELECT digest, {} FROM blobs WHERE digest > ? AND digest < ? ORDER BY digest LIMIT ?)"""
TAGS = """SELECT blob_id, name FROM blobs CROSS JOIN tags ON blob_id = id
    WHERE digest >= ? AND digest <= ? ORDER BY digest, name"""


class Sliced:
    """The rows of an index in SQLite, in the transaction that is open."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def totals(self) -> tuple[int, int, int]:
        """Return how many blobs are stored, their bytes, and the highest id of one."""
        query = "SELECT count(*), coalesce(sum(size), 0), coalesce(max(id), 0) FROM blobs"
        number, size, top = self._db.execute(query).fetchone()
        return number, size, top

    def media_types(self) -> list[tuple[int, str]]:
        """Return number and name of each media type, by number."""
        return self._db.execute("SELECT id, name FROM media_types ORDER BY id").fetchall()

    def expected(self) -> list[tuple[int, bytes, int, str]]:
        """Return source, packed digest, kind and media type of each link to an absent blob, by digest and source."""
        return self._db.execute(f"{EXPECTED} ORDER BY digest, from_id").fetchall()

    def blobs(self, *names: str) -> Iterator[Slice]:
        """Yield digests and these columns of all blobs, by digest."""
        joined = ", ".join(f"CAST(group_concat({name}) AS BLOB)" for name in names)
        query = SLICE.format(joined, ", ".join(names))
        for algorithm in ALGORITHMS.values():
            label = np.frombuffer(f"{algorithm.label}:".encode(), np.uint8)
            for digits, found in slices(self._db, algorithm, query):
                text = np.empty((len(digits), len(label) + digits.shape[1]), np.uint8)
                text[:, : len(label)] = label
                np.bitwise_or(digits, LOWER, out=text[:, len(label) :])
                yield text.reshape(-1).view(f"S{text.shape[1]}"), found

    def links(self) -> Iterator[Links]:
        """Yield ids and kinds of the links between stored blobs, in the order of ids."""
        (top,) = self._db.execute("SELECT coalesce(max(id), 0) FROM blobs").fetchone()
        return link_slices(self._db, top.bit_length())

    def tags(self, first: bytes, last: bytes) -> list[tuple[int, str]]:
        """Return the blobs and names of the tags of blobs with packed digests from `first` to `last`."""
        return self._db.execute(TAGS, (first, last)).fetchall()
