"""What tests ask of every picture: its texts, and that they can be read."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from matplotlib.transforms import Bbox

from registries import images

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from blobkit.snapshot.snapshot import Snapshot

SMALLEST, OVER = 7, 0.12
"""Points of the smallest letters, and the part of a text that another may touch."""
HOSTILE = (
    "$x^2$:1",
    r"$\frac{1}{2:1",
    "<script>alert(1)</script>:1",
    "two\nlines\t\x1b[31m:1",
    "\u202eevil\u200f:1",
    "日本語\U0001f980:1",
    "n" * 300,
    "\udc80".encode("utf-8", "surrogatepass").decode("utf-8", "replace") + ":1",
    "مستودع/تطبيق:1",
)


class Made(dict[int, "Snapshot"]):
    """A snapshot of images for each size that is asked for."""

    def __init__(self, teams: int = 0) -> None:
        super().__init__()
        self.teams = teams

    def __missing__(self, size: int) -> Snapshot:
        self[size] = images(size, teams=self.teams)
        return self[size]


def title(axes: Axes) -> str:
    """Return the title in one line."""
    return axes.get_title(loc="left").replace("\n", " ")


def texts(axes: Axes) -> list[str]:
    """Return all texts but the title."""
    return [text.get_text() for text in axes.texts]


def boxes(axes: Axes) -> list[Bbox]:
    """Lay everything out as drawing does, and return where the texts are; to paint it would change nothing."""
    axes.get_figure(root=True).draw_without_rendering()
    return [text.get_window_extent() for text in axes.texts if text.get_text()]


def overlaps(axes: Axes, part: float = OVER) -> list[tuple[str, str]]:
    """Return the pairs of texts of which one covers more than a part of the other; slanted ones have no such boxes."""
    level = [text for text in (*axes.texts, axes._left_title) if text.get_text() and not text.get_rotation()]
    found = []
    for one, other in combinations([(text.get_text(), text.get_window_extent()) for text in level], 2):
        both = Bbox.intersection(one[1], other[1])
        area = 0 if both is None else both.width * both.height
        if area > part * min(box.width * box.height for _, box in (one, other)):
            found.append((one[0], other[0]))
    return found


def legible(axes: Axes, smallest: float = SMALLEST) -> None:
    """No label lies on another, none is clipped, none is too small to read."""
    found = [*boxes(axes), axes._left_title.get_window_extent()]
    figure = axes.figure.bbox
    for box in found:
        assert box.x0 >= figure.x0 - 1
        assert box.x1 <= figure.x1 + 1
        assert box.y0 >= figure.y0 - 1
        assert box.y1 <= figure.y1 + 1
    assert overlaps(axes) == []
    assert min(text.get_fontsize() for text in (*axes.texts, axes._left_title)) >= smallest
