"""A tar archive as a source; it is indexed in one pass and never extracted.

Members of an uncompressed archive are read in place. For a compressed one, the pass that makes the index keeps small
files and what looks like JSON, within bounds; other members take a pass of their own, or share one if they are asked
for in the order of the archive (`Archive.ordered`).
"""

from __future__ import annotations

import errno
import io
import os
import stat
from bisect import bisect_left
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from blobkit.filehandle import FileHandle
from blobkit.sources.compression import Piece, compression_of, decompressed
from blobkit.sources.members import Index, plain_path
from blobkit.sources.source import HOPS, Entry, Info, Is, LeavesError, check_path
from blobkit.sources.tar import BLOCK, TarError, members, starts_like_tar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import BinaryIO

    from blobkit.sources.compression import Forward

__all__ = ["Archive", "first_members", "is_tar"]

BUFFER = 1 << 14
PIECE = 1 << 18
"""Bytes of a compressed file that are read at once."""
PASSES = 8
"""Passes through a compressed archive that reading of files may take."""
PARTS = 4_096
"""Parts of paths that are followed to resolve one path."""
PLACES = 1_000
"""Directories whose resolved paths are remembered."""
LEAVES = "a symbolic link leads out of the archive"


class Archive:
    """The members of a tar archive, read-only. See `blobkit.sources.source.Source`.

    A name that comes twice means the last member of that name. `index` has the members, and what was odd. `passed` is
    called with the bytes of the file that were read, `size` is their number.
    """

    def __init__(self, path: str | os.PathLike[str], passed: Callable[[int], object] | None = None) -> None:
        self.address = os.path.abspath(path)
        self._file = _opened(self.address)
        self._before = os.fstat(self._file.fileno())
        self.size = self._before.st_size
        self.compression = compression_of(os.pread(self._file.fileno(), 8, 0))
        self._passes = 0
        self._idle: Forward | None = None
        self._names: Sequence[str] = []
        self._places: dict[str, str] = {}
        self.index = self._indexed(passed)

    def _indexed(self, passed: Callable[[int], object] | None) -> Index:
        if self.compression:
            run = self._run(passed)
            try:
                return Index(run, keeps=True)
            finally:
                run.close()
        return Index(_Headers(self._file.fileno()), length=self.size, passed=passed)

    def has_changed(self) -> bool:
        """Return whether the file was changed since it was opened."""
        now = os.fstat(self._file.fileno())
        return (now.st_size, now.st_mtime_ns) != (self._before.st_size, self._before.st_mtime_ns)

    def list(self, path: str) -> list[Entry]:
        """Return the sorted entries of a directory. OSError if it is absent or cannot be listed."""
        above = self.resolved(path)
        before = f"{above}/" if above else ""
        found: dict[str, Is] = {}
        names = self._sorted()
        at = bisect_left(names, before)
        while at < len(names) and names[at].startswith(before):
            name, _, below = names[at][len(before) :].partition("/")
            if name in found:
                at = bisect_left(names, f"{before}{name}0", at)  # "0" comes after "/": go past all that is below
                continue
            found[name] = Is.DIRECTORY if below else self.index.kind(self.index.rows[names[at]])
            at += 1
        if not found and above and self._info(above, path).kind is not Is.DIRECTORY:
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return [Entry(name, found[name]) for name in sorted(found)]

    def stat(self, path: str) -> Info:
        """Return what is known of a file or directory; of a link itself, if the path is one. OSError if absent."""
        return self._info(self._unfollowed(path), path)

    def read(self, path: str, limit: int) -> bytes:
        """Return up to `limit` bytes of a regular file; links inside the archive are followed. OSError if it cannot."""
        row = self.row_of(path)
        if row in self.index.kept:
            return self.index.kept[row][:limit]
        if self.compression and self._idle is None and self._passes >= PASSES:
            why = f"it takes more than {PASSES} passes through a compressed archive: decompress it first"
            raise OSError(errno.EFBIG, why, path)
        with self._part(row, path) as file:
            return file.read(limit)

    def read_many(self, paths: Iterable[str], limit: int) -> Iterator[tuple[str, bytes | OSError]]:
        """Yield each path with up to `limit` bytes of its file, or the error; in the order of the archive."""
        for path in self.ordered(paths):
            try:
                yield path, self.read(path, limit)
            except OSError as error:
                yield path, error

    def open(self, path: str) -> BinaryIO:
        """Return a regular file to read, in constant memory. OSError if it cannot be opened."""
        return self._part(self.row_of(path), path)

    def link(self, path: str) -> str:
        """Return where a symbolic link leads: a path in this source. LeavesError if it leads out; OSError if none."""
        where = self._unfollowed(path)
        if self._info(where, path).kind is not Is.LINK:
            raise OSError(errno.EINVAL, "not a symbolic link", path)
        target = self.index.targets[self.index.rows[where]].rstrip("/") or "/"
        above, _, name = f"{where.rpartition('/')[0]}/{target}".rpartition("/")
        if target.startswith("/"):
            raise LeavesError(errno.EXDEV, LEAVES, path)
        return self._walked(f"{above}/{name}", path, "") if name in ("", ".", "..") else self._walked(above, path, name)

    def ordered(self, paths: Iterable[str]) -> Sequence[str]:
        """Return the paths in the order of the archive, in which one pass reads them all."""
        return sorted(paths, key=self._place)

    def _place(self, path: str) -> int:
        try:
            return self.index.at[self.row_of(path)]
        except OSError:
            return -1

    def row_of(self, path: str) -> int:
        """Return the row of a regular file in the index; OSError if it is none."""
        row = self.index.rows.get(self.resolved(path), -1)
        if row < 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        if self.index.kind(row) is not Is.FILE:
            raise OSError(errno.EINVAL, "not a regular file", path)
        return row

    def _info(self, where: str, path: str) -> Info:
        row = self.index.rows.get(where, -1) if where else -1
        if row >= 0:
            index = self.index
            size = index.size[row]
            return Info(index.kind(row), size, 0, index.modified[row], index.links.get(row, 1))
        before = f"{where}/" if where else ""
        names = self._sorted()
        at = bisect_left(names, before)
        if where and not (at < len(names) and names[at].startswith(before)):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return Info(Is.DIRECTORY, 0, 0, -1)

    def _sorted(self) -> Sequence[str]:
        if len(self._names) != len(self.index.rows):
            self._names = sorted(self.index.rows)
        return self._names

    def resolved(self, path: str) -> str:
        """Return the path without symbolic links; LeavesError if one leads out."""
        where = self._unfollowed(path)
        return self._walked(where, path, "") if self.index.rows.get(where, -1) in self.index.targets else where

    def _unfollowed(self, path: str) -> str:
        """Return the path without symbolic links above its last part."""
        check_path(path)
        if not self.index.targets:
            return path
        above, _, name = path.rpartition("/")
        if above not in self._places:
            if len(self._places) > PLACES:
                self._places.clear()
            self._places[above] = self._walked(above, path, "")
        return "/".join(filter(None, (self._places[above], name)))

    def _walked(self, start: str, path: str, last: str) -> str:
        """Follow the links in `start` part by part; return where it leads, with `last` below it."""
        todo = start.split("/")[::-1]
        done: list[str] = []
        hops = 0
        for _ in range(PARTS):
            if not todo:
                return "/".join((*done, last) if last else done)
            part = todo.pop()
            if part == ".." and not done:
                raise LeavesError(errno.EXDEV, LEAVES, path)
            if part == "..":
                done.pop()
            elif part not in ("", "."):
                target = self.index.targets.get(self.index.rows.get("/".join((*done, part)), -1))
                hops += target is not None
                if hops > HOPS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if target is None:
                    done.append(part)
                elif target.startswith("/"):
                    raise LeavesError(errno.EXDEV, LEAVES, path)
                else:
                    todo += target.split("/")[::-1]
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)

    def _part(self, row: int, path: str) -> BinaryIO:
        if self.index.is_sparse(row):
            raise OSError(errno.ENOTSUP, "a sparse member, which is not read", path)
        at, size = self.index.at[row], self.index.stored[row]
        if not self.compression:
            return cast("BinaryIO", _Part(self._file, at, size))
        run, self._idle = self._idle, None
        if run is None or run.at > at:
            run = self._run()
        run.seek(at)
        return cast("BinaryIO", Piece(run, size, self._keep_idle))

    def _keep_idle(self, run: Forward) -> None:
        self._idle = run

    def _run(self, passed: Callable[[int], object] | None = None) -> Forward:
        self._passes += 1
        file = io.BufferedReader(_Part(self._file, 0, self.size), PIECE)
        return decompressed(cast("BinaryIO", file), self.compression, passed)


class _Headers:
    """A file of which little is read here and there: one call of the system for each read, none to seek."""

    def __init__(self, fd: int) -> None:
        self._fd, self._at = fd, 0

    def block(self, place: int, /) -> bytes:
        self._at = place + BLOCK
        return os.pread(self._fd, BLOCK, place)

    def read(self, size: int, /) -> bytes:
        found = os.pread(self._fd, size, self._at)
        self._at += len(found)
        return found

    def tell(self) -> int:
        return self._at


class _Part(io.RawIOBase):
    """Some bytes of a file, read in place."""

    def __init__(self, file: FileHandle, at: int, size: int) -> None:
        self._file, self._start, self._at, self._end = file, at, at, at + size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at - self._start

    def seek(self, place: int, whence: int = 0) -> int:
        self._at = max(self._start, place + (self._start, self._at, self._end)[whence])
        return self._at - self._start

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._end - self._at)
        found = os.pread(self._file.fileno(), left if size < 0 else min(size, left), self._at)
        self._at += len(found)
        return found

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)[: max(0, self._end - self._at)]
        found = os.preadv(self._file.fileno(), [view], self._at) if len(view) else 0
        self._at += found
        return found


def first_members(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the paths of the members of a tar archive, as far as it can be read; OSError if it cannot be opened."""
    with _opened(os.fspath(path)).file(BUFFER) as file:
        compression = compression_of(file.peek(8)[:8])  # type: ignore[attr-defined]
        stream = decompressed(file, compression) if compression else _Headers(file.fileno())
        with suppress(TarError, OSError):
            yield from filter(None, (plain_path(member.name) for member in members(stream)))


def is_tar(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is a tar archive, compressed or not; OSError if it cannot be read."""
    with _opened(os.fspath(path)).file(BUFFER) as file:
        head = file.read(BLOCK)
        compression = compression_of(head)
        if not compression:
            return starts_like_tar(head)
        file.seek(0)
        try:
            return starts_like_tar(decompressed(file, compression).read(BLOCK))
        except OSError:
            return False


def _opened(path: str) -> FileHandle:
    """Open a regular file; do not wait if it is a pipe."""
    handle = FileHandle(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
        handle.close()
        raise OSError(errno.EINVAL, "not a regular file", path)
    return handle
