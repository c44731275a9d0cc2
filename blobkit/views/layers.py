"""A layered drawing as plain numbers: the order of marks in their layer, and the position of each."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Links", "columns", "stacked"]

Links = tuple[tuple[int, int, int], ...]
"""(source, target, number of links), by position of the marks."""

SWEEPS = 12


def columns(layers: Sequence[int], links: Links, weight: Sequence[int]) -> list[list[int]]:
    """Return the marks of each layer that is used, top to bottom, so that links cross little: barycentre sweeps.

    The heaviest marks start on top. Cost: 12 passes over the links.
    """
    order = sorted(range(len(layers)), key=lambda mark: -weight[mark])
    found = [[mark for mark in order if layers[mark] == layer] for layer in sorted(set(layers))]
    place = {mark: i / len(column) for column in found for i, mark in enumerate(column)}
    near = _neighbours(layers, links)
    for sweep in range(SWEEPS):
        for column in found[:: -1 if sweep % 2 else 1]:
            pull = {mark: fmean(place[other] for other in near[mark]) if near[mark] else place[mark] for mark in column}
            column.sort(key=pull.__getitem__)
            place |= {mark: (i + 0.5) / len(column) for i, mark in enumerate(column)}
    return found


def stacked(found: Sequence[Sequence[int]], links: Links, height: Sequence[float]) -> tuple[dict[int, float], float]:
    """Return the vertical middle of each mark, and the total height: no two marks overlap.

    The tallest column is filled from top to bottom; from there outwards, each mark is as near to the middle of its
    neighbours as the order allows.
    """
    tall = [sum(height[mark] for mark in column) for column in found]
    start = tall.index(max(tall))
    layer_of = {mark: i for i, column in enumerate(found) for mark in column}
    near = _neighbours([layer_of[mark] for mark in range(len(layer_of))], links)
    y: dict[int, float] = {}
    for i in [start, *range(start + 1, len(found)), *range(start - 1, -1, -1)]:
        wanted = {mark: _middle([y[other] for other in near[mark] if other in y], tall[start]) for mark in found[i]}
        y |= _placed(found[i], wanted, height, tall[start])
    return y, tall[start]


def _neighbours(layers: Sequence[int], links: Links) -> list[list[int]]:
    near: list[list[int]] = [[] for _ in layers]
    for source, target, _ in links:
        if layers[source] != layers[target]:
            near[source].append(target)
            near[target].append(source)
    return near


def _middle(ys: Sequence[float], height: float) -> float:
    return fmean(ys) if ys else height / 2


def _placed(
    column: Sequence[int], wanted: Mapping[int, float], height: Sequence[float], room: float
) -> dict[int, float]:
    """Return the positions nearest to the preferred ones, in order and without overlap (pooled neighbours)."""
    blocks: list[tuple[float, float, list[int]]] = []
    for mark in column:
        top, tall, marks = wanted[mark] - height[mark] / 2, height[mark], [mark]
        while blocks and blocks[-1][0] + blocks[-1][1] > top:
            above, over, others = blocks.pop()
            top = (above * len(others) + (top - over) * len(marks)) / (len(others) + len(marks))
            tall, marks = over + tall, others + marks
        blocks.append((top, tall, marks))
    return _inside(blocks, height, room)


def _inside(blocks: Sequence[tuple[float, float, list[int]]], height: Sequence[float], room: float) -> dict[int, float]:
    """Return the middle of each mark after the blocks are moved into the room; together they fit."""
    y: dict[int, float] = {}
    below = sum(tall for _, tall, _ in blocks)
    free = 0.0
    for top, tall, marks in blocks:
        at = min(max(top, free), room - below)
        for mark in marks:
            y[mark] = at + height[mark] / 2
            at += height[mark]
        free, below = at, below - tall
    return y
