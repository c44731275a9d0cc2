"""Descriptors that no interrupt can lose.

An interrupt is raised between two steps of the interpreter. After `fd = os.open(path)` that may be after the call and
before the assignment: then nobody knows the number, and the file stays open, and locked, to the end of the process. So
a descriptor is opened straight into a list, and closed straight out of it, each in one step.
"""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO, Self

__all__ = ["Descriptor", "opened"]

_as_file = cast("Callable[[int, str], BinaryIO]", open)


def opened(path: str | Path, flags: int) -> BinaryIO:
    """Return a file that is open to read, with these flags."""
    files: list[BinaryIO] = []
    files.extend(map(_as_file, map(os.open, (path,), (flags | os.O_CLOEXEC,)), ("rb",)))
    return files.pop()


class Descriptor:
    """A place for one open descriptor; dropping it, or leaving its `with` block, closes that."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[int | None] = [None]  # None ends the closing

    def open(self, path: str | Path, flags: int, mode: int = 0o777) -> Self:
        """Open a path, and return this descriptor itself; what `os.open` raises."""
        self._held.extend(map(os.open, (path,), (flags | os.O_CLOEXEC,), (mode,)))
        return self

    @property
    def is_open(self) -> bool:
        """Whether there is a descriptor."""
        return len(self._held) > 1

    def fileno(self) -> int:
        """Return its number; OSError (EBADF, as of any call) where it is closed."""
        number = self._held[-1] if self._held else None
        return -1 if number is None else number

    def close(self) -> None:
        """Close it; a second time is nothing."""
        if len(self._held) > 1:
            with suppress(IndexError):
                deque(map(os.close, iter(self._held.pop, None)), maxlen=0)
            self._held = [None]

    def __enter__(self) -> Self:
        """Return the descriptor itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def __del__(self) -> None:
        """Close it; what is interrupted is tried again. Where the interpreter ends, and modules are empty, it does."""
        held = getattr(self, "_held", None)
        if held and len(held) > 1 and deque is not None:
            try:
                self.close()
            except BaseException:
                self.close()
                raise
