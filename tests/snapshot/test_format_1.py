"""What older versions saved is still read, and other programs may write the tables their own way."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blobkit
from blobkit.snapshot.snapshot import Snapshot
from crafted import LAYER, LOST, MANIFEST, REVISION, archive, changed, directory, members, tables
from graphs import same_facts
from layouts import freed, garbage

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def old(tmp_path: Path) -> Snapshot:
    return Snapshot.load(archive(tmp_path / "old.blobkit", members(tables())))


def test_what_the_first_version_saved_is_read(old: Snapshot) -> None:
    assert (old.kind, old.policy, old.bytes, old.blobs) == ("registry", "tags", 1110, 3)
    assert old.nodes["key"].to_pylist() == [REVISION, MANIFEST, LAYER, LOST]
    assert garbage(old, "tags") == garbage(old, "gc") == {LOST}
    assert freed(old, "r:1") == {MANIFEST, LAYER}
    assert blobkit.to_frame(old).loc[MANIFEST, "platform"] == "linux/amd64"
    assert old.notices["message"].to_pylist() == ["x is not named like a blob"]


def test_saved_again_it_is_the_same(old: Snapshot, tmp_path: Path) -> None:
    old.save(tmp_path / "new.blobkit")
    assert same_facts(old, Snapshot.load(tmp_path / "new.blobkit"))
    for name, table in tables().items():
        assert getattr(old, name).schema.remove_metadata().equals(table.schema.remove_metadata()), name


def written_by_pandas(path: Path) -> None:
    pd.read_parquet(path).to_parquet(path)


def written_by_polars(path: Path) -> None:
    pl.read_parquet(path).write_parquet(path)


def written_by_duckdb(path: Path) -> None:
    with duckdb.connect() as db:
        db.sql("set timezone = 'UTC'")
        db.sql(f"copy (from '{path}') to '{path}.new' (format parquet)")
    path.with_suffix(".parquet.new").rename(path)


@pytest.mark.parametrize("rewritten", [written_by_pandas, written_by_polars, written_by_duckdb])
def test_other_programs_may_write_the_tables_again(old: Snapshot, tmp_path: Path, rewritten: object) -> None:
    files = directory(tmp_path / "p", members(tables()))
    for name in tables():
        rewritten(files / f"{name}.parquet")  # type: ignore[operator]
    assert pd.DataFrame.equals(blobkit.to_frame(Snapshot.from_parquet(files)), blobkit.to_frame(old))


def test_an_archive_that_other_programs_packed(old: Snapshot, tmp_path: Path) -> None:
    packed = archive(tmp_path / "packed.blobkit", members(tables()), zipfile.ZIP_DEFLATED)
    assert same_facts(old, Snapshot.load(packed))


def test_columns_of_a_newer_version_are_passed_over(old: Snapshot, tmp_path: Path) -> None:
    found = tables()
    for name, table in found.items():
        nested = pa.array([{"a": [1]}] * table.num_rows)
        found[name] = table.add_column(0, "newer", nested).append_column("newest", nested)
    assert same_facts(old, Snapshot.load(archive(tmp_path / "x", members(found))))


def test_rows_in_another_order_and_in_pieces(old: Snapshot, tmp_path: Path) -> None:
    """Nodes may stand in any order: their ids are their rows."""
    order = pa.array([2, 0, 3, 1])
    found = tables()
    nodes = found["nodes"].take(order)
    found = changed({**found, "nodes": nodes}, "nodes", "id", [0, 1, 2, 3])
    for table, column in (("links", "source"), ("links", "target"), ("pins", "node")):
        moved = [order.to_pylist().index(node) for node in found[table][column].to_pylist()]
        found = changed(found, table, column, moved)
    assert same_facts(old, Snapshot.load(archive(tmp_path / "x", members(found, row_group_size=1))))


def test_row_groups_without_rows(old: Snapshot, tmp_path: Path) -> None:
    files = members(tables())
    for name, table in tables().items():
        buffer = io.BytesIO()
        with pq.ParquetWriter(buffer, table.schema) as writer:
            for part in (table.slice(0, 0), table, table.slice(0, 0)):
                writer.write_table(part)
        files[f"{name}.parquet"] = buffer.getvalue()
    assert same_facts(old, Snapshot.load(archive(tmp_path / "x", files)))


def test_columns_that_know_nothing(tmp_path: Path) -> None:
    found = tables()
    for table, column in (("pins", "name"), ("pins", "group"), ("pins", "modified"), ("nodes", "created")):
        found = changed(found, table, column, pa.nulls(found[table].num_rows))
    loaded = Snapshot.load(archive(tmp_path / "x", members(found)))
    assert loaded.pins["name"].null_count == 3
    assert loaded.nodes["created"].null_count == 4
