"""Incoming references: the links and pins on a blob, now or after some pins are dropped."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.owner_kernels import below
from blobkit.analysis.reach import incoming, live
from blobkit.analysis.referrer_kernels import first_sources, links_within, nearest
from blobkit.snapshot.pins import first_of_name, pin_labels
from blobkit.snapshot.sets import ranges, unique
from blobkit.snapshot.tables import ids, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Names", "Referrers"]

ROOM = 1 << 24
"""The most pairs of a node and a name in memory: 200 MB. If more are needed, each node gets fewer names."""
FEWEST = 4


@dataclass(frozen=True, eq=False)
class Names:
    """Some names for each of several nodes: the i-th has `texts[rows[start[i]:start[i + 1]]]`.

    `rows` are rows of the pin table, one for all rows of the same name; an anonymous pin is named by the key of its
    node.
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
        names = pin_labels(self.snapshot, different)
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
class Referrers:
    """The incoming references in a snapshot: from nodes that are `alive`, and from pins that hold (`rows`)."""

    snapshot: Snapshot
    alive: NDArray[np.bool_]
    rows: NDArray[np.bool_]

    @classmethod
    def now(cls, snapshot: Snapshot) -> Referrers:
        """Return the references as they are now."""
        return cls(snapshot, live(snapshot.graph), snapshot.holding)

    @classmethod
    def after(
        cls, snapshot: Snapshot, row: NDArray[np.int64], number: NDArray[np.int64], gone: NDArray[np.int32]
    ) -> Referrers:
        """Return the references after these pins (rows, with their numbers) are dropped and these nodes are gone."""
        alive, rows = live(snapshot.graph).copy(), snapshot.holding.copy()
        alive[gone] = False
        rows[row[number >= numbers(snapshot.pins["count"])[row]]] = False
        return cls(snapshot, alive, rows)

    def reaching(self, nodes: NDArray[np.int32], most: int) -> Names:
        """Return up to `most` names that reach each of these nodes, nearest first, then by name.

        Cost: the nodes above these and their links, for each of the few names returned. At most `ROOM` pairs are in
        memory; if more are needed, fewer names are returned.
        """
        above, inside = incoming(self.snapshot.graph), ~self.alive
        below(*above, nodes, inside)  # nothing alive is above what is not: it would keep it alive
        inside &= self.alive
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
        """Return up to `most` names that reach a node, nearest first; an anonymous pin by the key of its node."""
        return list(self.reaching(np.array([node], np.int32), most).tuples(nearest_first=True)[0])

    def incoming(self, nodes: NDArray[np.int32], most: int) -> list[tuple[str, ...]]:
        """Return up to `most` direct references to each node: keys that link to it, then names of pins, sorted."""
        start, above = first_sources(*incoming(self.snapshot.graph), self.alive, nodes, most)
        links = list(_shared(self.snapshot.keys(above), np.arange(len(above)), start))
        inside = np.zeros(len(self.alive), np.bool_)
        inside[nodes] = True
        pins = self._names(nodes, *self._pinned(inside, most)).tuples()
        return [(above + on)[:most] for above, on in zip(links, pins, strict=True)]

    def incoming_of(self, node: int, most: int) -> list[str]:
        """Return up to `most` direct references to one node."""
        return list(self.incoming(np.array([node], np.int32), most)[0])

    def _pinned(self, inside: NDArray[np.bool_], most: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return (node, row) for up to `most` names on each node of a set, by row."""
        every = ids(self.snapshot.pins["node"])
        rows = np.flatnonzero(self.rows & inside[every])
        node, label = every[rows], first_of_name(self.snapshot)[rows]
        crowded = _repeated(node, len(inside))
        if crowded.any():
            few, some = _fewer(node[crowded], label[crowded], most)
            node, label = np.append(node[~crowded], few), np.append(label[~crowded], some)
        order = np.argsort(label, kind="stable")
        return node[order], label[order].astype(np.int32)

    def _names(self, nodes: NDArray[np.int32], at: NDArray[np.int32], label: NDArray[np.int32]) -> Names:
        """Return the labels of these nodes, in order; `label[i]` of all labels is at the node `at[i]`."""
        asked = np.zeros(len(self.alive), np.bool_)
        asked[nodes] = True
        at, label = at[asked[at]], label[asked[at]]
        order = np.argsort(at, kind="stable")
        at = at[order]
        first, last = (np.searchsorted(at, nodes, side=side) for side in ("left", "right"))
        return Names(np.append(0, np.cumsum(last - first)), label[order[ranges(first, last)]], self.snapshot)


def _repeated(values: NDArray[np.int32], end: int) -> NDArray[np.bool_]:
    """Return which of these numbers below `end` are there more than once."""
    last, repeated = np.empty(end, np.int32), np.zeros(end, np.bool_)
    last[values] = np.arange(len(values))
    repeated[values[last[values] != np.arange(len(values))]] = True
    found: NDArray[np.bool_] = repeated[values]
    return found


def _fewer(node: NDArray[np.int32], label: NDArray[np.int32], most: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return each pair once, and at most the first `most` pairs of a node."""
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
