"""Cycles among links are those that networkx finds, and what is said to break them does."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from blobkit.store.cycles import back_links, cycles

NODES = st.sampled_from([-5, 0, 1, 2, 3, 4, 7, 1 << 62])


@given(st.lists(st.tuples(NODES, NODES), max_size=24, unique=True))
def test_cycles_are_found_and_broken(links: list[tuple[int, int]]) -> None:
    graph = nx.DiGraph(links)
    loops = [part for part in nx.strongly_connected_components(graph) if nx.number_of_edges(graph.subgraph(part))]
    found = list(cycles([source for source, _ in links], [target for _, target in links]))
    assert sorted(members for members, _ in found) == sorted(map(sorted, loops))
    for members, among in found:
        assert sorted(among) == sorted(graph.subgraph(members).edges)
        graph.remove_edges_from(back_links(among))
    assert nx.is_directed_acyclic_graph(graph)
