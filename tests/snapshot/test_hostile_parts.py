"""Snapshots in parts of strangers: all that answers and engines rely on is checked, part by part."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blobkit
from blobkit.errors import SnapshotFormatError
from blobkit.snapshot import saved
from blobkit.snapshot.parts import layout, reading
from blobkit.snapshot.snapshot import Snapshot
from crafted import LAYER, LOST, MANIFEST, META, REVISION, ROWS, TEXT, changed, parts_at, tables

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crafted import Tables

INVALID = pa.array([b"\xff\xfe"], pa.large_binary()).view(TEXT)


def refusal(place: Path) -> str:
    """Why a directory is refused, whether it is loaded or only checked."""
    said = []
    with pytest.raises(SnapshotFormatError) as error:
        Snapshot.load(place)
    said.append(str(error.value))
    with pytest.raises(SnapshotFormatError) as error:
        saved.verified_parts(place)
    said.append(str(error.value))
    assert said[0] == said[1]
    assert str(place) in said[0]
    assert said[0].isprintable()
    assert len(said[0].replace(str(place), "")) < 400
    return said[0]


def test_what_pyarrow_wrote_is_read(tmp_path: Path) -> None:
    found = Snapshot.load(parts_at(tmp_path / "x", tables()))
    assert found.nodes["key"].to_pylist() == [REVISION, MANIFEST, LAYER, LOST]
    assert (found.bytes, found.links.num_rows, found.pins.num_rows, found.notices.num_rows) == (1110, 3, 3, 1)
    assert blobkit.scan(tmp_path / "x").kind == "registry"


@pytest.mark.parametrize("table", ["nodes", "links", "pins", "notices"])
def test_a_part_that_is_missing_or_more(tmp_path: Path, table: str) -> None:
    place = parts_at(tmp_path / "x", tables())
    part = place / table / "part-00000.parquet"
    other = part.with_name("part-00007.parquet")
    other.write_bytes(part.read_bytes())
    assert f"does not tell of {table}/part-00007" in refusal(place)
    other.unlink()
    part.unlink()
    assert "part-00000" in refusal(place)
    part.parent.rename(tmp_path / "away")
    assert table in refusal(place)


@pytest.mark.parametrize("table", ["nodes", "links", "pins", "notices"])
@pytest.mark.parametrize("more", [1, -1, 10**6])
def test_wrong_counts(tmp_path: Path, table: str, more: int) -> None:
    rows = [max(0, ROWS[table][0] + more), *ROWS[table][1:]]
    assert "tells of" in refusal(parts_at(tmp_path / "x", tables(), {table: rows}))


@pytest.mark.parametrize(
    "rows",
    [
        None,
        [],
        {},
        {"nodes": [2, 2]},
        ROWS | {"nodes": []},
        ROWS | {"links": [3]},
        ROWS | {"nodes": [2, "2"]},
        ROWS | {"nodes": [2, 2.0]},
        ROWS | {"nodes": [2, True]},
        ROWS | {"nodes": [2, -2]},
        ROWS | {"nodes": [2, None]},
        ROWS | {"nodes": [1 << 62, 1 << 62]},
        ROWS | {"notices": [10**300]},
        ROWS | {"pins": {"0": 3}},
    ],
)
def test_rows_that_are_none(tmp_path: Path, rows: object) -> None:
    place = parts_at(tmp_path / "x", tables())
    (place / "snapshot.json").write_text(json.dumps(META | {"format": layout.FORMAT, "rows": rows}))
    refusal(place)


@pytest.mark.parametrize("number", [-1, 4, 1 << 31, 1 << 62])
@pytest.mark.parametrize(("table", "column"), [("links", "source"), ("links", "target"), ("pins", "node")])
def test_nodes_that_do_not_exist(tmp_path: Path, table: str, column: str, number: int) -> None:
    values = pa.array([0, 0, number], pa.int64())
    assert "does not exist" in refusal(parts_at(tmp_path / "x", changed(tables(), table, column, values)))


def test_ids_that_are_no_whole_numbers(tmp_path: Path) -> None:
    for number, (table, column) in enumerate(
        (("nodes", "size"), ("links", "source"), ("links", "target"), ("pins", "node"))
    ):
        values = tables()[table][column].cast(pa.float64())
        assert "instead of integers" in refusal(
            parts_at(tmp_path / str(number), changed(tables(), table, column, values.combine_chunks()))
        )
    place = parts_at(tmp_path / "x", tables())
    part = place / "nodes/part-00001.parquet"
    found = pq.read_table(part)
    pq.write_table(found.set_column(0, "id", found["id"].cast(pa.float64())), part)
    assert "instead of integers" in refusal(place)
    pq.write_table(found.set_column(0, "id", pa.array([2, 2], pa.int64())), part)
    assert "not their rows" in refusal(place)


@pytest.mark.parametrize(("table", "column"), [("links", "source"), ("pins", "node")])
def test_rows_in_the_part_of_other_nodes(tmp_path: Path, table: str, column: str) -> None:
    values = pa.array([0, 0, 3], pa.int64())
    assert "part of other nodes" in refusal(parts_at(tmp_path / "x", changed(tables(), table, column, values)))


@pytest.mark.parametrize("keys", [[REVISION, LAYER, MANIFEST, LOST], [REVISION, MANIFEST, MANIFEST, LOST]])
def test_keys_in_another_order(tmp_path: Path, keys: list[str]) -> None:
    assert "order of their keys" in refusal(parts_at(tmp_path / "x", changed(tables(), "nodes", "key", keys)))


@pytest.mark.parametrize("key", ["../../victim", "", "sha256:" + "a" * 63, "x\ny"])
def test_keys_that_are_no_digests(tmp_path: Path, key: str) -> None:
    assert "key" in refusal(
        parts_at(tmp_path / "x", changed(tables(), "nodes", "key", [REVISION, MANIFEST, LAYER, key]))
    )


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("nodes", "key"), ("nodes", "kind"), ("nodes", "media_type"), ("nodes", "stored"), ("links", "kind"),
        ("pins", "name"), ("pins", "kind"), ("pins", "group"), ("notices", "code"), ("notices", "message"),
    ],
)  # fmt: skip
def test_text_that_is_no_utf_8(tmp_path: Path, table: str, column: str) -> None:
    values = tables()[table][column].cast(TEXT).combine_chunks()
    broken = pa.concat_arrays([values.slice(0, len(values) - 1), INVALID])
    assert f"{column} of {table}" in refusal(parts_at(tmp_path / "x", changed(tables(), table, column, broken)))


def test_columns_that_engines_would_take_for_others(tmp_path: Path) -> None:
    """Engines do not tell `Size` from `size`; and times of other units, or beyond the year 9999, differ in them."""
    found = tables()
    two = {**found, "nodes": found["nodes"].append_column("SIZE", pa.array([-1] * 4))}
    assert "2 columns size" in refusal(parts_at(tmp_path / "x", two))
    other = changed(found, "nodes", "modified", pa.array([1] * 4, pa.timestamp("ns", tz="UTC")))
    assert "instead of timestamp[us" in refusal(parts_at(tmp_path / "y", other))


def test_sums_over_all_parts(tmp_path: Path) -> None:
    sizes = changed(tables(), "nodes", "size", [0, 1 << 62, 1 << 62, 1 << 62])
    assert "more than can be counted" in refusal(parts_at(tmp_path / "x", sizes))
    negative = changed(tables(), "nodes", "size", [0, 1, 1, -1])
    assert "impossible size" in refusal(parts_at(tmp_path / "y", negative))
    counts = changed(tables(), "pins", "count", [1 << 16, 3, 1])
    assert "no counts" in refusal(parts_at(tmp_path / "z", counts))
    assert "negative count" in refusal(parts_at(tmp_path / "w", changed(tables(), "pins", "count", [1, -1, 1])))


def many(table: str, n: int) -> Tables:
    """A table of so many equal rows, which packs into nearly nothing."""
    row = tables()[table].slice(0, 1)
    return {**tables(), table: row.take(pa.array(np.zeros(n, np.int64)))}


@pytest.mark.slow
@pytest.mark.parametrize("table", ["links", "pins", "notices"])
def test_absurd_numbers_of_rows_take_little_memory(tmp_path: Path, table: str) -> None:
    n = 3_000_000
    place = parts_at(tmp_path / "x", many(table, n), {table: [n, *ROWS[table][1:]]})
    start = pa.total_allocated_bytes()
    assert "unpack to more than" in refusal(place)
    assert pa.total_allocated_bytes() - start < 1 << 20


def test_a_row_group_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = parts_at(tmp_path / "x", tables())
    monkeypatch.setattr(reading, "GROUP_LIMIT", 100)
    assert "smaller row groups" in refusal(place)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("what", [pipe, device, lambda path: path.mkdir()])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, what: Callable[[Path], None]) -> None:
    place = parts_at(tmp_path / "x", tables())
    for path in (place / "links/part-00001.parquet", place / "snapshot.json"):
        path.unlink()
        what(path)
        assert "not a regular file" in refusal(place)


@pytest.mark.slow
def test_a_byte_that_changed_is_refused_or_does_no_harm(tmp_path: Path) -> None:
    place = parts_at(tmp_path / "x", tables())
    part = place / "nodes/part-00000.parquet"
    data = part.read_bytes()
    refused = 0
    places = range(0, len(data), 29)
    for at in places:
        part.write_bytes(data[:at] + bytes((data[at] ^ 0xFF,)) + data[at + 1 :])
        try:
            assert Snapshot.load(place).nodes.num_rows == 4
        except SnapshotFormatError:
            refused += 1
    assert refused > len(places) // 4


def test_one_format_does_not_pass_for_the_other(tmp_path: Path) -> None:
    place = parts_at(tmp_path / "x", tables(), format="blobkit-snapshot/1")
    with pytest.raises(SnapshotFormatError, match=r"nodes\.parquet"):
        Snapshot.load(place)
    with pytest.raises(SnapshotFormatError, match="not in parts"):
        saved.open_parts(place)
