"""A registry without a network: a test says what it answers, and time passes only where the client waits."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from blobkit.sources.web.timing import Timing
from blobkit.sources.web.transport import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from blobkit.sources.web.transport import Request

__all__ = ["NOW", "Heard", "Played", "Time", "reply"]

NOW = 1_800_000_000.0
"""The time when a test begins, in seconds since 1970."""


def reply(status: int = 200, body: bytes = b"{}", **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


class Heard(NamedTuple):
    """A request, and when it came."""

    method: str
    url: str
    headers: Mapping[str, str]
    data: Mapping[str, str] | None
    time: float
    at_once: int
    """Requests on the way, with this one."""


class Time:
    """A clock that only sleeping moves on; nothing is left to chance."""

    def __init__(self) -> None:
        self.clock, self.slept = 0.0, list[float]()

    def timing(self) -> Timing:
        return Timing(lambda: self.clock, lambda: NOW + self.clock, self.sleep, lambda: 0.5)

    async def sleep(self, seconds: float) -> None:
        end = self.clock + seconds
        self.slept.append(seconds)
        await asyncio.sleep(0)
        self.clock = max(self.clock, end)


class Played:
    """A transport whose answers a function gives; `heard` has the requests, `most` how many there were at once."""

    def __init__(self, answer: Callable[[Heard], Answer | OSError], time: Time | None = None) -> None:
        self._answer, self.time = answer, time or Time()
        self.heard: list[Heard] = []
        self.most, self._now = 0, 0
        self.is_closed = False

    async def request(self, request: Request) -> Answer:
        self._now += 1
        heard = Heard(request.method, request.url, dict(request.headers), request.data, self.time.clock, self._now)
        self.heard.append(heard)
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(0)
            found = self._answer(heard)
        finally:
            self._now -= 1
        if isinstance(found, OSError):
            raise found
        return found._replace(body=found.body[: request.limit])

    async def close(self) -> None:
        self.is_closed = True
