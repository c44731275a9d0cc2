"""Bytes in memory: for tests, and for what need not stay."""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from blobkit.digest import Digest

__all__ = ["MemoryContent"]


class MemoryContent:
    """A dict of bytes; nothing in it survives the process."""

    def __init__(self) -> None:
        self._bytes: dict[Digest, bytes] = {}
        self._staged: dict[str, bytearray] = {}
        self._tokens = map(str, itertools.count())

    def stage(self) -> StagedBytes:
        """Return a buffer that nobody sees before it is published."""
        return StagedBytes(next(self._tokens), self._staged)

    def publish(self, staged: Mapping[Digest, str]) -> None:
        """Put the buffers with these tokens under their digests."""
        for digest, token in staged.items():
            self._bytes[digest] = bytes(self._staged.pop(token))

    def sizes(self, digests: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the size of each of these that is there."""
        return {digest: len(self._bytes[digest]) for digest in digests if digest in self._bytes}

    def open(self, digest: Digest) -> BinaryIO:
        """Return the bytes as a file to read; FileNotFoundError where there are none."""
        try:
            return io.BytesIO(self._bytes[digest])
        except KeyError:
            raise FileNotFoundError(digest) from None

    def digests(self) -> Iterator[Digest]:
        """Yield every digest that has bytes here."""
        yield from list(self._bytes)

    def delete(self, digests: Collection[Digest]) -> Sequence[Digest]:
        """Drop the bytes and return all of `digests`."""
        for digest in digests:
            self._bytes.pop(digest, None)
        return list(digests)

    def sync(self) -> None:
        """Do nothing: memory promises nothing."""

    def close(self) -> None:
        """Do nothing: the bytes live as long as this object."""


class StagedBytes:
    """A buffer on its way into a MemoryContent."""

    def __init__(self, token: str, staged: dict[str, bytearray]) -> None:
        self.token = token
        self._staged = staged
        staged[token] = bytearray()

    def write(self, data: memoryview) -> None:
        """Append all of `data`."""
        self._staged[self.token] += data

    def seal(self) -> None:
        """Do nothing: memory promises nothing."""

    def discard(self) -> None:
        """Drop the buffer unless it was published."""
        self._staged.pop(self.token, None)
