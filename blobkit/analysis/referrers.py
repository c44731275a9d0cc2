"""Incoming references: the links and pins that hold a blob, now or after some were dropped."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.holder_kernels import first_sources, links_within, nearest
from blobkit.analysis.kernels import depths
from blobkit.analysis.reach import gathered, holders, live
from blobkit.snapshot.pins import first_of_name, texts
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import ids, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Holding", "Names"]

ROOM = 1 << 24
"""Pairs of a node and a name that are held at once: 200 MB. Where more are needed, fewer names are told of each."""
FEWEST = 4


@dataclass(frozen=True, eq=False)
class Names:
    """Some names for each of several nodes: those of the i-th are `texts[rows[start[i]:start[i + 1]]]`.

    `rows` are rows of the pin table, one for all rows of the same name; an anonymous pin goes by the key that it is on.
    """

    start: NDArray[np.int64]
    rows: NDArray[np.int32]
    snapshot: Snapshot

    def of(self, i: int) -> NDArray[np.int32]:
        """Return the rows of the i-th node."""
        return self.rows[self.start[i] : self.start[i + 1]]

    def tuples(self, *, nearest_first: bool = False) -> list[tuple[str, ...]]:
        """Return the names of each node, sorted unless `nearest_first`; equal tuples are one object."""
        different, place = np.unique(self.rows, return_inverse=True)
        names = texts(self.snapshot, different)
        if not nearest_first:
            order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
            rank = np.empty_like(order)
            rank[order] = np.arange(len(order))
            place = rank[place]
            owner = np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))
            place = place[np.lexsort((place, owner))]
            names = [names[i] for i in order.tolist()]
        return list(_shared(names, place, self.start))


@dataclass(frozen=True, eq=False)
class Holding:
    """The nodes that are `alive` and the rows of the pin table that hold (`rows`), in one snapshot."""

    snapshot: Snapshot
    alive: NDArray[np.bool_]
    rows: NDArray[np.bool_]

    @classmethod
    def now(cls, snapshot: Snapshot) -> Holding:
        """Return what holds as things are."""
        return cls(snapshot, live(snapshot.graph), snapshot.holding)

    @classmethod
    def after(cls, snapshot: Snapshot, dropped: dict[int, int], gone: NDArray[np.int32]) -> Holding:
        """Return what holds once these pins (rows, with how many of each) are dropped and these nodes are gone."""
        alive, rows = live(snapshot.graph).copy(), snapshot.holding.copy()
        alive[gone] = False
        row, number = (np.fromiter(some, np.int64, len(dropped)) for some in (dropped, dropped.values()))
        rows[row[number >= numbers(snapshot.pins["count"])[row]]] = False
        return cls(snapshot, alive, rows)

    def reaching(self, nodes: NDArray[np.int32], most: int) -> Names:
        """Return up to `most` names that reach each of these nodes, nearest first, then by name.

        Cost: what is above these nodes and its links, for each of the few names that are told; no more is held at
        once than `ROOM` says, if need be by telling fewer names.
        """
        above = holders(self.snapshot.graph)
        inside = self.alive & (depths(*above, nodes) >= 0)
        first, targets = links_within(*above, inside)
        while True:
            pinned, rows = self._pinned(inside, most)
            work = len(first) + len(targets) * min(most, len(rows))
            room = ROOM if most > FEWEST else np.iinfo(np.int32).max
            at, label, enough = nearest.of(work)(first, targets, pinned, rows, most, room)
            if enough:
                return self._names(nodes, at, label)
            most = max(FEWEST, most // 4)

    def names(self, node: int, most: int) -> list[str]:
        """Return up to `most` names that reach a node, nearest first; an anonymous pin by the key that it is on."""
        return list(self.reaching(np.array([node], np.int32), most).tuples(nearest_first=True)[0])

    def directly(self, nodes: NDArray[np.int32], most: int) -> list[tuple[str, ...]]:
        """Return up to `most` keys and names of what holds each node directly: first links, then pins, each sorted."""
        start, above = first_sources(*holders(self.snapshot.graph), self.alive, nodes, most)
        links = list(_shared(self.snapshot.keys(above), np.arange(len(above)), start))
        inside = np.zeros(len(self.alive), np.bool_)
        inside[nodes] = True
        pins = self._names(nodes, *self._pinned(inside, most)).tuples()
        return [(above + on)[:most] for above, on in zip(links, pins, strict=True)]

    def direct(self, node: int, most: int) -> list[str]:
        """Return the same of one node."""
        return list(self.directly(np.array([node], np.int32), most)[0])

    def _pinned(self, inside: NDArray[np.bool_], most: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return (node, row) for up to `most` names on each node of a set, by row."""
        every = ids(self.snapshot.pins["node"])
        rows = np.flatnonzero(self.rows & inside[every])
        node, label = every[rows], first_of_name(self.snapshot)[rows]
        crowded = np.bincount(node, minlength=len(inside))[node] > 1
        if crowded.any():
            few, some = _fewer(node[crowded], label[crowded], most)
            node, label = np.append(node[~crowded], few), np.append(label[~crowded], some)
        order = np.argsort(label, kind="stable")
        return node[order], label[order].astype(np.int32)

    def _names(self, nodes: NDArray[np.int32], at: NDArray[np.int32], label: NDArray[np.int32]) -> Names:
        """Return the labels of these nodes, of all labels (`label[i]` is at the node `at[i]`), in their order."""
        asked = np.zeros(len(self.alive), np.bool_)
        asked[nodes] = True
        at, label = at[asked[at]], label[asked[at]]
        order = np.argsort(at, kind="stable")
        start = np.zeros(len(self.alive) + 1, np.int64)
        np.cumsum(np.bincount(at, minlength=len(self.alive)), out=start[1:])
        number = start[nodes + 1] - start[nodes]
        return Names(np.append(0, np.cumsum(number)), label[gathered(start, order, nodes)], self.snapshot)


def _fewer(node: NDArray[np.int32], label: NDArray[np.int64], most: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return each pair once, and up to `most` of a node, the first ones."""
    pairs = unique(node.astype(np.int64) << 32 | label)
    on = pairs >> 32
    pairs = pairs[np.arange(len(pairs)) - np.searchsorted(on, on) < most]
    return (pairs >> 32).astype(np.int32), pairs & 0xFFFFFFFF


def _shared(texts: list[str], place: NDArray[np.integer], start: NDArray[np.int64]) -> Iterator[tuple[str, ...]]:
    """Yield the texts of each slice as a tuple, the same object for the same texts."""
    known: dict[bytes, tuple[str, ...]] = {}
    place = place.astype(np.int32)
    for begin, end in pairwise(start.tolist()):
        some = place[begin:end]
        key = some.tobytes()
        if key not in known:
            known[key] = tuple([texts[i] for i in some.tolist()])
        yield known[key]
