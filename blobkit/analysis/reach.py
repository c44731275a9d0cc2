"""Reachability: the nodes that the roots reach, their depth, and the closure of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from blobkit.analysis import group_kernels, kernels
from blobkit.analysis.referrer_kernels import links_to
from blobkit.cache import memoized
from blobkit.snapshot.sets import pieces, ranges, where

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.graph import ReferenceGraph

    Number = TypeVar("Number", bound=np.integer)

__all__ = [
    "closure",
    "closure_around",
    "closure_sizes",
    "closure_up",
    "depth",
    "incoming",
    "links_from",
    "live",
    "live_without",
    "number_of_links",
    "sources",
    "take_ranges",
    "unknown",
]


LEVELS = 16
"""Levels that numpy goes through: images have at most about five."""


@memoized
def depth(graph: ReferenceGraph) -> NDArray[np.int32]:
    """Return for each node the fewest links from any root: 0 for a root, -1 if none reaches it."""
    return kernels.depths(graph.indptr, graph.indices, _roots(graph.pins))


@memoized
def live(graph: ReferenceGraph) -> NDArray[np.bool_]:
    """Return which nodes the roots reach."""
    return live_without(graph, graph.pins)


@memoized
def unknown(graph: ReferenceGraph) -> NDArray[np.int32]:
    """Return the opaque nodes that the roots reach: the blobs below them are unknown."""
    return np.flatnonzero(graph.opaque & live(graph)).astype(np.int32)


@memoized
def incoming(graph: ReferenceGraph) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the links by target: `sources[start[i]:start[i + 1]]` link to node i."""
    return kernels.reverse(graph.indptr, graph.indices)


def take_ranges(start: NDArray[np.integer], values: NDArray[Number], nodes: NDArray[np.int32]) -> NDArray[Number]:
    """Return `values[start[i]:start[i + 1]]` of all these nodes, concatenated."""
    found: NDArray[Number] = values[ranges(start[nodes], start[nodes + 1])]
    return found


def live_without(graph: ReferenceGraph, pins: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which nodes are reached when only these pins hold.

    While nothing has loaded numba, numpy goes through the levels of a graph, if these are few: that takes less time.
    """
    roots = _roots(pins)
    found = _by_level(graph, roots) if kernels.depths.waits_for_numba(len(graph.size) + len(graph.indices)) else None
    return kernels.depths(graph.indptr, graph.indices, roots) >= 0 if found is None else found


def _by_level(graph: ReferenceGraph, nodes: NDArray[np.int32]) -> NDArray[np.bool_] | None:
    """Return what these nodes reach; None if it has too many levels. Cost: a sort of the links of each level."""
    seen = np.zeros(len(graph.size), np.bool_)
    for _ in range(LEVELS):
        seen[nodes] = True
        targets = take_ranges(graph.indptr, graph.indices, nodes)
        nodes = np.unique(targets[~seen[targets]])
        if not len(nodes):
            return seen
    return None


def sources(graph: ReferenceGraph) -> NDArray[np.int32]:
    """Return the node that each link comes from, in the order of `graph.indices`."""
    return np.repeat(np.arange(len(graph.size), dtype=np.int32), np.diff(graph.indptr))


def number_of_links(graph: ReferenceGraph, nodes: NDArray[np.int32]) -> int:
    """Return how many links these nodes have, together."""
    some = (nodes[piece] for piece in pieces(len(nodes)))
    return sum(int((graph.indptr[part + 1] - graph.indptr[part]).sum()) for part in some)


def links_from(graph: ReferenceGraph, inside: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return how many links each node has from nodes inside a set. Cost: nodes + links."""
    return links_to(graph.indptr, graph.indices, inside)


def closure(graph: ReferenceGraph, nodes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return for each node the fewest links from any of `nodes`, -1 if none reaches it. Cost: nodes + links."""
    return kernels.depths(graph.indptr, graph.indices, nodes)


def closure_around(graph: ReferenceGraph, nodes: NDArray[np.int32], blocked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the nodes that `nodes` reach on paths without blocked nodes. Cost: nodes + links."""
    passes = ~blocked[sources(graph)] & ~blocked[graph.indices]
    first = np.concatenate(([0], np.cumsum(passes)))[graph.indptr].astype(np.int32)
    return kernels.depths(first, graph.indices[passes], nodes) >= 0


def closure_up(graph: ReferenceGraph, node: int) -> NDArray[np.int32]:
    """Return for each node the fewest links down to `node`, -1 if it does not reach it. Cost: nodes + links."""
    return kernels.depths(*incoming(graph), np.array([node], np.int32))


def closure_sizes(graph: ReferenceGraph, nodes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the bytes of the closure of each of `nodes`, which may repeat. Cost: the closures of different ones."""
    different, back = np.unique(nodes, return_inverse=True)
    alone, most = np.arange(len(different) + 1), np.iinfo(np.int64).max
    return group_kernels.summed(graph.indptr, graph.indices, alone, different, graph.size, most)[0][back]


def _roots(pins: NDArray[np.integer]) -> NDArray[np.int32]:
    return where(pins > 0)
