"""The picture of what several keep: which of them share what, and the blobs of one such set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.tree import NO_PLACE
from blobkit.questions.blocks import BLOB, PAGE, SEVERAL, SMALLER
from blobkit.questions.shared_sets import shared_sets
from blobkit.render import count, join_some
from blobkit.views.explorer.protocol import RequestError
from blobkit.views.explorer.shapes import Drawn, Shape, told_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from blobkit.questions.shared_sets import SharedSets
    from blobkit.questions.what_if import WhatIf
    from blobkit.views.explorer.protocol import Zoom
    from blobkit.views.explorer.shapes import Crumb, Target
    from blobkit.views.explorer.words import Words

    Ints = NDArray[np.int64]

__all__ = ["SetPictures"]

LEAST = 0.01
"""The least share of a part; narrower ones are one block."""
NAMED, MEMBERS = 3, 50


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a block, widest first; `shape` gives the label, the name and the zoom of one."""

    top: str
    width: Ints
    freed: Ints
    shape: Callable[[int], tuple[int, str, Target | None]]
    kind: str
    at: tuple[int, int]


class SetPictures:
    """The pictures of what several children of a place keep."""

    def __init__(self, what_if: WhatIf, words: Words) -> None:
        self._what_if, self._words = what_if, words
        self._sets: dict[int, SharedSets] = {}

    def check(self, owner: int, which: int) -> None:
        """Check that there is such a set (-1: all); RequestError."""
        if which >= 0 and which >= len(self._of(owner).bytes):
            msg = f"there is no set {which:,} in the picture"
            raise RequestError(msg)

    def drawn(self, owner: int, zoom: Zoom, gone: NDArray[np.int32], crumbs: Sequence[Crumb]) -> Drawn:
        """Return the sets of children of a place that share what it owns, or the blobs of one of these.

        `gone`: the nodes that go; `crumbs` lead to the place.
        """
        sets = self._of(owner)
        goes = np.zeros(len(self._what_if.snapshot.graph.size), np.bool_)
        goes[gone] = True
        top = f"kept by {self._words.owner(owner)}"
        path = [*crumbs, (top, (-2 - owner, -1, 0))]
        if zoom.of_set < 0:
            return _row(self._of_sets(owner, sets, goes, top), zoom.skip, path)
        name = self._name(sets, zoom.of_set)
        return _row(
            self._of_set(owner, sets, goes, zoom.of_set), zoom.skip, [*path, (name, (-2 - owner, zoom.of_set, 0))]
        )

    def _of(self, owner: int) -> SharedSets:
        """Return the sets of a place; those of the last place are kept."""
        if owner not in self._sets:
            self._sets = {owner: shared_sets(self._what_if.snapshot, owner)}
        return self._sets[owner]

    def _of_sets(self, owner: int, sets: SharedSets, goes: NDArray[np.bool_], top: str) -> _Parts:
        freed = self._what_if.snapshot.graph.size[sets.nodes] * goes[sets.nodes]
        sums = np.add.reduceat(freed, sets.start[:-1]) if len(sets.bytes) else sets.bytes
        here = -2 - owner
        return _Parts(
            top, sets.bytes, sums, lambda i: (NO_PLACE, self._name(sets, i), (here, i, 0)), SEVERAL, (here, -1)
        )

    def _of_set(self, owner: int, sets: SharedSets, goes: NDArray[np.bool_], which: int) -> _Parts:
        nodes, first = sets.nodes_of(which), len(self._what_if.tree.parent)
        size = self._what_if.snapshot.graph.size[nodes]

        def shape(i: int) -> tuple[int, str, Target | None]:
            return first + int(nodes[i]), self._words.blob(int(nodes[i])), None

        return _Parts(self._name(sets, which), size, size * goes[nodes], shape, BLOB, (-2 - owner, which))

    def _name(self, sets: SharedSets, which: int) -> str:
        members = sets.members_of(which)
        shown = [self._words.short(place) for place in members[:MEMBERS].tolist()]
        more = len(members) - NAMED
        return f"{join_some(shown[:NAMED], NAMED)}{f' and {more:,} more' if more > 0 else ''}"


def _row(parts: _Parts, skip: int, crumbs: list[Crumb]) -> Drawn:
    """Return a block and its parts in one row: those wide enough, or a page of them, and the others as one."""
    whole, number = int(parts.width.sum()), len(parts.width)
    first = min(skip, max(0, number - 1))
    wide = int(np.count_nonzero(parts.width >= max(1.0, LEAST * whole)))
    is_page = first > 0 or not wide
    last = min(number, first + PAGE if is_page else wide)
    if is_page:
        whole = int(parts.width[first:last].sum())
        crumbs.append((f"{first + 1:,} to {last:,} of {number:,}", (*parts.at, first)))
    freed = int(parts.freed[first:last].sum() if is_page else parts.freed.sum())
    shapes = [Shape(0, 0.0, 1.0, whole, freed, SEVERAL, parts.at[0], parts.top)]
    left = 0.0
    for i in range(first, last):
        label, name, zoom = parts.shape(i)
        width = int(parts.width[i]) / max(1, whole)
        shapes.append(Shape(1, left, width, int(parts.width[i]), int(parts.freed[i]), parts.kind, label, name, zoom))
        left += width
    if last < number:
        shapes.append(_smaller(parts, last, 0.0 if is_page else 1 - left))
    noun = "set" if parts.kind == SEVERAL else "blob"
    return Drawn(f"{count(number, noun)}: they go only if all that keep them are dropped", crumbs, told_apart(shapes))


def _smaller(parts: _Parts, last: int, width: float) -> Shape:
    """Return the block for the parts from `last` on; on a page it has a row of its own."""
    size, freed = int(parts.width[last:].sum()), int(parts.freed[last:].sum())
    name = f"{len(parts.width) - last:,} smaller"
    level, left, wide = (1, 1 - width, width) if width else (2, 0.0, 1.0)
    return Shape(level, left, wide, size, freed, SMALLER, NO_PLACE, name, (*parts.at, last))
