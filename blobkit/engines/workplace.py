"""A directory for the tables of one engine: locked while it is used, and removed by the next one if nobody does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path

from blobkit.errors import UnreadableStoreError

__all__ = ["Workplace"]

_LOCK = "lock"
_NAME, _NEW = "blobkit-engine-", ".blobkit-engine-"
"""The start of the names of directories: only these are ever removed; the second while its lock is being made."""


class Workplace:
    """A new directory in `parent`, by default one of this user's in the system's temporary directory."""

    def __init__(self, parent: Path | None = None) -> None:
        self.parent = _own(parent or Path(tempfile.gettempdir()) / f"blobkit-engines-{os.getuid()}")
        _remove_left(self.parent)
        new = Path(tempfile.mkdtemp(dir=self.parent, prefix=_NEW))
        self._lock: int | None = os.open(new / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.path = new.rename(new.with_name(new.name.removeprefix(".")))
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


def _remove_left(parent: Path) -> None:
    """Remove the directories of engines that nobody uses: their lock is free."""
    for lock in parent.glob(f"{_NAME}*/{_LOCK}"):
        with contextlib.suppress(OSError):
            opened = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(opened)
