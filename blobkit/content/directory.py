"""Bytes in files: `blobs/<alg>/<hex>` of an OCI image layout, mode 0444, nothing else ever under `blobs/`.

Temporary files are in `.blobkit/tmp` of the same file system, so that publishing is a rename.
"""

from __future__ import annotations

import contextlib
import errno
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.content.placing import place
from blobkit.content.quarantine import PRIVATE, file_signature, move_aside, quarantine, strays
from blobkit.content.syncing import sync_directory, sync_file_system
from blobkit.content.temporary import StagedFile, StagingArea, abandoned, reclaim
from blobkit.digest import ALGORITHMS, Digest, is_digest, split
from blobkit.errors import StoreError, moved
from blobkit.filehandle import FileHandle, Held, close

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from blobkit.model import FileSignature

__all__ = ["DirectoryContent"]

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A blob is a file in its place: a link there could lead anywhere, and a pipe would let the reader wait."""
SMALL = 1 << 20
"""Up to this size a file is read in one step; above it, opening it as a file costs nothing beside the reading."""


class DirectoryContent:
    """The files of one layout. `sync=False` promises nothing about a loss of power."""

    def __init__(self, root: Path, *, sync: bool = True) -> None:
        self._root = root
        self._blobs = str(root / "blobs")
        self._tmp = str(root / ".blobkit" / "tmp")
        self._sync = sync
        self._directories: list[FileHandle] = []
        self._openers: dict[str, tuple[Callable[[str, int], int], FileHandle]] = {}

    def lay_out(self) -> None:
        """Make the directories of an empty content; a second time is nothing.

        The temporary one is the first, so that whoever looks meanwhile, or after a loss of power, sees that a store is
        being made.
        """
        paths = [Path(self._tmp), *self._of_labels()]
        if not all(path.is_dir() for path in (*paths, quarantine(self._root))):
            self._make(paths)
        self._open_directories()

    def _of_labels(self) -> list[Path]:
        return [Path(self._blobs, label) for label in ALGORITHMS]

    def _make(self, paths: Sequence[Path]) -> None:
        aside = quarantine(self._root)
        for path in paths:
            path.mkdir(parents=True, exist_ok=True)
            if self._sync and path == paths[0]:
                sync_directory(self._root)  # before any other name: a file system may keep no order among them
        aside.mkdir(mode=PRIVATE, exist_ok=True)
        if self._sync:
            for made in (self._tmp, self._root / ".blobkit", self._blobs, self._root, self._root.parent):
                sync_directory(made)

    def stage(self) -> StagedFile:
        """Return a new temporary file, locked by this process for as long as it is staged; StoreError where moved."""
        try:
            return StagedFile(self._tmp, sync=self._sync)
        except FileNotFoundError as error:
            raise self._moved(error) from error

    def area(self) -> StagingArea:
        """Return a new directory of temporary files, locked by this process while it is there; StoreError as above."""
        try:
            return StagingArea(self._tmp, sync=self._sync)
        except FileNotFoundError as error:
            raise self._moved(error) from error

    def publish(self, staged: Mapping[Digest, str]) -> None:
        """Rename the files with these tokens to their digests, then make the directories durable."""
        for digest, token in staged.items():
            os.rename(f"{self._tmp}/{token}", self._path(digest))  # noqa: PTH104 (bulk)
        if self._sync:
            for label in {split(digest)[0] for digest in staged}:
                sync_directory(f"{self._blobs}/{label}")

    def place(self, digest: Digest, data: bytes, *, durable: bool = False) -> None:
        """Store small content under its digest at once, unless the same is there."""
        try:
            is_new = not durable and place(self._tmp, self._path(digest), data)
            if not is_new and (durable or self.read(digest, len(data)) != data):
                self._replace(digest, data)
        except FileNotFoundError as error:
            raise self._moved(error) from error

    def _replace(self, digest: Digest, data: bytes) -> None:
        staged = self.stage()
        try:
            staged.write(memoryview(data))
            staged.seal()
            self.publish({digest: staged.token})
        finally:
            staged.discard()

    def sizes(self, digests: Collection[Digest]) -> Mapping[Digest, int]:
        """Return the size of each of these that is there."""
        found: dict[Digest, int] = {}
        for digest in digests:
            with contextlib.suppress(FileNotFoundError):
                found[digest] = os.stat(self._path(digest), follow_symlinks=False).st_size  # noqa: PTH116 (3x a Path)
        return found

    def open(self, digest: Digest) -> BinaryIO:
        """Return the file, open to read; FileNotFoundError where there is none."""
        try:
            return FileHandle(self._path(digest), READ).file()
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise FileNotFoundError(errno.ENOENT, "a symbolic link is no content", self._path(digest)) from error

    def read(self, digest: Digest, size: int) -> bytes | None:
        """Return the bytes of a small file, where there are `size` of them; None where `open` must see to it.

        Cost: three system calls, relative to the open directory: a third of what a file object and a path cost. One
        byte more is asked for than there should be, so that a file which is longer shows without another call.
        """
        if size > SMALL:
            return None
        label, _, name = digest.partition(":")
        held = Held()
        try:
            opened, _directory = self._openers[label]
            held.extend(map(opened, (name,), (READ,)))  # in one step, as `open_into`
            content = os.read(held[0], size + 1)
        except (OSError, KeyError):
            return None
        finally:
            close(held)
        return content if len(content) == size else None

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
        """Make every file of this file system durable, in one call where the system has `syncfs`.

        One descriptor for all calls: it hears of each error since it was opened, a new one not of what others heard.
        """
        root = self._directories[0] if self._directories else FileHandle(self._root, os.O_DIRECTORY)
        if not sync_file_system(root.fileno()):
            os.sync()

    def reclaim(self) -> int:
        """Remove the temporary files and areas of dead writers; return how many there were."""
        return reclaim(self._tmp)

    def signatures(self, digests: Collection[Digest]) -> Mapping[Digest, FileSignature]:
        """Return what tells the bytes of each of these that is there from others under the same digest."""
        found = {}
        for digest in digests:
            with contextlib.suppress(FileNotFoundError):
                found[digest] = file_signature(self._path(digest))
        return found

    def strays(self) -> Iterator[str]:
        """Yield the paths of what is under `blobs/` and is no regular file named by a digest."""
        return strays(self._root)

    def abandoned(self) -> Sequence[str]:
        """Return the temporary files and areas of dead writers."""
        return abandoned(self._tmp)

    def set_aside(self, names: Collection[str], what: str) -> Mapping[str, str]:
        """Move content or strays to `.blobkit/quarantine`; return where each is, without what is gone already."""
        moved = {}
        paths = {name: f"blobs/{name.replace(':', '/')}" if is_digest(name) else name for name in names}
        for name, path in paths.items():
            with contextlib.suppress(FileNotFoundError):
                moved[name] = move_aside(self._root, path, what, sync=False)
        if self._sync and moved:
            sync_directory(quarantine(self._root))
            for parent in {(self._root / paths[name]).parent for name in moved}:
                sync_directory(parent)
        return moved

    def close(self) -> None:
        """Let go of the directories that stay open; a call that is under way in another thread keeps its own."""
        self._openers.clear()
        self._directories.clear()

    def _open_directories(self) -> None:
        """Open the root, for `sync`, and the directories of blobs, for `read`."""
        self._directories += [FileHandle(path, os.O_DIRECTORY) for path in (self._root, *self._of_labels())]
        for label, handle in zip(ALGORITHMS, self._directories[1:], strict=True):
            self._openers[label] = partial(os.open, dir_fd=handle.fileno()), handle

    def _moved(self, error: OSError) -> OSError:
        """Return the error that says so where the directories of the store are gone, else the same error."""
        return error if Path(self._tmp).is_dir() else StoreError(moved(self._root))

    def _path(self, digest: Digest) -> str:
        return f"{self._blobs}/{digest.replace(':', '/')}"
