"""The title of a picture in lines that fit: in one if smaller letters do, else in two or three."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["LINE", "Ruler", "wrapped"]

LINE = 1.25
SIZES = ((1.1, 1.0), (1.0, 0.9, 0.8), (0.9, 0.8))
"""Sizes of the letters, as factors: those to try for one line, for two, for three."""
SURE = (0.99, 0.96, 0.9)
"""Parts of the width to fill: the widths of words, from which lines are made, are estimates."""


class Ruler(Protocol):
    """Measures text, in points."""

    def measure(self, text: str, size: float | None = None, *, bold: bool = False) -> float:
        """Return the width of a text."""
        ...

    def fitted(self, text: str, room: float, size: float | None = None, *, bold: bool = False) -> str:
        """Return the text, shortened to fit."""
        ...


def wrapped(
    ruler: Ruler, text: str, width: float, sizes: tuple[float, float], heights: Sequence[float]
) -> tuple[list[str], float]:
    """Return the lines of a title and the size of its letters; text that has no room is cut with an ellipsis.

    `sizes`: the usual size of text, and the smallest. `heights`: the room for one line more than the first, for two,
    and so on: as many lines are used at most.
    """
    base, least = sizes
    for more, (factors, room) in enumerate(zip(SIZES, (0.0, *heights), strict=False)):
        for factor in factors:
            size = max(base * factor, least)
            lines = _broken(ruler, text, width, (base, size))
            if len(lines) <= more + 1 and more * size * LINE <= room:
                return lines, size
    size = max(base * SIZES[-1][-1], least)
    lines = _broken(ruler, text, width, (base, size))
    most = 1 + sum((more + 1) * size * LINE <= room for more, room in enumerate(heights[: len(SIZES) - 1]))
    last = ruler.fitted(" ".join(lines[most - 1 :]), width, size, bold=True)
    return [*lines[: most - 1], last], size


def _broken(ruler: Ruler, text: str, width: float, sizes: tuple[float, float]) -> list[str]:
    """Return a text in lines, broken at spaces."""
    lines: list[str] = []
    for part in SURE:
        lines = _lines(ruler, text, width * part, sizes)
        if all(ruler.measure(line, sizes[1], bold=True) <= width for line in lines):
            break
    return lines


def _lines(ruler: Ruler, text: str, room: float, sizes: tuple[float, float]) -> list[str]:
    base, size = sizes
    space = (ruler.measure("n n", base) - ruler.measure("nn", base)) * size / base
    lines, used = [""], 0.0
    for word in text.split(" "):
        wide = ruler.measure(word, base, bold=True) * size / base
        if lines[-1] and used + space + wide <= room:
            lines[-1], used = f"{lines[-1]} {word}", used + space + wide
        else:
            lines += [word if wide <= room else ruler.fitted(word, room, size, bold=True)]
            used = wide
    return [line for line in lines if line] or [""]
