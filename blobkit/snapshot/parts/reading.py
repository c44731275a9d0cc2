"""Read an untrusted snapshot in parts: every row is checked, and one row group is in memory at a time.

`checked` reads a whole snapshot in as little memory as one row group takes; `load` keeps all of its rows.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa

from blobkit.errors import SnapshotFormatError
from blobkit.render import printable
from blobkit.snapshot.checks import TABLES, columns_of
from blobkit.snapshot.columns import TIME
from blobkit.snapshot.loading import FREE, RATIO, Budget, opened, read_groups
from blobkit.snapshot.parts.checking import Checks
from blobkit.snapshot.regular import regular
from blobkit.snapshot.tables import make

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.snapshot.parts.layout import Parts
    from blobkit.snapshot.records import Kind
    from blobkit.snapshot.tables import Tables

__all__ = ["GROUP_LIMIT", "checked", "load"]

GROUP_LIMIT = 256 << 20
"""The most bytes that a row group may unpack to."""


def load(directory: Path, parts: Parts, kind: Kind) -> Tables:
    """Return the tables in these parts, checked as those of other saved snapshots."""
    found: dict[str, list[pa.Table]] = {table: [] for table in TABLES}
    for table, rows in checked(directory, parts, kind):
        found[table].append(rows)
    whole = {table: pa.concat_tables(rows) for table, rows in found.items()}
    columns = {table: dict(zip(rows.column_names, rows.columns, strict=True)) for table, rows in whole.items()}
    return make(columns["nodes"], columns["links"], columns["pins"], columns["notices"])


def checked(directory: Path, parts: Parts, kind: Kind) -> Iterator[tuple[str, pa.Table]]:
    """Yield (table, rows) for each row group, checked, first of all nodes; SnapshotFormatError if a row is not right.

    Cost: one read of all files. Memory: a row group.
    """
    paths = parts.paths(directory)
    _refuse_others(paths)
    size = sum(path.stat().st_size for every in paths.values() for path in every)
    budget, checks = Budget(FREE + RATIO * size, size, GROUP_LIMIT), Checks(kind)
    for path, number in zip(paths["nodes"], parts.nodes, strict=True):
        for columns in _groups(path, "nodes", number, budget):
            yield "nodes", checks.nodes(columns)
    for table, check in (("links", checks.links), ("pins", checks.pins)):
        for path, number, ids in zip(paths[table], getattr(parts, table), parts.ranges, strict=True):
            for columns in _groups(path, table, number, budget):
                yield table, check(columns, *ids)
    for path, number in zip(paths["notices"], parts.notices, strict=True):
        for columns in _groups(path, "notices", number, budget):
            yield "notices", checks.notices(columns)


def _groups(path: Path, table: str, number: int, budget: Budget) -> Iterator[dict[str, pa.ChunkedArray]]:
    """Yield the columns of each row group of a part, of an empty one if there is none."""
    rows = 0
    with regular(path) as file:
        parquet, groups = opened(file, table, budget)
        _check_columns(table, parquet.schema_arrow)
        for group in groups or [-1]:
            budget.next_group()
            columns = read_groups(parquet, [group] if group >= 0 else [], table, budget)
            rows += len(next(iter(columns.values())))
            yield columns
    if rows != number:
        msg = f"{table}/{path.name} has {rows:,} rows, and snapshot.json tells of {number:,}"
        raise SnapshotFormatError(msg)


def _check_columns(table: str, schema: pa.Schema) -> None:
    """Raise SnapshotFormatError for columns that engines would read as others: names in another case, other times."""
    names = [name.lower() for name in schema.names]
    for name in columns_of(table, schema):
        if names.count(name) != 1:
            msg = f"{table} has {names.count(name)} columns {name}, in upper or lower case"
            raise SnapshotFormatError(msg)
        kind = schema.field(name).type
        if pa.types.is_timestamp(kind) and kind != TIME:
            msg = f"the column {name} of {table} holds {kind} instead of {TIME}"
            raise SnapshotFormatError(msg)


def _refuse_others(paths: dict[str, list[Path]]) -> None:
    """Raise SnapshotFormatError for parts that snapshot.json does not tell of: other programs would read them too."""
    for table, every in paths.items():
        known = {path.name for path in every}
        with os.scandir(every[0].parent) as entries:
            other = next((one.name for one in entries if one.name.endswith(".parquet") and one.name not in known), None)
        if other is not None:
            msg = f"snapshot.json does not tell of {table}/{printable(other)}"
            raise SnapshotFormatError(msg)
