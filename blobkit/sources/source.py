"""The seam between scanners and the place that a store's bytes come from: five functions over relative paths.

A path has `/` between its parts, none of which is empty, `.` or `..`; "" is the root. A source is only read. It follows
no symbolic link out of its root, reads regular files only, and bounds each read. Errors are OSError, as of the system.
"""

from __future__ import annotations

import errno
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

__all__ = ["Entry", "Info", "Is", "LeavesError", "Source", "check_path", "follow"]


HOPS = 40
"""Symbolic links that are followed one after the other, as Linux does."""


class Is(Enum):
    """The type of an entry; a link is not followed to say it."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


class Entry(NamedTuple):
    """One entry of a directory."""

    name: str
    kind: Is


class Info(NamedTuple):
    """Status of a file: bytes, bytes on disk, time of last change (microseconds since 1970), device and inode.

    `links`: the number of its names. Bytes on disk and inode are 0 where the source has none.
    """

    kind: Is
    size: int
    disk: int
    modified: int
    links: int = 1
    inode: tuple[int, int] = (0, 0)


class LeavesError(OSError):
    """A path leads out of the root of a source by a symbolic link; what is there is unknown."""


class Source(Protocol):
    """The files of one store, by relative path. `address` names the source in messages.

    `blobkit.testing.source.SourceSuite` has the tests that a source must pass.
    """

    address: str

    def list(self, path: str) -> list[Entry]:
        """Return the sorted entries of a directory. OSError if it is absent or cannot be listed."""
        ...

    def stat(self, path: str) -> Info:
        """Return what is known of a file or directory; of a link itself, if the path is one. OSError if absent."""
        ...

    def read(self, path: str, limit: int) -> bytes:
        """Return up to `limit` bytes of a regular file; links inside the root are followed. OSError if it cannot."""
        ...

    def read_many(self, paths: Iterable[str], limit: int) -> Iterator[tuple[str, bytes | OSError]]:
        """Yield each path with up to `limit` bytes of its file, or the error; in any order, in bulk where it pays."""
        ...

    def open(self, path: str) -> BinaryIO:
        """Return a regular file to read, unbuffered reads in constant memory. OSError if it cannot be opened."""
        ...

    def link(self, path: str) -> str:
        """Return where a symbolic link leads: a path in this source. LeavesError if it leads out; OSError if none."""
        ...


def follow(source: Source, path: str) -> str:
    """Return the path that a path leads to, through symbolic links; LeavesError if out of the source, else OSError.

    The last part need not exist.
    """
    for _ in range(HOPS):
        if source.stat(path).kind is not Is.LINK:
            return path
        path = source.link(path)
    raise OSError(errno.ELOOP, "too many symbolic links", path)


def check_path(path: str) -> None:
    """Raise OSError (ENOENT) for a path that is no relative path in a source."""
    if path and (path.startswith("/") or "\0" in path or not {"", ".", ".."}.isdisjoint(path.split("/"))):
        raise OSError(errno.ENOENT, "not a path in the store", path)
