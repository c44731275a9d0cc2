"""Sets of numbers as sorted arrays, and ranges of numbers.

Since numpy 2.3, `np.unique` without indices, and all functions that use it, hash their input. For a million different
numbers hashing takes 2 s, sorting 10 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Number = TypeVar("Number", bound=np.integer)

__all__ = [
    "add_amounts",
    "among",
    "both",
    "minus",
    "narrow",
    "pieces",
    "ranges",
    "rows_where",
    "starts",
    "union",
    "unique",
    "where",
]

_PIECE = 1 << 16
"""Numbers that are handled at once where a step needs room for more than its result: they fit into a cache."""


def unique(values: NDArray[Number]) -> NDArray[Number]:
    """Return the different numbers, sorted."""
    found = np.sort(values, axis=None)
    if not len(found):
        return found
    first = np.empty(len(found), np.bool_)
    first[0] = True
    np.not_equal(found[1:], found[:-1], out=first[1:])
    return found[first]


def union(one: NDArray[Number], two: NDArray[Number]) -> NDArray[Number]:
    """Return the numbers that are in either, sorted."""
    return unique(np.concatenate((one, two)))


def minus(one: NDArray[Number], two: NDArray[np.integer]) -> NDArray[Number]:
    """Return the numbers that are in the first and not in the second, sorted."""
    found = unique(one)
    return found[~among(found, unique(two))] if len(found) else found


def both(one: NDArray[Number], two: NDArray[np.integer]) -> NDArray[Number]:
    """Return the numbers that are in both, sorted."""
    found = unique(one)
    return found[among(found, unique(two))] if len(found) else found


def among(values: NDArray[np.integer], found: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which numbers are in a sorted set. Cost: a binary search for each; less if they are sorted too."""
    if not len(found):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(found, values), len(found) - 1)
    same: NDArray[np.bool_] = found[at] == values
    return same


def narrow(values: NDArray[np.int64]) -> NDArray[np.integer]:
    """Return the same numbers, in half of the room if they fit."""
    return values.astype(np.int32) if not len(values) or values.max() < 1 << 31 else values


def ranges(first: NDArray[np.integer], last: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the integers from each first up to, but without, each last."""
    number = last - first
    shift: NDArray[np.int64] = np.repeat(first - (np.cumsum(number) - number), number)
    return np.arange(len(shift)) + shift


def starts(values: NDArray[np.integer], end: int) -> NDArray[np.int32]:
    """Return where the rows of each number below `end` begin, in rows sorted by these numbers; last, where all end."""
    found = np.zeros(end + 1, np.int32)
    np.cumsum(np.bincount(values, minlength=end), out=found[1:])
    return found


def pieces(number: int) -> Iterator[slice]:
    """Yield slices that together cover so many rows."""
    for start in range(0, number, _PIECE):
        yield slice(start, min(start + _PIECE, number))


def rows_where(number: int, test: Callable[[slice], NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Return the rows, of so many, that a test of a slice of rows finds. Memory: the rows found, and a piece."""
    found = (np.flatnonzero(test(piece)) + piece.start for piece in pieces(number))
    return np.concatenate([np.empty(0, np.int64), *found])


def where(mask: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return the nodes of a mask, sorted: `flatnonzero` with narrow numbers, and without room for wide ones."""
    found, tail = np.empty(np.count_nonzero(mask), np.int32), 0
    for piece in pieces(len(mask)):
        part = np.flatnonzero(mask[piece])
        np.add(part, piece.start, out=found[tail : tail + len(part)], casting="unsafe")
        tail += len(part)
    return found


def add_amounts(
    totals: NDArray[np.int64],
    place: NDArray[np.integer],
    amount: NDArray[np.integer] | NDArray[np.bool_],
    some: NDArray[np.integer],
    sign: int = 1,
) -> None:
    """Add `amount[i]`, for each i of `some`, to the total of `place[i]`, if that is not negative. Memory: a piece."""
    for piece in pieces(len(some)):
        at = place[some[piece]]
        inside = at >= 0
        np.add.at(totals, at[inside], sign * amount[some[piece][inside]].astype(np.int64))
