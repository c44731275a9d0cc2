"""Layout of a graph, in points: marks with labels in columns, and links between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import log10, sqrt
from typing import TYPE_CHECKING

from blobkit.views.canvas import Curve, Dot
from blobkit.views.layers import columns, stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.views.canvas import Canvas
    from blobkit.views.folding import Folded, Group

__all__ = ["SHAPES", "draw_folded", "rows_that_fit"]

SHAPES = {
    "index": "diamond",
    "manifest": "circle",
    "config": "triangle",
    "layer": "square",
    "artifact": "pentagon",
    "virtual node": "cross",
    "absent": "star",
}
"""A shape for each kind; all others are hexagons. The label has the kind as a word, too."""

LINE = 1.5
DOT = (4.5, 30.0)
GUTTER, GAP = (44.0, 130.0), 5.0
LABEL, LAST_LABEL = 230.0, 420.0
NAME, NOTE, BRIEF = 0.4, 0.45, 100.0
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
    """Return the number of marks that fit above each other."""
    return max(int(canvas.height / (canvas.font * LINE)), 4)


def draw_folded(canvas: Canvas, folded: Folded) -> None:
    """Draw groups in layers from left to right, and their links."""
    line = canvas.font * LINE
    groups, links = folded.groups, folded.links
    dots = _diameters(groups, DOT[1] if canvas.own else min(DOT[1], canvas.height / 8))
    found = columns([group.layer for group in groups], links, [group.bytes for group in groups])
    y, tall = stacked(found, links, [max(line, dot + 2) for dot in dots])
    placed = _columns(canvas, found, groups, dots)
    if canvas.own:
        canvas.resize(canvas.width, max(tall, LOWEST))
    stretch = min(canvas.height / tall, STRETCH)
    y = {mark: (canvas.height - tall * stretch) / 2 + at * stretch for mark, at in y.items()}
    _marks(canvas, placed, folded, dots, y)


def _diameters(groups: Sequence[Group], largest: float) -> list[float]:
    """Return the width of each mark: areas are bytes, with a visible minimum."""
    most = max(1, *(group.bytes for group in groups))
    least = (DOT[0], DOT[0] * 1.4)
    return [max(largest * sqrt(group.bytes / most), least[group.number > 1]) for group in groups]


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
        canvas.font = max(canvas.font * min(max(room / sum(label), SMALLER), 1), canvas.least)
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
                _colour(canvas, folded.groups[mark]),
                SHAPES.get(folded.groups[mark].mark, "hexagon"),
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


def _brief(canvas: Canvas, group: Group, room: float) -> str:
    """Return what fits: all but the note, the name, what it is; the name is shortened last."""
    name = group.name or group.amount.partition(",")[0]
    return next((text for text in (_what(group), name) if canvas.measure(text) <= room), canvas.fitted(name, room))


def _colour(canvas: Canvas, group: Group) -> str:
    """Return the colour of what happens: it goes, it stays, or it is not asked about."""
    return {"freed": canvas.goes, "live": canvas.stays, "kept": canvas.stays}.get(group.state, canvas.grey)


def _width(number: int) -> float:
    return 0.6 + 0.5 * log10(number)


def _label(canvas: Canvas, group: Group, column: _Column, y: float) -> float:
    """Write the label and the note of a mark, shortened to the column; return the end of the text."""
    what, note = _what(group), group.note
    room = column.label - 1
    if room < BRIEF:
        what, note = _brief(canvas, group, room), ""
    if note and canvas.measure(_text(group)) > room:
        note = canvas.fitted(note, max(room * NOTE, room - canvas.measure(what + "   ")))
    note_room = canvas.measure("   " + note) if note else 0
    if canvas.measure(what) > room - note_room and group.name:
        amount = what.removeprefix(group.name)
        name_room = max(room - note_room - canvas.measure(amount), (room - note_room) * NAME)
        what = canvas.fitted(group.name, name_room) + amount
    what = canvas.fitted(what, room - note_room)
    canvas.write(column.text, y, what, colour=canvas.faint if group.state in {"kept", "above"} else "", halo=True)
    end = column.text + canvas.measure(what)
    if note:
        canvas.write(end + canvas.measure("   "), y, note, colour=canvas.faint, halo=True)
        end += note_room
    return end + 3
