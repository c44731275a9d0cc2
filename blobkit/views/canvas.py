"""Axes whose data units are points, with text that is safe and fits. The only file that imports matplotlib.

Text is untrusted: it is never read as mathematics; control characters, and characters that the font lacks, are shown as
escapes. Colours of text and background follow the current style, so dark styles work.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.collections import PathCollection
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from blobkit.render import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["Canvas", "Curve", "Dot"]

POINTS = 72
MARGIN, TITLE = 8.0, 26.0
_GENERIC = ("serif", "sans-serif", "cursive", "fantasy", "monospace")


@dataclass(frozen=True, slots=True)
class Dot:
    """A mark with its middle at `x`, `y` and this `width` in points; a square if it stands for `several`."""

    x: float
    y: float
    width: float
    colour: str
    several: bool = False
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Curve:
    """A link that starts at `x`, `y`, runs horizontally to `leave` and curves from there to `to_x`, `to_y`."""

    x: float
    y: float
    leave: float
    to_x: float
    to_y: float
    width: float


class Canvas:
    """Axes given by the user, or a new figure of our own (`own`).

    x goes right from 0 to `width` and y down from 0 to `height`, in points. `font` is the size of small text.
    """

    def __init__(self, ax: Axes | None) -> None:
        self.own = ax is None
        self.ax = plt.figure(layout="none").add_axes((0, 0, 1, 1)) if ax is None else ax
        self.ax.set_axis_off()
        self.figure = _figure(self.ax)
        self.text_colour = str(mpl.rcParams["text.color"])
        self.font = float(mpl.rcParams["font.size"]) * 0.85
        self._ruler = self.ax.text(0, 0, "", parse_math=False, usetex=False, alpha=0)
        self._ruler.set_in_layout(False)
        engine = self.figure.get_layout_engine()
        if engine is not None and self.ax.get_subplotspec() is not None:
            engine.execute(self.figure)  # else the axes are measured before they have their position
        box = self.ax.get_window_extent()
        self.resize(box.width * POINTS / self.figure.dpi, box.height * POINTS / self.figure.dpi)

    def resize(self, width: float, height: float) -> None:
        """Set the size of the drawing, in points: of the figure if it is our own, else of the units."""
        self.width, self.height = width, height
        if self.own:
            whole = (width + 2 * MARGIN, height + TITLE + 2 * MARGIN)
            self.figure.set_size_inches(whole[0] / POINTS, whole[1] / POINTS)
            self.ax.set_position((MARGIN / whole[0], MARGIN / whole[1], width / whole[0], height / whole[1]))
        self.ax.set_xlim(0, width)
        self.ax.set_ylim(height, 0)

    def measure(self, text: str, size: float | None = None) -> float:
        """Return the width of a text, in points."""
        self._ruler.set_text(_drawable(text))
        self._ruler.set_fontsize(size or self.font)
        return float(self._ruler.get_window_extent().width) * POINTS / self.figure.dpi

    def fitted(self, text: str, room: float, size: float | None = None) -> str:
        """Return the text, shortened with an ellipsis to fit."""
        text = _drawable(text)
        wide = self.measure(text, size)
        shown = text
        while wide > room and len(shown) > 1:
            keep = min(len(shown) - 1, int(len(shown) * room / wide))
            shown = shown[: max(keep, 1)]
            wide = self.measure(shown + "…", size)
        return shown if shown == text else shown.rstrip() + "…"

    def write(  # noqa: PLR0913 (where, what, how)
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float | None = None,
        align: str = "left",
        faint: bool = False,
        bold: bool = False,
    ) -> Text:
        """Write one line with its middle at `y`; an outline in the background colour keeps it readable on links."""
        return self.ax.text(
            x,
            y,
            _drawable(text),
            parse_math=False,
            usetex=False,
            fontsize=size or self.font,
            horizontalalignment=align,
            verticalalignment="center_baseline",
            color=self.text_colour,
            alpha=0.75 if faint else 1,
            fontweight="bold" if bold else "normal",
            zorder=4,
            path_effects=[withStroke(linewidth=2.5, foreground=_ground(self.figure))],
        )

    def title(self, text: str, tail: str) -> None:
        """Set the title, one line; if it does not fit, use smaller letters, then shorten it, but not the tail."""
        tail = f" {tail}"
        size = float(mpl.rcParams["font.size"]) * 1.05
        size *= min(max(self.width / max(self.measure(text + tail, size), 1), 0.8), 1)
        shown = self.fitted(text, self.width - self.measure(tail, size), size) + _drawable(tail)
        self.ax.set_title(shown, loc="left", fontsize=size, parse_math=False, usetex=False, color=self.text_colour)

    def sentence(self, text: str) -> None:
        """Write in the middle the reason why there is nothing to draw."""
        if self.own:
            self.resize(420, 90)
        shown = self.fitted(text, self.width)
        self.write(self.width / 2, self.height / 2, shown, align="center", faint=True)

    def dots(self, dots: Sequence[Dot]) -> None:
        """Draw marks; nothing if there are none."""
        for several in (False, True):
            some = [dot for dot in dots if dot.several == several]
            if some:
                self.ax.scatter(
                    [dot.x for dot in some],
                    [dot.y for dot in some],
                    [dot.width**2 for dot in some],
                    c=["none" if dot.hollow else dot.colour for dot in some],
                    edgecolors=[dot.colour if dot.hollow else self.text_colour for dot in some],
                    linewidths=[1.2 if dot.hollow else 0.4 for dot in some],
                    marker="s" if several else "o",
                    zorder=3,
                    clip_on=False,
                )

    def curves(self, curves: Sequence[Curve], alpha: float) -> None:
        """Draw links as curves that leave and arrive horizontally; nothing if there are none."""
        lines = PathCollection(
            [_path(curve) for curve in curves],
            facecolors="none",
            edgecolors=self.text_colour,
            linewidths=[curve.width for curve in curves],
            alpha=alpha,
            zorder=1,
        )
        self.ax.add_collection(lines, autolim=False)

    def bar(  # noqa: PLR0913 (where, how large, how)
        self, x: float, y: float, width: float, height: float, *, colour: str, hatched: bool = False
    ) -> None:
        """Draw a bar from `x`, with its middle at `y`; an empty bar is a line."""
        self.ax.add_patch(
            Rectangle(
                (x, y - height / 2),
                width,
                height,
                facecolor=colour,
                edgecolor=_ground(self.figure) if hatched else colour,
                hatch="////" if hatched else None,
                linewidth=0.8,
                zorder=3,
            )
        )

    def line(self, x: float, top: float, bottom: float) -> None:
        """Draw a thin vertical line."""
        self.ax.plot([x, x], [top, bottom], color=self.text_colour, linewidth=0.6, alpha=0.5, zorder=2)

    def done(self) -> Axes:
        """Return the axes, without parts that only served for measuring."""
        self._ruler.remove()
        return self.ax


def _path(curve: Curve) -> Path:
    """Return a curve to the right; if the end is not to the right, a curve that goes out and comes back."""
    start, end = (curve.leave, curve.y), (curve.to_x, curve.to_y)
    middle = (curve.leave + curve.to_x) / 2 if curve.to_x > curve.leave else curve.leave + 40
    bend = [start, (middle, curve.y), (middle, curve.to_y), end]
    return Path([(curve.x, curve.y), *bend], [Path.MOVETO, Path.LINETO, *[Path.CURVE4] * 3])


def _figure(ax: Axes) -> Figure:
    """Return the figure of axes, also if they are in a subfigure."""
    figure = ax.get_figure(root=True)
    if figure is None:
        msg = "these axes have no figure"
        raise ValueError(msg)
    return figure


def _ground(figure: Figure) -> str:
    """Return the colour behind axes whose frame is off: the figure's."""
    colour = figure.get_facecolor()
    alpha = mpl.colors.to_rgba(colour)[3]
    return mpl.colors.to_hex(colour if alpha else mpl.rcParams["axes.facecolor"])


def _drawable(text: str) -> str:
    """Return the text in one line, with escapes for characters that are invisible or missing in the current fonts."""
    text = printable(text)
    if text.isascii():
        return text
    known = frozenset().union(*(_characters(path) for path in _fonts(tuple(mpl.rcParams["font.family"]))))
    return "".join(char if ord(char) in known else char.encode("unicode_escape").decode() for char in text)


def _fonts(families: tuple[str, ...]) -> list[str]:
    """Return the font files for text, with fallbacks; fonts that are not installed are not logged."""
    names: list[str] = []
    for family in families:
        names += mpl.rcParams[f"font.{family}"] if family in _GENERIC else [family]  # type: ignore[index]  # (five keys)
    found: list[str] = []
    for name in names:
        try:
            found.append(findfont(FontProperties(family=[name]), fallback_to_default=False))
        except ValueError:
            continue
    return found


@cache
def _characters(path: str) -> frozenset[int]:
    return frozenset(get_font(path).get_charmap())
