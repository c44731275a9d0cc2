"""A foreign store as a source for an import: its facts, and the content of its blobs by digest."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.filehandle import FileHandle
from blobkit.scanners.facts import within

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["ForeignStore"]


@dataclass(frozen=True, slots=True)
class ForeignStore:
    """The store at `root`, read-only: `scan` makes its snapshot, `path` returns the path of a digest's file."""

    root: Path
    scan: Callable[[Path], Snapshot]
    path: Callable[[Digest], str]

    def snapshot(self) -> Snapshot:
        """Return the facts of the store at one moment."""
        return self.scan(self.root)

    def open(self, digest: Digest) -> BinaryIO:
        """Return the content of a blob as a file to read; the caller checks the hash.

        FileNotFoundError if it is absent; OSError if it is not a regular file or its path leaves the store.
        """
        path = self.path(digest)
        if not within(path, os.fspath(self.root)):
            raise OSError(errno.ELOOP, "a symbolic link that leaves the store", path)
        handle = FileHandle(path, os.O_RDONLY | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return handle.file()
