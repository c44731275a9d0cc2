"""Findings of an audit, and the meaning of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from blobkit.snapshot.sets import union, unique

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["FIGURES", "FINDINGS", "SEVERITIES", "Finding", "finding"]

SEVERITIES = ("error", "warning", "info")

FINDINGS = {
    "unreadable": (
        "error",
        "this user may not read them: their content is unknown, so blobs that they may need are kept",
    ),
    "missing": ("error", "needed by blobs in use, but not stored: push them again, or drop the tags that need them"),
    "tag-without-content": (
        "error",
        "tags with an image that is not stored or cannot be pulled: push it again, or remove the tags",
    ),
    "unlinked-layer": ("error", "stored, but not linked in the repository: a pull there answers 404; push them again"),
    "damaged": ("error", "cannot be read, or do not match their digest or size: copy them here again"),
    "opaque": ("error", "their links cannot be read: restore them first; until then nothing is certain to be garbage"),
    "mismatched-counts": ("error", "fewer references are counted than exist: these blobs may be deleted while in use"),
    "estimated": (
        "warning",
        "their sizes are estimates: not all of their files can be looked at, or some have more names elsewhere",
    ),
    "leaked": ("warning", "cannot be freed: still counted by garbage or by a cycle"),
    "passed-over": ("warning", "repositories that the collector does not see: it deletes blobs that only these need"),
    "would-abort": ("warning", "the collector would stop before it has removed all garbage"),
    "layout-changed": ("warning", "another program changed index.json: run blobkit adopt to take in the changes"),
    "layout-damaged": (
        "warning",
        "entries of index.json that could not be taken in: put the blobs that they name, then run blobkit adopt again",
    ),
    "outside": (
        "warning",
        "symbolic links that are not followed: their targets are unknown, so blobs that these may need are kept",
    ),
    "garbage": ("warning", "nothing in use references these"),
    "unknown": ("warning", "no known reference, but an unreadable manifest may reference them: keep them"),
    "orphan": ("warning", "content that is not in the index: left by writers that were killed"),
    "stale-upload": (
        "warning",
        "unfinished, and not written for longer than the minimum age (24h by default): delete them by hand",
    ),
    "leftover": (
        "warning",
        "files that are not blobs and take space: if no program is writing them, move them away or delete them",
    ),
    "placeholder": (
        "warning",
        "empty objects in the place of blobs: these are in another repository, or damaged; whether they are is unknown",
    ),
    "noncurrent": (
        "warning",
        "versions in the bucket that are not current take space: a lifecycle rule for noncurrent versions removes them",
    ),
    "unowned": (
        "warning",
        "no record names these directories, and no command removes them; never delete them while the engine runs",
    ),
    "duplicate-name": ("warning", "one name for several blobs: tools take one of them, or fail"),
    "junk": ("warning", "not blobs, but stored among the blobs: move them away, garbage collectors may stop at them"),
    "dangling": ("info", "referenced but not stored; this breaks nothing"),
    "anonymous": ("info", "held only by pins without a name: tag the blobs that you need, drop the other pins"),
    "unprotected": ("info", "not reachable from index.json: the collector of another program would delete them"),
    "left-out": (
        "warning",
        "repositories that the store's own tool leaves out of all answers, and does not delete: mend or remove them",
    ),
    "unlisted": (
        "warning",
        "shared files in use through links that are not in their lists: the store's own tool may delete them",
    ),
    "copies": ("info", "equal content in several repositories: a shared store would keep one (bytes: the saving)"),
    "unswept": ("info", "shared files without a readable list of links: the store's own tool never removes them"),
    "twins": ("info", "equal content, compressed differently: build from one of them (bytes: the saving)"),
    "suspect": (
        "info",
        "each of these keeps a tenth or more of the stored bytes: look here first (bytes: all that they keep)",
    ),
    "fresh": (
        "info",
        "garbage younger than the minimum age (24h by default): probably an upload in progress, keep it",
    ),
    "upload": ("info", "unfinished, but written recently: leave them alone"),
    "foreign": ("info", "stored elsewhere by design"),
    "inline": ("info", "contained in their descriptors, not stored separately"),
    "algorithm": ("info", "named by another algorithm than sha256, which many tools refuse"),
    "symlink": ("info", "symbolic links instead of blobs: removing them frees nothing"),
    "shared-inode": (
        "info",
        "files with several names (hard links): bytes are freed only when the last name is removed",
    ),
    "also-kind": ("info", "the path is a store of another kind, too: this address reads it as that"),
    "odd": ("info", "unusual, but harmless"),
    "not-visible": (
        "info",
        "the registry does not list them: what is stored is at least what is shown; scan its storage to see all",
    ),
    "other": (
        "info",
        "other files of the engine, such as volumes, logs and databases: no image needs them, and none counts as free",
    ),
    "said": ("info", "what a tool says itself; blobkit compare-gc shows what its collector really removes"),
    "not-counted": ("info", "not looked at in this scan: an option or a permission adds it"),
    "metadata": ("info", "files that describe the store: link files, index.json, databases"),
}
"""Severity and advice of every finding, the most severe first."""

FIGURES = frozenset({"metadata"})
"""Findings that every store has: they are figures, and thresholds for a severity do not count them."""


@dataclass(frozen=True, eq=False)
class Finding:
    """The blobs (nodes, each once) and other things (`names`) of one finding, with extra advice (`more`).

    `bytes` are the stored bytes of the blobs, unless FINDINGS says otherwise, plus `beside`: bytes that belong to no
    blob.
    """

    code: str
    nodes: NDArray[np.int32]
    bytes: int
    names: tuple[str, ...] = ()
    more: str = ""
    beside: int = 0

    def __bool__(self) -> bool:
        """Return whether the finding has any blob or name."""
        return len(self.nodes) > 0 or len(self.names) > 0

    @property
    def severity(self) -> str:
        """The severity: error, warning or info."""
        return FINDINGS[self.code][0]

    @property
    def advice(self) -> str:
        """Advice: the meaning, and the next step."""
        return "; ".join(filter(None, (FINDINGS[self.code][1], self.more)))

    def and_also(self, other: Finding, snapshot: Snapshot) -> Finding:
        """Return this finding merged with another one of the same code."""
        names = tuple(dict.fromkeys((*self.names, *other.names)))
        nodes, beside = union(self.nodes, other.nodes), self.beside + other.beside
        return finding(self.code, snapshot, nodes, names, self.more or other.more).with_bytes(beside)

    def with_bytes(self, beside: int) -> Finding:
        """Return this finding with additional bytes that belong to no blob."""
        return replace(self, bytes=self.bytes + beside, beside=self.beside + beside)


def finding(
    code: str,
    snapshot: Snapshot,
    nodes: NDArray[np.integer] | NDArray[np.bool_],
    names: Iterable[str] = (),
    more: str = "",
) -> Finding:
    """Return the finding for these nodes (a mask of all, or ids), with their stored bytes."""
    found = np.flatnonzero(nodes) if nodes.dtype == np.bool_ else unique(nodes.astype(np.int64))
    return Finding(code, found.astype(np.int32), int(snapshot.graph.size[found].sum()), tuple(names), more)
