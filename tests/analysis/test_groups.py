"""What groups of roots reach, listed and in batches, against sets; the classes of nodes; what no pin can free."""

from __future__ import annotations

from itertools import chain, pairwise
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobkit.analysis import group_kernels, groups
from blobkit.analysis.dominators import leaked
from blobkit.analysis.groups import Batched, Listed, classes, pairs, reach, shares, sums
from effort import TORTURE
from graphs import Graph, array, counted, graphs
from kernel_parity import same

if TYPE_CHECKING:
    from blobkit.analysis.groups import Reach

Roots = list[list[int]]
FORMS = (Listed, Batched)


@st.composite
def grouped(draw: st.DrawFn, most: int = 8) -> tuple[Graph, Roots]:
    """A graph, cyclic or not, and the roots of some groups: none, the same one twice, and several are among them."""
    graph = draw(graphs(cyclic=draw(st.booleans())))
    return graph, draw(st.lists(st.lists(st.integers(0, len(graph) - 1), max_size=4), min_size=1, max_size=most))


def csr(roots: Roots) -> tuple[np.ndarray, np.ndarray]:
    start = np.cumsum([0, *map(len, roots)])
    return start.astype(np.int64), array(chain.from_iterable(roots))


def found_by(form: type, graph: Graph, roots: Roots) -> Reach:
    """What the product finds in one form or the other."""
    made = counted(graph)
    if form is Batched:
        return Batched(made, *csr(roots))
    found = reach(made, *csr(roots))
    assert isinstance(found, Listed)
    return found


def sets(graph: Graph, roots: Roots) -> list[set[int]]:
    """What each group reaches, by networkx."""
    made = nx.DiGraph(list(graph.links))
    made.add_nodes_from(range(len(graph)))
    return [set().union(*({root} | nx.descendants(made, root) for root in group)) for group in roots]


def reached_by(graph: Graph, roots: Roots) -> list[tuple[int, ...]]:
    """The groups that reach each node."""
    found = sets(graph, roots)
    return [tuple(g for g, nodes in enumerate(found) if node in nodes) for node in range(len(graph))]


def apportioned(owners: list[tuple[int, ...]], items: list[int], number: int) -> list[int]:
    got = [0] * number
    for groups_of_node, left in zip(owners, items, strict=True):
        for group in groups_of_node[:left]:
            got[group] += 1
    return got


def check(found: Reach, graph: Graph, roots: Roots) -> None:
    owners = reached_by(graph, roots)
    assert found.number.tolist() == list(map(len, owners))
    weights = [graph.sizes, [1] * len(graph)]
    for weight, total in zip(weights, found.sums(*map(np.array, weights)), strict=True):
        assert total.tolist() == [sum(weight[node] for node in nodes) for nodes in sets(graph, roots)]
    items = [size % 5 for size in graph.sizes]
    left = np.array(items)
    assert found.apportioned(left).tolist() == apportioned(owners, items, len(roots))
    assert left.tolist() == items  # not used up
    one, two = found.signatures()
    signatures = list(zip(one.tolist(), two.tolist(), strict=True))
    assert len(set(zip(signatures, owners, strict=True))) == len(set(signatures)) == len(set(owners))
    asked = list(range(len(graph)))[::-2]
    start, members = found.members(array(asked))
    assert [tuple(members[a:b]) for a, b in pairwise(start)] == [owners[n] for n in asked]


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@given(grouped())
def test_what_groups_reach(form: type, case: tuple[Graph, Roots]) -> None:
    check(found_by(form, *case), *case)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=10)
@given(grouped(most=3), st.sampled_from([62, 63, 64, 503, 504, 505, 1100]))
def test_more_groups_than_fit_into_a_word_or_a_batch(form: type, case: tuple[Graph, Roots], number: int) -> None:
    graph, roots = case
    many = [roots[g % len(roots)] if g % 7 else [] for g in range(number)]
    many[-60:] = [roots[0]] * 60
    check(found_by(form, graph, many), graph, many)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_words_that_are_full_are_counted_at_once_and_exactly(form: type) -> None:
    graph = Graph([1000, 7, 63, 64, 126], [0] * 5, {(i, i + 1) for i in range(4)})
    roots = [[0]] * 63 + [[2]] * 63 + [[1], [4]]
    check(found_by(form, graph, roots), graph, roots)
    owners = reached_by(graph, roots)
    for items in (62, 63, 64, 125, 126, 127, 128):
        got = found_by(form, graph, roots).apportioned(np.full(5, items))
        assert got.tolist() == apportioned(owners, [items] * 5, len(roots))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@given(grouped())
def test_shares_add_up(form: type, case: tuple[Graph, Roots]) -> None:
    graph, roots = case
    owners = reached_by(graph, roots)
    alone = np.array([node % 3 > 0 for node in range(len(graph))])
    found = shares(counted(graph), found_by(form, graph, roots), alone)
    split = [0] * len(roots)
    for size, among in zip(graph.sizes, owners, strict=True):
        for place, group in enumerate(among):
            split[group] += size // len(among) + (place < size % len(among))
    assert found.split.tolist() == split
    assert found.split.sum() == sum(size for size, among in zip(graph.sizes, owners, strict=True) if among)
    assert found.blobs.tolist() == [len(nodes) for nodes in sets(graph, roots)]
    assert found.closure.tolist() == [graph.bytes(nodes) for nodes in sets(graph, roots)]
    assert found.exclusive.tolist() == [
        graph.bytes(node for node in range(len(graph)) if owners[node] == (g,) and alone[node])
        for g in range(len(roots))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@given(grouped(), st.data())
def test_classes_are_the_sets_of_groups_of_blobs(form: type, case: tuple[Graph, Roots], data: st.DataObject) -> None:
    graph, roots = case
    graph.virtual = frozenset(data.draw(st.sets(st.integers(0, len(graph) - 1))))
    graph.sizes = [0 if node in graph.virtual else size for node, size in enumerate(graph.sizes)]
    owners = reached_by(graph, roots)
    expected: dict[tuple[int, ...], list[int]] = {}
    for node in range(len(graph)):
        if owners[node] and node not in graph.virtual:
            expected.setdefault(owners[node], []).append(node)
    found = classes(counted(graph), found_by(form, graph, roots))
    rows = zip(*(getattr(found, name).tolist() for name in ("node", "number", "blobs", "bytes")), strict=True)
    assert {owners[node]: (node, number, blobs, size) for node, number, blobs, size in rows} == {
        among: (min(nodes), len(among), len(nodes), graph.bytes(nodes)) for among, nodes in expected.items()
    }
    assert found.bytes.tolist() == sorted(found.bytes.tolist(), reverse=True)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@given(grouped())
def test_pairs_share_what_both_reach(form: type, case: tuple[Graph, Roots]) -> None:
    graph, roots = case
    asked = list(range(len(roots)))[::-1]
    closed = sets(graph, roots)
    matrix = pairs(counted(graph), found_by(form, graph, roots), array(asked))
    assert matrix.tolist() == [[graph.bytes(closed[a] & closed[b]) for b in asked] for a in asked]


@pytest.mark.slow
@given(grouped(), st.integers(1, 40))
def test_what_would_explode_is_not_listed(case: tuple[Graph, Roots], most: int) -> None:
    graph, roots = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groups, "LISTED_ALWAYS", most)
        patch.setattr(groups, "LISTED_PER_LINK", 0)
        found = reach(counted(graph), *csr(roots))
    assert isinstance(found, Listed if sum(map(len, sets(graph, roots))) <= most else Batched)


@pytest.mark.slow
@given(grouped(), st.integers(1, 40))
def test_sums_of_groups_with_few_pairs_and_with_too_many(case: tuple[Graph, Roots], most: int) -> None:
    graph, roots = case
    made, closed = counted(graph), sets(graph, roots)
    *_, whole = group_kernels.summed.plain(made.indptr, made.indices, *csr(roots), made.size, most)
    assert whole == (sum(map(len, closed)) <= most)
    for always in (0, most):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(groups, "LISTED_ALWAYS", always)
            patch.setattr(groups, "LISTED_PER_LINK", 0)
            assert sums(made, *csr(roots), made.size).tolist() == list(map(graph.bytes, closed))


@pytest.mark.slow
def test_a_long_chain_of_roots_is_bounded_and_exact() -> None:
    n = 6_000
    graph = counted(Graph([1] * n, [1] * n, {(i, i + 1) for i in range(n - 1)}))
    found = reach(graph, np.arange(n + 1), np.arange(n, dtype=np.int32))
    assert isinstance(found, Batched)  # all pairs are more than are ever listed, and many batches
    assert found.number.tolist() == list(range(1, n + 1))
    share = shares(graph, found, np.ones(n, np.bool_))
    assert share.closure.tolist() == list(range(n, 0, -1))
    assert share.split.tolist() == [n] + [0] * (n - 1)  # a blob of one byte goes to the first that reaches it
    assert share.exclusive.tolist() == [1] + [0] * (n - 1)


@pytest.mark.slow
@given(graphs(cyclic=True))
def test_components(graph: Graph) -> None:
    made = nx.DiGraph(list(graph.links))
    made.add_nodes_from(range(len(graph)))
    found = counted(graph)
    component, order = group_kernels.components(found.indptr, found.indices)
    together: dict[int, set[int]] = {}
    for node, number in enumerate(component.tolist()):
        together.setdefault(number, set()).add(node)
    assert sorted(map(sorted, together.values())) == sorted(map(sorted, nx.strongly_connected_components(made)))
    assert sorted(order) == list(range(len(graph)))
    assert (np.diff(component[order]) >= 0).all()
    assert all(component[a] <= component[b] for a, b in graph.links)


@pytest.mark.slow
@settings(max_examples=12 * TORTURE)
@given(grouped())
def test_compiled_kernels_agree_with_plain_ones(case: tuple[Graph, Roots]) -> None:
    graph, roots = case
    found = counted(graph)
    start, root = csr(roots)
    component, order = group_kernels.components.plain(found.indptr, found.indices)
    same(group_kernels.components, found.indptr, found.indices)
    for most in (1, 1000):
        same(group_kernels.searched, found.indptr, found.indices, start, root, np.int64(most))
        same(group_kernels.summed, found.indptr, found.indices, start, root, found.size, np.int64(most))
    begin, reached, _ = group_kernels.searched.plain(found.indptr, found.indices, start, root, 1000)
    items = found.size % 7
    same(group_kernels.apportioned, items, begin, reached)
    asked = list(range(len(graph)))[::-2]
    place = array(asked.index(node) if node in asked else -1 for node in range(len(graph)))
    number = np.bincount(reached, minlength=len(graph))[asked]
    same(group_kernels.placed, place, np.concatenate(([0], np.cumsum(number))), begin, reached)
    same(group_kernels.bits_spread, found.indptr, found.indices, component, order, start, root)
    bits = group_kernels.bits_spread.plain(found.indptr, found.indices, component, order, start, root)
    bits[0] = group_kernels.FULL
    same(group_kernels.bits_summed, component, bits, found.size)
    same(group_kernels.bits_dealt, component, bits, items)


@pytest.mark.slow
@given(graphs(cyclic=True))
def test_leaked_is_what_stays_when_all_pins_are_dropped_from_a_counting_store(graph: Graph) -> None:
    gone = graph.recounted(dict(enumerate(graph.pins)))
    assert set(np.flatnonzero(~leaked(counted(graph, counting=True))).tolist()) == gone
    assert not leaked(counted(graph)).any()
