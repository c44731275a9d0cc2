"""Shapes of a picture as the page draws them: shares of its width, bytes, names, and where a click leads."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from blobkit.questions.blocks import BLOB, SEVERAL
from blobkit.render import human_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    Target = tuple[int, int, int]
    """The target of a click: a label, a set (-1: none), parts to skip."""
    Crumb = tuple[str, Target | None]

__all__ = ["Crumb", "Drawn", "Shape", "Target", "told_apart"]


@dataclass(frozen=True, slots=True)
class Shape:
    """A block to draw: `left` and `width` in shares of the picture, `bytes`, and how many of them go."""

    level: int
    left: float
    width: float
    bytes: int
    freed: int
    kind: str
    label: int
    name: str
    zoom: Target | None = None

    def to_json(self) -> list[object]:
        """Return it as the page takes it; 1 for a zoom to the label itself, 0 for none."""
        zoom = 0 if self.zoom is None else 1 if self.zoom == (self.label, -1, 0) else self.zoom
        shares = [round(self.left, 4), round(self.width, 4), self.bytes, self.freed]
        return [self.level, *shares, self.kind, self.label, self.name, zoom]

    @property
    def text(self) -> str:
        """The block in words."""
        goes = f", of which {human_bytes(self.freed)} goes" if self.freed else ""
        together = ", goes only if all of them are dropped" if SEVERAL in self.kind else ""
        return f"{self.name}: {human_bytes(self.bytes)}{goes}{together}"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture: its title, the crumbs that lead to it, and its shapes, top to bottom."""

    title: str
    crumbs: list[Crumb]
    shapes: list[Shape]

    def to_json(self) -> dict[str, object]:
        """Return it as the page takes it."""
        return {"title": self.title, "crumbs": self.crumbs, "blocks": [shape.to_json() for shape in self.shapes]}


def told_apart(shapes: Iterable[Shape]) -> list[Shape]:
    """Return the shapes with numbers in the names of blobs that have one name and one level."""
    every = list(shapes)
    number = Counter((shape.level, shape.name) for shape in every if shape.kind == BLOB)
    seen: Counter[tuple[int, str]] = Counter()
    for i, shape in enumerate(every):
        key = shape.level, shape.name
        if shape.kind == BLOB and number[key] > 1:
            seen[key] += 1
            every[i] = replace(shape, name=_numbered(shape.name, seen[key]))
    return every


def _numbered(name: str, number: int) -> str:
    kind, of, image = name.partition(" of ")
    return f"{kind} {number} of {image}" if of else name
