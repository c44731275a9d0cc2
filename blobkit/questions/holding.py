"""Who holds a blob: the links and pins that keep it, now or after some were dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.reach import gathered, holders, live

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot import Snapshot

__all__ = ["Holding"]

LOOKED_AT = 4096
"""Holders looked at together: a base layer has very many, and the first of them have enough names."""


@dataclass(frozen=True, eq=False)
class Holding:
    """The nodes that are `alive` and the rows of the pin table that hold (`rows`), in one snapshot."""

    snapshot: Snapshot
    alive: NDArray[np.bool_]
    rows: NDArray[np.bool_]

    @classmethod
    def now(cls, snapshot: Snapshot) -> Holding:
        """Return what holds as things are."""
        return cls(snapshot, live(snapshot.counted), snapshot.holding)

    @classmethod
    def after(cls, snapshot: Snapshot, dropped: dict[int, int], gone: NDArray[np.int32]) -> Holding:
        """Return what holds once these pins (rows, with how many of each) are dropped and these nodes are gone."""
        alive, rows = live(snapshot.counted).copy(), snapshot.holding.copy()
        alive[gone] = False
        count = snapshot.pins["count"]
        rows[[row for row, number in dropped.items() if number >= count[row].as_py()]] = False
        return cls(snapshot, alive, rows)

    def names(self, node: int, most: int) -> list[str]:
        """Return up to `most` names that reach a node, nearest first; an anonymous pin by the key that it is on.

        Cost: the holders above the node, level by level, until enough names are found.
        """
        front, seen = np.array([node], np.int32), np.empty(0, np.int32)
        found: dict[str, None] = {}
        while len(front):
            for at in range(0, len(front), LOOKED_AT):
                found |= dict.fromkeys(self.pinned_by(front[at : at + LOOKED_AT], most))
                if len(found) >= most:
                    return list(found)[:most]
            new = np.setdiff1d(front, seen)
            seen = np.union1d(seen, new)
            front = self._above(new)
        return list(found)

    def pinned_by(self, nodes: NDArray[np.int32], most: int) -> list[str]:
        """Return the names of up to `most` pins that hold on these nodes, sorted; an anonymous pin by its node."""
        pins = self.snapshot.pins
        rows = gathered(*self.snapshot.pins_of, nodes)
        rows = rows[self.rows[rows]][:most]
        named = zip(pins["name"].take(rows).to_pylist(), pins["node"].take(rows).to_pylist(), strict=True)
        return sorted({name if name is not None else self.snapshot.key(node) for name, node in named})

    def direct(self, node: int, most: int) -> list[str]:
        """Return up to `most` keys and names of what holds a node directly: first links, then pins, each sorted."""
        one = np.array([node], np.int32)
        links = [self.snapshot.key(above) for above in self._above(one)[:most]]
        return (links + self.pinned_by(one, most))[:most]

    def _above(self, nodes: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the alive nodes that link to any of these, as often as they do."""
        above = gathered(*holders(self.snapshot.counted), nodes)
        return above[self.alive[above]]
