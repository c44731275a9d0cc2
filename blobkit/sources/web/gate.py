"""Limit the requests that run at once, and learn the limit from the server.

Additive increase, multiplicative decrease, as TCP does (Chiu and Jain 1989): a refusal halves the limit, good answers
raise it slowly. A pause holds all requests back, because asking on makes a refusal last longer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blobkit.sources.web.timing import Timing

__all__ = ["Gate"]

SLOWNESS = 8
"""Times as many good answers as the limit, until it grows by one."""


class Gate:
    """A place that at most `limit` requests are inside of: `era = await gate.enter()`, and `gate.leave()` in the end.

    Requests of one era began under one limit: the refusals of all of them together halve it once.
    """

    def __init__(self, at_once: int, timing: Timing) -> None:
        self._most, self._timing = float(at_once), timing
        self._limit, self._inside, self._era, self._until = float(at_once), 0, 0, 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """The number of requests that may run at once now."""
        return int(self._limit)

    async def enter(self) -> int:
        """Wait for a place inside, and for the end of a pause. Return the era."""
        while self._inside + 1 > self._limit:
            await self._turn()
        self._inside += 1
        try:
            while (rest := self._until - self._timing.clock()) > 0:
                await self._timing.sleep(rest)
        except BaseException:
            self.leave()
            raise
        return self._era

    def leave(self) -> None:
        """Give the place to the next one."""
        self._inside -= 1
        self._wake()

    def grow(self) -> None:
        """Raise the limit a little, after a good answer."""
        if self._limit < self._most:
            self._limit = min(self._most, self._limit + 1 / (SLOWNESS * self._limit))

    def shrink(self, era: int) -> None:
        """Halve the limit, after a refusal; once for all requests of an era."""
        if era == self._era:
            self._era += 1
            self._limit = max(1.0, self._limit / 2)

    def pause(self, seconds: float) -> None:
        """Hold all requests back that begin within so many seconds."""
        self._until = max(self._until, self._timing.clock() + seconds)

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._wake()  # the turn was given already: to the next one
            raise

    def _wake(self) -> None:
        free = int(self._limit) - self._inside
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
