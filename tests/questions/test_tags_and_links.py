"""One row a tag and one row a link."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blobkit
from graphs import Graph, graphs, key, node_of, snapshot_of
from layouts import Layout, Registry

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from blobkit.snapshot.snapshot import Snapshot

TYPES = {
    "repo": "str",
    "version": "str",
    "name": "str",
    "digest": "str",
    "kind": "category",
    "platforms": "object",
    "created": "datetime64[us, UTC]",
    "modified": "datetime64[us, UTC]",
    "closure": "int64",
    "exclusive": "int64",
    "same_digest": "int64",
}


@st.composite
def named(draw: st.DrawFn) -> tuple[Graph, dict[int, list[str]]]:
    """A graph of which some pins are names; one name may be given to two nodes."""
    graph = draw(graphs(cyclic=draw(st.booleans())))
    names = {node: [f"n{node}-{i}" for i in range(draw(st.integers(0, graph.pins[node])))] for node in graph.pinned()}
    names = {node: given_names for node, given_names in names.items() if given_names}
    if len(names) > 1 and draw(st.booleans()):
        for node in list(names)[:2]:
            names[node][0] = "twice"
    return graph, names


def dropped(graph: Graph, names: dict[int, list[str]], name: str) -> set[int]:
    return graph.swept({node: given_names.count(name) for node, given_names in names.items()})


@pytest.mark.slow
@given(named())
def test_exclusive_is_what_dropping_the_name_frees(case: tuple[Graph, dict[int, list[str]]]) -> None:
    graph, names = case
    snapshot = snapshot_of(graph, counting=False, names=names)
    frame = blobkit.tags_frame(snapshot)
    assert sorted(frame.index) == sorted(name for found in names.values() for name in found)
    for name, row in frame.iterrows():
        assert row["exclusive"] == graph.bytes(dropped(graph, names, str(name)))
        assert row["exclusive"] == blobkit.simulate_deref(snapshot, str(name)).bytes
        assert row["closure"] == graph.bytes(graph.reached([node_of(row["digest"])]))


@pytest.mark.slow
@given(named())
def test_exclusive_by_counting(case: tuple[Graph, dict[int, list[str]]]) -> None:
    graph, names = case
    snapshot = snapshot_of(graph, counting=True, names=names)
    for name, exclusive in blobkit.tags_frame(snapshot)["exclusive"].items():
        drops = {node: found.count(str(name)) for node, found in names.items() if name in found}
        assert exclusive == graph.bytes(graph.recounted(drops)) == blobkit.simulate_deref(snapshot, str(name)).bytes


def check_schema(frame: pd.DataFrame) -> None:
    assert {name: str(frame[name].dtype) for name in frame} == TYPES
    assert (frame.index.name, frame.index.dtype) == ("tag", "str")
    assert frame.index.is_monotonic_increasing
    assert all(isinstance(platforms, tuple) for platforms in frame["platforms"])


def test_schema(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    check_schema(blobkit.tags_frame(layout.scan()))
    layout.image("reg.example.org/team/core:9.0", "a")
    layout.image("plain", "a", "b")
    layout.image("also:3", "c")
    layout.image(None, "d")
    frame = blobkit.tags_frame(layout.scan())
    check_schema(frame)
    assert frame["repo"].tolist() == ["also", "", "reg.example.org/team/core"]
    assert frame["version"].tolist() == frame["name"].tolist() == ["3", "plain", "9.0"]


def test_platforms_of_an_index_are_those_of_its_children(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    images = [layout.manifest(config=layout.config(name)) for name in ("windows", "linux", "linux2")]
    layout.add(layout.index(*images), "multi", "application/vnd.oci.image.index.v1+json")
    assert blobkit.tags_frame(layout.scan()).loc["multi", "platforms"] == (
        "linux/amd64",
        "linux2/amd64",
        "windows/amd64",
    )


def test_other_names_of_the_same_digest(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    image = layout.image("a", "content")
    layout.add(image, "b")
    layout.add(image, "b")
    layout.add(image, None)
    frame = blobkit.tags_frame(layout.scan())
    assert list(zip(frame.index, frame["same_digest"], strict=True)) == [("a", 1), ("b", 1), ("b", 1)]


def test_a_tag_of_a_registry_has_its_own_time(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("r", "1", "content")
    link = registry.v2 / "repositories/r/_manifests/tags/1/current/link"
    row = blobkit.tags_frame(registry.scan()).loc["r:1"]
    assert (row["repo"], row["name"]) == ("r", "1")
    assert row["modified"].value // 1000 == link.stat().st_mtime_ns // 1000


@pytest.mark.parametrize("policy", ["tags", "revisions", "gc", "gc-m"])
def test_no_tag_frees_more_than_it_reaches(tmp_path: Path, policy: str) -> None:
    registry = Registry(tmp_path)
    registry.push("r", "1", "content", "more content")
    frame = blobkit.tags_frame(registry.scan(policy))
    assert (frame["exclusive"] <= frame["closure"]).all()


@pytest.mark.slow
@given(graphs(cyclic=True))
def test_links_are_those_of_the_graph(graph: Graph) -> None:
    frame = blobkit.links_frame(snapshot_of(graph, counting=False))
    assert list(zip(frame["source"], frame["target"], strict=True)) == sorted((key(a), key(b)) for a, b in graph.links)
    assert (str(frame["source"].dtype), str(frame["target"].dtype)) == ("str", "str")
    assert set(frame["kind"]) <= {"child"}


def kinds(snapshot: Snapshot, policy: str) -> dict[str, int]:
    found = blobkit.links_frame(snapshot.with_policy(policy))["kind"].value_counts()
    return {str(kind): int(number) for kind, number in found.items() if number}


def test_links_are_those_that_count(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("r", "1", "content")
    snapshot = registry.scan()
    assert kinds(snapshot, "tags") == {"config": 1, "layer": 1}
    assert kinds(snapshot, "revisions") == {"config": 1, "layer": 1, "revision": 1}
    assert kinds(snapshot, "gc") == {"mark": 2, "revision": 1}


def test_a_blob_in_two_positions_has_two_rows_and_counts_once(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    both = layout.config()
    layout.add(layout.manifest(both, config=both), "x")
    snapshot = layout.scan()
    assert kinds(snapshot, "strong") == {"config": 1, "layer": 1}
    row = blobkit.to_frame(snapshot).loc[both]
    assert (row["links_in"], row["refcount"]) == (1, 1)
    assert blobkit.simulate_deref(snapshot, "x").bytes == snapshot.bytes
