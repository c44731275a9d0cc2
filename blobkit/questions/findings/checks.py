"""Checks for faults in a snapshot and for wasted space: each yields its findings."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.collectors import would_abort
from blobkit.analysis.dominators import dominators, leaked, retained
from blobkit.analysis.reach import closure, live, live_without, unknown
from blobkit.questions.columns import keys, times
from blobkit.questions.findings.files import described, unseen, unseen_places
from blobkit.questions.findings.finding import FINDINGS, Finding, finding
from blobkit.questions.findings.from_notices import from_notices
from blobkit.questions.frame import status_codes
from blobkit.render import count
from blobkit.snapshot.pins import revisions
from blobkit.snapshot.roles import IS_ALONE, IS_LEFT, IS_REVISION, NAMES, NEEDS
from blobkit.snapshot.tables import STORED, codes, ids, numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["findings"]

SUSPECT = 10
"""A blob is suspicious if it keeps at least one part in this many of the stored bytes."""


def findings(snapshot: Snapshot, min_age: timedelta) -> tuple[Finding, ...]:
    """Return the findings, the most severe first. Cost: as the retained bytes of all blobs."""
    made: dict[str, Finding] = {}
    checks = (check(snapshot, min_age) for check in (from_notices, *_CHECKS))
    for one in (one for check in checks for one in check if one):
        before = made.get(one.code)
        made[one.code] = one if before is None else before.and_also(one, snapshot)
    return tuple(made[code] for code in FINDINGS if code in made)


def _unreached(snapshot: Snapshot, min_age: timedelta) -> Iterator[Finding]:
    """Find garbage, young garbage, and blobs that may not be garbage."""
    nodes = np.flatnonzero(snapshot.graph.blob).astype(np.int32)
    status = status_codes(snapshot, nodes, min_age)
    tool = snapshot.rule.tool
    more = (_pulled_by_digest(snapshot, nodes[status == 1]), f"{tool} removes them" if tool else snapshot.store.advice)
    yield finding("garbage", snapshot, nodes[status == 1], more="; ".join(filter(None, more)))
    yield finding("fresh", snapshot, nodes[status == 2])  # noqa: PLR2004 (the codes of STATUS)
    yield finding("unknown", snapshot, nodes[status == 3])  # noqa: PLR2004 (the codes of STATUS)


def _pulled_by_digest(snapshot: Snapshot, garbage: NDArray[np.int32]) -> str:
    """Return a sentence on garbage that can be pulled by digest: by a revision, or an entry without a name."""
    pins, links = snapshot.pins, revisions(snapshot)
    nameless = IS_REVISION[codes(pins["kind"])] | np.asarray(pins["name"].is_null())
    pinned = np.zeros(snapshot.nodes.num_rows, np.bool_)
    pinned[ids(pins["node"])[nameless & (numbers(pins["count"]) > 0)]] = True
    pinned[links.target[pinned[links.source]]] = True
    number = int(np.count_nonzero(pinned[garbage]))
    if not number:
        return ""
    text = f"{count(number, 'manifest')} of these can still be pulled by digest"
    address = shlex.quote(snapshot.place)
    return f"{text}: blobkit untagged {address} lists them" if snapshot.store.revisions else text


def _opaque(snapshot: Snapshot, _: timedelta) -> Iterator[Finding]:
    """Find unreadable manifests, which may need any blob; places without permission have a separate finding."""
    nodes = unknown(snapshot.graph)
    nodes = nodes[~unseen(snapshot)[nodes]]
    virtual = codes(snapshot.nodes["stored"])[nodes] == STORED.index("virtual")
    hidden = unseen_places(snapshot)
    names = [name for name in keys(snapshot, nodes[virtual]).tolist() if name not in hidden]
    yield finding("opaque", snapshot, nodes[~virtual], names)


def _absent(snapshot: Snapshot, _: timedelta) -> Iterator[Finding]:
    """Find missing content of blobs in use; other blobs that are named and not stored are dangling."""
    absent = (codes(snapshot.nodes["stored"]) == STORED.index("missing")) & ~unseen(snapshot)
    source, target = ids(snapshot.links["source"]), ids(snapshot.links["target"])
    needed, content = live(snapshot.graph)[source] & absent[target], NEEDS[codes(snapshot.links["kind"])]
    missing = (snapshot.graph.pins > 0) & absent
    missing[target[needed & content]] = True
    yield finding("missing", snapshot, missing)
    dangling = np.zeros_like(absent)
    dangling[target[needed & ~content]] = True
    yield finding("dangling", snapshot, dangling & ~missing)


def _tags(snapshot: Snapshot, _: timedelta) -> Iterator[Finding]:
    """Find the names of blobs that are not stored."""
    pins = snapshot.pins
    node = ids(pins["node"])
    empty = (codes(snapshot.nodes["stored"]) == STORED.index("missing"))[node] & ~unseen(snapshot)[node]
    rows = np.flatnonzero(empty & NAMES[codes(pins["kind"])] & np.asarray(pins["name"].is_valid()))
    yield finding("tag-without-content", snapshot, node[rows], pins["name"].take(rows).to_pylist())


def _leaked(snapshot: Snapshot, _: timedelta) -> Iterator[Finding]:
    """Find counted blobs that no drop can free; not blobs that an unreadable document may hold.

    Garbage without any reference is not a leak: a collector left it behind.
    """
    graph = snapshot.graph
    counted = graph.pins + graph.links_in > 0
    opaque = unknown(graph)
    doubtful = closure(graph, opaque) >= 0
    if len(opaque):
        doubtful |= ~live(graph)
    yield finding("leaked", snapshot, leaked(graph) & counted & graph.blob & ~doubtful)


def _anonymous(snapshot: Snapshot, _: timedelta) -> Iterator[Finding]:
    """Find blobs that only pins without a name hold, and their age; not what a tool leaves as garbage."""
    graph, pins = snapshot.graph, snapshot.pins
    named = np.zeros(len(graph.size), np.int64)
    kind = codes(pins["kind"])
    known = np.asarray(pins["name"].is_valid()) | IS_ALONE[kind] | IS_LEFT[kind]
    holds = snapshot.holding & (numbers(pins["count"]) > 0) & known
    named[ids(pins["node"])[holds]] = 1
    nodes = np.flatnonzero(live(graph) & ~live_without(graph, named) & graph.blob).astype(np.int32)
    modified = times(snapshot, "modified", nodes[graph.pins[nodes] > 0])
    oldest = modified.min() if modified.notna().any() else None
    more = f"the oldest is from {oldest:%Y-%m-%d}, {(snapshot.time - oldest).days:,} days ago" if oldest else ""
    yield finding("anonymous", snapshot, nodes, more=more)


def _unprotected(snapshot: Snapshot, _: timedelta) -> Iterator[Finding]:
    """Find blobs that are garbage for programs that read only index.json: it has no links between raw blobs."""
    shown = snapshot.store.shown
    if shown:
        graph = snapshot.graph
        yield finding("unprotected", snapshot, live(graph) & ~live(replace(snapshot, rule=shown).graph) & graph.blob)


def _suspects(snapshot: Snapshot, _: timedelta) -> Iterator[Finding]:
    """Find blobs that keep a large part of all bytes; bytes kept by several of them count once."""
    graph, share = snapshot.graph, retained(snapshot.graph)
    large = (share * SUSPECT >= snapshot.bytes) & (share > 0) & live(graph)
    above = dominators(graph).idom[:-1]
    top = large & ((above < 0) | (above >= len(large)) | ~large[np.minimum(above, len(large) - 1)])
    nodes = np.flatnonzero(large & graph.blob).astype(np.int32)
    yield Finding("suspect", nodes[np.argsort(-share[nodes], kind="stable")], int(share[top].sum()))


def _aborting(snapshot: Snapshot, _: timedelta) -> Iterator[Finding]:
    yield finding("would-abort", snapshot, np.empty(0, np.int32), would_abort(snapshot))


_CHECKS: tuple[Callable[[Snapshot, timedelta], Iterator[Finding]], ...] = (
    _unreached,
    _opaque,
    _absent,
    _tags,
    _leaked,
    _anonymous,
    _unprotected,
    _suspects,
    _aborting,
    described,
)
