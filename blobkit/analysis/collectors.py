"""The garbage collection that a tool does by its own rules: whether it stops, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.analysis.reach import live
from blobkit.cache import memoized

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["would_abort"]


def would_abort(snapshot: Snapshot, gone: Iterable[int] = ()) -> tuple[str, ...]:
    """Return why the tool that the policy is named after would stop; empty where it would not.

    Only what the tool looks at can stop it: things without a key (a stray file), names, and blobs that it reaches; not
    the nodes `gone`, which it reaches no more.
    """
    found = _stops(snapshot)
    passed = set(gone) if found else ()
    return tuple(f"{snapshot.rule.tool} would abort: {message}" for node, message in found if node not in passed)


@memoized
def _stops(snapshot: Snapshot) -> tuple[tuple[int, str], ...]:
    """Return what stops the tool: the node, -1 where it is about none, and the message."""
    notices, reached = snapshot.notices, live(snapshot.graph)
    rows = zip(*(notices[column].to_pylist() for column in ("code", "key", "message")), strict=True)
    found = ((snapshot.find(key), message) for code, key, message in rows if code in snapshot.rule.aborts)
    return tuple((node, message) for node, message in found if node < 0 or reached[node])
