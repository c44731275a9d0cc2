"""Retained bytes, for all nodes at once: the bytes that only one node keeps.

A node dominates another node if every path from the roots to the other one goes through it. A node retains all that it
dominates, itself included. A super-root links to all roots, so no other node dominates a pinned node.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis import kernels
from blobkit.analysis.reach import closure, incoming, links_from, live, sources
from blobkit.cache import memoized

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.graph import ReferenceGraph

__all__ = ["Dominators", "dominators", "frees", "is_cyclic", "leaked", "retained"]


@dataclass(frozen=True, eq=False)
class Dominators:
    """The immediate dominator of each node (n: the super-root; -1: not reached), and an order from the top down.

    `stuck` are nodes on cycles or below them, on a counting store.
    """

    idom: NDArray[np.int32]
    order: NDArray[np.int32]
    cyclic: bool
    stuck: NDArray[np.bool_]


@memoized
def dominators(graph: ReferenceGraph) -> Dominators:
    """Return the dominator tree. Cost: nodes + links * log(depth); with marking and cycles a few passes more.

    Marking: over the nodes that the roots reach. Counting: over all nodes. A node that is not reached, or is on a cycle
    or below one, has a reference that no dropped pin can free, so its dominator is the super-root.
    """
    reached = live(graph)
    inside = np.ones_like(reached) if graph.counting else reached
    root = (graph.pins > 0) | (inside & ~reached)
    idom, order = kernels.dominators(graph.indptr, graph.indices, root, inside, links_from(graph, inside))
    cyclic = len(order) < int(np.count_nonzero(inside))
    stuck = np.zeros(len(inside), np.bool_)
    if cyclic and graph.counting:
        stuck = inside.copy()
        stuck[order] = False
        idom[:-1][stuck] = len(inside)
        order = np.concatenate((np.flatnonzero(stuck).astype(np.int32), order))
    elif cyclic:
        order = kernels.postorder(graph.indptr, graph.indices, root)[::-1].copy()
        idom = kernels.dominators_cyclic(*incoming(graph), root, order)
    return Dominators(idom, order, cyclic, stuck)


@memoized
def is_cyclic(graph: ReferenceGraph) -> bool:
    """Return whether links that matter to the collector form a cycle. Cost: nodes + links."""
    return bool(_stuck(graph).any())


@memoized
def leaked(graph: ReferenceGraph) -> NDArray[np.bool_]:
    """Return the nodes of a counting store that no dropped pin frees: garbage, cycles, and all that these reach."""
    if not graph.counting:
        return np.zeros(len(graph.size), np.bool_)
    return closure(graph, np.flatnonzero(~live(graph) | _stuck(graph)).astype(np.int32)) >= 0


def _stuck(graph: ReferenceGraph) -> NDArray[np.bool_]:
    """Return the nodes on cycles, or below them, of all nodes if references are counted, else of those reached."""
    inside = np.ones(len(graph.size), np.bool_) if graph.counting else live(graph)
    return kernels.stuck(graph.indptr, graph.indices, inside, links_from(graph, inside))


@memoized
def retained(graph: ReferenceGraph) -> NDArray[np.int64]:
    """Return the bytes that only each node keeps, itself included; on a mark-and-sweep store, 0 if not reached."""
    tree = dominators(graph)
    return kernels.totals(tree.idom, tree.order, graph.size)[:-1]


@memoized
def frees(graph: ReferenceGraph) -> NDArray[np.int64]:
    """Return the bytes freed when all pins on a node are dropped: its retained bytes, or 0 if another node holds it.

    Another node that holds it: on a counting store, any node that links to it; on a mark-and-sweep store, any
    *reached* node that links to it, except nodes reached only through the node itself (possible only with cycles).
    """
    if graph.counting:
        held = graph.links_in > 0
    elif dominators(graph).cyclic:
        source = sources(graph)
        others = live(graph)[source] & ~_dominates(graph, graph.indices, source)
        held = np.bincount(graph.indices[others], minlength=len(graph.size)) > 0
    else:
        held = links_from(graph, live(graph)) > 0
    return np.where((graph.pins > 0) & ~held, retained(graph), 0)


def _dominates(graph: ReferenceGraph, above: NDArray[np.int32], below: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return whether each node `above[i]` dominates `below[i]`: its interval in the tree contains the other one."""
    tree = dominators(graph)
    n = len(graph.size)
    one = np.ones(n, np.int64)
    count = kernels.totals(tree.idom, tree.order, one)
    enter = np.zeros(n + 1, np.int64)
    used = np.ones(n + 1, np.int64)
    for node in tree.order.tolist():
        up = tree.idom[node]
        enter[node] = enter[up] + used[up]
        used[up] += count[node]
    return (enter[above] <= enter[below]) & (enter[below] < enter[above] + count[above])
