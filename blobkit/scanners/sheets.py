"""Plain manifests and image configs in columns: those of an earlier scan that did not change, and those just read."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blobkit.scanners.hashes import HASH, texts_of
from blobkit.snapshot.sets import ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blobkit.digest import Digest
    from blobkit.scanners.columns import Words
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.hashes import Hashes

    Numbers = NDArray[np.integer]

__all__ = ["NONE", "NO_CONFIGS", "NO_HASHES", "NO_MANIFESTS", "Configs", "Manifests", "Names", "coded"]


OF_REF = 5
"""The first column of descriptors."""


class Manifests(NamedTuple):
    """Plain manifests: node, number of the media type, claimed time, the config's hash, how many descriptors (`parts`).

    The descriptors follow one another, the config of a manifest first: node, size, number of the media type.
    """

    node: Numbers
    type: Numbers
    created: Numbers
    parts: Numbers
    config: Hashes
    ref: Numbers
    ref_size: Numbers
    ref_type: Numbers

    def take(self, rows: NDArray[np.int64], first: NDArray[np.int64]) -> Manifests:
        """Return these manifests; `first` is where the descriptors of each one of all begin."""
        inner = ranges(first[rows], first[rows] + self.parts[rows])
        return Manifests(*[column[rows if at < OF_REF else inner] for at, column in enumerate(self)])


class Configs(NamedTuple):
    """Image configs: node, number of the platform, time, and how many diffIDs (`parts`) in `diff`."""

    node: Numbers
    platform: Numbers
    created: Numbers
    parts: Numbers
    diff: Hashes


class Names:
    """Turns hashes into nodes. A digest that has no node yet is a negative number, until `nodes` makes one for it."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._absent: list[Digest] = []

    def resolved(self, nodes: Numbers, hashes: Hashes) -> NDArray[np.int32]:
        """Return the nodes, with a number for the digest of each that is -1."""
        found = nodes.astype(np.int32)
        rows = np.flatnonzero(nodes < 0)
        texts = list(texts_of(hashes[rows]))
        known = np.fromiter(map(self.facts.ids.get, texts, repeat(-1)), np.int32, len(texts))
        new = np.flatnonzero(known < 0)
        known[new] = -1 - len(self._absent) - np.arange(len(new), dtype=np.int32)
        self._absent += [texts[row] for row in new.tolist()]
        found[rows] = known
        return found

    def nodes(self, found: Numbers) -> NDArray[np.int32]:
        """Return nodes, made now where there are none."""
        nodes = found.astype(np.int32)
        rows = np.flatnonzero(nodes < 0)
        nodes[rows] = [self.facts.node(self._absent[-1 - number]) for number in nodes[rows].tolist()]
        return nodes


def coded(words: Words, texts: Sequence[str], codes: Numbers) -> NDArray[np.int32]:
    """Return the numbers in a vocabulary for numbers in another one."""
    known = np.array([words.code(text) for text in texts], np.int32)
    return known[codes] if len(codes) else np.empty(0, np.int32)


NO_HASHES = np.empty((0, HASH), np.uint8)
NONE = np.empty(0, np.int64)
NO_MANIFESTS = Manifests(NONE, NONE, NONE, NONE, NO_HASHES, NONE, NONE, NONE)
NO_CONFIGS = Configs(NONE, NONE, NONE, NONE, NO_HASHES)
