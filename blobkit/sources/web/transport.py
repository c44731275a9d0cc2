"""Send one HTTP request and return the answer. The only file that imports aiohttp.

What is sent and received is bounded in size and time. Redirects are not followed here, cookies are not kept, `.netrc`
is not read. No error has text or frames of the library, which may show the secrets of a request, a proxy or a redirect.
"""

from __future__ import annotations

import errno
import os
import ssl
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from blobkit.errors import MissingExtraError, UnreadableStoreError
from blobkit.errors.remote import REMOTE_EXTRA
from blobkit.sources.web.proxies import Proxies
from blobkit.sources.web.refusals import place_of
from blobkit.sources.web.trust import Trust, untrusted

if TYPE_CHECKING:
    from collections.abc import Mapping

    import aiohttp

__all__ = [
    "LIMIT",
    "PATIENCE",
    "Answer",
    "BrokenError",
    "Request",
    "Transport",
    "UnreachableError",
    "aiohttp_transport",
]

LIMIT = 4 << 20
"""Bytes of a body that are read, where nothing else is asked for."""
PATIENCE = 60.0
"""Seconds to wait for the next bytes of an answer."""
CONNECTING = 20.0
"""Seconds to wait for a connection."""
LONGEST = 900.0
"""Seconds that one request may take in all."""
FIELD = 64 << 10
"""Bytes of the longest header that is read."""
PROXY_LOGIN = 407
REPEATED = ("Link", "WWW-Authenticate")
PLAIN = "for a registry without TLS give registry+http://{}"


class Request(NamedTuple):
    """One request: `purpose` is what it is counted as, `data` is sent as a form.

    Up to `limit` bytes of the body of the answer are read. `patience`: the seconds to wait for its next bytes.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    purpose: str
    limit: int = LIMIT
    patience: float = PATIENCE
    data: Mapping[str, str] | None = None

    def __repr__(self) -> str:
        """Return method and purpose: URLs, headers and forms may have secrets."""
        return f"Request({self.method}, {self.purpose})"


class Answer(NamedTuple):
    """The answer of a server: its status, its headers (their names match in any case), and the bytes of the body.

    The status is 0 where no answer came whole, however often it was asked for.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        """Return status and length: headers and bodies may have secrets."""
        return f"Answer({self.status}, {len(self.body)} bytes)"


class BrokenError(OSError):
    """No whole answer came: the connection broke, or the time was over. Another try may help."""


class UnreachableError(BrokenError):
    """There was no connection: no such host, nobody listens, no way there."""


class Transport(Protocol):
    """A way to send requests."""

    async def request(self, request: Request) -> Answer:
        """Return the answer, with as much of its body as the request wants.

        A redirect is an answer like others. Raises BrokenError if another try may help, UnreadableStoreError if not.
        """
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


def aiohttp_transport(at_once: int) -> Transport:
    """Return a transport that keeps up to `at_once` connections. MissingExtraError without aiohttp.

    Certificates: see `blobkit.sources.web.trust`; proxies: as the environment says.
    """
    try:
        return _Aiohttp(at_once)
    except ImportError:
        msg = "aiohttp, which reads registries over HTTP, is not installed"
    raise MissingExtraError(msg, hint=REMOTE_EXTRA)


class _Aiohttp:
    """A session of aiohttp, opened by the first request: it belongs to the running loop."""

    def __init__(self, at_once: int) -> None:
        import aiohttp  # noqa: PLC0415 (an extra has it, and it takes a fifth of a second)
        from yarl import URL  # noqa: PLC0415 (it comes with aiohttp)

        self._errors = (OSError, ValueError, aiohttp.ClientError)
        self._url = URL
        self._at_once = at_once
        self._trust, self._proxies = Trust(), Proxies()
        self._session: aiohttp.ClientSession | None = None

    async def request(self, request: Request) -> Answer:
        url, headers = request.url, request.headers
        try:
            session, proxy = self._session or self._opened(), self._proxies.of(url)
            if proxy.headers and url.startswith("http:"):
                headers = {**headers, **proxy.headers}  # without a tunnel the proxy reads the request itself
            async with session.request(
                request.method,
                self._url(url, encoded=True),
                headers=headers,
                data=request.data,
                allow_redirects=False,
                timeout=_timeout(request.patience),
                ssl=self._trust.context(url),
                proxy=proxy.url,
                proxy_headers=proxy.headers,
            ) as answer:
                if answer.status != PROXY_LOGIN:
                    return Answer(answer.status, _headers(answer), await _body(answer, request.limit))
            failure: OSError = _no_way(url, PROXY_LOGIN)
        except UnreadableStoreError:
            raise
        except self._errors as error:
            failure = _failure(error, url)
        raise failure

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415 (see above)

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._at_once, ttl_dns_cache=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": "blobkit"},
            auto_decompress=False,
            max_line_size=FIELD,
            max_field_size=FIELD,
        )
        return self._session


@cache
def _timeout(patience: float) -> aiohttp.ClientTimeout:
    import aiohttp  # noqa: PLC0415 (see above)

    return aiohttp.ClientTimeout(total=LONGEST, sock_connect=CONNECTING, sock_read=patience)


def _headers(answer: aiohttp.ClientResponse) -> Mapping[str, str]:
    """Return the headers; those that may be repeated are joined, as HTTP lets one do."""
    found = answer.headers
    repeated = [name for name in REPEATED if name in found and len(found.getall(name)) > 1]
    if not repeated:
        return found
    joined = found.copy()
    for name in repeated:
        joined[name] = ", ".join(found.getall(name))
    return joined


async def _body(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return up to `limit` bytes of the body. A longer one is not read to its end: the connection is closed."""
    if (answer.content_length or limit + 1) <= limit:
        return await answer.read()
    parts, room = [], limit
    async for part in answer.content.iter_any():
        parts.append(part[:room])
        room -= len(parts[-1])
        if not room:
            answer.close()
            break
    return b"".join(parts)


def _failure(error: Exception, url: str) -> OSError:  # noqa: PLR0911 (one for each cause)
    """Return the error of a request in words of our own."""
    import aiohttp  # noqa: PLC0415 (see above)

    host = place_of(url).partition("://")[2]
    if isinstance(error, ssl.SSLCertVerificationError):
        return untrusted(host, getattr(getattr(error, "certificate_error", error), "verify_message", ""))
    if isinstance(error, ssl.SSLError | aiohttp.ClientConnectorSSLError):
        return UnreadableStoreError(f"{host} does not speak TLS as it should", hint=PLAIN.format(host))
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _no_way(url, error.status)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return UnreachableError(f"the proxy for {host} cannot be reached: {_why(error)}")
    if isinstance(error, aiohttp.ClientConnectorError):
        return UnreachableError(f"{host} cannot be reached: {_why(error)}")
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return UnreachableError(f"{host} cannot be reached: no connection in {CONNECTING:.0f} s")
    if isinstance(error, TimeoutError):
        return BrokenError(f"{host} does not answer in time")
    return BrokenError(f"{host} broke off its answer")


def _no_way(url: str, status: int) -> UnreachableError:
    return UnreachableError(f"the proxy does not lead to {place_of(url).partition('://')[2]}: it answers {status}")


def _why(error: aiohttp.ClientConnectorError) -> str:
    """Return the reason in the words of the system."""
    import aiohttp  # noqa: PLC0415 (see above)

    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "there is no such host"
    number = error.os_error.errno
    return os.strerror(number) if number is not None and number in errno.errorcode else "no connection"
