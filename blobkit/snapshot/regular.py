"""Open the files of a saved snapshot: only regular files."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, BinaryIO

from blobkit.errors import SnapshotFormatError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["regular"]


def regular(path: Path) -> BinaryIO:
    """Open a regular file; SnapshotFormatError for a pipe or device, because reading it may never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        msg = f"{path} is not a saved snapshot (it is not a regular file)"
        raise SnapshotFormatError(msg)
    return path.open("rb")
