"""The names to drop that cost least and free so many bytes, proven where time allows.

In turn: names in the same classes become one; a cheap good answer and a bound from below (`blobkit.analysis.covers`);
what the bound rules out is taken out, again and again; what is left goes to HiGHS, a solver of mixed-integer programs.
Beside `blobkit.store.loops` the only file that imports scipy: that one asks its graph algorithms, this one its solver.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from blobkit.analysis.covers import CHEAPEST, ROUNDS, bound

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from blobkit.analysis.covers import Cover

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]

__all__ = ["Choice", "cheapest"]

PAIRS_SOLVED = 100_000
"""Pairs of a name and a class up to which a program is solved: above, its first step may not end within the time."""
PAIRS_TIED = 2_000
"""Pairs up to which, of several answers that cost the same, the one that frees most is looked for."""
SLIGHT = 1e-9
"""What costs less than this part more costs the same: sums of floats."""
PROVEN = 1e-6
"""A gap that is none: the solver looks no closer where costs are no whole numbers."""
EXACT = 1 << 53
"""Up to here floats hold every whole number."""
OPTIMAL, INFEASIBLE = 0, 2


@dataclass(frozen=True, eq=False)
class Choice:
    """The names to drop, and by which part of their cost a better choice may be cheaper (0: there is none)."""

    dropped: Bools
    gap: float


def cheapest(cover: Cover, need: int, seconds: float, say: Callable[[str], object] = lambda _: None) -> Choice:
    """Return a choice that frees at least `need` bytes (not more than are possible), the cheapest there is.

    What costs nothing is dropped where it is needed. Of choices that cost the same a small problem gets the one that
    frees most. The same choice each time, unless the time runs out: then the best one so far, with its gap. A first
    choice and a first bound are made in any time, as they cost little more than the cover. `say` is told what is done.
    """
    until = monotonic() + seconds
    if need > cover.size.sum():  # only with what is not listed, which any name may hold
        return Choice(np.ones(len(cover.cost), np.bool_), 1.0)
    dear = _dear(cover, need)
    unit = _unit(cover.cost[~dear])
    scale = unit or max(cover.cost[~dear].max(initial=0), np.finfo(float).tiny)
    scaled = replace(cover, cost=np.where(dear, scale, cover.cost) / scale)
    costless = scaled.cost <= CHEAPEST
    part, names, free = scaled.without(dear, costless)
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
    """The moment when the search ends, and whom to tell how far it is."""

    until: float
    say: Callable[[str], object]

    @property
    def is_over(self) -> bool:
        """Whether the time has run out."""
        return monotonic() >= self.until

    def enough(self, rounds: int) -> bool:
        """Tell how many rounds a bound is from, and return whether it has to do."""
        self.say(f"bound, {rounds} of {ROUNDS} rounds")
        return self.is_over


def _solved(cover: Cover, need: int, clock: _Clock, *, whole: bool) -> Choice:
    """Return the cheapest choice of names that all cost something; `whole`: costs are whole numbers."""
    clock.say("a first choice")
    search = _Search(cover, need, whole=whole)
    if search.narrow(clock) and not cover.rest and len(search.part.member) <= PAIRS_SOLVED:
        clock.say("solver")
        search.solve(clock.until)
    if search.gap == 0 and len(cover.member) <= PAIRS_TIED:
        search.break_tie(clock.until)
    return Choice(search.best, search.gap)


class _Search:
    """The best choice so far, what nothing cheaper can do without (`taken`) or can have, and the `part` in doubt."""

    def __init__(self, cover: Cover, need: int, *, whole: bool) -> None:
        self.cover, self.need, self.whole = cover, need, whole
        self.taken = np.zeros(len(cover.cost), np.bool_)
        self.part, self.names, self.left = cover, np.arange(len(cover.cost)), need
        self.best = cover.reduced(need)
        self.least = 0.0

    @property
    def cost(self) -> float:
        """The cost of the best choice so far."""
        return float(self.cover.cost[self.best].sum())

    @property
    def limit(self) -> float:
        """The cost that a better choice has at most."""
        return self.cost - 1 if self.whole else self.cost * (1 - SLIGHT)

    @property
    def gap(self) -> float:
        """By which part of its cost a better choice may be cheaper."""
        gap = 1 - max(self.least, 0.0) / self.cost
        return 0.0 if self.least > self.limit + SLIGHT or gap < PROVEN else gap

    def narrow(self, clock: _Clock) -> bool:
        """Take out what the bound rules out or in, while that helps; return whether there is more to look for."""
        while self.left > 0 and len(self.part.cost):
            base = float(self.cover.cost[self.taken].sum())
            found = bound(self.part, self.left, clock.enough)
            self.least = max(self.least, base + found.least)
            self.offer(self.part.first(found.order, self.left))
            if self.gap == 0:
                return False
            out = base + found.dropped > self.limit + SLIGHT
            taken = (base + found.spared > self.limit + SLIGHT) & ~out
            if clock.is_over:
                return False
            if not (out | taken).any():
                return True
            self._reduce(out, taken)
        self.least = max(self.least, self.limit + 2 * SLIGHT)  # nothing cheaper is left to be looked at
        return False

    def _reduce(self, out: Bools, taken: Bools) -> None:
        self.taken[self.names[taken]] = True
        self.part, names, free = self.part.without(out, taken)
        self.names = self.names[names]
        self.left -= free
        if 0 < self.left <= self.part.possible:
            self.offer(self.part.reduced(self.left))
        elif self.left <= 0:
            self.offer(np.zeros(len(names), np.bool_))
        else:
            self.left, self.names = 0, self.names[:0]

    def offer(self, dropped: Bools) -> None:
        """Take a choice of what is in doubt for the best one where it is cheaper and frees enough."""
        choice = self.taken.copy()
        choice[self.names[dropped]] = True
        if self.cover.cost[choice].sum() < self.cost and self.cover.freed(choice) >= self.need:
            self.best = choice

    def solve(self, until: float) -> None:
        """Look for the cheapest choice in what is in doubt."""
        base = float(self.cover.cost[self.taken].sum())
        program = _Program(self.part, self.left)
        names = len(self.part.cost)
        if self.whole:  # half a unit from any sum; the solver errs where a sum is as near to a limit as it rounds
            program.add(self.part.cost, -np.inf, self.limit - base + 0.5)
        goal = np.concatenate((self.part.cost, np.zeros(len(program.weight) - names)))
        found, low = program.solved(goal, until)
        if found is not None:
            self.offer(found)
        self.least = max(self.least, base + low)

    def break_tie(self, until: float) -> None:
        """Look for a choice that costs as much as the best one and frees more."""
        program = _Program(self.cover, self.need)
        program.add(self.cover.cost, -np.inf, self.cost + SLIGHT)
        found, _ = program.solved(-program.weight, until)
        if found is None or self.cover.cost[found].sum() > self.cost * (1 + SLIGHT):
            return
        if self.cover.freed(found) > self.cover.freed(self.best):
            self.best = found


class _Program:
    """Variables: whether each name is dropped, then how much of each class with several names goes."""

    def __init__(self, cover: Cover, need: int) -> None:
        self.cover, self.need = cover, need
        names, several = len(cover.cost), cover.number > 1
        own = np.bincount(
            cover.member[~several[cover.of_pair]], weights=cover.size[~several].astype(float), minlength=names
        )
        self.weight = np.concatenate((own, cover.size[several])) / need
        enough = np.minimum(self.weight, 1.0)  # more than is needed is of no use, and what is huge is rounded badly
        place = names + np.cumsum(several) - 1
        pair = several[cover.of_pair]
        below, above = place[cover.of_pair[pair]], cover.member[pair]
        row = np.arange(len(below))
        entries = (np.repeat([1.0, -1.0], len(row)), (np.tile(row, 2), np.concatenate((below, above))))
        order = coo_array(entries, shape=(len(row), len(self.weight))).tocsr()
        self.rows = [LinearConstraint(order, -np.inf, 0)] if len(row) else []
        self.rows.append(LinearConstraint(enough[None, :], 1 - SLIGHT, np.inf))

    def add(self, of_names: Floats, low: float, high: float) -> None:
        """Hold a sum over the names between two figures."""
        row = np.zeros((1, len(self.weight)))
        row[0, : len(of_names)] = of_names
        self.rows.append(LinearConstraint(row, low, high))

    def solved(self, goal: Floats, until: float) -> tuple[Bools | None, float]:
        """Return the names of the least `goal`, where there are any and time allows, and a bound of that goal.

        The solver rounds; a choice that it takes for enough and that is not is ruled out, and it is asked again.
        """
        names = len(self.cover.cost)
        low = -np.inf
        while (seconds := until - monotonic()) > 0:
            done = milp(
                goal,
                integrality=np.arange(len(goal)) < names,
                bounds=Bounds(0, 1),
                constraints=self.rows,
                options={"time_limit": seconds, "mip_rel_gap": 0},
            )
            if done.status == INFEASIBLE:
                return None, np.inf
            proven = done.fun if done.status == OPTIMAL else done.mip_dual_bound
            low = max(low, -np.inf if proven is None else float(proven))
            if done.x is None:
                return None, low
            dropped = done.x[:names] > 0.5  # noqa: PLR2004 (0 or 1, nearly)
            if self.cover.freed(dropped) >= self.need:
                return dropped, low
            self.add((~dropped).astype(float), 1, np.inf)
        return None, low


def _dear(cover: Cover, need: int) -> Bools:
    """Return which names cost more, each alone, than a choice that frees enough: no better choice has one of them.

    That choice is all names up to a cost without which not enough goes. What is left costs so little more than the
    cheapest choice that a cost of next to nothing, beside the greatest, is next to nothing beside that choice too.
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
    """Return what all these costs are whole multiples of, 0 where that is not known."""
    whole = np.rint(cost)
    if not whole.any() or (whole != cost).any() or whole.sum() >= EXACT:
        return 0.0
    return float(np.gcd.reduce(whole.astype(np.int64)))
