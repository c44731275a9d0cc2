"""What the roots reach, against ever larger steps over plain sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.analysis import reach
from graphs import Graph, array, counted, graphs


@pytest.mark.slow
@given(graphs(cyclic=True))
def test_depth_and_what_is_live(graph: Graph) -> None:
    found = counted(graph)
    assert reach.depth(found).tolist() == graph.depths(graph.pinned())
    assert set(np.flatnonzero(reach.live(found))) == graph.reached(graph.pinned())


@pytest.mark.slow
@given(graphs(cyclic=True), st.data())
def test_closure_of_several_nodes(graph: Graph, data: st.DataObject) -> None:
    some = data.draw(st.lists(st.integers(0, len(graph) - 1)))
    assert reach.closure(counted(graph), array(some)).tolist() == graph.depths(some)


@pytest.mark.slow
@given(graphs(cyclic=True))
def test_closure_sizes_also_of_a_node_given_twice(graph: Graph) -> None:
    nodes = [*range(len(graph)), 0]
    want = [graph.bytes(graph.reached([node])) for node in nodes]
    assert reach.closure_sizes(counted(graph), array(nodes)).tolist() == want


@pytest.mark.slow
@given(graphs(cyclic=True))
def test_holders_are_the_links_by_target(graph: Graph) -> None:
    start, sources = reach.incoming(counted(graph))
    found = [set(sources[start[i] : start[i + 1]]) for i in range(len(graph))]
    assert found == graph.into
    assert len(sources) == len(graph.links)


def test_opaque_nodes_matter_only_where_they_are_reached() -> None:
    graph = Graph([1, 1, 1], [1, 0, 0], {(0, 1)})
    found = counted(graph)
    assert reach.unknown(found).tolist() == []
