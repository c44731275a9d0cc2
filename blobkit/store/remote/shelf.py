"""The content of a remote store by digest: the row of a blob says where its content is, and that it is there."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

from blobkit.errors import ContentMissingError
from blobkit.store.remote.ranged import BLOCK, RangedFile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import BinaryIO

    from blobkit.contents import Area
    from blobkit.digest import Digest
    from blobkit.places import PlacedContent, Places
    from blobkit.transactions import Index, Reading

__all__ = ["PlacedShelf", "placed"]


def placed(tx: Reading) -> Places:
    """Return the transaction, or state, of an index with places as such."""
    return cast("Places", tx)


class PlacedShelf:
    """Reads content at the place that the index tells. Where it is gone from there, the index is asked once more."""

    def __init__(self, content: PlacedContent, index: Index) -> None:
        self._content = content
        self._index = index

    def area(self) -> Area:
        """Return a place on this machine for many new blobs."""
        return self._content.area()

    def sizes(self, digests: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the recorded sizes of those of these that have a place: the row is the promise."""
        return self._index.read(lambda tx: tx.sizes(placed(tx).places(digests)))

    def open(self, digest: Digest) -> BinaryIO:
        """Return content as a file to read; FileNotFoundError where there is none, or of another size.

        The first 8 MiB are read at once, the rest in ranges as it is needed.
        """
        place, size = self._row(digest)
        start = self._first(place, size)
        if size <= BLOCK:
            return io.BytesIO(start)
        return io.BufferedReader(RangedFile(self._reading(digest, place), size, start))

    def read(self, digest: Digest, size: int) -> bytes | None:
        """Return content of up to 8 MiB, where there are `size` bytes of it; else None."""
        if size > BLOCK:
            return None
        try:
            place, recorded = self._row(digest)
            return self._first(place, size) if recorded == size else None
        except FileNotFoundError:
            return None

    def _row(self, digest: Digest) -> tuple[str, int]:
        """Return the place and the recorded size of a blob; FileNotFoundError."""

        def question(tx: Reading) -> tuple[str, int]:
            found = placed(tx).places([digest])
            return found.get(digest, ""), tx.sizes(found).get(digest, 0)

        place, size = self._index.read(question)
        if not place:
            raise FileNotFoundError(digest)
        return place, size

    def _first(self, place: str, size: int) -> bytes:
        """Return the first bytes, all of a small object; FileNotFoundError where it is absent or not of this size.

        One byte more is asked for than a small one should have: a longer one shows.
        """
        if not size:
            found = self._content.look([place])
            if place not in found or found[place].size:
                raise FileNotFoundError(place)
            return b""
        data = self._content.read(place, 0, size + 1 if size <= BLOCK else BLOCK)
        if len(data) != min(size, BLOCK):
            raise FileNotFoundError(place)
        return data

    def _reading(self, digest: Digest, place: str) -> Callable[[int, int], bytes]:
        """Return what reads a range of a blob, wherever it is by then; ContentMissingError."""

        def read(start: int, end: int) -> bytes:
            nonlocal place
            while True:
                try:
                    return self._content.read(place, start, end)
                except FileNotFoundError:
                    before, place = place, self._index.read(lambda tx: placed(tx).places([digest])).get(digest, "")
                if place in ("", before):
                    msg = f"{digest} went while it was read: hold a pin on what is to be read to its end"
                    raise ContentMissingError(msg, digest=digest)

        return read
