"""A large object as a file: read in ranges, a block at a time, from any position."""

from __future__ import annotations

import errno
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BLOCK", "RangedFile"]

BLOCK = 8 << 20
"""Bytes of one request: smaller ones cost more in waiting than in reading."""


class RangedFile(io.RawIOBase):
    """The bytes that `read(start, end)` returns, `size` in all; `first` are those of the first block."""

    def __init__(self, read: Callable[[int, int], bytes], size: int, first: bytes) -> None:
        self._read = read
        self._size = size
        self._at = 0
        self._start, self._block = 0, first

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position; no request is sent."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise OSError(errno.EINVAL, "there is nothing before the start of a file")
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read the next bytes; OSError where the object is shorter than it was recorded."""
        if self._at >= self._size:
            return 0
        if not self._start <= self._at < self._start + len(self._block):
            self._fetch()
        skip = self._at - self._start
        count = min(len(buffer), len(self._block) - skip)
        buffer[:count] = self._block[skip : skip + count]
        self._at += count
        return count

    def _fetch(self) -> None:
        """Read the block at the position."""
        end = min(self._at + BLOCK, self._size)
        block = self._read(self._at, end)
        if len(block) != end - self._at:
            raise OSError(errno.EIO, "the object is shorter than was recorded")
        self._start, self._block = self._at, block
