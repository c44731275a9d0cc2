"""Find the cheapest names to drop that free a number of bytes, with a proof if time allows.

Steps: merge names with equal classes; find a cheap good answer and a lower bound (`blobkit.analysis.covers`); remove
names that the bound rules out, again and again; give the rest to HiGHS, a solver of mixed-integer programs. Only this
file and `blobkit.store.loops` import scipy: this one for its solver, the other one for its graph algorithms.
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
"""The most pairs of a name and a class in a program: with more, the first step of the solver may exceed the time."""
PAIRS_TIED = 2_000
"""The most pairs for which, among answers of equal cost, the one that frees most is searched."""
SLIGHT = 1e-9
"""The relative difference below which two costs count as equal: they are sums of floats."""
PROVEN = 1e-6
"""The gap that counts as 0: the solver stops there if costs are not whole numbers."""
EXACT = 1 << 53
"""Floats represent every whole number up to this one."""
OPTIMAL, INFEASIBLE = 0, 2


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
    """The time when the search ends, and the function to report progress to."""

    until: float
    say: Callable[[str], object]

    @property
    def is_over(self) -> bool:
        """Whether the time has run out."""
        return monotonic() >= self.until

    def enough(self, rounds: int) -> bool:
        """Report the rounds of a bound so far, and return whether to stop."""
        self.say(f"bound, {rounds} of {ROUNDS} rounds")
        return self.is_over


def _solved(cover: Cover, need: int, clock: _Clock, *, whole: bool) -> Choice:
    """Return the cheapest choice of names, which all cost more than 0; `whole`: costs are whole numbers."""
    clock.say("a first choice")
    search = _Search(cover, need, whole=whole)
    if search.narrow(clock) and not cover.rest and len(search.part.member) <= PAIRS_SOLVED:
        clock.say("solver")
        search.solve(clock.until)
    if search.gap == 0 and len(cover.member) <= PAIRS_TIED:
        search.break_tie(clock.until)
    return Choice(search.best, search.gap)


class _Search:
    """The best choice so far, the names that each cheaper choice must have (`taken`), and the undecided `part`."""

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
        """The most that a better choice can cost."""
        return self.cost - 1 if self.whole else self.cost * (1 - SLIGHT)

    @property
    def gap(self) -> float:
        """The relative optimality gap: a better choice may be cheaper by this part."""
        gap = 1 - max(self.least, 0.0) / self.cost
        return 0.0 if self.least > self.limit + SLIGHT or gap < PROVEN else gap

    def narrow(self, clock: _Clock) -> bool:
        """Decide the names that the bound rules out or in, as long as that helps; return whether to search on."""
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
        self.least = max(self.least, self.limit + 2 * SLIGHT)  # no cheaper choice is left to search
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
        """Make a choice among the undecided names the best one, if it is cheaper and frees enough."""
        choice = self.taken.copy()
        choice[self.names[dropped]] = True
        if self.cover.cost[choice].sum() < self.cost and self.cover.freed(choice) >= self.need:
            self.best = choice

    def solve(self, until: float) -> None:
        """Search the cheapest choice among the undecided names."""
        base = float(self.cover.cost[self.taken].sum())
        program = _Program(self.part, self.left)
        names = len(self.part.cost)
        if self.whole:  # half a unit from any sum: the solver errs if a sum is within rounding of a limit
            program.add(self.part.cost, -np.inf, self.limit - base + 0.5)
        goal = np.concatenate((self.part.cost, np.zeros(len(program.weight) - names)))
        found, low = program.solved(goal, until)
        if found is not None:
            self.offer(found)
        self.least = max(self.least, base + low)

    def break_tie(self, until: float) -> None:
        """Search a choice that costs as much as the best one and frees more."""
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
        enough = np.minimum(self.weight, 1.0)  # more than needed does not help, and huge values lose precision
        place = names + np.cumsum(several) - 1
        pair = several[cover.of_pair]
        below, above = place[cover.of_pair[pair]], cover.member[pair]
        row = np.arange(len(below))
        entries = (np.repeat([1.0, -1.0], len(row)), (np.tile(row, 2), np.concatenate((below, above))))
        order = coo_array(entries, shape=(len(row), len(self.weight))).tocsr()
        self.rows = [LinearConstraint(order, -np.inf, 0)] if len(row) else []
        self.rows.append(LinearConstraint(enough[None, :], 1 - SLIGHT, np.inf))

    def add(self, of_names: Floats, low: float, high: float) -> None:
        """Constrain a sum over the names to a range."""
        row = np.zeros((1, len(self.weight)))
        row[0, : len(of_names)] = of_names
        self.rows.append(LinearConstraint(row, low, high))

    def solved(self, goal: Floats, until: float) -> tuple[Bools | None, float]:
        """Return the names with the least `goal`, if there are any and time allows, and a bound of that goal.

        The solver rounds. If its choice frees too little, that choice is excluded and the solver runs again.
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
