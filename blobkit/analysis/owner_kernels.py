"""The loops of `blobkit.analysis.owners`, compiled if that pays (see `blobkit.analysis.compiling`).

Links are in CSR form. A place is a number, its parent is larger, the last place is the top; -1 is no place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.compiling import Kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]

__all__ = ["below", "pinned", "placed", "pulled", "spread"]


@Kernel
def below(first: Ids, targets: Ids, roots: Ids, seen: Bools) -> Ids:
    """Return the nodes that the roots reach on paths of nodes that are not `seen` yet; mark them as seen.

    Cost: these nodes and their links.
    """
    queue = np.empty(len(seen), np.int32)
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
    return queue[:tail].copy()


@Kernel
def pinned(nodes: Ids, places: Ids, parent: Ids, owner: Ids) -> None:
    """Let `owner` of each node meet the place of each of its pins: `places[i]` is pinned to `nodes[i]`."""
    for i in range(len(nodes)):
        a, b = places[i], owner[nodes[i]]
        while b >= 0 and a != b:
            if a < b:
                a = parent[a]
            else:
                b = parent[b]
        owner[nodes[i]] = a


@Kernel
def placed(owner: Ids, places: int) -> tuple[Ints, Ids]:
    """Return the nodes of each place, in order: `nodes[start[i]:start[i + 1]]`; nodes of no place are left out."""
    start = np.zeros(places + 2, np.int64)
    for place in owner:
        if place >= 0:
            start[place + 2] += 1
    for i in range(places):
        start[i + 2] += start[i + 1]
    nodes = np.empty(start[places + 1], np.int32)
    for node in range(len(owner)):
        if owner[node] >= 0:
            nodes[start[owner[node] + 1]] = node
            start[owner[node] + 1] += 1
    return start[: places + 1], nodes


@Kernel
def pulled(nodes: Ids, start: Ids, sources: Ids, parent: Ids, owner: Ids) -> None:
    """Let `owner` of each node meet the owners of the nodes that link to it, up to the top.

    Links by target: `sources[start[i]:start[i + 1]]` link to node i. Cost: at most these links; two of them for most
    nodes that very many others link to.
    """
    top = len(parent) - 1
    for node in nodes:
        a = owner[node]
        for at in range(start[node], start[node + 1]):
            if a == top:
                break
            b = owner[sources[at]]
            if b < 0:
                continue
            if a < 0:
                a = b
            while a != b:
                if a < b:
                    a = parent[a]
                else:
                    b = parent[b]
        owner[node] = a


@Kernel
def spread(first: Ids, targets: Ids, queue: Ids, number: int, waiting: Bools, parent: Ids, owner: Ids) -> None:
    """Let `owner` of all nodes below meet the owners of the nodes that link to them, until nothing changes.

    `queue` begins with `number` nodes to start from, and has room for all that they reach; `waiting` tells which nodes
    are in it. An owner only goes up, so a node is handled at most once a level of the tree, also on cycles. Owners
    from the last but one place on are final. Cost: nodes + links; a few times that if links go against the order.
    """
    final = len(parent) - 2
    room = len(queue)
    head, tail = 0, number
    while number:
        node = queue[head]
        head = head + 1 if head + 1 < room else 0
        number -= 1
        waiting[node] = False
        mine = owner[node]
        for at in range(first[node], first[node + 1]):
            child = targets[at]
            b = owner[child]
            if b == mine or b >= final:
                continue
            a, old = mine, b
            while b >= 0 and a != b:
                if a < b:
                    a = parent[a]
                else:
                    b = parent[b]
            if a == old:
                continue
            owner[child] = a
            if not waiting[child]:
                waiting[child] = True
                tail = tail if tail < room else 0
                queue[tail] = child
                tail += 1
                number += 1
