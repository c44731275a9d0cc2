"""What goes when pins are dropped, against naive mark-and-sweep and naive counting that share no code with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobkit.analysis import kernels
from blobkit.analysis.removal import removal
from effort import TORTURE
from graphs import Graph, array, counted, graphs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blobkit.snapshot.graph import ReferenceGraph

OFTEN = settings(max_examples=100 * TORTURE)
"""Quick to try, and some shapes are rare: a level by the longer of two ways."""
DIAMOND = Graph([1, 2, 4, 8], [1, 0, 0, 0], {(0, 1), (0, 2), (1, 3), (2, 3)})


def gone(found: ReferenceGraph, drops: Mapping[int, int]) -> dict[int, int]:
    """The nodes that go, with the level of each; asked twice, the answer is the same."""
    first, again = (removal(found, array(drops), np.array([*drops.values()], np.int64)) for _ in range(2))
    assert first.nodes.tolist() == again.nodes.tolist()
    assert first.level.tolist() == again.level.tolist()
    assert sorted(zip(first.level, first.nodes, strict=True)) == list(zip(first.level, first.nodes, strict=True))
    return dict(zip(first.nodes.tolist(), first.level.tolist(), strict=True))


def single_drops(graph: Graph) -> list[dict[int, int]]:
    """One pin of each node, all pins of each, and all pins of all nodes."""
    pinned = graph.pinned()
    one, every = [{node: 1} for node in pinned], [{node: graph.pins[node]} for node in pinned]
    return [*one, *every, {node: graph.pins[node] for node in pinned}]


@st.composite
def several_drops(draw: st.DrawFn, graph: Graph) -> dict[int, int]:
    nodes = draw(st.sets(st.sampled_from(graph.pinned()))) if graph.pinned() else set()
    return {node: draw(st.integers(1, graph.pins[node])) for node in sorted(nodes)}


@pytest.mark.slow
@OFTEN
@given(graphs(), st.data())
def test_counting_and_marking_without_cycles(graph: Graph, data: st.DataObject) -> None:
    mark, count = counted(graph), counted(graph, counting=True)
    for drops in [*single_drops(graph), data.draw(several_drops(graph))]:
        swept, recounted = graph.swept(drops), graph.recounted(drops)
        assert gone(mark, drops) == graph.levels(swept)
        assert gone(count, drops) == graph.levels(recounted)
        assert recounted <= swept


@pytest.mark.slow
@OFTEN
@given(graphs(cyclic=True), st.data())
def test_counting_and_marking_with_cycles(graph: Graph, data: st.DataObject) -> None:
    mark, count = counted(graph), counted(graph, counting=True)
    for drops in [*single_drops(graph), data.draw(several_drops(graph))]:
        assert set(gone(mark, drops)) == graph.swept(drops)
        assert gone(count, drops) == graph.levels(graph.recounted(drops))


@pytest.mark.parametrize("counting", [False, True])
def test_a_diamond_goes_whole_and_its_tip_last(counting: bool) -> None:  # noqa: FBT001 (a parameter)
    assert gone(counted(DIAMOND, counting=counting), {0: 1}) == {0: 0, 1: 1, 2: 1, 3: 2}


@pytest.mark.parametrize("counting", [False, True])
def test_one_of_two_pins_frees_nothing(counting: bool) -> None:  # noqa: FBT001 (a parameter)
    graph = counted(replace(DIAMOND, pins=[2, 0, 0, 0]), counting=counting)
    assert gone(graph, {0: 1}) == {}
    assert len(gone(graph, {0: 2})) == 4


@pytest.mark.parametrize("counting", [False, True])
@pytest.mark.parametrize("pins", [2, 1 << 30, (1 << 31) + 1, (1 << 32) + 1, 1 << 40])
def test_one_of_very_many_pins_frees_nothing(pins: int, counting: bool) -> None:  # noqa: FBT001 (a parameter)
    graph = counted(Graph([1, 2], [pins, 0], {(0, 1)}), counting=counting)
    assert gone(graph, {0: 1}) == gone(graph, {0: pins - 1}) == {}
    assert gone(graph, {0: pins}) == {0: 0, 1: 1}


@pytest.mark.parametrize("counting", [False, True])
def test_dropping_no_pin_of_garbage_frees_nothing(counting: bool) -> None:  # noqa: FBT001 (a parameter)
    assert gone(counted(Graph([1, 2], [0, 1]), counting=counting), {0: 0}) == {}


def test_what_garbage_links_to_is_held_only_where_references_are_counted() -> None:
    graph = Graph([1, 1, 1], [1, 0, 0], {(0, 1), (2, 1)})
    assert gone(counted(graph), {0: 1}) == {0: 0, 1: 1}
    assert gone(counted(graph, counting=True), {0: 1}) == {0: 0}


def test_a_cycle_goes_only_where_it_is_swept() -> None:
    graph = Graph([1, 1, 1], [1, 0, 0], {(0, 1), (1, 2), (2, 1)})
    assert gone(counted(graph), {0: 1}) == {0: 0, 1: 1, 2: 2}
    assert gone(counted(graph, counting=True), {0: 1}) == {0: 0}


@pytest.mark.slow
@OFTEN
@given(graphs())
def test_stand_ins_take_no_level(graph: Graph) -> None:
    graph = replace(graph, virtual=frozenset(node for node in range(len(graph)) if node % 3 == 0))
    for drops in single_drops(graph):
        assert gone(counted(graph), drops) == graph.levels(graph.swept(drops))


@pytest.mark.slow
@pytest.mark.parametrize("counting", [False, True])
def test_a_chain_of_twenty_thousand(counting: bool) -> None:  # noqa: FBT001 (a parameter)
    n = 20_000
    chain = counted(Graph([1] * n, [1, *[0] * (n - 1)], {(i, i + 1) for i in range(n - 1)}), counting=counting)
    found = removal(chain, array([0]), array([1]))
    assert found.level.tolist() == list(range(n))


@pytest.mark.slow
@pytest.mark.parametrize("cycle", [set(), {(0, 1)}])
def test_a_hub_of_twenty_thousand(cycle: set[tuple[int, int]]) -> None:
    n = 20_000
    hub = counted(Graph([1] * n, [0, *[1] * (n - 1)], {(i, 0) for i in range(1, n)} | cycle))
    assert removal(hub, array([1]), array([1])).nodes.tolist() == ([] if cycle else [1])
    everything = removal(hub, array(range(1, n)), array([1] * (n - 1)))
    assert len(everything.nodes) == n


@pytest.mark.slow
def test_the_generator_reaches_the_hard_cases() -> None:
    """Most random graphs must cascade, some deep, some stopped by what is shared; else the tests above prove little."""
    seen: dict[str, int] = dict.fromkeys(("deep", "stopped", "joint", "garbage"), 0)

    @OFTEN
    @given(graphs())
    def look(graph: Graph) -> None:
        drops = single_drops(graph)
        swept = [graph.swept(drop) for drop in drops[:-1]]
        seen["deep"] += any(len(set(graph.levels(found).values())) > 2 for found in swept)
        seen["stopped"] += any(t not in found for found in swept for node in found for t in graph.out[node])
        seen["joint"] += sum(map(graph.bytes, swept)) < graph.bytes(graph.swept(drops[-1]))
        seen["garbage"] += len(graph.reached(graph.pinned())) < len(graph)

    look()
    assert min(seen.values()) >= 5, seen


@pytest.mark.slow
@OFTEN
@given(graphs(cyclic=True))
def test_compiled_and_plain_remove_agree(graph: Graph) -> None:
    found = counted(graph, counting=True)
    nodes = array(graph.pinned())
    drops = found.pins[nodes].astype("int64")
    answers = []
    for run in (kernels.remove.plain, kernels.remove.compiled):
        left = (found.links_in + found.pins).astype("int32")
        went, levels = run(found.indptr, found.indices, found.blob, left, nodes, drops)
        assert (left == found.links_in + found.pins).all()
        answers.append((went.tolist(), levels.tolist()))
    assert answers[0] == answers[1]
