"""Sort the links of a store beyond the memory: put them in files by ranges of sources, then sort each range."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blobkit.snapshot.packing import sorted_links
from blobkit.snapshot.references import LINK_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    Ids = NDArray[np.signedinteger]
    Links = tuple[Ids, Ids, NDArray[np.signedinteger]]
    """Sources, targets, kinds."""

__all__ = ["LinkSpool"]

AT_ONCE = 1 << 21
"""The number of links that are sorted at once, about."""
MOST = 256
"""The most files that are open at once."""
STEP = 1 << 10
"""A range of sources is a multiple of so many."""
PIECE = 1 << 16
"""Links that are moved at once."""


class _Range(NamedTuple):
    """Links whose sources are below `end`, and not in the range before."""

    end: int
    path: Path


class LinkSpool:
    """Links between so many nodes, in any order, in a file of a directory; `sorted` yields them as a sorted set.

    Memory: about 40 bytes for each of 2M links; more if a few sources have more, or there are more than 500M. Each link
    is written and read twice, once if there are few.
    """

    def __init__(self, place: Path, nodes: int) -> None:
        self._place, self._nodes = place, nodes
        number = np.int32 if nodes <= np.iinfo(np.int32).max else np.int64
        self._row = np.dtype([("source", number), ("target", number), ("kind", np.int8)])
        self._path = place / "links.spool"
        self._count = np.zeros(nodes // STEP + 1, np.int64)

    def fill(self, links: Iterator[Links]) -> None:
        """Write all links into the file."""
        with self._path.open("wb") as file:
            for source, target, kind in links:
                rows = np.empty(len(source), self._row)
                rows["source"], rows["target"], rows["kind"] = source, target, kind
                rows.tofile(file)
                self._count += np.bincount(source // STEP, minlength=len(self._count))

    def sorted(self) -> Iterator[Links]:
        """Yield the links by source, target and kind, each once; remove the file."""
        ranges = [_Range(end, self._place / f"links-{at}.spool") for at, end in enumerate(self._ends())]
        if len(ranges) == 1:
            self._path.rename(ranges[0].path)
        else:
            self._distribute(ranges)
            self._path.unlink()
        for one in ranges:
            rows = np.fromfile(one.path, self._row)
            one.path.unlink()
            yield sorted_links((rows["source"], rows["target"], rows["kind"]), self._nodes, len(LINK_KINDS))

    def _ends(self) -> list[int]:
        """Return the ends of ranges of sources that have about as many links each."""
        total = self._count.cumsum()
        each = max(AT_ONCE, -(-int(total[-1]) // MOST))
        wanted = np.arange(each, int(total[-1]), each)
        ends = np.unique(np.searchsorted(total, wanted) + 1) * STEP
        return [*ends[ends < self._nodes].tolist(), self._nodes]

    def _distribute(self, ranges: list[_Range]) -> None:
        """Write each link into the file of its range."""
        ends = np.array([one.end for one in ranges])
        with ExitStack() as opened:
            files = [opened.enter_context(one.path.open("wb", buffering=0)) for one in ranges]
            for rows in self._pieces():
                place = np.searchsorted(ends, rows["source"], "right")
                order = np.argsort(place, kind="stable")
                cuts = np.searchsorted(place[order], np.arange(len(ranges) + 1))
                for at, file in enumerate(files):
                    if cuts[at] < cuts[at + 1]:
                        rows[order[cuts[at] : cuts[at + 1]]].tofile(file)

    def _pieces(self) -> Iterator[NDArray[Any]]:
        with self._path.open("rb") as file:
            while len(rows := np.fromfile(file, self._row, PIECE)):
                yield rows
