"""Answers as HTML: folding sections, bars of bytes in cells; no script, no network, light and dark, all escaped."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from blobkit.present.cells import RIGHT, exact, human, is_none
from blobkit.present.sections import ROWS_SHOWN, more_row
from blobkit.present.units import Unit
from blobkit.render import printable, truncate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.present.sections import Column, Section, SupportsSections, Table

__all__ = ["answer_html"]

WHOLE_SHOWN = 120
"""The most characters of a value in the title (hover) of its cell."""
# The class is there twice so that its rules win over those of JupyterLab, which put all text of a table to the right.
STYLE = """<style>
.blobkit{border-left:3px solid currentColor;padding:.2em .8em;font-size:.95em;max-width:72em}
.blobkit table{border-spacing:.8em .1em;border-collapse:separate;margin:.1em 0;font-size:1em}
.blobkit.blobkit th,.blobkit.blobkit td{text-align:left;padding:0 .3em;vertical-align:top}
.blobkit.blobkit .n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.blobkit .b{background:linear-gradient(to left,rgba(70,130,220,.28) var(--w),transparent var(--w))}
.blobkit .error{color:#d33}.blobkit .warning{color:#b70}
.blobkit summary{cursor:pointer;font-weight:bold;margin-top:.3em}
</style>""".replace("\n", "")
LIMIT = 14_500
"""The most bytes of a page: if long names exceed it, the page has fewer rows."""
WORDS = frozenset({"error", "warning"})


def answer_html(answer: SupportsSections, rows: int = ROWS_SHOWN) -> str:
    """Return an answer as one block of HTML that takes the colours of the page around it, below 15 kB."""
    page = _page(answer, rows)
    while len(page.encode()) > LIMIT and rows:
        rows //= 2
        page = _page(answer, rows)
    return page


def _page(answer: SupportsSections, rows: int) -> str:
    first, *others = answer.sections(rows) or (None,)
    parts = [] if first is None else [_lines(first.lines), _table(first.table)]
    parts += [_folding(section, " open") for section in others]
    parts += [_folding(section, "") for section in answer.details(rows)]
    return f'<div class="blobkit">{STYLE}<b>{_escaped(answer.title())}</b>{"".join(parts)}</div>'


def _folding(section: Section, state: str) -> str:
    """Return a section to open and close; "" if it is empty."""
    body = _lines(section.lines) + _table(section.table)
    return body and f"<details{state}><summary>{_escaped(section.title)}</summary>{body}</details>"


def _lines(lines: Sequence[str]) -> str:
    return "".join(f"<div>{_escaped(line)}</div>" for line in lines)


def _table(table: Table | None) -> str:
    if table is None or not len(table):
        return ""
    head = "".join(f"<th{_number(column)}>{_escaped(column.name)}</th>" for column in table.columns)
    longest = _longest(table)
    columns = [[_cell(value, column, longest) for value in column.values] for column in table.columns]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*columns, strict=True))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}{_more(table)}</tbody></table>"


def _more(table: Table) -> str:
    """Return the last row of a table that does not show all rows."""
    last = more_row(table)
    if last is None:
        return ""
    cells = zip(table.columns, last, strict=True)
    return f"<tr>{''.join(f'<td{_number(c)}>{_escaped(human(value, c.unit))}</td>' for c, value in cells)}</tr>"


def _longest(table: Table) -> int:
    """Return the most bytes in a cell: the length of a full bar, equal in all columns so that they compare."""
    sizes = (column.values for column in table.columns if column.unit is Unit.BYTES)
    return max((int(str(value)) for values in sizes for value in values if not is_none(value)), default=0)


def _cell(value: object, column: Column, longest: int) -> str:
    """Return a cell: the short value, with the full value as its title if it is longer; with a bar if it is bytes."""
    brief = human(value, column.unit)
    whole = truncate(exact(value), WHOLE_SHOWN)
    title = f' title="{html.escape(whole)}"' if whole != brief and column.unit is not Unit.COUNT else ""
    if longest and column.unit is Unit.BYTES and not is_none(value):
        return f'<td class="n b" style="--w:{100 * int(str(value)) / longest:.0f}%"{title}>{_escaped(brief)}</td>'
    word = f' class="{brief}"' if column.unit is Unit.WORD and brief in WORDS else _number(column)
    return f"<td{word}{title}>{_escaped(brief)}</td>"


def _number(column: Column) -> str:
    return ' class="n"' if column.unit in RIGHT else ""


def _escaped(text: str) -> str:
    return html.escape(printable(text))
