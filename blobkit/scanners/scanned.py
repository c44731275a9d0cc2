"""All facts of a store that was scanned: a snapshot in memory, or one that is saved without building it first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from blobkit.log import log
from blobkit.render import to_utf8
from blobkit.scanners.columns import numbers, view
from blobkit.snapshot.snapshot import build
from blobkit.snapshot.tables import STORED, exact_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.scanners.facts import Facts
    from blobkit.snapshot.disk import Disk
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Scanned", "completed", "node_columns"]


@dataclass(frozen=True, slots=True)
class Scanned:
    """The facts of a store at one moment, its kind and address, and the policy that was asked for (None: default)."""

    facts: Facts
    kind: str
    address: str
    policy: str | None
    time: datetime
    disk: Disk | None

    def snapshot(self) -> Snapshot:
        """Return a Snapshot of all facts."""
        facts = self.facts
        source, target, kind = facts.links
        return build(
            self.kind,
            self.address,
            nodes={"key": list(facts.ids), **node_columns(facts, slice(len(facts.ids)), disk=facts.has_disk())},
            links={
                "source": numbers(source, len(source)),
                "target": numbers(target, len(target)),
                "kind": kind.column(len(kind)),
            },
            pins=_pin_columns(facts),
            notices=facts.notices,
            policy=self.policy,
            disk=self.disk,
            time=self.time,
        )

    def totals(self) -> tuple[int, int]:
        """Return how many blobs are stored, and their bytes."""
        rows = len(self.facts.ids)
        stored = view(self.facts.stored.codes)[:rows] == STORED.index("yes")
        return int(np.count_nonzero(stored)), exact_sum(np.asarray(view(self.facts.size)[:rows], np.int64))


def completed(  # noqa: PLR0913 (what a scan tells of a store)
    facts: Facts,
    kind: str,
    address: str,
    policy: str | None,
    *,
    time: datetime | None = None,
    disk: Disk | None = None,
) -> Scanned:
    """Return the facts of a scan that has ended; `time`: of the facts, by default now. `disk`: by default counted."""
    if facts.ledger:
        disk = facts.ledger.finish(facts)
        facts.ledger = None  # the paths that it knows take much memory
    read_by_kind = Counter(facts.kind[node] for node in facts.checked.nodes().tolist())
    log.info("blobs read and hashed: %s", ", ".join(f"{n} {kind}" for kind, n in read_by_kind.items()) or "none")
    return Scanned(facts, kind, to_utf8(address), policy, time or datetime.now(UTC), disk)


def node_columns(facts: Facts, rows: slice | NDArray[np.integer], *, disk: bool) -> dict[str, Any]:
    """Return copies of the columns of these nodes as the tables of a snapshot take them; with `disk` if so."""
    kind, stored = (view(words.codes)[rows].astype(np.int8) for words in (facts.kind, facts.stored))
    media_type, platform = (
        (view(words.codes)[rows].astype(np.int32), words.texts) for words in (facts.media_type, facts.platform)
    )
    names = ("size", "created", "modified", *(("disk",) if disk else ()))
    opaque = np.frombuffer(facts.opaque, np.bool_)[rows].copy()
    return {name: view(getattr(facts, name))[rows].copy() for name in names} | {
        "kind": kind,
        "media_type": media_type,
        "platform": platform,
        "stored": stored,
        "opaque": opaque,
    }


def _pin_columns(facts: Facts) -> dict[str, Any]:
    pins, rows = facts.pins, len(facts.pins.node)
    return {
        "node": numbers(pins.node, rows),
        "name": list(pins.name),
        "kind": pins.kind.column(rows),
        "group": list(pins.group),
        "modified": numbers(pins.modified, rows),
        "count": numbers(pins.count, rows),
    }
