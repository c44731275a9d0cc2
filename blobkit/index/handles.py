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
from typing import TYPE_CHECKING

from blobkit.filehandle import close, open_into

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Key = tuple[int, int]

__all__ = ["Connection", "is_connected", "opened"]

_lock = threading.RLock()
_connections: dict[Key, int] = {}
_kept: dict[Key, list[int]] = {}


class Connection(sqlite3.Connection):
    """A connection that is counted as one on its file, from `count_in` until it is closed or dropped."""

    owner: object = None
    """Who may use it: the pool, as of its last fork; nobody once it is closed."""
    checkpoints: bool = True
    """Whether its commits write the WAL to the database from time to time."""
    _key: Key | None = None

    def count_in(self, path: Path) -> None:
        """Count this connection as one on the file at `path`, which is there."""
        with _lock:
            key = _key(os.stat(path))  # noqa: PTH116 (next to os.fstat)
            count = _connections.get(key, 0) + 1
            _connections[key], self._key = count, key  # no call in between: an interrupt must not separate the two

    def close(self) -> None:
        """Close the connection; the last one on a file lets go of the descriptors that were kept for it."""
        self.owner = None
        super().close()
        with _lock:
            key = self._key
            if key is not None:
                left = _connections.get(key, 0) - 1
                _connections[key], self._key = left, None
                if left <= 0:
                    _forget(key)

    def __del__(self) -> None:
        """Close a connection that an interrupt took from whoever used it."""
        if _forget is not None:
            with contextlib.suppress(sqlite3.Error):
                self.close()


def _forget(key: Key) -> None:
    _connections.pop(key, None)
    kept = _kept.get(key, [])
    while kept:
        close(kept)
    _kept.pop(key, None)


def is_connected(path: Path) -> bool:
    """Return whether a connection of this process is on the file at `path`."""
    with _lock, contextlib.suppress(FileNotFoundError):
        return _connections.get(_key(os.stat(path)), 0) > 0  # noqa: PTH116 (next to os.fstat)
    return False


@contextlib.contextmanager
def opened(path: Path) -> Iterator[int]:
    """Give a descriptor to read the file at `path` with `os.pread`; FileNotFoundError."""
    with _lock:
        kept = _kept.get(_key(os.stat(path)))  # noqa: PTH116 (next to os.fstat)
    if kept:
        yield kept[0]
        return
    handle = _Handle()
    try:
        open_into(handle.held, path, os.O_RDONLY)
        yield handle.held[0]
    finally:
        handle.let_go()


class _Handle:
    """A descriptor of a file that connections may be on."""

    def __init__(self) -> None:
        self.held: list[int] = []

    def let_go(self) -> None:
        """Close it, or keep it where a connection is on that file, also where two threads opened it at once."""
        with _lock:
            key = _key(os.fstat(self.held[0])) if self.held else None
            if key is not None and _connections.get(key, 0) > 0:
                kept = _kept.setdefault(key, [])
                kept += self.held
                self.held[:] = ()
            else:
                close(self.held)

    def __del__(self) -> None:
        """Let go of what an interrupt took from its block."""
        if self.held and _lock is not None:
            self.let_go()


def _key(found: os.stat_result) -> Key:
    return found.st_dev, found.st_ino


def _renew_lock() -> None:
    """Take a new lock in a child: a thread that is not there any more may have held the old one."""
    global _lock  # noqa: PLW0603 (one for the process)
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)
