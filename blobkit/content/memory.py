"""Bytes in memory: for tests, and for what need not stay."""

from __future__ import annotations

import io
import itertools
import time
from typing import TYPE_CHECKING

from blobkit.content.appending import pieces_of
from blobkit.digest import Digest
from blobkit.model import FileSignature

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import BinaryIO

__all__ = ["MemoryContent"]


class MemoryContent:
    """A dict of bytes; nothing in it survives the process."""

    def __init__(self) -> None:
        self._bytes: dict[Digest, bytes] = {}
        self._since: dict[Digest, float] = {}
        self._staged: dict[str, bytearray] = {}
        self.quarantine: dict[str, bytes] = {}
        self._tokens = map(str, itertools.count())

    def stage(self) -> StagedBytes:
        """Return a buffer that nobody sees before it is published."""
        return StagedBytes(next(self._tokens), self._staged)

    def staged(self, token: str) -> bytes:
        """Return what was written to the buffer with this token."""
        return bytes(self._staged[token])

    def area(self) -> BytesArea:
        """Return buffers that are dropped together."""
        return BytesArea(self)

    def publish(self, staged: Mapping[Digest, str]) -> None:
        """Put the buffers with these tokens under their digests."""
        for digest, token in staged.items():
            self._bytes[digest] = bytes(self._staged.pop(token))
            self._since[digest] = time.time()

    def place(self, digest: Digest, data: bytes, *, durable: bool = False) -> None:  # noqa: ARG002 (memory promises nothing)
        """Put small content under its digest."""
        self._bytes[digest] = data
        self._since[digest] = time.time()

    def sizes(self, digests: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the size of each of these that is there."""
        return {digest: len(self._bytes[digest]) for digest in digests if digest in self._bytes}

    def open(self, digest: Digest) -> BinaryIO:
        """Return the bytes as a file to read; FileNotFoundError where there are none."""
        try:
            return io.BytesIO(self._bytes[digest])
        except KeyError:
            raise FileNotFoundError(digest) from None

    def read(self, digest: Digest, size: int) -> bytes | None:
        """Return the bytes where there are `size` of them, else None."""
        content = self._bytes.get(digest)
        return content if content is not None and len(content) == size else None

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

    def signatures(self, digests: Collection[Digest]) -> Mapping[Digest, FileSignature]:
        """Return what tells the bytes of each of these from others: when they came, in which buffer."""
        return {digest: self._signature(digest) for digest in digests if digest in self._bytes}

    def _signature(self, digest: Digest) -> FileSignature:
        data = self._bytes[digest]
        return FileSignature(len(data), self._since.get(digest, 0.0), id(data))

    def strays(self) -> Iterator[str]:
        """Yield nothing: a dict of bytes by digest holds nothing else."""
        yield from ()

    def abandoned(self) -> Sequence[str]:
        """Return nothing: what a dead process staged died with it."""
        return ()

    def set_aside(self, names: Collection[str], what: str) -> Mapping[str, str]:
        """Move content to `quarantine`, a dict by name; return the names."""
        moved = {}
        for digest in names:
            if digest in self._bytes:
                moved[digest] = f"{digest}.{what}.{len(self.quarantine)}"
                self.quarantine[moved[digest]] = self._bytes.pop(Digest(digest))
        return moved

    def reclaim(self) -> int:
        """Return 0: what a dead process staged died with it."""
        return 0

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

    def read(self, size: int) -> bytes:
        """Return the first bytes that were written."""
        return bytes(self._staged[self.token][:size])

    def draw(self, file: BinaryIO, buffers: Iterator[memoryview]) -> Iterator[memoryview]:
        """Append what is left of a file; yield what was appended, in pieces, each in the next buffer."""
        for piece in pieces_of(file, buffers):
            self.write(piece)
            yield piece

    def seal(self) -> None:
        """Do nothing: memory promises nothing."""

    def discard(self) -> None:
        """Drop the buffer unless it was published."""
        self._staged.pop(self.token, None)


class BytesArea:
    """Buffers that are dropped together. `stage` gives each; sealed ones belong to the area."""

    def __init__(self, content: MemoryContent) -> None:
        self._content = content
        self._sealed: list[StagedBytes] = []

    def stage(self) -> AreaBytes:
        """Return a buffer that the area drops once it is sealed."""
        return AreaBytes(self._content.stage(), self._sealed)

    def open(self, token: str) -> BinaryIO:
        """Return a sealed buffer as a file to read."""
        return io.BytesIO(self._content.staged(token))

    def seal(self) -> None:
        """Do nothing: memory promises nothing."""

    def discard(self) -> None:
        """Drop what was sealed here and not published."""
        while self._sealed:
            self._sealed.pop().discard()


class AreaBytes:
    """A buffer in an area."""

    def __init__(self, staged: StagedBytes, sealed: list[StagedBytes]) -> None:
        self.token = staged.token
        self.write = staged.write
        self.draw = staged.draw
        self.read = staged.read
        self._staged: StagedBytes | None = staged
        self._sealed = sealed

    def seal(self) -> None:
        """Hand the buffer to the area; a second time is nothing."""
        if self._staged:
            self._sealed.append(self._staged)
            self._staged = None

    def discard(self) -> None:
        """Drop the buffer unless it was sealed."""
        if self._staged:
            self._staged.discard()
            self._staged = None
