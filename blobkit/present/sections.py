"""Sections of an answer: titles, lines and tables of values, before any rendering."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from blobkit.present.units import Unit, unit_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    import pandas as pd

__all__ = [
    "EVERY",
    "LINE_SHOWN",
    "ROWS_SHOWN",
    "Column",
    "Section",
    "SupportsSections",
    "Table",
    "columns_table",
    "frame_table",
    "more_row",
]

ROWS_SHOWN = 10
"""The default number of rows of a table in an answer."""
EVERY = 2**62
"""More rows than a table has: all of them."""
LINE_SHOWN = 160
"""The most characters of a line: long untrusted names must not make an answer long."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: plain Python values, None for a missing one, and their unit."""

    name: str
    unit: Unit
    values: Sequence[object]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of the same length; `more` is the number of rows not shown, `rest` the sums of columns over these."""

    columns: tuple[Column, ...]
    more: int = 0
    rest: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of rows shown."""
        return len(self.columns[0].values) if self.columns else 0


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an answer."""

    title: str
    lines: tuple[str, ...] = ()
    table: Table | None = None


class SupportsSections(Protocol):
    """The protocol of an answer for renderings."""

    def title(self) -> str:
        """Return the answer in one line."""
        ...

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the sections, with at most `rows` rows in each table; the first section needs no title."""
        ...

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return further sections: HTML shows their titles until they are opened, and text omits them."""
        ...


def columns_table(columns: Mapping[str, Sequence[object]], units: Mapping[str, Unit] | None = None) -> Table:
    """Return a table of these columns; a unit that is not given follows from the name of the column."""
    units = units or {}
    return Table(tuple(Column(name, units.get(name) or unit_of(name), values) for name, values in columns.items()))


def frame_table(
    frame: pd.DataFrame,
    columns: Iterable[str] | None = None,
    *,
    rows: int = ROWS_SHOWN,
    total: Iterable[str] = (),
    names: Mapping[str, str] | None = None,
) -> Table:
    """Return the first rows of a frame as a table: its index, if that has a name, then these columns, or all.

    `total`: columns to sum over the omitted rows; `names`: other headings of columns.
    """
    top, heading = frame.head(rows), names or {}
    chosen = [name for name in (frame.columns if columns is None else columns) if name != frame.index.name]
    parts: list[tuple[Hashable, Sequence[object]]] = [(name, top[name].tolist()) for name in chosen]
    if frame.index.name is not None:
        parts.insert(0, (frame.index.name, top.index.tolist()))
    shown = tuple(Column(heading.get(str(name), str(name)), unit_of(name), values) for name, values in parts)
    rest = frame.iloc[len(top) :]
    sums = {heading.get(name, name): int(rest[name].sum()) for name in total} if len(rest) else {}
    return Table(shown, len(rest), sums)


def more_row(table: Table) -> list[object] | None:
    """Return the last row of a table that does not show all: the number of further rows, and the sums; else None."""
    if not table.more:
        return None
    return [f"and {table.more:,} more", *(table.rest.get(column.name) for column in table.columns[1:])]
