"""Small files that would unpack to much: refused, or read in little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest

import flipping
from blobkit.errors import SnapshotFormatError
from blobkit.snapshot import members as zips
from blobkit.snapshot.snapshot import Snapshot, build
from crafted import LINKS, PINS, TEXT, TIME, archive, changed, directory, members, parquet, tables
from effort import TORTURE
from graphs import same_facts
from layouts import Layout
from peak import peaks

if TYPE_CHECKING:
    from crafted import Tables

MOST = 100 << 20
STORES = ("87,000 layers", "1,400,000 layers", "an unknown field", "no content")
EACH = ("code", "key", "path", "message")


def repeated(n: int, word: str, vocabulary: list[str] | None = None) -> pa.Array:
    """The same word n times, by its code."""
    words = vocabulary or [word]
    codes = np.full(n, words.index(word), np.int8 if vocabulary else np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(words, pa.string() if vocabulary else TEXT))


def notices(n: int, text: str = "x") -> Tables:
    return {**tables(), "notices": pa.table(dict.fromkeys(EACH, repeated(n, text)))}


def links(n: int) -> Tables:
    zeros = pa.array(np.zeros(n, np.int32))
    return {**tables(), "links": pa.table({"source": zeros, "target": zeros, "kind": repeated(n, "mark", LINKS)})}


def pins(n: int) -> Tables:
    columns = {
        "node": pa.array(np.zeros(n, np.int32)),
        "name": pa.nulls(n, TEXT),
        "kind": repeated(n, "pin", PINS),
        "group": pa.nulls(n, TEXT),
        "count": pa.array(np.ones(n, np.int64)),
        "modified": pa.nulls(n, TIME),
    }
    return {**tables(), "pins": pa.table(columns)}


def plain(found: Tables) -> dict[str, bytes]:
    """Without dictionaries: only the codec makes it small."""
    return members({**found, "notices": found["notices"].cast(pa.schema([(name, TEXT) for name in EACH]))})


def manifest_of(layout: Layout, layers: int) -> None:
    layout.add(layout.blob('{"schemaVersion":2,"config":{},"layers":[' + "{}," * layers + "{}]}"), "x")


@pytest.mark.slow
def test_small_files_take_little_memory(tmp_path: Path) -> None:
    """Each within 100 MiB of what an honest file takes, one after the other in one process."""
    honest = archive(tmp_path / "honest", members(tables()))
    hostile = {
        "3M notices, by codes": archive(tmp_path / "a", members(notices(3_000_000))),
        "3M notices, packed": archive(tmp_path / "b", plain(notices(3_000_000))),
        "5M links": archive(tmp_path / "c", members(links(5_000_000))),
        "3M pins": archive(tmp_path / "d", members(pins(3_000_000))),
        "a long text": archive(tmp_path / "e", members(notices(100_000, "y" * 100_000))),
        "a directory": directory(tmp_path / "f", members(notices(3_000_000))),
    }
    stores = {name: Layout(tmp_path / name) for name in STORES}
    manifest_of(stores["87,000 layers"], 87_000)
    manifest_of(stores["1,400,000 layers"], 1_390_000)
    stores["an unknown field"].write('{"schemaVersion":2,"manifests":[],"x":[' + "{}," * (40 << 20 >> 2) + "{}]}")
    os.truncate(stores["no content"].root / "index.json", 1 << 40)
    roots = {name: store.root for name, store in stores.items()}
    (_, start), *others = peaks(honest, *hostile.values(), *roots.values())
    said = dict(zip([*hostile, *roots], others, strict=True))
    assert max(size for _, size in others) < start + MOST, said
    assert all("unpack to more than" in said[name][0] for name in hostile), said
    assert said["87,000 layers"][0] == "1 nodes, 12 notices"  # the first ten, how many more, and that umoci stops
    assert "more elements" in said["an unknown field"][0]
    assert "larger than 256 MiB" in said["no content"][0]


def check_refused(path: Path, why: str) -> None:
    with pytest.raises(SnapshotFormatError, match=why):
        Snapshot.load(path)


@pytest.mark.slow
def test_few_long_texts_and_words_are_weighed(tmp_path: Path) -> None:
    long = pa.array(["y" * (1 << 20)] * 60, TEXT)
    texts = {**tables(), "notices": pa.table(dict.fromkeys(EACH, long))}
    check_refused(archive(tmp_path / "x", members(texts, use_dictionary=False)), "unpack to more")
    words = pa.array([f"{number}{'y' * (1 << 20)}" for number in range(60)])
    vocabulary = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, 3], pa.int32()), words)
    check_refused(
        archive(tmp_path / "x", members(changed(tables(), "nodes", "platform", vocabulary))), "unpack to more"
    )


def test_texts_that_repeat_the_start_of_the_one_before(tmp_path: Path) -> None:
    found = tables()
    packed = parquet(found["notices"], use_dictionary=False, column_encoding=dict.fromkeys(EACH, "DELTA_BYTE_ARRAY"))
    check_refused(archive(tmp_path / "x", {**members(found), "notices.parquet": packed}), "DELTA_BYTE_ARRAY")


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_pages_of_every_version_are_weighed(tmp_path: Path, version: str) -> None:
    check_refused(archive(tmp_path / "x", members(notices(3_000_000), data_page_version=version)), "unpack to more")
    assert Snapshot.load(archive(tmp_path / "y", members(tables(), data_page_version=version))).bytes == 1110


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "zstd", "lz4"])
def test_every_codec_is_read(tmp_path: Path, codec: str) -> None:
    assert Snapshot.load(archive(tmp_path / "x", members(tables(), compression=codec))).bytes == 1110


def test_other_encodings_are_read(tmp_path: Path) -> None:
    numbers = {"id": "DELTA_BINARY_PACKED", "size": "BYTE_STREAM_SPLIT", "key": "DELTA_LENGTH_BYTE_ARRAY"}
    packed = parquet(tables()["nodes"], use_dictionary=False, column_encoding=numbers)
    assert Snapshot.load(archive(tmp_path / "x", {**members(tables()), "nodes.parquet": packed})).bytes == 1110


@pytest.mark.slow
def test_headers_that_are_none(tmp_path: Path) -> None:
    """Every other byte of the first pages, changed: refused, or read as before."""
    files = members(tables())
    good = Snapshot.load(archive(tmp_path / "x", files))
    refused = 0
    for at in range(4, 300, 2):
        data = bytearray(files["nodes.parquet"])
        data[at] ^= 0x55
        path = archive(tmp_path / "y", {**files, "nodes.parquet": bytes(data)})
        try:
            assert Snapshot.load(path).nodes.num_rows == good.nodes.num_rows
        except SnapshotFormatError:
            refused += 1
    assert refused > 50


@pytest.mark.slow
def test_footers_that_are_none(tmp_path: Path) -> None:
    """No footer takes the process down: pyarrow ends it at some. Every other byte; BLOBKIT_TORTURE: each."""
    path = archive(tmp_path / "x", members(tables()))
    for name in ("pins.parquet", "links.parquet"):
        with zipfile.ZipFile(path) as whole:
            amount = int.from_bytes(whole.read(name)[-8:-4], "little") // 2 + 8  # without the schema in base64
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [
            sys.executable,
            str(Path(flipping.__file__)),
            str(path),
            name,
            str(amount),
            "2" if TORTURE == 1 else "1",
        ]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        refused, _ = json.loads(done.stdout)
        assert refused > 100


def test_what_is_packed_once_more_is_unpacked_up_to_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = archive(tmp_path / "x", members(tables()), zipfile.ZIP_DEFLATED)
    assert Snapshot.load(packed).bytes == 1110
    monkeypatch.setattr(zips, "_PACKED_LIMIT", 100)
    check_refused(packed, "store it without compression")


@pytest.mark.slow
def test_what_blobkit_saves_it_loads_however_alike_its_facts_are(tmp_path: Path) -> None:
    """300,000 files that are no blobs have almost the same name and a long path: so small a file would be refused."""
    alike = [("junk", "", f"/srv/{'d' * 300}/{i:07}", f"{i:07} is not named like a blob") for i in range(300_000)]
    nothing: dict[str, list[int]] = {"source": [], "target": []}
    empty = {"nodes": {"key": [], "size": []}, "links": nothing, "pins": {"node": []}}
    snapshot = build("oci", "/srv", **empty, notices=alike)
    snapshot.save(tmp_path / "x")
    assert same_facts(snapshot, Snapshot.load(tmp_path / "x"))
    assert (tmp_path / "x").stat().st_size < 12 << 20
