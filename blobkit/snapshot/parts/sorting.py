"""Sort the links of a store beyond the memory: put them in files by ranges of sources, then sort each range."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blobkit.snapshot.packing import sorted_links
from blobkit.snapshot.references import LINK_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Links = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int8]]

__all__ = ["by_source"]

AT_ONCE = 1 << 21
"""The number of links that are sorted at once, about."""
MOST = 256
"""The most files that are open at once."""
_STEP = 1 << 10
"""A range of sources is a multiple of so many."""
_LINK = np.dtype([("source", np.int32), ("target", np.int32), ("kind", np.int8)])


class _Range(NamedTuple):
    """Links whose sources are below `end`, and not in the range before."""

    end: int
    path: Path


def by_source(links: Callable[[], Iterator[Links]], nodes: int, place: Path) -> Iterator[Links]:
    """Yield links as a set, by source, target and kind; `links` yields them in any order, each time it is called.

    `place` is a directory for files, which are removed. Memory: about 40 bytes for each of 2M links; more if a few
    sources have more, or there are more than 500M. Cost: each link is written and read once.
    """
    ends = _ends(links(), nodes)
    if len(ends) == 1:
        yield _set(np.concatenate([_rows(*some) for some in links()] or [np.empty(0, _LINK)]), nodes)
        return
    ranges = [_Range(end, place / f"links-{at}") for at, end in enumerate(ends)]
    _distribute(links(), ranges)
    for one in ranges:
        found = np.fromfile(one.path, _LINK)
        one.path.unlink()
        yield _set(found, nodes)


def _ends(links: Iterator[Links], nodes: int) -> list[int]:
    """Return the ends of ranges of sources that have about as many links each."""
    number = np.zeros(nodes // _STEP + 1, np.int64)
    for source, _, _ in links:
        number += np.bincount(source // _STEP, minlength=len(number))
    total = number.cumsum()
    each = max(AT_ONCE, -(-int(total[-1]) // MOST))
    wanted = np.arange(each, int(total[-1]), each)
    ends = np.unique(np.searchsorted(total, wanted) + 1) * _STEP
    return [*ends[ends < nodes].tolist(), nodes]


def _distribute(links: Iterator[Links], ranges: list[_Range]) -> None:
    """Write each link into the file of its range."""
    ends = np.array([one.end for one in ranges])
    with ExitStack() as opened:
        files = [opened.enter_context(one.path.open("wb")) for one in ranges]
        for some in links:
            rows = _rows(*some)
            place = np.searchsorted(ends, rows["source"], "right")
            order = np.argsort(place, kind="stable")
            cuts = np.searchsorted(place[order], np.arange(len(ranges) + 1))
            for at, file in enumerate(files):
                if cuts[at] < cuts[at + 1]:
                    rows[order[cuts[at] : cuts[at + 1]]].tofile(file)


def _rows(source: NDArray[np.int32], target: NDArray[np.int32], kind: NDArray[np.int8]) -> NDArray[np.void]:
    rows = np.empty(len(source), _LINK)
    rows["source"], rows["target"], rows["kind"] = source, target, kind
    return rows


def _set(rows: NDArray[np.void], nodes: int) -> Links:
    """Return links as a sorted set."""
    return sorted_links((rows["source"], rows["target"], rows["kind"]), nodes, len(LINK_KINDS))
