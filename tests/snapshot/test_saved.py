"""Saved snapshots: the same when loaded, whole or not at all, and refused where they are damaged."""

from __future__ import annotations

import json
import os
import zipfile
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import blobkit
from blobkit.errors import SnapshotFormatError
from blobkit.snapshot.snapshot import Snapshot, build
from graphs import same_facts
from layouts import Layout, Registry, freed, garbage

if TYPE_CHECKING:
    from pathlib import Path


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
    assert all(same_facts(snapshot, found) for found in loaded)
    pd.testing.assert_frame_equal(blobkit.to_frame(loaded[0]), blobkit.to_frame(snapshot))
    assert garbage(loaded[0], "strong") == garbage(snapshot, "strong")


def test_an_empty_store_is_saved_too(tmp_path: Path) -> None:
    empty = build("oci", "/s", nodes={"key": [], "size": []}, links={"source": [], "target": []}, pins={"node": []})
    empty.save(tmp_path / "x")
    assert same_facts(empty, Snapshot.load(tmp_path / "x"))


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


@pytest.mark.slow
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
        {"format": "blobkit-snapshot/3"},
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
        pq.write_table(broken, tmp_path / "nodes.parquet")
        check_refused(rewritten(saved, nodes_parquet=(tmp_path / "nodes.parquet").read_bytes()))


def test_a_link_that_is_saved_twice_is_one(snapshot: Snapshot, saved: Path, tmp_path: Path) -> None:
    """Beside its double, in order, and far from it: what is loaded is the set of links that was saved."""
    links = snapshot.links
    beside = links.take([row for row in range(links.num_rows) for _ in range(2)])
    for twice in (beside, pa.concat_tables([links, links]), pa.concat_tables([links, links.slice(0, 1)])):
        pq.write_table(twice, tmp_path / "links.parquet")
        loaded = Snapshot.load(rewritten(saved, links_parquet=(tmp_path / "links.parquet").read_bytes()))
        assert same_facts(loaded, snapshot)
        assert blobkit.to_frame(loaded).equals(blobkit.to_frame(snapshot))


def test_a_directory_that_is_none_is_refused(snapshot: Snapshot, tmp_path: Path) -> None:
    snapshot.to_parquet(tmp_path / "p")
    for name in ("links.parquet", "snapshot.json"):
        (tmp_path / "p" / name).unlink()
        with pytest.raises(SnapshotFormatError, match=str(tmp_path / "p")):
            Snapshot.from_parquet(tmp_path / "p")


def test_an_absent_file_is_absent(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Snapshot.load(tmp_path / "nothing")


@pytest.mark.parametrize("call", ["os.replace", "pyarrow.parquet.write_table", "zipfile.ZipFile"])
def test_a_save_that_fails_changes_nothing(saved: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "no space left")

    before = saved.read_bytes()
    found = Snapshot.load(saved)
    with monkeypatch.context() as patch:
        patch.setattr(call, fail)
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
    assert same_facts(snapshot, Snapshot.load(saved))
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


def test_a_registry_is_saved_with_all_its_policies(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "r")
    registry.push("r", "1", "content")
    snapshot = registry.scan("gc-m")
    snapshot.save(tmp_path / "x")
    loaded = Snapshot.load(tmp_path / "x")
    assert loaded.policies == ("tags", "revisions", "gc", "gc-m", "dependent")
    assert same_facts(snapshot, loaded)
    for policy in loaded.policies:
        assert garbage(loaded, policy) == garbage(snapshot, policy)
