"""Save what a scan found for the next scan of the same store (`blobkit.scanners.recall`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import are_sha256
from blobkit.log import log
from blobkit.scanners import cachefile
from blobkit.scanners.cachefile import Columns
from blobkit.scanners.cacheform import COLUMNS, TICK
from blobkit.scanners.registries.reading import NO_DOCUMENT, VERIFIED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.scanners.documents import Documents
    from blobkit.scanners.recall import Recall

__all__ = ["remember"]

LENGTH = 71


def remember(recall: Recall, documents: Documents) -> None:
    """Write the facts of a scan, unless an earlier scan found the same. Only what was checked is written."""
    if recall.path is None or not (recall.is_new or recall.links.is_new or recall.directories.is_new):
        return
    facts = recall.facts
    keys = sorted(key for key in facts.ids if len(key) == LENGTH and key.startswith("sha256:"))
    if keys and not are_sha256(keys):
        log.warning("the cache is not written: a key looks like a digest, and is not one")
        return
    node = np.fromiter(map(facts.ids.__getitem__, keys), np.int64, len(keys))
    row = np.full(len(facts.ids), -1, np.int32)
    row[node] = np.arange(len(keys), dtype=np.int32)
    found = Columns(texts={"types": facts.media_type.texts, "platforms": facts.platform.texts})
    found.arrays["hash"] = np.frombuffer(bytes.fromhex("".join([key[7:] for key in keys])), np.uint8)
    found.arrays |= _stamps(recall, row, len(keys))
    is_sure = _flag_verified(recall, found, node)
    found.arrays |= documents.columns(row, is_sure)
    found.arrays |= _raw(recall, row, is_sure)
    for more in (recall.links.columns(row, facts.ids), recall.directories.columns()):
        found.texts |= more.texts
        found.arrays |= more.arrays
    found.arrays = {name: found.arrays[name].astype(dtype, copy=False) for name, dtype in COLUMNS.items()}
    cachefile.write(recall.path, found)


def _stamps(recall: Recall, row: NDArray[np.int32], length: int) -> dict[str, NDArray[np.integer]]:
    """Return size, time and inode of each key; 0 where the file may change without a trace."""
    stamps = recall.stamps
    at = row[stamps.node]
    is_old = (at >= 0) & (stamps.modified < recall.begun - TICK)
    columns = {}
    for name in ("size", "modified", "inode"):
        columns[name] = np.zeros(length, COLUMNS[name])
        columns[name][at[is_old]] = getattr(stamps, name)[is_old]
    return columns


def _flag_verified(recall: Recall, found: Columns, node: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Set the flags of each key; return whether the content of each node is what its digest says."""
    facts = recall.facts
    is_sure = np.zeros(len(facts.ids), np.bool_)
    is_sure[facts.checked.nodes()] = True
    is_sure[recall.unchanged.nodes()] = True
    wrong = (key for code, key, _, _ in facts.notices if code == "digest-mismatch")
    is_sure[[facts.ids[key] for key in wrong if key in facts.ids]] = False
    is_other = np.zeros(len(facts.ids), np.bool_)
    is_other[recall.no_document.nodes()] = True
    has_stamp = found.arrays["inode"] != 0
    found.arrays["flags"] = (VERIFIED * is_sure[node] + NO_DOCUMENT * is_other[node]) * has_stamp
    is_sure[node[~has_stamp]] = False
    return is_sure


def _raw(recall: Recall, row: NDArray[np.int32], is_sure: NDArray[np.bool_]) -> dict[str, NDArray[np.integer]]:
    """Return the documents of unusual form as they are."""
    ids = recall.facts.ids
    sure = [(digest, data) for digest, data in recall.kept.items() if is_sure[ids[digest]] and row[ids[digest]] >= 0]
    return {
        "raw_key": row[[ids[digest] for digest, _ in sure]],
        "raw_first": np.cumsum([0, *(len(data) for _, data in sure)]),
        "raw": np.frombuffer(b"".join(data for _, data in sure), np.uint8),
    }
