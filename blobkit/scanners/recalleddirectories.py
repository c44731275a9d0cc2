"""Remember directories that had only directories in them: one that did not change has the same ones.

A directory did not change if its times of modification and of change, and its inode, are as they were before it was
listed. One that was young then is not remembered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.scanners.cachefile import Columns
from blobkit.scanners.cacheform import DIRECTORY_STAMPS, TICK

if TYPE_CHECKING:
    from blobkit.scanners.registries.prefixes import Stamp

__all__ = ["RecalledDirectories"]


class RecalledDirectories:
    """The directories that an earlier scan found (`known`), and those that this one finds, below `root`.

    `is_kept`: there will be a next scan. `is_new`: this one found something. Nothing is believed unless `trusted`.
    """

    def __init__(self, known: Columns, begun: int, *, trusted: bool, is_kept: bool) -> None:
        self.is_kept, self.is_new = is_kept, False
        self._begun = begun
        stamps = known.arrays["directory_stamp"].reshape(-1, DIRECTORY_STAMPS).tolist()
        self._known = dict(zip(known.texts["directories"], map(tuple, stamps), strict=True)) if trusted else {}
        self._found: dict[str, Stamp] = {}

    def is_same(self, path: str, stamp: Stamp) -> bool:
        """Return whether a directory with this stamp did not change."""
        return self._known.get(path) == stamp

    def add(self, path: str, stamp: Stamp) -> None:
        """Add a directory that has only directories in it; `stamp`: as it was before it was listed."""
        if self.is_kept:
            self.is_new |= self._known.get(path) != stamp
            self._found[path] = stamp

    def columns(self) -> Columns:
        """Return the directories that are not young, for the next scan."""
        old = {path: stamp for path, stamp in self._found.items() if stamp[0] < self._begun - TICK}
        found = Columns(texts={"directories": list(old)})
        found.arrays["directory_stamp"] = np.array(list(old.values()), np.int64).ravel()
        return found
