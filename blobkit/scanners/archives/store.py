"""An archive as a source for an import: its facts, and the content of its blobs by digest."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.scanners.archives.content import Members
    from blobkit.scanners.scanned import Scanned
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["ArchiveStore"]


class ArchiveStore:
    """An archive, read-only; `scan` returns its snapshot and its blobs."""

    def __init__(self, scan: Callable[[], tuple[Scanned, Members]]) -> None:
        self._scan = scan
        self._files: Members | None = None

    def snapshot(self) -> Snapshot:
        """Return the facts of the archive."""
        found, self._files = self._scan()
        return found.snapshot()

    def open(self, digest: Digest) -> BinaryIO:
        """Return the content of a blob as a file to read; the caller checks the hash. FileNotFoundError if absent."""
        if self._files is None:
            self.snapshot()
        if self._files is None or digest not in self._files.places:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), digest)
        return self._files.open(digest)

    def ordered(self, digests: Iterable[Digest]) -> list[Digest]:
        """Return blobs in the order of the archive, in which one pass reads them all."""
        return self._files.ordered(digests) if self._files else list(digests)
