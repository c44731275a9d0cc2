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
from blobkit.content.descriptors import Descriptor
from blobkit.content.syncing import sync_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["StagedFile", "StagingArea", "abandoned", "reclaim"]

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
    """Return the names of the files and areas there that nobody has locked: what `reclaim` would remove."""
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if _is_abandoned(entry))
    except FileNotFoundError:
        return []


class _Temporary:
    """An open descriptor of something that has a temporary name, which goes with it.

    There is an owner before there is anything to own: an interrupt leaves neither the name nor the descriptor.
    """

    __slots__ = ("_descriptor", "_path", "_pid")

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._path = ""
        self._descriptor = Descriptor()

    def fileno(self) -> int:
        """Return the number of the descriptor."""
        return self._descriptor.fileno()

    def discard(self) -> None:
        """Close it, and remove what still has its temporary name; a second time is nothing. A forked copy only closes.

        The name goes before the lock, so that nobody else finds something to reclaim.
        """
        if self._descriptor.is_open:
            if self._pid == os.getpid():
                self._remove()
            self._descriptor.close()

    def __del__(self) -> None:
        """Discard what was dropped without a word; `reclaim` does where the interpreter ends and modules are empty."""
        descriptor = getattr(self, "_descriptor", None)
        if descriptor is not None and descriptor.is_open and _unlink is not None:
            try:
                self.discard()
            except BaseException:  # an interrupt, of which nobody hears here
                self.discard()
                raise

    def _remove(self) -> None:
        _unlink(self._path)


class _TemporaryFile(_Temporary):
    """A temporary file of mode 0444."""

    __slots__ = ()

    def write(self, data: memoryview) -> None:
        """Append all of `data`."""
        try:
            append(self.fileno(), data)
        except OSError as error:
            error.filename = self._path  # a descriptor has no name, and the reader wants to know which disk is full
            raise

    def draw(self, file: BinaryIO, buffers: Iterator[memoryview]) -> Iterator[memoryview]:
        """Append what is left of a file; yield what was appended, in pieces, each in the next buffer."""
        return draw(self.fileno(), file, buffers)


class StagedFile(_TemporaryFile):
    """A temporary file that is locked until it is discarded; its name is its token."""

    def __init__(self, directory: str, *, sync: bool, mode: int = READ_ONLY) -> None:
        super().__init__()
        self._sync = sync
        self.token, found = self._locked(directory, mode)
        if mode == READ_ONLY != found & 0o777:
            os.fchmod(self.fileno(), READ_ONLY)

    def seal(self) -> None:
        """Make the bytes durable, once. Where that fails they are discarded: a second fsync would only seem to work."""
        if self._sync:
            if not self._descriptor.is_open:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF), self._path)
            try:
                os.fsync(self.fileno())
            except OSError:
                self.discard()
                raise
            self._sync = False

    def _locked(self, directory: str, mode: int) -> tuple[str, int]:
        """Make a new file that is locked and still has its name; return that, and its real mode."""
        while True:
            name = _names.another()
            self._path = f"{directory}/{name}"
            self._descriptor.open(self._path, CREATE, mode)
            fcntl.flock(self.fileno(), fcntl.LOCK_EX)
            found = os.fstat(self.fileno())
            if found.st_nlink:
                return name, found.st_mode
            self._descriptor.close()  # another process reclaimed it before it was locked


class AreaFile(_TemporaryFile):
    """A temporary file in an area, which is closed as soon as it is sealed. `discard` is nothing from then on."""

    __slots__ = ("_sealed", "token")

    def __init__(self, token: str, path: str, sealed: list[str]) -> None:
        super().__init__()
        self.token = token
        self._sealed = sealed
        self._path = path
        self._descriptor.open(path, CREATE, READ_ONLY)

    def seal(self) -> None:
        """Close the file: its bytes belong to the area now, which makes them durable."""
        if self._descriptor.is_open:
            self._descriptor.close()
            self._sealed.append(self._path)


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
        self.name = self._locked(directory)

    def stage(self) -> AreaFile:
        """Return a new temporary file. Once it is sealed its bytes belong to the area: `discard` there ends them."""
        name = str(next(self._numbers))
        file = AreaFile(f"{self.name}/{name}", f"{self._path}/{name}", self._sealed)
        if self._chmod is None:
            self._chmod = os.fstat(file.fileno()).st_mode & 0o777 != READ_ONLY  # the umask is the same for all
        if self._chmod:
            os.fchmod(file.fileno(), READ_ONLY)
        return file

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

    def _locked(self, directory: str) -> str:
        """Make a new directory that is locked and still has its name; return that."""
        while True:
            name = _names.another()
            self._path = f"{directory}/{name}"
            try:
                os.mkdir(self._path, 0o777)  # noqa: PTH102 (next to os.open)
                with contextlib.suppress(FileNotFoundError):
                    self._descriptor.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
                    fcntl.flock(self.fileno(), fcntl.LOCK_EX)
                    os.stat(self._path)  # noqa: PTH116 (FileNotFoundError: another process reclaimed it before the lock)
                    return name
            except BaseException:
                self._remove()
                raise
            self._descriptor.close()
            if not os.path.isdir(directory):  # noqa: PTH112 (a path as text)
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), directory)

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
        with Descriptor().open(path, LOOK) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)  # while locked: a writer that lost this race sees that its file has no name
    except OSError:
        return False
    return True


def _is_abandoned(entry: os.DirEntry[str]) -> bool:
    """Return whether a file or area could be locked now. The lock is shared: a check must not stop another."""
    try:
        with Descriptor().open(entry.path, LOOK) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


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
