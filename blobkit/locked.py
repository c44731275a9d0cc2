"""Directories of one process: locked while it lives, so that another one can tell and remove those of dead ones."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["lock", "remove_dead"]

_LOCK, _NEW = ".blobkit-lock", ".blobkit-lock.new"
"""A lock has its name once it is held."""


def lock(directory: Path) -> int:
    """Lock a directory that this process has made; return the descriptor that holds the lock until it is closed."""
    held = os.open(directory / _NEW, os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    (directory / _NEW).rename(directory / _LOCK)
    return held


def remove_dead(directories: Iterable[Path], *, but_with: str = "") -> None:
    """Remove those of these directories that a process had locked that is dead, but those with a file of this name."""
    for directory in directories:
        with suppress(OSError):
            held = os.open(directory / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not (but_with and os.path.lexists(directory / but_with)):
                    shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(held)
