"""Saved snapshots written by pyarrow and zipfile alone, as blobkit 0.1 wrote them, or as nobody would.

Format 1 as the first version that saved snapshots wrote it: the columns, their types and vocabularies stand here, so
that a test tells where a newer blobkit no longer reads what an older one saved.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from blobkit.errors import SnapshotFormatError
from blobkit.snapshot.snapshot import Snapshot
from layouts import nowhere

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Tables = dict[str, pa.Table]

TIME = pa.timestamp("us", tz="UTC")
TEXT = pa.large_string()
KINDS = ["index", "manifest", "config", "layer", "artifact", "blob", "snapshot", "unknown"]
STORED = ["yes", "missing", "foreign", "inline", "virtual"]
LINKS = ["config", "layer", "child", "subject", "referrer", "link", "revision", "mark"]
PINS = ["pin", "tag", "entry", "referrer-entry", "revision", "tagged-revision"]
META = {
    "format": "blobkit-snapshot/1",
    "kind": "registry",
    "address": "/srv/registry",
    "time": "2025-11-30T09:52:28.690412+00:00",
    "policy": "tags",
}
MANIFEST, LAYER, LOST = nowhere(1), nowhere(2), nowhere(3)
REVISION = f"r@{MANIFEST}"


def coded(words: list[str], vocabulary: list[str], index: pa.DataType | None = None) -> pa.Array:
    """Words by their codes in a vocabulary."""
    codes = pa.array([vocabulary.index(word) for word in words], index or pa.int8())
    return pa.DictionaryArray.from_arrays(codes, pa.array(vocabulary))


def tables() -> Tables:
    """A registry with one image of one layer, and a blob that nothing needs: 1,110 bytes."""
    types = ["", "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.layer.v1.tar"]
    nodes = {
        "id": pa.array(range(4), pa.int32()),
        "key": pa.array([REVISION, MANIFEST, LAYER, LOST], TEXT),
        "size": pa.array([0, 10, 100, 1000], pa.int64()),
        "kind": coded(["unknown", "manifest", "layer", "unknown"], KINDS),
        "media_type": coded(["", *types[1:], ""], types, pa.int32()),
        "platform": coded(["", "linux/amd64", "", ""], ["", "linux/amd64"], pa.int32()),
        "created": pa.array([None, 1_600_000_000_000_000, None, None], TIME),
        "modified": pa.array([1_700_000_000_000_000] * 4, TIME),
        "stored": coded(["virtual", "yes", "yes", "yes"], STORED),
        "opaque": pa.array([False] * 4),
    }
    links = {
        "source": pa.array([0, 0, 1], pa.int32()),
        "target": pa.array([1, 2, 2], pa.int32()),
        "kind": coded(["revision", "mark", "layer"], LINKS),
    }
    pins = {
        "node": pa.array([0, 1, 0], pa.int32()),
        "name": pa.array(["r:1", "r:1", REVISION], TEXT),
        "kind": coded(["tagged-revision", "tag", "revision"], PINS),
        "group": pa.array(["r"] * 3, TEXT),
        "count": pa.array([1] * 3, pa.int64()),
        "modified": pa.array([1_700_000_000_000_000] * 3, TIME),
    }
    notice = {"code": "junk", "key": "", "path": "/srv/x", "message": "x is not named like a blob"}
    notices = {name: pa.array([value], TEXT) for name, value in notice.items()}
    return {"nodes": pa.table(nodes), "links": pa.table(links), "pins": pa.table(pins), "notices": pa.table(notices)}


def changed(found: Tables, table: str, column: str, values: pa.Array | list[object]) -> Tables:
    """The same with one column replaced, by values of its own type where they are a list."""
    at = found[table].schema.get_field_index(column)
    if isinstance(values, list):
        kind = found[table].schema.field(at).type
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        values = pa.array(values, plain)
    return {**found, table: found[table].set_column(at, column, values)}


def parquet(table: pa.Table, **options: object) -> bytes:
    """A table as parquet, packed as blobkit packs it."""
    few = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **{"compression": "zstd", "use_dictionary": few, **options})
    return buffer.getvalue()


def members(found: Tables, meta: Mapping[str, object] | None = None, **options: object) -> dict[str, bytes]:
    """The files of a saved snapshot."""
    files = {f"{name}.parquet": parquet(table, **options) for name, table in found.items()}
    return {**files, "snapshot.json": json.dumps(META | dict(meta or {})).encode()}


def archive(path: Path, files: Mapping[str, bytes], packed: int = zipfile.ZIP_STORED) -> Path:
    """Write these files as one zip archive, with right checksums."""
    with zipfile.ZipFile(path, "w", packed) as found:
        for name, data in files.items():
            found.writestr(name, data)
    return path


def directory(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write these files into a directory."""
    path.mkdir(exist_ok=True)
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def refusal(place: Path, found: Tables, **meta: object) -> str:
    """Why these tables are refused, as one file and as a directory."""
    files = members(found, meta)
    said = []
    for path, load in (
        (archive(place / "x.blobkit", files), Snapshot.load),
        (directory(place / "parquet", files), Snapshot.from_parquet),
    ):
        with pytest.raises(SnapshotFormatError) as error:
            load(path)
        message = str(error.value)
        assert str(path) in message
        assert message.isprintable()
        said.append(message.replace(str(path), ""))
    assert said[0] == said[1]
    return said[0]


def loaded(place: Path, found: Tables, **meta: object) -> Snapshot:
    return Snapshot.load(archive(place / "x.blobkit", members(found, meta)))


ROWS = {"nodes": [2, 2], "links": [3, 0], "pins": [3, 0], "notices": [1]}
"""The rows of the parts that `parts_at` writes."""


def parts_at(place: Path, found: Tables, rows: dict[str, object] | None = None, **meta: object) -> Path:
    """A snapshot in two parts, of the nodes 0 and 1, and 2 and 3, written by pyarrow alone."""
    found = {**found, "nodes": found["nodes"].set_column(0, "id", found["nodes"]["id"].cast(pa.int64()))}
    for name, table in found.items():
        at = 0
        (place / name).mkdir(parents=True)
        for number, count in enumerate(ROWS[name]):
            part = table.slice(at) if number + 1 == len(ROWS[name]) or name != "nodes" else table.slice(at, count)
            at += part.num_rows
            (place / name / f"part-{number:05}.parquet").write_bytes(parquet(part))
    stated = {"format": "blobkit-snapshot/2", "rows": ROWS | (rows or {})}
    (place / "snapshot.json").write_text(json.dumps(META | stated | meta))
    return place
