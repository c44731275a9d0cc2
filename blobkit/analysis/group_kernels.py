"""Find the nodes that groups of roots reach: plain loops over arrays (see `blobkit.analysis.compiling`).

The roots of group g are `roots[start[g]:start[g + 1]]`. If all pairs of a group and a node that it reaches fit into
memory, they are listed; else groups are handled in batches, with a row of bits for each node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.compiling import Kernel, steep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]

__all__ = [
    "BITS",
    "FULL",
    "WORDS",
    "apportioned",
    "bits_dealt",
    "bits_spread",
    "bits_summed",
    "components",
    "placed",
    "searched",
    "summed",
    "taken",
]

BITS, WORDS = 63, 8
"""Groups in a word (the sign bit is not used), and words in a batch: a cache line."""
FULL = (1 << BITS) - 1


@steep
def searched(first: Ids, targets: Ids, start: Ints, roots: Ids, most: int) -> tuple[Ints, Ids, bool]:
    """Return the nodes that each group reaches, each once, group after group, and where each group begins.

    It gives up (False) before it lists more than `most` nodes. Cost: the listed nodes and their links.
    """
    n = len(first) - 1
    groups = len(start) - 1
    stamp = np.full(n, -1, np.int32)
    begin = np.zeros(groups + 1, np.int64)
    found = np.empty(max(n, 64), np.int32)
    tail = 0
    for group in range(groups):
        head = tail
        if tail + n > len(found):
            found = np.concatenate((found, np.empty(len(found) // 2 + n, np.int32)))
        for i in range(start[group], start[group + 1]):
            if stamp[roots[i]] != group:
                stamp[roots[i]] = group
                found[tail] = roots[i]
                tail += 1
        while head < tail <= most:
            node = found[head]
            head += 1
            for at in range(first[node], first[node + 1]):
                child = targets[at]
                if stamp[child] != group:
                    stamp[child] = group
                    found[tail] = child
                    tail += 1
        if tail > most:
            return begin, found[:0].copy(), False
        begin[group + 1] = tail
    return begin, found[:tail].copy(), True


@steep
def summed(first: Ids, targets: Ids, start: Ints, roots: Ids, weight: Ints, most: int) -> tuple[Ints, bool]:
    """Return the total weight of the nodes that each group reaches, without a list of these nodes.

    It gives up (False) before it meets more than `most` nodes. Cost: these nodes and their links.
    """
    n = len(first) - 1
    stamp = np.full(n, -1, np.int32)
    stack = np.empty(n, np.int32)
    total = np.zeros(len(start) - 1, np.int64)
    left = most
    for group in range(len(total)):
        height = 0
        for i in range(start[group], start[group + 1]):
            if stamp[roots[i]] != group:
                stamp[roots[i]] = group
                stack[height] = roots[i]
                height += 1
        while height and left > 0:
            height -= 1
            left -= 1
            node = stack[height]
            total[group] += weight[node]
            for at in range(first[node], first[node + 1]):
                child = targets[at]
                if stamp[child] != group:
                    stamp[child] = group
                    stack[height] = child
                    height += 1
        if height:
            return total, False
    return total, True


@Kernel
def apportioned(left: Ints, begin: Ints, found: Ids) -> Ints:
    """Return how often each group is among the first `left[node]` groups that reach a node. `left` is overwritten."""
    number = np.zeros(len(begin) - 1, np.int64)
    for group in range(len(number)):
        for i in range(begin[group], begin[group + 1]):
            node = found[i]
            if left[node] > 0:
                left[node] -= 1
                number[group] += 1
    return number


@Kernel
def placed(place: Ids, start: Ints, begin: Ints, found: Ids) -> Ids:
    """Return the groups that reach each node, in order, from `start[place[node]]` on; none if it has no place."""
    groups = np.empty(start[-1], np.int32)
    at = start.copy()
    for group in range(len(begin) - 1):
        for i in range(begin[group], begin[group + 1]):
            row = place[found[i]]
            if row >= 0:
                groups[at[row]] = group
                at[row] += 1
    return groups


@Kernel
def taken(first: Ids, targets: Ids, order: Ids, start: Ints, roots: Ids) -> Ids:
    """Return the first group, in this order, that reaches each node; -1 if none does. Cost: nodes + links."""
    n = len(first) - 1
    owner = np.full(n, -1, np.int32)
    stack = np.empty(n, np.int32)
    for group in order:
        for i in range(start[group], start[group + 1]):
            if owner[roots[i]] >= 0:
                continue
            owner[roots[i]] = group
            stack[0] = roots[i]
            height = 1
            while height:
                height -= 1
                node = stack[height]
                for at in range(first[node], first[node + 1]):
                    child = targets[at]
                    if owner[child] < 0:
                        owner[child] = group
                        stack[height] = child
                        height += 1
    return owner


@Kernel
def components(first: Ids, targets: Ids) -> tuple[Ids, Ids]:
    """Return the strongly connected component of each node, and all nodes ordered by component.

    Links between components lead from a lower to a higher one. Tarjan (1972), without recursion: nodes + links.
    """
    n = len(first) - 1
    index = np.full(n, -1, np.int32)
    low = np.zeros(n, np.int32)
    component = np.full(n, -1, np.int32)
    order = np.empty(n, np.int32)
    pointer = first[:n].copy()
    path = np.empty(n, np.int32)
    open_ = np.empty(n, np.int32)
    seen = tail = waiting = 0
    number = n - 1
    for top in range(n):
        if index[top] >= 0:
            continue
        path[0] = top
        height = 1
        while height:
            node = path[height - 1]
            if index[node] < 0:
                index[node] = low[node] = seen
                seen += 1
                open_[waiting] = node
                waiting += 1
            if pointer[node] < first[node + 1]:
                child = targets[pointer[node]]
                pointer[node] += 1
                if index[child] < 0:
                    path[height] = child
                    height += 1
                elif component[child] < 0:
                    low[node] = min(low[node], index[child])
                continue
            height -= 1
            if height:
                low[path[height - 1]] = min(low[path[height - 1]], low[node])
            if low[node] == index[node]:
                last = -1
                while last != node:
                    waiting -= 1
                    last = open_[waiting]
                    component[last] = number
                    order[n - 1 - tail] = last
                    tail += 1
                number -= 1
    return component, order


@Kernel
def bits_spread(first: Ids, targets: Ids, component: Ids, order: Ids, start: Ints, roots: Ids) -> Ints:
    """Return for each component the groups (at most BITS * WORDS) that reach it: bit g % BITS of word g // BITS.

    Cost: nodes + links, a cache line each.
    """
    bits = np.zeros((len(component), WORDS), np.int64)
    for group in range(len(start) - 1):
        for i in range(start[group], start[group + 1]):
            bits[component[roots[i]], group // BITS] |= 1 << (group % BITS)
    for node in order:
        own = component[node]
        if not bits[own].any():
            continue
        for at in range(first[node], first[node + 1]):
            child = component[targets[at]]
            if child != own:
                for word in range(WORDS):
                    bits[child, word] |= bits[own, word]
    return bits


@Kernel
def bits_summed(component: Ids, bits: Ints, weight: Ints) -> Ints:
    """Return the total weight of the nodes that each group of a batch reaches."""
    total = np.zeros(BITS * WORDS, np.int64)
    every = np.zeros(WORDS, np.int64)
    for node in range(len(component)):
        if weight[node] == 0:
            continue
        for word in range(WORDS):
            row = bits[component[node], word]
            if row == FULL:
                every[word] += weight[node]
            elif row:
                for bit in range(BITS):
                    if (row >> bit) & 1:
                        total[word * BITS + bit] += weight[node]
    for i in range(len(total)):
        total[i] += every[i // BITS]
    return total


@Kernel
def bits_dealt(component: Ids, bits: Ints, left: Ints) -> Ints:
    """Return how often each group of a batch is among the next `left[node]` that reach a node; reduces `left`."""
    number = np.zeros(BITS * WORDS, np.int64)
    every = np.zeros(WORDS, np.int64)
    for node in range(len(component)):
        for word in range(WORDS):
            row = bits[component[node], word]
            if left[node] == 0:
                break
            if row == FULL and left[node] >= BITS:
                every[word] += 1
                left[node] -= BITS
            elif row:
                for bit in range(BITS):
                    if (row >> bit) & 1 and left[node] > 0:
                        number[word * BITS + bit] += 1
                        left[node] -= 1
    for i in range(len(number)):
        number[i] += every[i // BITS]
    return number
