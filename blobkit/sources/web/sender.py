"""Send requests to one registry: through the gate, with tries after errors, and behind redirects."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from blobkit.errors import UnreadableStoreError
from blobkit.log import log
from blobkit.render import printable
from blobkit.sources.web.delays import backoff, limited_for, moment, retry_after
from blobkit.sources.web.gate import Gate
from blobkit.sources.web.hidden import Hidden
from blobkit.sources.web.refusals import gone, limited, place_of
from blobkit.sources.web.transport import Answer, BrokenError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.sources.web.timing import Timing
    from blobkit.sources.web.transport import Request, Transport

__all__ = ["Sender"]

LONGEST = 300.0
"""Seconds: a registry that asks to wait longer is not waited for."""
UNKNOWN = 900.0
"""Seconds until another run is worth it, if the registry does not say it."""
FIRST, FIRST_LIMITED = 0.5, 2.0
"""Seconds of the first wait after an error, and after 429."""
HOPS = 5
IN_A_ROW = 8
"""Requests that failed in all their tries, with no good answer in between, after which the registry is gone."""
BAD_REQUEST, TOO_MANY = 400, 429
RETRIED = frozenset({0, 408, 425, 429, 500, 502, 503, 504})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
NO_ANSWERS = REDIRECTS | {401, 403}
"""Statuses that say nothing about the registry, where another server answers."""
FOLLOWED = frozenset({"GET", "HEAD"})
PORTS = {"http": 80, "https": 443}


class Sender:
    """Requests to the registry at `base`. After an error that ends all, no request is made any more.

    `counts` has the number of requests by purpose, and of tries by the status before them ("retried 429").
    """

    def __init__(self, base: str, transport: Transport, *, at_once: int, tries: int, timing: Timing) -> None:
        self.host = printable(urlsplit(base).netloc)
        self.counts: Counter[str] = Counter()
        self._base, self._transport, self._tries, self._timing = base, transport, tries, timing
        self._gate = Gate(at_once, timing)
        self._end: Callable[[], UnreadableStoreError] | None = None
        self._is_known, self._lost, self._limited = False, 0, 0
        self._why = ""

    async def send(self, request: Request, check: Callable[[], None] | None = None) -> Answer:
        """Return the answer, the last one after as many tries as there may be. `check` may raise before each of them.

        Raises RateLimitedError after 429 in all tries, or if the registry asks to wait long; UnreadableStoreError if it
        cannot be reached, or answers no request any more.
        """
        attempt = 1
        while True:
            answer, wait = await self._once(request, attempt, check)
            if wait is None:
                return answer
            self.counts[f"retried {answer.status or 'broken'}"] += 1
            if wait:
                await self._timing.sleep(wait)
            attempt += 1

    async def _once(
        self, request: Request, attempt: int, check: Callable[[], None] | None
    ) -> tuple[Answer, float | None]:
        """Return the answer, and the seconds to wait before another try; None if it is the last one."""
        era = await self._gate.enter()
        try:
            if self._end is not None:
                raise self._end()
            if check is not None:
                check()
            answer = await self._answer(request)
            if answer.status not in RETRIED:
                self._praise(answer)
                return answer, None
            if answer.status == TOO_MANY:
                return answer, self._limit(answer, attempt, era)
            return answer, self._wait(answer, attempt)
        finally:
            self._gate.leave()

    def _praise(self, answer: Answer) -> None:
        """Learn from an answer that the registry is there, and may be asked more."""
        if not self._is_known and answer.status == BAD_REQUEST and b"HTTPS" in answer.body:
            msg = f"{self.host} speaks TLS only"
            raise UnreadableStoreError(msg, hint=f"give registry+https://{self.host}")
        self._is_known, self._lost, self._limited = True, 0, 0
        self._gate.grow()

    def _limit(self, answer: Answer, attempt: int, era: int) -> float:
        """Let all requests pause at the gate, and fewer through it. RateLimitedError once that has not helped.

        A request is tried on as long as others are answered.
        """
        self._limited += 1
        now = self._timing.now()
        wait = limited_for(answer.headers, now)
        if min(attempt, self._limited) >= self._tries or (wait or 0) > LONGEST:
            resume_at = moment(UNKNOWN if wait is None else wait, now)
            self._end = lambda: limited(self.host, resume_at)
            raise self._end()
        wait = backoff(attempt, FIRST_LIMITED, self._timing) if wait is None else wait
        log.info("%s answers 429: all requests wait %.0f s", self.host, wait)
        self._gate.shrink(era)
        self._gate.pause(wait)
        return 0.0

    def _wait(self, answer: Answer, attempt: int) -> float | None:
        """Return the seconds to wait before another try after an error; None if that was the last one."""
        if attempt >= self._tries:
            self._lose(answer)
            return None
        wait = retry_after(answer.headers, self._timing.now())
        wait = backoff(attempt, FIRST, self._timing) if wait is None else min(wait, LONGEST)
        log.info("%s answers %s: one request waits %.1f s", self.host, answer.status or "nothing whole", wait)
        return wait

    def _lose(self, answer: Answer) -> None:
        """Count a request that failed in all tries. UnreadableStoreError if the registry seems to be gone."""
        self._lost += 1
        why = str(answer.status or self._why)
        if self._lost >= IN_A_ROW or not (self._is_known or answer.status):
            self._end = lambda: gone(self.host, why)
            raise self._end()

    async def _answer(self, request: Request) -> Answer:
        """Return an answer, or one of status 0. UnreadableStoreError if another try cannot help."""
        self.counts[request.purpose] += 1
        try:
            return await self._followed(request)
        except UnreachableError as error:
            self._why = str(error)
            if not self._is_known:
                raise UnreadableStoreError(self._why) from None
        except BrokenError as error:
            self._why = str(error)
        return Answer(0, {}, b"")

    async def _followed(self, request: Request) -> Answer:
        """Return the answer behind redirects. Only the server that a request was for sees its Authorization."""
        asked = request.url
        for _ in range(HOPS):
            url = request.url
            answer = await self._transport.request(request)
            if answer.status not in REDIRECTS or request.method not in FOLLOWED:
                break
            request = self._redirected(request, answer)
        if url is not asked and answer.status in NO_ANSWERS and origin(url) != origin(asked):
            msg = f"{place_of(url)}, where {self.host} redirects to, answers {answer.status}"
            raise BrokenError(msg)
        return answer

    def _redirected(self, request: Request, answer: Answer) -> Request:
        """Return the request for the place that a redirect names. UnreadableStoreError if it is one without TLS."""
        url = _joined(request.url, answer.headers.get("Location", ""))
        old, new = origin(request.url), origin(url)
        if old == new:
            return request._replace(url=url)
        if new[0] != "https" and old[0] != new[0]:
            msg = f"{self.host} redirects to {place_of(url)}, without TLS: that is not followed"
            raise UnreadableStoreError(msg)
        if (old[0], *new[:2]) == ("http", "https", old[1]) and urlsplit(url).path == urlsplit(request.url).path:
            msg = f"{self.host} redirects to TLS"
            raise UnreadableStoreError(msg, hint=f"give registry+{place_of(url)}")
        kept = {name: value for name, value in request.headers.items() if name != "Authorization"}
        return request._replace(url=url, headers=kept)


def _joined(url: str, location: str) -> Hidden:
    try:
        return Hidden(urljoin(url, location))
    except ValueError:
        return Hidden(location)


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of a URL; ("", "", 0) if it is none of HTTP."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS[parts.scheme]
    except (KeyError, ValueError):
        return "", "", 0
    return parts.scheme, parts.hostname or "", port
