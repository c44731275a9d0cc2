"""Reading the file of a database past SQLite, without taking the locks of this process away from SQLite.

POSIX drops all locks that a process holds on a file as soon as it closes any descriptor of that file. Another process
that closes the store then believes to be the last one and removes the WAL, to which this one goes on writing: commits
are lost. So a descriptor of a file that a connection of this process is on is kept until the last of them is closed.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Key = tuple[int, int]

__all__ = ["Connection", "is_connected", "opened"]

_lock = threading.RLock()
_connections: Counter[Key] = Counter()
_kept: dict[Key, int] = {}


class Connection(sqlite3.Connection):
    """A connection that is counted as one on its file, from `count_in` until it is closed."""

    _key: Key | None = None

    def count_in(self, path: Path) -> None:
        """Count this connection as one on the file at `path`, which is there."""
        with _lock:
            self._key = _key(os.stat(path))  # noqa: PTH116 (next to os.fstat)
            _connections[self._key] += 1

    def close(self) -> None:
        """Close the connection; the last one on a file lets go of the descriptor that was kept for it."""
        super().close()
        with _lock:
            key, self._key = self._key, None
            if key is not None:
                _connections[key] -= 1
                if not _connections[key]:
                    del _connections[key]
                    if key in _kept:
                        os.close(_kept.pop(key))


def is_connected(path: Path) -> bool:
    """Return whether a connection of this process is on the file at `path`."""
    with _lock, contextlib.suppress(FileNotFoundError):
        return _connections[_key(os.stat(path))] > 0  # noqa: PTH116 (next to os.fstat)
    return False


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """Give a descriptor to read the file at `path` with `os.pread`; FileNotFoundError."""
    with _lock:
        kept = _kept.get(_key(os.stat(path)))  # noqa: PTH116 (next to os.fstat)
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC) if kept is None else kept
    try:
        yield fd
    finally:
        if kept is None:
            _let_go(fd)


def _let_go(fd: int) -> None:
    with _lock:
        key = _key(os.fstat(fd))
        if _connections[key] and key not in _kept:
            _kept[key] = fd
        elif not _connections[key]:
            os.close(fd)
        # else two threads opened it at once: this descriptor is kept, too, to the end of the process


def _key(found: os.stat_result) -> Key:
    return found.st_dev, found.st_ino


def _renew_lock() -> None:
    """Take a new lock in a child: a thread that is not there any more may have held the old one."""
    global _lock  # noqa: PLW0603 (one for the process)
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)
