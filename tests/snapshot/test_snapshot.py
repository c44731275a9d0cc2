"""The waist: fact tables, invariants, policies, saving, and what other programs read of it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given

import blobkit
from blobkit.errors import SnapshotFormatError, UnknownPolicyError
from blobkit.snapshot import snapshot as waist
from blobkit.snapshot import tables
from blobkit.snapshot.kinds import STORES
from blobkit.snapshot.references import LINK_KINDS, PIN_KINDS
from blobkit.snapshot.snapshot import Snapshot, build
from graphs import Graph, graphs, key, same_facts, snapshot_of

TIME = pa.timestamp("us", tz="UTC")


def words(kind: pa.DataType) -> bool:
    return pa.types.is_dictionary(kind)


def facts(**changes: object) -> Snapshot:
    """Two blobs and a link, with some columns changed."""
    tables_of: dict[str, dict[str, object]] = {
        "nodes": {"key": ["b", "a"], "size": [1, 2]},
        "links": {"source": [0], "target": [1]},
        "pins": {"node": [0]},
    }
    for name, column in changes.items():
        tables_of[name] |= column  # type: ignore[operator]
    return build("oci", "/s", **tables_of)  # type: ignore[arg-type]


def test_nodes_are_sorted_and_links_and_pins_name_them() -> None:
    found = facts(pins={"node": [0, 1, 0], "name": [None, "y", "x"]})
    assert found.nodes["key"].to_pylist() == ["a", "b"]
    assert found.nodes["id"].to_pylist() == [0, 1]
    assert found.nodes["size"].to_pylist() == [2, 1]
    assert list(zip(*found.links.select(["source", "target"]).to_pydict().values(), strict=True)) == [(1, 0)]
    assert list(zip(*found.pins.select(["name", "node"]).to_pydict().values(), strict=True)) == [
        ("x", 1),
        ("y", 0),
        (None, 1),
    ]


def test_columns_and_their_types(snapshot: Snapshot) -> None:
    nodes = {f.name: f.type for f in snapshot.nodes.schema}
    assert (nodes["id"], nodes["size"], nodes["opaque"]) == (pa.int32(), pa.int64(), pa.bool_())
    assert nodes["created"] == nodes["modified"] == TIME
    assert all(words(nodes[name]) for name in ("kind", "media_type", "platform", "stored"))
    links = {f.name: f.type for f in snapshot.links.schema}
    assert (links["source"], links["target"], words(links["kind"])) == (pa.int32(), pa.int32(), True)
    pins = {f.name: f.type for f in snapshot.pins.schema}
    assert (pins["node"], pins["count"], pins["modified"], words(pins["kind"])) == (pa.int32(), pa.int64(), TIME, True)
    assert snapshot.notices.schema.names == ["code", "key", "path", "message"]


def test_the_same_link_twice_is_one_and_in_two_positions_counts_once() -> None:
    found = facts(links={"source": [0, 0, 0], "target": [1, 1, 1], "kind": ["layer", "layer", "config"]})
    assert found.links.num_rows == 2
    assert found.graph.links_in.tolist() == [1, 0]


BROKEN = {
    "a key twice": ({"nodes": {"key": ["a", "a"]}}, "the node a is listed twice"),
    "no key": ({"nodes": {"key": ["a", None]}}, "a node has no key"),
    "negative size": ({"nodes": {"size": [-1, 2]}}, "the node b has an impossible size"),
    "bytes of what is missing": ({"nodes": {"stored": ["missing", "yes"]}}, "the node b has an impossible size"),
    "bytes of a virtual node": ({"nodes": {"stored": ["virtual", "yes"]}}, "impossible size"),
    "bytes of what is elsewhere": ({"nodes": {"stored": ["foreign", "yes"]}}, "impossible size"),
    "link from nowhere": ({"links": {"source": [2]}}, "a link refers to a node that does not exist"),
    "link to nowhere": ({"links": {"target": [-1]}}, "a link refers to a node that does not exist"),
    "pin on nothing": ({"pins": {"node": [2]}}, "a pin refers to a node that does not exist"),
    "a negative pin": ({"pins": {"count": [-1]}}, "a pin has a negative count"),
    "half a link": ({"links": {"target": [1, 0]}}, "1 link sources and 2 targets"),
    "unknown kind": ({"nodes": {"kind": ["manifest", "song"]}}, "unknown kind song: it needs a newer blobkit"),
    "unknown state": ({"nodes": {"stored": ["yes", "maybe"]}}, "unknown stored maybe"),
    "unknown link kind": ({"links": {"kind": ["likes"]}}, "unknown link kind likes"),
    "unknown pin kind": ({"pins": {"kind": ["badge"]}}, "unknown pin kind badge"),
}


GUESSED = {
    "half a size": {"nodes": {"size": [1.5, 2]}},
    "a size as text": {"nodes": {"size": ["1", "2"]}},
    "a size unknown": {"nodes": {"size": pa.array([1, None])}},
    "a flag as text": {"nodes": {"opaque": ["false", "true"]}},
    "a flag as number": {"nodes": {"opaque": [0, 1]}},
    "a flag unknown": {"nodes": {"opaque": pa.array([True, None])}},
    "half a node": {"links": {"target": [0.9]}},
    "half a pin": {"pins": {"count": [1.5]}},
    "a pin as truth": {"pins": {"count": [True]}},
    "sizes over int64": {"nodes": {"size": [1 << 62, 1 << 62]}},
    "counts over int64": {"pins": {"count": [(1 << 63) - 1]}},  # and a link
}


@pytest.mark.parametrize("guessed", GUESSED)
def test_facts_that_would_have_to_be_guessed_are_refused(guessed: str) -> None:
    with pytest.raises(SnapshotFormatError):
        facts(**GUESSED[guessed])


def test_words_that_are_unknown_are_empty() -> None:
    null = pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["x", None]))
    for unknown in (pa.array(["x", None]), null, pa.array(["x", None]).dictionary_encode()):
        found = facts(nodes={"media_type": unknown})
        assert found.nodes["media_type"].to_pylist() == ["", "x"]
        assert found.nodes["media_type"].null_count == 0


def test_words_that_are_said_twice_are_one() -> None:
    found = facts(nodes={"platform": pa.DictionaryArray.from_arrays(pa.array([0, 1]), pa.array(["x", "x"]))})
    assert found.nodes["platform"].to_pylist() == ["x", "x"]
    assert len(found.nodes["platform"].combine_chunks().dictionary) == 1


def test_times_that_no_calendar_has_are_unknown() -> None:
    found = facts(nodes={"modified": [253_402_300_800_000_000, 253_402_300_799_999_999], "created": [-1, 0]})
    assert found.nodes["modified"].is_null().to_pylist() == [False, True]
    assert found.nodes["created"].is_null().to_pylist() == [False, True]


@pytest.mark.parametrize("broken", BROKEN)
def test_facts_that_contradict_each_other_are_refused(broken: str) -> None:
    changes, message = BROKEN[broken]
    with pytest.raises(SnapshotFormatError, match=message):
        facts(**changes)


def test_a_store_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(SnapshotFormatError, match=r"no policy is known.*'jar'"):
        build("jar", "/s", nodes={"key": [], "size": []}, links={"source": [], "target": []}, pins={"node": []})


def test_every_kind_of_store_has_a_default_policy_of_known_kinds() -> None:
    assert {name: kind.policies[0].name for name, kind in STORES.items()} == {
        "blobkit": "counts",
        "go-blobstore": "counts",
        "oci": "dependent",
        "oci-archive": "dependent",
        "registry": "tags",
        "containerd": "containerd",
        "docker": "docker",
        "containers-storage": "podman",
        "huggingface": "revisions",
        "ollama": "ollama",
        "docker-archive": "tags",
    }
    for policy in (policy for kind in STORES.values() for policy in kind.policies):
        assert policy.pins <= set(PIN_KINDS)
        assert policy.links <= set(LINK_KINDS)


def test_policies_choose_among_the_same_facts(snapshot: Snapshot) -> None:
    assert snapshot.policy == "dependent"
    assert snapshot.policies == ("dependent", "strong", "ignore")
    other = snapshot.with_policy("strong")
    assert other.tables is snapshot.tables
    assert (other.policy, snapshot.policy) == ("strong", "dependent")
    assert other.with_policy("dependent").graph.indices.tolist() == snapshot.graph.indices.tolist()
    with pytest.raises(UnknownPolicyError, match="no policy 'gc' for oci stores: use one of dependent, strong, ignore"):
        snapshot.with_policy("gc")


def test_the_arrays_cannot_be_changed(snapshot: Snapshot) -> None:
    graph = snapshot.graph
    for array in (graph.indptr, graph.indices, graph.pins, graph.size, graph.blob, graph.opaque):
        with pytest.raises(ValueError, match="read-only"):
            array[:1] = 0


@pytest.mark.slow
@given(graphs(cyclic=True))
def test_the_arrays_are_the_graph(graph: Graph) -> None:
    found = snapshot_of(graph, counting=False).graph
    assert found.size.tolist() == graph.sizes
    assert found.pins.tolist() == graph.pins
    out = [set(found.indices[found.indptr[i] : found.indptr[i + 1]].tolist()) for i in range(len(graph))]
    assert out == graph.out
    assert len(found.indices) == len(graph.links)


def test_find_is_exact(snapshot: Snapshot) -> None:
    for node, name in enumerate(snapshot.nodes["key"].to_pylist()):
        assert (snapshot.find(name), snapshot.key(node)) == (node, name)
    assert snapshot.find("sha256:") == snapshot.find("zzz") == snapshot.find("") == -1


def test_pins_of_a_node() -> None:
    found = facts(pins={"node": [0, 1, 0], "name": ["z", "y", "x"]})
    start, rows = found.pins_of
    names = [[found.pins["name"][int(row)].as_py() for row in rows[start[i] : start[i + 1]]] for i in range(2)]
    assert names == [["y"], ["x", "z"]]


def test_what_it_says_of_itself(snapshot: Snapshot) -> None:
    for shown in (str(snapshot), repr(snapshot), snapshot._repr_html_()):
        assert snapshot.address in shown
        assert "policy dependent" in shown
    assert snapshot.snapshot() is snapshot
    assert (snapshot.blobs, snapshot.bytes) == (9, blobkit.to_frame(snapshot)["size"].sum())
    hostile = build(
        "oci", "<script>\x1b[31m", nodes={"key": [], "size": []}, links={"source": [], "target": []}, pins={"node": []}
    )
    assert "<script>" not in hostile._repr_html_()
    assert str(hostile).replace("\n", "").isprintable()


def test_columns_may_come_as_lists_arrays_or_arrow() -> None:
    columns = {"key": ["b", "a"], "size": [1, 2], "kind": ["layer", "manifest"], "modified": [5, -1]}
    rest = {"links": {"source": [0], "target": [1]}, "pins": {"node": [1]}, "time": datetime.now(UTC)}
    plain = build("oci", "/s", nodes=columns, **rest)  # type: ignore[arg-type]
    arrow = build("oci", "/s", nodes={name: pa.array(column) for name, column in columns.items()}, **rest)  # type: ignore[arg-type]
    arrays = build("oci", "/s", nodes={name: np.array(column) for name, column in columns.items()}, **rest)  # type: ignore[arg-type]
    assert same_facts(plain, arrow)
    assert same_facts(plain, arrays)
    assert plain.nodes["modified"].to_pylist() == [None, datetime(1970, 1, 1, 0, 0, 0, 5, tzinfo=UTC)]


def test_more_nodes_than_ids_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "NODE_LIMIT", 2)
    with pytest.raises(SnapshotFormatError, match="2 nodes are more than a snapshot can hold"):
        facts()


def test_key_orders_like_text() -> None:
    keys = ["z", "é", "🙂", "a", "\uffff", key(1), "Z"]
    found = build(
        "oci", "/s", nodes={"key": keys, "size": [1] * 7}, links={"source": [], "target": []}, pins={"node": []}
    )
    assert found.nodes["key"].to_pylist() == sorted(keys)
    assert all(found.key(found.find(k)) == k for k in keys)
    assert waist.Snapshot is Snapshot
