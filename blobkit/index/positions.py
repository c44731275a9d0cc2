"""Ids of an index as positions in a sequence of blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blobkit.errors import StoreDamagedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["Positions"]

DAMAGED = "the index names something that it does not hold: run blobkit fsck --repair"
NARROW = 1 << 31
"""The number of blobs whose positions need int64."""


class Positions:
    """The position of each id in this sequence; through a table where ids are dense, which they mostly are."""

    def __init__(self, ids: NDArray[np.int64]) -> None:
        self.number, self.bits = len(ids), int(ids.max(initial=0)).bit_length()
        position: type[np.signedinteger] = np.int32 if len(ids) < NARROW else np.int64
        self._table: NDArray[np.signedinteger] | None = None
        if ids.max(initial=0) <= 8 * len(ids):
            self._table = np.full(int(ids.max(initial=0)) + 1, -1, position)
            self._table[ids] = np.arange(len(ids), dtype=position)
        else:
            self._order = np.argsort(ids).astype(position)
            self._sorted = ids[self._order]

    def of(self, ids: NDArray[np.int64]) -> NDArray[np.signedinteger]:
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

    def of_rows(self, rows: Sequence[Sequence[Any]]) -> NDArray[np.signedinteger]:
        """Return the position of the first column of each of these rows."""
        return self.of(np.array([row[0] for row in rows], np.int64))
