"""The waist: fact tables, invariants, policies, saving, and what other programs read of it."""

from __future__ import annotations

import json
import os
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given

import blobkit
from blobkit import snapshot as waist
from blobkit import tables
from blobkit.errors import SnapshotFormatError, UnknownPolicyError
from blobkit.snapshot import POLICIES, Snapshot, build
from graphs import Graph, graphs, key, snapshot_of
from layouts import Layout, Registry, freed, garbage, nowhere

if TYPE_CHECKING:
    from pathlib import Path

TIME = pa.timestamp("us", tz="UTC")


def words(kind: pa.DataType) -> bool:
    return pa.types.is_dictionary(kind)


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """An OCI layout with everything in it: names, referrers, absent blobs, garbage, notices."""
    layout = Layout(tmp_path / "layout")
    subject = layout.image("reg/app:1", "base", "top")
    layout.manifest(layout.blob("sbom"), subject=subject)
    layout.add(layout.manifest(nowhere(1)), None)
    layout.blob("garbage")
    layout.blob("damaged", digest=nowhere(2))
    return layout.scan()


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
    assert found.counted.links_in.tolist() == [1, 0]


BROKEN = {
    "a key twice": ({"nodes": {"key": ["a", "a"]}}, "the node a is listed twice"),
    "no key": ({"nodes": {"key": ["a", None]}}, "a node has no key"),
    "negative size": ({"nodes": {"size": [-1, 2]}}, "the node b has an impossible size"),
    "bytes of what is missing": ({"nodes": {"stored": ["missing", "yes"]}}, "the node b has an impossible size"),
    "bytes of a stand-in": ({"nodes": {"stored": ["virtual", "yes"]}}, "impossible size"),
    "bytes of what is elsewhere": ({"nodes": {"stored": ["foreign", "yes"]}}, "impossible size"),
    "link from nowhere": ({"links": {"source": [2]}}, "a link names a node that is not there"),
    "link to nowhere": ({"links": {"target": [-1]}}, "a link names a node that is not there"),
    "pin on nothing": ({"pins": {"node": [2]}}, "a pin names a node that is not there"),
    "a negative pin": ({"pins": {"count": [-1]}}, "a pin has a negative count"),
    "half a link": ({"links": {"target": [1, 0]}}, "1 link sources and 2 targets"),
    "unknown kind": ({"nodes": {"kind": ["manifest", "song"]}}, "unknown kind song: it needs a newer blobkit"),
    "unknown state": ({"nodes": {"stored": ["yes", "maybe"]}}, "unknown stored maybe"),
    "unknown link kind": ({"links": {"kind": ["likes"]}}, "unknown link kind likes"),
    "unknown pin kind": ({"pins": {"kind": ["badge"]}}, "unknown pin kind badge"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_facts_that_contradict_each_other_are_refused(broken: str) -> None:
    changes, message = BROKEN[broken]
    with pytest.raises(SnapshotFormatError, match=message):
        facts(**changes)


def test_a_store_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(SnapshotFormatError, match=r"no policy is known.*'jar'"):
        build("jar", "/s", nodes={"key": [], "size": []}, links={"source": [], "target": []}, pins={"node": []})


def test_every_kind_of_store_has_a_default_policy_of_known_kinds() -> None:
    assert {p.store: p.name for p in reversed(POLICIES)} == {
        "blobkit": "counts",
        "oci": "dependent",
        "registry": "tags",
    }
    for policy in POLICIES:
        assert policy.pins <= set(tables.PIN_KINDS)
        assert policy.links <= set(tables.LINK_KINDS)


def test_policies_choose_among_the_same_facts(snapshot: Snapshot) -> None:
    assert snapshot.policy == "dependent"
    assert snapshot.policies == ("dependent", "strong", "ignore")
    other = snapshot.with_policy("strong")
    assert other.tables is snapshot.tables
    assert (other.policy, snapshot.policy) == ("strong", "dependent")
    assert other.with_policy("dependent").counted.targets.tolist() == snapshot.counted.targets.tolist()
    with pytest.raises(
        UnknownPolicyError, match=r"an? oci store has no policy 'gc': use one of dependent, strong, ignore"
    ):
        snapshot.with_policy("gc")


def test_the_arrays_cannot_be_changed(snapshot: Snapshot) -> None:
    graph = snapshot.counted
    for array in (graph.first, graph.targets, graph.pins, graph.size, graph.blob, graph.opaque):
        with pytest.raises(ValueError, match="read-only"):
            array[:1] = 0


@given(graphs(cyclic=True))
def test_the_arrays_are_the_graph(graph: Graph) -> None:
    found = snapshot_of(graph, counting=False).counted
    assert found.size.tolist() == graph.sizes
    assert found.pins.tolist() == graph.pins
    out = [set(found.targets[found.first[i] : found.first[i + 1]].tolist()) for i in range(len(graph))]
    assert out == graph.out
    assert len(found.targets) == len(graph.links)


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


def same(a: Snapshot, b: Snapshot) -> bool:
    """Whether two snapshots hold the same facts, of the same store, under the same policy."""
    whole = all(getattr(a, name).equals(getattr(b, name)) for name in ("nodes", "links", "pins", "notices"))
    types = all(getattr(a, name).schema.equals(getattr(b, name).schema) for name in ("nodes", "links", "pins"))
    return whole and types and (a.kind, a.address, a.time, a.policy) == (b.kind, b.address, b.time, b.policy)


@pytest.mark.parametrize("policy", ["dependent", "strong"])
def test_saved_and_loaded_it_is_the_same(snapshot: Snapshot, tmp_path: Path, policy: str) -> None:
    snapshot = snapshot.with_policy(policy)
    snapshot.save(tmp_path / "x.blobkit")
    snapshot.to_parquet(tmp_path / "parquet")
    loaded = [
        Snapshot.load(str(tmp_path / "x.blobkit")),
        Snapshot.from_parquet(tmp_path / "parquet"),
        blobkit.scan(tmp_path / "x.blobkit"),
        blobkit.scan(tmp_path / "parquet"),
    ]
    assert all(same(snapshot, found) for found in loaded)
    pd.testing.assert_frame_equal(blobkit.to_frame(loaded[0]), blobkit.to_frame(snapshot))
    assert garbage(loaded[0], "strong") == garbage(snapshot, "strong")


def test_an_empty_store_is_saved_too(tmp_path: Path) -> None:
    empty = build("oci", "/s", nodes={"key": [], "size": []}, links={"source": [], "target": []}, pins={"node": []})
    empty.save(tmp_path / "x")
    assert same(empty, Snapshot.load(tmp_path / "x"))


def test_hostile_names_survive(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("a\x00\u202e\n<b>", "content")
    layout.scan().save(tmp_path / "x")
    assert len(freed(Snapshot.load(tmp_path / "x"), "a\x00\u202e\n<b>")) == 3


def rewritten(path: Path, **members: bytes | None) -> Path:
    """The same archive with some members replaced, or left out."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    other = path.with_name("other.blobkit")
    with zipfile.ZipFile(other, "w") as archive:
        for name, data in content.items():
            new = members.get(name.replace(".", "_"), data)
            if new is not None:
                archive.writestr(name, new)
    return other


@pytest.fixture
def saved(snapshot: Snapshot, tmp_path: Path) -> Path:
    snapshot.save(tmp_path / "x.blobkit")
    return tmp_path / "x.blobkit"


def meta(path: Path, **changes: object) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return json.dumps(json.loads(archive.read("snapshot.json")) | changes).encode()


def check_refused(path: Path) -> None:
    with pytest.raises(SnapshotFormatError) as error:
        Snapshot.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_half_a_file_is_refused(saved: Path, part: float) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * part)])
    check_refused(saved)


def test_a_flipped_byte_is_refused_or_does_no_harm(saved: Path) -> None:
    data = saved.read_bytes()
    tail = data.index(b"PK\x01\x02")
    places = [*range(0, tail, 97), *range(tail, len(data), 3)]
    refused = 0
    for at in places:
        saved.write_bytes(data[:at] + bytes((data[at] ^ 0xFF,)) + data[at + 1 :])
        try:
            Snapshot.load(saved)
        except SnapshotFormatError as error:
            assert str(saved) in str(error)  # noqa: PT017 (most flips are refused, not all)
            refused += 1
    assert refused > len(places) // 2


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip", b"PK\x03\x04" + b"\0" * 100, b"\x89PNG"])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.blobkit").write_bytes(content)
    check_refused(tmp_path / "x.blobkit")


def test_a_foreign_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("hello", "world")
    check_refused(tmp_path / "x.zip")


@pytest.mark.parametrize(
    "member", ["nodes_parquet", "links_parquet", "pins_parquet", "notices_parquet", "snapshot_json"]
)
@pytest.mark.parametrize("content", [None, b"", b"PAR1 and no more", b"[" * 100_000, b"[]", b"{}"])
def test_a_damaged_member_is_refused(saved: Path, member: str, content: bytes | None) -> None:
    check_refused(rewritten(saved, **{member: content}))


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "blobkit-snapshot/2"},
        {"format": None},
        {"kind": "jar"},
        {"policy": "tomorrow's"},
        {"time": "noon"},
        {"time": "0001-01-01T00:00:00+14:00"},
    ],
)
def test_what_a_newer_blobkit_wrote_is_refused(saved: Path, changes: dict[str, object]) -> None:
    check_refused(rewritten(saved, snapshot_json=meta(saved, **changes)))


def test_tables_that_break_the_rules_are_refused(saved: Path, tmp_path: Path) -> None:
    nodes = Snapshot.load(saved).nodes
    for broken in (nodes.slice(1), nodes.drop_columns("size"), pa.concat_tables([nodes, nodes])):
        tables.pq.write_table(broken, tmp_path / "nodes.parquet")
        check_refused(rewritten(saved, nodes_parquet=(tmp_path / "nodes.parquet").read_bytes()))


def test_a_directory_that_is_none_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    snapshot.to_parquet(tmp_path / "p")
    for name in ("links.parquet", "snapshot.json"):
        (tmp_path / "p" / name).unlink()
        with pytest.raises(SnapshotFormatError, match=str(tmp_path / "p")):
            Snapshot.from_parquet(tmp_path / "p")


def test_an_absent_file_is_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Snapshot.load(tmp_path / "nothing")


@pytest.mark.parametrize("call", ["os.replace", "pq.write_table", "zipfile.ZipFile"])
def test_a_save_that_fails_changes_nothing(saved: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "no space left")

    before = saved.read_bytes()
    found = Snapshot.load(saved)
    module, name = call.split(".")
    with monkeypatch.context() as patch:
        patch.setattr(getattr(tables, module), name, fail)
        with pytest.raises(OSError, match="no space left"):
            found.save(saved)
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir() if path.is_file()] == [saved.name]
    assert not [path for path in saved.parent.iterdir() if path.name.startswith(".")]


def test_a_save_replaces_what_was_there(snapshot: Snapshot, saved: Path) -> None:
    saved.write_bytes(b"old")
    mask = os.umask(0o027)
    try:
        snapshot.save(saved)
    finally:
        os.umask(mask)
    assert same(snapshot, Snapshot.load(saved))
    assert saved.stat().st_mode & 0o777 == 0o640


def test_duckdb_reads_the_parquet_directory(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot.to_parquet(tmp_path / "p")
    monkeypatch.chdir(tmp_path / "p")
    with duckdb.connect() as db:
        total = db.sql("select count(*), sum(size) from 'nodes.parquet' where stored = 'yes'").fetchall()
        assert total == [(snapshot.blobs, snapshot.bytes)]
        joined = db.sql(
            "select a.key, b.key, l.kind from 'links.parquet' l join 'nodes.parquet' a on l.source = a.id "
            "join 'nodes.parquet' b on l.target = b.id where l.kind in ('config', 'layer', 'child', 'referrer')"
        ).fetchall()
        assert sorted(joined) == sorted(blobkit.links_frame(snapshot).itertuples(index=False, name=None))
        tags = db.sql("select p.name, n.key from 'pins.parquet' p join 'nodes.parquet' n on p.node = n.id").fetchall()
        assert dict(tags)["reg/app:1"] == blobkit.tags_frame(snapshot).loc["reg/app:1", "digest"]


def test_other_programs_read_the_tables_as_they_are(snapshot: Snapshot) -> None:
    nodes = snapshot.nodes
    assert pd.DataFrame.from_arrow(nodes)["size"].sum() == snapshot.bytes
    assert pl.DataFrame(nodes)["size"].sum() == snapshot.bytes
    assert pa.table(nodes).equals(nodes)
    with duckdb.connect() as db:
        assert db.sql("select sum(size) from nodes").fetchall() == [(snapshot.bytes,)]
    for name in ("links", "pins", "notices"):
        assert len(pl.DataFrame(getattr(snapshot, name))) == getattr(snapshot, name).num_rows


def test_columns_may_come_as_lists_arrays_or_arrow() -> None:
    columns = {"key": ["b", "a"], "size": [1, 2], "kind": ["layer", "manifest"], "modified": [5, -1]}
    rest = {"links": {"source": [0], "target": [1]}, "pins": {"node": [1]}, "time": datetime.now(UTC)}
    plain = build("oci", "/s", nodes=columns, **rest)  # type: ignore[arg-type]
    arrow = build("oci", "/s", nodes={name: pa.array(column) for name, column in columns.items()}, **rest)  # type: ignore[arg-type]
    arrays = build("oci", "/s", nodes={name: np.array(column) for name, column in columns.items()}, **rest)  # type: ignore[arg-type]
    assert same(plain, arrow)
    assert same(plain, arrays)
    assert plain.nodes["modified"].to_pylist() == [None, datetime(1970, 1, 1, 0, 0, 0, 5, tzinfo=UTC)]


def test_a_registry_is_saved_with_all_its_policies(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "r")
    registry.push("r", "1", "content")
    snapshot = registry.scan("gc-m")
    snapshot.save(tmp_path / "x")
    loaded = Snapshot.load(tmp_path / "x")
    assert loaded.policies == ("tags", "revisions", "gc", "gc-m")
    assert same(snapshot, loaded)
    for policy in loaded.policies:
        assert garbage(loaded, policy) == garbage(snapshot, policy)


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
