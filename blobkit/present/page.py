"""Answers as HTML: folding sections, bars of bytes in cells; no script, no network, light and dark, all escaped."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from blobkit.present.cells import NAME_SHOWN, RIGHT, exact, human, is_none
from blobkit.present.sections import ROWS_SHOWN, more_row
from blobkit.present.units import Unit
from blobkit.render import printable, truncate

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.present.sections import Column, Section, SupportsSections, Table

__all__ = ["answer_html", "escaped", "section_html", "shortened"]

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
UNTITLED = frozenset({Unit.COUNT, Unit.PROSE})
"""The units whose cells need no title."""
_CLASSES = {Unit.PROSE: "p", Unit.COMMAND: "p", Unit.NAME: "w", Unit.NAMES: "w"}


def answer_html(answer: SupportsSections, rows: int = ROWS_SHOWN) -> str:
    """Return an answer as one block of HTML that takes the colours of the page around it, below 15 kB."""
    return shortened(lambda most: _page(answer, most), rows)


def shortened(page: Callable[[int], str], rows: int) -> str:
    """Return the page with at most so many rows in each table; with fewer, half again and again, above LIMIT bytes."""
    made = page(rows)
    while len(made.encode()) > LIMIT and rows:
        rows //= 2
        made = page(rows)
    return made


def section_html(section: Section, most: int = NAME_SHOWN) -> str:
    """Return the lines and the table of a section, without its title; names have at most `most` characters."""
    return "".join(f"<div>{escaped(line)}</div>" for line in section.lines) + _table(section.table, most)


def escaped(text: str) -> str:
    """Return an untrusted text as HTML, in one line, with control characters made visible."""
    return html.escape(printable(text))


def _page(answer: SupportsSections, rows: int) -> str:
    first, *others = answer.sections(rows) or (None,)
    parts = [] if first is None else [section_html(first)]
    parts += [_folding(section, " open") for section in others]
    parts += [_folding(section, "") for section in answer.details(rows)]
    return f'<div class="blobkit">{STYLE}<b>{escaped(answer.title())}</b>{"".join(parts)}</div>'


def _folding(section: Section, state: str) -> str:
    """Return a section to open and close; "" if it is empty."""
    body = section_html(section)
    return body and f"<details{state}><summary>{escaped(section.title)}</summary>{body}</details>"


def _table(table: Table | None, most: int) -> str:
    if table is None or not len(table):
        return ""
    head = "".join(f'<th scope="col"{_class(column)}>{escaped(column.name)}</th>' for column in table.columns)
    longest = _longest(table)
    columns = [[_cell(value, column, longest, most) for value in column.values] for column in table.columns]
    body = "".join(f"<tr>{''.join(row)}</tr>" for row in zip(*columns, strict=True))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}{_more(table)}</tbody></table>"


def _more(table: Table) -> str:
    """Return the last row of a table that does not show all rows."""
    last = more_row(table)
    if last is None:
        return ""
    cells = zip(table.columns, last, strict=True)
    return f"<tr>{''.join(f'<td{_class(c)}>{escaped(human(value, c.unit))}</td>' for c, value in cells)}</tr>"


def _longest(table: Table) -> int:
    """Return the most bytes in a cell: the length of a full bar, equal in all columns so that they compare."""
    sizes = (column.values for column in table.columns if column.unit is Unit.BYTES)
    return max((int(str(value)) for values in sizes for value in values if not is_none(value)), default=0)


def _cell(value: object, column: Column, longest: int, most: int) -> str:
    """Return a cell: the short value, with the full value as its title if it is longer; with a bar if it is bytes."""
    brief = human(value, column.unit, most)
    if column.unit is Unit.COMMAND:
        return f"<td{_class(column)}>{_command(brief)}</td>"
    whole = truncate(exact(value), WHOLE_SHOWN)
    title = f' title="{html.escape(whole)}"' if whole != brief and column.unit not in UNTITLED else ""
    if longest and column.unit is Unit.BYTES and not is_none(value):
        return f'<td class="n b" style="--w:{100 * int(str(value)) / longest:.0f}%"{title}>{escaped(brief)}</td>'
    kind = f' class="{brief}"' if column.unit is Unit.WORD and brief in WORDS else _class(column)
    return f"<td{kind}{title}>{escaped(brief)}</td>"


def _command(text: str) -> str:
    """Return a command; a line breaks between its words, not in them."""
    words = " ".join(f"<span>{escaped(word)}</span>" for word in text.split(" "))
    return f"<code>{words}</code>" if text else ""


def _class(column: Column) -> str:
    """Return the class of a cell: `n` for numbers, `p` for prose and commands, `w` for names of any length."""
    name = "n" if column.unit in RIGHT else _CLASSES.get(column.unit, "")
    return f' class="{name}"' if name else ""
