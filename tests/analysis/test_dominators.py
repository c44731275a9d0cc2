"""Retained and freed bytes, against taking each node out and looking at what is left."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings

from blobkit.analysis.dominators import dominators, frees, is_cyclic, retained
from effort import TORTURE
from graphs import Graph, counted, graphs

OFTEN = settings(max_examples=100 * TORTURE)
"""Quick to try, and some shapes are rare: a third pass over nested cycles."""


def kept_alone(graph: Graph, node: int) -> int:
    """Bytes that nothing reaches any more once a node is taken out, its own included."""
    before, after = graph.reached(graph.pinned()), graph.reached(graph.pinned(), without=node)
    return graph.bytes(before - after)


def recounted_without(graph: Graph, node: int) -> int:
    """Bytes that go by counting once a node is taken out, its own included; unreached nodes hold what they link to."""
    gone = {node}
    while True:
        lost = {t for one in gone for t in graph.out[one]} - gone
        more = {t for t in lost if not graph.pins[t] and graph.into[t] <= gone}
        if not more:
            return graph.bytes(gone)
        gone |= more


@pytest.mark.slow
@OFTEN
@given(graphs(cyclic=True))
def test_retained_is_what_only_a_node_keeps(graph: Graph) -> None:
    want = [kept_alone(graph, node) for node in range(len(graph))]
    assert retained(counted(graph)).tolist() == want


@pytest.mark.slow
@OFTEN
@given(graphs())
def test_retained_by_counting(graph: Graph) -> None:
    found = retained(counted(graph, counting=True))
    for node in graph.reached(graph.pinned()):
        assert found[node] == recounted_without(graph, node)


def test_what_leaked_is_held_by_itself() -> None:
    """Counted references that no root explains can't be dropped: neither blob of a leaked pair goes with the other."""
    leaked = Graph([1, 2, 4], [0, 0, 1], {(0, 1), (1, 2)})
    assert retained(counted(leaked, counting=True)).tolist() == [1, 2, 4]
    assert frees(counted(leaked, counting=True)).tolist() == [0, 0, 0]
    assert retained(counted(leaked)).tolist() == [0, 0, 4]


@pytest.mark.slow
@OFTEN
@given(graphs(cyclic=True))
def test_frees_is_dropping_all_pins_of_a_node(graph: Graph) -> None:
    mark, count = frees(counted(graph)), frees(counted(graph, counting=True))
    for node in range(len(graph)):
        drops = {node: graph.pins[node]}
        assert mark[node] == graph.bytes(graph.swept(drops))
        assert count[node] == graph.bytes(graph.recounted(drops))


@pytest.mark.slow
@OFTEN
@given(graphs(cyclic=True))
def test_a_dominator_is_on_every_way_down(graph: Graph) -> None:
    tree = dominators(counted(graph))
    live = graph.reached(graph.pinned())
    assert sorted(tree.order.tolist()) == sorted(live)
    place = {node: i for i, node in enumerate(tree.order.tolist())}
    for node in live:
        above = tree.idom[node]
        if above < len(graph):
            assert node not in graph.reached(graph.pinned(), without=above)
            assert place[above] < place[node]
        else:
            assert all(node in graph.reached(graph.pinned(), without=o) for o in live - {node})


@pytest.mark.parametrize("stem", [1, 2, 5, 12])
@pytest.mark.parametrize("branch", [1, 3, 4, 7, 20])
def test_long_branches_meet_below_their_fork(stem: int, branch: int) -> None:
    """A stem forks into two long branches with rungs between them, which end in one tail."""
    left, right = stem, stem + branch
    chains = (range(stem), [stem - 1, *range(left, left + branch)], [stem - 1, *range(right, right + branch)])
    tail = right + branch
    links = {pair for chain in chains for pair in itertools.pairwise(chain)}
    links |= {(left + branch - 1, tail), (right + branch - 1, tail), (tail, tail + 1)}
    for rungs in (set(), {(left + i, right + i + 1) for i in range(0, branch - 1, 3)}):
        graph = Graph([1 + i for i in range(tail + 2)], [1, *[0] * (tail + 1)], links | rungs)
        assert retained(counted(graph)).tolist() == [kept_alone(graph, node) for node in range(len(graph))]


def test_cycles_in_cycles_need_a_third_pass() -> None:
    links = {(0, 2), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (3, 1), (4, 1), (4, 2)}
    graph = Graph([1, 2, 4, 8, 16, 32], [1, 0, 0, 0, 0, 0], links)
    assert retained(counted(graph)).tolist() == [kept_alone(graph, node) for node in range(6)]


def test_cycles_are_seen_only_where_they_are_reached() -> None:
    links = {(0, 1), (2, 3), (3, 2)}
    assert not is_cyclic(counted(Graph([1] * 4, [1, 0, 0, 0], links)))
    assert is_cyclic(counted(Graph([1] * 4, [1, 0, 1, 0], links)))
    assert is_cyclic(counted(Graph([1] * 4, [1, 0, 0, 0], links), counting=True))


@pytest.mark.slow
@given(graphs(cyclic=True))
def test_a_cycle_is_seen_as_the_tree_of_dominators_sees_it(graph: Graph) -> None:
    for counting in (False, True):
        found = counted(graph, counting=counting)
        assert is_cyclic(found) == dominators(found).cyclic


@pytest.mark.slow
def test_a_chain_and_a_hub_of_twenty_thousand() -> None:
    n = 20_000
    chain = counted(Graph([1] * n, [1, *[0] * (n - 1)], {(i, i + 1) for i in range(n - 1)}))
    assert retained(chain).tolist() == list(range(n, 0, -1))
    hub = counted(Graph([1] * n, [0, *[1] * (n - 1)], {(i, 0) for i in range(1, n)}))
    assert (retained(hub) == 1).all()
    assert frees(hub).tolist() == [0, *[1] * (n - 1)]


@pytest.mark.slow
def test_a_ring_of_twenty_thousand_in_both_directions() -> None:
    n = 20_000
    links = {(i, i + 1) for i in range(n - 1)} | {(i + 1, i) for i in range(n - 1)}
    ring = counted(Graph([1] * n, [1, *[0] * (n - 1)], links))
    assert retained(ring).tolist() == list(range(n, 0, -1))
    assert frees(ring)[0] == n
    assert not np.any(frees(ring)[1:])
