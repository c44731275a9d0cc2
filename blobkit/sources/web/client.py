"""Ask one registry: with tokens, with tries after errors, and no more requests at once than it can take."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from blobkit.errors import AddressError
from blobkit.oci.untrusted import DocumentError, parse_json
from blobkit.sources.web.credentials import ANONYMOUS, HUB
from blobkit.sources.web.links import next_page
from blobkit.sources.web.login import Login
from blobkit.sources.web.refusals import CATALOG, RefusedError, code_of, not_listable
from blobkit.sources.web.sender import Sender
from blobkit.sources.web.timing import Timing
from blobkit.sources.web.transport import LIMIT, PATIENCE, Request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blobkit.oci.untrusted import Json
    from blobkit.sources.web.credentials import Credentials
    from blobkit.sources.web.transport import Answer, Transport

__all__ = ["Client"]

PAGE, PAGES = 64 << 20, 100_000
"""Bytes of the largest page of a list, and the pages of the longest list."""
PATIENT = 600.0
"""Seconds that a list may take to begin: a catalog on top of a bucket takes minutes."""
LOGINS = 3
"""Times that one request is made with another grant."""
OK, UNAUTHORIZED, FORBIDDEN, SERVER_ERRORS = 200, 401, 403, 500
SAFE = "/:?&=@%+,;~!$'()*-._[]"
"""Characters of a path that are sent as they are; the caller has escaped `?` and `%` inside of names."""


class Client:
    """A registry at `base`, such as `https://registry.example:5000`.

    `counts` has the number of requests by purpose, those for tokens as "token", and tries after the first by the
    status before them: "retried 429", "retried broken".
    """

    def __init__(  # noqa: PLR0913 (settings, by name)
        self,
        base: str,
        transport: Transport,
        *,
        credentials: Credentials | None = None,
        at_once: int = 8,
        tries: int = 6,
        timing: Timing | None = None,
    ) -> None:
        self.base, timing = checked(base), timing or Timing()
        self._sender = Sender(self.base, transport, at_once=at_once, tries=tries, timing=timing)
        self._credentials = credentials or ANONYMOUS
        self._login = Login(self.base, self._credentials, self._sender.send, timing)
        self.host, self.counts = self._sender.host, self._sender.counts

    @property
    def service(self) -> str:
        """The service that the registry names where it asks for a token, "" if it did not ask for one yet."""
        return self._login.service

    async def get(  # noqa: PLR0913 (all but the path by name)
        self,
        path: str,
        *,
        purpose: str,
        scope: str = "",
        method: str = "GET",
        accept: str = "",
        limit: int = LIMIT,
        patience: float = PATIENCE,
    ) -> Answer:
        """Return the answer for a path, after waiting and trying again where that helps.

        `path` is relative to `base`, its names are quoted; `scope` is what a token is wanted for, such as
        `repository:shop/web:pull`. Up to `limit` bytes of the body are read. Statuses 404, 5xx (after all tries) and
        0 (no whole answer came in all tries) are answers. Raises CredentialsError (401, 403), NotListableError (the
        same for the scope of the catalog), RateLimitedError (429), UnreadableStoreError if the registry is not there.
        """
        url, wanted = self._url(path), {"Accept": accept} if accept else {}

        async def ask() -> Answer:
            if used is None:
                return await self._sender.send(Request(method, url, wanted, purpose, limit, patience))
            request = Request(method, url, {**wanted, "Authorization": used.header}, purpose, limit, patience)
            credential = used.credential
            return await self._sender.send(request, lambda: self._login.check(credential))

        used, is_new = await self._login.grant(scope), False
        for _ in range(LOGINS):
            answer = await (self._login.prove(used, ask) if used is not None and used.is_basic else ask())
            if answer.status != UNAUTHORIZED:
                break
            used, is_new = await self._login.again(scope, answer, used, is_new=is_new), True
        if answer.status in {UNAUTHORIZED, FORBIDDEN}:
            raise self._login.refusal(scope, answer.status, used)
        return answer

    async def pages(self, path: str, *, purpose: str, scope: str = "", accept: str = "") -> AsyncIterator[Json]:
        """Yield the JSON object of each page of a list; only the header Link says that there are more.

        Raises RefusedError (its `status`, its `code` such as NAME_UNKNOWN) where a page is no answer, besides the
        errors of `get`; NotListableError instead for the scope of the catalog. A page that comes again ends the list.
        """
        seen: set[str] = set()
        while path and path not in seen and len(seen) < PAGES:
            seen.add(path)
            wanted = {"purpose": purpose, "scope": scope, "accept": accept}
            answer = await self.get(path, **wanted, limit=PAGE + 1, patience=PATIENT)
            yield self._page(answer, scope)
            path = self._own(next_page(answer.headers.get("Link", ""), self._url(path)))

    def _page(self, answer: Answer, scope: str) -> Json:
        if answer.status != OK:
            if scope == CATALOG and UNAUTHORIZED <= answer.status < SERVER_ERRORS:
                raise not_listable(self.host, answer.status)
            said = f"it answers {answer.status}" if answer.status else "no answer comes whole"
            msg = f"{self.host} does not give a list: {said}"
            raise RefusedError(msg, status=answer.status, code=code_of(answer))
        if len(answer.body) > PAGE:
            msg = f"{self.host} gives a list whose page is larger than {PAGE >> 20} MiB"
            raise RefusedError(msg, status=OK)
        try:
            return parse_json(answer.body, frozenset())
        except DocumentError as error:
            msg = f"{self.host} gives a list that cannot be read: {error}"
        raise RefusedError(msg, status=OK)

    def _own(self, path: str) -> str:
        """Return a path of a link relative to `base`, which may have a path of its own."""
        own = urlsplit(self.base).path
        return path.removeprefix(own) if own and path.startswith(f"{own}/") else path

    def _url(self, path: str) -> str:
        return f"{self.base}/{quote(path.lstrip('/'), safe=SAFE)}"


def checked(base: str) -> str:
    """Return the URL of a registry without a slash at its end. AddressError for one with a user, or not of HTTP."""
    parts = urlsplit(base)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        msg = "not the URL of a registry"
        raise AddressError(msg)
    if "@" in parts.netloc:
        msg = "the URL of a registry has no user and no password"
        raise AddressError(msg, hint=f"docker login {parts.hostname}")
    return f"https://{HUB[-1]}" if parts.hostname in HUB else base.rstrip("/")
