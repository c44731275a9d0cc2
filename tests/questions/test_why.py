"""Why a blob is still there: what reaches it, by which way, and what lets it go."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blobkit
from blobkit.snapshot.snapshot import build
from graphs import Graph, graphs, key, node_of, snapshot_of
from layouts import Layout, Registry, sha

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@given(graphs(cyclic=True), st.booleans(), st.data())
def test_every_pin_that_reaches_a_blob_and_a_shortest_way_from_each(
    graph: Graph,
    anonymous: bool,  # noqa: FBT001 (drawn)
    data: st.DataObject,
) -> None:
    names = {} if anonymous else {node: [f"n{node}-{i}" for i in range(graph.pins[node])] for node in graph.pinned()}
    snapshot = snapshot_of(graph, counting=False, names=names)
    stored = [node for node in range(len(graph)) if node not in graph.virtual]
    if not stored:
        return
    blob = data.draw(st.sampled_from(stored))
    found = blobkit.why(snapshot, key(blob))
    above = [root for root in graph.pinned() if blob in graph.reached([root])]
    assert set(found.tags) == {name for root in above for name in names.get(root, [])}
    assert {node_of(other) for other in found.others} == (set(above) if anonymous else set())
    assert found.releasable == (not found.others)
    assert bool(found) == bool(above)
    for path in found.paths.values():
        way = [node_of(step) for step in path]
        assert (way[0] in above, way[-1]) == (True, blob)
        assert all(below in graph.out[node] for node, below in pairwise(way))
        assert len(way) - 1 == graph.depths([way[0]])[blob]


@pytest.mark.slow
@given(graphs())
def test_dropping_all_that_reaches_a_blob_lets_it_go(graph: Graph) -> None:
    names = {node: [f"n{node}-{i}" for i in range(graph.pins[node])] for node in graph.pinned()}
    snapshot = snapshot_of(graph, counting=False, names=names)
    for node in graph.reached(graph.pinned()) - graph.virtual:
        found = blobkit.why(snapshot, key(node))
        preview = found.preview()
        assert key(node) in preview.digests
        assert preview.digests == blobkit.simulate_deref(snapshot, *found.tags).digests


@pytest.mark.slow
def test_ways_are_found_when_they_are_asked_for() -> None:
    """All ways down a deep chain, from a name on every node, would be half a billion steps."""
    n = 30_000
    snapshot = build(
        "oci",
        "chain",
        nodes={"key": [key(i) for i in range(n)], "size": [1] * n},
        links={"source": range(n - 1), "target": range(1, n), "kind": ["child"] * (n - 1)},
        pins={"node": range(n), "name": [f"t{i:06}" for i in range(n)], "kind": ["entry"] * n},
    )
    found = blobkit.why(snapshot, key(n - 1))
    assert (len(found.paths), found.tags[0]) == (n, "t000000")
    assert found.paths["t000000"] == tuple(key(i) for i in range(n))
    assert list(found.paths)[:2] == ["t029999", "t029998"]
    assert len(found._repr_html_()) < 15_000
    told = found.to_dict()["paths"]
    assert isinstance(told, dict)
    assert len(told) == 1000
    assert found.preview().bytes == n


def test_what_leaked_references_hold_is_not_releasable() -> None:
    graph = Graph([1, 1, 1], [1, 0, 0], {(0, 2), (1, 2)})
    counted, marked = (
        blobkit.why(snapshot_of(graph, counting=counting, names={0: ["a"]}), key(2)) for counting in (True, False)
    )
    assert (counted.tags, counted.others, counted.releasable) == (("a",), (), False)
    assert "not enough" in str(counted)
    assert not counted.preview().digests.count(key(2))
    assert marked.releasable


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(tmp_path / "r")
    for name in ("app:1", "app:2", "web:1"):
        registry.push(*name.split(":"), "a base layer", name)
    return registry


def test_the_call_that_an_error_prints_is_one_that_works(registry: Registry) -> None:
    for policy in ("tags", "gc"):
        snapshot = registry.scan(policy)
        base = sha(b"a base layer")
        with pytest.raises(blobkit.NotPinnedError) as caught:
            blobkit.simulate_deref(snapshot, base)
        call = str(caught.value).rpartition(": use ")[2]
        names = {"simulate_deref": blobkit.simulate_deref, "why": blobkit.why, "x": snapshot}
        assert base in eval(call, names).digests  # noqa: S307 (what a user would paste)


def test_revisions_are_no_tags_and_stand_in_the_way(registry: Registry) -> None:
    snapshot = registry.scan()
    base = sha(b"a base layer")
    by_tags, by_revisions = blobkit.why(snapshot, base), blobkit.why(snapshot, base, policy="gc")
    assert (by_tags.tags, by_tags.others, by_tags.releasable) == (("app:1", "app:2", "web:1"), (), True)
    assert (by_revisions.tags, len(by_revisions.others), by_revisions.releasable) == ((), 3, False)
    assert all("@sha256:" in other for other in by_revisions.others)
    assert set(by_revisions.holders) == set(by_revisions.others)


@pytest.mark.parametrize("policy", ["gc", "revisions"])
def test_dropping_revisions_takes_their_tags_along(registry: Registry, policy: str) -> None:
    snapshot = registry.scan(policy)
    found = blobkit.why(snapshot, sha(b"a base layer"))
    preview, asked = found.preview(), blobkit.simulate_deref(snapshot, found.others)
    assert preview.also_untagged == asked.also_untagged == ("app:1", "app:2", "web:1")
    assert preview.breaks == asked.breaks == ()
    assert preview.digests == asked.digests


def test_a_blob_is_named_by_digest_prefix_or_name(registry: Registry) -> None:
    snapshot = registry.scan()
    manifest = blobkit.tags_frame(snapshot).loc["app:1", "digest"]
    for text in (manifest, manifest[:20], manifest[7:20], "app:1"):
        assert blobkit.why(snapshot, text).digest == manifest
    with pytest.raises(blobkit.UnknownTargetError, match="app:1"):
        blobkit.why(snapshot, "app:3")
    with pytest.raises(blobkit.BlobNotFoundError):
        blobkit.why(snapshot, "sha256:" + "0" * 64)


def test_every_name_of_a_small_store_is_a_holder(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path) as store:
        blob = store.put(b"alone", tag="a").digest
        for name in "bcd":
            store.tag(name, blob)
        assert blobkit.why(store, blob).holders == ("a", "b", "c", "d")


def test_it_shows_itself(registry: Registry) -> None:
    snapshot = registry.scan()
    found = blobkit.why(snapshot, "app:1")
    assert "is held by 1 name" in str(found)
    assert "app:1" in found._repr_html_()
    assert json.loads(json.dumps(found.to_dict()))["tags"] == ["app:1"]


def test_nothing_holds_garbage(registry: Registry) -> None:
    orphan = registry.blob(b"nobody needs this")
    found = blobkit.why(registry.scan(), orphan)
    assert (bool(found), found.tags, found.holders, found.paths) == (False, (), (), {})
    assert str(found).startswith("Nothing holds sha256:")


def test_where_only_anonymous_pins_reach_a_blob_the_printed_call_works_too(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s", durability="off") as store:
        low = store.put(b"low")
        store.put(b"high", links=[low.digest])
        with pytest.raises(blobkit.NotPinnedError) as caught:
            blobkit.simulate_deref(store, low.digest)
        call = str(caught.value).rpartition(": use ")[2]
        preview = eval(call, {"why": blobkit.why, "x": store})  # noqa: S307 (what a user would paste)
    assert low.digest in preview.digests


def test_tag_is_the_full_name_in_every_table(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    image = registry.push("a/web", "1", "content")
    registry.tag("b/web", "2", registry.revision("b/web", image))
    snapshot = registry.scan()
    full = ["a/web:1", "b/web:2"]
    frame = blobkit.why(snapshot, image).frame
    assert sorted(frame["tag"]) == full == blobkit.tags_frame(snapshot).index.tolist()
    assert frame["tag"].equals(frame["name"].rename("tag"))
    assert blobkit.compare_gc(snapshot, "registry").broken.columns[0] == "tag"
    both = blobkit.simulate_deref(snapshot, "a/web:1").also_drop
    assert both["tag"].tolist() == both["name"].tolist() == ["b/web:2"]


def test_a_pin_without_a_name_is_called_by_its_digest(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.image(None, "content")
    frame = blobkit.why(layout.scan(), sha(b"content")).frame
    assert frame["tag"].tolist() == frame["digest"].tolist()
