"""Snapshots saved in parts: the same when loaded, in any number of parts, in little memory, whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

import blobkit
from blobkit.cli import cli
from blobkit.errors import SnapshotFormatError
from blobkit.snapshot import saved, tables
from blobkit.snapshot.kinds import STORES
from blobkit.snapshot.parts import reading, writing
from blobkit.snapshot.parts.room import needed, room
from blobkit.snapshot.snapshot import Snapshot, build
from graphs import key
from layouts import Layout, Registry, garbage
from stored import facts, same_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

META = {"kind": "oci", "address": "/s", "time": "2026-01-01T00:00:00+00:00", "policy": "dependent"}


@pytest.mark.slow
@given(st.data(), st.sampled_from((1, 2, 5, 100)))
def test_a_round_trip(data: st.DataObject, rows: int) -> None:
    found = data.draw(facts())
    with tempfile.TemporaryDirectory() as place:
        saved.write_parts(Path(place, "x"), found.tables, found._meta(), part_rows=rows)
        assert same_rows(found, Snapshot.load(f"{place}/x"))
        number = -(-found.nodes.num_rows // rows) or 1
        assert len(list(Path(place, "x/links").iterdir())) == number


@pytest.mark.parametrize("policy", ["dependent", "strong"])
def test_a_slash_makes_a_directory(snapshot: Snapshot, tmp_path: Path, policy: str) -> None:
    snapshot = snapshot.with_policy(policy)
    place = f"{tmp_path}/now/"
    snapshot.save(place)
    for found in (Snapshot.load(place), Snapshot.from_parquet(tmp_path / "now"), blobkit.scan(place)):
        assert same_rows(snapshot, found)
        assert garbage(found, "strong") == garbage(snapshot, "strong")
    assert sorted(path.name for path in (tmp_path / "now").iterdir()) == [
        "links", "nodes", "notices", "pins", "snapshot.json",
    ]  # fmt: skip


def test_a_scan_goes_into_a_directory(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "r")
    registry.push("r", "1", "content")
    found = blobkit.scan(registry.root, policy="gc", progress=False, out=tmp_path / "now")
    whole = blobkit.scan(registry.root, policy="gc", progress=False)
    assert (found.path, found.blobs, found.bytes) == (tmp_path / "now", whole.blobs, whole.bytes)
    loaded = found.snapshot()
    assert same_rows(replace(whole, time=loaded.time), loaded)
    again = blobkit.scan(registry.root, progress=False, out=tmp_path / "now")
    assert again.snapshot().policy == "tags"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_something_else_is_not_replaced(snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(blobkit.connect, "_scanned", lambda *_, **__: pytest.fail("it was scanned"))
    for place in ("mine", "file"):
        with pytest.raises(FileExistsError, match="give the name of a new directory"):
            snapshot.save(f"{tmp_path}/{place}/")
        with pytest.raises(FileExistsError):
            blobkit.scan(tmp_path / "layout", out=tmp_path / place)
    with pytest.raises(FileNotFoundError):
        snapshot.save(f"{tmp_path}/no/such/")
    assert (tmp_path / "mine" / "x").read_text() == (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("call", ["pathlib.Path.rename", "pyarrow.parquet.ParquetWriter"])
def test_a_save_that_fails_changes_nothing(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "no space left")

    snapshot.save(f"{tmp_path}/x/")
    with monkeypatch.context() as patch:
        patch.setattr(call, fail)
        with pytest.raises(OSError, match="no space left"):
            snapshot.with_policy("strong").save(f"{tmp_path}/x/")
    assert same_rows(snapshot, Snapshot.load(tmp_path / "x"))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_ids_are_ranks_by_key_whatever_the_parts(snapshot: Snapshot, tmp_path: Path) -> None:
    saved.write_parts(tmp_path / "x", snapshot.tables, snapshot._meta(), part_rows=3)
    nodes = pa.concat_tables(pq.read_table(path) for path in sorted((tmp_path / "x/nodes").iterdir()))
    assert nodes["key"].to_pylist() == sorted(nodes["key"].to_pylist())
    assert nodes["id"].to_pylist() == list(range(nodes.num_rows))
    links = pa.concat_tables(pq.read_table(path) for path in sorted((tmp_path / "x/links").iterdir()))
    assert {str(links.schema.field(end).type) for end in ("source", "target")} == {"int64"}
    for number, path in enumerate(sorted((tmp_path / "x/links").iterdir())):
        assert {source // 3 for source in pq.read_table(path)["source"].to_pylist()} <= {number}


def batches(n: int, rows: int, alive: list[int]) -> writing.Batches:
    """Nodes that each link to the next, in batches; `alive` gets how many rows of them are in memory at once."""
    held = {"now": 0}

    def counted(table: pa.Table) -> pa.Table:
        held["now"] += table.num_rows
        alive.append(held["now"])
        weakref.finalize(table, lambda: held.update(now=held["now"] - rows))
        return table

    def nodes() -> Iterator[pa.Table]:
        for at in range(0, n, rows):
            some = range(at, at + rows)
            columns = {"key": [key(i) for i in some], "size": list(some)}
            made = build("oci", "/s", nodes=columns, links={"source": [], "target": []}, pins={"node": []})
            yield counted(made.nodes.drop_columns("id"))

    def links() -> Iterator[pa.Table]:
        for at in range(0, n, rows):
            source = np.arange(at, at + rows)
            kind = pa.array(["layer"] * rows).dictionary_encode()
            yield counted(pa.table({"source": source, "target": np.minimum(source + 1, n - 1), "kind": kind}))

    return writing.Batches(nodes(), links(), (), ())


def test_more_nodes_than_a_snapshot_in_memory_can_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "NODE_LIMIT", 150)
    alive: list[int] = []
    parts = writing.write(tmp_path, batches(1000, 100, alive), META, STORES["oci"], part_rows=300)
    assert parts.nodes == (300, 300, 300, 100)
    assert parts.links == (300, 300, 300, 100)
    assert max(alive) <= 200
    sizes = [pq.read_table(path)["size"].to_pylist() for path in sorted((tmp_path / "nodes").iterdir())]
    assert [size for part in sizes for size in part] == list(range(1000))
    with pytest.raises(SnapshotFormatError, match="more than a snapshot in memory can hold") as error:
        Snapshot.load(tmp_path)
    assert "DuckSnapshot" in str(error.value)


def test_what_does_not_fit_the_memory_is_told_before_it_is_read(
    snapshot: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot.save(f"{tmp_path}/x/")
    assert 0 < needed(saved.open_parts(tmp_path / "x")[0]) < room()
    (tmp_path / "memory.max").write_text("1000\n")
    monkeypatch.setattr("blobkit.snapshot.parts.room._LIMITS", (tmp_path / "none", tmp_path / "memory.max"))
    monkeypatch.setattr(reading, "checked", lambda *_: pytest.fail("it was read"))
    with pytest.raises(SnapshotFormatError, match="1000 B of memory") as error:
        Snapshot.load(tmp_path / "x")
    assert f"DuckSnapshot('{tmp_path / 'x'}')" in str(error.value)
    (tmp_path / "memory.max").write_text("max\n")
    assert room() > 1 << 20


def test_the_command_writes_a_directory(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("a:1", "content")
    done = CliRunner().invoke(cli, ["scan", str(layout.root), "-o", f"{tmp_path}/now/"])
    assert done.exit_code == 0, done.output
    assert Snapshot.load(tmp_path / "now").bytes == layout.scan().bytes
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    done = CliRunner().invoke(cli, ["scan", str(layout.root), "-o", f"{tmp_path}/mine/"])
    assert done.exit_code != 0


@pytest.mark.slow
def test_reading_holds_one_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight times as many rows take no more memory to check."""
    monkeypatch.setattr(writing, "_GROUP_ROWS", 1000)
    peaks = []
    for n in (4000, 32000):
        place = tmp_path / str(n)
        parts = writing.write(place, batches(n, 1000, []), META, STORES["oci"], part_rows=2000)
        start, most = pa.total_allocated_bytes(), 0
        total = 0
        for _, rows in reading.checked(place, parts, STORES["oci"]):
            most = max(most, pa.total_allocated_bytes() - start)
            total += rows.num_rows
            assert rows.num_rows <= 1000
        assert total == 2 * n
        peaks.append(most)
    assert peaks[1] < 1.5 * peaks[0], peaks


def test_rows_that_are_not_in_order_are_refused(tmp_path: Path) -> None:
    nodes = list(batches(4, 2, []).nodes)
    kind = pa.array(["layer", "layer"]).dictionary_encode()
    links = pa.table({"source": [1, 0], "target": [0, 0], "kind": kind})
    for some, linked in (
        (nodes[::-1], ()),
        ((nodes[0], nodes[0]), ()),
        (nodes, (links,)),
        (nodes, (links[:1], links[1:])),
    ):
        with pytest.raises(SnapshotFormatError, match="order"):
            writing.write(tmp_path, writing.Batches(some, linked, (), ()), META, STORES["oci"])


def test_what_packs_well_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers refuse files that unpack to too much; each part is packed so that they do not."""
    monkeypatch.setattr(reading, "FREE", 3 << 20)
    monkeypatch.setattr(writing, "_EASY", 1 << 18)
    n = 4000
    columns = {"key": [key(i) for i in range(n)], "size": np.zeros(n, np.int64)}
    links = {"source": np.arange(n), "target": np.zeros(n, np.int64)}
    pins = {"node": np.arange(n), "name": ["x" * 1000] * n, "group": ["y" * 2000] * n, "kind": ["entry"] * n}
    found = build("oci", "/s", nodes=columns, links=links, pins=pins)
    saved.write_parts(tmp_path / "x", found.tables, found._meta(), part_rows=1000)
    assert same_rows(found, Snapshot.load(tmp_path / "x"))


def test_a_hostile_layout_survives(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("a\x00\u202e\n<b>", "content")
    found = layout.scan()
    found.save(os.path.join(tmp_path, "x", ""))  # noqa: PTH118
    assert same_rows(found, Snapshot.load(tmp_path / "x"))
    assert json.loads((tmp_path / "x/snapshot.json").read_bytes())["format"] == "blobkit-snapshot/2"
