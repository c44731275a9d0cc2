"""Read untrusted parquet files as fact tables: check everything, and use no more memory than the files justify.

A few kilobytes of parquet can unpack to any number of rows. So rows and pages are counted by their headers before
they are read, and the texts of dictionaries before they are copied into each row.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from blobkit.errors import SnapshotFormatError
from blobkit.render import human_bytes
from blobkit.snapshot.checks import (
    TABLES,
    check_counts,
    check_ids,
    check_keys,
    check_schema,
    check_values,
    columns_of,
    is_coded,
)
from blobkit.snapshot.columns import TEXT
from blobkit.snapshot.pages import DICTIONARY_PAGE, PREFIX_SHARING, chunks, pages
from blobkit.snapshot.tables import make

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blobkit.snapshot.pages import Chunk
    from blobkit.snapshot.records import Kind
    from blobkit.snapshot.tables import Tables

__all__ = ["FREE", "RATIO", "Budget", "load", "opened", "read_groups"]

FREE, RATIO = 24 << 20, 100
"""The memory that facts may take: bytes, plus bytes for each byte of the files."""
_WIDTH = 8
"""Bytes for a value, besides the characters of a text."""
_FEW = ("kind", "media_type", "platform", "stored")
"""Columns that stay dictionary columns."""


def load(files: Mapping[str, IO[bytes]], size: int, kind: Kind) -> Tables:
    """Return the checked fact tables in these parquet files (by table), which have `size` bytes in total.

    SnapshotFormatError if they are not parquet, unpack to more than `FREE` + `RATIO` bytes for each byte, or have
    facts that a store of this kind cannot have.
    """
    budget = Budget(FREE + RATIO * size, size)
    found = {table: opened(files[table], table, budget) for table in TABLES}
    columns = {table: read_groups(file, groups, table, budget) for table, (file, groups) in found.items()}
    tables = make(columns["nodes"], columns["links"], columns["pins"], columns["notices"])
    check_keys(tables.nodes["key"], tables.nodes["stored"], kind.key_form)
    check_ids(columns["nodes"]["id"])
    if not any(policy.counting for policy in kind.policies):
        check_counts(tables.pins["count"])
    return tables


class Budget:
    """The bytes of memory that are left to use: `allowed` for all row groups, and `most` for each of them."""

    def __init__(self, allowed: int, size: int, most: int | None = None) -> None:
        self.left, self.allowed, self.size = allowed, allowed, size
        self.most = self.of_group = allowed if most is None else most

    def take(self, amount: int) -> None:
        """Use so many bytes; SnapshotFormatError if they are not left."""
        self.left -= amount
        self.of_group -= amount
        if self.left < 0:
            msg = (
                f"its {human_bytes(self.size)} unpack to more than {human_bytes(self.allowed)}, "
                "more than any snapshot from blobkit does: scan the store again"
            )
            raise SnapshotFormatError(msg)
        if self.of_group < 0:
            msg = f"a row group unpacks to more than {human_bytes(self.most)}: write it again in smaller row groups"
            raise SnapshotFormatError(msg)

    def next_group(self) -> None:
        """Begin with another row group."""
        self.of_group = self.most


def opened(file: IO[bytes], table: str, budget: Budget) -> tuple[pq.ParquetFile, list[int]]:
    """Return a file, checked for types of columns and for memory, and its row groups that are not empty."""
    parquet = pq.ParquetFile(file, pre_buffer=False)  # the file is local: a buffer would be one more copy
    check_schema(table, parquet.schema_arrow)
    known = columns_of(table, parquet.schema_arrow)
    leaves = [parquet.schema.column(place) for place in range(len(parquet.schema))]
    spread: set[str] = set()
    groups: list[int] = []
    for chunk in chunks(file, len(leaves)):
        leaf = leaves[chunk.place]
        if chunk.rows and leaf.path in known:
            if groups[-1:] != [chunk.group]:
                groups.append(chunk.group)
                budget.next_group()
            if _weigh(chunk, leaf.path, file, budget) and leaf.physical_type == "BYTE_ARRAY":
                spread.add(leaf.path)
    found = pq.ParquetFile(file, pre_buffer=False, read_dictionary=sorted(spread), metadata=parquet.metadata)
    return found, groups


def _weigh(chunk: Chunk, name: str, file: IO[bytes], budget: Budget) -> bool:
    """Take the memory for reading a column from the budget; return whether the column has a dictionary."""
    if not 0 <= chunk.values == chunk.rows:
        msg = f"{name} has {chunk.values:,} values in {chunk.rows:,} rows"
        raise SnapshotFormatError(msg)
    budget.take(chunk.values * _WIDTH)
    types = set()
    for page in pages(file, chunk.start, chunk.size):
        if page.encoding == PREFIX_SHARING:
            msg = f"{name} is in an encoding (DELTA_BYTE_ARRAY) that unpacks to any length"
            raise SnapshotFormatError(msg)
        budget.take(page.unpacked)
        types.add(page.type)
    return DICTIONARY_PAGE in types


def read_groups(parquet: pq.ParquetFile, groups: list[int], table: str, budget: Budget) -> dict[str, pa.ChunkedArray]:
    """Return the columns of a table in these row groups, each checked."""
    names = list(columns_of(table, parquet.schema_arrow))
    raw = parquet.read_row_groups(groups, names) if groups else parquet.schema_arrow.empty_table()
    columns = {name: raw[name] for name in names}
    check_values(table, columns)
    for name, column in columns.items():
        if is_coded(column.type) and name not in _FEW:
            budget.take(sum(map(_unpacked, column.chunks)))
            columns[name] = column.cast(TEXT)
    return columns


def _unpacked(column: pa.DictionaryArray) -> int:
    """Return the bytes of a dictionary column as plain text, with a copy of the text in each row."""
    lengths = pc.binary_length(column.dictionary).take(column.indices)
    return (pc.sum(lengths).as_py() or 0) + _WIDTH * len(column)
