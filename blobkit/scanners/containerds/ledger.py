"""Count the files of a store that has trees of files beside its blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.scanners.leftovers import Ledger
from blobkit.sources.trees import Totals

if TYPE_CHECKING:
    import os

    from blobkit.scanners.places import Place
    from blobkit.sources.trees import Weight

__all__ = ["TreeLedger"]


class TreeLedger(Ledger):
    """A ledger that does not walk the trees that a scanner weighs; a file in several trees counts once."""

    def __init__(self, root: str, place: Place) -> None:
        super().__init__(root, place)
        self._trees = Totals()

    def tree(self, path: str, weight: Weight) -> None:
        """Count the files at and below a path."""
        self._pending.discard(path)
        self._listed.add(path)
        files, size = self._trees.add(weight)
        self._files, self._bytes = self._files + files, self._bytes + size

    def _name(self, path: str, info: os.stat_result) -> None:
        if path not in self._listed:  # a snapshot may be a file
            super()._name(path, info)
