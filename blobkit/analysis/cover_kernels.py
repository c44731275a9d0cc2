"""Which names to drop for so many bytes, nearly; and a bound that says how near. Plain loops over arrays.

The names of class c are `member[start[c]:start[c + 1]]`: its bytes go once all of them are dropped. See
`blobkit.analysis.compiling` for how these loops are compiled.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.compiling import Kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["balanced", "peeled"]


@Kernel
def peeled(start: Ints, member: Ints, begin: Ints, classes: Ints, size: Ints, cost: Floats, need: int) -> Bools:
    """Return which names stay dropped when all are, and are then taken back while at least `need` bytes go.

    Taken back first: what loses fewest bytes for its cost; of equals the first. None that is left could be taken
    back, so none is dropped in vain. Each class is lost once: pairs * log(pairs). `cost` is positive; the classes
    of name j are `classes[begin[j]:begin[j + 1]]`.
    """
    loss = np.zeros(len(cost), np.int64)
    slack = -need
    for c in range(len(size)):
        slack += size[c]
        for at in range(start[c], start[c + 1]):
            loss[member[at]] += size[c]
    heap = [(loss[j] / cost[j], j) for j in range(len(cost))]
    heapq.heapify(heap)
    dropped = np.ones(len(cost), np.bool_)
    lost = np.zeros(len(size), np.bool_)
    while heap:
        ratio, j = heapq.heappop(heap)
        if not dropped[j] or loss[j] > slack or ratio != loss[j] / cost[j]:
            continue
        dropped[j] = False
        slack -= loss[j]
        for at in range(begin[j], begin[j + 1]):
            c = classes[at]
            if not lost[c]:
                lost[c] = True
                for place in range(start[c], start[c + 1]):
                    other = member[place]
                    loss[other] -= size[c]
                    if dropped[other]:
                        heapq.heappush(heap, (loss[other] / cost[other], other))
    return dropped


@Kernel
def balanced(start: Ints, member: Ints, size: Ints, cost: Floats, rounds: int) -> Floats:
    """Return the bytes of each class dealt to its names so that bytes for cost come out as even as can be.

    However they are dealt, names that are dropped free no more together than they were dealt. The evener, the
    nearer that bound: Frank and Wolfe's steps towards the least sum of squares, `rounds` times all pairs (Danisch,
    Chan, Sozio: "Large Scale Density-friendly Graph Decomposition via Convex Programming", 2017).
    """
    load = np.zeros(len(cost))
    for c in range(len(size)):
        for at in range(start[c], start[c + 1]):
            load[member[at]] += size[c] / (start[c + 1] - start[c])
    for turn in range(rounds):
        step = 2.0 / (turn + 3.0)
        dealt = np.zeros(len(cost))
        for c in range(len(size)):
            best = member[start[c]]
            for at in range(start[c] + 1, start[c + 1]):
                other = member[at]
                if (load[other] + step * dealt[other]) * cost[best] < (load[best] + step * dealt[best]) * cost[other]:
                    best = other
            dealt[best] += size[c]
        for j in range(len(cost)):
            load[j] = (1 - step) * load[j] + step * dealt[j]
    return load
