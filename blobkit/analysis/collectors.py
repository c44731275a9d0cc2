"""The garbage collection of a tool by its own rules: whether it stops, why, and the blobs removed before that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.reach import live
from blobkit.cache import memoized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from blobkit.snapshot.records import StopRule
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["removed_before_stop", "would_abort"]


@dataclass(frozen=True, slots=True)
class _Stop:
    """A stop of a tool: the rule, the node that the tool must reach to stop (-1: none), the message and its subject."""

    rule: StopRule
    node: int
    message: str
    key: str


def would_abort(snapshot: Snapshot, gone: Iterable[int] = ()) -> tuple[str, ...]:
    """Return the reasons why the tool of this policy would stop, the earliest first; empty if it would not.

    Only things that the tool reads can stop it: things without a key (a stray file), names, and blobs that it reaches.
    The nodes `gone` are not reached any more. Parts that blobkit cannot see are reported too, as not known.
    """
    tool = snapshot.rule.tool
    return tuple(
        f"what {tool} does is not known: {stop.message}" if stop.rule.unsure else f"{tool} would abort: {stop.message}"
        for stop in sorted(_passed(snapshot, gone), key=lambda stop: stop.rule.late)
    )


def removed_before_stop(snapshot: Snapshot, gone: Iterable[int] = ()) -> NDArray[np.int32]:
    """Return the nodes of the blobs that the tool removes before it stops, by digest; none if it does not stop.

    The tool first reads all that it reaches, then it removes the other blobs. If it does not do so in the order of
    digests, none is certain.
    """
    stops = _passed(snapshot, gone)
    if not stops or not all(stop.rule.late for stop in stops):
        return np.empty(0, np.int32)
    last = min(stop.key for stop in stops)
    removed = snapshot.graph.blob & ~live(snapshot.graph)
    removed[list(gone)] = snapshot.graph.blob[list(gone)]
    nodes = np.flatnonzero(removed).astype(np.int32)
    return nodes[: int(np.searchsorted(np.array(snapshot.keys(nodes), object), last, "right"))]


def _passed(snapshot: Snapshot, gone: Iterable[int]) -> list[_Stop]:
    """Return the stops of the tool when these nodes are gone."""
    found = _stops(snapshot)
    without = set(gone) if found else ()
    return [stop for stop in found if stop.node not in without]


@memoized
def _stops(snapshot: Snapshot) -> tuple[_Stop, ...]:
    """Return the stops of the tool now."""
    collector = snapshot.rule.collector
    rules = {rule.code: rule for rule in collector.stops} if collector else {}
    reached = live(snapshot.graph) if rules else np.empty(0, np.bool_)
    notices = snapshot.notices
    rows = zip(*(notices[column].to_pylist() for column in ("code", "key", "message")), strict=True)
    found = (
        _Stop(rules[code], -1 if rules[code].late else snapshot.find(key), message, key)
        for code, key, message in rows
        if code in rules
    )
    met = [stop for stop in found if (reached[stop.node] if stop.node >= 0 else not stop.rule.keyed)]
    unsure = {stop.key for stop in met if stop.rule.unsure}
    sees = [unsure.isdisjoint(("",) if stop.rule.late else (stop.key, "")) for stop in met]
    return tuple(stop for stop, seen in zip(met, sees, strict=True) if seen or stop.rule.unsure)
