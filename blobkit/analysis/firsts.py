"""One name for each blob, and the bytes saved by sharing layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis import group_kernels as kernels
from blobkit.analysis.groups import sums
from blobkit.analysis.reach import live
from blobkit.cache import memoized
from blobkit.snapshot.pins import count_named, first_of_name
from blobkit.snapshot.roles import CONTAINS
from blobkit.snapshot.sets import where
from blobkit.snapshot.tables import KINDS, codes, ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["closures", "first_rows", "saved", "uses"]


@memoized
def first_rows(snapshot: Snapshot) -> NDArray[np.int32]:
    """Return for each node a pin of the name with the smallest closure among those that reach it; ties by name.

    Only names that hold under the policy count; -1 if none reaches the node. Names are handled in the order of their
    closures, and each takes the nodes that are not taken yet: a taken node has its whole closure taken. Cost: the
    closures of different nodes.
    """
    graph = snapshot.graph
    order = np.argsort(closures(snapshot), kind="stable").astype(np.int32)
    name, start, node = _held(snapshot)
    taken = kernels.taken(graph.indptr, graph.indices, order, start, node)
    found: NDArray[np.int32] = np.append(name, np.int32(-1))[taken]
    return found


@memoized
def uses(snapshot: Snapshot) -> NDArray[np.int64]:
    """Return how many reachable manifests link to each node as a part of them. Cost: a pass over the links."""
    links = snapshot.links
    source, target = ids(links["source"]), ids(links["target"])
    counts = CONTAINS[codes(links["kind"])]
    counts &= (live(snapshot.graph) & (codes(snapshot.nodes["kind"]) == KINDS.index("manifest")))[source]
    source, target = source[counts], target[counts]
    again = (source[1:] == source[:-1]) & (target[1:] == target[:-1])
    return np.bincount(target[np.append(True, ~again)[: len(target)]], minlength=len(snapshot.graph.size))


def saved(snapshot: Snapshot, nodes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the bytes that sharing saves: for a layer its size for each use after the first, else 0."""
    is_layer = codes(snapshot.nodes["kind"])[nodes] == KINDS.index("layer")
    found: NDArray[np.int64] = snapshot.graph.size[nodes] * np.maximum(uses(snapshot)[nodes] - 1, 0) * is_layer
    return found


@memoized
def closures(snapshot: Snapshot) -> NDArray[np.int64]:
    """Return the bytes that each name that holds reaches, by name. Cost: the closures of different nodes."""
    _, start, node = _held(snapshot)
    graph, number = snapshot.graph, np.diff(start)
    single = np.flatnonzero(number == 1)
    different, back = np.unique(node[start[single]], return_inverse=True)
    several = np.repeat(number > 1, number)
    begin = np.concatenate((np.arange(len(different) + 1), len(different) + np.cumsum(number[number > 1])))
    size = sums(graph, begin, np.concatenate((different, node[several])), graph.size)
    found = np.empty(len(number), np.int64)
    found[single] = size[back]
    found[number > 1] = size[len(different) :]
    return found


def _held(snapshot: Snapshot) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
    """Return the first pin of each name that holds, and the nodes of the i-th: `node[start[i]:start[i + 1]]`."""
    rows = where(snapshot.holding[: count_named(snapshot)])
    name, start = np.unique(first_of_name(snapshot)[rows], return_index=True)
    return name.astype(np.int32), np.append(start, len(rows)), ids(snapshot.pins["node"])[rows]
