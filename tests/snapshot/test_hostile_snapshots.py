"""Saved snapshots of strangers: what answers rely on is checked, each in turn, when a file is loaded."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

import blobkit
from blobkit.errors import SnapshotFormatError
from blobkit.snapshot.kinds import STORES
from blobkit.snapshot.snapshot import Snapshot
from crafted import LAYER, LOST, MANIFEST, REVISION, TEXT, archive, changed, directory, loaded, members, refusal, tables

if TYPE_CHECKING:
    from pathlib import Path

    from crafted import Tables

YEAR_12000 = 316_537_891_200_000_000


def keys(key: str) -> Tables:
    """The tables with another key for the lost blob."""
    return changed(tables(), "nodes", "key", [REVISION, MANIFEST, LAYER, key])


@pytest.mark.parametrize(
    "key",
    [
        "../../victim",
        "..",
        "",
        "x",
        "layer/1",
        "/etc/passwd",
        "sha256:" + "A" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        f"{LOST}\n",
        f"\n{LOST}",
        f"{LOST}\x00",
        f"{LOST}\n{LOST}",
        "x\nEND\ntouch PWNED\ncat <<'END'",
        "sha512:" + "a" * 64,
        "md5:" + "a" * 32,
        f"s@{MANIFEST}",
    ],
)
@pytest.mark.parametrize("stored", ["yes", "missing", "foreign", "inline"])
def test_a_key_that_is_no_digest_is_refused(tmp_path: Path, key: str, stored: str) -> None:
    found = changed(keys(key), "nodes", "size", [0, 10, 100, 0])
    found = changed(found, "nodes", "stored", ["virtual", "yes", "yes", stored])
    assert "key" in refusal(tmp_path, found)


@pytest.mark.parametrize("label", ["sha384:", "sha512:"])
def test_digests_of_every_algorithm_are_keys(tmp_path: Path, label: str) -> None:
    digest = label + "a" * {"sha384:": 96, "sha512:": 128}[label]
    assert loaded(tmp_path, keys(digest)).find(digest) == 3


@pytest.mark.parametrize("key", ["../x", "a b", "tag caf\u00e9:1", "\u202e", "info.json@x", "'; rm -rf /", " "])
def test_a_virtual_node_may_be_called_anything(tmp_path: Path, key: str) -> None:
    found = changed(tables(), "nodes", "key", [key, MANIFEST, LAYER, LOST])
    assert loaded(tmp_path, found).find(key) >= 0


@pytest.mark.parametrize("char", ["\n", "\x00", "\x1b", "\x7f", "\x85", "\x9b"])
def test_but_not_with_control_characters(tmp_path: Path, char: str) -> None:
    found = changed(tables(), "nodes", "key", [f"r{char}@x", MANIFEST, LAYER, LOST])
    assert "key" in refusal(tmp_path, found)
    assert "key" in refusal(tmp_path, changed(found, "nodes", "key", ["", MANIFEST, LAYER, LOST]))


def test_keys_of_the_form_that_a_kind_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_form = replace(STORES["registry"], key_form=r"(layer|image)/[\w./\n]+")
    monkeypatch.setitem(STORES, "registry", with_form)
    assert loaded(tmp_path, keys("layer/1")).find("layer/1") >= 0
    assert loaded(tmp_path, keys("layer/a..b")).find("layer/a..b") >= 0
    for key in ("volume/1", "layer/../../victim", "layer/..", "layer/a\nb", "xlayer/1", "layer/1;"):
        assert "key" in refusal(tmp_path, keys(key))


INVALID = pa.array([b"\xff\xfe"], pa.large_binary()).view(TEXT)


def invalid(table: pa.Table, column: str) -> pa.Array:
    """The column with bytes that are no UTF-8, in its last row or as its last word."""
    values = table[column].combine_chunks()
    if pa.types.is_dictionary(values.type):
        vocabulary = pa.concat_arrays([values.dictionary.cast(TEXT), INVALID])
        codes = [*values.indices.to_pylist()[:-1], len(vocabulary) - 1]
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), vocabulary)
    return pa.concat_arrays([values.slice(0, len(values) - 1), INVALID])


TEXTS = [
    (name, field.name)
    for name, table in tables().items()
    for field in table.schema
    if pa.types.is_dictionary(field.type) or pa.types.is_large_string(field.type)
]
NULLABLE = {("nodes", "created"), ("nodes", "modified"), ("pins", "name"), ("pins", "group"), ("pins", "modified")}
COLUMNS = [(name, column) for name, table in tables().items() for column in table.column_names]


@pytest.mark.parametrize(("table", "column"), TEXTS)
def test_text_that_is_no_utf_8_is_refused(tmp_path: Path, table: str, column: str) -> None:
    found = tables()
    for values in (invalid(found[table], column), invalid(found[table], column).cast(TEXT, safe=False)):
        assert f"{column} of {table}" in refusal(tmp_path, changed(found, table, column, values))


@pytest.mark.parametrize(("table", "column"), sorted(set(COLUMNS) - NULLABLE))
def test_nulls_are_refused(tmp_path: Path, table: str, column: str) -> None:
    values = tables()[table][column].to_pylist()
    assert "null" in refusal(tmp_path, changed(tables(), table, column, [*values[:-1], None]))


@pytest.mark.parametrize(("table", "column"), COLUMNS)
def test_an_absent_column_and_one_that_is_there_twice_are_refused(tmp_path: Path, table: str, column: str) -> None:
    found = tables()
    without = {**found, table: found[table].drop_columns(column)}
    twice = {**found, table: found[table].append_column(column, found[table][column])}
    assert f"{table} has no column {column}" in refusal(tmp_path, without)
    assert f"{table} has 2 columns {column}" in refusal(tmp_path, twice)


NUMBERS = [("nodes", "id"), ("nodes", "size"), ("links", "source"), ("links", "target"), ("pins", "node")]


@pytest.mark.parametrize(("table", "column"), [*NUMBERS, ("pins", "count")])
def test_numbers_are_integers(tmp_path: Path, table: str, column: str) -> None:
    values = tables()[table][column].to_pylist()
    for other in (
        pa.array([float(value) for value in values]),
        pa.array([value + 0.9 for value in values]),
        pa.array([float("nan") for _ in values]),
        pa.array([str(value) for value in values]),
        pa.array([bool(value) for value in values]),
        pa.array(values, pa.decimal128(20, 0)),
        pa.array(values, pa.timestamp("us", tz="UTC")),
        pa.array([[value] for value in values]),
        pa.array([{"x": value} for value in values]),
        pa.nulls(len(values)),
    ):
        assert f"{column} of {table}" in refusal(tmp_path, changed(tables(), table, column, other))
    for width in (pa.int64(), pa.uint16(), pa.uint64()):
        assert loaded(tmp_path, changed(tables(), table, column, pa.array(values, width))).bytes == 1110


@pytest.mark.parametrize(
    "values", [["false"] * 4, [0, 1, 0, 1], [0.0] * 4, [None] * 4, [[True]] * 4, [b"\1"] * 4, [True, None, True, False]]
)
def test_flags_are_true_or_false(tmp_path: Path, values: list[object]) -> None:
    assert "opaque of nodes" in refusal(tmp_path, changed(tables(), "nodes", "opaque", pa.array(values)))


@pytest.mark.parametrize(("table", "column"), TEXTS)
def test_texts_are_texts(tmp_path: Path, table: str, column: str) -> None:
    n = tables()[table].num_rows
    for other in ([b"yes"] * n, [1] * n, [["yes"]] * n, [{"a": "yes"}] * n, [1.5] * n):
        found = changed(tables(), table, column, pa.array(other))
        assert f"{column} of {table}" in refusal(tmp_path, found)


@pytest.mark.parametrize("column", ["created", "modified"])
def test_times_have_a_zone(tmp_path: Path, column: str) -> None:
    for other in (pa.array([1] * 4), pa.array([1] * 4, pa.timestamp("us")), pa.array([1] * 4, pa.date32())):
        assert f"{column} of nodes" in refusal(tmp_path, changed(tables(), "nodes", column, other))
    for unit in ("ms", "us", "ns"):
        times = pa.array([10**9] * 4, pa.timestamp(unit, tz="Asia/Tokyo"))
        assert loaded(tmp_path, changed(tables(), "nodes", column, times)).nodes[column].null_count == 0


@pytest.mark.parametrize("moment", [YEAR_12000, -1, -(1 << 62), (1 << 63) - 1])
@pytest.mark.parametrize(("table", "column"), [("nodes", "created"), ("nodes", "modified"), ("pins", "modified")])
def test_times_before_1970_and_after_9999_are_unknown(tmp_path: Path, table: str, column: str, moment: int) -> None:
    n = tables()[table].num_rows
    found = changed(tables(), table, column, pa.array([moment] * n, pa.timestamp("us", tz="UTC")))
    snapshot = loaded(tmp_path, found)
    assert getattr(snapshot, table)[column].null_count == n
    assert snapshot.nodes["size"].to_pylist() == [0, 10, 100, 1000]
    assert str(blobkit.audit(snapshot))
    assert blobkit.audit(snapshot).to_dict()
    assert str(blobkit.plan(snapshot, free=1))


def test_the_last_moment_of_9999_is_known(tmp_path: Path) -> None:
    last = 253_402_300_799_999_999
    found = changed(tables(), "nodes", "modified", pa.array([0, last, last + 1, 1], pa.timestamp("us", tz="UTC")))
    assert loaded(tmp_path, found).nodes["modified"].is_null().to_pylist() == [False, False, True, False]


@pytest.mark.parametrize("ids", [[3, 2, 1, 0], [1, 2, 3, 4], [0, 0, 0, 0], [0, 1, 2, -1], [0, 1, 2, 3 + (1 << 31)]])
def test_ids_are_rows(tmp_path: Path, ids: list[int]) -> None:
    assert "ids" in refusal(tmp_path, changed(tables(), "nodes", "id", pa.array(ids)))


@pytest.mark.parametrize("node", [4, -1, 1 << 32, (1 << 32) + 1, (1 << 64) - 1])
@pytest.mark.parametrize(("table", "column"), [("links", "source"), ("links", "target"), ("pins", "node")])
def test_links_and_pins_name_nodes_that_are_there(tmp_path: Path, table: str, column: str, node: int) -> None:
    values = pa.array([0, 0, node], pa.uint64() if node >> 63 == 1 else pa.int64())
    assert "refers to a node that does not exist" in refusal(tmp_path, changed(tables(), table, column, values))


def test_sizes_sum_within_64_bits(tmp_path: Path) -> None:
    most = (1 << 63) - 1
    assert "sum" in refusal(tmp_path, changed(tables(), "nodes", "size", [0, 1, most, 0]))
    assert "sum" in refusal(tmp_path, changed(tables(), "nodes", "size", [0, 1 << 62, 1 << 62, 1 << 62]))
    assert "impossible size" in refusal(
        tmp_path, changed(tables(), "nodes", "size", pa.array([0, 1, 1 << 63, 0], pa.uint64()))
    )
    assert loaded(tmp_path, changed(tables(), "nodes", "size", [0, 1, most - 1, 0])).bytes == most


def test_counts_sum_within_64_bits(tmp_path: Path) -> None:
    most = (1 << 63) - 1
    for counts in ([most, 1, 0], [most, most, 1], [1 << 62] * 3, [most, 0, 0]):  # links hold too
        assert "references" in refusal(tmp_path, changed(tables(), "pins", "count", counts))
    found = changed(tables(), "pins", "count", [1, most - 10, 1])
    found = changed(found, "pins", "kind", ["pin"] * 3)
    snapshot = loaded(tmp_path, found, kind="go-blobstore", policy="counts")
    assert blobkit.to_frame(snapshot, absent=True).loc[MANIFEST, "refcount"] >= most - 10


def test_only_stores_that_count_have_high_counts(tmp_path: Path) -> None:
    """A script writes out each reference to an entry of index.json: a count of a billion would take all memory."""
    assert loaded(tmp_path, changed(tables(), "pins", "count", [0, 1 << 16, 2])).pins.num_rows == 3
    assert "no counts" in refusal(tmp_path, changed(tables(), "pins", "count", [0, 1 << 16, 3]))


@pytest.mark.parametrize("what", ["pipe", "device", "directory"])
def test_what_is_no_file_is_not_waited_for(tmp_path: Path, what: str) -> None:
    files = directory(tmp_path / "p", members(tables()))
    for path in (tmp_path / "x.blobkit", files / "nodes.parquet", files / "snapshot.json"):
        path.unlink(missing_ok=True)
        if what == "pipe":
            os.mkfifo(path)
        elif what == "device":
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
        why = "no snapshot.json" if path.parent != files and what == "directory" else "not a regular file"
        with pytest.raises(SnapshotFormatError, match=why):
            Snapshot.from_parquet(files) if path.parent == files else Snapshot.load(path)


def test_a_byte_that_changed_on_disk_is_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "x", members(tables()))
    data = bytearray(path.read_bytes())
    data[data.index(b"PAR1") + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(SnapshotFormatError, match="checksum"):
        Snapshot.load(path)


def test_the_collected_files(shared: Path) -> None:
    """Files that once loaded, or failed without a word: only the year 12000 is no reason to refuse."""
    found = {path.name: path for path in sorted((shared / "data" / "attack").glob("*.blobkit"))}
    if not found:
        pytest.skip("no collected files")
    for name, path in found.items():
        if name == "snap-modified-y12000.blobkit":
            assert blobkit.scan(path).nodes["modified"].null_count
            continue
        with pytest.raises(SnapshotFormatError, match=name):
            blobkit.scan(path)
