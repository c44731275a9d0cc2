"""Snapshots on disk: a directory of parquet files, which duckdb or Spark read as it is, or the same in one zip archive.

What is read back is checked like what a maker makes: a saved snapshot comes from a stranger too.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from blobkit.errors import SnapshotFormatError
from blobkit.snapshot.tables import Tables, make

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["read_archive", "read_directory", "write_archive", "write_directory"]

FORMAT = "blobkit-snapshot/1"
NAMES = ("nodes", "links", "pins", "notices")


def write_directory(directory: Path, tables: Tables, meta: Mapping[str, object]) -> None:
    """Write one parquet file a table, and snapshot.json last, into `directory` (made if absent)."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        _write_parquet(getattr(tables, name), directory / f"{name}.parquet")
    (directory / "snapshot.json").write_text(json.dumps({"format": FORMAT, **meta}, indent=1))


def write_archive(path: Path, tables: Tables, meta: Mapping[str, object]) -> None:
    """Write the same files into one zip archive, which appears at `path` whole or not at all."""
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory: give the name of a file in it", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such directory: make it first", str(path.parent))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
        write_directory(Path(scratch) / "t", tables, meta)
        whole = Path(scratch) / "whole"
        with zipfile.ZipFile(whole, "w") as archive:
            for name in (*(f"{name}.parquet" for name in NAMES), "snapshot.json"):
                archive.write(Path(scratch) / "t" / name, name)
        os.replace(whole, path)  # noqa: PTH105 (the call whose atomicity POSIX promises)


def read_directory(directory: Path) -> tuple[Tables, dict[str, object]]:
    """Return the tables and the meta data of a directory that `write_directory` wrote, checked like new ones."""
    if directory.is_dir() and not (directory / "snapshot.json").exists():
        msg = f"{directory} is no saved snapshot (it has no snapshot.json)"
        raise SnapshotFormatError(msg)
    with (directory / "snapshot.json").open("rb") as file:
        meta = _meta(file, directory)
    return _read({name: directory / f"{name}.parquet" for name in NAMES}, directory), meta


def read_archive(path: Path) -> tuple[Tables, dict[str, object]]:
    """Return the tables and the meta data of a file that `write_archive` wrote, checked like new ones."""
    with path.open("rb") as whole:
        try:
            with zipfile.ZipFile(whole) as archive:
                return _unpacked(archive, path)
        except SnapshotFormatError:
            raise
        except (zipfile.BadZipFile, zlib.error, OSError, LookupError, RuntimeError, EOFError, ValueError) as error:
            msg = f"{path} is no saved snapshot ({error})"
            raise SnapshotFormatError(msg) from error


def _unpacked(archive: zipfile.ZipFile, path: Path) -> tuple[Tables, dict[str, object]]:
    with archive.open("snapshot.json") as file:
        meta = _meta(file, path)
    return _read({name: pa.PythonFile(archive.open(f"{name}.parquet")) for name in NAMES}, path), meta


def _write_parquet(table: pa.Table, path: Path) -> None:
    few = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    pq.write_table(table, path, compression="zstd", use_dictionary=few)


def _meta(file: IO[bytes], path: Path) -> dict[str, object]:
    """Return the meta data; a megabyte is far more than any snapshot has."""
    try:
        meta = json.loads(file.read(1 << 20))
    except (ValueError, RecursionError) as error:
        msg = f"{path} is no saved snapshot (snapshot.json: {error})"
        raise SnapshotFormatError(msg) from error
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        found = meta.get("format") if isinstance(meta, dict) else None
        msg = f"{path} is not in the format {FORMAT} (found {found!r}): write it again, or use a newer blobkit"
        raise SnapshotFormatError(msg)
    return meta


def _read(sources: Mapping[str, object], path: Path) -> Tables:
    try:
        raw = [pq.read_table(sources[name], pre_buffer=False) for name in NAMES]  # local: a buffer is one more copy
        nodes, links, pins, notices = ({name: table[name] for name in table.column_names} for table in raw)
        rows = zip(*(notices[name].to_pylist() for name in ("code", "key", "path", "message")), strict=True)
        tables = make(nodes, links, pins, list(rows))
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        msg = f"{path} is a damaged snapshot ({reason})"
        raise SnapshotFormatError(msg) from error
    del raw, nodes, links, pins
    pa.default_memory_pool().release_unused()  # reading takes twice what the facts do, and would keep it
    return tables
