"""A directory as a source."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from blobkit.filehandle import FileHandle
from blobkit.sources.source import Entry, Info, Is, LeavesError, check_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

__all__ = ["Directory"]


class Directory:
    """The files below a directory, read-only. See `blobkit.sources.source.Source`."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.address = os.path.abspath(root)
        self._real = os.path.realpath(self.address)

    def path(self, path: str) -> str:
        """Return the absolute path of a path in this source."""
        check_path(path)
        return os.path.join(self.address, path) if path else self.address

    def list(self, path: str) -> list[Entry]:
        """Return the sorted entries of a directory. OSError if it is absent or cannot be listed."""
        with os.scandir(self._inside(path)) as entries:
            return sorted(Entry(entry.name, _kind_of_entry(entry)) for entry in entries)

    def stat(self, path: str) -> Info:
        """Return what is known of a file or directory; of a link itself, if the path is one. OSError if absent."""
        above, _, name = path.rpartition("/")
        if not path:
            return info_of(os.lstat(self.address))
        check_path(name)
        return info_of(os.lstat(os.path.join(self._inside(above), name)))

    def read(self, path: str, limit: int) -> bytes:
        """Return up to `limit` bytes of a regular file; links inside the root are followed. OSError if it cannot."""
        with self._opened(path) as handle:
            return _read(handle.fileno(), limit)

    def read_many(self, paths: Iterable[str], limit: int) -> Iterator[tuple[str, bytes | OSError]]:
        """Yield each path with up to `limit` bytes of its file, or the error."""
        for path in paths:
            try:
                yield path, self.read(path, limit)
            except OSError as error:
                yield path, error

    def open(self, path: str) -> BinaryIO:
        """Return a regular file to read. OSError if it cannot be opened."""
        return self._opened(path).file()

    def link(self, path: str) -> str:
        """Return where a symbolic link leads: a path in this source. LeavesError if it leads out; OSError if none."""
        above, _, name = path.rpartition("/")
        here = self._inside(above)
        target = os.path.normpath(os.path.join(here, os.readlink(os.path.join(here, name))))
        return self._below(target, path)

    def _inside(self, path: str) -> str:
        """Return the real path of a path, checked to be below the root."""
        real = os.path.realpath(self.path(path), strict=True)
        self._below(real, path)
        return real

    def _below(self, real: str, path: str) -> str:
        """Return an absolute path relative to the root; LeavesError if it is not below it."""
        for root in (self._real, self.address):
            if real == root:
                return ""
            if real.startswith(root.rstrip("/") + "/"):
                return real[len(root.rstrip("/")) + 1 :]
        raise LeavesError(errno.EXDEV, "a symbolic link leads out of the store", path)

    def _opened(self, path: str) -> FileHandle:
        handle = FileHandle(self._inside(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            handle.close()
            raise OSError(errno.EINVAL, "not a regular file", path)
        return handle


def info_of(info: os.stat_result) -> Info:
    """Return what a source tells of a file with this status."""
    return Info(
        _kind(info.st_mode),
        info.st_size,
        info.st_blocks * 512,
        info.st_mtime_ns // 1000,
        info.st_nlink,
        (info.st_dev, info.st_ino),
    )


def _kind(mode: int) -> Is:
    if stat.S_ISREG(mode):
        return Is.FILE
    if stat.S_ISDIR(mode):
        return Is.DIRECTORY
    return Is.LINK if stat.S_ISLNK(mode) else Is.OTHER


def _kind_of_entry(entry: os.DirEntry[str]) -> Is:
    if entry.is_symlink():
        return Is.LINK
    if entry.is_dir(follow_symlinks=False):
        return Is.DIRECTORY
    return Is.FILE if entry.is_file(follow_symlinks=False) else Is.OTHER


def _read(fd: int, limit: int) -> bytes:
    """Return up to `limit` bytes; one call of the system may return less than there is."""
    found = os.read(fd, limit)
    if len(found) in (0, limit):
        return found
    parts = [found]
    while (room := limit - sum(map(len, parts))) > 0 and (found := os.read(fd, room)):
        parts.append(found)
    return b"".join(parts)
