"""Remember the link files of a registry: which digest each contained, and its stamps."""

from __future__ import annotations

from itertools import compress, pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blobkit.scanners.cachefile import Columns
from blobkit.scanners.cacheform import STAMPS, TICK
from blobkit.scanners.hashes import HASH, texts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.digest import Digest
    from blobkit.scanners.spaces.space import Keys

__all__ = ["RecalledLinks"]

AGES = [1, 5]
"""The columns of stamps that are times of modification, in ns."""


class KnownFolder(NamedTuple):
    """The link files of a directory at an earlier scan: names, digests, stamps."""

    names: list[str]
    digests: list[Digest]
    stamps: NDArray[np.uint64]

    def unchanged(self, names: list[str], stamps: NDArray[np.uint64]) -> list[Digest | None]:
        """Return the digest of each of these links that did not change; None for others."""
        rows = range(len(self.names))
        if self.names == names:
            same = (self.stamps == stamps).all(axis=1).tolist()
            return [digest if is_same else None for digest, is_same in zip(self.digests, same, strict=True)]
        row_of = dict(zip(self.names, rows, strict=True))
        row = np.array([row_of.get(name, -1) for name in names], np.int64)
        same = ((row >= 0) & (self.stamps[row] == stamps).all(axis=1)).tolist()
        return [self.digests[at] if is_same else None for at, is_same in zip(row.tolist(), same, strict=True)]


NOTHING = KnownFolder([], [], np.empty((0, STAMPS), np.uint64))


class RecalledLinks:
    """The link files that an earlier scan has read (`known`), and those that this one finds.

    `is_kept`: there will be a next scan. `is_new`: this scan has read one. Nothing is believed unless `trusted`.
    """

    def __init__(self, known: Columns, begun: int, *, trusted: bool, is_kept: bool) -> None:
        self.is_kept, self.is_new = is_kept, False
        self._begun, self._known = begun, known
        first = known.arrays["folder_first"].tolist()
        self._folders = dict(zip(known.texts["folders"], pairwise(first), strict=True))
        self._folders = self._folders if trusted else {}
        self._found: list[tuple[str, KnownFolder]] = []

    def folder(self, path: str) -> KnownFolder:
        """Return what an earlier scan found in a directory."""
        if path not in self._folders:
            return NOTHING
        known, rows = self._known.arrays, slice(*self._folders[path])
        hashes = known["hash"].reshape(-1, HASH)[known["link_key"][rows]]
        stamps = known["link_stamp"].reshape(-1, STAMPS)[rows].astype(np.uint64, copy=False)
        return KnownFolder(self._known.texts["names"][rows], list(texts_of(hashes)), stamps)

    def add(
        self, path: str, names: list[str], digests: list[Digest], stamps: NDArray[np.uint64] | None, fresh: int
    ) -> None:
        """Add the links in a directory, of which so many are `fresh`: were read."""
        if self.is_kept and stamps is not None:
            self.is_new |= fresh > 0
            self._found.append((path, KnownFolder(names, digests, stamps)))

    def columns(self, row: NDArray[np.int32], ids: Keys) -> Columns:
        """Return the links that are not young, for the next scan; `row`: of each node."""
        found = Columns(texts={"folders": [path for path, _ in self._found], "names": []})
        keys, stamps, count = [np.empty(0, np.int32)], [NOTHING.stamps], [0]
        for _, folder in self._found:
            key = row[np.array([ids[digest] for digest in folder.digests], np.int64)]
            is_old = (folder.stamps[:, AGES].astype(np.int64).max(axis=1) < self._begun - TICK) & (key >= 0)
            found.texts["names"] += compress(folder.names, is_old.tolist())
            keys.append(key[is_old])
            stamps.append(folder.stamps[is_old])
            count.append(len(keys[-1]))
        found.arrays = {
            "link_key": np.concatenate(keys),
            "link_stamp": np.concatenate(stamps).ravel(),
            "folder_first": np.cumsum(count),
        }
        return found
