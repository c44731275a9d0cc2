"""Temporary files: what is on its way into a directory, and what dead processes left of it.

Whoever writes here holds an flock, on its file or on the directory of its area; what can be locked belongs to nobody
any more and may be reclaimed. So nothing depends on process ids, clocks or a clean end.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import secrets
from typing import TYPE_CHECKING

from blobkit.content.appending import append, draw
from blobkit.content.syncing import sync_files
from blobkit.filehandle import FileHandle, close, open_into

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["LockedFile", "StagedFile", "StagingArea", "abandoned", "reclaim"]

READ_ONLY = 0o444
CREATE = os.O_CREAT | os.O_EXCL | os.O_RDWR
LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK


def reclaim(directory: str | Path) -> int:
    """Remove the files and areas there that nobody has locked; return how many. Anything else is left alone."""
    removed = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                removed += _reclaimed(entry.path, os.unlink)
            elif entry.is_dir(follow_symlinks=False):
                removed += _reclaimed(entry.path, _remove_area)
    return removed


def abandoned(directory: str | Path) -> list[str]:
    """Return the names of the files and areas there that hold something and that nobody has locked.

    `reclaim` would remove them. An empty one may be new: its writer locks it before it writes into it.
    """
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if _is_abandoned(entry))
    except FileNotFoundError:
        return []


class _Temporary:
    """An open descriptor of something that has a temporary name, which goes with it."""

    __slots__ = ("_held", "_named", "_path", "_pid")

    def __init__(self, path: str = "") -> None:
        self._pid = os.getpid()
        self._path = path
        self._named = True
        self._held: list[int] = []  # last: from here on there may be something to discard

    def fileno(self) -> int:
        """Return the descriptor; OSError once it is closed."""
        if not self._held:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self._path)
        return self._held[0]

    def discard(self) -> None:
        """Close it, and remove what still has its temporary name; idempotent. A forked copy only closes.

        The name goes before the lock, so that nobody else finds something to reclaim.
        """
        if self._named and self._path and self._pid == os.getpid():
            self._remove()
        self._named = False
        close(self._held)

    def __del__(self) -> None:
        """Discard what was dropped without a word; `reclaim` does where the interpreter ends and modules are empty."""
        if getattr(self, "_held", None) is not None and _unlink is not None:
            self.discard()

    def _remove(self) -> None:
        _unlink(self._path)


class _TemporaryFile(_Temporary):
    """A temporary file that is written from its start to its end."""

    __slots__ = ()

    def write(self, data: memoryview) -> None:
        """Append all of `data`."""
        try:
            append(self.fileno(), data)
        except OSError as error:
            error.filename = self._path  # a descriptor has no name, and the reader wants to know which disk is full
            raise

    def read(self, size: int) -> bytes:
        """Return the first bytes that were written."""
        return os.pread(self.fileno(), size, 0)

    def draw(self, file: BinaryIO, buffers: Iterator[memoryview]) -> Iterator[memoryview]:
        """Append what is left of a file; yield what was appended, in pieces, each in the next buffer."""
        return draw(self.fileno(), file, buffers)


class LockedFile(_TemporaryFile):
    """A temporary file that is locked until it is discarded; its name is its `token`. The umask takes from `mode`.

    Whoever renames it discards it afterwards.
    """

    __slots__ = ("mode", "token")

    def __init__(self, directory: str, mode: int = 0o666) -> None:
        super().__init__()
        try:
            self._make(directory, mode)
        except BaseException:
            self.discard()
            raise

    def _make(self, directory: str, mode: int) -> None:
        """Make a file, lock it, and look whether it still has its name: another process may reclaim it in between."""
        while True:
            self.token = _names.another()
            self._path = f"{directory}/{self.token}"
            open_into(self._held, self._path, CREATE, mode)
            fcntl.flock(self._held[0], fcntl.LOCK_EX)
            found = os.fstat(self._held[0])
            if found.st_nlink:
                self.mode = found.st_mode
                return
            close(self._held)


class StagedFile(LockedFile):
    """A locked temporary file of mode 0444: content on its way in."""

    def __init__(self, directory: str, *, sync: bool) -> None:
        super().__init__(directory, READ_ONLY)
        self._sync = sync
        if self.mode & 0o777 != READ_ONLY:
            os.fchmod(self.fileno(), READ_ONLY)

    def seal(self) -> None:
        """Make the bytes durable, once. Where that fails they are discarded: a second fsync would only seem to work."""
        if self._sync:
            try:
                os.fsync(self.fileno())
            except OSError:
                self.discard()
                raise
            self._sync = False


class AreaFile(_TemporaryFile):
    """A temporary file of mode 0444 in an area, which is closed as soon as it is sealed.

    `discard` is nothing from then on.
    """

    __slots__ = ("_sealed", "token")

    def __init__(self, token: str, path: str, sealed: list[str]) -> None:
        super().__init__(path)
        self.token = token
        self._sealed = sealed
        try:
            open_into(self._held, path, CREATE, READ_ONLY)
        except BaseException:
            self.discard()
            raise

    def seal(self) -> None:
        """Close the file: its bytes belong to the area now, which makes them durable."""
        if self._named:
            self._named = False
            self._sealed.append(self._path)
            close(self._held)


class StagingArea(_Temporary):
    """A directory of temporary files under one lock, so that thousands of them need neither a lock nor a descriptor.

    A process that dies leaves the directory to `reclaim`. Threads may share an area.
    """

    def __init__(self, directory: str, *, sync: bool) -> None:
        super().__init__()
        self._sync = sync
        self._numbers = itertools.count()
        self._sealed: list[str] = []
        self._chmod: bool | None = None
        try:
            self._make(directory)
        except BaseException:
            self.discard()
            raise

    def _make(self, directory: str) -> None:
        """Make a directory, lock it, and look whether it is still there: another process may reclaim it in between."""
        while True:
            self.name = _names.another()
            self._path = f"{directory}/{self.name}"
            os.mkdir(self._path, 0o777)  # noqa: PTH102 (next to os.open)
            try:
                open_into(self._held, self._path, os.O_RDONLY | os.O_DIRECTORY)
                fcntl.flock(self._held[0], fcntl.LOCK_EX)
                os.stat(self._path)  # noqa: PTH116 (FileNotFoundError where another process reclaimed it)
            except FileNotFoundError:
                close(self._held)
            else:
                return

    def stage(self) -> AreaFile:
        """Return a new temporary file. Once it is sealed its bytes belong to the area: `discard` there ends them."""
        name = str(next(self._numbers))
        staged = AreaFile(f"{self.name}/{name}", f"{self._path}/{name}", self._sealed)
        if self._chmod is None:
            self._chmod = os.fstat(staged.fileno()).st_mode & 0o777 != READ_ONLY  # the umask is the same for all
        if self._chmod:
            os.fchmod(staged.fileno(), READ_ONLY)
        return staged

    def open(self, token: str) -> BinaryIO:
        """Return a file that was sealed here and not published, open to read."""
        return open(f"{self._path}/{token.rpartition('/')[2]}", "rb")  # noqa: PTH123 (twice as fast as through a Path)

    def seal(self) -> None:
        """Make all files that were sealed here durable, in one go. Where that fails all of them are discarded."""
        sealed = self._sealed[:]
        if self._sync and sealed:
            try:
                # by the descriptor of the area, which is older than its files: it hears of every error since
                sync_files(self.fileno(), sealed)
            except OSError:
                self.discard()
                raise
        del self._sealed[: len(sealed)]

    def _remove(self) -> None:
        with contextlib.suppress(OSError):  # what cannot be removed is reclaimed some day
            _remove_area(self._path)


class _Names:
    """Names that no other process, living or dead, gives: one random number a process, then a count."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self._start = f"{os.getpid()}-{secrets.token_hex(8)}"
        self._count = itertools.count()

    def another(self) -> str:
        return f"{self._start}-{next(self._count)}"


_names = _Names()


def _reclaimed(path: str, remove: Callable[[str], None]) -> bool:
    """Remove one file or area unless a writer holds it; return whether it was removed."""
    try:
        with FileHandle(path, LOOK) as found:
            fcntl.flock(found.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)  # while locked: a writer that lost this race sees that its file has no name
    except OSError:
        return False
    return True


def _is_abandoned(entry: os.DirEntry[str]) -> bool:
    """Return whether something could be locked now and is not empty. The lock is shared: a check stops no other."""
    try:
        with FileHandle(entry.path, LOOK) as found:
            fcntl.flock(found.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
            is_area = entry.is_dir(follow_symlinks=False)
            return bool(os.listdir(entry.path) if is_area else os.fstat(found.fileno()).st_size)  # noqa: PTH208 (as text)
    except OSError:
        return False


def _remove_area(path: str) -> None:
    """Remove a directory and the files in it; a directory in it is no work of ours, and keeps it here (OSError)."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(path):  # noqa: PTH208 (a path as text)
            _unlink(f"{path}/{name}")
        os.rmdir(path)  # noqa: PTH106 (a path as text)


def _unlink(path: str) -> None:
    """Unlink the file, if it is there; what cannot be unlinked is reclaimed some day."""
    with contextlib.suppress(OSError):
        os.unlink(path)  # noqa: PTH108 (hot path)
