"""Bars below each other: a name before each, its bytes as a length, and its text at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.render import count, human_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.views.canvas import Canvas

__all__ = ["Bar", "Part", "draw_bars", "folded", "rows_of", "shown"]

ROW, THICK, GAP = 1.9, 0.7, 6.0
NAMES, TEXTS = 0.32, 0.5
"""The largest part of the width for names, and of the rest for texts."""
LEAST = 0.12


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar, in bytes."""

    bytes: int
    colour: str
    hatched: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar with its name and texts, the longest first: the first that fits is shown."""

    name: str
    parts: tuple[Part, ...]
    texts: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """The bytes of all parts."""
        return sum(part.bytes for part in self.parts)


def rows_of(canvas: Canvas, most: int) -> int:
    """Return how many bars have room: `most` in a figure of our own."""
    return most if canvas.own else max(int(canvas.height / (canvas.font * 1.35)), 1)


def folded(canvas: Canvas, bars: Sequence[Bar], most: int, noun: str, *, shared: bool = True) -> list[Bar]:
    """Return the first bars that have room, the last of them for all others; `shared`: hatched parts add up."""
    rows = rows_of(canvas, most)
    if len(bars) <= rows:
        return list(bars)
    shown, rest = bars[: rows - 1], bars[rows - 1 :]
    sums: dict[tuple[str, bool], int] = {}
    for part in (part for bar in rest for part in bar.parts if shared or not part.hatched):
        sums[part.colour, part.hatched] = sums.get((part.colour, part.hatched), 0) + part.bytes
    size = human_bytes(sum(sums.values()))
    parts = tuple(Part(size, *key) for key, size in sums.items())
    return [*shown, Bar(f"{len(rest):,} more", parts, (f"{count(len(rest), noun)}, {size}", size))]


def draw_bars(canvas: Canvas, bars: Sequence[Bar], goal: int = 0) -> None:
    """Draw bars from the same start, and a line across the first at `goal` bytes.

    A figure of our own gets the height that the bars need.
    """
    if canvas.own:
        canvas.resize(canvas.width, canvas.font * ROW * len(bars))
    row = min(canvas.height / len(bars), canvas.font * ROW * 1.3)
    left = min(max(canvas.measure(bar.name) for bar in bars), canvas.width * NAMES) + GAP
    scale = _scale(canvas, bars, canvas.width - left)
    for i, bar in enumerate(bars):
        y, x = (i + 0.5) * row, left
        for part in bar.parts:
            wide = part.bytes * scale
            canvas.block(x, y - row * THICK / 2, wide, row * THICK, colour=part.colour, hatched=part.hatched)
            x += wide
        if goal and not i:
            canvas.line([left + goal * scale] * 2, [0, row], colour=canvas.ink, width=1.6)
        canvas.write(left - GAP, y, canvas.fitted(bar.name, left - GAP), align="right")
        canvas.write(x + GAP, y, shown(canvas, bar.texts, canvas.width - x - GAP))


def shown(canvas: Canvas, texts: Sequence[str], room: float) -> str:
    """Return the first of these texts, the longest first, that fits; or what fits of the last."""
    whole = (text for text in texts if canvas.measure(text) <= room)
    return next(whole, canvas.fitted(texts[-1], room))


def _scale(canvas: Canvas, bars: Sequence[Bar], room: float) -> float:
    """Return the points of a byte: as many as leave room for each text, or for a part of it."""
    most = max(1, *(bar.bytes for bar in bars)) if len(bars) > 1 else max(1, bars[0].bytes)
    widest = (room - GAP) / most
    for bar in bars:
        text = max(min(canvas.measure(bar.texts[0]), room * TEXTS), canvas.measure(bar.texts[-1])) + GAP
        widest = min(widest, (room - GAP - text) / max(bar.bytes, 1))
    return max(widest, room * LEAST / most)
