"""A graph view answers whatever networkx asks it as the real graph does, and cannot be changed."""

from __future__ import annotations

import copy
import json
import pickle
from io import BytesIO
from typing import TYPE_CHECKING

import networkx as nx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import blobkit
from blobkit.snapshot.snapshot import build
from blobkit.views import graph as graph_module
from blobkit.views.graph import graph_view, to_graph
from effort import TORTURE
from example_shapes import Shapes
from registries import images

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Dataset = Callable[[str], tuple[Path, dict[str, object]]]

KINDS = ("config", "layer", "child", "revision", "mark")


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Facts of any shape: cycles, self links, several kinds between two nodes; absent, isolated and virtual nodes."""
    n = draw(st.integers(1, 9))
    node = st.integers(0, n - 1)
    links = draw(st.lists(st.tuples(node, node, st.sampled_from(KINDS)), max_size=25))
    pins = draw(st.lists(st.tuples(node, st.sampled_from(["tag", "revision"])), max_size=5))
    policy = draw(st.sampled_from(["tags", "gc", "revisions"]))
    stored = draw(st.lists(st.sampled_from(["yes", "yes", "yes", "missing", "virtual"]), min_size=n, max_size=n))
    created = draw(st.lists(st.sampled_from([-1, 0, 1_500_000_000_123_456, 10**17]), min_size=n, max_size=n))
    media_type = draw(st.lists(st.sampled_from(["", "a/b", "bad\x1b"]), min_size=n, max_size=n))
    return facts(links, pins, policy, stored, created=created, media_type=media_type)


def facts(
    links: list[tuple[int, int, str]], pins: list[tuple[int, str]], policy: str, stored: list[str], **more: object
) -> Snapshot:
    return build(
        "registry",
        "random",
        nodes={
            "key": [f"k{i}" for i in range(len(stored))],
            "size": [7 + i if word == "yes" else 0 for i, word in enumerate(stored)],
            "stored": stored,
            **more,
        },
        links={end: [link[at] for link in links] for at, end in enumerate(("source", "target", "kind"))},
        pins={
            "node": [pin for pin, _ in pins],
            "name": [f"r:{i}" for i in range(len(pins))],
            "kind": [kind for _, kind in pins],
        },
        policy=policy,
    )


UP = [(0, 1, "child"), (0, 2, "child"), (1, 3, "layer"), (2, 3, "layer"), (0, 3, "layer"), (2, 4, "config")]
"""Links without a cycle: one is there by another way as well."""


def same(view: nx.DiGraph[str], real: nx.DiGraph[str]) -> None:
    """Two graphs agree on everything that a graph can be asked about its parts."""
    assert list(view) == list(real)
    assert view.graph == real.graph
    assert list(view.nodes(data=True)) == list(real.nodes(data=True))
    assert list(view.edges(data=True)) == list(real.edges(data=True))
    assert set(view.in_edges(data="kind")) == set(real.in_edges(data="kind"))
    assert (len(view), view.number_of_nodes(), view.order()) == (len(real),) * 3
    assert view.number_of_edges() == view.size() == real.number_of_edges()
    for degrees in ("degree", "in_degree", "out_degree"):
        assert dict(getattr(view, degrees)()) == dict(getattr(real, degrees)())
    for node in real:
        assert list(view.successors(node)) == list(real.successors(node))
        assert set(view.predecessors(node)) == set(real.predecessors(node))
        assert view.nodes[node] == real.nodes[node]
        assert view[node] == real[node]
        assert view.pred[node] == real.pred[node]
        for other in real:
            assert view.has_edge(node, other) == real.has_edge(node, other)
            assert view.number_of_edges(node, other) == real.number_of_edges(node, other)
            assert view.get_edge_data(node, other) == real.get_edge_data(node, other)
    assert {node: dict(row) for node, row in view.adjacency()} == {node: dict(row) for node, row in real.adjacency()}
    assert list(nx.selfloop_edges(view)) == list(nx.selfloop_edges(real))
    assert nx.utils.graphs_equal(view, real)


def algorithms(view: nx.DiGraph[str], real: nx.DiGraph[str]) -> None:
    for node in real:
        assert nx.descendants(view, node) == nx.descendants(real, node)
        assert nx.ancestors(view, node) == nx.ancestors(real, node)
        assert nx.single_source_shortest_path_length(view, node) == nx.single_source_shortest_path_length(real, node)
    assert nx.is_directed_acyclic_graph(view) == nx.is_directed_acyclic_graph(real)
    if nx.is_directed_acyclic_graph(real):
        generations = [set(found) for found in nx.topological_generations(view)]
        assert generations == [set(found) for found in nx.topological_generations(real)]
        assert nx.utils.graphs_equal(nx.transitive_reduction(view), nx.transitive_reduction(real))
    assert set(map(frozenset, nx.weakly_connected_components(view))) == set(
        map(frozenset, nx.weakly_connected_components(real))
    )
    assert nx.pagerank(view) == pytest.approx(nx.pagerank(real))
    assert nx.utils.graphs_equal(nx.transitive_closure(view), nx.transitive_closure(real))
    assert nx.utils.graphs_equal(nx.condensation(view), nx.condensation(real))


def copies(view: nx.DiGraph[str], real: nx.DiGraph[str]) -> None:
    """What networkx makes of a view is what it makes of the real graph, and can be changed."""
    some = list(real)[::2]
    for made, expected in (
        (nx.DiGraph(view), real),
        (view.copy(), real),
        (view.reverse(), real.reverse()),
        (view.to_directed(), real),
        (view.to_undirected(), real.to_undirected()),
        (view.subgraph(some).copy(), real.subgraph(some).copy()),
        (nx.create_empty_copy(view), nx.create_empty_copy(real)),
        (nx.relabel_nodes(view, {node: f"{node}!" for node in real}), nx.relabel_nodes(real, lambda node: f"{node}!")),
        (nx.compose(view, view), real),
    ):
        assert nx.utils.graphs_equal(made, expected)
        assert not nx.is_frozen(made)
        made.add_edge("x", "y", kind="layer")
        made.nodes[next(iter(made))]["mine"] = 1
    same(view.reverse(copy=False), real.reverse(copy=False))
    same(view.subgraph(some), real.subgraph(some).copy())
    same(view.copy(as_view=True), real)
    assert nx.utils.graphs_equal(view.to_undirected(as_view=True), real.to_undirected(as_view=True))


def files(view: nx.DiGraph[str], real: nx.DiGraph[str]) -> None:
    written = [BytesIO(), BytesIO()]
    for graph, file in zip((view, real), written, strict=True):
        nx.write_graphml(graph, file)
    assert written[0].getvalue() == written[1].getvalue()
    assert json.dumps(nx.node_link_data(view)) == json.dumps(nx.node_link_data(real))


def check(snapshot: Snapshot) -> None:
    view, real = graph_view(snapshot), to_graph(snapshot)
    for compare in (same, algorithms, copies, files):
        compare(view, real)
    travels(view, real)


def travels(view: nx.DiGraph[str], real: nx.DiGraph[str]) -> None:
    """What is written and read again is the same, and so is a view whose parts were."""
    again = pickle.loads(pickle.dumps(view))  # noqa: S301 (written just now)
    same(again, real)
    assert nx.is_frozen(again)
    assert nx.utils.graphs_equal(copy.deepcopy(view), real)
    part = pickle.loads(pickle.dumps(view.subgraph(list(real)[:2])))  # noqa: S301 (the same)
    assert type(part) is nx.DiGraph
    assert nx.utils.graphs_equal(part, real.subgraph(list(real)[:2]))
    same(view, real)


@pytest.mark.slow
def test_a_view_of_any_graph_is_as_the_real_graph() -> None:
    shapes = Shapes()

    @settings(max_examples=20 * TORTURE)
    @given(snapshots())
    @example(facts(UP, [(0, "tag")], "tags", ["yes"] * 6))
    @example(facts([*UP, (0, 1, "layer"), (3, 0, "child"), (4, 4, "child")], [(1, "tag")], "tags", ["yes"] * 6))
    @example(facts(UP, [(5, "revision")], "gc", ["yes"] * 3 + ["missing", "yes", "virtual"]))
    def each(snapshot: Snapshot) -> None:
        real = to_graph(snapshot)
        links = list(zip(*(snapshot.links[end].to_pylist() for end in ("source", "target")), strict=True))
        shapes.see(
            self_link=any(source == target for source, target in links),
            several_kinds=len(set(links)) < len(links),
            cycle=not nx.is_directed_acyclic_graph(real),
            no_cycle=nx.is_directed_acyclic_graph(real) and real.size() > 1,
            isolated=list(nx.isolates(real)),
            left_out=len(real) < snapshot.nodes.num_rows or real.size() < len(set(links)),
            **{word: word in snapshot.nodes["stored"].to_pylist() for word in ("missing", "virtual")},
        )
        check(snapshot)

    each()
    shapes.check()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dev-oci-layout", "dev-registry"])
def test_a_view_of_a_real_store_is_as_the_real_graph_under_every_policy(name: str, dataset: Dataset) -> None:
    snapshot = blobkit.scan(dataset(name)[0])
    check(snapshot)
    for policy in set(snapshot.policies) - {snapshot.policy}:  # another one changes what is in it, not how it answers
        view, real = (made(snapshot.with_policy(policy)) for made in (graph_view, to_graph))
        same(view, real)
        files(view, real)


@pytest.mark.parametrize(
    "change",
    [
        lambda g: g.add_node("x"),
        lambda g: g.add_nodes_from(["x"]),
        lambda g: g.add_edge("x", "y"),
        lambda g: g.add_edges_from([("x", "y")]),
        lambda g: g.add_weighted_edges_from([("x", "y", 1)]),
        lambda g: g.remove_node(next(iter(g))),
        lambda g: g.remove_nodes_from(list(g)),
        lambda g: g.remove_edge(*next(iter(g.edges))),
        lambda g: g.remove_edges_from(list(g.edges)),
        lambda g: g.update(edges=[("x", "y")]),
        lambda g: g.clear(),
        lambda g: g.clear_edges(),
        lambda g: g.nodes[next(iter(g))].update(size=1),
        lambda g: g.nodes[next(iter(g))].__setitem__("size", 1),
        lambda g: g.edges[next(iter(g.edges))].pop("kind"),
        lambda g: g.edges[next(iter(g.edges))].setdefault("weight", 1),
        lambda g: nx.set_node_attributes(g, 1, "mine"),
        lambda g: nx.set_edge_attributes(g, 1, "mine"),
        lambda g: nx.relabel_nodes(g, {next(iter(g)): "x"}, copy=False),
        lambda g: g.subgraph(list(g)).add_node("x"),
        lambda g: g.reverse(copy=False).add_node("x"),
    ],
)
def test_nothing_changes_a_view(change: Callable[[nx.DiGraph[str]], object]) -> None:
    snapshot = images(30)
    view = graph_view(snapshot)
    with pytest.raises(nx.NetworkXError):
        change(view)
    same(view, to_graph(snapshot))


def test_the_error_says_what_to_do() -> None:
    with pytest.raises(nx.NetworkXError, match=r"read-only view of a snapshot: change a copy, nx.DiGraph\(graph\)"):
        graph_view(images(30)).clear()


def test_strange_nodes_are_not_in_it() -> None:
    view, real = graph_view(images(30)), to_graph(images(30))
    for odd in ("", "zzz", "sha256:", 7, None, ("a", "b"), ["unhashable"]):
        assert (odd in view, view.has_node(odd)) == (odd in real, real.has_node(odd)) == (False, False)
    for graph in (view, real):
        with pytest.raises(KeyError):
            graph.nodes["zzz"]
        with pytest.raises(nx.NetworkXError):
            graph.successors("zzz")
        with pytest.raises(KeyError):
            graph[next(iter(graph))]["zzz"]


def test_keys_that_were_met_before_stay_the_same_when_all_are_listed() -> None:
    view, real = graph_view(images(200)), to_graph(images(200))
    last = list(real)[-1]
    ways = iter(view[next(node for node in real if real.out_degree(node) > 1)])
    first = next(ways)
    assert view.has_node(last)
    assert list(view) == list(real)
    assert first in view
    assert set(ways) < set(real)


def test_the_facade_has_it() -> None:
    assert len(blobkit.graph_view(images(20))) == len(blobkit.to_graph(images(20)))


def test_every_node_is_listed_in_whatever_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_module, "_ROWS", 4)
    snapshot = images(30)
    assert [key for key, _ in graph_view(snapshot).nodes.items()] == snapshot.nodes["key"].to_pylist()
    same(graph_view(snapshot), to_graph(snapshot))


def test_a_time_beyond_the_years_that_people_use_is_unknown() -> None:
    snapshot = build(
        "oci",
        "x",
        nodes={"key": ["a", "b"], "size": [1, 1], "created": [10**18, 253_402_300_799_000_000]},
        links={"source": [], "target": [], "kind": []},
        pins={"node": [], "name": [], "kind": []},
    )
    created = nx.get_node_attributes(graph_view(snapshot), "created")
    assert created == {"a": "", "b": "9999-12-31T23:59:59+00:00"}
