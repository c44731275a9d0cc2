"""Reasons why a collector stops, and parts of a store that are not shown, in an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.analysis.collectors import would_abort
from blobkit.engines import sql
from blobkit.snapshot.notices import NOT_VISIBLE
from blobkit.snapshot.snapshot import build

if TYPE_CHECKING:
    from blobkit.engines.facts import Ruled

__all__ = ["aborts", "hidden"]


def aborts(ruled: Ruled, gone: str = "") -> tuple[str, ...]:
    """Return the reasons why the tool of the policy would stop, when the nodes of the table `gone` are gone.

    The notices that matter, with the nodes that they are about, are judged as a small snapshot: those that the tool
    reaches are pinned in it.
    """
    codes = ruled.policy.aborts
    if not codes:
        return ()
    met = sql.among("code", codes)
    notices = ruled.e.rows(f"SELECT code, key, path, message FROM {ruled.s}notices WHERE {met}")
    is_gone, lost = ("g.id IS NOT NULL", f"LEFT JOIN {gone} g ON g.id = n.id") if gone else ("false", "")
    nodes = ruled.e.rows(
        f"""SELECT n.key, l.id IS NOT NULL, {is_gone} FROM ({sql.notice_nodes(ruled.s, codes, "n.id, n.key")}) n
        LEFT JOIN {ruled.live()} l ON l.id = n.id {lost} ORDER BY n.key"""
    )
    reached = [at for at, (_, is_live, _) in enumerate(nodes) if is_live]
    small = build(
        ruled.facts.kind,
        ruled.facts.address,
        nodes={"key": [key for key, *_ in nodes], "size": [0] * len(nodes)},
        links={"source": [], "target": []},
        pins={"node": reached, "kind": [min(ruled.policy.pins)] * len(reached)},
        notices=notices,
        policy=ruled.policy.name,
    )
    return would_abort(small, [at for at, (_, _, lost) in enumerate(nodes) if lost])


def hidden(ruled: Ruled) -> bool:
    """Return whether something that the store does not show may hold any blob under the policy."""
    unseen = sql.notice_nodes(ruled.s, NOT_VISIBLE)
    return bool(ruled.count(f"(SELECT u.id FROM {ruled.unknown()} u SEMI JOIN ({unseen}) x ON x.id = u.id)"))
