"""Axes whose data units are points: a heading, blocks, lines, marks, and labels that are safe and fit.

The only file beside `fonts.py` that imports matplotlib. The colours are those of the family of plots: they say what
happens (`goes`, `stays`; `grey`: not asked about; hatched: kept by several), on the ground of the style in force.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.patches import Polygon, Rectangle
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from blobkit.views.fonts import drawable, families
from blobkit.views.heading import LINE, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypedDict

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    class Face(TypedDict, total=False):
        """The look of a patch."""

        facecolor: str
        edgecolor: str
        hatch: str


__all__ = ["SMALLEST", "Canvas", "Curve", "Dot"]

POINTS = 72
SMALLEST = 7.0
"""The smallest letters, in points, unless the style has smaller ones."""
MARGIN, WIDTH = 8.0, 600.0
HALF, TOP, ROOM = 1.5, 0.4, 100.0
NARROW, SMALLER = 420.0, 0.8
HATCH, ROUNDED = 5.0, 0.01
LONGEST = 1_000
"""The most characters of a text that are laid out to measure it: no picture has room for more."""
GOES, STAYS = {False: "#D55E00", True: "#FF8A3D"}, {False: "#0072B2", True: "#56B4E9"}
SHAPES = {
    "circle": ("o", 1.0),
    "square": ("s", 0.886),
    "diamond": ("D", 0.8),
    "triangle": ("^", 1.15),
    "cross": ("P", 1.0),
    "hexagon": ("h", 1.1),
    "pentagon": ("p", 1.15),
    "star": ("*", 1.4),
}
"""Marks, and the factor of their width by which their areas are equal."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A mark with its middle at `x`, `y`, as large as a circle of this `width` in points; `several`: a double one."""

    x: float
    y: float
    width: float
    colour: str
    shape: str = "circle"
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

    x goes right from 0 to `width` and y down from 0 to `height`, in points, below the heading. `font` is the size of
    small text.
    """

    def __init__(self, ax: Axes | None, finding: str = "", drawn: str = "") -> None:
        self.own = ax is None
        self.ax = plt.figure(layout="none").add_axes((0, 0, 1, 1)) if ax is None else ax
        self.ax.set_axis_off()
        self.figure = _figure(self.ax)
        self._colours()
        self._base = float(mpl.rcParams["font.size"])
        self.least = min(SMALLEST, self._base)
        self.font = self._base * 0.85
        self._widths: dict[tuple[str, float, bool], float] = {}
        self._ruler = self.ax.text(0, 0, "", parse_math=False, usetex=False, alpha=0, fontfamily=families())
        self._ruler.set_in_layout(False)
        engine = self.figure.get_layout_engine()
        if engine is not None and self.ax.get_subplotspec() is not None:
            engine.execute(self.figure)  # else the axes are measured before they have their position
        box = self.ax.get_window_extent()
        self._whole = box.height * POINTS / self.figure.dpi
        self.width = WIDTH if self.own else box.width * POINTS / self.figure.dpi
        self.font = max(self._base * 0.85 * min(max(self.width / NARROW, SMALLER), 1), self.least)
        self.heading(finding, drawn)

    def heading(self, finding: str, drawn: str) -> None:
        """Set the title, a sentence with figures, and the grey line below it: what is drawn, and the policy."""
        self.finding, self.drawn = finding, drawn
        self.resize(self.width, self._whole)

    def resize(self, width: float, height: float) -> None:
        """Set the size of the drawing, in points: of the figure if it is our own, else of the units."""
        self.width = width
        room = [ROOM] if self.own else [self._whole * TOP] * 2
        self._lines, self._size = wrapped(self, self.finding, width, (self._base, self.least), room)
        self._grey = self._drawn()
        head = (len(self._lines) - 1) * self._size * LINE + (
            len(self._grey) * self.font * LINE + 5 if self._grey else 0
        )
        self.height = height if self.own else max(self._whole - head, 1)
        if self.own:
            top = self._size * LINE + MARGIN
            whole = (width + 2 * MARGIN, self.height + head + top + MARGIN)
            self.figure.set_size_inches(whole[0] / POINTS, whole[1] / POINTS)
            self.ax.set_position(
                (MARGIN / whole[0], MARGIN / whole[1], width / whole[0], 1 - (top + MARGIN) / whole[1])
            )
        self.ax.set_xlim(0, width)
        self.ax.set_ylim(self.height, -head)

    def mixed(self, colour: str, share: float) -> str:
        """Return a colour, thinned with that of the ground."""
        red, green, blue = (
            share * a + (1 - share) * b for a, b in zip(to_rgb(colour), to_rgb(self.ground), strict=True)
        )
        return to_hex((red, green, blue))

    def measure(self, text: str, size: float | None = None, *, bold: bool = False) -> float:
        """Return the width of a text, in points; of a very long one about that, by its beginning."""
        if len(text) > LONGEST:
            return self.measure(text[:LONGEST], size, bold=bold) * len(text) / LONGEST
        key = (text, size or self.font, bold)
        if key not in self._widths:
            self._ruler.set_text(drawable(text, bold=bold))
            self._ruler.set_fontsize(key[1])
            self._ruler.set_fontweight("bold" if bold else "normal")
            self._widths[key] = float(self._ruler.get_window_extent().width) * POINTS / self.figure.dpi
        return self._widths[key]

    def fitted(self, text: str, room: float, size: float | None = None, *, bold: bool = False) -> str:
        """Return the text, shortened with an ellipsis to fit; "" if not even its first letters do."""
        if self.measure(text, size, bold=bold) <= room + ROUNDED:
            return text
        low, high = 0, min(len(text), LONGEST) - 1
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.measure(text[:middle].rstrip() + "…", size, bold=bold) <= room
            low, high = (middle, high) if fits else (low, middle - 1)
        return text[:low].rstrip() + "…" if low else ""

    def write(  # noqa: PLR0913 (where, what, how)
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float | None = None,
        align: str = "left",
        colour: str = "",
        bold: bool = False,
        halo: bool = False,
        slope: float = 0,
    ) -> Text:
        """Write one line with its middle at `y`; a `halo` in the colour of the ground keeps it readable on lines."""
        return self.ax.text(
            x,
            y,
            drawable(text, bold=bold),
            parse_math=False,
            usetex=False,
            fontsize=size or self.font,
            fontfamily=families(),
            fontweight="bold" if bold else "normal",
            horizontalalignment=align,
            verticalalignment="bottom" if slope else "center_baseline",
            rotation=slope,
            rotation_mode="anchor" if slope else "default",
            color=colour or self.ink,
            zorder=4,
            path_effects=[withStroke(linewidth=2.5, foreground=self.ground)] if halo else [],
        )

    def sentence(self, text: str) -> None:
        """Write in the middle the reason why there is nothing to draw."""
        if self.own:
            self.resize(420, 50)
        shown = self.fitted(text, self.width)
        self.write(self.width / 2, self.height / 2, shown, align="center", colour=self.faint)

    def dots(self, dots: Sequence[Dot]) -> None:
        """Draw marks; nothing if there are none."""
        for shape, (marker, factor) in SHAPES.items():
            some = [dot for dot in dots if dot.shape == shape]
            behind = [dot for dot in some if dot.several]
            for which, shift in ((behind, 2.0), (some, 0.0)):
                if which:
                    self.ax.scatter(
                        [dot.x + shift for dot in which],
                        [dot.y - shift for dot in which],
                        [(dot.width * factor) ** 2 for dot in which],
                        c=[self.ground if dot.hollow or shift else dot.colour for dot in which],
                        edgecolors=[dot.colour if dot.hollow or shift else self.ground for dot in which],
                        linewidths=[1.2 if dot.hollow or shift else 0.4 for dot in which],
                        marker=marker,
                        zorder=2.9 if shift else 3,
                        clip_on=False,
                    )

    def curves(self, curves: Sequence[Curve], alpha: float) -> None:
        """Draw links as curves that leave and arrive horizontally; nothing if there are none."""
        lines = PathCollection(
            [_path(curve) for curve in curves],
            facecolors="none",
            edgecolors=self.ink,
            linewidths=[curve.width for curve in curves],
            alpha=alpha,
            zorder=1,
        )
        self.ax.add_collection(lines, autolim=False)

    def block(  # noqa: PLR0913 (where, how large, how)
        self, x: float, top: float, width: float, height: float, *, colour: str, hatched: bool = False, edge: float = 0
    ) -> None:
        """Draw a block; `edge`: the width of its outline, in the colour of the ground."""
        how = self._face(colour, hatched=hatched, thin=min(width, height) < HATCH)
        self.ax.add_patch(Rectangle((x, top), width, height, linewidth=edge, zorder=2, **how))

    def area(
        self, points: Sequence[tuple[float, float]], *, colour: str, hatched: bool = False, edge: float = 0
    ) -> None:
        """Fill the inside of a closed line."""
        how = self._face(colour, hatched=hatched)
        self.ax.add_patch(Polygon(points, closed=True, linewidth=edge, zorder=2, **how))

    def line(
        self, xs: Sequence[float], ys: Sequence[float], *, colour: str = "", width: float = 0.6, dashed: bool = False
    ) -> None:
        """Draw a line through these points."""
        style = "--" if dashed else "-"
        self.ax.plot(
            xs, ys, color=colour or self.faint, linewidth=width, linestyle=style, zorder=2.5, marker="", clip_on=False
        )

    def done(self) -> Axes:
        """Write the heading, and return the axes."""
        self._ruler.remove()
        self.ax.set_title(
            "\n".join(drawable(line, bold=True) for line in self._lines),
            loc="left",
            y=1,
            pad=self._size * LINE * 0.9 + 2,
            verticalalignment="top",
            fontsize=self._size,
            fontfamily=families(),
            fontweight="bold",
            color=self.ink,
            linespacing=LINE * 0.9,
            parse_math=False,
            usetex=False,
        )
        top = self.ax.get_ylim()[1] + (len(self._lines) - 1) * self._size * LINE
        for i, line in enumerate(self._grey):
            self.write(0, top + (i + 0.5) * self.font * LINE, line, colour=self.faint)
        return self.ax

    def _face(self, colour: str, *, hatched: bool, thin: bool = False) -> Face:
        """Return the fill; a hatch has the colour of the edge, and needs room."""
        if hatched and thin:
            return {"facecolor": self.mixed(colour, 0.45), "edgecolor": self.ground}
        if hatched:
            return {"facecolor": self.mixed(self.ink, 0.07), "edgecolor": self.mixed(colour, 0.65), "hatch": "////"}
        return {"facecolor": colour, "edgecolor": self.ground}

    def _colours(self) -> None:
        colour = self.figure.get_facecolor()
        self.ground = to_hex(colour if to_rgba(colour)[3] else mpl.rcParams["axes.facecolor"])
        self.ink = to_hex(mpl.rcParams["text.color"])
        dark = sum(to_rgb(self.ground)) < HALF
        self.goes, self.stays = GOES[dark], STAYS[dark]
        self.grey, self.faint = self.mixed(self.ink, 0.35), self.mixed(self.ink, 0.7)

    def _drawn(self) -> list[str]:
        return [self.fitted(self.drawn, self.width)] if self.drawn else []


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
