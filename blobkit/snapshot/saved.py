"""Save and load snapshots: as a directory of parquet files for duckdb, Spark and others, or as one zip archive of it.

Format 1 has one parquet file for each table, format 2 a directory of parts for each (see `blobkit.snapshot.parts`).
A saved snapshot is untrusted: it is checked like the facts from a maker.
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from blobkit.errors import SnapshotFormatError, UnknownPolicyError
from blobkit.render import printable, to_utf8, truncate
from blobkit.replacing import replacing, replacing_directory
from blobkit.snapshot.disk import Disk
from blobkit.snapshot.kinds import STORES, policy_of
from blobkit.snapshot.loading import load
from blobkit.snapshot.members import member
from blobkit.snapshot.parts import layout, reading, writing
from blobkit.snapshot.parts.room import check_room
from blobkit.snapshot.regular import regular

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blobkit.snapshot.records import Policy
    from blobkit.snapshot.tables import Tables

__all__ = [
    "Meta",
    "open_parts",
    "read_archive",
    "read_directory",
    "refusing",
    "verified_parts",
    "write_archive",
    "write_directory",
    "write_parts",
]

FORMAT = "blobkit-snapshot/1"
FORMATS = (FORMAT, layout.FORMAT)
NAMES = ("nodes", "links", "pins", "notices")
_MEMBERS = ("snapshot.json", *(f"{name}.parquet" for name in NAMES))
_META_LIMIT = 1 << 20
_SHOWN = 100
_EASY, _DENSE = 2 << 20, 50
"""Bytes of facts that may be compressed at any ratio, and the highest ratio for more; `load` accepts higher ones."""
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    pa.ArrowException,
    OSError,
    LookupError,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    OverflowError,
    MemoryError,
)
"""The errors that libraries raise for damaged or forged files."""


class Meta(NamedTuple):
    """The metadata of a snapshot: kind and address of the store, time, policy, totals of all files."""

    kind: str
    address: str
    time: datetime
    rule: Policy
    disk: Disk | None = None


def write_directory(directory: Path, tables: Tables, meta: Mapping[str, object]) -> None:
    """Write one parquet file for each table, then snapshot.json, into `directory` (created if absent)."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        _write_parquet(getattr(tables, name), directory / f"{name}.parquet")
    (directory / "snapshot.json").write_text(json.dumps({"format": FORMAT, **meta}, indent=1))


def write_archive(path: Path, tables: Tables, meta: Mapping[str, object]) -> None:
    """Write the same files into one zip archive, atomically: it appears at `path` complete or not at all."""
    with replacing(path) as whole:
        files = whole.with_name("t")
        write_directory(files, tables, meta)
        with zipfile.ZipFile(whole, "w") as archive:
            for name in (*_MEMBERS[1:], _MEMBERS[0]):
                archive.write(files / name, name)


def write_parts(directory: Path, tables: Tables, meta: Mapping[str, object], *, part_rows: int | None = None) -> None:
    """Write the tables in parts (format 2), atomically: `directory` appears complete or not at all.

    It may be there already if it is empty or a saved snapshot, which is replaced; else FileExistsError.
    """
    rows = part_rows or writing.PART_ROWS
    with replacing_directory(directory, layout.SNAPSHOT) as whole:
        writing.write(whole, writing.batches_of(tables), meta, STORES[str(meta["kind"])], part_rows=rows)


def read_directory(directory: Path) -> tuple[Tables, Meta]:
    """Return the tables and metadata from a directory that `write_directory` or `write_parts` wrote, checked."""
    _check_is_one(directory)
    with refusing(directory):
        _, found = _directory_meta(directory)
    return _read_parts(directory) if found["format"] == layout.FORMAT else _read_files(directory)


def _check_is_one(directory: Path) -> None:
    """Raise SnapshotFormatError if a directory has no saved snapshot, FileNotFoundError if it does not exist."""
    directory.stat()
    if not (directory / layout.SNAPSHOT).exists():
        msg = f"{directory} is not a saved snapshot (it has no {layout.SNAPSHOT})"
        raise SnapshotFormatError(msg, hint="scan the store first (blobkit scan ADDRESS -o DIR/)")


def _read_parts(directory: Path) -> tuple[Tables, Meta]:
    parts, meta = open_parts(directory)
    check_room(directory, parts)
    with refusing(directory):
        tables = reading.load(directory, parts, STORES[meta.kind])
    pa.default_memory_pool().release_unused()
    return tables, meta


def _read_files(directory: Path) -> tuple[Tables, Meta]:
    with refusing(directory), ExitStack() as opened:
        files = {path.stem: opened.enter_context(regular(path)) for path in (directory / name for name in _MEMBERS)}
        size = sum(os.fstat(file.fileno()).st_size for file in files.values())
        return _read(files, size)


def open_parts(directory: Path) -> tuple[layout.Parts, Meta]:
    """Return the metadata of a snapshot in parts, without a look at these; SnapshotFormatError if it is none."""
    _check_is_one(directory)
    with refusing(directory):
        meta, found = _directory_meta(directory)
        if found["format"] != layout.FORMAT:
            msg = f"{directory} is not in parts (format 2): Snapshot.load it, and save it in a directory (name/)"
            raise SnapshotFormatError(msg)
        return layout.Parts.from_meta(found), meta


def verified_parts(directory: Path) -> tuple[layout.Parts, Meta]:
    """Return the same after a check of all rows; SnapshotFormatError tells what is wrong.

    Cost: one read of all files. Memory: a row group.
    """
    parts, meta = open_parts(directory)
    with refusing(directory):
        for _ in reading.checked(directory, parts, STORES[meta.kind]):
            pass
    return parts, meta


def _directory_meta(directory: Path) -> tuple[Meta, Mapping[str, object]]:
    with regular(directory / "snapshot.json") as file:
        return _meta(file.read(_META_LIMIT))


def read_archive(path: Path) -> tuple[Tables, Meta]:
    """Return the tables and metadata from a file that `write_archive` wrote, checked like new ones."""
    with regular(path) as whole, refusing(path), zipfile.ZipFile(whole) as archive:
        files = {Path(name).stem: member(archive, whole, name) for name in _MEMBERS}
        return _read(files, os.fstat(whole.fileno()).st_size)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn the errors that libraries raise for damaged files into a SnapshotFormatError that names the path."""
    try:
        yield
    except SnapshotFormatError as error:
        msg = str(error) if str(path) in str(error) else f"{path} cannot be read as a snapshot ({error})"
        raise SnapshotFormatError(msg) from error
    except _DAMAGE as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        msg = f"{path} is not a saved snapshot, or is damaged ({printable(reason)})"
        raise SnapshotFormatError(msg, hint="scan the store again (blobkit scan ADDRESS -o FILE)") from error


def _read(files: Mapping[str, IO[bytes]], size: int) -> tuple[Tables, Meta]:
    """Return the content of these files of format 1, which have `size` bytes in total."""
    meta, found = _meta(files["snapshot"].read(_META_LIMIT))
    if found["format"] != FORMAT:
        msg = "its parts are in directories, not in a file: give the directory"
        raise SnapshotFormatError(msg)
    tables = load(files, size, STORES[meta.kind])
    pa.default_memory_pool().release_unused()  # reading takes twice the memory of the facts; the pool would keep it
    return tables, meta


def _meta(data: bytes) -> tuple[Meta, Mapping[str, object]]:
    """Return the metadata, and all of snapshot.json; no snapshot has more than a megabyte of it."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        msg = f"snapshot.json is not JSON: {error}"
        raise SnapshotFormatError(msg) from error
    stated = found.get("format") if isinstance(found, dict) else None
    if stated not in FORMATS:
        shown = truncate(str(stated), _SHOWN)
        msg = f"it is not in the format {FORMATS[-1]} or an older one, but in {shown}: it needs a newer blobkit"
        raise SnapshotFormatError(msg)
    kind, address, policy, moment = (_text(found, field) for field in ("kind", "address", "policy", "time"))
    try:
        rule = policy_of(kind, policy, address)
    except UnknownPolicyError as error:
        msg = f"no policy {truncate(policy, _SHOWN)!r} for {kind} stores: it needs a newer blobkit"
        raise SnapshotFormatError(msg) from error
    return Meta(kind, to_utf8(address), _time(moment), rule, Disk.from_meta(found.get("disk"))), found


def _text(meta: Mapping[str, object], field: str) -> str:
    value = meta.get(field)
    if not isinstance(value, str):
        msg = f"snapshot.json has no {field}"
        raise SnapshotFormatError(msg)
    return value


def _time(moment: str) -> datetime:
    time = datetime.fromisoformat(moment[:64]).astimezone(UTC)
    if time.year < 1970:  # noqa: PLR2004 (the first year for all times in snapshots; Python sets the last)
        msg = f"it is of the year {time.year}"
        raise SnapshotFormatError(msg)
    return time


def _write_parquet(table: pa.Table, path: Path) -> None:
    """Write one table; if it gets so small that a reader would reject it, compress it less (21 times at most)."""
    few = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
    pq.write_table(table, path, compression="zstd", use_dictionary=few)
    if table.nbytes > _EASY + _DENSE * path.stat().st_size:
        pq.write_table(table, path, compression="snappy", use_dictionary=few)
