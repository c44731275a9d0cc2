"""Save the facts of a scan in parts, a piece after the other: they need not be in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.log import log
from blobkit.scanners.columns import view
from blobkit.scanners.scanned import node_columns
from blobkit.scanners.spaces.space import in_order
from blobkit.snapshot.kinds import STORES, policy_of
from blobkit.snapshot.parts import batching
from blobkit.snapshot.parts.sorting import LinkSpool
from blobkit.snapshot.parts.writing import Batches, write

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    import pyarrow as pa
    from numpy.typing import NDArray

    from blobkit.scanners.facts import Facts
    from blobkit.scanners.scanned import Scanned
    from blobkit.snapshot.parts.sorting import Links

__all__ = ["save"]

ROWS = 1 << 16
"""The rows of a batch."""


def save(found: Scanned, directory: Path) -> tuple[int, int]:
    """Write all facts into a directory, in parts (`blobkit.snapshot.parts`); return the stored blobs and their bytes.

    Errors: as `blobkit.snapshot.parts.writing.write`. Memory: four bytes a node, eight a pin, and a batch.
    """
    rule = policy_of(found.kind, found.policy or "", found.address)
    meta = {"kind": found.kind, "address": found.address, "time": found.time.isoformat(), "policy": rule.name}
    disk: dict[str, object] = {} if found.disk is None else {"disk": found.disk.to_meta()}
    facts = found.facts
    rank = np.empty(len(facts.ids), np.int32)
    pins = (batching.pins(columns) for columns in _pins(facts, rank))
    notices = [batching.notices(facts.notices)]
    batches = Batches(_nodes(facts, rank), _links(facts, rank, directory), pins, notices)
    parts = write(directory, batches, meta | disk, STORES[found.kind])
    blobs, size = found.totals()
    rows = (blobs, sum(parts.links), sum(parts.pins), sum(parts.notices))
    log.info("%s: %d blobs, %d links, %d pins, %d notices; policy %s", found.address, *rows, rule.name)
    return blobs, size


def _nodes(facts: Facts, rank: NDArray[np.int32]) -> Iterator[pa.Table]:
    """Yield the nodes by key; write the place of each into `rank`."""
    begin, disk = 0, facts.has_disk()
    for keys, numbers in in_order(facts.ids, ROWS):
        nodes = np.array(numbers, np.int64)
        rank[nodes] = np.arange(begin, begin + len(nodes), dtype=np.int32)
        begin += len(nodes)
        yield batching.nodes({"key": keys, **node_columns(facts, nodes, disk=disk)})


def _links(facts: Facts, rank: NDArray[np.int32], directory: Path) -> Iterator[pa.Table]:
    """Yield the links by source; `rank` is complete when the first one is asked for."""
    spool = LinkSpool(directory, len(rank))
    spool.fill(_ranked(facts, rank))
    for source, target, kind in spool.sorted():
        for at in range(0, len(source), ROWS):
            rows = slice(at, at + ROWS)
            yield batching.links(source[rows], target[rows], kind[rows])


def _ranked(facts: Facts, rank: NDArray[np.int32]) -> Iterator[Links]:
    """Yield the links as ranks of nodes, in the order in which they were recorded."""
    source, target, kind = (view(column) for column in (*facts.links[:2], facts.links[2].codes))
    for at in range(0, len(source), ROWS):
        rows = slice(at, at + ROWS)
        yield rank[source[rows]], rank[target[rows]], kind[rows].astype(np.int8)


def _pins(facts: Facts, rank: NDArray[np.int32]) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the pins by node; on each node by name."""
    node = rank[view(facts.pins.node)]
    order = np.argsort(node, kind="stable")
    begin = 0
    while begin < len(order):
        last = node[order[begin : begin + ROWS][-1]]
        end = int(np.searchsorted(node, last, "right", sorter=order))
        yield _pin_columns(facts, node, order[begin:end])
        begin = end


def _pin_columns(facts: Facts, node: NDArray[np.int32], rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Return the columns of these pins, by node and name; those without a name keep their order."""
    pins = facts.pins
    names = {row: pins.name[row] for row in rows.tolist()}
    ordered = np.array(sorted(names, key=lambda row: (node[row], names[row] or "")), np.int64)
    return {
        "node": node[ordered],
        "name": np.array([names[row] for row in ordered.tolist()], object),
        "kind": view(pins.kind.codes)[ordered].astype(np.int8),
        "group": np.array([pins.group[row] for row in ordered.tolist()], object),
        "count": view(pins.count)[ordered].copy(),
        "modified": view(pins.modified)[ordered].copy(),
    }
