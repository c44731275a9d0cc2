"""The icicle as the page draws it: `blobkit.questions.blocks` in shares of the width, with names and targets.

Two things are added. What several keep opens into sets (`set_picture.py`). And if that is most of what is shown, it
shrinks to a strip at the right, so that the rest can be seen; the title says how much it stands for.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from blobkit.analysis.tree import NO_PLACE
from blobkit.questions.blocks import BLOB, NAMELESS, PLACE, SEVERAL, SMALLER, Places, blocks
from blobkit.render import human_bytes
from blobkit.views.explorer.protocol import RequestError, Zoom
from blobkit.views.explorer.set_picture import SetPictures
from blobkit.views.explorer.shapes import Drawn, Shape, told_apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.questions.blocks import Block
    from blobkit.questions.what_if import WhatIf
    from blobkit.views.explorer.shapes import Crumb
    from blobkit.views.explorer.words import Words

__all__ = ["Picture"]

BLOCKS_MOST, PARTS_LEAST = 80, 8
LAYOUTS = ((4, 4), (8, 4), (16, 4), (16, 3), (16, 2))
"""The least pixels of a block, and the rows, from the finest layout to the coarsest."""
STRIP_ABOVE, STRIP = 0.6, 0.13
"""The share of what several keep above which it shrinks to a strip, and the width of that."""
NEARLY_ALL = 0.995
WIDTH = "width: bytes that go if it alone is dropped"


class Picture:
    """The icicles of one store."""

    def __init__(self, what_if: WhatIf, words: Words) -> None:
        self._what_if, self._words, self._tree = what_if, words, what_if.tree
        self._sets = SetPictures(what_if, words)
        self.places = _places(what_if, words)

    def check(self, zoom: Zoom) -> None:
        """Check that there is such a place, and such a set; RequestError. Sets do not depend on ticks."""
        label = self._tree.store if zoom.label is None else zoom.label
        if not -2 - self._tree.store <= label <= self._tree.store or label == NO_PLACE:
            msg = f"there is no place {label:,} in the picture"
            raise RequestError(msg)
        if label < 0:
            self._sets.check(-2 - label, zoom.of_set)

    def drawn(self, zoom: Zoom, pixels: int) -> Drawn:
        """Return the picture below a label; RequestError if there is no such label or set."""
        self.check(zoom)
        label = self._tree.store if zoom.label is None else zoom.label
        owner = -2 - label
        if label < 0 and owner != self._tree.nameless:
            return self._sets.drawn(owner, zoom, self._what_if.now.gone, self._chain(owner))
        return self._of_place(owner if label < 0 else label, zoom, pixels)

    def _of_place(self, place: int, zoom: Zoom, pixels: int) -> Drawn:
        kind = NAMELESS if place == self._tree.nameless else PLACE
        several = self._several(place) if kind == PLACE and not zoom.skip else []
        share = sum(int(self.places.own[one]) for one in several) / max(1, int(self.places.whole[place]))
        is_narrow = share > STRIP_ABOVE
        found = self._few(place, kind, zoom.skip, pixels, shared=not is_narrow)
        shapes = self._shapes(found)
        if is_narrow:
            shapes = self._with_strips(place, shapes, several)
        title = self._title(place, share, several[-1]) if is_narrow else WIDTH
        return Drawn(title, self._crumbs(place, zoom, found[0].number), shapes)

    def _several(self, place: int) -> list[int]:
        """Return the places whose own bytes several children of this one keep."""
        if not len(self.places.children(place)):
            return []
        return [one for one in self.places.several(place) if self.places.own[one]]

    def _few(self, place: int, kind: str, skip: int, pixels: int, *, shared: bool) -> list[Block]:
        """Return blocks that are not too many: the finest of a few layouts, else the coarsest."""
        found: list[Block] = []
        for divisor, levels in LAYOUTS:
            parts, zoom = max(PARTS_LEAST, pixels // divisor), (kind, place)
            found = blocks(
                self.places, self._what_if.now.gone, zoom=zoom, parts=parts, levels=levels, skip=skip, shared=shared
            )
            if len(found) <= BLOCKS_MOST:
                break
        return found

    def _shapes(self, found: Sequence[Block]) -> list[Shape]:
        whole = max(1, found[0].width)
        return told_apart(self._shape(block, whole) for block in found)

    def _shape(self, block: Block, whole: int) -> Shape:
        label, several = self._label(block), f"kept by {self._words.owner(block.place)}"
        name = several if block.kind == SEVERAL else block.name
        zoom = None
        if block.kind == SMALLER:
            zoom = (-2 - block.place if block.within in {SEVERAL, NAMELESS} else block.place, -1, block.number)
        elif block.kind != BLOB and block.level:
            zoom = (label, -1, 0)
        share = block.x / whole, block.width / whole
        return Shape(block.level, *share, block.width, block.freed, block.kind, label, name, zoom)

    def _label(self, block: Block) -> int:
        if block.kind == BLOB:
            return len(self._tree.parent) + block.place
        if block.kind == SMALLER:
            return NO_PLACE
        return -2 - block.place if block.kind in {SEVERAL, NAMELESS} else block.place

    def _with_strips(self, place: int, shapes: list[Shape], several: Sequence[int]) -> list[Shape]:
        """Return the shapes narrowed, and strips for what several keep at the right of them."""
        gone = self.places.freed(self._what_if.now.gone)
        whole, freed = int(self.places.whole[place]), int(self.places.summed(gone)[place])
        own = 1 - STRIP if len(shapes) > 1 else 0.0
        found = [replace(shapes[0], bytes=whole, freed=freed, name=self._words.short(place))]
        found += [replace(one, left=one.left * own, width=one.width * own) for one in shapes[1:]]
        width = (1 - own) / len(several)
        for i, one in enumerate(several):
            name, label = f"kept by {self._words.owner(one)}", -2 - one
            size = int(self.places.own[one]), int(gone[one])
            found.append(Shape(1, own + i * width, width, *size, f"{SEVERAL} strip", label, name, (label, -1, 0)))
        return found

    def _title(self, place: int, share: float, owner: int) -> str:
        shown = "over 99 %" if share > NEARLY_ALL else f"{100 * share:.0f} %"
        whole = human_bytes(int(self.places.whole[place]))
        return f"{shown} of {whole} is kept by {self._words.owner(owner)} (the strip); {WIDTH}"

    def _crumbs(self, place: int, zoom: Zoom, number: int) -> list[Crumb]:
        found = self._chain(place)
        if place != self._tree.store:
            found.append(self._crumb(place))
        if zoom.skip:
            found.append((f"{zoom.skip + 1:,} on, of {number:,}", (self._target(place), -1, zoom.skip)))
        return found

    def _chain(self, place: int) -> list[Crumb]:
        """Return the crumbs above a place."""
        above, at = [], place
        while at != self._tree.store:
            at = int(self._tree.parent[at])
            above.append(at)
        return [("everything", None), *(self._crumb(at) for at in above[-2::-1] if at not in self._passed)]

    @cached_property
    def _passed(self) -> frozenset[int]:
        """The places without a crumb: a single namespace, and the repository of names without one."""
        tree = self._tree
        only = range(tree.first_namespace, tree.nameless if len(tree.namespaces) == 1 else tree.first_namespace)
        return self.places.plain | frozenset(only)

    def _crumb(self, place: int) -> Crumb:
        return self._words.short(place), (self._target(place), -1, 0)

    def _target(self, place: int) -> int:
        return -2 - place if place == self._tree.nameless else place


def _places(what_if: WhatIf, words: Words) -> Places:
    tree = what_if.tree
    size = what_if.snapshot.graph.size
    return Places(tree.parent, tree.rank, what_if.start.owner, size, words.short, words.blob, tree.plain)
