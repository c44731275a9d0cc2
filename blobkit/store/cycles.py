"""Cycles among links, which nothing could ever free. Only this file and `analysis/planning.py` import scipy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Ids = NDArray[np.int64]

__all__ = ["back_links", "cycles"]


SPARSE = 8
"""So many numbers a link may be unused before nodes are counted anew."""


def cycles(sources: ArrayLike, targets: ArrayLike) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
    """Yield each set of nodes that reach one another, sorted, with the links among them; also a node with itself.

    The strongly connected components of more than one node, by scipy's compiled Tarjan (no recursion).
    Cost: time and memory in proportion to the links; 8M links take about 2 s.
    """
    source, target, ids = _dense(np.asarray(sources, np.int64), np.asarray(targets, np.int64))
    graph = coo_array((np.ones(len(source), np.int8), (source, target)), shape=(len(ids), len(ids)))
    _, label = connected_components(graph.tocsr(), directed=True, connection="strong")
    inside = (label[source] == label[target]) if len(ids) else np.zeros(0, bool)
    yield from _grouped(label[source[inside]], ids[source[inside]], ids[target[inside]])


def _dense(sources: Ids, targets: Ids) -> tuple[Ids, Ids, Ids]:
    """Return the links between positions, and the node at each; as they are where nodes are dense, which is usual."""
    if not len(sources):
        return sources, targets, sources
    low, high = min(sources.min(), targets.min()), max(sources.max(), targets.max())
    if high - low <= SPARSE * len(sources) + SPARSE:
        return sources - low, targets - low, np.arange(low, high + 1)
    ids, ends = np.unique(np.concatenate([sources, targets]), return_inverse=True)
    source, target = np.split(ends, 2)
    return source, target, ids


def back_links(links: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return links whose removal leaves no cycle among these: those that lead back, in a search depth first."""
    after: dict[int, list[int]] = {}
    for source, target in links:
        after.setdefault(source, []).append(target)
    done: set[int] = set()
    return [link for start in after if start not in done for link in _search(start, after, done)]


def _search(start: int, after: Mapping[int, Sequence[int]], done: set[int]) -> Iterator[tuple[int, int]]:
    way = {start: iter(after[start])}  # the nodes from the start to where the search is, in this order
    while way:
        node = next(reversed(way))
        target = next(way[node], None)
        if target is None:
            done.add(node)
            del way[node]
        elif target in way:
            yield node, target
        elif target not in done:
            way[target] = iter(after.get(target, ()))


def _grouped(label: Ids, sources: Ids, targets: Ids) -> Iterator[tuple[list[int], list[tuple[int, int]]]]:
    """Yield the members and the links of each component."""
    order = np.argsort(label, kind="stable")
    cuts = np.flatnonzero(np.diff(label[order])) + 1
    for part in np.split(order, cuts):
        links = list(zip(sources[part].tolist(), targets[part].tolist(), strict=True))
        if links:
            yield sorted({end for link in links for end in link}), links
