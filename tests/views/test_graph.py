"""The networkx graph is what the fact tables say, recounted with plain Python, and survives its file formats."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

import networkx as nx
import pytest

import blobkit
from blobkit.snapshot.snapshot import build
from blobkit.views.graph import to_graph
from registries import images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Row = dict[str, object]
    Dataset = Callable[[str], tuple[Path, dict[str, object]]]


class Recount:
    """What the facts of a marked store say, with sets and loops; shares nothing with the analysis."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.nodes = snapshot.nodes.to_pylist()
        rule = snapshot.rule
        self.links = [
            (link["source"], link["target"], link["kind"])
            for link in snapshot.links.to_pylist()
            if link["kind"] in rule.links
        ]
        self.pins = [0] * len(self.nodes)
        self.names: list[set[str]] = [set() for _ in self.nodes]
        for pin in snapshot.pins.to_pylist():
            self.pins[pin["node"]] += pin["count"] if pin["kind"] in rule.pins else 0
            if pin["name"] is not None:
                self.names[pin["node"]].add(pin["name"])
        self.below: list[set[int]] = [set() for _ in self.nodes]
        for source, target, _ in self.links:
            self.below[source].add(target)

    def depths(self, roots: Iterable[int], without: int = -1) -> dict[int, int]:
        front = set(roots) - {without}
        depth = dict.fromkeys(front, 0)
        while front:
            front = {below for node in front for below in self.below[node]} - depth.keys() - {without}
            depth |= dict.fromkeys(front, max(depth.values()) + 1)
        return depth

    def roots(self) -> list[int]:
        return [node for node, pins in enumerate(self.pins) if pins]

    def bytes(self, nodes: Iterable[int]) -> int:
        return sum(self.nodes[node]["size"] for node in nodes)

    def attributes(self) -> dict[str, Row]:
        live = self.depths(self.roots())
        found: dict[str, Row] = {}
        for node, row in enumerate(self.nodes):
            holders = {source for source, target, _ in self.links if target == node}
            if row["stored"] != "yes" and not holders and not self.below[node] and not self.pins[node]:
                continue
            others = self.depths(root for root in self.roots() if root != node)
            without = self.depths(self.roots(), without=node)
            found[row["key"]] = {
                "size": row["size"],
                "kind": row["kind"],
                "media_type": row["media_type"],
                "platform": row["platform"],
                "refcount": self.pins[node] + len(holders),
                "pins": self.pins[node],
                "retained": self.bytes(live) - self.bytes(without) if node in live else 0,
                "frees": self.bytes(live) - self.bytes(others),
                "reachable": node in live,
                "depth": live.get(node, -1),
                "stored": row["stored"],
                "created": row["created"].isoformat() if row["created"] else "",
                "modified": row["modified"].isoformat() if row["modified"] else "",
                "tags": ",".join(sorted(self.names[node])),
            }
        return found

    def edges(self) -> dict[tuple[str, str], set[str]]:
        found: dict[tuple[str, str], set[str]] = {}
        for source, target, kind in self.links:
            found.setdefault((self.nodes[source]["key"], self.nodes[target]["key"]), set()).add(kind)
        return found


def check(snapshot: Snapshot) -> None:
    graph, recount = to_graph(snapshot), Recount(snapshot)
    expected = recount.attributes()
    assert set(graph) == set(expected)
    for key, attributes in graph.nodes(data=True):
        assert {name: value for name, value in attributes.items() if name != "status"} == expected[key], key
        assert {type(value) for value in attributes.values()} <= {int, bool, str}
    assert {(a, b): set(kinds.split(",")) for a, b, kinds in graph.edges(data="kind")} == recount.edges()
    read = nx.read_graphml(written(graph))
    assert dict(read.nodes(data=True)) == dict(graph.nodes(data=True))
    assert sorted(read.edges(data="kind")) == sorted(graph.edges(data="kind"))
    assert read.graph.items() >= graph.graph.items()
    again = nx.node_link_graph(json.loads(json.dumps(nx.node_link_data(graph))))
    assert nx.utils.graphs_equal(again, graph)


def written(graph: nx.DiGraph[str]) -> BytesIO:
    file = BytesIO()
    nx.write_graphml(graph, file)
    file.seek(0)
    return file


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dev-oci-layout", "dev-registry"])
def test_a_graph_is_what_the_facts_of_a_real_store_say_under_every_policy(name: str, dataset: Dataset) -> None:
    root, _ = dataset(name)
    snapshot = blobkit.scan(root)
    for policy in snapshot.policies:
        check(snapshot.with_policy(policy))


def test_a_graph_is_what_the_facts_of_a_made_store_say() -> None:
    check(images(120))


def small(**nodes: object) -> Snapshot:
    """A manifest, a blob that it names twice, an absent layer, garbage, a virtual node that only `gc` counts."""
    return build(
        "registry",
        "demo",
        nodes={
            "key": ["a", "b", "c", "d", "repo@a"],
            "size": [5, 7, 0, 11, 0],
            "stored": ["yes", "yes", "missing", "yes", "virtual"],
            **nodes,
        },
        links={
            "source": [0, 0, 0, 4, 4],
            "target": [1, 1, 2, 0, 1],
            "kind": ["layer", "config", "layer", "revision", "mark"],
        },
        pins={"node": [0, 0, 4], "name": ["x,y", "bad\x1b\u202e", "repo@a"], "kind": ["tag", "tag", "revision"]},
    )


def test_several_kinds_between_two_blobs_are_one_edge() -> None:
    assert to_graph(small()).edges["a", "b"]["kind"] == "config,layer"


def test_what_no_counted_link_or_pin_touches_is_left_out_unless_it_is_stored() -> None:
    snapshot = small()
    assert set(to_graph(snapshot)) == {"a", "b", "c", "d"}
    assert set(to_graph(snapshot.with_policy("gc"))) == {"a", "b", "d", "repo@a"}
    assert to_graph(snapshot).nodes["c"]["stored"] == "missing"


def test_names_are_joined_as_they_are_but_for_what_xml_cannot_hold() -> None:
    graph = to_graph(small())
    assert graph.nodes["a"]["tags"] == "bad\\x1b\u202e,x,y"
    assert nx.read_graphml(written(graph)).nodes["a"]["tags"] == graph.nodes["a"]["tags"]


def test_the_graph_says_what_it_is_of() -> None:
    graph = to_graph(small())
    assert graph.graph.keys() == {"store", "address", "time", "policy"}
    assert (graph.graph["store"], graph.graph["policy"]) == ("registry", "tags")


def test_the_facade_has_it() -> None:
    assert len(blobkit.to_graph(images(20))) == images(20).blobs
