"""The result of a scan that is saved while it is made: where it is, and its totals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.snapshot.snapshot import Snapshot

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Saved"]


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved snapshot that need not be in memory: its path, the number of stored blobs, their bytes, its notices.

    The path is an address; functions that take a snapshot load it.
    """

    path: Path
    blobs: int
    bytes: int
    notices: int

    def snapshot(self) -> Snapshot:
        """Return the snapshot, loaded; SnapshotFormatError if it does not fit the memory of this machine."""
        return Snapshot.load(self.path)
