"""Remove pins: find the exact nodes that are freed, under either kind of collection.

Counting: a node is freed with the last reference to it, so nodes referenced by garbage or by a cycle stay. Marking: a
node is freed when no root reaches it. Without cycles both are the same cascade over counts of references from *reached*
nodes; its cost is the freed nodes. Only if reached links form a cycle, marking reads the whole graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis import kernels
from blobkit.analysis.dominators import is_cyclic
from blobkit.analysis.reach import links_from, live, live_without, number_of_links
from blobkit.cache import memoized
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.graph import ReferenceGraph
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Removal", "drop_pins", "freed", "removal"]

_ID_BITS = 32


@dataclass(frozen=True, eq=False)
class Removal:
    """The freed nodes, by level and then key, virtual nodes included, with the level of each."""

    nodes: NDArray[np.int32]
    level: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _Scratch:
    """The references of each node (all pins as one): the kernel changes and restores them."""

    left: NDArray[np.int32]
    lock: Lock = field(default_factory=Lock)


def removal(graph: ReferenceGraph, nodes: NDArray[np.int32], drops: NDArray[np.integer]) -> Removal:
    """Return the nodes freed when `drops[i]` of the pins on `nodes[i]` (each node once) are dropped together.

    Cost: the freed nodes and their links; nodes + links on a mark-and-sweep store whose reached links form cycles.
    """
    last = (drops > 0) & (drops >= graph.pins[nodes])  # a node that keeps one pin stays, whatever the number dropped
    nodes, once = nodes[last], np.ones(np.count_nonzero(last), np.int64)
    if not graph.counting and is_cyclic(graph):
        gone, level = _by_marking(graph, nodes)
    else:
        scratch = _scratch(graph)
        run = kernels.remove.form(len(graph.size) + len(graph.indices))
        with scratch.lock:
            gone, level = run(graph.indptr, graph.indices, graph.blob, scratch.left, nodes, once)
        kernels.remove.spent += number_of_links(graph, gone) + len(gone)
    packed = level.astype(np.int64) << _ID_BITS
    packed |= gone
    del gone, level  # they may be as long as the nodes
    return _by_level(packed)


def drop_pins(snapshot: Snapshot, rows: NDArray[np.integer], number: NDArray[np.integer]) -> Removal:
    """Return the nodes freed when `number[i]` of the pins in row `rows[i]` of the pin table are dropped together.

    Pins that do not hold under the policy change nothing. Cost: as `removal`.
    """
    holds = snapshot.holding[rows] & (number > 0)
    nodes, back = np.unique(ids(snapshot.pins["node"])[rows[holds]], return_inverse=True)
    drops = np.zeros(len(nodes), np.int64)
    np.add.at(drops, back, number[holds])
    return removal(snapshot.graph, nodes, drops)


def freed(graph: ReferenceGraph, nodes: NDArray[np.int32]) -> tuple[int, int]:
    """Return how many of these nodes are blobs, and their bytes."""
    return int(np.count_nonzero(graph.blob[nodes])), int(graph.size[nodes].sum())


def _by_level(packed: NDArray[np.int64]) -> Removal:
    """Return these nodes sorted by level, then by node; `packed`, which has both, is overwritten."""
    packed.sort()
    nodes = packed.astype(np.int32)  # the lower half
    packed >>= _ID_BITS
    return Removal(nodes, packed.astype(np.int32))


@memoized
def _scratch(graph: ReferenceGraph) -> _Scratch:
    left = links_from(graph, np.ones(len(graph.size), np.bool_) if graph.counting else live(graph))
    left += graph.pins > 0
    return _Scratch(left)


def _by_marking(graph: ReferenceGraph, nodes: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    pins = graph.pins.copy()
    pins[nodes] = 0
    gone = live(graph) & ~live_without(graph, pins)
    level = kernels.levels_within(graph.indptr, graph.indices, graph.blob, gone, links_from(graph, gone))
    found = np.flatnonzero(gone).astype(np.int32)
    return found, level[found]
