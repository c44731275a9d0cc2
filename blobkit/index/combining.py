"""Puts of threads that meet at the write lock, in one transaction: they share its sync (group commit).

Whoever waits for the lock has left its request in a queue. Who gets the lock first takes all of them, commits once, and
the others find theirs done when it is their turn. Nothing is visible before it is durable, as with one put alone.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from blobkit.index.pool import Lease
from blobkit.index.writes import put_row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from blobkit.index.pool import Pool
    from blobkit.transactions import Plain, Put

__all__ = ["Combining"]

MOST = 64
"""Requests that are committed at once: so others wait for no longer than that."""


class _Request:
    """A put that waits for the lock; `is_done` is true once it is committed, or known to be none for this path."""

    __slots__ = ("found", "is_done", "new", "put")

    def __init__(self, new: Plain, put: Callable[[bool], bool]) -> None:
        self.new = new
        self.put = put
        self.found: Put | None = None
        self.is_done = False


class Combining:
    """The puts of the threads that share a pool of connections."""

    def __init__(self, pool: Pool, types: Mapping[str, int]) -> None:
        self._pool = pool
        self._types = types
        self._queue: deque[_Request] = deque()

    def put(self, new: Plain, put: Callable[[bool], bool]) -> Put | None:
        """Return what `Index.put_plain` does, alone or with the puts that wait."""
        request = _Request(new, put)
        if new.journal is not None:  # else nothing is synced that could be shared
            self._queue.append(request)
        lease = Lease(self._pool, writes=True, unless=lambda: request.is_done)
        try:
            if not request.is_done:
                self._lead(lease, request)
        finally:
            lease.end()  # undoes what was not committed
        return request.found

    def _lead(self, lease: Lease, own: _Request) -> None:
        """Commit this request and those that wait by now. Where that fails, each of the others tries by itself."""
        group = [own]
        while self._queue and len(group) < MOST:
            other = self._queue.popleft()
            if other is not own:
                group.append(other)
        lease.db.execute("BEGIN IMMEDIATE")
        rows = [put_row(lease.db, one.new, self._types, one.put) for one in group]
        if any(rows):
            lease.db.execute("COMMIT")
        for one, found in zip(group, rows, strict=True):
            one.found, one.is_done = found, True
