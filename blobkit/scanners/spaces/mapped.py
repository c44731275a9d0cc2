"""A column of numbers in a mapped file: the system keeps in memory what is used, as long as there is room."""

from __future__ import annotations

import mmap
import os
from array import array
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Mapped"]

FIRST = mmap.PAGESIZE
"""Bytes of a new file."""


class Mapped:
    """A column with those methods of an `array` that scans use. As an array, it cannot grow while a view is there."""

    def __init__(self, path: Path, code: str) -> None:
        self.typecode, self.itemsize = code, array(code).itemsize
        self._file = path.open("w+b")
        try:
            self._reserve(FIRST)
            self._map = mmap.mmap(self._file.fileno(), FIRST)
        except OSError:
            self._file.close()
            raise
        self._rows = self._cast(memoryview(self._map))
        self._length = 0

    def close(self) -> None:
        """Close the file; a view that is still there keeps it."""
        self._rows.release()
        self._file.close()
        with suppress(BufferError):
            self._map.close()

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._length

    def __getitem__(self, at: int | slice) -> Any:  # noqa: ANN401 (a row, or rows)
        """Return the number in a row, or a copy of several rows as an array."""
        if isinstance(at, slice):
            return array(self.typecode, self._rows[: self._length][at].tobytes())
        return self._rows[at]

    def __setitem__(self, at: int | slice, value: Any) -> None:  # noqa: ANN401 (of a row, or rows)
        """Change the number in a row, or in several rows; OverflowError if it does not fit."""
        try:
            self._rows[at] = value
        except ValueError as error:
            raise OverflowError(*error.args) from error

    def __iter__(self) -> Iterator[int]:
        """Yield the number in each row."""
        return iter(self._rows[: self._length])

    def append(self, value: int) -> None:
        """Add a row; OverflowError if the number does not fit."""
        self._grow(1)
        self[self._length] = value
        self._length += 1

    def extend(self, values: Iterable[int]) -> None:
        """Add rows."""
        self.frombytes((values if isinstance(values, array) else array(self.typecode, values)).tobytes())

    def frombytes(self, data: bytes) -> None:
        """Add rows, given as the bytes of an array."""
        rows = len(data) // self.itemsize
        self._grow(rows)
        self._rows[self._length : self._length + rows] = self._cast(memoryview(data))
        self._length += rows

    def view(self) -> NDArray[Any]:
        """Return the rows as a numpy array, without a copy."""
        return np.frombuffer(self._map, np.dtype(self.typecode), self._length)

    def _grow(self, rows: int) -> None:
        """Make room for more rows: a half more than there is, at least."""
        needed = (self._length + rows) * self.itemsize
        if needed <= len(self._map):
            return
        size = max(needed, len(self._map) * 3 // 2)
        size += -size % FIRST
        self._reserve(size)
        grown = mmap.mmap(self._file.fileno(), size)
        self._rows.release()
        try:
            self._map.close()
            self._map = grown
        finally:
            self._rows = self._cast(memoryview(self._map))

    def _cast(self, raw: memoryview) -> memoryview[Any]:
        """Return bytes as numbers."""
        return raw.cast(self.typecode)  # type: ignore[call-overload, no-any-return] # (one of a few codes)

    def _reserve(self, size: int) -> None:
        """Make the file so long; OSError if the disk is full: a write to the map would end the process."""
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), 0, size)
        else:
            self._file.truncate(size)
