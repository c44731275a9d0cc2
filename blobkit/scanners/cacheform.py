"""The columns of a scan's cache file, and the checks that every number in them that is a place is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.scanners.cachefile import Columns
from blobkit.scanners.hashes import HASH

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BY_KEY", "COLUMNS", "DIRECTORY_STAMPS", "STAMPS", "TICK", "checked"]

TICK = 2_000_000_000
"""Nanoseconds: a file that is younger than that may change once more without a new time."""
STAMPS = 8
"""Numbers in `link_stamp` for each link file: size, two times and inode of the file, and of its directory."""
DIRECTORY_STAMPS = 3
"""Numbers in `directory_stamp` for each directory: two times, and the inode."""
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
    "link_key": "<i4",
    "link_stamp": "<u8",
    "folder_first": "<i8",
    "directory_stamp": "<i8",
}
"""The columns of a cache file. `hash` (32 bytes each) is sorted; `_key` are its rows, `_first` are starts of ranges."""
BY_KEY = ("size", "modified", "inode", "flags")
RANGES = {
    "doc_first": ("doc_key", "ref_key", 1),
    "config_first": ("config_key", "diff", HASH),
    "raw_first": ("raw_key", "raw", 1),
}
"""For each column of starts: a column of the same rows, the column of the ranges, the bytes of one of its items."""
TEXTS = {
    "types": ("doc_type", "ref_type"),
    "platforms": ("config_platform",),
    "folders": (),
    "names": (),
    "directories": (),
}


def checked(found: Columns | None) -> Columns:
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
        _are_starts(arrays[first], len(arrays[key]), len(arrays[target]) // width)
        for first, (key, target, width) in RANGES.items()
    ]
    links = _are_starts(arrays["folder_first"], len(texts.get("folders", ())), len(arrays["link_key"]))
    stamped = len(texts.get("directories", ())) == len(arrays["directory_stamp"]) / DIRECTORY_STAMPS
    linked = len(texts.get("names", ())) == len(arrays["link_key"]) == len(arrays["link_stamp"]) / STAMPS
    rows = {
        part: {len(arrays[name]) for name in COLUMNS if name.startswith(f"{part}_") and not name.endswith("_first")}
        for part in ("doc", "ref", "config", "raw")
    }
    same = [len(lengths) == 1 for lengths in rows.values()]
    has_parts = bool((np.diff(arrays["doc_first"]) > 0).all())
    return not odd and all([has_parts, links, linked, stamped, *by_key, *within, *coded, *ranges, *same])


def _are_starts(first: NDArray[np.integer], ranges: int, items: int) -> bool:
    """Return whether these are the starts, and the end, of so many ranges, which cover so many items."""
    is_whole = len(first) == ranges + 1 and first[0] == 0 and first[-1] == items
    return bool(is_whole and (np.diff(first) >= 0).all())


def _within(column: NDArray[np.integer], length: int) -> bool:
    return not len(column) or bool(column.min() >= 0 and column.max() < length)
