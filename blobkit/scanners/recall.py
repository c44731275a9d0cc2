"""Use what an earlier scan of the same store found: blobs that did not change need not be read again.

A blob did not change if its size, time of modification (ns) and inode are as they were when its hash was checked. A
blob that was modified shortly before a scan is not trusted by the next one: it may have changed again within the tick
of the file system's clock. Small blobs that are new, or changed, are read here too, many at once: a first scan is a
second one to which nothing is known.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blobkit.log import log
from blobkit.scanners import cachefile
from blobkit.scanners.cacheform import TICK, checked
from blobkit.scanners.columns import Digests
from blobkit.scanners.files import PlainFiles
from blobkit.scanners.hashes import HASH, HashTable, texts_of
from blobkit.scanners.recalleddirectories import RecalledDirectories
from blobkit.scanners.recalledlinks import RecalledLinks
from blobkit.scanners.registries.reading import NO_DOCUMENT, VERIFIED
from blobkit.scanners.sheets import NO_CONFIGS, NO_HASHES, NO_MANIFESTS, NONE, Configs, Manifests, Names, coded
from blobkit.snapshot.sets import ranges

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from blobkit.digest import Digest
    from blobkit.oci.documents import Document
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.hashes import Hashes
    from blobkit.scanners.registries.reading import Contents

__all__ = ["Recall", "RecalledFiles", "Stamps"]

CONTENT, CONTENTS = 1 << 18, 1 << 26
"""Bytes of the longest document that is kept as it is, and of all of these together."""


class Stamps(NamedTuple):
    """Blobs that are regular files alone in their directory: node, size, time (ns) and inode; `row`: in the cache."""

    node: NDArray[np.integer]
    hash: Hashes
    size: NDArray[np.integer]
    modified: NDArray[np.integer]
    inode: NDArray[np.integer]
    row: NDArray[np.integer]


NO_STAMPS = Stamps(NONE, NO_HASHES, NONE, NONE, NONE.astype(np.uint64), NONE)


class Recall:
    """Facts of an earlier scan, in `known`, and what of them is still true after `finish`; nothing unless `trusted`.

    `unchanged`: blobs whose hash was checked, and that did not change. `manifests`, `configs`: plain ones that did not
    change, or that this scan read. `kept`: documents of unusual form that this scan read. `links`, `directories`: what
    is no blob. `is_new`: this scan found something that is not in `known`.
    """

    def __init__(self, facts: Facts, path: Path | None, *, trusted: bool = True) -> None:
        self.facts, self.path, self.trusted = facts, path, trusted
        self.begun = time.time_ns()
        self.known = checked(None if path is None else cachefile.read(path))
        self.links = RecalledLinks(self.known, self.begun, trusted=trusted, is_kept=path is not None)
        self.directories = RecalledDirectories(self.known, self.begun, trusted=trusted, is_kept=path is not None)
        self.unchanged, self.no_document = Digests(facts.ids), Digests(facts.ids)
        self.names = Names(facts)
        self.manifests, self.configs = NO_MANIFESTS, NO_CONFIGS
        self.kept: dict[Digest, bytes] = {}
        self.is_new = False
        self.stamps = NO_STAMPS
        self._keys = HashTable(self.known.arrays["hash"].reshape(-1, HASH))
        self._listed: list[Stamps] = []
        self._manifests: list[tuple[Manifests, Hashes]] = []
        self._configs: list[Configs] = []
        self._raw: dict[str, int] = {}
        self._odd: dict[int, bytes] = {}
        self._room = CONTENTS

    def knows_any(self) -> bool:
        """Return whether an earlier scan has found anything that may still be true."""
        return self.trusted and len(self._keys.hashes) > 0

    def part(self, prefix: str) -> tuple[int, int]:
        """Return the first row, and the end of the rows, of known digests that begin with these two digits."""
        return self._keys.part(int(prefix, 16), int(prefix, 16) + 1)

    def stamped(self, first: int, end: int) -> str:
        """Return the sorted names of those known ones that were files alone in their directory, as one text."""
        rows = first + np.flatnonzero(self.known.arrays["inode"][first:end])
        return self._keys.hashes[rows].tobytes().hex()

    def match(self, stamps: Stamps, first: int, end: int) -> Stamps:
        """Return the same blobs with the rows of those that did not change, of some rows; -1 for all others."""
        known, row = self.known.arrays, self._keys.find(stamps.hash, first, end)
        if first < end:
            for name in ("size", "modified", "inode"):
                row[known[name][row] != getattr(stamps, name)] = -1
        self.is_new |= bool((row < 0).any())
        return stamps._replace(row=row)

    def are_old(self, modified: array[int]) -> bool:
        """Return whether none of these times (ns) is so young that its file is not remembered."""
        return max(modified, default=0) < self.begun - TICK

    def is_sure(self, row: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Return for which of these rows the hash was checked; not for -1."""
        flags = self.known.arrays["flags"]
        if not self.trusted or not len(flags):
            return np.zeros(len(row), np.bool_)
        sure: NDArray[np.bool_] = (row >= 0) & (flags[row] & VERIFIED != 0)
        return sure

    def add(self, nodes: NDArray[np.int32], stamps: Stamps | None, contents: Contents | None) -> None:
        """Add blobs that were listed: nodes, stamps of those with a sha256 digest, and contents that were read."""
        if stamps is not None:
            kept = {} if self.path is not None else {"size": NONE, "modified": NONE, "inode": NO_STAMPS.inode}
            self._listed.append(stamps._replace(node=nodes, **kept))
        if contents is not None:
            self._add_contents(nodes, contents)

    def _add_contents(self, nodes: NDArray[np.int32], found: Contents) -> None:
        column = {name: np.frombuffer(values, values.typecode) for name, values in found.columns.items()}
        self.facts.checked.add_nodes(nodes[column["read_row"]])
        self.no_document.add_nodes(nodes[column["read_row"][column["read_flags"] & NO_DOCUMENT != 0]])
        types, platforms = self.facts.media_type, self.facts.platform
        doc_type, ref_type = (coded(types, found.texts["types"], column[name]) for name in ("doc_type", "ref_type"))
        platform = coded(platforms, found.texts["platforms"], column["config_platform"])
        doc, config = nodes[column["doc_row"]], nodes[column["config_row"]]
        ref, diff = (column[name].reshape(-1, HASH) for name in ("ref", "diff"))
        count, unknown = column["doc_count"], np.full(len(ref), -1)
        parts = ref[np.cumsum(count) - count], unknown, column["ref_size"], ref_type
        self._manifests.append((Manifests(doc, doc_type, column["doc_created"], count, *parts), ref))
        self._configs.append(Configs(config, platform, column["config_created"], column["config_count"], diff))
        self._add_odd(nodes, column)

    def _add_odd(self, nodes: NDArray[np.int32], column: dict[str, NDArray[np.integer]]) -> None:
        """Keep documents of unusual form until they are asked for."""
        data, end = column["odd"].tobytes(), np.cumsum(column["odd_size"]).tolist()
        for node, size, last in zip(nodes[column["odd_row"]].tolist(), column["odd_size"].tolist(), end, strict=True):
            if size <= self._room:
                self._room -= size
                self._odd[node] = data[last - size : last]

    def finish(self) -> None:
        """Find what of the earlier scan is still true; all blobs must have been added."""
        known = self.known.arrays
        self.stamps = Stamps(*map(np.concatenate, zip(NO_STAMPS, *self._listed, strict=True)))
        row, is_same = self.stamps.row, self.stamps.row >= 0
        self.is_new |= len(row) != np.count_nonzero(known["inode"])
        node, sure, true = np.full(len(known["flags"]), -1), *np.zeros((2, len(known["flags"])), np.bool_)
        node[row[is_same]] = self.stamps.node[is_same]
        sure[row[self.is_sure(row)]] = True
        true[row[is_same]] = self.trusted
        self.unchanged.add_nodes(node[sure])
        self.no_document.add_nodes(node[true & (known["flags"] & NO_DOCUMENT != 0)])
        named = self.names.resolved(node, self._keys.hashes)
        manifests = [self._known_manifests(named, sure), *self._fresh_manifests()]
        self.manifests = Manifests(*map(np.concatenate, zip(*manifests, strict=True)))
        configs = [self._known_configs(named, sure), *self._configs]
        self.configs = Configs(*map(np.concatenate, zip(*configs, strict=True)))
        self._places(sure)
        self._listed, self._manifests, self._configs = [], [], []
        log.info("%d of %d blobs did not change since an earlier scan", np.count_nonzero(sure), len(row))

    def _known_manifests(self, named: NDArray[np.int32], sure: NDArray[np.bool_]) -> Manifests:
        known = self.known.arrays
        rows = np.flatnonzero(sure[known["doc_key"]])
        inner = ranges(known["doc_first"][rows], known["doc_first"][rows + 1])
        code = partial(coded, self.facts.media_type, self.known.texts["types"])
        return Manifests(
            named[known["doc_key"][rows]],
            code(known["doc_type"][rows]),
            known["doc_created"][rows],
            np.diff(known["doc_first"])[rows],
            self._keys.hashes[known["ref_key"][known["doc_first"][rows]]],
            named[known["ref_key"][inner]],
            known["ref_size"][inner],
            code(known["ref_type"][inner]),
        )

    def _fresh_manifests(self) -> Iterator[Manifests]:
        """Yield the manifests that were read, with the nodes of their descriptors."""
        table = HashTable(self.stamps.hash)
        nodes = np.append(self.stamps.node, np.int32(-1))  # the last one is that of the row -1
        for found, ref in self._manifests:
            yield found._replace(ref=self.names.resolved(nodes[table.find(ref)], ref))

    def taken_configs(self) -> Configs:
        """Return the configs, which are not kept here any longer."""
        found, self.configs = self.configs, NO_CONFIGS
        return found

    def _known_configs(self, named: NDArray[np.int32], sure: NDArray[np.bool_]) -> Configs:
        known = self.known.arrays
        rows = np.flatnonzero(sure[known["config_key"]])
        inner = ranges(known["config_first"][rows], known["config_first"][rows + 1])
        return Configs(
            named[known["config_key"][rows]],
            coded(self.facts.platform, self.known.texts["platforms"], known["config_platform"][rows]),
            known["config_created"][rows],
            np.diff(known["config_first"])[rows],
            known["diff"].reshape(-1, HASH)[inner],
        )

    def _places(self, sure: NDArray[np.bool_]) -> None:
        """Remember the place of each document of unusual form that did not change."""
        keys = self.known.arrays["raw_key"]
        places = np.flatnonzero(sure[keys])
        self._raw = dict(zip(texts_of(self._keys.hashes[keys[places]]), places.tolist(), strict=True))

    def content(self, digest: Digest) -> bytes | None:
        """Return the content of a document of unusual form that did not change, or was just read; None for others."""
        place = self._raw.get(digest)
        if place is None:
            return self.kept.get(digest) or self._odd.get(self.facts.ids[digest])
        first, end = self.known.arrays["raw_first"][place : place + 2].tolist()
        return self.known.arrays["raw"][first:end].tobytes()

    def keep(self, digest: Digest, content: bytes | None) -> None:
        """Keep the content of a document of unusual form for the next scan."""
        if self.path is None or content is None or len(content) > min(CONTENT, self._room):
            return
        self.is_new |= digest not in self._raw
        self._room -= len(content)
        self.kept[digest] = content


class RecalledFiles(PlainFiles):
    """Blob files that are not opened if an earlier scan kept what matters of them."""

    def __init__(self, facts: Facts, root: str, path: Callable[[Digest], str], recall: Recall) -> None:
        super().__init__(facts, root, path)
        self.recall = recall
        self._last: bytes | None = None

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return up to `limit` bytes of a stored blob; OSError if it cannot be read."""
        self._last = None
        known = self.recall.content(digest)
        self._last = super().read(digest, limit) if known is None else known[:limit]
        return self._last

    def peek(self, digest: Digest) -> Document | None:
        """Return the document in a blob that no descriptor names, as `Files.peek` does."""
        if digest in self.recall.no_document:
            return None
        self._last = b""
        found = super().peek(digest)
        if found is not None:
            self.recall.keep(digest, self._last)
        elif self._last is not None:  # else it could not be read
            self.recall.no_document.add(digest)
            self.recall.is_new = True
        return found
