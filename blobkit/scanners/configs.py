"""Read the configs of images: the platform and time that they claim, and the diffIDs of their layers.

Each config is read once. Its diffIDs stay as 32 bytes each, and the layers of a manifest are rows of the links.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import are_sha256
from blobkit.oci.documents import read_config
from blobkit.oci.plain import micros
from blobkit.scanners.columns import assign, extend, view
from blobkit.scanners.hashes import HASH, texts_of
from blobkit.scanners.spaces.space import sequence
from blobkit.snapshot.notices import recompressed
from blobkit.snapshot.sets import ranges

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from blobkit.digest import Digest
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.files import Files
    from blobkit.scanners.hashes import Hashes
    from blobkit.scanners.recall import Recall
    from blobkit.scanners.sheets import Configs as Sheet

    Nodes = NDArray[np.integer]

__all__ = ["Configs"]


class Configs:
    """The claims of the configs that were read, and which layers each image has for its diffIDs."""

    def __init__(self, facts: Facts, files: Files, recall: Recall | None = None) -> None:
        self.facts, self.files, self.recall = facts, files, recall
        self._row: dict[int, int] = {}
        self._platform, self._created = array("i"), array("q")
        self._hashes = bytearray()
        self._first, self._count = array("q"), array("i")
        self._images: tuple[array[int], array[int]] = array("i"), array("q")
        self._others: dict[int, tuple[Digest, ...]] = {}
        if recall is not None:
            self._recall(recall.taken_configs())

    def _recall(self, found: Sheet) -> None:
        """Take the claims of configs in columns."""
        extend(self._platform, found.platform)
        extend(self._created, found.created)
        extend(self._first, np.cumsum(found.parts) - found.parts)
        extend(self._count, found.parts)
        self._hashes += found.diff.tobytes()
        self._row = dict(zip(found.node.tolist(), range(len(found.node)), strict=True))

    def columns(self, row: NDArray[np.int32], is_sure: NDArray[np.bool_]) -> dict[str, NDArray[np.integer]]:
        """Return the claims of the sure ones, for the next scan; `row`: of each node."""
        chosen = [(n, own) for n, own in self._row.items() if is_sure[n] and row[n] >= 0 and own not in self._others]
        node, own = np.array(chosen, np.int64).reshape(-1, 2).T
        count = view(self._count)[own]
        first = view(self._first)[own]
        return {
            "config_key": row[node],
            "config_platform": view(self._platform)[own],
            "config_created": view(self._created)[own],
            "config_first": np.append(0, np.cumsum(count)),
            "diff": np.frombuffer(self._hashes, np.uint8).reshape(-1, HASH)[ranges(first, first + count)].reshape(-1),
        }

    def claim(self, manifest: int, config: int, digest: Digest, inline: bytes | None, layers: tuple[int, int]) -> None:
        """Record the claims of a manifest's config about both; `layers`: the rows of links to its layers."""
        row = self._row_of(config, digest, inline)
        self._record(manifest, row)
        self._record(config, row)
        first, end = layers
        if self._count[row] == end - first:
            self._images[0].append(row)
            self._images[1].append(first)

    def claim_many(self, manifests: Nodes, configs: Nodes, hashes: Hashes, first: Nodes, end: Nodes) -> None:
        """Record the claims of the configs of many manifests, as `claim` does.

        `hashes`: those of the configs; `first`, `end`: the rows of links to the layers.
        """
        row = np.fromiter(map(self._row.get, configs.tolist(), repeat(-1)), np.int64, len(configs))
        for at in np.flatnonzero(row < 0).tolist():
            row[at] = self._row_of(int(configs[at]), next(texts_of(hashes[at])), None)
        platform, created, count = (view(column)[row] for column in (self._platform, self._created, self._count))
        facts = self.facts
        for node in (manifests, configs):
            has_platform, is_open = platform != 0, view(facts.created)[node] < 0
            assign(facts.platform.codes, node[has_platform], platform[has_platform])
            assign(facts.created, node[is_open], created[is_open])
        fits = count == end - first
        extend(self._images[0], row[fits])
        extend(self._images[1], first[fits])

    def _row_of(self, config: int, digest: Digest, inline: bytes | None) -> int:
        """Return the row of a config, which is read now if it was not."""
        row = self._row.get(config)
        if row is None:
            row = self._row[config] = self._read(digest, inline)
        return row

    def _record(self, node: int, row: int) -> None:
        facts = self.facts
        if self._platform[row]:
            facts.platform.codes[node] = self._platform[row]
        if facts.created[node] < 0:
            facts.created[node] = self._created[row]

    def _read(self, digest: Digest, inline: bytes | None) -> int:
        """Read a config; return its row."""
        data = (inline if inline is not None else self.files.whole(digest)) or b""
        config = read_config(data)
        row = len(self._created)
        self._platform.append(self.facts.platform.code(config.platform))
        self._created.append(micros(config.created))
        self._first.append(len(self._hashes) // HASH)
        self._count.append(len(config.diff_ids))
        if are_sha256(config.diff_ids):
            self._hashes += bytes.fromhex("".join([one[7:] for one in config.diff_ids]))
        elif config.diff_ids:
            self._others[row] = config.diff_ids
            self._first[row] = 0
        if self.recall is not None:
            self.recall.is_new |= row not in self._others
            self.recall.keep(digest, data if row in self._others else None)
        return row

    def record_twins(self) -> None:
        """Record layers with the same content, compressed differently (one diffID, several digests)."""
        layers: dict[str, set[int]] = defaultdict(set)
        for diff_id, layer in (*self._suspects(), *self._other_pairs()):
            layers[diff_id].add(layer)
        keys = sequence(self.facts.ids) if layers else ()
        for diff_id, nodes in sorted(layers.items()):
            stored = sorted(keys[node] for node in nodes if self.facts.stored[node] == "yes")
            if len(stored) > 1:
                self.facts.notice("recompressed", recompressed(diff_id, stored), diff_id)

    def _suspects(self) -> Iterator[tuple[str, int]]:
        """Yield diffIDs with their layers, where several layers have a diffID that begins with the same eight bytes."""
        config, first = map(view, self._images)
        plain = np.flatnonzero(~np.isin(config, np.fromiter(self._others, np.int32)))
        config, first = config[plain], first[plain]
        count = view(self._count)[config]
        start = view(self._first)[config]
        diff = ranges(start, start + count)
        layer = view(self.facts.links[1])[ranges(first, first + count)]
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
