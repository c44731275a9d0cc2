"""A picture of sizes: the share of blobs and of bytes in blobs of at least each size."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log2
from typing import TYPE_CHECKING

import numpy as np

from blobkit.protocols import as_snapshot
from blobkit.render import count, human_bytes
from blobkit.views.canvas import Canvas, Dot
from blobkit.views.pictures.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from blobkit.protocols import Address, SupportsSnapshot

    Floats = NDArray[np.float64]

__all__ = ["sizes"]

HEIGHT, GAP, STEPS = 190.0, 8.0, (1, 2, 5, 10, 20)
HUNDRED, FAR, NARROW = 100, 24.0, 300.0


def sizes(x: SupportsSnapshot | Address, *, ax: Axes | None = None) -> Axes:
    """Return axes with two curves: the share of all bytes, and of all blobs, in blobs of at least each size.

    The size that half of the bytes is in blobs of is marked. All stored blobs count, under every policy. Errors: as
    `scan`. Cost: a sort of the blobs.

    >>> blobkit.plot.sizes(demo.small()).get_title("left")
    'Half of the 27.5 KiB is in 8 of 33 blobs, each of 979 B or more'
    """
    snapshot = as_snapshot(x)
    size = np.sort(snapshot.graph.size[snapshot.graph.blob])[::-1]
    total = int(size.sum())
    canvas = Canvas(ax)
    if not total:
        canvas.heading("All stored blobs are empty" if len(size) else "Nothing is stored", "")
        canvas.sentence("Nothing to draw: there are no bytes.")
        return canvas.done()
    share = np.cumsum(size) / total
    half = int(np.searchsorted(share, 0.5))
    canvas.heading(_finding(size, total, half), _drawn(share))
    if canvas.own:
        canvas.resize(canvas.width, HEIGHT)
    _draw(canvas, size, share, half)
    return canvas.done()


def _finding(size: NDArray[np.int64], total: int, half: int) -> str:
    if len(size) == 1:
        return f"The only blob has {human_bytes(total)}"
    each = "each " if half else ""
    least = human_bytes(int(size[half]))
    return f"Half of the {human_bytes(total)} is in {half + 1:,} of {len(size):,} blobs, {each}of {least} or more"


def _drawn(share: Floats) -> str:
    text = "share of all bytes, and of all blobs, in blobs of at least this size"
    largest = len(share) // HUNDRED
    return f"{text}; the largest 1 % hold {percent(share[largest - 1], 1)}" if largest else text


def _draw(canvas: Canvas, size: NDArray[np.int64], share: Floats, half: int) -> None:
    plot = _Plot.of(canvas, size)
    _scale(canvas, plot)
    xs = np.arange(plot.left, canvas.width + 0.5, 0.5)
    number = _at_least(size, 2 ** (plot.low + (xs - plot.left) / plot.octave))
    for values, colour, width in (
        (number / len(size), canvas.mixed(canvas.ink, 0.5), 1.4),
        (np.append(share, 0.0)[number - 1], canvas.stays, 2.0),
    ):
        canvas.line(xs.tolist(), plot.y(values).tolist(), colour=colour, width=width)
    _marks(canvas, plot, size, half)


def _marks(canvas: Canvas, plot: _Plot, size: NDArray[np.int64], half: int) -> None:
    """Mark where half of the bytes, and half of the blobs, are reached."""
    middle = (len(size) - 1) // 2
    number = _at_least(size, size[[half, middle]].astype(np.float64))
    share = np.array([size[: number[0]].sum() / size.sum(), number[1] / len(size)])
    xs, ys = plot.x(size[[half, middle]]).tolist(), plot.y(share).tolist()
    canvas.line([xs[0], xs[0]], [ys[0], plot.bottom], dashed=True)
    canvas.dots([Dot(xs[0], ys[0], 6, canvas.stays)])
    amount = f"in {count(half + 1, 'blob')}" if len(size) > 1 else human_bytes(int(size[0]))
    _label(canvas, plot, (xs[0], ys[0]), ("half of the bytes", amount), canvas.stays)
    if abs(xs[1] - xs[0]) > FAR or abs(ys[1] - ys[0]) > FAR:
        least = f"{human_bytes(int(size[middle]))} or more"
        _label(canvas, plot, (xs[1], ys[1]), ("half of the blobs", least), canvas.faint, below=True)


@dataclass(frozen=True, slots=True)
class _Plot:
    """The place of the curves: from `left`, between `top` and `bottom`; one `octave` is a factor of 2 from 2**low."""

    left: float
    right: float
    top: float
    bottom: float
    low: int
    high: int

    @classmethod
    def of(cls, canvas: Canvas, size: NDArray[np.int64]) -> _Plot:
        """Return the place for blobs of these sizes."""
        low, high = floor(log2(max(size[-1], 1))), ceil(log2(max(size[0], 1)) + 0.01)
        left = canvas.measure("100 %") + GAP
        return cls(left, canvas.width, canvas.font * 0.6, canvas.height - canvas.font * 1.8, low, high)

    @property
    def octave(self) -> float:
        return (self.right - self.left - GAP) / (self.high - self.low)

    def x(self, size: NDArray[np.int64]) -> Floats:
        found: Floats = self.left + (np.log2(np.maximum(size, 1)) - self.low) * self.octave
        return found

    def y(self, share: Floats) -> Floats:
        return self.bottom + (self.top - self.bottom) * share


def _at_least(size: NDArray[np.int64], least: Floats) -> NDArray[np.int64]:
    """Return how many blobs have at least each of these sizes."""
    found: NDArray[np.int64] = np.searchsorted(-size, -least, "right")
    return found


def _scale(canvas: Canvas, plot: _Plot) -> None:
    """Draw the lines of shares, and the names of sizes where they have room."""
    for share, text in ((0, "0"), (0.5, "50 %"), (1, "100 %")):
        y = float(plot.y(np.array(share)))
        canvas.line([plot.left, canvas.width], [y, y], colour=canvas.mixed(canvas.ink, 0.15 if share else 0.6))
        canvas.write(plot.left - GAP / 2, y, text, align="right", colour=canvas.faint)
    room = canvas.measure("512 MiB") + GAP * 2
    step = next((step for step in STEPS if step * plot.octave >= room), STEPS[-1])
    for power in range(-(-plot.low // step) * step, plot.high + 1, step):
        text = human_bytes(2**power).replace(".0", "")
        x = plot.left + (power - plot.low) * plot.octave
        half = canvas.measure(text) / 2
        x = min(max(x, half), canvas.width - half)
        canvas.write(x, plot.bottom + canvas.font * 1.1, text, align="center", colour=canvas.faint)


def _label(  # noqa: PLR0913 (where, what, how)
    canvas: Canvas, plot: _Plot, at: tuple[float, float], lines: tuple[str, str], colour: str, *, below: bool = False
) -> None:
    """Write lines at a point of a falling curve: to the right and above it, else to the left and below."""
    shown = lines if canvas.width > NARROW else (lines[0].rsplit(maxsplit=1)[-1],)
    wide, (x, y), line = max(canvas.measure(text, bold=True) for text in shown), at, canvas.font * 1.3
    right = x + GAP + wide <= plot.right and not (below and x - GAP - wide > plot.left)
    first = y - line * 0.6 * len(shown) if right else y + line * 0.9
    first = min(max(first, plot.top + line * 0.6), plot.bottom - line * (len(shown) - 0.4))
    for i, text in enumerate(shown):
        where = x + GAP if right else x - GAP
        canvas.write(where, first + i * line, text, align="left" if right else "right", colour=colour, bold=i == 0)
