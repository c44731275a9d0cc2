"""The best known way to do each step of the analysis: plain loops compiled by numba, with nothing that blobkit needs.

Twice as fast as these would be C with prefetching; slower is whatever walks a graph level by level or node by node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]

compiled = numba.njit(cache=True, nogil=True)


@compiled
def csr(n: int, source: Ids, target: Ids) -> tuple[Ints, Ids]:
    """The links by source, from pairs in any order."""
    first = np.zeros(n + 1, np.int64)
    targets = np.empty(len(source), np.int32)
    for i in range(len(source)):
        first[source[i] + 1] += 1
    for i in range(n):
        first[i + 1] += first[i]
    for i in range(len(source)):
        targets[first[source[i]]] = target[i]
        first[source[i]] += 1
    for i in range(n, 0, -1):
        first[i] = first[i - 1]
    first[0] = 0
    return first, targets


@compiled
def reach(first: Ints, targets: Ids, roots: Ids) -> NDArray[np.bool_]:
    """What the roots reach."""
    n = len(first) - 1
    seen = np.zeros(n, np.bool_)
    queue = np.empty(n, np.int32)
    head = tail = 0
    for root in roots:
        if not seen[root]:
            seen[root] = True
            queue[tail] = root
            tail += 1
    while head < tail:
        node = queue[head]
        head += 1
        for at in range(first[node], first[node + 1]):
            child = targets[at]
            if not seen[child]:
                seen[child] = True
                queue[tail] = child
                tail += 1
    return seen


@compiled
def cascade(  # noqa: PLR0913, PLR0917 (arrays come one by one)
    first: Ints, targets: Ids, size: Ints, left: Ids, roots: Ids, drops: Ints, queue: Ids
) -> tuple[int, int]:
    """How many nodes and bytes go when `drops` references on the roots go; `left` is restored."""
    head = tail = total = 0
    for i in range(len(roots)):
        left[roots[i]] -= drops[i]
        if left[roots[i]] == 0:
            queue[tail] = roots[i]
            tail += 1
    while head < tail:
        node = queue[head]
        head += 1
        total += size[node]
        for at in range(first[node], first[node + 1]):
            child = targets[at]
            left[child] -= 1
            if left[child] == 0:
                queue[tail] = child
                tail += 1
    for k in range(tail):
        for at in range(first[queue[k]], first[queue[k] + 1]):
            left[targets[at]] += 1
    for i in range(len(roots)):
        left[roots[i]] += drops[i]
    return tail, total


@compiled
def dominators(first: Ints, targets: Ids, pins: Ints, degree: Ids) -> tuple[Ids, Ids]:  # noqa: C901 (one loop nest)
    """The immediate dominator of each node of an acyclic graph in which all is reached, and a topological order."""
    n = len(first) - 1
    idom = np.empty(n + 1, np.int32)
    depth = np.zeros(n + 1, np.int32)
    jump = np.empty(n + 1, np.int32)
    order = np.empty(n, np.int32)
    idom[n] = jump[n] = n
    head = tail = 0
    for node in range(n):
        idom[node] = n if pins[node] > 0 else -1
        if degree[node] == 0:
            order[tail] = node
            tail += 1
            idom[node] = n
    while head < tail:
        node = order[head]
        head += 1
        up = idom[node]
        leap = jump[up]
        depth[node] = depth[up] + 1
        jump[node] = jump[leap] if depth[up] - depth[leap] == depth[leap] - depth[jump[leap]] else up
        for at in range(first[node], first[node + 1]):
            child = targets[at]
            a = idom[child]
            if a < 0:
                idom[child] = node
            elif a != n:
                b = node
                if depth[a] > depth[b]:
                    a, b = b, a
                while depth[b] > depth[a]:
                    b = jump[b] if depth[jump[b]] >= depth[a] else idom[b]
                while a != b:
                    if jump[a] == jump[b]:
                        a, b = idom[a], idom[b]
                    else:
                        a, b = jump[a], jump[b]
                idom[child] = a
            degree[child] -= 1
            if degree[child] == 0:
                order[tail] = child
                tail += 1
    return idom, order[:tail]


@compiled
def retained(idom: Ids, order: Ids, size: Ints) -> Ints:
    """The bytes below each node of the dominator tree."""
    total = np.zeros(len(order) + 1, np.int64)
    total[: len(size)] = size
    for k in range(len(order) - 1, -1, -1):
        total[idom[order[k]]] += total[order[k]]
    return total
