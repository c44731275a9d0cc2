"""Forks of a process that has SQLite databases open.

SQLite must not carry an open database through a fork, and not only its connections: what it remembers of a file for
the whole process, the locks that it believes to hold, goes along. A connection that the child opens then takes no
lock of its own, and the parent, when it closes the store, removes the WAL that the child still writes to. So a fork
waits until no other thread is inside a transaction, and what is open is closed before it; both processes open it again.

There is one gate for the whole process: with one for each store, a thread that is inside one store and on its way
into another would wait for the fork, and the fork for it.
"""

from __future__ import annotations

import gc
import os
import threading
from typing import TYPE_CHECKING
from weakref import WeakSet, ref

from blobkit.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    class Visit(Protocol):
        """Somebody inside a transaction on the database at `path`; who is forgotten has gone outside."""

        path: Path

    class Leaver(Protocol):
        """An object that has databases open."""

        def leave(self) -> None:
            """Close all that is not in use, before a fork."""
            ...

        def begin_anew(self) -> None:
            """Forget what is open, in a child: it is the parent's."""
            ...


__all__ = ["enter", "exit_", "register"]

PATIENCE = 60.0
"""Seconds for which a fork waits for transactions of other threads."""
_leavers: WeakSet[Leaver] = WeakSet()
_spoiled: set[Path] = set()
"""Databases that were inside a transaction when this process was forked: SQLite's memory of them is the parent's."""


class _Gate:
    """The threads that are inside. The lock is taken by plain `with`, between whose steps no interrupt comes.

    A plain dict of references: a WeakKeyDictionary is Python code, and would cost as much again as all of this.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.inside: dict[ref[Visit], int] = {}
        self.is_shut = False

    def visits(self) -> list[tuple[Visit, int]]:
        """Return who is inside, with the thread, and let go of who was forgotten."""
        for forgotten in [mark for mark in list(self.inside) if mark() is None]:
            self.inside.pop(forgotten, None)
        return [(visit, thread) for mark, thread in list(self.inside.items()) if (visit := mark()) is not None]

    def only(self, thread: int) -> bool:
        """Return whether nobody but this thread is inside."""
        return all(other == thread for _, other in self.visits())

    def has(self, thread: int) -> bool:
        """Return whether this thread is inside already."""
        return any(other == thread for _, other in self.visits())


_gate = _Gate()


def register(leaver: Leaver) -> None:
    """Let somebody who has databases open know of forks, for as long as he lives."""
    _leavers.add(leaver)


def enter(visit: Visit) -> None:
    """Go inside; StoreError in a child that was forked in the middle of a transaction on the same database."""
    if _spoiled and visit.path in _spoiled:
        msg = (
            f"{visit.path.parent.parent}: this process was forked in the middle of a transaction on this store, "
            "so that it cannot use it: fork outside of batches, or start a process of its own"
        )
        raise StoreError(msg)
    me = threading.get_ident()
    gate = _gate
    with gate.lock:
        while gate.is_shut and not gate.has(me):
            gate.changed.wait()
        gate.inside[ref(visit)] = me


def exit_(visit: Visit) -> None:
    """Go outside again; a second time is nothing."""
    gate = _gate
    with gate.lock:
        gate.inside.pop(ref(visit), None)
        if gate.is_shut:
            gate.changed.notify_all()


def _shut() -> None:
    """Let nobody in any more, wait until everybody else is out, close what is open; on the way into a fork."""
    me = threading.get_ident()
    with _gate.lock:
        _gate.is_shut = True
        if not _gate.only(me):
            gc.collect()  # what an interrupt left in a cycle is not inside any more
        _gate.changed.wait_for(lambda: _gate.only(me), PATIENCE)
        for leaver in list(_leavers):
            leaver.leave()


def _open() -> None:
    """Let the threads in again: in the parent, after the fork."""
    with _gate.lock:
        _gate.is_shut = False
        _gate.changed.notify_all()


def _begin_anew() -> None:
    """Be as new, in a child, where no other thread is; what was inside stays the parent's."""
    global _gate  # noqa: PLW0603 (one for the process)
    _spoiled.update(visit.path for visit, _ in _gate.visits())
    _gate = _Gate()
    for leaver in list(_leavers):
        leaver.begin_anew()


os.register_at_fork(before=_shut, after_in_parent=_open, after_in_child=_begin_anew)
