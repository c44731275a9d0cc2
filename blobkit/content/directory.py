"""Bytes in files: `blobs/<alg>/<hex>` of an OCI image layout, mode 0444, nothing else ever under `blobs/`.

Temporary files are in `.blobkit/tmp` of the same file system, so that publishing is a rename. Whoever writes one
holds an flock on it; what can be locked belongs to nobody any more and may be reclaimed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.digest import ALGORITHMS, Digest, is_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from typing import BinaryIO

__all__ = ["DirectoryContent", "sync_directory"]


class DirectoryContent:
    """The files of one layout. `sync=False` promises nothing about a loss of power."""

    def __init__(self, root: Path, *, sync: bool = True) -> None:
        self._root = root
        self._blobs = str(root / "blobs")
        self._tmp = str(root / ".blobkit" / "tmp")
        self._sync = sync

    def lay_out(self) -> None:
        """Make the directories of an empty content; a second time is nothing.

        The temporary one is the first, so that whoever looks meanwhile sees that a store is being made.
        """
        paths = [Path(self._tmp), *(Path(self._blobs, label) for label in ALGORITHMS)]
        if all(path.is_dir() for path in paths):
            return
        for path in paths:
            path.mkdir(parents=True, exist_ok=True)
        if self._sync:
            for made in (self._tmp, self._root / ".blobkit", self._blobs, self._root, self._root.parent):
                sync_directory(made)

    def stage(self) -> StagedFile:
        """Return a new temporary file, locked by this process for as long as it is staged."""
        return StagedFile(self._tmp, sync=self._sync)

    def publish(self, staged: Mapping[Digest, str]) -> None:
        """Rename the files with these tokens to their digests, then make the directories durable."""
        for digest, token in staged.items():
            Path(self._tmp, token).rename(self._path(digest))
        if self._sync:
            for label in {digest.partition(":")[0] for digest in staged}:
                sync_directory(f"{self._blobs}/{label}")

    def sizes(self, digests: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the size of each of these that is there."""
        found: dict[Digest, int] = {}
        for digest in digests:
            with contextlib.suppress(FileNotFoundError):
                found[digest] = os.stat(self._path(digest), follow_symlinks=False).st_size  # noqa: PTH116 (3x a Path)
        return found

    def open(self, digest: Digest) -> BinaryIO:
        """Return the file, open to read; FileNotFoundError where there is none."""
        return open(self._path(digest), "rb")  # noqa: PTH123 (twice as fast as through a Path)

    def digests(self) -> Iterator[Digest]:
        """Yield every digest that has a file here, in no order; any other name is passed over."""
        for label in ALGORITHMS:
            with contextlib.suppress(FileNotFoundError), os.scandir(f"{self._blobs}/{label}") as entries:
                yield from (Digest(text) for entry in entries if is_digest(text := f"{label}:{entry.name}"))

    def delete(self, digests: Collection[Digest]) -> Sequence[Digest]:
        """Unlink the files; return those that are not there now. What cannot be unlinked stays, without an error."""
        gone = []
        for digest in digests:
            try:
                os.unlink(self._path(digest))  # noqa: PTH108 (bulk)
            except FileNotFoundError:
                pass
            except OSError:
                continue
            gone.append(digest)
        return gone

    def sync(self) -> None:
        """Make every file of this file system durable, in one call where the system has `syncfs`."""
        import ctypes  # noqa: PLC0415 (rarely called, and it costs 10 ms)

        with _opened(str(self._root), os.O_RDONLY | os.O_DIRECTORY) as fd:
            syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
            if syncfs is None:
                os.sync()
            elif syncfs(fd):
                raise OSError(ctypes.get_errno(), "syncfs", str(self._root))

    def reclaim(self) -> int:
        """Remove the temporary files of dead writers; return how many there were."""
        with os.scandir(self._tmp) as entries:
            return sum(_reclaimed(entry.path) for entry in entries)

    def close(self) -> None:
        """Do nothing: no file stays open between calls."""

    def _path(self, digest: Digest) -> str:
        label, _, hexa = digest.partition(":")
        return f"{self._blobs}/{label}/{hexa}"


class StagedFile:
    """A temporary file of mode 0444, locked until it is discarded; its name is its token."""

    def __init__(self, tmp: str, *, sync: bool) -> None:
        self.token, self._fd = _locked_file(tmp)
        self._path = f"{tmp}/{self.token}"
        self._sync = sync
        self._pid = os.getpid()

    def write(self, data: memoryview) -> None:
        """Append all of `data`."""
        while data:
            data = data[os.write(self._fd, data) :]

    def seal(self) -> None:
        """Make the bytes durable once. An fsync that failed is never tried again: its pages are lost."""
        if self._sync:
            os.fsync(self._fd)
            self._sync = False

    def discard(self) -> None:
        """Close the file, and unlink its temporary name if it was not published. A forked copy only closes."""
        if self._fd >= 0:
            # unlinked before the lock goes, so that nobody else finds a file to reclaim
            with contextlib.suppress(FileNotFoundError):
                if self._pid == os.getpid():
                    os.unlink(self._path)  # noqa: PTH108 (hot path)
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        """Discard what was dropped without a word."""
        if getattr(self, "_fd", -1) >= 0:
            self.discard()


def _locked_file(tmp: str) -> tuple[str, int]:
    """Return the name and descriptor of a new file that is locked and still has its name."""
    while True:
        token = f"{os.getpid()}-{secrets.token_hex(8)}"
        fd = os.open(f"{tmp}/{token}", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o444)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:  # else another process reclaimed it between the two calls above
                os.fchmod(fd, 0o444)
                return token, fd
        except OSError:
            os.unlink(f"{tmp}/{token}")  # noqa: PTH108 (next to os.open)
            os.close(fd)
            raise
        os.close(fd)


def _reclaimed(path: str) -> bool:
    """Remove one temporary file unless a writer holds it; return whether it was removed."""
    try:
        with _opened(path, os.O_RDONLY) as fd:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Path(path).unlink()  # while locked: a writer that lost this race sees that its file has no name
    except OSError:
        return False
    return True


def sync_directory(path: str | Path) -> None:
    """Make the names in a directory durable."""
    with _opened(str(path), os.O_RDONLY | os.O_DIRECTORY) as fd:
        os.fsync(fd)


@contextlib.contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    fd = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
