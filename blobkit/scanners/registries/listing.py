"""List the blobs of a registry: many at once where they are of the usual form, with what an earlier scan found."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import Digest
from blobkit.scanners.columns import view
from blobkit.scanners.hashes import hashes_of
from blobkit.scanners.recall import Stamps
from blobkit.scanners.registries.ahead import MANY, Ahead
from blobkit.scanners.registries.linkfiles import LinkFiles
from blobkit.scanners.registries.prefixes import list_prefix

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from numpy.typing import NDArray

    from blobkit.scanners.facts import Facts
    from blobkit.scanners.leftovers import Ledger
    from blobkit.scanners.recall import Recall
    from blobkit.scanners.registries.prefixes import Prefix

__all__ = ["Listing"]

_PREFIX = re.compile("[0-9a-f]{2}")


class Listing:
    """Lists prefixes, and records their blobs in `facts` and `recall`; a context manager.

    `links` reads link files. `every`: list the directory of each blob. If nothing is known of a large registry, other
    processes help.
    """

    def __init__(self, facts: Facts, recall: Recall, *, every: bool = False) -> None:
        self.facts, self.recall, self.every = facts, recall, every
        self.links = LinkFiles(recall.links)
        self._stamps: dict[str, Stamps] = {}
        self._ahead: Ahead | None = None

    def list(self, path: str, label: str, prefix: str) -> Prefix:
        """Return the blobs in the directory of a prefix, small ones with contents; OSError if it cannot be listed."""
        first, end = self.recall.part(prefix) if label == "sha256" else (0, 0)
        found = self._ahead.taken(path) if self._ahead else None
        if found is None:
            usual = None if self.every else self.recall.stamped(first, end)
            found = list_prefix(path, label, prefix, usual, self.recall.directories.is_same)
        is_sure = np.zeros(len(found.names), np.bool_)
        if label == "sha256":
            stamps = self._stamps[path] = self.recall.match(_stamps(found), first, end)
            is_sure = self.recall.is_sure(stamps.row)
        if found.contents is None:
            found.read(np.flatnonzero(~is_sure).tolist())
        if not found.unusual and self.recall.are_old(found.modified):
            self.recall.directories.add(path, found.stamp)
        if self._ahead is None and label == "sha256":
            self._look_ahead(path, len(found.names))
        return found

    def _look_ahead(self, path: str, blobs: int) -> None:
        """Let other processes read the directories beside the first one, if there is much to read."""
        top = os.path.dirname(path)
        names = [] if self.recall.knows_any() else sorted(_prefixes(top), reverse=True)
        paths = ((f"{top}/{name}", "sha256", name) for name in names)
        self._ahead = Ahead([one for one in paths if one[0] != path], listed=self.every)
        if blobs * len(names) >= MANY:
            self._ahead.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the processes that help."""
        if self._ahead:
            self._ahead.close()

    def finish(self) -> None:
        """End the processes that help, and find what of an earlier scan is still true; all blobs must be recorded."""
        if self._ahead:
            self._ahead.close()
        self.recall.finish()

    def record(self, prefix: Prefix) -> None:
        """Record the stored blobs of a prefix that was listed."""
        digests = [Digest(f"{prefix.label}:{name}") for name in prefix.names]
        modified = (view(prefix.modified) // 1000).tolist()
        nodes = self.facts.blobs(digests, prefix.sizes, modified)
        self.recall.add(nodes, self._stamps.pop(prefix.path, None), prefix.contents)
        prefix.contents = None
        if self.facts.ledger:
            several = set(prefix.several)
            self.facts.ledger.blobs([size for row, size in enumerate(prefix.sizes) if row not in several])
            for row in prefix.several:
                _count_several(self.facts.ledger, digests[row], f"{prefix.path}/{prefix.names[row]}/data")


def _prefixes(top: str) -> list[str]:
    """Return the names of prefixes in the directory of an algorithm."""
    with os.scandir(top) as entries:
        return [one.name for one in entries if one.is_dir(follow_symlinks=False) and _PREFIX.fullmatch(one.name)]


def _count_several(ledger: Ledger, digest: Digest, path: str) -> None:
    """Count a blob whose file has several names."""
    with suppress(OSError):
        ledger.blob(digest, path, os.lstat(path), linked=False)


def _stamps(found: Prefix) -> Stamps:
    """Return the stamps of the blobs of a prefix, without nodes and rows."""
    none: NDArray[np.int32] = np.full(len(found.names), -1, np.int32)
    size, modified, inode = (view(column) for column in (found.sizes, found.modified, found.inodes))
    return Stamps(none, hashes_of(found.names), size, modified, inode, none)
