"""Approximate the cheapest names to drop, and compute a bound on the error. Plain loops over arrays.

The names of class c are `member[start[c]:start[c + 1]]`: its bytes are freed once all of these are dropped. See
`blobkit.analysis.compiling` for how these loops are compiled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.compiling import Kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["balanced", "reduced"]


@Kernel
def reduced(start: Ints, member: Ints, begin: Ints, classes: Ints, size: Ints, cost: Floats, need: int) -> Bools:
    """Return the names to drop: start with all, and keep names back while at least `need` bytes are freed.

    The first name kept back is the one that loses the fewest bytes for its cost; of equal ones, the first. At the end
    no further name can be kept back, so no name is dropped in vain. Each class is lost once: pairs * log(names). `cost`
    is positive; the classes of name j are `classes[begin[j]:begin[j + 1]]`.
    """
    loss = np.zeros(len(cost), np.int64)
    slack = -need
    for c in range(len(size)):
        slack += size[c]
        for at in range(start[c], start[c + 1]):
            loss[member[at]] += size[c]
    ratio = loss / cost
    heap = np.argsort(ratio, kind="mergesort")  # in order is a heap; of equals the first is on top
    place = np.empty(len(cost), np.int64)
    for at in range(len(heap)):
        place[heap[at]] = at
    tail = len(heap)
    dropped = np.ones(len(cost), np.bool_)
    lost = np.zeros(len(size), np.bool_)
    while tail:
        j = heap[0]
        place[j] = -1
        tail -= 1
        if tail:  # the last one comes to the top, and sinks
            one = heap[tail]
            at = 0
            while 2 * at + 1 < tail:
                below = 2 * at + 1
                if below + 1 < tail:
                    left, right = heap[below], heap[below + 1]
                    if ratio[right] < ratio[left] or (ratio[right] == ratio[left] and right < left):
                        below += 1
                other = heap[below]
                if ratio[one] < ratio[other] or (ratio[one] == ratio[other] and one < other):
                    break
                heap[at] = other
                place[other] = at
                at = below
            heap[at] = one
            place[one] = at
        if loss[j] > slack:  # it comes back when it loses less
            continue
        dropped[j] = False
        slack -= loss[j]
        for k in range(begin[j], begin[j + 1]):
            c = classes[k]
            if lost[c]:
                continue
            lost[c] = True
            for m in range(start[c], start[c + 1]):
                one = member[m]
                loss[one] -= size[c]
                if not dropped[one]:
                    continue
                ratio[one] = loss[one] / cost[one]
                at = place[one]
                if at < 0:
                    at = tail
                    tail += 1
                while at:  # it rises
                    other = heap[(at - 1) // 2]
                    if ratio[other] < ratio[one] or (ratio[other] == ratio[one] and other < one):
                        break
                    heap[at] = other
                    place[other] = at
                    at = (at - 1) // 2
                heap[at] = one
                place[one] = at
    return dropped


@Kernel
def balanced(start: Ints, member: Ints, size: Ints, cost: Floats, share: Floats, rounds: int) -> Floats:
    """Apportion the bytes of each class to its names (`share`, by pair) again, so that bytes per cost are more even.

    For each way to apportion them: names that are dropped free at most the bytes that they have got. The more even, the
    tighter this bound. Method: descent by blocks. Each round takes the classes in turn, and apportions one as evenly as
    the others allow: only its names with the fewest bytes per cost get some, up to one level. The level is found from
    above (Michelot: "A finite algorithm for finding the projection of a point onto the canonical simplex of R^n",
    1986). The sum of squares that falls: Danisch, Chan, Sozio: "Large Scale Density-friendly Graph Decomposition via
    Convex Programming", 2017. Its end is the optimum of the linear program. Cost: about four times the pairs, a round.
    """
    share = share.copy()
    load = np.zeros(len(cost))
    for at in range(len(member)):
        load[member[at]] += share[at]
    for _ in range(rounds):
        for c in range(len(size)):
            first, last = start[c], start[c + 1]
            number = last - first
            if number == 1:
                load[member[first]] += size[c] - share[first]
                share[first] = size[c]
                continue
            filled, width = float(size[c]), 0.0
            for at in range(first, last):
                load[member[at]] -= share[at]
                filled += load[member[at]]
                width += cost[member[at]]
            level = filled / width
            while True:
                filled, width, below = float(size[c]), 0.0, 0
                for at in range(first, last):
                    if load[member[at]] < level * cost[member[at]]:
                        filled += load[member[at]]
                        width += cost[member[at]]
                        below += 1
                if below >= number or below == 0:  # rounding may lose or regain a name: the level is near enough
                    break
                level, number = filled / width, below
            for at in range(first, last):
                share[at] = max(level * cost[member[at]] - load[member[at]], 0.0)
                load[member[at]] += share[at]
    return share
