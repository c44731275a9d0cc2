"""The sets behind what several keep, against sets of sets."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blobkit
from blobkit import demo
from blobkit.analysis.tree import tree
from blobkit.questions.shared_sets import shared_sets
from blobkit.snapshot.snapshot import build

NAMES = ["a/x:1", "a/x:2", "a/y:1", "b/z:1", "b/z:2", "c:1"]


def reached(x: blobkit.Snapshot, node: int) -> set[int]:
    """What a node reaches, itself included."""
    seen, todo = set(), [node]
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo += x.graph.indices[x.graph.indptr[node] : x.graph.indptr[node + 1]].tolist()
    return seen


def grouped(x: blobkit.Snapshot, place: int) -> dict[frozenset[int], set[int]]:
    """The blobs that several children of a place, and nothing outside it, reach: by the set of these children."""
    places = tree(x)
    holders: dict[int, set[int]] = {}
    for name, row in enumerate(places.row.tolist()):
        child = name
        while child != places.store and places.parent[child] != place:
            child = int(places.parent[child])
        for node in reached(x, int(x.pins["node"][row].as_py())):
            holders.setdefault(node, set()).add(child)
    found: dict[frozenset[int], set[int]] = {}
    for node, children in holders.items():
        if len(children) > 1 and places.store not in children:
            found.setdefault(frozenset(children), set()).add(node)
    return found


def check(x: blobkit.Snapshot) -> None:
    places = tree(x)
    for place in range(places.names, places.store + 1):
        if place == places.nameless:
            continue
        sets = shared_sets(x, place)
        found = {frozenset(sets.members_of(i).tolist()): set(sets.nodes_of(i).tolist()) for i in range(len(sets.bytes))}
        assert found == grouped(x, place)
        assert sets.bytes.tolist() == sorted(int(x.graph.size[list(nodes)].sum()) for nodes in found.values())[::-1]


def test_the_sets_of_the_demo() -> None:
    check(demo.small().snapshot())


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=8))
def test_blobs_are_grouped_by_the_children_that_reach_them(layers: list[set[int]]) -> None:
    """Each layer is in some of six images, of four repositories and three namespaces."""
    links = [(image, len(NAMES) + i) for i, images in enumerate(layers) for image in images]
    x = build(
        "oci",
        "here",
        nodes={
            "key": [f"sha256:{i:064x}" for i in range(len(NAMES) + len(layers))],
            "size": [10] * len(NAMES) + [100 + i for i in range(len(layers))],
        },
        links={"source": [a for a, _ in links], "target": [b for _, b in links], "kind": "layer"},
        pins={
            "node": list(range(len(NAMES))),
            "name": NAMES,
            "group": [name.partition(":")[0] for name in NAMES],
            "kind": "entry",
        },
    )
    check(x)
