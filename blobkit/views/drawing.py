"""Layout of a picture, in points: marks with labels in columns, bars with labels in rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import log10, sqrt
from typing import TYPE_CHECKING

from blobkit.render import human_bytes
from blobkit.views.canvas import Curve, Dot
from blobkit.views.layers import columns, stacked
from blobkit.views.scene import MARKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.views.canvas import Canvas
    from blobkit.views.folding import Folded, Group
    from blobkit.views.waterfall import Step

__all__ = ["COLOURS", "draw_folded", "draw_steps", "rows_that_fit"]

COLOURS = {
    "index": "#AA3377",
    "manifest": "#4488CC",
    "config": "#CCBB44",
    "layer": "#2E9B52",
    "artifact": "#EE7733",
    "blob": "#66BBDD",
    "snapshot": "#CC6688",
    "unknown": "#B08050",
    "virtual node": "#8888CC",
    "absent": "#DD4444",
}
"""A colour for each mark: distinct for colour-blind readers, visible on white and on black."""

GREY, REACHED = "#999999", "#7F93AD"
LINE, ROW = 1.5, 2.1
DOT = (4.5, 30.0)
GUTTER, GAP = (44.0, 130.0), 5.0
LABEL, LAST_LABEL, BAR_TEXT = 230.0, 420.0, 460.0
NAME, NOTE = 0.4, 0.45
SMALLER, STRETCH = 0.75, 1.4
NARROWEST, WIDEST, LOWEST = 460.0, 1080.0, 70.0
MANY_LINKS = 80


@dataclass(frozen=True, slots=True)
class _Column:
    """A layer of the picture: its marks, its position, the width of its marks and labels."""

    marks: Sequence[int]
    x: float
    dot: float
    label: float

    @property
    def text(self) -> float:
        """The place where labels start."""
        return self.x + self.dot + GAP

    @property
    def end(self) -> float:
        """The place where labels end."""
        return self.text + self.label


def rows_that_fit(canvas: Canvas) -> int:
    """Return the number of marks that fit above each other, with a legend below."""
    line = canvas.font * LINE
    return max(int(canvas.height / line) - 2, 4)


def draw_folded(canvas: Canvas, folded: Folded) -> None:
    """Draw groups in layers from left to right, their links, and a legend below."""
    line = canvas.font * LINE
    groups, links = folded.groups, folded.links
    dots = _diameters(groups, DOT[1] if canvas.own else min(DOT[1], canvas.height / 8))
    found = columns([group.layer for group in groups], links, [group.bytes for group in groups])
    y, tall = stacked(found, links, [max(line, dot + 2) for dot in dots])
    placed = _columns(canvas, found, groups, dots)
    entries = _legend(groups)
    below = len(_flow(canvas, entries)) * line + line / 2
    if canvas.own:
        canvas.resize(canvas.width, max(tall, LOWEST) + below)
    room = canvas.height - below
    stretch = min(room / tall, STRETCH)
    y = {mark: (room - tall * stretch) / 2 + at * stretch for mark, at in y.items()}
    _marks(canvas, placed, folded, dots, y)
    _draw_legend(canvas, entries, room + line)


def _diameters(groups: Sequence[Group], largest: float) -> list[float]:
    """Return the width of each mark: areas are bytes, with a visible minimum."""
    most = max(1, *(group.bytes for group in groups))
    return [max(largest * sqrt(group.bytes / most), DOT[0]) for group in groups]


def _columns(
    canvas: Canvas, found: Sequence[Sequence[int]], groups: Sequence[Group], dots: Sequence[float]
) -> list[_Column]:
    """Return the position of each column; a figure of our own gets the width that they need, within limits."""
    dot = [max(dots[mark] for mark in column) for column in found]
    label = _labels(canvas, found, groups)
    gutters = len(found) - 1
    fixed = sum(dot) + GAP * len(found)
    if canvas.own:
        wanted = fixed + sum(label) + gutters * (GUTTER[0] + GUTTER[1]) / 2
        canvas.resize(min(max(wanted, NARROWEST), WIDEST), canvas.height)
    else:
        room = canvas.width - fixed - GUTTER[0] / 2 * gutters
        canvas.font *= min(max(room / sum(label), SMALLER), 1)
        label = _labels(canvas, found, groups)
    least = GUTTER[0] if canvas.own else GUTTER[0] / 2
    label = _shared(label, canvas.width - fixed - least * gutters)
    gutter = min(max((canvas.width - fixed - sum(label)) / max(gutters, 1), GUTTER[0] / 4), GUTTER[1])
    x = max((canvas.width - fixed - sum(label) - gutter * gutters) / 2, 0)
    placed = []
    for marks, wide, words in zip(found, dot, label, strict=True):
        placed.append(_Column(marks, x, wide, words))
        x += wide + GAP + words + gutter
    return placed


def _labels(canvas: Canvas, found: Sequence[Sequence[int]], groups: Sequence[Group]) -> list[float]:
    """Return the preferred width of the labels of each column; only the last column may have long ones."""
    wide = [max(canvas.measure(_text(groups[mark])) for mark in column) + GAP for column in found]
    return [*(min(label, LABEL) for label in wide[:-1]), min(wide[-1], LAST_LABEL)]


def _shared(wanted: Sequence[float], room: float) -> list[float]:
    """Return the widths that share the room: the preferred ones, or at most the same limit for all."""
    limit = max(wanted)
    for _ in range(40):
        if sum(min(width, limit) for width in wanted) <= room:
            break
        limit *= 0.93
    return [min(width, limit) for width in wanted]


def _text(group: Group) -> str:
    return f"{_what(group)}   {group.note}" if group.note else _what(group)


def _what(group: Group) -> str:
    between = "  " if group.number == 1 else ": "
    return f"{group.name}{between}{group.amount}" if group.name else group.amount


def _marks(
    canvas: Canvas, placed: Sequence[_Column], folded: Folded, dots: Sequence[float], y: dict[int, float]
) -> None:
    """Draw the marks with their labels, and the links from the end of a label to the next mark."""
    column_of = {mark: column for column in placed for mark in column.marks}
    ends: dict[int, float] = {}
    for mark, column in column_of.items():
        ends[mark] = _label(canvas, folded.groups[mark], column, y[mark])
    canvas.dots(
        [
            Dot(
                column.x + column.dot / 2,
                y[mark],
                dots[mark],
                GREY if folded.groups[mark].state == "kept" else COLOURS[folded.groups[mark].mark],
                several=folded.groups[mark].number > 1,
                hollow=folded.groups[mark].state == "garbage",
            )
            for mark, column in column_of.items()
        ]
    )
    curves = []
    for source, target, number in folded.links:
        start, end = column_of[source], column_of[target]
        to_x = end.x + end.dot / 2 - dots[target] / 2 - 1.5 if end.x > start.x else end.end
        curves.append(Curve(ends[source], y[source], max(start.end, ends[source]), to_x, y[target], _width(number)))
    canvas.curves(curves, 0.5 if len(curves) <= MANY_LINKS else 0.3)


def _width(number: int) -> float:
    return 0.6 + 0.5 * log10(number)


def _label(canvas: Canvas, group: Group, column: _Column, y: float) -> float:
    """Write the label and the note of a mark, shortened to the column; return the end of the text."""
    what, note = _what(group), group.note
    room = column.label - 1
    if note and canvas.measure(_text(group)) > room:
        note = canvas.fitted(note, max(room * NOTE, room - canvas.measure(what + "   ")))
    note_room = canvas.measure("   " + note) if note else 0
    if canvas.measure(what) > room - note_room and group.name:
        amount = what.removeprefix(group.name)
        name_room = max(room - note_room - canvas.measure(amount), (room - note_room) * NAME)
        what = canvas.fitted(group.name, name_room) + amount
    what = canvas.fitted(what, room - note_room)
    canvas.write(column.text, y, what, faint=group.state == "kept")
    end = column.text + canvas.measure(what)
    if note:
        canvas.write(end + canvas.measure("   "), y, note, faint=True)
        end += note_room
    return end + 3


def _legend(groups: Sequence[Group]) -> list[tuple[Dot | None, str]]:
    """Return the entries of the legend: a mark or None, and text."""
    shown = {group.mark for group in groups if group.state != "kept"}
    small = DOT[0] * 1.6
    entries: list[tuple[Dot | None, str]] = [(Dot(0, 0, small, COLOURS[mark]), mark) for mark in MARKS if mark in shown]
    if any(group.state == "kept" for group in groups):
        entries.append((Dot(0, 0, small, GREY), "stays"))
    if any(group.state == "garbage" for group in groups):
        entries.append((Dot(0, 0, small, GREY, hollow=True), "not reached"))
    if any(group.number > 1 for group in groups):
        entries.append((Dot(0, 0, small, GREY, several=True), "several folded"))
    return [*entries, (None, f"area: bytes, the largest {human_bytes(max(group.bytes for group in groups))}")]


def _flow(canvas: Canvas, entries: Sequence[tuple[Dot | None, str]]) -> list[list[tuple[float, Dot | None, str]]]:
    """Return the entries of a legend in lines, each with its place."""
    lines: list[list[tuple[float, Dot | None, str]]] = [[]]
    x = 0.0
    for dot, text in entries:
        wide = (12 if dot else 0) + canvas.measure(text) + 16
        if x and x + wide - 16 > canvas.width:
            lines.append([])
            x = 0.0
        lines[-1].append((x, dot, text))
        x += wide
    return lines


def _draw_legend(canvas: Canvas, entries: Sequence[tuple[Dot | None, str]], y: float) -> None:
    for line in _flow(canvas, entries):
        canvas.dots([Dot(x + 4, y, dot.width, dot.colour, dot.several, dot.hollow) for x, dot, _ in line if dot])
        for x, dot, text in line:
            canvas.write(x + (12 if dot else 0), y, canvas.fitted(text, canvas.width - x), faint=True)
        y += canvas.font * LINE


def draw_steps(canvas: Canvas, steps: Sequence[Step]) -> None:
    """Draw bars from top to bottom, each from the end of the previous one, with names before and text after."""
    names = [canvas.measure(step.name) for step in steps]
    texts = [min(canvas.measure(step.text), BAR_TEXT) for step in steps]
    if canvas.own:
        width = min(max(max(names) + 300 + max(texts), NARROWEST), WIDEST)
        canvas.resize(width, canvas.font * ROW * len(steps))
    row = min(canvas.height / len(steps), canvas.font * 3)
    left = min(max(names), canvas.width * 0.3) + 8
    area = canvas.width - left - min(max(texts) + 10, (canvas.width - left) * 0.62)
    scale = area / max(steps[0].bytes, 1)
    ends = []
    for i, step in enumerate(steps):
        y, x, end = (i + 0.5) * row, left + step.start * scale, left + (step.start + step.bytes) * scale
        colour = {"reached": REACHED, "kept": GREY}.get(step.state) or COLOURS[step.kind]
        canvas.bar(x, y, end - x, row * 0.66, colour=colour, hatched=step.state == "kept")
        canvas.write(left - 8, y, canvas.fitted(step.name, left - 8), align="right", faint=True)
        canvas.write(end + 6, y, canvas.fitted(step.text, canvas.width - end - 6))
        ends.append((end if i else left, y))
    for (x, top), (_, bottom) in pairwise(ends):
        canvas.line(x, top + row * 0.33, bottom - row * 0.33)
