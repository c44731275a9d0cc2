"""Read an S3 Inventory (CSV, Parquet or ORC) as the listing of a bucket: no key is listed again, whatever their number.

An inventory is up to a day or a week old, and a snapshot that is made of it has its time. Format: "Amazon S3 Inventory"
in the guide of Amazon S3, version 2016-11-30 of manifest.json.
"""

from __future__ import annotations

import io
import json
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, orc
from pyarrow import parquet as pq

from blobkit.buckets.keys import PAGE, Key
from blobkit.errors import UnreadableStoreError
from blobkit.render import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from blobkit.buckets.keys import Row

Table = Any
"""A table of pyarrow, which is not typed."""
__all__ = ["Inventory", "Noncurrent", "read_inventory"]

MANIFEST_LIMIT = 64 << 20
GZIP = b"\x1f\x8b"
LAST = "\U0010ffff"
"""A text after all that follow a prefix."""
_NAMES = {
    "Bucket": "bucket",
    "Key": "key",
    "IsLatest": "is_latest",
    "IsDeleteMarker": "is_delete_marker",
    "Size": "size",
    "LastModifiedDate": "last_modified_date",
    "ETag": "e_tag",
    "StorageClass": "storage_class",
}
"""The columns that are read, as CSV names them, and as the other formats do."""


class Noncurrent(NamedTuple):
    """The versions that are not current: their number, their bytes, the time of the newest (microseconds)."""

    number: int
    size: int
    modified: int


@dataclass(frozen=True, eq=False)
class Inventory:
    """The keys of a bucket below a prefix, sorted, at the `time` of an inventory; a `Lister`.

    `noncurrent` is None if the inventory has current versions only.
    """

    keys: list[str]
    table: Table
    time: datetime
    noncurrent: Noncurrent | None = None

    def first(self, prefix: str) -> tuple[list[Row], bool]:
        """Return the first keys below a prefix, sorted, at any depth, and whether these are all."""
        start, end = self._range(prefix)
        return self._rows(start, min(end, start + PAGE)), end - start <= PAGE

    def all(self, prefix: str, *, after: str = "") -> Iterator[list[Row]]:
        """Yield all keys below a prefix (after a key), sorted, at any depth, page by page."""
        start, end = self._range(prefix)
        start = max(start, bisect_left(self.keys, f"{after}\0")) if after else start
        for first in range(start, end, PAGE):
            yield self._rows(first, min(end, first + PAGE))

    def folder(self, prefix: str) -> tuple[list[str], list[Row]]:
        """Return the names of the folders in a folder, and the keys in it."""
        at, end = self._range(prefix)
        names: list[str] = []
        rows: list[Row] = []
        while at < end:
            name, slash, _ = self.keys[at][len(prefix) :].partition("/")
            if slash:
                names.append(name)
                at = bisect_left(self.keys, f"{prefix}{name}/{LAST}", at, end)
            else:
                rows += self._rows(at, at + 1)
                at += 1
        return names, rows

    def _range(self, prefix: str) -> tuple[int, int]:
        return bisect_left(self.keys, prefix), bisect_left(self.keys, f"{prefix}{LAST}")

    def _rows(self, start: int, end: int) -> list[Row]:
        part = self.table.slice(start, end - start)
        columns = (part[name].to_pylist() for name in ("size", "modified", "e_tag", "storage_class"))
        return [(key, Key(*row)) for key, row in zip(self.keys[start:end], zip(*columns, strict=True), strict=True)]


def read_inventory(where: str, key: str, bucket: str, prefix: str, opened: Callable[[str], BinaryIO]) -> Inventory:
    """Return the inventory of a bucket below a prefix.

    `where` is the address of its manifest.json, `key` the key of that, and `opened` opens an object beside it.
    UnreadableStoreError if it is none, is of another bucket, or lacks a column. Cost: memory for all keys.
    """
    try:
        with opened(key) as file:
            manifest = json.loads(file.read(MANIFEST_LIMIT))
        source, form = str(manifest["sourceBucket"]), str(manifest["fileFormat"])
        time = datetime.fromtimestamp(int(manifest["creationTimestamp"]) / 1000, UTC)
        files = [str(one["key"]) for one in manifest["files"]]
        columns = [one.strip() for one in str(manifest["fileSchema"]).split(",")]
    except OSError as error:
        raise _unreadable(where, f"cannot be read: {error.strerror}") from error
    except (LookupError, OverflowError, TypeError, ValueError) as error:
        raise _unreadable(where, "is not the manifest of an S3 Inventory") from error
    if source != bucket:
        raise _unreadable(where, f"is the inventory of the bucket {source}, not of {bucket}")
    try:
        found = [part for one in files for part in _parts(form, opened(one), columns, bucket, prefix)]
        return _inventory(found, time)
    except OSError as error:
        raise _unreadable(where, f"names a file that cannot be read: {error.strerror or error}") from error
    except (LookupError, OverflowError, TypeError, ValueError, pa.ArrowException) as error:
        raise _unreadable(where, f"names a file that is not of its format ({type(error).__name__})") from error


def _unreadable(where: str, why: str) -> UnreadableStoreError:
    msg = f"{printable(where)} {printable(why)[:300]}"
    return UnreadableStoreError(
        msg, hint="give the manifest.json of an inventory with size, last modified date and ETag"
    )


def _parts(form: str, file: BinaryIO, columns: list[str], bucket: str, prefix: str) -> Iterator[Table]:
    """Yield what a file of an inventory says about keys below a prefix of a bucket."""
    with file:
        if form == "CSV":
            yield from (_below(one, bucket, prefix) for one in _csv(file, columns))
            return
        read = {"Parquet": pq.read_table, "ORC": orc.read_table}[form]
        table = read(io.BytesIO(file.read()))
    yield _below(table.select([name for name in _NAMES.values() if name in table.column_names]), bucket, prefix)


def _csv(file: BinaryIO, columns: list[str]) -> Iterator[Table]:
    """Yield the rows of a CSV file in pieces: its keys are encoded as in a URL, all is text, "" for nothing."""
    head = file.read(2)
    if not head:
        return
    stream = pa.input_stream(_Again(head, file), compression="gzip" if head == GZIP else None)
    wanted = [one for one in _NAMES if one in columns]
    kinds = csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), include_columns=wanted)
    for batch in csv.open_csv(stream, read_options=csv.ReadOptions(column_names=columns), convert_options=kinds):
        table = pa.Table.from_batches([batch]).rename_columns([_NAMES[one] for one in wanted])
        keys = pa.array([unquote_plus(key) for key in table["key"].to_pylist()], pa.string())
        yield table.set_column(wanted.index("Key"), "key", keys)


class _Again(io.RawIOBase):
    """A file of which the first bytes were read, from its beginning."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = head, file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        head, self._head = self._head, b""
        return head or self._file.read(size)


def _below(table: Table, bucket: str, prefix: str) -> Table:
    """Return the rows of a bucket below a prefix, with all columns, each of its type."""
    here = pc.and_(pc.equal(table["bucket"], bucket), pc.starts_with(table["key"], prefix))
    table = table.filter(here)
    rows = table.num_rows
    nothing = pa.nulls(rows, pa.string())
    found = {name: table[name] if name in table.column_names else nothing for name in _NAMES.values()}
    return pa.table(
        {
            "key": found["key"].cast(pa.large_string()),
            "size": pc.fill_null(_number(found["size"]), 0),
            "modified": pc.fill_null(_micros(found["last_modified_date"]), -1),
            "e_tag": pc.utf8_trim(pc.fill_null(found["e_tag"].cast(pa.string()), ""), '"'),
            "storage_class": pc.fill_null(found["storage_class"].cast(pa.string()), ""),
            "current": pc.fill_null(_truth(found["is_latest"]), fill_value=True),
            "deleted": pc.fill_null(_truth(found["is_delete_marker"]), fill_value=False),
            "versioned": pa.array([found["is_latest"] is not nothing] * rows, pa.bool_()),
        }
    )


def _number(column: Any) -> Any:  # noqa: ANN401 (pyarrow is not typed)
    if pa.types.is_string(column.type):
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
    return column.cast(pa.int64())


def _truth(column: Any) -> Any:  # noqa: ANN401 (pyarrow is not typed)
    if pa.types.is_boolean(column.type):
        return column
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.bool_()), pc.equal(pc.utf8_lower(column), "true"))


def _micros(column: Any) -> Any:  # noqa: ANN401 (pyarrow is not typed)
    """Return times as microseconds since 1970: they are text in CSV, numbers of milliseconds or times elsewhere."""
    if pa.types.is_integer(column.type):
        return pc.multiply(column.cast(pa.int64()), 1000)
    if pa.types.is_string(column.type):
        column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
        column = pc.replace_substring_regex(column, r"Z$", "")
    return column.cast(pa.timestamp("us")).cast(pa.int64())


def _inventory(tables: list[Table], time: datetime) -> Inventory:
    """Return the current keys, sorted, and the sum of the versions that are not."""
    whole = pa.concat_tables([_below(_NOTHING, "", ""), *tables])
    stored = whole.filter(pc.invert(whole["deleted"]))
    old = stored.filter(pc.invert(stored["current"]))
    table = stored.filter(stored["current"]).sort_by("key").combine_chunks()
    noncurrent = None
    if pc.any(whole["versioned"]).as_py():
        noncurrent = Noncurrent(old.num_rows, pc.sum(old["size"]).as_py() or 0, pc.max(old["modified"]).as_py() or -1)
    return Inventory(table["key"].to_pylist(), table, time, noncurrent)


_NOTHING = pa.table({name: pa.array([], pa.string()) for name in _NAMES.values()})
