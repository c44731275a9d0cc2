"""A content by digest over one with places: for the suites, which plant content and damage by digest."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from blobkit.contents import Area, Staged
    from blobkit.digest import Digest
    from blobkit.places import PlacedContent, Places
    from blobkit.transactions import Index

__all__ = ["BookedContent"]


class BookedContent:
    """Keeps the book of places itself or, with an `index`, looks them up there.

    Publishing under a digest with a place overwrites what is there, which no store does: a suite damages content so.
    """

    def __init__(self, content: PlacedContent, index: Index | None = None) -> None:
        self._content = content
        self._index = index
        self._book: dict[Digest, str] = {}

    def stage(self) -> Staged:
        """Return a place for new bytes."""
        return self._content.stage()

    def area(self) -> Area:
        """Return a place for many new blobs."""
        return self._content.area()

    def publish(self, staged: Mapping[Digest, str]) -> None:
        """Upload what is staged, to the place of each digest or to a new one."""
        self._upload(staged)

    def place(self, digest: Digest, data: bytes, *, durable: bool = False) -> None:  # noqa: ARG002 (always durable)
        """Upload small content."""
        self._upload({digest: data})

    def sizes(self, digests: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the size of each of these that is there."""
        places = self._places(digests)
        found = self._content.look(list(places.values()))
        return {digest: found[place].size for digest, place in places.items() if place in found}

    def open(self, digest: Digest) -> BinaryIO:
        """Return the bytes as a file to read; FileNotFoundError."""
        size = self.sizes([digest]).get(digest)
        if size is None:
            raise FileNotFoundError(digest)
        return io.BytesIO(self._content.read(self._places([digest])[digest], 0, size) if size else b"")

    def read(self, digest: Digest, size: int) -> bytes | None:
        """Return the bytes where there are `size` of them, else None."""
        try:
            with self.open(digest) as file:
                return file.read() if file.seek(0, os.SEEK_END) == size and not file.seek(0) else None
        except FileNotFoundError:
            return None

    def digests(self) -> Iterator[Digest]:
        """Yield every digest that has an object."""
        yield from {one.digest for one in self._content.listed() if one.digest is not None}

    def delete(self, digests: Collection[Digest]) -> Sequence[Digest]:
        """Delete the objects of these digests; return all of them."""
        self._content.delete([one.place for one in self._content.listed() if one.digest in digests])
        for digest in digests:
            self._book.pop(digest, None)
        return list(digests)

    def sync(self) -> None:
        """Do nothing: what was uploaded is durable."""

    def reclaim(self) -> int:
        """Remove what dead processes staged."""
        return self._content.reclaim()

    def close(self) -> None:
        """Close the content."""
        self._content.close()

    def _places(self, digests: Collection[Digest]) -> Mapping[Digest, str]:
        if self._index is None:
            return {digest: self._book[digest] for digest in digests if digest in self._book}
        return self._index.read(lambda tx: cast("Places", tx).places(digests))

    def _upload(self, sources: Mapping[Digest, str | bytes]) -> None:
        self._book |= {digest: self._content.fresh(digest) for digest in sources} | dict(self._places(sources))
        self._content.upload({self._book[digest]: source for digest, source in sources.items()})
