"""Read the configs of images: the platform and time that they claim, and the diffIDs of their layers.

Each config is read once. Its diffIDs stay as 32 bytes each, and the layers of a manifest are rows of the links.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import are_sha256
from blobkit.oci.documents import read_config
from blobkit.oci.plain import micros
from blobkit.snapshot.notices import recompressed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from blobkit.digest import Digest
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.files import Files

__all__ = ["Configs"]

HASH = 32
"""Bytes of a diffID."""


class Configs:
    """The claims of the configs that were read, and which layers each image has for its diffIDs."""

    def __init__(self, facts: Facts, files: Files) -> None:
        self.facts, self.files = facts, files
        self._row: dict[int, int] = {}
        self._platform, self._created = array("i"), array("q")
        self._hashes = bytearray()
        self._first, self._count = array("q"), array("i")
        self._images: tuple[array[int], array[int]] = array("i"), array("q")
        self._others: dict[int, tuple[Digest, ...]] = {}

    def claim(self, manifest: int, config: int, digest: Digest, inline: bytes | None, layers: tuple[int, int]) -> None:
        """Record the claims of a manifest's config about both; `layers`: the rows of links to its layers."""
        row = self._row.get(config)
        if row is None:
            row = self._row[config] = self._read(digest, inline)
        self._record(manifest, row)
        self._record(config, row)
        first, end = layers
        if self._count[row] == end - first:
            self._images[0].append(row)
            self._images[1].append(first)

    def _record(self, node: int, row: int) -> None:
        facts = self.facts
        if self._platform[row]:
            facts.platform.codes[node] = self._platform[row]
        if facts.created[node] < 0:
            facts.created[node] = self._created[row]

    def _read(self, digest: Digest, inline: bytes | None) -> int:
        """Read a config; return its row."""
        config = read_config((inline if inline is not None else self.files.whole(digest)) or b"")
        row = len(self._created)
        self._platform.append(self.facts.platform.code(config.platform))
        self._created.append(micros(config.created))
        self._first.append(len(self._hashes) // HASH)
        self._count.append(len(config.diff_ids))
        if are_sha256(config.diff_ids):
            self._hashes += bytes.fromhex("".join([one[7:] for one in config.diff_ids]))
        elif config.diff_ids:
            self._others[row] = config.diff_ids
        return row

    def record_twins(self) -> None:
        """Record layers with the same content, compressed differently (one diffID, several digests)."""
        layers: dict[str, set[int]] = defaultdict(set)
        for diff_id, layer in (*self._suspects(), *self._other_pairs()):
            layers[diff_id].add(layer)
        keys = list(self.facts.ids) if layers else []
        for diff_id, nodes in sorted(layers.items()):
            stored = sorted(keys[node] for node in nodes if self.facts.stored[node] == "yes")
            if len(stored) > 1:
                self.facts.notice("recompressed", recompressed(diff_id, stored), diff_id)

    def _suspects(self) -> Iterator[tuple[str, int]]:
        """Yield diffIDs with their layers, where several layers have a diffID that begins with the same eight bytes."""
        config, first = (np.frombuffer(column, np.dtype(column.typecode)) for column in self._images)
        plain = np.flatnonzero(~np.isin(config, np.fromiter(self._others, np.int32)))
        config, first = config[plain], first[plain]
        count = np.frombuffer(self._count, np.int32)[config]
        diff = _ranges(np.frombuffer(self._first, np.int64)[config], count)
        layer = np.frombuffer(self.facts.links[1], np.int32)[_ranges(first, count)]
        start = np.frombuffer(bytes(self._hashes), np.int64).reshape(-1, HASH // 8)[:, 0][diff]
        order = np.argsort(start, kind="stable")
        start, layer = start[order], layer[order]
        twins = (start[1:] == start[:-1]) & (layer[1:] != layer[:-1])
        for row in np.flatnonzero(np.isin(start, start[1:][twins])).tolist():
            at = int(diff[order[row]]) * HASH
            yield "sha256:" + self._hashes[at : at + HASH].hex(), int(layer[row])

    def _other_pairs(self) -> Iterable[tuple[str, int]]:
        """Yield the diffIDs that are no sha256 digests, with their layers."""
        for row, first in zip(*self._images, strict=True):
            diff_ids = self._others.get(row, ())
            yield from zip(diff_ids, self.facts.links[1][first : first + len(diff_ids)], strict=True)


def _ranges(first: NDArray[np.int64], count: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the numbers of all ranges with these first numbers and lengths, one after the other."""
    before = np.cumsum(count) - count
    return np.repeat(first - before, count) + np.arange(int(count.sum()))
