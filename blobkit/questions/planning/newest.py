"""The newest images of each repository: the rule of `keep_last`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.integer]

__all__ = ["UNRANKED", "image_ranks"]

UNRANKED = -1


def image_ranks(repository: Ints, image: Ints, modified: Ints, dated: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each name the rank of its image among those of its repository: 0 for the newest, UNRANKED if unknown.

    `repository`, `image`: codes. Names come sorted; of equal times the last name is the newest. An image is as new as
    its newest dated name, and all its names have its rank. Cost: a sort of the names.
    """
    place = np.flatnonzero(dated)
    order = place[np.lexsort((-place, -modified[place].astype(np.int64), repository[place]))]
    code, several = _pairs(repository, image)
    _, first = np.unique(code[order], return_index=True)
    first = np.sort(first)
    repositories = repository[order][first]
    begin = np.flatnonzero(np.diff(repositories, prepend=-1))
    rank_of = np.full(several, UNRANKED, np.int64)
    number = np.diff(np.append(begin, len(first)))
    rank_of[code[order[first]]] = np.arange(len(first)) - np.repeat(begin, number)
    return rank_of[code]


def _pairs(one: Ints, two: Ints) -> tuple[NDArray[np.int64], int]:
    """Return a code for each different pair, and how many there are."""
    different, code = np.unique(one.astype(np.int64) << 32 | two.astype(np.int64), return_inverse=True)
    return code, len(different)
