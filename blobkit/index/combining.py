"""Puts of threads that meet at the write lock, in one transaction: they share its sync (group commit).

Whoever waits for the lock has left its request in a queue. Who gets the lock takes its own request and those that wait,
commits once, and the others find theirs done when it is their turn. Nothing is visible before it is durable, as with
one put alone. A request is in the queue, or claimed by the one thread that has the lock, or done: so none is put twice.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from typing import TYPE_CHECKING

from blobkit.errors import StoreBusyError, StoreError
from blobkit.index.pool import Lease
from blobkit.index.writes import put_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from blobkit.index.handles import Connection
    from blobkit.index.pool import Pool
    from blobkit.transactions import Plain, Put

__all__ = ["Combining"]

MOST = 64
"""Requests that are committed at once: so others wait for no longer than that."""


class _Request:
    """A put that waits for the lock; `is_done` is true once it is committed, or known to be none for this path."""

    __slots__ = ("found", "is_claimed", "is_done", "new", "put")

    def __init__(self, new: Plain, put: Callable[[bool], bool]) -> None:
        self.new = new
        self.put = put
        self.found: Put | None = None
        self.is_claimed = False
        self.is_done = False


class Combining:
    """The puts of the threads that share a pool of connections."""

    def __init__(self, pool: Pool, types: Mapping[str, int]) -> None:
        self._pool = pool
        self._types = types
        self._queue: deque[_Request] = deque()
        self._lock = threading.RLock()  # a handler of a signal may put while its thread is in here

    def put(self, new: Plain, put: Callable[[bool], bool]) -> Put | None:
        """Return what `Index.put_plain` does, alone or with the puts that wait. One that fails is given up for good."""
        request = _Request(new, put)
        try:
            if new.journal is not None:  # else nothing is synced that could be shared
                self._queue.append(request)
            lease = self._turn(request)
            try:
                if not request.is_done:
                    self._lead(lease, request)
            finally:
                lease.end()  # undoes what was not committed
        except BaseException:
            self._withdraw(request)
            raise
        return request.found

    def _turn(self, request: _Request) -> Lease:
        """Return the turn to write, or none once another thread has done the request.

        One that is being committed cannot be given up for lack of time.
        """
        while True:
            try:
                return Lease(self._pool, writes=True, unless=lambda: request.is_done)
            except StoreBusyError:
                if self._withdraw(request):
                    raise

    def _withdraw(self, request: _Request) -> bool:
        """Take a request out of the queue; return False where another thread has claimed it."""
        with self._lock:
            if request in self._queue:
                self._queue.remove(request)
            return not request.is_claimed

    def _claim(self, group: list[_Request]) -> None:
        """Add the first of those that wait to the group of this thread's own request, which waits no longer.

        An interrupt may come between any two steps: until the last one a request can be claimed again.
        """
        own = group[0]
        with self._lock:
            if own.is_claimed:  # and not done, while nobody else has the lock
                msg = "another thread was interrupted twice while it put this: look whether it is here, then try again"
                raise StoreError(msg)
            if own in self._queue:
                self._queue.remove(own)
            while self._queue and len(group) < MOST:
                other = self._queue[0]
                group.append(other)
                other.is_claimed = True
                self._queue.popleft()

    def _lead(self, lease: Lease, own: _Request) -> None:
        """Commit this request and those that wait by now. Where that fails, each of them tries by itself."""
        group = [own]
        try:
            self._pool.begin(lease.db)
            self._claim(group)
            self._commit(lease.db, group)
        except BaseException as error:
            self._pool.undo(lease.db)
            for other in group[1:]:
                other.is_claimed = other.is_done
            if len(group) == 1 or not isinstance(error, Exception):
                raise
        if not own.is_done:
            self._pool.begin(lease.db)
            self._commit(lease.db, [own])

    def _commit(self, db: Connection, group: Sequence[_Request]) -> None:
        """Record these, commit, and say so to each, also where an interrupt comes right after the commit."""
        for one in group:
            one.found = put_row(db, one.new, self._types, one.put)
        try:
            if any(one.found for one in group):
                self._pool.commit(db)
            _mark(group)
        except sqlite3.Error:
            raise
        except BaseException:
            if not db.in_transaction:
                _mark(group)
            raise


def _mark(group: Sequence[_Request]) -> None:
    for one in group:
        one.is_done = True
