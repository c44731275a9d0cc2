"""Which names reach a blob, and what holds it directly: against brute force, and in time where graphs are deep."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blobkit
from blobkit.analysis import referrers
from blobkit.analysis.compiling import Kernel
from blobkit.analysis.referrer_kernels import first_sources, links_within, nearest
from blobkit.analysis.referrers import Referrers
from blobkit.snapshot.snapshot import Snapshot, build
from graphs import Graph, array, graphs, key, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Callable


@st.composite
def named(draw: st.DrawFn) -> tuple[Graph, dict[int, list[str]]]:
    """A graph, cycles too, with names for some of the pins of each node; some names are given twice."""
    graph = draw(graphs(cyclic=True, largest=20))
    words = st.lists(st.sampled_from([f"n{i}" for i in range(12)]), unique=True)
    return graph, {node: draw(words)[: graph.pins[node]] for node in graph.pinned()}


def near(graph: Graph, names: dict[int, list[str]], node: int) -> list[tuple[int, str]]:
    """All names that reach a node with the fewest links, by brute force; an anonymous pin goes by its digest."""
    found: dict[str, int] = {}
    for root in graph.pinned():
        far = graph.depths([root])[node]
        given_names = names.get(root, [])
        anonymous = [key(root)] if graph.pins[root] > len(given_names) else []
        for name in [*given_names, *anonymous] if far >= 0 else []:
            found[name] = min(far, found.get(name, far))
    return sorted((far, name) for name, far in found.items())


@pytest.mark.slow
@given(named(), st.sampled_from([1, 2, 3, 100]), st.booleans())
def test_the_nearest_names_of_each_node(
    case: tuple[Graph, dict[int, list[str]]],
    most: int,
    compiled: bool,  # noqa: FBT001 (drawn)
) -> None:
    graph, names = case
    snapshot = snapshot_of(graph, counting=False, names=names)
    asked = array(range(len(graph)))
    with pytest.MonkeyPatch.context() as patch:
        if compiled:
            patch.setattr("blobkit.analysis.compiling.Kernel.price", 0)
        found = Referrers.now(snapshot).reaching(asked, most)
    for node, told, ordered in zip(range(len(graph)), found.tuples(), found.tuples(nearest_first=True), strict=True):
        expected = [name for _, name in near(graph, names, node)]
        assert list(ordered) == expected[:most]
        assert told == tuple(sorted(ordered))
        assert Referrers.now(snapshot).names(node, most) == list(ordered)


@pytest.mark.slow
@given(named(), st.sampled_from([1, 2, 100]))
def test_what_holds_each_node_directly(case: tuple[Graph, dict[int, list[str]]], most: int) -> None:
    graph, names = case
    snapshot = snapshot_of(graph, counting=False, names=names)
    alive = graph.reached(graph.pinned())
    for node, told in enumerate(Referrers.now(snapshot).incoming(array(range(len(graph))), most)):
        links = [key(above) for above in sorted(graph.into[node] & alive)]
        pins = sorted({name for far, name in near(graph, names, node) if far == 0})
        assert told[: len(links)] == tuple(links)[:most]
        assert len(told) == min(most, len(links) + len(pins))
        assert set(told[len(links) :]) <= set(pins)


@pytest.mark.slow
def test_with_little_room_fewer_names_are_told_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrers, "ROOM", 1)
    n, most = 600, 100
    graph = Graph([1] * n, [most] + [0] * (n - 1), {(i, i + 1) for i in range(n - 1)})
    names = [f"n{i:03}" for i in range(most)]
    found = Referrers.now(snapshot_of(graph, counting=False, names={0: names})).reaching(array([0, n - 1]), most)
    assert found.tuples(nearest_first=True) == [tuple(names[: referrers.FEWEST])] * 2


def line(n: int, pins: list[int]) -> Snapshot:
    """A chain of n links, with a name on each of these nodes."""
    return build(
        "oci",
        "chain",
        nodes={"key": [key(i) for i in range(n)], "size": [1] * n},
        links={"source": np.arange(n - 1), "target": np.arange(1, n), "kind": ["child"] * (n - 1)},
        pins={"node": pins, "name": [f"t{i:06}" for i in range(len(pins))], "kind": ["entry"] * len(pins)},
    )


def star(n: int) -> Snapshot:
    """One blob that n named ones link to."""
    return build(
        "oci",
        "star",
        nodes={"key": [key(i) for i in range(n + 1)], "size": [1] * (n + 1)},
        links={"source": np.arange(n), "target": np.full(n, n), "kind": ["child"] * n},
        pins={"node": np.arange(n), "name": [f"t{i:06}" for i in range(n)], "kind": ["entry"] * n},
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "blobs"),
    [(lambda: line(30_000, [0, 0, 5]), 30_000), (lambda: star(60_000), 1)],
    ids=["chain", "hub"],
)
def test_kept_is_linear_where_graphs_are_deep_or_wide(
    made: Callable[[], Snapshot], blobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loops are compiled before calls are counted: compiling takes millions of them."""
    monkeypatch.setattr(Kernel, "price", 0)
    assert len(blobkit.simulate_deref(made(), "t000000").kept) == blobs
    preview = blobkit.simulate_deref(made(), "t000000")
    counted = itertools.count()
    sys.setprofile(lambda *_: next(counted))
    try:
        kept = preview.kept
    finally:
        sys.setprofile(None)
    assert next(counted) < 40 * blobs + 20_000, "calls: each blob asks for itself"
    assert len(kept) == blobs
    needed = kept.set_index("level")["still_needed_by"]
    if blobs == 1:
        assert needed[1] == tuple(f"t{i:06}" for i in range(1, 101))
    else:
        assert (needed[4], needed[29_999]) == (("t000001",), ("t000001", "t000002"))


@pytest.mark.slow
@given(graphs(cyclic=True), st.data())
def test_kernels_agree_with_what_they_are_compiled_from(graph: Graph, data: st.DataObject) -> None:
    counted = snapshot_of(graph, counting=False).graph
    inside = np.array(data.draw(st.lists(st.booleans(), min_size=len(graph), max_size=len(graph))), np.bool_)
    nodes = np.flatnonzero(inside).astype(np.int32)
    for kernel, args in (
        (links_within, (counted.indptr, counted.indices, inside)),
        (first_sources, (counted.indptr, counted.indices, inside, nodes, 2)),
        (nearest, (counted.indptr, counted.indices, nodes, nodes, 2, 1 << 20)),
    ):
        for ours, plain in zip(kernel.compiled(*args), kernel.plain(*args), strict=True):
            assert np.array_equal(ours, plain)


def test_a_pin_that_counts_nothing_is_no_holder() -> None:
    """As saved snapshots may have it."""
    snapshot = build(
        "oci",
        "/somewhere",
        nodes={"key": [key(0)], "size": [5]},
        links={"source": [], "target": []},
        pins={"node": [0, 0], "name": ["none", "one"], "kind": ["entry"] * 2, "count": [0, 1]},
    )
    assert Referrers.now(snapshot).incoming_of(0, 10) == Referrers.now(snapshot).names(0, 10) == ["one"]
    assert blobkit.simulate_deref(snapshot, "none").kept["holders"].tolist() == [("one",)]
    assert any("none of these names holds" in notice for notice in blobkit.simulate_deref(snapshot, "none").notices)
