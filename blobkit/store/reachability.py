"""Search for a path of links from both ends at once, to see that a new link would close a cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from blobkit.digest import Digest
    from blobkit.transactions import Reading

__all__ = ["reaches"]


def reaches(tx: Reading, sources: Collection[Digest], goal: Digest) -> bool:
    """Return whether one of `sources` reaches `goal` by links.

    Searches alternately forward from the sources and backward from the goal, always from the smaller front, and ends
    when either search has nothing left: at once where the sources have no links or nothing links to the goal.
    Cost: the blobs that the two searches meet, in a few questions a level; memory likewise.
    """
    ahead, behind = set(sources), {goal}
    front, back = set(sources), {goal}
    while front and back and not ahead & back and not behind & front:
        if len(front) <= len(back):
            front = _next(tx.targets(front)) - ahead
            ahead |= front
        else:
            back = _next(tx.holders(back)) - behind
            behind |= back
    return bool(ahead & behind)


def _next(found: Mapping[Digest, Sequence[Digest]]) -> set[Digest]:
    return {blob for blobs in found.values() for blob in blobs}
