"""Use what an earlier scan of the same store found: blobs that did not change need not be read again.

A blob did not change if its size, time of modification (ns) and inode are as they were when its hash was checked. A
blob that was modified shortly before a scan is not trusted by the next one: it may have changed again within the tick
of the file system's clock.
"""

from __future__ import annotations

import time
from array import array
from itertools import compress, repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blobkit.digest import Digest
from blobkit.log import log
from blobkit.scanners import cachefile
from blobkit.scanners.cachefile import Columns
from blobkit.scanners.columns import Digests
from blobkit.scanners.files import PlainFiles
from blobkit.scanners.pending import Parts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from blobkit.oci.documents import Document
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.registries.prefixes import Prefix

__all__ = ["HASH", "NO_DOCUMENT", "VERIFIED", "Recall", "Recalled", "RecalledFiles", "Stamps"]

VERIFIED, NO_DOCUMENT = 1, 2
"""Flags of a blob: its hash was checked; it is no manifest or index."""
HASH = 32
CONTENT, CONTENTS = 1 << 18, 1 << 26
"""Bytes of the longest document that is kept as it is, and of all of these together."""
COLUMNS = {
    "hash": "u1",
    **dict.fromkeys(("size", "modified"), "<i8"),
    "inode": "<u8",
    "flags": "u1",
    "doc_key": "<i4",
    "doc_type": "<i4",
    "doc_created": "<i8",
    "doc_first": "<i8",
    "ref_key": "<i4",
    "ref_size": "<i8",
    "ref_type": "<i4",
    "config_key": "<i4",
    "config_platform": "<i4",
    "config_created": "<i8",
    "config_first": "<i8",
    "diff": "u1",
    "raw_key": "<i4",
    "raw_first": "<i8",
    "raw": "u1",
}
"""The columns of a cache file. `hash` (32 bytes each) is sorted; `_key` are its rows, `_first` are starts of ranges."""
BY_KEY = ("size", "modified", "inode", "flags")
RANGES = {
    "doc_first": ("doc_key", "ref_key", 1),
    "config_first": ("config_key", "diff", HASH),
    "raw_first": ("raw_key", "raw", 1),
}
"""For each column of starts: a column of the same rows, the column of the ranges, the bytes of one of its items."""
TEXTS = {"types": ("doc_type", "ref_type"), "platforms": ("config_platform",)}


class Recalled(NamedTuple):
    """A plain manifest of an earlier scan: its media type, the time that it claims, and its rows of references."""

    recall: Recall
    media_type: str
    created: int
    first: int
    end: int


class Stamps:
    """The blobs of this scan that are regular files alone in their directory: size, time (ns) and inode of each."""

    def __init__(self) -> None:
        self.digests: list[Digest] = []
        self.size, self.modified, self.inode = array("q"), array("q"), array("Q")

    def add(self, prefix: Prefix) -> None:
        """Add the blobs of a prefix."""
        self.digests += prefix.digests
        self.size.extend(prefix.sizes)
        self.modified.extend(prefix.modified)
        self.inode.extend(prefix.inodes)


class Recall:
    """Facts of an earlier scan, in `known`, and what of them is still true after `compare`; nothing unless `trusted`.

    `unchanged`: blobs whose hash was checked, and that did not change. `kept`: documents of unusual form that this scan
    read. `is_new`: this scan found something that is not in `known`.
    """

    def __init__(self, facts: Facts, path: Path, *, trusted: bool = True) -> None:
        self.facts, self.path, self.trusted = facts, path, trusted
        self.begun = time.time_ns()
        self.known = _checked(cachefile.read(path))
        self.stamps = Stamps()
        self.unchanged, self.no_document = Digests(facts.ids), Digests(facts.ids)
        self.kept: dict[Digest, bytes] = {}
        self.is_new = False
        whole = self.known.arrays["hash"].tobytes().hex()
        self.keys = [Digest(f"sha256:{whole[at : at + 2 * HASH]}") for at in range(0, len(whole), 2 * HASH)]
        self._nodes = np.empty(0, np.int32)
        self._documents: dict[str, int] = {}
        self._raw: dict[str, int] = {}
        self._room = CONTENTS

    def usual(self, label: str, prefix: str) -> Mapping[str, Digest]:
        """Return the blobs below a prefix that were alone in their directory, as regular files, by name, sorted."""
        if label != "sha256":
            return {}
        first = self.known.arrays["hash"][::HASH]
        rows = slice(*np.searchsorted(first, [int(prefix, 16), int(prefix, 16) + 1]).tolist())
        stamped = compress(self.keys[rows], (self.known.arrays["inode"][rows] != 0).tolist())
        return {digest[7:]: digest for digest in stamped}

    def compare(self) -> None:
        """Find what of the earlier scan is still true; all blobs must have been listed."""
        known, stamps, ids = self.known.arrays, self.stamps, self.facts.ids
        row_of = dict(zip(self.keys, range(len(self.keys)), strict=True))
        self._nodes = np.fromiter(map(ids.get, self.keys, repeat(-1)), np.int32, len(self.keys))
        row = np.fromiter(map(row_of.get, stamps.digests, repeat(-1)), np.int64, len(stamps.digests))
        same = row >= 0
        for name in ("size", "modified", "inode"):
            now = np.frombuffer(getattr(stamps, name), COLUMNS[name])
            same[same] &= known[name][row[same]] == now[same]
        self.is_new = not same.all() or len(row) != np.count_nonzero(known["inode"])
        true = np.zeros(len(row_of), np.bool_)
        true[row[same]] = self.trusted
        verified = true & (known["flags"] & VERIFIED != 0)
        self.unchanged.add_nodes(self._nodes[verified])
        self.no_document.add_nodes(self._nodes[true & (known["flags"] & NO_DOCUMENT != 0)])
        self._documents, self._raw = (self._places(name, verified) for name in ("doc_key", "raw_key"))
        log.info("%d of %d blobs did not change since an earlier scan", np.count_nonzero(verified), len(row))

    def _places(self, name: str, verified: NDArray[np.bool_]) -> dict[str, int]:
        """Return the place of each digest in a column of keys, of unchanged blobs only."""
        keys = self.known.arrays[name]
        places = np.flatnonzero(verified[keys])
        return {self.keys[key]: place for key, place in zip(keys[places].tolist(), places.tolist(), strict=True)}

    def document(self, digest: Digest) -> Recalled | None:
        """Return a plain manifest that did not change."""
        place = self._documents.get(digest)
        if place is None:
            return None
        known = self.known.arrays
        first, end = known["doc_first"][place : place + 2].tolist()
        media_type = self.known.texts["types"][known["doc_type"][place]]
        return Recalled(self, media_type, int(known["doc_created"][place]), first, end)

    def parts(self, found: Recalled) -> Parts:
        """Return the descriptors of a manifest."""
        rows = slice(found.first, found.end)
        keys, sizes, codes = (self.known.arrays[name][rows] for name in ("ref_key", "ref_size", "ref_type"))
        nodes: NDArray[np.int32] = self._nodes[keys]
        if nodes.min(initial=0) < 0:
            nodes = np.array([self.facts.node(self.keys[key]) for key in keys.tolist()], np.int32)
            self._nodes[keys] = nodes
        types = self.known.texts["types"]
        named = [types[code] for code in codes.tolist()]
        return Parts(array("i", nodes.tobytes()), sizes.tolist(), named, self.keys[keys[0]])

    def configs(self) -> NDArray[np.int32]:
        """Return the node of each config in the columns `config_...`, -1 if it may have changed."""
        nodes: NDArray[np.int32] = self._nodes[self.known.arrays["config_key"]].copy()
        nodes[~np.isin(nodes, self.unchanged.nodes())] = -1
        return nodes

    def content(self, digest: Digest) -> bytes | None:
        """Return the content of a document of unusual form that did not change; None if it is not kept."""
        place = self._raw.get(digest)
        if place is None:
            return self.kept.get(digest)
        first, end = self.known.arrays["raw_first"][place : place + 2].tolist()
        return self.known.arrays["raw"][first:end].tobytes()

    def keep(self, digest: Digest, content: bytes | None) -> None:
        """Keep the content of a document of unusual form for the next scan."""
        if content is None or len(content) > min(CONTENT, self._room):
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


def _checked(found: Columns | None) -> Columns:
    """Return the columns of an earlier scan; empty ones if there are none, or they contradict each other."""
    empty = Columns({name: np.zeros(int(name.endswith("_first")), dtype) for name, dtype in COLUMNS.items()})
    empty.texts = {name: [] for name in TEXTS}
    if found is None or not _fits(found):
        return empty
    return found


def _fits(found: Columns) -> bool:
    """Return whether all columns are there, and every number that is a place is one."""
    arrays, texts = found.arrays, found.texts
    if any(name not in arrays or arrays[name].dtype != np.dtype(dtype) for name, dtype in COLUMNS.items()):
        return False
    keys, odd = divmod(len(arrays["hash"]), HASH)
    by_key = [len(arrays[name]) == keys for name in BY_KEY]
    within = [_within(arrays[name], keys) for name in COLUMNS if name.endswith("_key")]
    coded = [_within(arrays[name], len(texts.get(text, ()))) for text, names in TEXTS.items() for name in names]
    ranges = [
        len(arrays[first]) == len(arrays[key]) + 1
        and arrays[first][0] == 0
        and bool((np.diff(arrays[first]) >= 0).all())
        and arrays[first][-1] * width == len(arrays[target])
        for first, (key, target, width) in RANGES.items()
    ]
    rows = {
        part: {len(arrays[name]) for name in COLUMNS if name.startswith(f"{part}_") and not name.endswith("_first")}
        for part in ("doc", "ref", "config", "raw")
    }
    same = [len(lengths) == 1 for lengths in rows.values()]
    has_parts = bool((np.diff(arrays["doc_first"]) > 0).all())
    return not odd and all([has_parts, *by_key, *within, *coded, *ranges, *same])


def _within(column: NDArray[np.integer], length: int) -> bool:
    return not len(column) or bool(column.min() >= 0 and column.max() < length)
