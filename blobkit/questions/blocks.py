"""Blocks of an icicle: places in rows, each as wide as the bytes that go if it alone is dropped. Plain numbers.

A place is the store, a namespace, a repository or a tag. It keeps alone the blobs of its children and the blobs that
several of them keep together; these are a block of their own, beside the children.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.owner_kernels import placed
from blobkit.analysis.tree import RANKS
from blobkit.render import count
from blobkit.snapshot.sets import add_amounts, where

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

__all__ = ["BLOB", "LEVELS", "NAMELESS", "PAGE", "PLACE", "SEVERAL", "SMALLER", "Block", "Places", "blocks"]

PLACE, SEVERAL, BLOB, SMALLER, NAMELESS = "place", "several", "blob", "smaller", "nameless"
"""The kinds of blocks: a place; the blobs that several of its children keep; a blob; children that are too narrow to
show; the blobs that pins without a name keep."""

PARTS, LEVELS, PAGE = 300, 4, 60
"""Blocks are at least this part of the width, in so many rows; so many are shown where all are narrower."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block from byte `x`, of `width` bytes, of which `freed` go in the preview; `level` 0 is the place zoomed to.

    `kind` and `place` (a place, for a blob its node) say where to zoom. For SMALLER, `within` and `place` are the kind
    and place of the block above, and `number` is the `skip` that shows them. Else `number` is how many children a place
    has, or how many blobs are in the block.
    """

    level: int
    x: int
    width: int
    freed: int
    kind: str
    place: int
    name: str
    number: int
    within: str = ""


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of a block, widest first: places or blobs (`kind`), by number, with their bytes and freed bytes."""

    kind: str
    ids: NDArray[np.integer]
    width: Ints
    freed: Ints

    def cut(self, first: int, last: int) -> _Parts:
        """Return some of them."""
        return _Parts(self.kind, self.ids[first:last], self.width[first:last], self.freed[first:last])


@dataclass(frozen=True, eq=False)
class Places:
    """The places of a store: children have smaller numbers than their parent `up`, the store is last (its own parent).

    `rank` is an index into RANKS; `label` the place that alone keeps each node (-1: none does), `size` its bytes.
    `name` gives the short name of a place, `blob` the name of a node. A namespace that is the only child is passed
    over, and so is such a place in `plain`: the repository of names without one.
    """

    up: NDArray[np.int32]
    rank: NDArray[np.int8]
    label: NDArray[np.int32]
    size: Ints
    name: Callable[[int], str]
    blob: Callable[[int], str]
    plain: frozenset[int] = frozenset()

    @property
    def store(self) -> int:
        """The place of the whole store."""
        return len(self.up) - 1

    @cached_property
    def own(self) -> Ints:
        """The bytes that each place keeps, and no child of it alone."""
        return self.freed(np.arange(len(self.label), dtype=np.int32))

    @cached_property
    def whole(self) -> Ints:
        """The bytes that go if a place alone is dropped."""
        return self.summed(self.own)

    def summed(self, own: Ints) -> Ints:
        """Return figures of places with those of all places below them. Cost: places."""
        found = own.copy()
        for level in self._levels:
            np.add.at(found, self.up[level], found[level])
        return found

    def freed(self, nodes: NDArray[np.int32]) -> Ints:
        """Return the bytes of these nodes by the place that alone keeps them."""
        found = np.zeros(len(self.up), np.int64)
        add_amounts(found, self.label, self.size, nodes)
        return found

    def children(self, place: int) -> NDArray[np.int32]:
        """Return the places directly below one, those that keep most first; a single namespace is passed over."""
        found, only = self._children(place), self._passed_over(place)
        if not only:
            return found
        found = np.concatenate((found[found != only[0]], self._children(only[-1])))
        return found[np.argsort(-self.whole[found], kind="stable")]

    def several(self, place: int) -> list[int]:
        """Return the places whose `own` bytes several children of this one keep: itself, and those passed over."""
        return [*self._passed_over(place)[::-1], place]

    def together(self, place: int) -> str:
        """Return the name of what several children of a place keep: `kept by several tags`."""
        ranks = self.rank[self.children(place)]
        rank = RANKS[ranks[ranks != RANKS.index(NAMELESS)].max(initial=0)]
        return f"kept by several {count(2, rank).partition(' ')[2]}"

    def nodes(self, place: int) -> NDArray[np.int32]:
        """Return the nodes that this place keeps, and no child of it alone, the biggest first."""
        start, every = self._by_label
        nodes = every[start[place] : start[place + 1]]
        if place not in self._in_order:
            nodes[:] = nodes[np.argsort(-self.size[nodes], kind="stable")]
            self._in_order.add(place)
        return nodes

    def number(self, place: int) -> int:
        """Return how many nodes this place keeps, and no child of it alone."""
        start, _ = self._by_label
        return int(start[place + 1] - start[place])

    def _passed_over(self, place: int) -> list[int]:
        """Return the places below one that are passed over, from top to bottom; one without children is not."""
        found: list[int] = []
        while True:
            below = self._children(found[-1] if found else place)
            below = below[self.rank[below] != RANKS.index(NAMELESS)]
            only = int(below[0]) if len(below) == 1 else -1
            if only < 0 or (self.rank[only] != RANKS.index("namespace") and only not in self.plain):
                return found
            if not len(self._children(only)):
                return found
            found.append(only)

    def _children(self, place: int) -> NDArray[np.int32]:
        order, start = self._below
        below = order[start[place] : start[place + 1]]
        found: NDArray[np.int32] = below[(self.rank[below] != RANKS.index(NAMELESS)) | (self.whole[below] > 0)]
        return found

    @cached_property
    def _levels(self) -> list[NDArray[np.int32]]:
        """The places by their distance from the store, the farthest first, without the store."""
        depth, at = np.zeros(len(self.up), np.int32), np.arange(len(self.up), dtype=np.int32)
        while (at != self.store).any():
            depth += at != self.store
            at = self.up[at]
        return [where(depth == level) for level in range(int(depth.max()), 0, -1)]

    @cached_property
    def _below(self) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        below = np.arange(self.store, dtype=np.int32)
        order = below[np.lexsort((-self.whole[:-1], self.up[:-1]))]
        return order, np.searchsorted(self.up[order], np.arange(len(self.up) + 1))

    @cached_property
    def _by_label(self) -> tuple[Ints, NDArray[np.int32]]:
        """The nodes by the place that keeps them; those of a place are sorted when they are first asked for."""
        return placed(self.label, len(self.up))

    @cached_property
    def _in_order(self) -> set[int]:
        """The places with sorted nodes."""
        return set()


def blocks(  # noqa: PLR0913 (where to look, and how finely)
    places: Places,
    freed: NDArray[np.int32] | None = None,
    *,
    zoom: tuple[str, int] | None = None,
    parts: int = PARTS,
    levels: int = LEVELS,
    skip: int = 0,
    shared: bool = True,
) -> list[Block]:
    """Return the blocks of `levels` rows below a block, given as its kind and place (None: the store), top to bottom.

    `freed`: the nodes that go in a preview. Children narrower than one of `parts` are one block, "n smaller". `skip`:
    without so many of the widest children; then, or if all children are too narrow, the next 60 are shown, and the
    first block has their bytes only. `shared` False: without the blobs that several children keep. In each row, the
    parts of a block add up to its width. Cost: the places and nodes once, then the blocks.
    """
    return _Layout(places, freed, parts, levels).made(zoom or (PLACE, places.store), skip, shared=shared)


class _Layout:
    def __init__(self, places: Places, freed: NDArray[np.int32] | None, parts: int, levels: int) -> None:
        gone = np.empty(0, np.int32) if freed is None else freed
        self.places, self.parts, self.levels = places, parts, levels
        self.gone = np.zeros(len(places.size), np.bool_)
        self.gone[gone] = True
        self.own = places.freed(gone)
        self.whole = places.summed(self.own)

    def made(self, zoom: tuple[str, int], skip: int, *, shared: bool) -> list[Block]:
        top = self._block(0, 0, *zoom)
        kids, several = self._kids(top), self._several(top) if shared else []
        if not shared and zoom[0] == PLACE and len(kids.ids):
            top = _resized(top, kids)
        least = max(1, -(-top.width // self.parts))
        narrow = len(kids.ids) > 0 and max([int(kids.width[0]), *(part.width for part in several)]) < least
        if skip or narrow:
            kids, several = kids.cut(skip, skip + PAGE), []
            name = f"{top.name}: {skip + 1:,} to {skip + len(kids.ids):,} of {top.number:,}"
            top = _resized(top, kids, name if len(kids.ids) < top.number else "")
            least = 1
        found, waiting = [top], self._row(top, kids, several, least)
        while waiting:
            found += waiting
            below = [part for part in waiting if part.kind in {PLACE, SEVERAL, NAMELESS}]
            deep = waiting[0].level + 1 >= self.levels
            waiting = [] if deep else [new for part in below for new in self._parts(part, least)]
        return found

    def _parts(self, block: Block, least: int) -> list[Block]:
        return self._row(block, self._kids(block), self._several(block), least)

    def _row(self, above: Block, kids: _Parts, several: Sequence[Block], least: int) -> list[Block]:
        """Return the children that are wide enough, those that are not as one block, then what several keep."""
        wide = int(np.searchsorted(-kids.width, -least, "right"))
        found, x = [], above.x
        for one in kids.ids[:wide].tolist():
            found.append(self._block(above.level + 1, x, kids.kind, one))
            x += found[-1].width
        rest = kids.cut(wide, len(kids.ids))
        if rest.width.any():
            width, freed = int(rest.width.sum()), int(rest.freed.sum())
            name = f"{len(rest.ids):,} smaller"
            found.append(Block(above.level + 1, x, width, freed, SMALLER, above.place, name, wide, above.kind))
            x += width
        for part in several:
            found.append(self._moved(part, above.level + 1, x))
            x += part.width
        return found

    def _moved(self, part: Block, level: int, x: int) -> Block:
        return Block(level, x, part.width, part.freed, part.kind, part.place, part.name, part.number)

    def _block(self, level: int, x: int, kind: str, one: int) -> Block:
        places = self.places
        if kind == BLOB:
            size = int(places.size[one])
            return Block(level, x, size, size * int(self.gone[one]), BLOB, one, places.blob(one), 1)
        if kind == SEVERAL:
            return self._held(level, x, one)
        rank = RANKS[places.rank[one]]
        kids = places.children(one)
        number = len(kids) or places.number(one)
        figures = int(places.whole[one]), int(self.whole[one])
        return Block(level, x, *figures, NAMELESS if rank == NAMELESS else PLACE, one, places.name(one), number)

    def _held(self, level: int, x: int, place: int) -> Block:
        """Return the block of what several children of a place keep."""
        name, number = self.places.together(place), self.places.number(place)
        return Block(level, x, int(self.places.own[place]), int(self.own[place]), SEVERAL, place, name, number)

    def _several(self, block: Block) -> list[Block]:
        if block.kind != PLACE or not len(self.places.children(block.place)):
            return []
        made = (self._held(0, 0, place) for place in self.places.several(block.place))
        return [part for part in made if part.width]

    def _kids(self, block: Block) -> _Parts:
        """Return the children of a place; the blobs of a tag, and of what several keep."""
        places = self.places
        ids = places.children(block.place) if block.kind == PLACE else np.empty(0, np.int32)
        if len(ids):
            return _Parts(PLACE, ids, places.whole[ids], self.whole[ids])
        if block.kind == BLOB:
            return _Parts(BLOB, ids, ids.astype(np.int64), ids.astype(np.int64))
        nodes = places.nodes(block.place)
        return _Parts(BLOB, nodes, places.size[nodes], places.size[nodes] * self.gone[nodes])


def _resized(top: Block, kids: _Parts, name: str = "") -> Block:
    """Return the block with the bytes of these parts only."""
    width, freed = int(kids.width.sum()), int(kids.freed.sum())
    return Block(0, 0, width, freed, top.kind, top.place, name or top.name, top.number)
