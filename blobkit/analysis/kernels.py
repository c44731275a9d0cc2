"""Graph algorithms as plain loops over arrays, compiled if that pays (see `blobkit.analysis.compiling`).

Nothing here recurses. Links are in CSR form: those of node i go to `targets[first[i]:first[i + 1]]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.compiling import Kernel, steep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]

__all__ = [
    "depths",
    "dominators",
    "dominators_cyclic",
    "levels_within",
    "postorder",
    "remove",
    "reverse",
    "stuck",
    "totals",
]

GONE = -(1 << 30)
"""In `remove`, freed nodes have this plus their position: it stays below zero, as there are fewer nodes than this."""


@Kernel
def depths(first: Ids, targets: Ids, roots: Ids) -> Ids:
    """Return for each node the fewest links from any root, -1 if no root reaches it. Cost: nodes + links."""
    n = len(first) - 1
    depth = np.full(n, -1, np.int32)
    queue = np.empty(n, np.int32)
    head = tail = 0
    for root in roots:
        if depth[root] < 0:
            depth[root] = 0
            queue[tail] = root
            tail += 1
    while head < tail:
        node = queue[head]
        head += 1
        for at in range(first[node], first[node + 1]):
            child = targets[at]
            if depth[child] < 0:
                depth[child] = depth[node] + 1
                queue[tail] = child
                tail += 1
    return depth


@Kernel
def reverse(first: Ids, targets: Ids) -> tuple[Ids, Ids]:
    """Return the links in CSR form by target: the sources of each node, in order. Cost: nodes + links."""
    n = len(first) - 1
    start = np.zeros(n + 2, np.int32)
    for at in range(len(targets)):
        start[targets[at] + 2] += 1
    for node in range(n):
        start[node + 2] += start[node + 1]
    sources = np.empty(len(targets), np.int32)
    for node in range(n):
        for at in range(first[node], first[node + 1]):
            child = targets[at]
            sources[start[child + 1]] = node
            start[child + 1] += 1
    return start[: n + 1], sources


@Kernel
def remove(first: Ids, targets: Ids, blob: Bools, left: Ids, nodes: Ids, drops: Ints) -> tuple[Ids, Ids]:
    """Return the nodes that are freed, with the level of each, when `drops[i]` references on `nodes[i]` are dropped.

    The least fixpoint over counts. `left` has the references of each node; it is restored before it returns. A level
    is the number of blobs on the longest path from a dropped pin; virtual nodes do not count. Cost: the freed nodes and
    their links.
    """
    queue = np.empty(len(left), np.int32)
    head = tail = 0
    for i in range(len(nodes)):
        left[nodes[i]] -= drops[i]
        if left[nodes[i]] == 0:
            left[nodes[i]] = GONE
            queue[tail] = nodes[i]
            tail += 1
    while head < tail:
        node = queue[head]
        head += 1
        for at in range(first[node], first[node + 1]):
            child = targets[at]
            left[child] -= 1
            if left[child] == 0:
                left[child] = GONE
                queue[tail] = child
                tail += 1
    gone = queue[:tail].copy()
    level, number = np.zeros(tail, np.int32), np.zeros(tail, np.int32)
    for k in range(tail):
        left[gone[k]] = GONE + k
    for k in range(tail):  # what holds a node is before it: its level is known
        node = gone[k]
        below = level[k] + blob[node]
        for at in range(first[node], first[node + 1]):
            child = targets[at]
            if left[child] < 0:
                number[left[child] - GONE] += 1
                level[left[child] - GONE] = max(level[left[child] - GONE], below)
            else:
                left[child] += 1
    for k in range(tail):
        left[gone[k]] = number[k]
    for i in range(len(nodes)):
        left[nodes[i]] += drops[i]
    return gone, level


@Kernel
def levels_within(first: Ids, targets: Ids, blob: Bools, inside: Bools, degree: Ids) -> Ids:
    """Return the level of each node of a set, as `remove` counts it, also if links form cycles; -1 outside.

    `degree`: the links to each node from inside, overwritten here. If only nodes on cycles are left, the one with the
    smallest key is taken first. Cost: nodes + links.
    """
    n = len(first) - 1
    level = np.where(inside, 0, -1).astype(np.int32)
    queue = np.empty(n, np.int32)
    done = np.zeros(n, np.bool_)
    head = tail = 0
    for node in range(n):
        if inside[node] and degree[node] == 0:
            queue[tail] = node
            tail += 1
            done[node] = True
    for stalled in range(n):
        while head < tail:
            node = queue[head]
            head += 1
            for at in range(first[node], first[node + 1]):
                child = targets[at]
                degree[child] -= 1
                if inside[child] and not done[child]:
                    level[child] = max(level[child], level[node] + blob[node])
                    if degree[child] == 0:
                        queue[tail] = child
                        tail += 1
                        done[child] = True
        if inside[stalled] and not done[stalled]:
            queue[tail] = stalled
            tail += 1
            done[stalled] = True
    return level


@Kernel
def stuck(first: Ids, targets: Ids, inside: Bools, degree: Ids) -> Bools:
    """Return the nodes of a set that are on cycles or below them: no topological order has them.

    `degree`: the links to each node from inside, overwritten here. Cost: nodes + links.
    """
    left = inside.copy()
    stack = np.empty(len(inside), np.int32)
    height = 0
    for node in range(len(inside)):
        if inside[node] and degree[node] == 0:
            stack[height] = node
            height += 1
    while height:
        height -= 1
        node = stack[height]
        left[node] = False
        for at in range(first[node], first[node + 1]):
            child = targets[at]
            degree[child] -= 1
            if degree[child] == 0 and inside[child]:
                stack[height] = child
                height += 1
    return left


@Kernel
def dominators(first: Ids, targets: Ids, root: Bools, inside: Bools, degree: Ids) -> tuple[Ids, Ids]:
    """Return the immediate dominator of each node in `inside`, and these nodes in topological order.

    A super-root (node n) links to every `root`; -1 for nodes outside; `degree`: the links to each node from inside,
    overwritten here. One pass in topological order: the dominator is the lowest common ancestor of the predecessors,
    found by jump pointers of skew-binary length (Myers 1983). Nodes on cycles or below them have no topological
    order, so the result omits them. Cost: nodes + links * log(depth).
    """
    n = len(first) - 1
    idom = np.full(n + 1, -1, np.int32)
    depth = np.zeros(n + 1, np.int32)
    jump = np.full(n + 1, n, np.int32)
    order = np.empty(n, np.int32)
    idom[n] = n
    head = tail = 0
    for node in range(n):
        if inside[node]:
            if root[node]:
                idom[node] = n
            if degree[node] == 0:
                order[tail] = node
                tail += 1
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
                a, b = (b, a) if depth[a] > depth[b] else (a, b)
                while depth[b] > depth[a]:
                    b = jump[b] if depth[jump[b]] >= depth[a] else idom[b]
                while a != b:
                    if jump[a] != jump[b]:
                        a, b = jump[a], jump[b]
                    else:
                        a, b = idom[a], idom[b]
                idom[child] = a
            degree[child] -= 1
            if degree[child] == 0:
                order[tail] = child
                tail += 1
    return idom, order[:tail]


@Kernel
def postorder(first: Ids, targets: Ids, root: Bools) -> Ids:
    """Return the nodes that the roots reach, in the postorder of a depth-first search. Cost: nodes + links."""
    n = len(first) - 1
    order = np.empty(n, np.int32)
    stack = np.empty(n, np.int32)
    pointer = first[:n].copy()
    seen = np.zeros(n, np.bool_)
    tail = 0
    for top in range(n):
        if not root[top] or seen[top]:
            continue
        stack[0] = top
        seen[top] = True
        height = 1
        while height:
            node = stack[height - 1]
            if pointer[node] < first[node + 1]:
                child = targets[pointer[node]]
                pointer[node] += 1
                if not seen[child]:
                    seen[child] = True
                    stack[height] = child
                    height += 1
            else:
                height -= 1
                order[tail] = node
                tail += 1
    return order[:tail]


@steep
def dominators_cyclic(start: Ids, sources: Ids, root: Bools, order: Ids) -> Ids:
    """Return the immediate dominators of the nodes in `order` (a reverse postorder), also if links form cycles.

    Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm" (2001): passes until nothing changes, over the
    links by target. Cost: a few passes, more if cycles nest deeply.
    """
    n = len(root)
    number = np.full(n + 1, -1, np.int32)
    for k in range(len(order)):
        number[order[k]] = len(order) - 1 - k
    number[n] = len(order)
    idom = np.full(n + 1, -1, np.int32)
    idom[n] = n
    changed = True
    while changed:
        changed = False
        for node in order:
            new = n if root[node] else -1
            for at in range(start[node], start[node + 1]):
                other = sources[at]
                if idom[other] < 0:
                    continue
                if new < 0:
                    new = other
                while new != other:
                    while number[new] < number[other]:
                        new = idom[new]
                    while number[other] < number[new]:
                        other = idom[other]
            if idom[node] != new:
                idom[node] = new
                changed = True
    return idom


@Kernel
def totals(idom: Ids, order: Ids, size: Ints) -> Ints:
    """Return the bytes of each dominator subtree; `order` has every dominator before the nodes that it dominates."""
    total = np.zeros(len(idom), np.int64)
    for node in order:
        total[node] = size[node]
    for k in range(len(order) - 1, -1, -1):
        total[idom[order[k]]] += total[order[k]]
    return total
