"""The one rule of removal: a blob that nothing holds any more goes, and drops its links in turn.

Written once, over two questions in bulk, so that the real removal and every dry run are the same code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping

__all__ = ["References", "cascade"]

K = TypeVar("K", bound="Hashable")


class References(Protocol[K]):
    """The two questions of a cascade; each is asked once a level, for all blobs concerned."""

    def counts(self, blobs: Collection[K]) -> Mapping[K, int]:
        """Return the reference count that each of the blobs has now (before the cascade)."""
        ...

    def links(self, blobs: Collection[K]) -> Mapping[K, int]:
        """Return each blob that these link to, with the number of links that come from these."""
        ...


def cascade(references: References[K], drops: Mapping[K, int]) -> tuple[list[list[K]], dict[K, int]]:
    """Return what goes, level by level, and the new count of each blob that lost references but stays.

    `drops` says how many references are dropped, by blob. The result is the least fixpoint: each blob goes
    once, when the last reference to it is gone; its level is 0, or 1 + the highest level among what held it.
    Iterative; cost and memory are proportional to what goes and its links. Changes nothing.
    """
    left: dict[K, int] = {}
    levels: list[list[K]] = []
    gone: set[K] = set()
    while drops:
        left.update(references.counts([blob for blob in drops if blob not in left]))
        level = []
        for blob, number in drops.items():
            left[blob] = rest = left[blob] - number
            if rest <= 0 and blob not in gone:
                level.append(blob)
        if not level:
            break
        levels.append(level)
        gone.update(level)
        drops = references.links(level)
    return levels, {blob: number for blob, number in left.items() if blob not in gone}
