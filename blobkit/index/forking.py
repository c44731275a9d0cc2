"""Forks of a process that has SQLite databases open.

SQLite must not carry an open database through a fork, and not only its connections: what it remembers of a file for
the whole process, the locks that it believes to hold, goes along. A connection that the child opens then takes no
lock of its own, and the parent, when it closes the store, removes the WAL that the child still writes to. So a fork
waits until no thread is inside a transaction, and what is open is closed before it; both processes open it again.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakSet

from blobkit.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Gate"]

_gates: WeakSet[Gate] = WeakSet()
_spoiled: set[Path] = set()
"""Databases that were inside a transaction when this process was forked: SQLite's memory of them is the parent's."""


class Gate:
    """The way into the transactions of one index: shut while this process forks.

    A fork waits up to `timeout` seconds until every other thread is out, then calls `leave`, which closes what is open;
    the child calls `renew`.
    """

    def __init__(self, path: Path, leave: Callable[[], None], renew: Callable[[], None], timeout: float) -> None:
        self._path = path.resolve()
        self._leave = leave
        self._renew = renew
        self._timeout = timeout
        self._reset()
        _gates.add(self)

    def enter(self) -> None:
        """Go inside; StoreError in a child that was forked in the middle of a transaction."""
        if _spoiled and self._path in _spoiled:
            msg = (
                f"{self._path.parent.parent}: this process was forked in the middle of a transaction on this store, "
                "so that it cannot use it: fork outside of batches, or start a process of its own"
            )
            raise StoreError(msg)
        me = threading.get_ident()
        with self._lock:
            while self._shut and not self._threads[me]:
                self._changed.wait()
            self._threads[me] += 1

    def exit(self) -> None:
        """Go outside again."""
        with self._lock:
            self._threads[threading.get_ident()] -= 1
            if self._shut:
                self._changed.notify_all()

    def shut(self) -> None:
        """Let nobody in any more, wait until everybody is out, close what is open; on the way into a fork."""
        me = threading.get_ident()
        with self._changed:
            self._shut = True
            self._changed.wait_for(lambda: self._threads.total() == self._threads[me], self._timeout)
            if not self._threads.total():
                self._leave()

    def open(self) -> None:
        """Let the threads in again: in the parent, after the fork."""
        with self._changed:
            self._shut = False
            self._changed.notify_all()

    def begin_anew(self) -> None:
        """Be as new, in a child, where no other thread is; what was inside stays the parent's."""
        if self._threads.total():
            _spoiled.add(self._path)
        self._renew()
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._threads: Counter[int] = Counter()
        self._shut = False


def _each(act: Callable[[Gate], None]) -> Callable[[], None]:
    """Return a function that acts on every gate."""

    def act_on_all() -> None:
        for gate in list(_gates):
            act(gate)

    return act_on_all


os.register_at_fork(before=_each(Gate.shut), after_in_parent=_each(Gate.open), after_in_child=_each(Gate.begin_anew))
