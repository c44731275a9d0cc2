"""Many targets at once: those that are plain names of one thing each are looked up together, in one pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import ALGORITHMS
from blobkit.snapshot.lookups import plain_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["in_turn"]

MANY = 100
"""Targets from which on names are looked up together: below, a search for each is faster than hashing all names."""
_ODD = re.compile(rf"(?:tag|digest):.*|(?:(?:{'|'.join(ALGORITHMS)}):)?[0-9a-f]+", re.DOTALL)
"""What may stand for something else than the name that it is."""


def in_turn(snapshot: Snapshot, texts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], NDArray[np.int64] | None]]:
    """Yield all texts, in order: as many as are plain names with all their pins, then the others with None, and so on.

    A plain name is the name of one thing, and neither a digest, nor the start of one, nor forced to be a name.
    """
    if len(texts) < MANY:
        yield texts, None
        return
    plain, rows, whose = plain_names(snapshot, texts)
    plain[[i for i, text in enumerate(texts) if _ODD.fullmatch(text)]] = False
    ends = [*(np.flatnonzero(plain[1:] != plain[:-1]) + 1).tolist(), len(texts)]
    for first, last in zip([0, *ends], ends, strict=False):
        yield texts[first:last], rows[slice(*np.searchsorted(whose, (first, last)))] if plain[first] else None
