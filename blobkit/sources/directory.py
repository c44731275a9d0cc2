"""A directory as a source.

A file is opened in two steps: a descriptor of the path alone, which opens nothing and so has no effect on devices and
pipes; then, if it is a regular file inside the root, the same inode. So a link that is put in place meanwhile is not
followed out of the root. This needs /proc, as on Linux; elsewhere the path is checked and then opened.
"""

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

_PROC = "/proc/self/fd"
_IS_LINUX = os.path.isdir(_PROC) and hasattr(os, "O_PATH")
_WHERE = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NONBLOCK
"""Flags to open a path without any effect on what is there."""
_KNOWN = 8
"""Directories whose links are resolved once."""


class Directory:
    """The files below a directory, read-only. See `blobkit.sources.source.Source`."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.address = os.path.abspath(root)
        self._real = os.path.realpath(self.address)
        self._known: dict[str, str] = {}

    def path(self, path: str) -> str:
        """Return the absolute path of a path in this source; it may lead through symbolic links, also out of it."""
        check_path(path)
        return os.path.join(self.address, path) if path else self.address

    def list(self, path: str) -> list[Entry]:
        """Return the sorted entries of a directory. OSError if it is absent or cannot be listed."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK
        with self._held(path, flags) as handle, os.scandir(handle.fileno()) as entries:
            return sorted(Entry(entry.name, _kind_of_entry(entry)) for entry in entries)

    def stat(self, path: str) -> Info:
        """Return what is known of a file or directory; of a link itself, if the path is one. OSError if absent."""
        if not path:
            return info_of(os.stat(self.address))
        above, _, name = path.rpartition("/")
        check_path(path)
        with self._held(above, _WHERE | os.O_DIRECTORY) as handle:
            return info_of(os.stat(name, dir_fd=handle.fileno(), follow_symlinks=False))

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
        check_path(path)
        here = self._resolved(self.path(above))
        self._below(here, path)
        target = os.path.join(here, os.readlink(os.path.join(here, name)))
        parent, last = os.path.split(target.rstrip("/") or "/")
        if last in (".", ".."):
            return self._below(os.path.realpath(target), path)
        return self._below(os.path.join(self._resolved(parent), last), path)

    def _resolved(self, directory: str) -> str:
        """Return a directory with its symbolic links resolved; links come in groups, so the last few are remembered."""
        found = self._known.get(directory)
        if found is None:
            if len(self._known) >= _KNOWN:
                self._known.clear()
            found = self._known[directory] = os.path.realpath(directory)
        return found

    def _inside(self, path: str) -> str:
        """Return the real path of a path, checked to be below the root; it need not exist."""
        real = os.path.realpath(self.path(path))
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

    def _held(self, path: str, flags: int) -> FileHandle:
        """Open a path with these flags; it is inside the root. No device and no pipe is opened by them."""
        where = self.path(path) if _IS_LINUX else self._inside(path)
        try:
            handle = FileHandle(where, flags)
        except OSError:
            self._inside(path)  # what is out of the root is unknown, not absent
            raise
        if _IS_LINUX:
            try:
                self._below(os.readlink(f"{_PROC}/{handle.fileno()}"), path)
            except OSError:
                handle.close()
                raise
        return handle

    def _opened(self, path: str) -> FileHandle:
        """Open a regular file."""
        if not _IS_LINUX:
            return _regular(FileHandle(self._inside(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW), path)
        with _regular(self._held(path, _WHERE), path) as place:
            try:
                return FileHandle(f"{_PROC}/{place.fileno()}", os.O_RDONLY | os.O_NONBLOCK)
            except OSError as error:
                raise OSError(error.errno, error.strerror, path) from error


def _regular(handle: FileHandle, path: str) -> FileHandle:
    """Return a handle of a regular file; close any other one, and raise OSError."""
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
    found = os.read(fd, min(limit, PIECE))
    if len(found) < PIECE or len(found) == limit:
        return found
    parts, left = [found], limit - len(found)
    while left and (found := os.read(fd, min(left, PIECE))):
        parts.append(found)
        left -= len(found)
    return b"".join(parts)


PIECE = 1 << 20
"""Bytes that are read at once: `os.read` takes memory for all that it is asked for."""
