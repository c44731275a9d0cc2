"""The goal of a plan: the number of bytes to free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.analysis.reach import live, unknown
from blobkit.errors import Hint, PlanError
from blobkit.questions.inputs.sizes import parse_size

if TYPE_CHECKING:
    from blobkit.questions.inputs.sizes import Size
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["garbage_bytes", "needed_bytes"]


def needed_bytes(snapshot: Snapshot, free: Size | None, until: Size | None, *, ruled: bool) -> int | None:
    """Return the bytes to free, besides garbage; None if only rules select names."""
    if free is not None and until is not None:
        msg = "free and until cannot be given together"
        raise PlanError(msg, hint=Hint("give one of them", "give --free or --until"))
    if free is not None:
        return parse_size(free)
    if until is not None:
        taken_along = 0 if snapshot.rule.counting else garbage_bytes(snapshot)
        return max(snapshot.bytes - taken_along - parse_size(until), 0)
    if not ruled:
        msg = "no goal"
        python = 'give free="20GiB", until="500GiB", or a rule (older_than="30d", keep_last=3)'
        shell = "give --free 20GiB, --until 500GiB, or a rule (--older-than 30d, --keep-last 3)"
        raise PlanError(msg, hint=Hint(python, shell))
    return None


def garbage_bytes(snapshot: Snapshot) -> int:
    """Return the bytes of existing garbage; 0 if a manifest in use is unreadable."""
    graph = snapshot.graph
    return 0 if len(unknown(graph)) else int(graph.size[graph.blob & ~live(graph)].sum())
