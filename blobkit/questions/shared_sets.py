"""The sets behind what several keep: blobs of a place by the exact set of its children that reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.groups import reach
from blobkit.analysis.owners import owners_at_first
from blobkit.analysis.tree import tree
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]

__all__ = ["SharedSets", "shared_sets"]


@dataclass(frozen=True, eq=False)
class SharedSets:
    """Sets of children of a place, those that share most bytes first.

    Set i shares the nodes `nodes[start[i]:start[i + 1]]`, the biggest first, of `bytes[i]` in all; its children are the
    places `members[of[i]:of[i + 1]]`.
    """

    nodes: Ids
    start: Ints
    bytes: Ints
    members: Ids
    of: Ints

    def nodes_of(self, which: int) -> Ids:
        """Return the nodes of a set, the biggest first."""
        return self.nodes[self.start[which] : self.start[which + 1]]

    def members_of(self, which: int) -> Ids:
        """Return the children of a set, as places."""
        return self.members[self.of[which] : self.of[which + 1]]


def shared_sets(snapshot: Snapshot, place: int) -> SharedSets:
    """Return the sets of children of a place that share what it owns. Cost: the reach of the children, a sort.

    Two different sets are taken for one with a probability of 2**-128 for each pair of them.
    """
    graph, child, start, roots = snapshot.graph, *_children(snapshot, place)
    found = reach(graph, start, roots)
    nodes = np.flatnonzero((owners_at_first(snapshot).owner == place) & graph.blob).astype(np.int32)
    one, two = (word[nodes] for word in found.signatures())
    order = np.lexsort((nodes, -graph.size[nodes], two, one))
    nodes, one, two = nodes[order], one[order], two[order]
    first = np.flatnonzero(np.concatenate(([True] * (len(nodes) > 0), (one[1:] != one[:-1]) | (two[1:] != two[:-1]))))
    size = np.add.reduceat(graph.size[nodes], first) if len(first) else np.empty(0, np.int64)
    by_size = np.argsort(-size, kind="stable")
    ends = np.append(first[1:], len(nodes))
    parts = [nodes[a:b] for a, b in zip(first[by_size].tolist(), ends[by_size].tolist(), strict=True)]
    of, members = found.members(nodes[first[by_size]])
    number = np.array([len(part) for part in parts], np.int64)
    starts = np.concatenate(([0], np.cumsum(number)))
    return SharedSets(np.concatenate([nodes[:0], *parts]), starts, size[by_size], child[members], of)


def _children(snapshot: Snapshot, place: int) -> tuple[Ids, Ints, Ids]:
    """Return the children of a place with pins that hold, and the nodes of these pins, by child."""
    places = tree(snapshot)
    rows = np.flatnonzero(snapshot.holding)
    at = places.place_of[rows].copy()
    while (below := (places.parent[at] != place) & (at != places.store)).any():
        at[below] = places.parent[at[below]]
    inside = at != places.store
    at, node = at[inside], ids(snapshot.pins["node"])[rows[inside]]
    order = np.argsort(at, kind="stable")
    child, start = np.unique(at[order], return_index=True)
    return child.astype(np.int32), np.append(start, len(order)), node[order]
