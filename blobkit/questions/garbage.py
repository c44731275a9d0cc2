"""The script that collects existing garbage and drops no name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.collectors import would_abort
from blobkit.analysis.reach import live
from blobkit.analysis.referrers import Referrers
from blobkit.errors import UnknownToolError
from blobkit.protocols import write_script
from blobkit.questions.collecting import collector_view, needed_by_names, who_needs
from blobkit.questions.inputs.selection import PinSelection
from blobkit.questions.preview import preview_of
from blobkit.render import count, human_bytes

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["can_collect", "collector_script"]


def can_collect(snapshot: Snapshot) -> bool:
    """Return whether the store has a collector, and it deletes no blob that names or the current policy need."""
    return bool(snapshot.store.collected_by.get(snapshot.policy)) and not len(needed_by_names(snapshot))


def collector_script(snapshot: Snapshot, tool: str | None = None) -> str:
    """Return the POSIX shell script that runs the store's collector alone; it drops no name.

    `tool` is a tool for the kind of store, None the default. UnknownToolError if none fits, if this kind of store has
    no collector, or if the collector would delete blobs that names or the current policy need: the error lists the
    names. Cost: the nodes that the collector reaches.
    """
    store = snapshot.store
    if store.tools and not store.collected_by.get(snapshot.policy):
        msg = f"a {snapshot.kind} store has no garbage collector (policy {snapshot.policy}): {store.advice}"
        raise UnknownToolError(msg)
    by_hand = bool(store.by_hand) and tool == store.by_hand
    if store.tools and not by_hand:
        _refuse_harm(snapshot)
    return write_script(preview_of(snapshot, PinSelection(noun="name")), tool, [] if by_hand else _heading(snapshot))


def _refuse_harm(snapshot: Snapshot) -> None:
    """Raise UnknownToolError if the collector would delete needed blobs."""
    harmed, store = needed_by_names(snapshot), snapshot.store
    if not len(harmed):
        return
    size = human_bytes(int(snapshot.graph.size[harmed].sum()))
    needed = who_needs(Referrers.now(snapshot.with_policy(store.judge)), harmed)
    instead = f"use {store.by_hand}, which removes file by file" if store.by_hand else "see blobkit compare-gc"
    command = collector_view(snapshot).rule.tool
    msg = (
        f"{command} would delete {count(len(harmed), 'blob')}, {size}, needed by {needed}: no script for it; {instead}"
    )
    raise UnknownToolError(msg)


def _heading(snapshot: Snapshot) -> list[str]:
    """Return the description of the blobs that the collector deletes, a line each."""
    collector = collector_view(snapshot)
    garbage = np.flatnonzero(snapshot.graph.blob & ~live(collector.graph))
    size = int(snapshot.graph.size[garbage].sum())
    what = f"{count(len(garbage), 'blob')}, {human_bytes(size)} ({size} bytes)"
    return [f"existing garbage: {collector.rule.tool} deletes {what}", *would_abort(collector)]
