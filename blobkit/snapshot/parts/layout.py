"""The layout of a saved snapshot in parts: a directory for each table, and how many rows each part has.

    snapshot.json               kind, address, time, policy, and the rows of each part
    nodes/part-00000.parquet    by key; `id` (int64) is the row among the nodes of all parts
    links/part-00000.parquet    the links from the nodes of the same part
    pins/part-00000.parquet     the pins on the nodes of the same part
    notices/part-00000.parquet

Each part of the nodes is a range of keys, mostly of digests. Ids are ranks by key, so they do not depend on the parts.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from blobkit.errors import SnapshotFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["FORMAT", "ROWS", "SNAPSHOT", "Parts", "part_of"]

FORMAT = "blobkit-snapshot/2"
SNAPSHOT = "snapshot.json"
ROWS = "rows"
"""The field of snapshot.json with the rows of each part."""
_MOST = 1 << 62
"""More rows than this are a lie: their numbers would not fit int64."""


class Parts(NamedTuple):
    """The number of rows in each part of each table; nodes, links and pins have equally many parts."""

    nodes: tuple[int, ...]
    links: tuple[int, ...]
    pins: tuple[int, ...]
    notices: tuple[int, ...]

    @property
    def number(self) -> int:
        """The number of nodes."""
        return sum(self.nodes)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The ids of the nodes in each part, as (first, last + 1)."""
        ends = list(accumulate(self.nodes))
        return [(end - rows, end) for end, rows in zip(ends, self.nodes, strict=True)]

    def paths(self, directory: Path) -> dict[str, list[Path]]:
        """Return the files of each table, in order."""
        return {name: [part_of(directory, name, i) for i in range(len(rows))] for name, rows in self.to_meta().items()}

    def to_meta(self) -> dict[str, list[int]]:
        """Return the rows of each part as plain values."""
        return {name: list(rows) for name, rows in zip(self._fields, self, strict=True)}

    @classmethod
    def from_meta(cls, found: Mapping[str, object]) -> Parts:
        """Return the parts that an untrusted snapshot.json tells of; SnapshotFormatError if it tells of none."""
        rows = found.get(ROWS)
        parts = cls(*(_numbers(rows.get(name) if isinstance(rows, dict) else None) for name in cls._fields))
        if not len(parts.nodes) == len(parts.links) == len(parts.pins):
            msg = f"{len(parts.nodes)} parts of nodes, {len(parts.links)} of links, {len(parts.pins)} of pins"
            raise SnapshotFormatError(msg)
        if max(map(sum, parts)) > _MOST:
            msg = "snapshot.json tells of more rows than there can be"
            raise SnapshotFormatError(msg)
        return parts


def part_of(directory: Path, table: str, number: int) -> Path:
    """Return the path of a part of a table."""
    return directory / table / f"part-{number:05}.parquet"


def _numbers(found: object) -> tuple[int, ...]:
    """Return the rows of the parts of a table; each table has a part at least."""
    rows = found if isinstance(found, list) else []
    if not rows or not all(type(one) is int and one >= 0 for one in rows):
        msg = "snapshot.json does not tell how many rows the parts have"
        raise SnapshotFormatError(msg)
    return tuple(rows)
