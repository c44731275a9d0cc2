"""Names with the cost of dropping each, and the bytes that go once all names of a class are dropped.

These few classes are enough for every question about dropping names: a million blobs make tens of thousands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.cover_kernels import balanced, reduced
from blobkit.analysis.groups import classes, reach

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from blobkit.snapshot.graph import ReferenceGraph

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]

__all__ = ["Cover", "cover"]

PAIRS_KEPT = 20_000_000
"""The most pairs of a name and a class that are kept, smallest classes first: 8 bytes each, a few times."""
ROUNDS = 6
"""The rounds of one bound: at a million blobs its error is then a few millionths."""
STEP = 2_000_000
"""Pairs that are handled between two looks at the clock; more if one round has more."""
PASSES = 4
"""How often a round looks at each pair."""
HEAP = 16
"""The cost of a pair or a name in a heap, relative to a loop."""
ROUNDING = 1e-9
"""The relative error that sums of floats may have: bounds are lower by this."""
CHEAPEST = 1e-12
"""The cost used instead of 0 where bytes are divided by it."""


@dataclass(frozen=True, eq=False)
class Cover:
    """Class c is `size[c]` bytes that are freed once all its names, `member[start[c]:start[c + 1]]`, are dropped.

    `cost` has one entry a name. `rest` are bytes of classes that are not listed: they may be freed too.
    """

    cost: Floats
    size: Ints
    start: Ints
    member: Ints
    rest: int = 0

    @cached_property
    def number(self) -> Ints:
        """The number of names in each class."""
        return np.diff(self.start)

    @cached_property
    def of_pair(self) -> Ints:
        """The class of each pair of a class and a name."""
        return np.repeat(np.arange(len(self.size)), self.number)

    @property
    def possible(self) -> int:
        """Bytes that are freed when all names are dropped."""
        return int(self.size.sum()) + self.rest

    def whole(self, dropped: Bools) -> Bools:
        """Return the classes that are freed when these names are dropped."""
        complete: Bools = np.bincount(self.of_pair[dropped[self.member]], minlength=len(self.size)) == self.number
        return complete

    def freed(self, dropped: Bools) -> int:
        """Return the bytes that are certainly freed when these names are dropped."""
        return int(self.size[self.whole(dropped)].sum())

    def reduced(self, need: int) -> Bools:
        """Return cheap names that free `need` bytes together, none in vain; all names if `rest` is needed too."""
        order = np.argsort(self.member, kind="stable")
        begin = _starts(np.bincount(self.member, minlength=len(self.cost)))
        run = reduced.of((len(self.member) + len(self.cost)) * HEAP)
        cost = np.maximum(self.cost, CHEAPEST)
        return run(self.start, self.member, begin, self.of_pair[order], self.size, cost, need)

    def first(self, order: Ints, need: int) -> Bools:
        """Return the first names, in this order, that free `need` bytes, without those that prove to be in vain."""
        place, enough = self._until(order, need)
        dropped = place <= enough
        return dropped & self.within(dropped).reduced(need)

    def ended(self, order: Ints, need: int, tries: int) -> Bools:
        """Return the cheapest choice of the first names, in this order, and any one name that frees what is missing.

        That many numbers of first names are tried, the greatest first. Cost: the pairs, for each.
        """
        place, enough = self._until(order, need)
        least, best = np.inf, place <= enough
        for number in range(min(enough, len(order) - 1), max(enough - tries, -1), -1):
            dropped = place < number
            gain, missing = self._gains(dropped, need)
            right = np.flatnonzero((gain >= missing) & ~dropped)
            if not len(right):
                continue
            one = right[np.argmin(self.cost[right])]
            cost = float(self.cost[dropped].sum() + self.cost[one])
            if cost < least:
                dropped[one] = True
                least, best = cost, dropped
        return best & self.within(best).reduced(need)

    def _gains(self, dropped: Bools, need: int) -> tuple[Ints, int]:
        """Return the bytes that each other name frees after these, and the bytes that these do not free of `need`."""
        left = ~dropped[self.member]
        number = np.bincount(self.of_pair[left], minlength=len(self.size))
        last = left & (number == 1)[self.of_pair]
        gain = np.zeros(len(self.cost), np.int64)
        np.add.at(gain, self.member[last], self.size[self.of_pair[last]])
        return gain, need - int(self.size[number == 0].sum())

    def _until(self, order: Ints, need: int) -> tuple[Ints, int]:
        """Return the place of each name in an order, and the place of the name with which `need` bytes are freed."""
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        last = np.zeros(len(self.size), np.int64)
        np.maximum.at(last, self.of_pair, place[self.member])
        gain = np.zeros(len(order), np.int64)
        np.add.at(gain, last, self.size)
        return place, int(np.searchsorted(np.cumsum(gain), need))

    def within(self, dropped: Bools) -> Cover:
        """Return the cover of the bytes that these names free: the other names are removed from all classes."""
        return self._of_classes(self.whole(dropped))

    def without(self, out: Bools, taken: Bools) -> tuple[Cover, Ids, Bools, int]:
        """Return the cover of the other names, and their numbers, if `out` is never dropped and `taken` is dropped.

        Then come the pairs that are left, and the bytes that `taken` frees alone. Names that are left in no class are
        omitted.
        """
        hurt = np.zeros(len(self.size), np.bool_)
        hurt[self.of_pair[out[self.member]]] = True
        kept = self._of_classes(~hurt)
        open_ = ~taken[kept.member]
        number = np.bincount(kept.of_pair[open_], minlength=len(kept.size))
        left = kept.member[open_]
        used = np.bincount(left, minlength=len(self.cost)) > 0
        names = np.flatnonzero(used)
        member = (np.cumsum(used) - 1)[left]
        listed = number > 0
        part = Cover(self.cost[names], kept.size[listed], _starts(number[listed]), member, self.rest)
        pairs = ~hurt[self.of_pair]
        pairs[pairs] = open_
        return part, names.astype(np.int32), pairs, int(kept.size[~listed].sum())

    def merged(self) -> tuple[Cover, Ints]:
        """Return the cover with names of equal classes merged, and the merged name of each name (-1: in no class).

        Two different sets of classes are merged with a probability of 2**-128 for each pair of names.
        """
        marks = np.zeros((len(self.cost), 2), np.uint64)
        random = np.random.default_rng(len(self.size)).integers(1, 1 << 64, (len(self.size), 2), dtype=np.uint64)
        for column in (0, 1):
            np.add.at(marks[:, column], self.member, random[:, column][self.of_pair])
        used = np.bincount(self.member, minlength=len(self.cost)) > 0
        if used.all() and len(np.unique(marks[:, 0])) == len(used):  # usual for very many names, and quick
            return self, np.arange(len(used))
        _, first, back = np.unique(marks[used], axis=0, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        one = np.full(len(self.cost), -1)
        one[used] = rank[back.reshape(-1)]
        pair = np.sort(self.of_pair * max(len(first), 1) + one[self.member])  # np.unique hashes, far slower
        pair = pair[np.concatenate(([True] * (len(pair) > 0), pair[1:] != pair[:-1]))]
        of_pair, member = np.divmod(pair, max(len(first), 1))
        cost = np.zeros(len(first))
        np.add.at(cost, one[used], self.cost[used])
        return Cover(cost, self.size, _starts(np.bincount(of_pair, minlength=len(self.size))), member, self.rest), one

    def _of_classes(self, kept: Bools) -> Cover:
        return replace(
            self, size=self.size[kept], start=_starts(self.number[kept]), member=self.member[kept[self.of_pair]]
        )


@dataclass(frozen=True, eq=False)
class Bound:
    """Lower bounds on the cost of freeing the bytes: in all, and with each name dropped or not dropped."""

    least: float
    dropped: Floats
    spared: Floats
    order: Ints
    """The names, those with the most apportioned bytes for their cost first: a good order to drop them in."""
    share: Floats
    """The bytes of each pair: its part of the bytes of its class."""


def bound(
    cover: Cover, need: int, share: Floats | None = None, enough: Callable[[int], bool] = lambda _: False
) -> Bound:
    """Return lower bounds: as if each name freed its apportioned bytes, and could be dropped in part.

    `share` are the bytes of each pair to start from, else they are even. `enough` is called after every few of ROUNDS
    rounds with their number, and returns whether to end with looser bounds. Cost: PASSES times the pairs, for each
    round. A bound is infinite if the bytes cannot be freed.
    """
    run = balanced.of(len(cover.member) * ROUNDS * PASSES)
    if share is None:
        share = (cover.size / cover.number)[cover.of_pair]
    step, turn = 1 + STEP // (PASSES * len(cover.member) + 1), 0
    while turn < ROUNDS:
        rounds = min(step, ROUNDS - turn)
        share, turn = run(cover.start, cover.member, cover.size, cover.cost, share, rounds), turn + rounds
        if enough(turn):
            break
    return _bound(cover, need, _adding_up(cover, share))


def _adding_up(cover: Cover, share: Floats) -> Floats:
    """Return these shares so that those of a class add up to its bytes; even ones where they are far from that."""
    total = np.bincount(cover.of_pair, share, len(cover.size))
    near = 2 * total > cover.size
    factor = np.where(near, cover.size / np.where(near, total, 1.0), 0.0)
    even = np.where(near, 0.0, cover.size / np.maximum(cover.number, 1))
    made: Floats = share * factor[cover.of_pair] + even[cover.of_pair]
    return made


def _bound(cover: Cover, need: int, share: Floats) -> Bound:
    """Return the lower bounds that follow from these bytes of each pair."""
    load = np.bincount(cover.member, share, len(cover.cost)).astype(np.float64) * (1 + ROUNDING)
    need -= cover.rest
    order = np.argsort(-load / cover.cost, kind="stable")
    gains, costs = (np.concatenate(([0.0], np.cumsum(values[order]))) for values in (load, cover.cost))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    least = _least(gains, costs, np.array([float(need)]))
    dropped = cover.cost + _least(gains, costs, need - load)
    spared = np.where(gains[place] < need, _least(gains, costs, need + load) - cover.cost, least)
    return Bound(float(least[0]) * (1 - ROUNDING), dropped * (1 - ROUNDING), spared * (1 - ROUNDING), order, share)


def _least(gains: Floats, costs: Floats, goal: Floats) -> Floats:
    """Return where the line through (0, 0) and these points first reaches `goal`; infinite if it never does."""
    at = np.searchsorted(gains, goal)
    there = np.clip(at, 1, len(gains) - 1)
    step = (gains[there] - goal) / np.maximum(gains[there] - gains[there - 1], CHEAPEST)
    on_line = costs[there] - step * (costs[there] - costs[there - 1])
    return np.where(at == 0, 0.0, np.where(at == len(gains), np.inf, on_line))


def cover(graph: ReferenceGraph, alone: Bools, start: Ints, roots: Ids, cost: Floats) -> Cover:
    """Return the cover of names with pins on `roots[start[i]:start[i + 1]]`; `alone`: nodes that only these names hold.

    Cost: as `blobkit.analysis.groups.reach` and `classes`.
    """
    graph = _within(graph, alone)
    owner = np.repeat(np.arange(len(cost)), np.diff(start))[alone[roots]]
    found = reach(graph, _starts(np.bincount(owner, minlength=len(cost))), roots[alone[roots]])
    made = classes(graph, found)
    order = np.argsort(made.number, kind="stable")
    listed = np.sort(order[: int(np.searchsorted(np.cumsum(made.number[order]), PAIRS_KEPT, side="right"))])
    begin, member = found.members(made.node[listed])
    size = made.bytes[listed]
    return Cover(cost, size, begin, member.astype(np.int64), int(made.bytes.sum() - size.sum()))


def _within(graph: ReferenceGraph, alone: Bools) -> ReferenceGraph:
    """Return the graph with the links to these nodes only; the nodes include all that reach one of them."""
    kept = alone[graph.indices]
    first = _starts(kept)[graph.indptr].astype(np.int32)
    blob = graph.blob & alone & (graph.size > 0)
    return replace(graph, indptr=first, indices=graph.indices[kept], blob=blob)


def _starts(number: Ints | Bools) -> Ints:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(number, dtype=np.int64)))
