"""Ids of an index as positions in a sequence of blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.errors import StoreDamagedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Positions"]

DAMAGED = "the index names something that it does not hold: run blobkit fsck --repair"


class Positions:
    """The position of each id in this sequence; through a table where ids are dense, which they mostly are."""

    def __init__(self, ids: NDArray[np.int64]) -> None:
        self.bits = int(ids.max(initial=0)).bit_length()
        self._table: NDArray[np.int32] | None = None
        if ids.max(initial=0) <= 8 * len(ids):
            self._table = np.full(int(ids.max(initial=0)) + 1, -1, np.int32)
            self._table[ids] = np.arange(len(ids), dtype=np.int32)
        else:
            self._order = np.argsort(ids).astype(np.int32)
            self._sorted = ids[self._order]

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the position of each of these; StoreDamagedError where one is not there."""
        if not len(ids):
            return np.empty(0, np.int32)
        if self._table is not None:
            at = self._table[np.minimum(ids, len(self._table) - 1)]
            known = int(ids.max()) < len(self._table) and int(at.min()) >= 0
        else:
            found = np.minimum(np.searchsorted(self._sorted, ids), len(self._sorted) - 1)
            at = self._order[found]
            known = bool((self._sorted[found] == ids).all())
        if not known:
            raise StoreDamagedError(DAMAGED)
        return at

    def of_rows(self, rows: Sequence[Sequence[int]]) -> NDArray[np.int32]:
        """Return the position of the first column of each of these rows."""
        return self.of(np.array([row[0] for row in rows], np.int64))
