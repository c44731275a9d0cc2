"""A directory for the tables of one engine: locked while it is used, and removed by the next one if nobody does."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from blobkit.errors import UnreadableStoreError
from blobkit.locked import lock, remove_dead

__all__ = ["Workplace"]

_NAME = "blobkit-engine-"
"""The start of the names of directories: only these are ever removed."""


class Workplace:
    """A new directory in `parent`, by default one of this user's in the system's temporary directory."""

    def __init__(self, parent: Path | None = None) -> None:
        self.parent = _own(parent or Path(tempfile.gettempdir()) / f"blobkit-engines-{os.getuid()}")
        remove_dead(self.parent.glob(f"{_NAME}*"))
        self.path = Path(tempfile.mkdtemp(dir=self.parent, prefix=_NAME))
        self._lock: int | None = lock(self.path)
        self._owner = os.getpid()

    @property
    def is_ours(self) -> bool:
        """Whether this process made it, not one that it was forked from."""
        return os.getpid() == self._owner

    def close(self) -> None:
        """Remove the directory; a process that was forked leaves it to its parent."""
        if self._lock is None or not self.is_ours:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)
        self._lock = None
        with contextlib.suppress(OSError):
            self.parent.rmdir()


def _own(parent: Path) -> Path:
    """Return a directory that belongs to this user alone; UnreadableStoreError for one that others made."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = parent.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & stat.S_IWOTH:
        msg = f"{parent} is not a directory of this user alone: give another one (work=)"
        raise UnreadableStoreError(msg)
    return parent
