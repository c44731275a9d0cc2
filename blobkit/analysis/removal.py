"""What goes when pins are dropped, exactly, under either collector.

Counting: a node goes with the last reference to it, so what garbage or a cycle holds stays. Marking: a node goes
when no root reaches it. Without cycles both are the same cascade over counts of *reached* holders, whose cost is
what goes; only where reached links form a cycle does marking look at the whole graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis import kernels
from blobkit.analysis.dominators import is_cyclic
from blobkit.analysis.memory import kept
from blobkit.analysis.reach import links_from, links_from_live, live, live_without

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot import Counted

__all__ = ["Removal", "removal"]

_ID_BITS = 32


@dataclass(frozen=True, eq=False)
class Removal:
    """Nodes that go, by level and then key, stand-ins included, with the level of each."""

    nodes: NDArray[np.int32]
    level: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _Scratch:
    """References that each node has, all its pins as one, and room for levels: the kernel changes and restores both."""

    left: NDArray[np.int32]
    level: NDArray[np.int32]
    lock: Lock = field(default_factory=Lock)


def removal(graph: Counted, nodes: NDArray[np.int32], drops: NDArray[np.int64]) -> Removal:
    """Return what goes when `drops[i]` of the pins on `nodes[i]` (each node once) are dropped together.

    Cost: what goes and its links; where reached links form cycles and the store is marked, nodes + links.
    """
    last = (drops > 0) & (drops >= graph.pins[nodes])  # a node that keeps one pin keeps its place, however many go
    nodes, once = nodes[last], np.ones(np.count_nonzero(last), np.int64)
    if not graph.counting and is_cyclic(graph):
        gone, level = _by_marking(graph, nodes)
    else:
        scratch = _scratch(graph)
        with scratch.lock:
            gone, level = kernels.remove(
                graph.first, graph.targets, graph.blob, scratch.left, scratch.level, nodes, once
            )
    packed = level.astype(np.int64) << _ID_BITS | gone
    packed.sort()
    return Removal((packed & ((1 << _ID_BITS) - 1)).astype(np.int32), (packed >> _ID_BITS).astype(np.int32))


@kept
def _scratch(graph: Counted) -> _Scratch:
    links = graph.links_in if graph.counting else links_from_live(graph)
    left = (links + (graph.pins > 0)).astype(np.int32)
    return _Scratch(left, np.zeros(len(left), np.int32))


def _by_marking(graph: Counted, nodes: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    pins = graph.pins.copy()
    pins[nodes] = 0
    gone = live(graph) & ~live_without(graph, pins)
    level = kernels.levels_within(graph.first, graph.targets, graph.blob, gone, links_from(graph, gone))
    found = np.flatnonzero(gone).astype(np.int32)
    return found, level[found]
