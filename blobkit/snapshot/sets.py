"""Sets of numbers as sorted arrays.

numpy's own functions (`np.unique` without indices and all that rest on it) hash since numpy 2.3, which for a million
different numbers takes 2 s, and sorting them 10 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Number = TypeVar("Number", bound=np.integer)

__all__ = ["among", "both", "minus", "union", "unique"]


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
    return found[~among(found, unique(two))]


def both(one: NDArray[Number], two: NDArray[np.integer]) -> NDArray[Number]:
    """Return the numbers that are in both, sorted."""
    found = unique(one)
    return found[among(found, unique(two))]


def among(values: NDArray[np.integer], found: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return which numbers are in a sorted set. Cost: a binary search each; less where they are sorted too."""
    if not len(found):
        return np.zeros(len(values), np.bool_)
    at = np.minimum(np.searchsorted(found, values), len(found) - 1)
    same: NDArray[np.bool_] = found[at] == values
    return same
