"""File descriptors that an interrupt cannot leak.

Python can raise KeyboardInterrupt after `os.open` and before its result is stored; then the descriptor is lost and the
file stays open. Here one step opens a file and stores its descriptor, and a dropped `Held` or `FileHandle` closes it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["FileHandle", "Held", "close", "open_into"]

_close = os.close  # at the end of the interpreter `os` may be gone before the last handle


def open_into(held: list[int], path: str | os.PathLike[str], flags: int, mode: int = 0o777) -> None:
    """Open a file, and append its descriptor to `held` before an interrupt can come. Programs do not inherit it."""
    held.extend(map(os.open, (path,), (flags | os.O_CLOEXEC,), (mode,)))


def close(held: list[int]) -> None:
    """Close and remove the first descriptor in `held`, if there is one."""
    if held:
        fd, held[:] = held[0], held[1:]  # before closing, without a call: later the number may be another file's
        _close(fd)


class Held(list[int]):
    """A list of descriptors that are closed when the list is dropped."""

    __slots__ = ()

    def __del__(self) -> None:
        """Close the descriptors that are still in the list."""
        while self and close is not None:
            close(self)


class FileHandle:
    """An open descriptor, closed by `close`, by the end of its `with` block, or when it is dropped."""

    __slots__ = ("_held",)

    def __init__(self, path: str | os.PathLike[str], flags: int = os.O_RDONLY) -> None:
        self._held = Held()
        open_into(self._held, path, flags)

    def fileno(self) -> int:
        """Return the descriptor; IndexError once it is closed."""
        return self._held[0]

    def file(self, buffering: int = -1) -> BinaryIO:
        """Return a file to read, which closes the descriptor; this handle counts as closed. Not for directories."""
        taken = map(list.pop, (self._held,))
        return cast("BinaryIO", next(map(open, taken, ("rb",), (buffering,))))

    def close(self) -> None:
        """Close the descriptor; idempotent."""
        close(self._held)

    def __enter__(self) -> Self:
        """Return the handle itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the handle."""
        close(self._held)
