"""A picture of a preview as a waterfall: bytes that the targets reach, what goes of them, what stays and why."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from blobkit.questions.preview import Preview
from blobkit.views.canvas import Canvas
from blobkit.views.pictures.bars import GAP, ROW, THICK, rows_of, shown
from blobkit.views.pictures.words import dropping, preview_in
from blobkit.views.waterfall import MOST, steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from blobkit.views.waterfall import Step

__all__ = ["cascade"]

SLIVER, WEDGE, NAMES, TEXTS, LEAST = 0.05, 0.9, 0.3, 0.5, 0.2
"""Below this part, freed bytes are zoomed; the height of the zoom in rows; the largest parts for names and texts."""


def cascade(preview: Preview, *, ax: Axes | None = None) -> Axes:
    """Return axes with a waterfall: bytes that the targets reach, those of them that go, by level, and those that stay.

    Lengths are bytes; what goes (orange) and what stays (blue, hatched if several names need it) add up to the first
    bar. If less than 5 % go, their bars are zoomed. Cost: nodes + links.

    >>> preview = blobkit.simulate_deref(demo.small(), "shop/web:1.*")
    >>> blobkit.plot.cascade(preview).get_title("left")
    'Dropping shop/web:1.* frees 5.2 KiB of 8.4 KiB, 7 of 8 blobs'
    """
    preview = preview_in(preview)
    if not isinstance(preview, Preview):
        msg = f"a {type(preview).__name__} has no cascade to draw: give the result of simulate_deref"
        raise TypeError(msg)
    policy = f"policy {preview.snapshot.policy}"
    canvas = Canvas(ax, preview.title(), policy)
    bars = steps(preview, rows_of(canvas, MOST))
    if not bars:
        canvas.sentence("Nothing to draw: the targets reach no stored blob.")
        return canvas.done()
    canvas.heading(
        dropping(preview, bars[0].bytes, bars[0].blobs),
        f"{policy}; bytes that the targets reach: orange goes, blue stays",
    )
    _draw(canvas, bars)
    return canvas.done()


def _draw(canvas: Canvas, bars: Sequence[Step]) -> None:
    freed = sum(bar.bytes for bar in bars if bar.state == "freed")
    zoomed = 0 < freed < bars[0].bytes * SLIVER
    rows = len(bars) + WEDGE * zoomed
    if canvas.own:
        canvas.resize(canvas.width, canvas.font * ROW * rows)
    row = min(canvas.height / rows, canvas.font * ROW * 1.4)
    left = min(max(canvas.measure(bar.name) for bar in bars), canvas.width * NAMES) + GAP
    room = canvas.width - left
    area = _area(canvas, bars, room, freed if zoomed else bars[0].bytes)
    scale = area / max(bars[0].bytes, 1)
    zoom = area / freed if zoomed else scale
    if zoomed:
        _wedge(canvas, (left, freed * scale, area), row, [bar.state for bar in bars].count("freed"), zoom / scale)
    _bars(canvas, bars, left, row, (scale, zoom))


def _area(canvas: Canvas, bars: Sequence[Step], room: float, freed: int) -> float:
    """Return the width of the first bar that leaves room for each text, or for a part of it."""
    found = room - GAP
    for bar in bars:
        whole = freed if bar.state == "freed" else bars[0].bytes
        end = (bar.start + bar.bytes) / max(whole, 1)
        text = max(min(canvas.measure(bar.texts[0]), room * TEXTS), canvas.measure(bar.texts[-1])) + GAP
        found = min(found, (room - text - GAP) / max(end, 0.01))
    return max(found, room * LEAST)


def _wedge(canvas: Canvas, place: tuple[float, float, float], row: float, freed: int, times: float) -> None:
    """Draw what connects the freed part of the first bar with its zoomed bars, and the ground behind these."""
    left, narrow, wide = place
    top, bottom = row * (0.5 + THICK / 2), row * (1 + WEDGE)
    tint = canvas.mixed(canvas.goes, 0.14)
    canvas.area([(left, top), (left + narrow, top), (left + wide, bottom), (left, bottom)], colour=tint)
    canvas.block(left, bottom, wide, row * freed, colour=tint)
    text = canvas.fitted(f"zoomed {times:,.0f} times", canvas.width - left - wide - GAP)
    canvas.write(left + wide + GAP, (top + bottom) / 2, text, colour=canvas.faint)


def _bars(canvas: Canvas, bars: Sequence[Step], left: float, row: float, scales: tuple[float, float]) -> None:
    scale, zoom = scales
    ends: list[tuple[float, float, bool]] = []
    freed = sum(bar.bytes for bar in bars if bar.state == "freed")
    for i, bar in enumerate(bars):
        per = zoom if bar.state == "freed" else scale
        y = (i + 0.5 + (WEDGE if zoom != scale and i else 0)) * row
        x, end, top, tall = (
            left + bar.start * per,
            left + (bar.start + bar.bytes) * per,
            y - row * THICK / 2,
            row * THICK,
        )
        if bar.state == "reached":
            canvas.block(left, top, freed * scale, tall, colour=canvas.goes)
            canvas.block(left + freed * scale, top, (bar.bytes - freed) * scale, tall, colour=canvas.stays)
        else:
            colour = canvas.goes if bar.state == "freed" else canvas.stays
            canvas.block(x, top, max(end - x, 0.8), tall, colour=colour, hatched=bar.several)
        canvas.write(left - GAP, y, canvas.fitted(bar.name, left - GAP), align="right", colour=canvas.faint)
        canvas.write(end + GAP, y, shown(canvas, bar.texts, canvas.width - end - GAP))
        ends.append((end if i else left, y, per == scale))
    for (x, top, plain), (_, bottom, same) in pairwise(ends):
        if plain == same and not (zoom != scale and top < row):
            canvas.line([x, x], [top + row * THICK / 2, bottom - row * THICK / 2])
