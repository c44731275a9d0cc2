"""The answers of engines: totals as ints, rows as a frame of the engine with the columns of the frames of pandas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = [
    "EngineComparison",
    "EngineDiff",
    "EngineGarbage",
    "EnginePreview",
    "EngineRetained",
    "EngineSharing",
    "EngineUsage",
]

Frame = TypeVar("Frame")


@dataclass(frozen=True, eq=False)
class EngineGarbage(Generic[Frame]):
    """The stored blobs that nothing reaches: digest, size, kind, status (garbage, or unknown), by digest.

    `unread`: the keys of manifests in use that cannot be read, at most 100: with any of these, no blob is known to be
    garbage.
    """

    frame: Frame
    blobs: int
    bytes: int
    unread: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class EnginePreview(Generic[Frame]):
    """The blobs that dropping `targets` would free: `freed` has digest, size, kind, by digest.

    As in `blobkit.Preview`: `exact`, `certain_bytes`, `opaque` (at most 100), `also_untagged`, `notices`.
    """

    freed: Frame
    blobs: int
    bytes: int
    exact: bool
    certain_bytes: int
    opaque: tuple[str, ...]
    targets: tuple[str, ...]
    also_untagged: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def frame(self) -> Frame:
        """The main table: `freed`."""
        return self.freed


@dataclass(frozen=True, eq=False)
class EngineUsage(Generic[Frame]):
    """The use of space: group, blobs, closure, exclusive, shared, split, beside, as `blobkit.Usage.frame`."""

    frame: Frame
    by: str
    bytes: int
    unread: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class EngineSharing(Generic[Frame]):
    """Bytes by the exact set of groups: groups (a list), blobs, bytes, as `blobkit.Sharing.frame`, with all sets."""

    frame: Frame
    by: str
    bytes: int
    shared_bytes: int


@dataclass(frozen=True, eq=False)
class EngineRetained(Generic[Frame]):
    """The bytes that each stored blob alone keeps: digest, size, retained, by digest, as in `to_frame`."""

    frame: Frame
    depth: int
    """The number of links on the longest way to a blob."""


@dataclass(frozen=True, eq=False)
class EngineDiff(Generic[Frame]):
    """The changes by cause: cause, blobs, bytes, net, as `blobkit.Diff.frame`; `net`: the change of stored bytes."""

    frame: Frame
    by: str
    net: int


@dataclass(frozen=True, eq=False)
class EngineComparison(Generic[Frame]):
    """The blobs that a collector removes: digest, size, kind, needed, as `blobkit.Comparison.frame`, by size.

    The totals are those of `blobkit.Comparison`.
    """

    frame: Frame
    tool: str
    version: str
    blobs: int
    bytes: int
    needed_blobs: int
    needed_bytes: int
    kept_blobs: int
    kept_bytes: int
    at_most_bytes: int
    aborts: tuple[str, ...]
