"""Answers and tables as text that fits a width, for people or exact."""

from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.present.cells import RIGHT, exact, human
from blobkit.present.sections import EVERY, ROWS_SHOWN, Table, more_row
from blobkit.present.units import Unit
from blobkit.render import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from blobkit.present.sections import Section, SupportsSections

__all__ = ["HUMAN", "TextStyle", "answer_text", "columns_of", "table_text"]

GAP, INDENT = "  ", "    "
LEAST = (
    (Unit.DIGEST, 12),
    (Unit.NAME, 16),
    (Unit.NAMES, 12),
    (Unit.WORD, 8),
    (Unit.NAME, 8),
    (Unit.NAMES, 6),
)
"""The fewest characters that columns of a unit are truncated to, in this order; others are not truncated."""
NARROW = 40
BOLD, RESET = "\x1b[1m", "\x1b[0m"
COLOURS = {"error": "\x1b[31m", "warning": "\x1b[33m", "garbage": "\x1b[33m", "unknown": "\x1b[35m"}


@dataclass(frozen=True, slots=True)
class TextStyle:
    """The style of a text.

    `width`: characters of a line, None for no limit; `bytes`: exact bytes and not KiB; `full`: full digests, names and
    times, nothing truncated; `rows`: rows of each table, None for all; `colour`: whether escape codes of a terminal are
    used.
    """

    width: int | None = None
    bytes: bool = False
    full: bool = False
    rows: int | None = ROWS_SHOWN
    colour: bool = False


HUMAN = TextStyle()


def answer_text(answer: SupportsSections, style: TextStyle = HUMAN) -> str:
    """Return an answer as text: its title, then its sections."""
    most = EVERY if style.rows is None else style.rows
    parts = _heading(answer.title(), style)
    for number, section in enumerate(answer.sections(most)):
        parts += _section(section, style, is_first=number == 0)
    return "\n".join(parts)


def table_text(table: Table, style: TextStyle = HUMAN) -> str:
    """Return a table as text: columns are aligned, and truncated if the width of the style requires it.

    First digests are truncated, then names; a column of prose is put below its row if the line is too narrow. If even
    that is too wide, columns of counts and times are omitted.
    """
    rows = _rows(table, style)
    prose = _prose(table, rows, style)
    beside = [i for i in range(len(table.columns)) if i not in prose]
    widths = _fitted(table, rows, beside, style)
    while not style.full and _exceeds(widths, style) and (spare := _spare(table, beside)):
        beside.remove(spare)
        widths = _fitted(table, rows, beside, style)
    lines = []
    for number, row in enumerate(rows):
        lines.append(_line(table, row, beside, widths, style if number else HUMAN))
        lines += _below(table, row, prose, style.width) if number else []
    return "\n".join(lines)


def _below(table: Table, row: Sequence[str], columns: Sequence[int], width: int | None) -> list[str]:
    """Return the lines below a row: its prose, then each command in one line, to be copied."""
    commands = [i for i in columns if table.columns[i].unit is Unit.COMMAND]
    prose = " ".join(filter(None, (row[i] for i in columns if i not in commands)))
    return [*_wrapped(prose, width, INDENT), *(INDENT + row[i] for i in commands if row[i])]


def _exceeds(widths: dict[int, int], style: TextStyle) -> bool:
    return style.width is not None and _line_width(widths) > style.width


def _line_width(widths: dict[int, int]) -> int:
    """Return the width of a line of columns with these widths, and the gaps between them."""
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _natural(rows: list[list[str]], columns: Iterable[int]) -> dict[int, int]:
    """Return the width that each of these columns needs."""
    return {i: max(columns_of(row[i]) for row in rows) for i in columns}


def _spare(table: Table, beside: list[int]) -> int:
    """Return the least important column: the last one of counts, then of times; 0 if all are needed."""
    places = (i for unit in (Unit.COUNT, Unit.TIME) for i in reversed(beside) if table.columns[i].unit is unit)
    return next(places, 0)


def columns_of(text: str) -> int:
    """Return the number of terminal columns of a text: two for wide characters, none for combining ones.

    >>> columns_of("blob"), columns_of("日本")
    (4, 4)
    """
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _section(section: Section, style: TextStyle, *, is_first: bool) -> list[str]:
    """Return the lines of a section; a title follows an empty line."""
    table = section.table
    has_rows = table is not None and len(table) > 0
    if not section.lines and not has_rows:
        return []
    parts = [] if is_first or not section.title else ["", *_heading(section.title, style)]
    for line in section.lines:
        parts += _wrapped(printable(line), style.width, "")
    return [*parts, table_text(table, style)] if table is not None and has_rows else parts


def _wrapped(text: str, width: int | None, indent: str) -> list[str]:
    """Return text in lines of a width; further lines of a paragraph are indented."""
    if not text:
        return []
    if width is None:
        return [indent + text]
    return textwrap.wrap(
        text, max(width, NARROW), initial_indent=indent, subsequent_indent=indent or GAP, break_on_hyphens=False
    )


def _rows(table: Table, style: TextStyle) -> list[list[str]]:
    """Return the header and all rows as text."""
    last = more_row(table)
    values = [list(column.values) + ([] if last is None else [last[i]]) for i, column in enumerate(table.columns)]
    texts = [
        [_cell(value, column.unit, style) for value in cells]
        for column, cells in zip(table.columns, values, strict=True)
    ]
    return [[printable(column.name) for column in table.columns], *map(list, zip(*texts, strict=True))]


def _cell(value: object, unit: Unit, style: TextStyle) -> str:
    is_bytes = unit in {Unit.BYTES, Unit.NET}
    return exact(value) if (style.bytes if is_bytes else style.full) else human(value, unit)


def _prose(table: Table, rows: list[list[str]], style: TextStyle) -> list[int]:
    """Return the columns to put below their row: prose and commands, if a line is too narrow for all columns."""
    found = [i for i, column in enumerate(table.columns) if column.unit in {Unit.PROSE, Unit.COMMAND}]
    return found if found and _exceeds(_natural(rows, range(len(table.columns))), style) else []


def _fitted(table: Table, rows: list[list[str]], beside: list[int], style: TextStyle) -> dict[int, int]:
    """Return the width of each column; if a line is too narrow, the widest column of the next unit is narrowed."""
    widths = _natural(rows, beside)
    if style.width is None or style.full:
        return widths
    over = _line_width(widths) - style.width
    for unit, least in LEAST:
        columns = sorted((i for i in beside if table.columns[i].unit is unit), key=widths.__getitem__, reverse=True)
        for i in columns:
            spare = min(max(widths[i] - max(least, columns_of(rows[0][i])), 0), max(over, 0))
            widths[i] -= spare
            over -= spare
    return widths


def _line(table: Table, row: Sequence[str], beside: list[int], widths: dict[int, int], style: TextStyle) -> str:
    cells = [_aligned(row[i], widths[i], table.columns[i].unit, style) for i in beside]
    return GAP.join(cells).rstrip()


def _aligned(text: str, width: int, unit: Unit, style: TextStyle) -> str:
    shown = _cut(text, width, unit)
    pad = " " * (width - columns_of(shown))
    if style.colour and unit is Unit.WORD and text in COLOURS:
        shown = f"{COLOURS[text]}{shown}{RESET}"
    return pad + shown if unit in RIGHT else shown + pad


def _cut(text: str, width: int, unit: Unit) -> str:
    """Return a text in this many columns: the first digits of a digest, or the start of other text and an ellipsis."""
    if columns_of(text) <= width:
        return text
    if unit is Unit.DIGEST and ":" in text:
        return text.rpartition(":")[2][:width]
    kept = text[: width - 1]
    while columns_of(kept) > width - 1:
        kept = kept[:-1]
    return f"{kept}…"


def _heading(text: str, style: TextStyle) -> list[str]:
    lines = _wrapped(printable(text), style.width, "")
    return [f"{BOLD}{line}{RESET}" for line in lines] if style.colour else lines
