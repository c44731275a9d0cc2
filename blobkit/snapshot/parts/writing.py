"""Write a snapshot in parts from batches of rows: one batch is in memory at a time, so there may be any number of rows.

Nodes come by key, links by source, pins by node; ids are int64. Every batch is checked as when it is read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from blobkit.errors import SnapshotFormatError
from blobkit.snapshot.columns import arrow, combine
from blobkit.snapshot.parts.checking import Checks
from blobkit.snapshot.parts.layout import FORMAT, ROWS, SNAPSHOT, Parts, part_of
from blobkit.snapshot.tables import ids, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from blobkit.snapshot.records import Kind
    from blobkit.snapshot.tables import Tables

__all__ = ["PART_ROWS", "Batches", "batches_of", "compact", "write"]

PART_ROWS = 1 << 18
"""The nodes of a part: with their links they fit the memory of any machine."""
_GROUP_ROWS = 1 << 16
_GROUP_BYTES = 64 << 20
_EASY, _DENSE = 2 << 20, 50
"""Bytes of a table that may be packed at any ratio, and the highest ratio for more; readers accept higher ones."""


class Batches(NamedTuple):
    """The rows of a snapshot in batches: tables with the columns of `Tables`, ids of int64; nodes need no `id`."""

    nodes: Iterable[pa.Table]
    links: Iterable[pa.Table]
    pins: Iterable[pa.Table]
    notices: Iterable[pa.Table]


def write(
    directory: Path, batches: Batches, meta: Mapping[str, object], kind: Kind, *, part_rows: int = PART_ROWS
) -> Parts:
    """Write the parts into a directory, then snapshot.json; return the rows of each part.

    SnapshotFormatError if rows are not in order, or are not right. Memory: a batch, and 64 MiB.
    """
    checks = Checks(kind)
    nodes = _write_rows(directory, "nodes", (checks.nodes(_columns(one)) for one in batches.nodes), part_rows)
    ends = np.cumsum(nodes)
    links = _write_by_node(_Table(directory, "links"), batches.links, ends, checks.links)
    pins = _write_by_node(_Table(directory, "pins"), batches.pins, ends, checks.pins)
    notices = _write_rows(directory, "notices", (checks.notices(_columns(one)) for one in batches.notices), part_rows)
    parts = Parts(nodes, links, pins, notices)
    (directory / SNAPSHOT).write_text(json.dumps({"format": FORMAT, **meta, ROWS: parts.to_meta()}, indent=None))
    return parts


def batches_of(tables: Tables, rows: int = _GROUP_ROWS) -> Batches:
    """Return the rows of fact tables in batches of so many."""
    by_node = np.argsort(ids(tables.pins["node"]), kind="stable")
    return Batches(
        (compact(one) for one in _slices(tables.nodes.drop_columns("id"), rows)),
        _slices(tables.links, rows),
        (tables.pins.take(arrow(by_node[at : at + rows])) for at in range(0, len(by_node), rows)),
        _slices(tables.notices, rows),
    )


def _slices(table: pa.Table, rows: int) -> Iterator[pa.Table]:
    """Yield a table in slices; one without rows if it has none, because its columns are known."""
    return (table.slice(at, rows) for at in range(0, max(table.num_rows, 1), rows))


def compact(table: pa.Table) -> pa.Table:
    """Return a slice with only the words that it uses: each of its parts would have those of the whole table."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(place, field.name, table[field.name].cast(pa.string()).dictionary_encode())
    return table


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _write_rows(directory: Path, name: str, batches: Iterable[pa.Table], part_rows: int) -> tuple[int, ...]:
    """Write rows in parts of so many each."""
    with _Table(directory, name) as table:
        for batch in batches:
            table.like(batch)
            at = 0
            while at < batch.num_rows:
                part = sum(table.rows) // part_rows
                room = (part + 1) * part_rows - sum(table.rows)
                table.write(part, batch.slice(at, room))
                at += room
    return table.finish(1)


def _write_by_node(
    table: _Table,
    batches: Iterable[pa.Table],
    ends: NDArray[np.int64],
    check: Callable[[Mapping[str, pa.ChunkedArray], int, int], pa.Table],
) -> tuple[int, ...]:
    """Write rows in the parts of their nodes (in the first column), which are sorted; `ends` has the end of each."""
    last, number = 0, int(ends[-1])
    with table:
        for batch in batches:
            rows = check(_columns(batch), 0, number)
            node = np.asarray(combine(rows.column(0)))
            if len(node) and (node[0] < last or (node[1:] < node[:-1]).any()):
                msg = f"the {table.name} are not in the order of their nodes"
                raise SnapshotFormatError(msg)
            starts = np.append(0, np.searchsorted(node, ends))
            for part in np.flatnonzero(np.diff(starts)).tolist():
                table.write(part, rows.slice(starts[part], starts[part + 1] - starts[part]))
            last = int(node[-1]) if len(node) else last
    return table.finish(len(ends))


class _Table:
    """The parts of a table that is written; one of them is open at a time."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory, self.name = directory, name
        self.rows: list[int] = []
        self._writer: pq.ParquetWriter | None = None
        self._schema: pa.Schema = _empty(name).schema
        self._plain = 0
        (directory / name).mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def like(self, rows: pa.Table) -> None:
        """Take the columns from rows, if none were written."""
        if not self.rows:
            self._schema = rows.schema

    def write(self, part: int, rows: pa.Table) -> None:
        """Add rows to a part; those before it are complete."""
        self.like(rows)
        self._go_to(part)
        for piece in _slices(rows, _group_rows(rows)):
            if self._writer is not None:
                self._writer.write_table(piece)
        self._plain += rows.nbytes
        self.rows[-1] += rows.num_rows

    def finish(self, number: int) -> tuple[int, ...]:
        """Complete the table, with so many parts at least; return the rows of each."""
        self._go_to(max(number, len(self.rows)) - 1)
        self._close()
        return tuple(self.rows)

    def _go_to(self, part: int) -> None:
        while len(self.rows) <= part:
            self._close()
            self.rows.append(0)
            self._writer = _writer(self._path, self._schema, "zstd")

    @property
    def _path(self) -> Path:
        return part_of(self.directory, self.name, len(self.rows) - 1)

    def _close(self) -> None:
        """Close the open part; if it got so small that a reader would reject it, pack it less."""
        if self._writer is None:
            return
        self._writer.close()
        self._writer = None
        easy = _EASY if len(self.rows) == 1 else 0
        if self._plain > easy + _DENSE * self._path.stat().st_size:
            _pack_less(self._path)
        self._plain = 0


def _writer(path: Path, schema: pa.Schema, compression: str) -> pq.ParquetWriter:
    few = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    return pq.ParquetWriter(path, schema, compression=compression, use_dictionary=few)


def _pack_less(path: Path) -> None:
    """Write a file again, in a compression that packs 21 times at most."""
    other = path.with_suffix(".less")
    with pq.ParquetFile(path) as file, _writer(other, file.schema_arrow, "snappy") as writer:
        for group in range(file.num_row_groups):
            writer.write_table(file.read_row_group(group))
    other.replace(path)


def _group_rows(table: pa.Table) -> int:
    """Return the number of rows for a row group: fewer if the rows are long."""
    fit: int = _GROUP_BYTES * table.num_rows // max(1, table.nbytes)
    return max(1, min(_GROUP_ROWS, fit))


def _empty(name: str) -> pa.Table:
    """Return a table of this name without rows."""
    tables = make({"key": [], "size": []}, {"source": [], "target": []}, {"node": []})
    table: pa.Table = getattr(tables, name)
    wide = [pa.field(one.name, pa.int64()) if one.type == pa.int32() else one for one in table.schema]
    return table.cast(pa.schema(wide))
