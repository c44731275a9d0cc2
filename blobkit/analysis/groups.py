"""Groups of roots: the nodes that each reaches, alone or with others, and classes of blobs reached by equal groups.

Usually there are about as many pairs of a group and a node that it reaches as links; then all pairs are listed
(`Listed`). If roots reach one another, or many roots reach a hub, there are far too many pairs. Then they are never all
in memory: they are computed again for each figure, one batch of groups at a time (`Batched`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from blobkit.analysis import group_kernels as kernels
from blobkit.analysis.group_kernels import BITS, WORDS
from blobkit.analysis.reach import take_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blobkit.snapshot.graph import ReferenceGraph

    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]
    Words = NDArray[np.uint64]

__all__ = ["Batched", "Classes", "Listed", "Reach", "Shares", "classes", "pairs", "reach", "shares", "sums"]

LISTED_ALWAYS, LISTED_PER_LINK = 1 << 18, 4
"""The most pairs that are listed: a fixed number, and a number for each node, link and root; 4 bytes a pair."""
BATCH = BITS * WORDS
ROWS_UNPACKED = 4096
_SEED = 128


class Reach(Protocol):
    """The nodes that groups reach."""

    @property
    def number(self) -> Ints:
        """The number of groups that reach each node."""
        ...

    def sums(self, *weights: Ints) -> list[Ints]:
        """Return for each weight of the nodes the total of what each group reaches."""
        ...

    def apportioned(self, items: Ints) -> Ints:
        """Apportion the items of every node, one each to the first groups that reach it; return the totals."""
        ...

    def signatures(self) -> tuple[Words, Words]:
        """Return 128 bits for each node: equal for nodes that the same groups reach, else different."""
        ...

    def members(self, nodes: Ids) -> tuple[Ints, Ids]:
        """Return the groups that reach these nodes, in order: `groups[start[i]:start[i + 1]]` reach `nodes[i]`.

        No node may repeat.
        """
        ...

    def marks(self, groups: Ids) -> Ints:
        """Return for each node the groups (at most BITS) that reach it, as bits by position."""
        ...


@dataclass(frozen=True, eq=False)
class Listed:
    """All pairs: group g reaches the nodes `found[begin[g]:begin[g + 1]]`, of n nodes."""

    begin: Ints
    found: Ids
    n: int

    @cached_property
    def number(self) -> Ints:
        """The number of groups that reach each node."""
        return np.bincount(self.found, minlength=self.n)

    def sums(self, *weights: Ints) -> list[Ints]:
        """Return for each weight of the nodes the total of what each group reaches. Cost: pairs."""
        some = np.flatnonzero(np.diff(self.begin))  # a group that reaches nothing has no place to add up from
        totals = np.zeros((len(weights), len(self.begin) - 1), np.int64)
        for total, weight in zip(totals, weights, strict=True):
            total[some] = np.add.reduceat(weight[self.found], self.begin[some]) if len(some) else 0
        return list(totals)

    def apportioned(self, items: Ints) -> Ints:
        """Apportion the items of every node to the first groups. Cost: pairs."""
        return kernels.apportioned(items.copy(), self.begin, self.found)

    def signatures(self) -> tuple[Words, Words]:
        """Return for each node the sum of the random numbers of the groups that reach it. Cost: pairs."""
        one, two = np.zeros((2, self.n), np.uint64)
        for total, number in zip((one, two), _random(len(self.begin) - 1), strict=True):
            np.add.at(total, self.found, np.repeat(number, np.diff(self.begin)))
        return one, two

    def members(self, nodes: Ids) -> tuple[Ints, Ids]:
        """Return the groups that reach these nodes. Cost: pairs."""
        place = np.full(self.n, -1, np.int32)
        place[nodes] = np.arange(len(nodes))
        start = np.concatenate(([0], np.cumsum(self.number[nodes])))
        return start, kernels.placed(place, start, self.begin, self.found)

    def marks(self, groups: Ids) -> Ints:
        """Return the groups among these that reach each node, as bits. Cost: the nodes that they reach."""
        mark = np.zeros(self.n, np.int64)
        for i, group in enumerate(groups.tolist()):
            mark[self.found[self.begin[group] : self.begin[group + 1]]] |= 1 << i
        return mark


@dataclass(frozen=True, eq=False)
class Batched:
    """The graph and the roots of the groups; any batch of pairs is computed from them."""

    graph: ReferenceGraph
    start: Ints
    roots: Ids

    @cached_property
    def number(self) -> Ints:
        """The number of groups that reach each node."""
        number = np.zeros(len(self.graph.size), np.int64)
        for bits in self._batches():
            number += np.bitwise_count(bits).sum(axis=1, dtype=np.int64)[self._component]
        return number

    def sums(self, *weights: Ints) -> list[Ints]:
        """Return for each weight the total of what each group reaches. Cost: (nodes + links) * groups / 504."""
        run = kernels.bits_summed.of(self._work)
        totals = [[run(self._component, bits, weight) for weight in weights] for bits in self._batches()]
        return [self._joined(list(parts)) for parts in zip(*totals, strict=True)]

    def apportioned(self, items: Ints) -> Ints:
        """Apportion the items of every node to the first groups. Cost: as `sums`."""
        run, left = kernels.bits_dealt.of(self._work), items.copy()
        return self._joined([run(self._component, bits, left) for bits in self._batches()])

    def signatures(self) -> tuple[Words, Words]:
        """Return for each node a hash of all words of its bits. Cost: as `sums`."""
        sums = np.zeros((2, len(self.graph.size)), np.uint64)
        salts = _random(-(-len(self.start) // BATCH) * WORDS)
        for batch, bits in enumerate(self._batches()):
            for word in range(WORDS):
                row = bits[:, word].view(np.uint64)
                for i, salt in enumerate(salts[:, batch * WORDS + word]):
                    sums[i] += np.where(row == 0, np.uint64(0), _mixed(row ^ salt))
        return sums[0, self._component], sums[1, self._component]

    def members(self, nodes: Ids) -> tuple[Ints, Ids]:
        """Return the groups that reach these nodes. Cost: as `sums`, and the length of the result."""
        at, group = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for batch, bits in enumerate(self._batches()):
            for low in range(0, len(nodes), ROWS_UNPACKED):
                rows = bits[self._component[nodes[low : low + ROWS_UNPACKED]], :, None]
                row, word, bit = np.nonzero(rows >> np.arange(BITS) & 1)
                at.append(row + low)
                group.append(batch * BATCH + word * BITS + bit)
        order = np.argsort(np.concatenate(at), kind="stable")
        start = np.concatenate(([0], np.cumsum(self.number[nodes])))
        return start, np.concatenate(group)[order].astype(np.int32)

    def marks(self, groups: Ids) -> Ints:
        """Return the groups among these that reach each node, as bits. Cost: nodes + links."""
        start = np.concatenate(([0], np.cumsum(self.start[groups + 1] - self.start[groups])))
        marks: Ints = self._spread(start, take_ranges(self.start, self.roots, groups))[self._component, 0]
        return marks

    def _batches(self) -> Iterator[Ints]:
        groups = len(self.start) - 1
        for low in range(0, groups, BATCH):
            start = self.start[low : min(low + BATCH, groups) + 1]
            yield self._spread(start - start[0], self.roots[start[0] : start[-1]])

    def _spread(self, start: Ints, roots: Ids) -> Ints:
        run = kernels.bits_spread.of(self._work)
        return run(self.graph.indptr, self.graph.indices, self._component, self._order, start, roots)

    def _joined(self, batches: list[Ints]) -> Ints:
        whole: Ints = np.concatenate([np.empty(0, np.int64), *batches])[: len(self.start) - 1]
        return whole

    @cached_property
    def _components(self) -> tuple[Ids, Ids]:
        return kernels.components.of(self._work)(self.graph.indptr, self.graph.indices)

    @property
    def _component(self) -> Ids:
        return self._components[0]

    @property
    def _order(self) -> Ids:
        return self._components[1]

    @property
    def _work(self) -> int:
        return (len(self.graph.size) + len(self.graph.indices)) * (1 + len(self.start) // BITS)


def reach(graph: ReferenceGraph, start: Ints, roots: Ids) -> Reach:
    """Return the reach of groups; group g has the roots `roots[start[g]:start[g + 1]]`. Cost: all closures and links.

    Memory is bounded: with more than four pairs for each node, link and root, no pair is listed.
    """
    begin, found, whole = kernels.searched(graph.indptr, graph.indices, start, roots, _most(graph, roots))
    return Listed(begin, found, len(graph.size)) if whole else Batched(graph, start, roots)


def sums(graph: ReferenceGraph, start: Ints, roots: Ids, weight: Ints) -> Ints:
    """Return the total weight of the nodes that each group reaches: as `reach(...).sums`, but no pair is ever listed.

    Cost: all closures and links, or that of batches if there are too many pairs.
    """
    total, whole = kernels.summed(graph.indptr, graph.indices, start, roots, weight, _most(graph, roots))
    return total if whole else Batched(graph, start, roots).sums(weight)[0]


def _most(graph: ReferenceGraph, roots: Ids) -> int:
    """Return the most pairs that are listed, or met one by one."""
    return max(LISTED_ALWAYS, LISTED_PER_LINK * (len(graph.size) + len(graph.indices) + len(roots)))


@dataclass(frozen=True, eq=False)
class Shares:
    """For each group: blobs and bytes that it reaches, bytes that it alone holds, and its share of all bytes."""

    blobs: Ints
    closure: Ints
    exclusive: Ints
    split: Ints


def shares(graph: ReferenceGraph, found: Reach, alone: Bools) -> Shares:
    """Return the share of each group. `alone`: the nodes that only groups hold.

    `split` apportions the bytes of each blob to the k groups that reach it: size // k each, and one more to the first
    size % k of them.
    """
    number = found.number
    among = np.maximum(number, 1)
    blobs, closure, exclusive, split = found.sums(
        graph.blob.astype(np.int64), graph.size, np.where((number == 1) & alone, graph.size, 0), graph.size // among
    )
    return Shares(blobs, closure, exclusive, split + found.apportioned(np.where(number > 0, graph.size % among, 0)))


@dataclass(frozen=True, eq=False)
class Classes:
    """Blobs that the same groups reach: one of them (`node`), how many groups, how many blobs, how many bytes."""

    node: Ids
    number: Ints
    blobs: Ints
    bytes: Ints


def classes(graph: ReferenceGraph, found: Reach) -> Classes:
    """Return the classes of blobs that any group reaches, biggest first. Cost: a sort of the blobs.

    Two different sets of groups are merged with a probability of 2**-128 for each pair of classes.
    """
    number = found.number
    nodes = np.flatnonzero(graph.blob & (number > 0)).astype(np.int32)
    one, two = (signature[nodes] for signature in found.signatures())
    order = np.lexsort((two, one, number[nodes]))
    nodes, one, two = nodes[order], one[order], two[order]
    differs = (one[1:] != one[:-1]) | (two[1:] != two[:-1]) | (np.diff(number[nodes]) != 0)
    begin = np.flatnonzero(np.concatenate(([True] * (len(nodes) > 0), differs)))
    size = np.add.reduceat(graph.size[nodes], begin) if len(begin) else np.empty(0, np.int64)
    blobs = np.diff(np.append(begin, len(nodes)))
    by_size = np.lexsort((nodes[begin], -size))
    made = Classes(nodes[begin], number[nodes[begin]], blobs, size)
    return Classes(made.node[by_size], made.number[by_size], made.blobs[by_size], made.bytes[by_size])


def pairs(graph: ReferenceGraph, found: Reach, groups: Ids) -> Ints:
    """Return the bytes that both groups of each pair (of at most BITS) reach; on the diagonal, of each one."""
    marks, place = np.unique(found.marks(groups), return_inverse=True)
    size = np.zeros(len(marks), np.int64)
    np.add.at(size, place, graph.size)
    member = marks[:, None] >> np.arange(len(groups)) & 1
    both: Ints = member.T @ (member * size[:, None])
    return both


def _random(number: int) -> Words:
    """Return two random numbers of 64 bits for each group, always the same."""
    return np.random.default_rng(_SEED).integers(0, 1 << 64, (2, number), dtype=np.uint64)


def _mixed(words: Words) -> Words:
    """Return the words hashed (the finaliser of SplitMix64): a change of one bit changes about half of them."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
