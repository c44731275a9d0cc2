"""Look up many targets at once: plain names of one thing each are found together, in one pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import ALGORITHMS
from blobkit.snapshot.lookups import unambiguous_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["in_turn"]

MANY = 100
"""The least number of targets to look up together: for fewer, single searches are faster than hashing all names."""
_ODD = re.compile(rf"(?:tag|digest):.*|(?:(?:{'|'.join(ALGORITHMS)}):)?[0-9a-f]+", re.DOTALL)
"""Texts that may mean something else than a name."""


def in_turn(snapshot: Snapshot, texts: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], NDArray[np.int64] | None]]:
    """Yield all texts, in order, in runs: plain names with all their pins, and other texts with None.

    A plain name is the name of one thing. It is not a digest, not the start of one, and has no `tag:` or `digest:`
    before it.
    """
    if len(texts) < MANY:
        yield texts, None
        return
    plain, rows, whose = unambiguous_names(snapshot, texts)
    plain[[i for i, text in enumerate(texts) if _ODD.fullmatch(text)]] = False
    ends = [*(np.flatnonzero(plain[1:] != plain[:-1]) + 1).tolist(), len(texts)]
    for first, last in zip([0, *ends], ends, strict=False):
        yield texts[first:last], rows[slice(*np.searchsorted(whose, (first, last)))] if plain[first] else None
