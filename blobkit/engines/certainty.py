"""Bytes that are freed whatever unreadable documents link to, in an engine: as in `blobkit.analysis.certainty`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.analysis.certainty import OPAQUE_LOOKED_AT
from blobkit.engines import sql
from blobkit.engines.facts import BY_DIGEST

if TYPE_CHECKING:
    from blobkit.engines.facts import Ruled

__all__ = ["certain_bytes"]


def certain_bytes(ruled: Ruled, freed: str, unread: str) -> int:
    """Return the bytes of the blobs of `freed`, a query, that are freed whatever the nodes of `unread` link to.

    A document cannot link to what contains its own digest; anything else, and all below it, it may hold.
    Cost: the links, for each of at most 64 unread documents.
    """
    number = ruled.count(unread)
    if not number:
        return ruled.totals(freed)[1]
    if number > OPAQUE_LOOKED_AT:
        return 0
    e, p, walks = ruled.e, ruled.p, ruled.walks
    up, above, sure = f"{p}up", f"{p}above", f"{p}sure"
    e.define(up, sql.certain_links(ruled.s, BY_DIGEST))
    for at, (one,) in enumerate(e.rows(f"SELECT id FROM {unread} ORDER BY id")):
        walks.reach(above, f"SELECT CAST({int(one)} AS BIGINT) AS id", up)
        e.step(sure, f"SELECT id FROM {above}" + (f" INTERSECT SELECT id FROM {sure}" if at else ""))
    e.step(sure, f"SELECT id FROM {sure} UNION SELECT id FROM {ruled.s}nodes WHERE stored = 'virtual'")
    held = f"""SELECT k.target AS id FROM {ruled.edges} k JOIN {sure} s ON s.id = k.target
        ANTI JOIN {sure} a ON a.id = k.source"""
    inner = f"{p}inner"
    e.define(inner, f"SELECT k.source, k.target FROM {ruled.edges} k JOIN {sure} s ON s.id = k.target")
    walks.reach(above, held, inner)
    safe = f"(SELECT f.size FROM {freed} f SEMI JOIN {sure} s ON s.id = f.id ANTI JOIN {above} a ON a.id = f.id)"
    found = ruled.totals(safe)[1]
    e.drop(above, sure)
    return found
