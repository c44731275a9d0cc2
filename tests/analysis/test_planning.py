"""The cheapest names: against every subset of names, and on sizes where only the promises can be checked."""

from __future__ import annotations

import itertools
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blobkit.analysis import covers, planning, programs
from blobkit.analysis.cover_kernels import balanced, reduced
from blobkit.analysis.covers import Cover, bound, cover
from blobkit.analysis.planning import cheapest
from graphs import Graph, counted
from patience import HANG

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

SECONDS = HANG


def made(cost: Iterable[float], *classes: tuple[int, Iterable[int]], rest: int = 0) -> Cover:
    """A cover of classes given as (bytes, names)."""
    members = [sorted(set(names)) for _, names in classes]
    start = np.concatenate(([0], np.cumsum([len(names) for names in members]))).astype(np.int64)
    member = np.array([name for names in members for name in names], np.int64)
    return Cover(np.array(list(cost), float), np.array([size for size, _ in classes], np.int64), start, member, rest)


def drawn(seed: int) -> tuple[Cover, list[tuple[int, frozenset[int]]], int]:
    """A random cover of up to nine names, its classes in plain Python, and how much is needed."""
    random = np.random.default_rng(seed)
    names = int(random.integers(1, 10))
    classes = {}
    for _ in range(int(random.integers(1, 14))):
        some = frozenset(random.choice(names, int(random.integers(1, min(names, 4) + 1)), replace=False).tolist())
        classes[some] = int(random.integers(1, 1 << int(random.integers(2, 40))))
    kind = seed % 4
    cost = (
        np.ones(names),
        random.integers(0, 6, names).astype(float),
        random.integers(1, 4, names) * 7.0,
        np.round(random.random(names) * 10.0 ** random.integers(-6, 7), 9),
    )[kind]
    listed = [(size, some) for some, size in classes.items()]
    found = made(cost, *listed)
    if random.random() < 0.5:
        picked = random.random(names) < 0.5
        need = sum(size for size, some in listed if all(picked[name] for name in some))
    else:
        need = int(random.random() * found.possible)
    return found, listed, need


def freed(classes: list[tuple[int, frozenset[int]]], dropped: Iterable[int]) -> int:
    return sum(size for size, names in classes if names <= set(dropped))


def best(found: Cover, classes: list[tuple[int, frozenset[int]]], need: int) -> tuple[float, int]:
    """The least cost of any subset that frees enough, and the most bytes at that cost, by trying all of them."""
    names = range(len(found.cost))
    every = (subset for k in range(len(names) + 1) for subset in itertools.combinations(names, k))
    right = [(float(found.cost[list(s)].sum()), freed(classes, s)) for s in every if freed(classes, s) >= need]
    least = min(cost for cost, _ in right)
    return least, max(size for cost, size in right if cost <= least * (1 + 1e-12))


def test_costs_that_are_nearly_the_same() -> None:
    """Names 1 and 4 are enough; the solver said 3 and 5 with 2 are the cheapest, told of a limit too near to that."""
    costs = (1.000000001, 1.0000001, 1.000000001, 1.0, 1.000000001, 1.0000001, 1.0)
    classes = [(431_257_481_528, {1, 2, 4, 5, 6}), (1_000_001, {1, 4}), (1_000_000, {2, 5, 6}), (12_120, {0, 3})]
    found = made(costs, *classes, (105, {5}), (1, {2, 6}), (1, {0, 2, 3, 6}))
    choice = cheapest(found, 12_225, SECONDS)
    assert (np.flatnonzero(choice.dropped).tolist(), choice.gap) == ([1, 4], 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(60, 600, 60))])
def test_no_subset_of_the_names_costs_less(seed: int) -> None:
    for one in range(seed, seed + 60):
        found, classes, need = drawn(one)
        choice = cheapest(found, need, SECONDS)
        dropped = np.flatnonzero(choice.dropped).tolist()
        least, most = best(found, classes, need)
        assert freed(classes, dropped) >= need
        assert found.cost[dropped].sum() <= least * (1 + 2e-6)
        assert choice.gap == 0
        if (found.cost == 1).all() and need:
            assert freed(classes, dropped) >= most * (1 - 1e-6)
        for name in dropped:
            assert freed(classes, set(dropped) - {name}) < need


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(0, 400, 40))
def test_the_bound_is_below_every_choice(seed: int) -> None:
    for one in range(seed, seed + 40):
        found, classes, need = drawn(one)
        if (found.cost == 0).any():
            continue
        found, one_of = found.merged()
        low = bound(found, need)
        merged = [(size, frozenset(int(one_of[name]) for name in names)) for size, names in classes]
        for k in range(len(found.cost) + 1):
            for subset in itertools.combinations(range(len(found.cost)), k):
                if freed(merged, subset) >= need:
                    cost = found.cost[list(subset)].sum() * (1 + 1e-12)
                    assert low.least <= cost
                    assert all(low.dropped[name] <= cost for name in subset)
                    assert all(low.spared[name] <= cost for name in set(range(len(found.cost))) - set(subset))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_kernels_compiled_and_plain_agree(seed: int) -> None:
    found, _, need = drawn(seed)
    begin = np.concatenate(([0], np.cumsum(np.bincount(found.member, minlength=len(found.cost))))).astype(np.int64)
    classes = found.of_pair[np.argsort(found.member, kind="stable")]
    cost = np.maximum(found.cost, 0.5)
    args = (found.start, found.member, begin, classes, found.size, cost, need)
    assert (reduced.plain(*args) == reduced.compiled(*args)).all()
    even = (found.size / found.number)[found.of_pair]
    args = (found.start, found.member, found.size, cost, even, 20)
    apportioned = balanced.plain(*args)
    assert np.allclose(apportioned, balanced.compiled(*args))
    assert np.bincount(found.of_pair, apportioned) == pytest.approx(found.size)


def test_names_in_the_same_classes_become_one() -> None:
    found, one = made([1, 2, 4, 8, 16], (10, [0, 1, 3]), (5, [3]), (7, [0, 1])).merged()
    assert one.tolist() == [0, 0, -1, 1, -1]
    assert found.cost.tolist() == [3, 8]
    assert found.freed(np.array([True, False])) == 7
    assert found.freed(np.array([True, True])) == 22


def test_what_is_never_dropped_and_what_is_dropped_anyway() -> None:
    part, names, pairs, free = made([1, 1, 1, 1], (10, [0]), (5, [0, 1]), (7, [1, 2]), (9, [3])).without(
        np.array([False, False, True, False]), np.array([True, False, False, False])
    )
    assert free == 10
    assert names.tolist() == [1, 3]
    assert part.size.tolist() == [5, 9]
    assert pairs.tolist() == [False, False, True, False, False, True]


def test_what_costs_nothing_is_dropped_where_it_is_needed_only() -> None:
    found = made([0, 0, 3], (10, [0]), (10, [1]), (10, [2]))
    assert cheapest(found, 20, SECONDS).dropped.tolist() == [True, True, False]
    assert cheapest(found, 10, SECONDS).dropped.sum() == 1
    assert cheapest(found, 30, SECONDS).dropped.all()
    assert not cheapest(found, 0, SECONDS).dropped.any()


def test_of_equal_costs_that_which_frees_most() -> None:
    found = made([1, 1, 1, 1], (10, [0]), (12, [1]), (11, [2]), (10, [3]))
    assert cheapest(found, 10, SECONDS).dropped.tolist() == [False, True, False, False]
    assert cheapest(found, 21, SECONDS).dropped.tolist() == [False, True, True, False]


def test_a_byte_too_few_is_too_few() -> None:
    """The solver would round: of a billion gigabytes one byte is missing."""
    huge = 1 << 50
    found = made([2, 2, 5, 1], (huge, [0]), (huge - 1, [1]), (2 * huge, [2]), (1, [3]))
    assert cheapest(found, 2 * huge, SECONDS).dropped.tolist() in (
        [False, False, True, False],
        [True, True, False, True],
    )
    assert cheapest(found, 2 * huge - 1, SECONDS).dropped.tolist() == [True, True, False, False]


def large(seed: int, names: int = 400) -> tuple[Cover, int]:
    """Images that share layers by a power law."""
    random = np.random.default_rng(seed)
    own = [(int(random.lognormal(14, 2)) + 1, [name]) for name in range(names)]
    shared = [
        (int(random.lognormal(15, 2)) + 1, random.choice(names, min(names, 1 + int(random.pareto(1))), replace=False))
        for _ in range(3 * names)
    ]
    found = made(np.ones(names), *own, *shared)
    return found, int(found.possible * random.uniform(0.1, 0.9))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_without_time_the_choice_is_right_and_its_gap_is_told(seed: int) -> None:
    found, need = large(seed)
    hasty, proven = cheapest(found, need, 0), cheapest(found, need, SECONDS)
    assert found.freed(hasty.dropped) >= need
    assert found.freed(proven.dropped) >= need
    assert proven.dropped.sum() >= hasty.dropped.sum() * (1 - hasty.gap) - 1e-6
    assert proven.gap <= hasty.gap < 0.5
    assert proven.gap == 0
    assert (cheapest(found, need, SECONDS).dropped == proven.dropped).all()


@pytest.mark.slow
def test_too_much_for_the_solver_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    found, need = large(5)
    proven = cheapest(found, need, SECONDS)
    monkeypatch.setattr(planning, "PAIRS_SOLVED", 0)
    choice = cheapest(found, need, SECONDS)
    assert found.freed(choice.dropped) >= need
    assert choice.dropped.sum() * (1 - choice.gap) <= proven.dropped.sum() + 1e-6


def test_bytes_that_are_not_listed_count_for_the_bound_and_not_for_the_promise() -> None:
    found = made([1, 1, 1], (10, [0]), (10, [1]), rest=100)
    choice = cheapest(found, 10, SECONDS)
    assert (choice.dropped.sum(), choice.gap) == (1, 0)  # no name at all is too few
    assert cheapest(found, 50, SECONDS).dropped.all()
    more = cheapest(made([1] * 4, *((10, [name]) for name in range(4)), rest=25), 30, SECONDS)
    assert (more.dropped.sum(), more.gap) == (3, pytest.approx(1 - 0.5 / 3))


def held_by(found: Cover) -> dict[frozenset[int], int]:
    parts: list[NDArray[np.int64]] = np.split(found.member, found.start[1:-1])
    return {frozenset(names.tolist()): int(size) for names, size in zip(parts, found.size, strict=True)}


def test_classes_of_a_graph() -> None:
    """Names 0 and 1 on nodes 0 and 1, name 2 on both, something else on 5; 3 is shared, 4 is under 5 too."""
    graph = Graph(
        [1, 2, 4, 8, 16, 32, 64, 0], [2, 2, 0, 0, 0, 1, 0, 0], {(0, 2), (0, 3), (1, 3), (1, 4), (5, 4), (3, 7)}
    )
    alone = np.array([node not in (4, 5) for node in range(8)])
    found = cover(counted(graph), alone, np.array([0, 1, 2, 4]), np.array([0, 1, 0, 1], np.int32), np.ones(3))
    assert held_by(found) == {frozenset({0, 2}): 5, frozenset({1, 2}): 2, frozenset({0, 1, 2}): 8}
    assert found.rest == 0


@pytest.mark.slow
@pytest.mark.parametrize("ticks", [0, 1, 2, 4, 8, 10_000])
def test_whenever_the_time_runs_out_the_answer_frees_enough_and_the_gap_is_true(
    monkeypatch: pytest.MonkeyPatch, ticks: int
) -> None:
    """The clock goes on by one whenever it is looked at."""
    monkeypatch.setattr(covers, "STEP", 0)
    monkeypatch.setattr(programs, "INSTANT", 1e6)
    gaps = []
    for seed in range(40):
        found, classes, need = drawn(seed)
        monkeypatch.setattr(planning, "monotonic", itertools.count().__next__)
        choice = cheapest(found, need, ticks)
        dropped = np.flatnonzero(choice.dropped).tolist()
        least, _ = best(found, classes, need)
        assert freed(classes, dropped) >= need
        assert 0 <= choice.gap <= 1
        assert found.cost[dropped].sum() * (1 - choice.gap) <= least * (1 + 2e-6)
        gaps.append(choice.gap)
    assert any(gaps) == (ticks < 10_000)


def test_the_search_says_what_it_does() -> None:
    found = made([1, 1, 2, 3], (10, [0, 1]), (10, [1, 2]), (10, [2, 3]), (10, [0, 3]))
    said: list[str] = []
    cheapest(found, 15, SECONDS, said.append)
    assert said[0] == "a first choice"
    assert said[1] == "bound, 6 rounds"
    assert said[-1].startswith("solver, gap ")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that the solver starts, as it solves nothing in this process."""
    made, popen = [], subprocess.Popen

    def noted(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        made.append(popen(command, **options))  # type: ignore[call-overload]
        return made[-1]

    monkeypatch.setattr(programs, "PAIRS_HERE", 0)
    monkeypatch.setattr(programs.subprocess, "Popen", noted)
    return made


def program() -> tuple[programs.Program, NDArray[np.float64]]:
    found = made([1, 1, 2, 3], (10, [0, 1]), (10, [1, 2]), (10, [2, 3]), (10, [0, 3]))
    return programs.Program(found, 15), np.array([1, 1, 2, 3, 0, 0, 0, 0.0])


@pytest.mark.slow
def test_another_process_solves_the_same(started: list[subprocess.Popen[bytes]]) -> None:
    it, goal = program()
    dropped, low = it.solved(goal, lambda: HANG)
    assert dropped is not None
    assert (dropped.tolist(), low, len(started)) == ([True, True, True, False], 4, 1)
    assert started[0].returncode is not None


def test_the_other_process_ends_with_the_time(started: list[subprocess.Popen[bytes]]) -> None:
    it, goal = program()
    clock = itertools.chain([HANG] * 3, itertools.repeat(0))  # no time is left once the process has started
    assert it.solved(goal, lambda: next(clock)) == (None, -np.inf)
    assert [process.poll() is not None for process in started] == [True]


def test_the_other_process_ends_with_an_interrupt(
    started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(programs, "TICK", 0)
    it, goal = program()
    with pytest.raises(KeyboardInterrupt):
        it.solved(goal, lambda: HANG, interrupted)
    assert [process.poll() is not None for process in started] == [True]


def test_a_process_that_fails_finds_nothing(
    started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for executable in ("/usr/bin/false", "/nowhere"):
        monkeypatch.setattr(programs.sys, "executable", executable)
        it, goal = program()
        assert it.solved(goal, lambda: HANG) == (None, -np.inf)
    assert len(started) == 1
