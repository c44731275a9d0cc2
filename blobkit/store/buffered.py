"""Content of a batch: new bytes in one staging area, which are published together at its end."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import BinaryIO, Self

    from blobkit.contents import Area, Staged
    from blobkit.digest import Digest
    from blobkit.store.methods import Shelf
    from blobkit.transactions import Reading

__all__ = ["BufferedContent"]


class BufferedContent:
    """A content that keeps what is published in an area, for the end."""

    def __init__(self, content: Shelf) -> None:
        self._content = content
        self._area: Area | None = None
        self._kept: dict[Digest, str] = {}

    def stage(self) -> Staged:
        """Return a place for new bytes."""
        return self.area().stage()

    def area(self) -> Area:
        """Return the one area of the batch."""
        if self._area is None:
            self._area = self._content.area()
        return self._area

    def publish(self, staged: Mapping[Digest, str]) -> None:
        """Keep these for the end."""
        self._kept.update(staged)

    @property
    def tokens(self) -> Mapping[Digest, str]:
        """The tokens of what is kept."""
        return self._kept

    def sizes(self, digests: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the size of each of these that is in its place, or kept."""
        found = dict(self._content.sizes(digests))
        for digest in self._kept.keys() & set(digests):
            with self.open(digest) as file:
                found[digest] = file.seek(0, os.SEEK_END)
        return found

    def open(self, digest: Digest) -> BinaryIO:
        """Return the bytes as a file to read."""
        return self.area().open(self._kept[digest]) if digest in self._kept else self._content.open(digest)

    def read(self, digest: Digest, size: int) -> bytes | None:
        """Return the bytes that are in their place; None where they are kept, or it takes `open`."""
        return None if digest in self._kept else self._content.read(digest, size)

    def seal(self) -> None:
        """Make all that was staged durable."""
        if self._area is not None:
            self._area.seal()

    def alive(self, tx: Reading) -> dict[Digest, str]:
        """Return the tokens of what was kept and is a blob now."""
        return {digest: self._kept[digest] for digest in tx.sizes(self._kept)} if self._kept else {}

    def __enter__(self) -> Self:
        """Return the content itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of what was not published."""
        area, self._area = self._area, None
        self._kept.clear()
        if area is not None:
            area.discard()
