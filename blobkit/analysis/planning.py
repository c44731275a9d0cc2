"""Find the cheapest names to drop that free a number of bytes, with a proof if time allows.

Steps: merge names with equal classes; find a cheap good answer and a lower bound (`blobkit.analysis.covers`); remove
names that the bound rules out, again and again; give the rest, if it is small, to a solver
(`blobkit.analysis.programs`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.covers import CHEAPEST, ROUNDS, bound
from blobkit.analysis.programs import SLIGHT, Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from blobkit.analysis.covers import Cover

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

__all__ = ["Choice", "cheapest"]

PAIRS_SOLVED = 100_000
"""The most pairs of a name and a class in a program: with more, the first step of the solver takes all of the time."""
TRIES = 50
"""How many numbers of first names are completed by any other name, in search of a cheaper choice."""
PAIRS_TRIED = 10_000_000
"""The most pairs looked at for that, besides the first number."""
WORTH = 0.01
"""Rounds go on as long as they close this part of the gap, or decide this part of the names (any, if few are left)."""
PAIRS_TIED = 2_000
"""The most pairs for which, among answers of equal cost, the one that frees most is searched."""
PROVEN = 1e-6
"""The gap that counts as 0: the solver stops there if costs are not whole numbers."""
EXACT = 1 << 53
"""Floats represent every whole number up to this one."""


@dataclass(frozen=True, eq=False)
class Choice:
    """The names to drop, and the relative optimality gap (0: proven that no choice is cheaper)."""

    dropped: Bools
    gap: float


def cheapest(cover: Cover, need: int, seconds: float, say: Callable[[str], object] = lambda _: None) -> Choice:
    """Return the cheapest choice that frees at least `need` bytes; `need` must be possible.

    A name that costs nothing is dropped if it is needed. Among choices of equal cost, a small problem gets the one that
    frees most. The choice is the same each time, unless the time runs out: then it is the best one so far, with its
    gap. A first choice and a first bound are always made: they cost little more than the cover. `say` is called with
    a text for each step.
    """
    until = monotonic() + seconds
    if need > cover.size.sum():  # only with bytes that are not listed, which any name may hold
        return Choice(np.ones(len(cover.cost), np.bool_), 1.0)
    dear = _dear(cover, need)
    unit = _unit(cover.cost[~dear])
    scale = unit or max(cover.cost[~dear].max(initial=0), np.finfo(float).tiny)
    scaled = replace(cover, cost=np.where(dear, scale, cover.cost) / scale)
    costless = scaled.cost <= CHEAPEST
    part, names, _, free = scaled.without(dear, costless)
    dropped = costless.copy()
    gap = 0.0
    if free < need:
        merged, one = part.merged()
        found = _solved(merged, need - free, _Clock(until, say), whole=unit > 0)
        dropped[names] = (one >= 0) & found.dropped[one]
        gap = found.gap
    return Choice(dropped & scaled.within(dropped).reduced(need), gap)


@dataclass(frozen=True)
class _Clock:
    """The time when the search ends, and the function to report progress to."""

    until: float
    say: Callable[[str], object]

    def left(self) -> float:
        """Return the seconds until then."""
        return self.until - monotonic()


def _solved(cover: Cover, need: int, clock: _Clock, *, whole: bool) -> Choice:
    """Return the cheapest choice of names, which all cost more than 0; `whole`: costs are whole numbers."""
    clock.say("a first choice")
    search = _Search(cover, need, clock, whole=whole)
    if search.narrow() and not cover.rest and len(search.part.member) <= PAIRS_SOLVED:
        search.solve()
    if search.gap == 0 and len(cover.member) <= PAIRS_TIED:
        search.break_tie()
    return Choice(search.best, search.gap)


class _Search:
    """The best choice so far, the names that each cheaper choice must have (`taken`), and the undecided `part`."""

    def __init__(self, cover: Cover, need: int, clock: _Clock, *, whole: bool) -> None:
        self.cover, self.need, self.clock, self.whole = cover, need, clock, whole
        self.taken = np.zeros(len(cover.cost), np.bool_)
        self.part, self.names, self.left = cover, np.arange(len(cover.cost)), need
        self.share: Floats | None = None
        self.best = np.ones(len(cover.cost), np.bool_)
        self.least, self.rounds, self.tail = 0.0, 0, 0.0

    @property
    def cost(self) -> float:
        """The cost of the best choice so far."""
        return float(self.cover.cost[self.best].sum())

    @property
    def limit(self) -> float:
        """The most that a better choice can cost."""
        return self.cost - 1 if self.whole else self.cost * (1 - SLIGHT)

    @property
    def gap(self) -> float:
        """The relative optimality gap: a better choice may be cheaper by this part."""
        gap = 1 - max(self.least, 0.0) / self.cost
        return 0.0 if self.least > self.limit + SLIGHT or gap < PROVEN else gap

    @property
    def is_over(self) -> bool:
        """Whether no more time is left than the last choice from a bound took."""
        return self.clock.left() <= self.tail

    def narrow(self) -> bool:
        """Decide the names that the bound rules out or in, as long as that helps; return whether to search on."""
        while self.left > 0 and len(self.part.cost):
            base, before = float(self.cover.cost[self.taken].sum()), self.least
            found = bound(self.part, self.left, self.share, self._enough)
            self.rounds, self.share = self.rounds + ROUNDS, found.share
            self.least = max(self.least, base + found.least)
            left = self.clock.left()
            self._offer_first(found.order)
            self.tail = left - self.clock.left()
            if self.gap == 0 or self.is_over:
                return False
            out = base + found.dropped > self.limit + SLIGHT
            taken = (base + found.spared > self.limit + SLIGHT) & ~out
            small = len(self.part.member) <= PAIRS_SOLVED
            much = (out | taken).sum() > (0 if small else WORTH * len(out))
            slow = self.least - before < WORTH * (self.cost - before)
            if much or slow:
                self._reduce(out, taken)
            if slow and not much:
                break
        if self.left > 0 and len(self.part.cost):
            return True
        self.least = max(self.least, self.limit + 2 * SLIGHT)  # no cheaper choice is left to search
        return False

    def _enough(self, rounds: int) -> bool:
        """Report the rounds of a bound so far, and return whether to stop."""
        self.tell(f"bound, {self.rounds + rounds} rounds")
        return self.is_over

    def tell(self, step: str) -> None:
        """Report a step, and the gap so far."""
        self.clock.say(f"{step}, gap {self.gap:.2%}" if self.rounds else step)

    def _offer_first(self, order: Ints) -> None:
        self.offer(self.part.first(order, self.left))
        if self.gap:
            tries = min(1 + PAIRS_TRIED // len(self.part.member), TRIES)
            self.offer(self.part.ended(order, self.left, tries))

    def _reduce(self, out: Bools, taken: Bools) -> None:
        self.taken[self.names[taken]] = True
        self.part, names, pairs, free = self.part.without(out, taken)
        self.names, self.share = self.names[names], None if self.share is None else self.share[pairs]
        self.left -= free
        if 0 < self.left <= self.part.possible:
            if len(self.part.member) <= PAIRS_SOLVED:
                self.offer(self.part.reduced(self.left))
        elif self.left <= 0:
            self.offer(np.zeros(len(names), np.bool_))
        else:
            self.left, self.names = 0, self.names[:0]

    def offer(self, dropped: Bools) -> None:
        """Make a choice among the undecided names the best one, if it is cheaper and frees enough."""
        choice = self.taken.copy()
        choice[self.names[dropped]] = True
        if self.cover.cost[choice].sum() < self.cost and self.cover.freed(choice) >= self.need:
            self.best = choice

    def solve(self) -> None:
        """Search the cheapest choice among the undecided names."""
        base = float(self.cover.cost[self.taken].sum())
        program = Program(self.part, self.left)
        names = len(self.part.cost)
        if self.whole:  # half a unit from any sum: the solver errs if a sum is within rounding of a limit
            program.add(self.part.cost, -np.inf, self.limit - base + 0.5)
        goal = np.concatenate((self.part.cost, np.zeros(len(program.weight) - names)))
        self.tell("solver")
        found, low = program.solved(goal, self.clock.left, lambda: self.tell("solver"))
        if found is not None:
            self.offer(found)
        self.least = max(self.least, base + low)

    def break_tie(self) -> None:
        """Search a choice that costs as much as the best one and frees more."""
        program = Program(self.cover, self.need)
        program.add(self.cover.cost, -np.inf, self.cost + SLIGHT)
        found, _ = program.solved(-program.weight, self.clock.left)
        if found is None or self.cover.cost[found].sum() > self.cost * (1 + SLIGHT):
            return
        if self.cover.freed(found) > self.cover.freed(self.best):
            self.best = found


def _dear(cover: Cover, need: int) -> Bools:
    """Return the names that alone cost more than some choice that frees enough: no better choice has one of them.

    That choice is all names up to the least cost that is needed to free enough. After this no cost is far above the
    cost of the cheapest choice: a cost that is negligible beside the greatest cost is negligible beside it too.
    """
    last = np.zeros(len(cover.size), np.float64)
    np.maximum.at(last, cover.of_pair, cover.cost[cover.member])
    order = np.argsort(last, kind="stable")
    enough = int(np.searchsorted(np.cumsum(cover.size[order]), need))
    up_to = last[order[enough]] if len(order) else 0.0
    choice = cover.cost <= up_to
    dear: Bools = cover.cost > cover.cost[choice].sum() * (1 + SLIGHT)
    return dear


def _unit(cost: Floats) -> float:
    """Return a number of which all these costs are whole multiples; 0 if it is not known."""
    whole = np.rint(cost)
    if not whole.any() or (whole != cost).any() or whole.sum() >= EXACT:
        return 0.0
    return float(np.gcd.reduce(whole.astype(np.int64)))
