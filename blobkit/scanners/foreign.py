"""A foreign store as something to import from: its facts, and the content of its blobs by digest."""

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
    """The store at `root`, read-only: `scan` makes its snapshot, `path` tells where a digest's file is."""

    root: Path
    scan: Callable[[Path], Snapshot]
    path: Callable[[Digest], str]

    def snapshot(self) -> Snapshot:
        """Return an immutable picture of the facts at one moment."""
        return self.scan(self.root)

    def open(self, digest: Digest) -> BinaryIO:
        """Return the content of a blob as a file to read; its hash is the caller's to check.

        FileNotFoundError where there is none; OSError for what is no regular file or leads out of the store.
        """
        path = self.path(digest)
        if not within(path, os.fspath(self.root)):
            raise OSError(errno.ELOOP, "a symbolic link that leaves the store", path)
        handle = FileHandle(path, os.O_RDONLY | os.O_NONBLOCK)
        if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
            raise OSError(errno.EINVAL, "no regular file", path)
        return handle.file()
