"""From an index to a saved snapshot in parts, a range of digests after the other: never all of it in memory."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from blobkit.model import LINK_KINDS
from blobkit.replacing import replacing_directory
from blobkit.snapshot.kinds import STORES, policy_of
from blobkit.snapshot.parts import batching
from blobkit.snapshot.parts.layout import SNAPSHOT
from blobkit.snapshot.parts.writing import Batches, write
from blobkit.snapshot.references import LINK_KINDS as ALL_LINK_KINDS
from blobkit.snapshot.streamed import Saved
from blobkit.snapshot.tables import STORED
from blobkit.store.snapshot import kinds_of, pin_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from blobkit.index.ranges import Ranges
    from blobkit.snapshot.disk import Disk
    from blobkit.snapshot.tables import Columns, Notice

    Beside = Callable[[Any, Ranges], tuple[Sequence[Notice], Disk | None]]

__all__ = ["save"]

_CODES = np.array([ALL_LINK_KINDS.index(kind) for kind in LINK_KINDS], np.int8)


class _InRanges(Protocol):
    """A transaction that reads everything in ranges."""

    def ranges(self, place: Path) -> Ranges:
        """Return everything, as numpy columns of one range of digests after the other; `place` is for its files."""
        ...


class _ReadsInRanges(Protocol):
    """An index whose transactions do so."""

    def read(self, question: Callable[[Any], Saved]) -> Saved:
        """Return the answer to a question, inside one read transaction."""
        ...


def save(index: _ReadsInRanges, directory: Path, address: str, policy: str | None, beside: Beside) -> Saved:
    """Write all facts of an index at one moment into a directory, in parts: it appears complete or not at all.

    `beside` returns the notices, and the totals of all files, None if there are none to count. Errors: as
    `replacing_directory` and `write`. Memory: see `blobkit.index.ranges`.
    """
    rule = policy_of("blobkit", policy or "", address)
    meta = {"kind": "blobkit", "address": address, "policy": rule.name}

    def once(tx: _InRanges) -> Saved:
        shutil.rmtree(whole)  # the index asks again if it changed meanwhile
        whole.mkdir()
        ranges = tx.ranges(whole)
        notices, disk = beside(tx, ranges)
        counted: dict[str, object] = {} if disk is None else {"disk": disk.to_meta()}
        now = {"time": datetime.now(UTC).isoformat()}
        write(whole, _batches(ranges, notices), meta | now | counted, STORES["blobkit"])
        return Saved(directory, *ranges.totals(), len(notices))

    with replacing_directory(directory, SNAPSHOT) as whole:
        return index.read(once)


def _batches(ranges: Ranges, notices: Sequence[Notice]) -> Batches:
    links = (batching.links(source, target, _CODES[kind]) for source, target, kind in ranges.links())
    pins = (batching.pins(pin_columns(*found)) for found in ranges.pins())
    return Batches(map(batching.nodes, _nodes(ranges)), links, pins, [batching.notices(notices)])


def _nodes(ranges: Ranges) -> Iterator[Columns]:
    begin = 0
    names = ranges.media_types or [""]
    for digests, sizes, created, media_type, stored in ranges.blobs():
        bits = ranges.positions[begin : begin + len(digests)]
        begin += len(digests)
        yield {
            "key": digests,
            "size": sizes,
            "kind": kinds_of(names, media_type, partial(_with, bits)),
            "media_type": (media_type.astype(np.int32), names),
            "modified": created,
            "stored": np.where(stored, STORED.index("yes"), STORED.index("missing")).astype(np.int8),
        }


def _with(bits: NDArray[np.uint8], kind: int) -> NDArray[np.integer]:
    """Return the rows whose bits have this kind of link, given as the code of a snapshot."""
    return np.flatnonzero(bits & (1 << LINK_KINDS.index(ALL_LINK_KINDS[kind])))
