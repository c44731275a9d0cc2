"""Save and load snapshots: as a directory of parquet files for duckdb, Spark and others, or as one zip archive of it.

A saved snapshot is untrusted: it is checked like the facts from a maker.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from blobkit.errors import SnapshotFormatError, UnknownPolicyError
from blobkit.render import printable, to_utf8, truncate
from blobkit.replacing import replacing
from blobkit.snapshot.disk import Disk
from blobkit.snapshot.kinds import STORES, policy_of
from blobkit.snapshot.loading import load
from blobkit.snapshot.members import member

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blobkit.snapshot.records import Policy
    from blobkit.snapshot.tables import Tables

__all__ = ["Meta", "read_archive", "read_directory", "write_archive", "write_directory"]

FORMAT = "blobkit-snapshot/1"
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


def read_directory(directory: Path) -> tuple[Tables, Meta]:
    """Return the tables and metadata from a directory that `write_directory` wrote, checked like new ones."""
    directory.stat()
    if not (directory / "snapshot.json").exists():
        msg = f"{directory} is not a saved snapshot (it has no snapshot.json)"
        raise SnapshotFormatError(msg)
    with _refusing(directory), ExitStack() as opened:
        files = {path.stem: opened.enter_context(_open(path)) for path in (directory / name for name in _MEMBERS)}
        size = sum(os.fstat(file.fileno()).st_size for file in files.values())
        return _read(files, size)


def read_archive(path: Path) -> tuple[Tables, Meta]:
    """Return the tables and metadata from a file that `write_archive` wrote, checked like new ones."""
    with _open(path) as whole, _refusing(path), zipfile.ZipFile(whole) as archive:
        files = {Path(name).stem: member(archive, whole, name) for name in _MEMBERS}
        return _read(files, os.fstat(whole.fileno()).st_size)


def _open(path: Path) -> BinaryIO:
    """Open a regular file; SnapshotFormatError for a pipe or device, because reading it may never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        msg = f"{path} is not a saved snapshot (it is not a regular file)"
        raise SnapshotFormatError(msg)
    return path.open("rb")


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
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
    """Return the content of these files, which have `size` bytes in total."""
    meta = _meta(files["snapshot"].read(_META_LIMIT))
    tables = load(files, size, STORES[meta.kind])
    pa.default_memory_pool().release_unused()  # reading takes twice the memory of the facts; the pool would keep it
    return tables, meta


def _meta(data: bytes) -> Meta:
    """Return the metadata; no snapshot has more than a megabyte of it."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        msg = f"snapshot.json is not JSON: {error}"
        raise SnapshotFormatError(msg) from error
    stated = found.get("format") if isinstance(found, dict) else None
    if stated != FORMAT:
        msg = f"it is not in the format {FORMAT}, but in {truncate(str(stated), _SHOWN)}: it needs a newer blobkit"
        raise SnapshotFormatError(msg)
    kind, address, policy, moment = (_text(found, field) for field in ("kind", "address", "policy", "time"))
    try:
        return Meta(
            kind, to_utf8(address), _time(moment), policy_of(kind, policy, address), Disk.from_meta(found.get("disk"))
        )
    except UnknownPolicyError as error:
        msg = f"no policy {truncate(policy, _SHOWN)!r} for {kind} stores: it needs a newer blobkit"
        raise SnapshotFormatError(msg) from error


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
