"""Kernels for incoming references: the names that reach a node, and the nodes that link to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.compiling import Kernel, steep

if TYPE_CHECKING:
    from blobkit.analysis.kernels import Bools, Ids, Ints

__all__ = ["first_sources", "links_to", "links_within", "losses", "nearest"]


@Kernel
def links_to(first: Ids, targets: Ids, inside: Bools) -> Ids:
    """Return how many links each node has from nodes of a set. Cost: nodes + links, with no copies (unlike numpy)."""
    number = np.zeros(len(first) - 1, np.int32)
    for node in range(len(first) - 1):
        if inside[node]:
            for at in range(first[node], first[node + 1]):
                number[targets[at]] += 1
    return number


@Kernel
def links_within(start: Ids, sources: Ids, inside: Bools) -> tuple[Ids, Ids]:
    """Return the links among the nodes of a set in CSR form, from all links by target. Cost: nodes + links into them.

    Most blobs that link to a widely shared blob also link to many other blobs; those links are not read.
    """
    n = len(start) - 1
    first = np.zeros(n + 2, np.int32)
    for node in range(n):
        if inside[node]:
            for k in range(start[node], start[node + 1]):
                first[sources[k] + 2] += inside[sources[k]]
    for node in range(n):
        first[node + 2] += first[node + 1]
    targets = np.empty(first[n + 1], np.int32)
    for node in range(n):
        if inside[node]:
            for k in range(start[node], start[node + 1]):
                if inside[sources[k]]:
                    targets[first[sources[k] + 1]] = node
                    first[sources[k] + 1] += 1
    return first[: n + 1], targets


@steep
def nearest(first: Ids, targets: Ids, node: Ids, label: Ids, most: int, room: int) -> tuple[Ids, Ids, bool]:
    """Return (node, label) for the `most` nearest labels above each node: nearest first, then by label.

    Labels begin where `node` and `label` say (by label, at most `most` a node) and go down links, cycles too: a
    breadth-first search of pairs, in which a node with enough labels takes and passes on no more. The last
    value is False if more than `room` pairs are needed: then the result is not complete. Cost: pairs * links of
    each, times the labels that a node has already.
    """
    n = len(first) - 1
    number = np.zeros(n, np.int32)
    last = np.full(n, -1, np.int32)
    tail = len(node)
    at = np.empty(tail + 1024, np.int32)
    labels = np.empty(tail + 1024, np.int32)
    before = np.empty(tail + 1024, np.int32)
    for i in range(tail):
        at[i] = node[i]
        labels[i] = label[i]
        before[i] = last[node[i]]
        last[node[i]] = i
        number[node[i]] += 1
    head = 0
    while head < tail:
        name = labels[head]
        source = at[head]
        for k in range(first[source], first[source + 1]):
            child = targets[k]
            if number[child] >= most:
                continue
            has = last[child]
            while has >= 0 and labels[has] != name:
                has = before[has]
            if has >= 0:
                continue
            if tail == len(at):
                if tail >= room:
                    return at[:tail], labels[:tail], False
                more = np.empty(tail, np.int32)
                at = np.concatenate((at, more))
                labels = np.concatenate((labels, more))
                before = np.concatenate((before, more))
            at[tail] = child
            labels[tail] = name
            before[tail] = last[child]
            last[child] = tail
            number[child] += 1
            tail += 1
        head += 1
    return at[:tail], labels[:tail], True


@Kernel
def first_sources(start: Ids, sources: Ids, alive: Bools, nodes: Ids, most: int) -> tuple[Ints, Ids]:
    """Return for each of `nodes` the first `most` alive nodes that link to it, in CSR form.

    Cost: the links to these nodes, up to the last one that is returned.
    """
    begin = np.zeros(len(nodes) + 1, np.int64)
    for i in range(len(nodes)):
        found = 0
        for k in range(start[nodes[i]], start[nodes[i] + 1]):
            if alive[sources[k]]:
                found += 1
                if found == most:
                    break
        begin[i + 1] = begin[i] + found
    result = np.empty(begin[len(nodes)], np.int32)
    for i in range(len(nodes)):
        tail = begin[i]
        for k in range(start[nodes[i]], start[nodes[i] + 1]):
            if tail == begin[i + 1]:
                break
            if alive[sources[k]]:
                result[tail] = sources[k]
                tail += 1
    return begin, result


@steep
def losses(
    first: Ids, targets: Ids, size: Ints, lost: Bools, start: Ints, roots: Ids, group: Ids, begin: Ints, owner: Ids
) -> tuple[Ints, Ints, Ints, Ints]:
    """Return blobs and bytes that each name loses, how many of its own, and how many names reach each node.

    A name loses the lost nodes that it reaches. The i-th name is on the nodes `roots[start[i]:start[i + 1]]`, in
    `group[i]`. Its own nodes are reached nodes with this group among their owners: `owner[begin[node]:begin[node +
    1]]`. Cost: the closure of each name, with its links.
    """
    stamp = np.full(len(size), -1, np.int32)
    stack = np.empty(len(size), np.int32)
    blobs, total, own = np.zeros((3, len(start) - 1), np.int64)
    names = np.zeros(len(size), np.int64)
    for i in range(len(start) - 1):
        height = 0
        for k in range(start[i], start[i + 1]):
            if stamp[roots[k]] != i:
                stamp[roots[k]] = i
                stack[height] = roots[k]
                height += 1
        while height:
            height -= 1
            node = stack[height]
            names[node] += 1
            if lost[node]:
                blobs[i] += 1
                total[i] += size[node]
            for k in range(begin[node], begin[node + 1]):
                own[i] += owner[k] == group[i]
            for k in range(first[node], first[node + 1]):
                child = targets[k]
                if stamp[child] != i:
                    stamp[child] = i
                    stack[height] = child
                    height += 1
    return blobs, total, own, names
