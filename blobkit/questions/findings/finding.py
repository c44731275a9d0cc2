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

__all__ = ["FIGURES", "MEANING", "SEVERITIES", "Finding", "about"]

SEVERITIES = ("error", "warning", "info")

MEANING = {
    "unreadable": ("error", "this user may not read them, so what they hold is unknown and kept"),
    "missing": ("error", "named by what is in use, and not stored: push them again, or drop the tags that need them"),
    "tag-without-content": ("error", "names of what is not here or cannot be pulled: push it again, or remove them"),
    "unlinked-layer": ("error", "stored, but not linked in the repository: a pull there answers 404; push them again"),
    "damaged": ("error", "cannot be read, or are not what their digest or size says: copy them here again"),
    "opaque": ("error", "what these link to is unknown: restore them first, till then nothing is known to be garbage"),
    "mismatched-counts": ("error", "fewer references are counted than there are: they may be deleted while in use"),
    "leaked": ("warning", "cannot be freed: still counted by garbage or by a cycle"),
    "passed-over": ("warning", "repositories that the collector does not see: it takes what only they hold"),
    "would-abort": ("warning", "the collector would stop and remove nothing"),
    "layout-changed": ("warning", "another program changed index.json: take that in (blobkit adopt)"),
    "layout-damaged": ("warning", "entries of index.json that were not taken in: put what they name, adopt again"),
    "outside": ("warning", "symbolic links that are not followed: what they lead to is unknown and kept"),
    "garbage": ("warning", "nothing holds these"),
    "unknown": ("warning", "nothing known holds these, but what is opaque may: keep them"),
    "orphan": ("warning", "content that the index does not know, left by writers that were killed"),
    "stale-upload": (
        "warning",
        "begun, and not written for longer than the minimum age (24h by default): delete them by hand",
    ),
    "leftover": ("warning", "no blobs, and they take space: move away or delete by hand what no program is writing"),
    "duplicate-name": ("warning", "one name for several blobs: tools take any of them, or fail"),
    "junk": ("warning", "not blobs, but stored under blobs/: move them away, garbage collectors abort on them"),
    "dangling": ("info", "referred to and not stored, which breaks nothing"),
    "anonymous": ("info", "held by pins without a name only: tag what is wanted, drop the other pins"),
    "unprotected": ("info", "index.json does not lead to these: another program's collector would delete them"),
    "twins": ("info", "one content, compressed differently: build from one of them (bytes: what that saves)"),
    "suspect": ("info", "each keeps a tenth or more of what is stored: look here first; bytes are what they keep"),
    "fresh": (
        "info",
        "garbage younger than the minimum age (24h by default): probably being uploaded, keep it",
    ),
    "upload": ("info", "begun and not finished, but written lately: leave them alone"),
    "foreign": ("info", "stored elsewhere by design"),
    "inline": ("info", "carried by their descriptors, not stored"),
    "algorithm": ("info", "named by another algorithm than sha256, which many tools refuse"),
    "symlink": ("info", "symbolic links in the place of blobs: removing them frees nothing"),
    "shared-inode": ("info", "files with other names (hard links): removing one frees nothing while another is left"),
    "odd": ("info", "written in an odd way: nothing is lost by it"),
    "metadata": ("info", "files that describe the store: link files, index.json, databases"),
}
"""Severity and advice of every finding, the gravest first."""

FIGURES = frozenset({"metadata"})
"""Findings that every store has: they are figures, and no threshold for a severity counts them."""


@dataclass(frozen=True, eq=False)
class Finding:
    """The blobs (nodes, each once) and other things (`names`) of one finding, with what is special (`more`).

    `bytes` are those stored for the blobs, where MEANING says nothing else, with `beside` bytes that are of no blob.
    """

    code: str
    nodes: NDArray[np.int32]
    bytes: int
    names: tuple[str, ...] = ()
    more: str = ""
    beside: int = 0

    def __bool__(self) -> bool:
        """Return whether there is anything."""
        return len(self.nodes) > 0 or len(self.names) > 0

    @property
    def severity(self) -> str:
        """The severity: error, warning or info."""
        return MEANING[self.code][0]

    @property
    def advice(self) -> str:
        """Advice: the meaning, and what to do."""
        return "; ".join(filter(None, (MEANING[self.code][1], self.more)))

    def and_also(self, other: Finding, snapshot: Snapshot) -> Finding:
        """Return this finding together with another one of the same code."""
        names = tuple(dict.fromkeys((*self.names, *other.names)))
        nodes, beside = union(self.nodes, other.nodes), self.beside + other.beside
        return about(self.code, snapshot, nodes, names, self.more or other.more).with_bytes(beside)

    def with_bytes(self, beside: int) -> Finding:
        """Return this finding with so many bytes more, which are of no blob."""
        return replace(self, bytes=self.bytes + beside, beside=self.beside + beside)


def about(
    code: str,
    snapshot: Snapshot,
    nodes: NDArray[np.integer] | NDArray[np.bool_],
    names: Iterable[str] = (),
    more: str = "",
) -> Finding:
    """Return the finding about these nodes (a mask of all, or ids), with the bytes stored for them."""
    found = np.flatnonzero(nodes) if nodes.dtype == np.bool_ else unique(nodes.astype(np.int64))
    return Finding(code, found.astype(np.int32), int(snapshot.graph.size[found].sum()), tuple(names), more)
