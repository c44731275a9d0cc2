"""Who alone keeps each node, against plain sets: what all names reach, and where these names meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blobkit.analysis import owner_kernels as kernels
from blobkit.analysis.owners import find_owners, owners_at_first, reached, update_owners
from blobkit.analysis.reach import incoming
from blobkit.analysis.tree import tree
from graphs import Graph, array, hard_graph, named_graphs, snapshot_of
from kernel_parity import same

if TYPE_CHECKING:
    from blobkit.analysis.owners import Owners
    from blobkit.snapshot.snapshot import Snapshot

    Case = tuple[Graph, dict[int, list[str]], dict[str, str | None]]

REPOSITORIES = {"a": "a", "b": "team/b", "B": "team/B", "": "", None: None}
NOBODY, NAMELESS, STORE = "nobody", "pins without a name", "store"


def stored(case: Case, *, counting: bool) -> Snapshot:
    """The store, with two repositories in one namespace and one outside it."""
    graph, names, group_of = case
    return snapshot_of(graph, counting=counting, names=names, group={n: REPOSITORIES[g] for n, g in group_of.items()})


def expected(case: Case, keeps: set[tuple[int, str | None]], *, counting: bool) -> list[str]:
    """The owner of each node, in words, by sets; `keeps` has the pins that hold as (node, name)."""
    graph, _, group_of = case
    in_any_case = graph.reached([node for node, name in keeps if name is None])
    if counting:
        live = graph.reached(graph.pinned())
        stuck = live - graph.recounted({node: graph.pins[node] for node in graph.pinned()})
        in_any_case |= stuck
    names = {name for _, name in keeps if name is not None}
    below = {name: graph.reached([node for node, other in keeps if other == name]) for name in names}
    found = []
    for node in range(len(graph)):
        keepers = {name for name in names if node in below[name]}
        repositories = {REPOSITORIES[group_of[name]] or "" for name in keepers}
        namespaces = {repository.rpartition("/")[0] for repository in repositories}
        if node in in_any_case:
            found.append(NAMELESS)
        elif not keepers:
            found.append(NOBODY)
        else:
            choices = (("tag", keepers), ("repository", repositories), ("namespace", namespaces))
            found.append(next((f"{what} {min(some)}" for what, some in choices if len(some) == 1), STORE))
    return found


def said(snapshot: Snapshot, owners: Owners) -> list[str]:
    """The owner of each node, in the same words."""
    places = tree(snapshot)
    names = snapshot.pins["name"].take(places.row).to_pylist()
    words = [f"tag {name}" for name in names] + [f"repository {name}" for name in places.repositories]
    words += [f"namespace {name}" for name in places.namespaces] + [NAMELESS, STORE, NOBODY]
    return [words[place] for place in owners.owner.tolist()]


def pins_of(snapshot: Snapshot, keeps: np.ndarray) -> set[tuple[int, str | None]]:
    pins = snapshot.pins.to_pylist()
    return {(pin["node"], pin["name"]) for pin, holds in zip(pins, keeps.tolist(), strict=True) if holds}


def equal(one: Owners, two: Owners) -> bool:
    return all((getattr(one, name) == getattr(two, name)).all() for name in ("owner", "bytes", "blobs", "fixed"))


@pytest.mark.slow
@pytest.mark.parametrize("counting", [False, True])
@settings(max_examples=60)
@given(named_graphs(), st.data())
@example(hard_graph(cyclic=False), None)
@example(hard_graph(cyclic=True), None)
def test_owners_of_any_pins(
    counting: bool,  # noqa: FBT001 (pytest gives it by name)
    case: Case,
    data: st.DataObject | None,
) -> None:
    graph, snapshot = case[0], stored(case, counting=counting)
    keeps = snapshot.holding.copy()
    for row in data.draw(st.sets(st.integers(0, len(keeps) - 1))) if data and len(keeps) else ():
        keeps[row] = False
    owners = find_owners(snapshot, keeps)
    words = expected(case, pins_of(snapshot, keeps), counting=counting)
    assert said(snapshot, owners) == words
    for place in range(len(tree(snapshot).parent)):
        mine = [node for node in range(len(graph)) if owners.owner[node] == place]
        assert owners.bytes[place] == graph.bytes(mine)
        assert owners.blobs[place] == len(set(mine) - graph.virtual)


@pytest.mark.slow
@pytest.mark.parametrize("counting", [False, True])
@settings(max_examples=60)
@given(named_graphs(), st.lists(st.sets(st.integers(0, 30)), min_size=1, max_size=5))
def test_owners_brought_up_to_date_are_owners_found_anew(
    counting: bool,  # noqa: FBT001 (pytest gives it by name)
    case: Case,
    steps: list[set[int]],
) -> None:
    snapshot = stored(case, counting=counting)
    owners, keeps = owners_at_first(snapshot), snapshot.holding
    with_name = len(keeps) - snapshot.pins["name"].null_count
    for step in steps:
        changed = np.array(sorted({row % with_name for row in step} if with_name else ()), np.int64)
        keeps = keeps.copy()
        keeps[changed] ^= True
        owners = update_owners(snapshot, owners, keeps, changed)
        assert equal(owners, find_owners(snapshot, keeps))


@pytest.mark.slow
@settings(max_examples=30)
@given(named_graphs())
def test_compiled_kernels_agree_with_plain_ones(case: Case) -> None:
    snapshot = stored(case, counting=False)
    graph, places, n = snapshot.graph, tree(snapshot), len(case[0])
    same(kernels.below, graph.indptr, graph.indices, array(case[0].pinned()), np.zeros(n, np.bool_))
    rows = np.flatnonzero(places.place_of < places.names)
    nodes = np.asarray(snapshot.pins["node"])[rows].astype(np.int32)
    owner = np.full(n, -1, np.int32)
    same(kernels.pinned, nodes, places.place_of[rows], places.parent, owner)
    kernels.pinned.plain(nodes, places.place_of[rows], places.parent, owner)
    every = np.arange(n, dtype=np.int32)
    same(kernels.pulled, every, *incoming(graph), places.parent, owner)
    same(kernels.spread, graph.indptr, graph.indices, every, n, np.ones(n, np.bool_), places.parent, owner)


def test_the_places_of_a_store() -> None:
    graph = Graph([1, 2, 4, 8], [2, 1, 1, 1])
    names = {0: ["team/web:1", "team/api:1"], 1: ["web:1"], 2: ["plain"]}
    groups = {"team/web:1": "team/web", "team/api:1": "team/api", "web:1": "web", "plain": None}
    snapshot = snapshot_of(graph, counting=True, names=names, group=groups)
    places = tree(snapshot)
    assert places.repositories == ("", "team/api", "team/web", "web")
    assert places.namespaces == ("", "team")
    assert places.repository.tolist() == [0, 1, 2, 3]
    assert places.namespace.tolist() == [0, 1, 1, 0]
    assert places.parent.tolist() == [4, 5, 6, 7, 8, 9, 9, 8, 11, 11, 11, 11]
    assert (places.names, places.first_namespace, places.nameless, places.store) == (4, 8, 10, 11)
    assert owners_at_first(snapshot).bytes.tolist() == [4, 0, 0, 2, 0, 0, 0, 0, 0, 1, 8, 0]


def test_a_cycle_belongs_to_who_reaches_it_and_on_a_counting_store_to_nobody() -> None:
    graph = Graph([1, 2, 4, 8], [1, 1, 0, 0], {(0, 2), (2, 3), (3, 2), (1, 3)})
    names = {0: ["a"], 1: ["b"]}
    marked, counting = (snapshot_of(graph, counting=how, names=names, group="r") for how in (False, True))
    assert said(marked, owners_at_first(marked)) == ["tag a", "tag b", "repository r", "repository r"]
    keeps = np.array([False, True])
    later = update_owners(marked, owners_at_first(marked), keeps, np.array([0]))
    assert said(marked, later) == [NOBODY, "tag b", "tag b", "tag b"]
    back = update_owners(marked, later, marked.holding, np.array([0]))
    assert equal(back, owners_at_first(marked))
    assert said(counting, owners_at_first(counting)) == ["tag a", "tag b", NAMELESS, NAMELESS]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0)])
def test_an_owner_that_goes_up_late_goes_up_below_too(order: tuple[int, ...]) -> None:
    """The way from one name is longer than that from the other, and meets it where that has passed already."""
    links = {(order[a], order[b]) for a, b in ((0, 3), (3, 4), (1, 2), (2, 3))}
    graph = Graph([1] * 5, [int(node in order[:2]) for node in range(5)], links)
    snapshot = snapshot_of(graph, counting=False, names={order[0]: ["a"], order[1]: ["b"]}, group="r")
    owners = said(snapshot, owners_at_first(snapshot))
    assert [owners[node] for node in order] == ["tag a", "tag b", "tag b", "repository r", "repository r"]


def test_counted_garbage_keeps_what_it_links_to() -> None:
    graph = Graph([1, 2, 4], [1, 0, 0], {(0, 2), (1, 2)})
    marked, counting = (snapshot_of(graph, counting=how, names={0: ["a"]}) for how in (False, True))
    assert said(marked, owners_at_first(marked)) == ["tag a", NOBODY, "tag a"]
    assert said(counting, owners_at_first(counting)) == ["tag a", NOBODY, NAMELESS]


def test_an_empty_store() -> None:
    snapshot = snapshot_of(Graph([], []), counting=False)
    owners = owners_at_first(snapshot)
    assert owners.bytes.tolist() == [0, 0]
    assert equal(owners, update_owners(snapshot, owners, snapshot.holding, np.empty(0, np.int64)))
    assert not len(reached(snapshot.graph, array([])))
