"""Select and sort the rows of tables by the options of a command."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from blobkit.present.answer import Answer
from blobkit.present.cells import is_none
from blobkit.present.sections import EVERY, Column, Section, Table
from blobkit.present.units import Unit, unit_of
from blobkit.questions.inputs.patterns import matches
from blobkit.render import choices

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blobkit.present.sections import SupportsSections

__all__ = ["Arranged", "Rows"]

NAMED = frozenset({Unit.NAME, Unit.NAMES})


@dataclass(frozen=True, slots=True)
class Rows:
    """The selection of rows: a pattern that a name matches (`where`), a column to sort by, and a limit."""

    where: str | None = None
    sort: str | None = None
    limit: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether the selection keeps all rows and their order."""
        return self.where is None and self.sort is None

    def of(self, columns: Mapping[str, Sequence[object]]) -> list[int]:
        """Return the places of the selected rows in a table, without the limit; a missing column is not sorted by."""
        places = self._matching(columns)
        values = columns.get(self.sort or "")
        if values is None:
            return places
        known = [place for place in places if not is_none(values[place])]
        most_first = bool(known) and not isinstance(values[known[0]], str | tuple)
        known.sort(key=lambda place: values[place], reverse=most_first)  # type: ignore[arg-type,return-value]
        return [*known, *(place for place in places if is_none(values[place]))]

    def _matching(self, columns: Mapping[str, Sequence[object]]) -> list[int]:
        every = range(len(next(iter(columns.values()), ())))
        names = [values for name, values in columns.items() if unit_of(name) in NAMED]
        if self.where is None or not names:
            return list(every)
        texts = [[_texts(values[place]) for values in names] for place in every]
        flat = [(place, text) for place in every for found in texts[place] for text in found]
        hits = matches([text for _, text in flat], self.where)
        return sorted({place for (place, _), hit in zip(flat, hits, strict=True) if hit})


class Arranged(Answer):
    """An answer with only the selected rows in its tables."""

    def __init__(self, answer: SupportsSections, rows: Rows) -> None:
        self.answer, self.rows = answer, rows

    def title(self) -> str:
        """Return the answer in one line."""
        return self.answer.title()

    def sections(self, rows: int = EVERY) -> tuple[Section, ...]:
        """Return the sections; UsageError if no table has the column to sort by."""
        if self.rows.is_all:
            return self.answer.sections(rows)
        found = self.answer.sections(EVERY)
        names = list(dict.fromkeys(c.name for section in found if section.table for c in section.table.columns))
        if self.rows.sort is not None and names and self.rows.sort not in names:
            msg = f"cannot sort by {self.rows.sort!r}: {choices(self.rows.sort, names)}"
            raise click.UsageError(msg, click.get_current_context(silent=True))
        return tuple(replace(one, table=one.table and _picked(one.table, self.rows, rows)) for one in found)


def _picked(table: Table, rows: Rows, most: int) -> Table:
    places = rows.of({column.name: column.values for column in table.columns})
    top = places[:most]
    columns = (Column(one.name, one.unit, [one.values[place] for place in top]) for one in table.columns)
    return Table(tuple(columns), len(places) - len(top))


def _texts(value: object) -> list[str]:
    """Return the names in a cell."""
    if isinstance(value, tuple | list):
        return [str(name) for name in value]
    return [] if is_none(value) else [str(value)]
