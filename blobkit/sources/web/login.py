"""Get what a registry wants to see in the header Authorization: Basic, or Bearer with a token for each scope.

Credentials that were refused once are not sent again: registries lock users out who fail to log in again and again. So
as long as nobody knows whether credentials are good, they are sent with one request at a time.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from math import inf
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from blobkit.errors import CredentialsError, UnreadableStoreError
from blobkit.render import join_some, printable
from blobkit.sources.web.challenges import Challenge, challenges
from blobkit.sources.web.credential import IDENTITY, PASSWORD, REGISTRY
from blobkit.sources.web.hidden import Hidden
from blobkit.sources.web.refusals import CATALOG, denied, login_failed, not_listable, place_of
from blobkit.sources.web.tokens import basic, read_token, token_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from blobkit.sources.web.credential import Credential
    from blobkit.sources.web.credentials import Credentials
    from blobkit.sources.web.timing import Timing
    from blobkit.sources.web.transport import Answer, Request

__all__ = ["Grant", "Login"]

EARLY = 0.8
"""The part of its life after which a token is renewed."""
IN_A_ROW = 3
"""Refusals, one after the other, that end even credentials that were good before."""
KEPT = 1000
"""Grants that are kept whether they have ended or not."""
OK, BAD_REQUEST, UNAUTHORIZED, FORBIDDEN = 200, 400, 401, 403
GOOD = (OK, 404)
"""Statuses that only those see whose login is good."""


class Grant(NamedTuple):
    """A header Authorization, until when it is good (on the clock), and the credentials and scopes that it is for."""

    header: Hidden
    until: float
    scopes: tuple[str, ...]
    credential: Credential | None
    is_basic: bool = False


class Login:
    """The grants of one registry, by scope; `base` is its URL, `ask` sends a request to its token server."""

    def __init__(
        self, base: str, credentials: Credentials, ask: Callable[[Request], Awaitable[Answer]], timing: Timing
    ) -> None:
        self._is_plain, self._host = base.startswith("http:"), printable(urlsplit(base).netloc)
        self._credentials, self._ask, self._clock = credentials, ask, timing.clock
        self._challenge: Challenge | None = None
        self._grants: dict[str, Grant] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._passwords: dict[str, bool] = {}
        self._proving = asyncio.Lock()
        self._refused: dict[Credential, int] = {}
        """By credentials how often they were refused since they were good last; those that are not here are unknown."""

    @property
    def service(self) -> str:
        """The service that the registry names where it asks for a token, "" if it did not ask yet."""
        return self._challenge.service if self._challenge else ""

    async def grant(self, scope: str) -> Grant | None:
        """Return the grant for a scope, a new one if it ends soon; None if the registry asked for none yet."""
        found = self._grants.get(scope)
        if found is not None and self._clock() < found.until:
            return found
        if self._challenge is None or (self._challenge.scheme == "basic" and not await self._has_password(scope)):
            return None
        return await self._granted(self._challenge, scope, (), found)

    async def again(self, scope: str, answer: Answer, used: Grant | None, *, is_new: bool) -> Grant:
        """Return another grant after a 401. CredentialsError if there is none, NotListableError for the catalog.

        `is_new`: the grant that was used was made for this request.
        """
        challenge = self._best(scope, answer)
        wanted = tuple(challenge.scope.split())
        if used is not None and set(wanted) <= set(used.scopes):
            is_final = used.is_basic or is_new or challenge.error == "insufficient_scope"
            if is_final:
                raise self.refusal(scope, answer.status, used)
        self._challenge = challenge
        return await self._granted(challenge, scope, wanted, used)

    async def prove(self, used: Grant, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask with Basic, alone as long as nobody knows whether the credentials are good. CredentialsError if not."""
        async with self._turn(used.credential):
            answer = await ask()
            self._judge(used.credential, answer.status)
            return answer

    def refusal(self, scope: str, status: int, used: Grant | None) -> UnreadableStoreError:
        """Return the error for a refusal that stays, with the best grant that there is."""
        credential = None if used is None else used.credential
        if scope == CATALOG:
            return not_listable(self._host, status, is_logged_in=credential is not None)
        return self._denied(scope, status, credential)

    async def _has_password(self, scope: str) -> bool:
        """Return whether there is a password for a scope: without one Basic is not tried, as all may be open there."""
        if scope not in self._passwords:
            credential = await asyncio.to_thread(self._credentials.find, _repository(scope))
            self._passwords[scope] = credential is not None and credential.kind == PASSWORD
        return self._passwords[scope]

    def _best(self, scope: str, answer: Answer) -> Challenge:
        """Return the way to log in that is supported here; Bearer rather than Basic."""
        found = {one.scheme: one for one in reversed(challenges(answer.headers.get("WWW-Authenticate", "")))}
        best = found.get("bearer") or found.get("basic")
        if best is not None:
            return best
        if not found:
            raise self.refusal(scope, answer.status, None)
        msg = f"{self._host} wants a kind of login that is not supported: {join_some([*found])}"
        raise CredentialsError(msg, host=self._host)

    async def _granted(self, challenge: Challenge, scope: str, wanted: tuple[str, ...], old: Grant | None) -> Grant:
        """Return a grant that is not the old one; whoever wants one for the same scope waits for the same request."""
        async with self._locks.setdefault(scope, asyncio.Lock()):
            found = self._grants.get(scope)
            if found is not None and found is not old and set(wanted) <= set(found.scopes):
                return found
            scopes = tuple(dict.fromkeys(one for one in (scope, *wanted) if one))
            self._prune()
            self._grants[scope] = made = await self._made(challenge, scope, scopes)
            return made

    async def _made(self, challenge: Challenge, scope: str, scopes: tuple[str, ...]) -> Grant:
        credential = await asyncio.to_thread(self._credentials.find, _repository(scope))
        if challenge.scheme == "bearer":
            async with self._turn(credential):
                return await self._token(challenge, credential, scope, scopes)
        if credential is None or credential.kind != PASSWORD:
            raise self._denied(scope, UNAUTHORIZED, None)
        return Grant(basic(credential), inf, scopes, credential, is_basic=True)

    async def _token(
        self, challenge: Challenge, credential: Credential | None, scope: str, scopes: tuple[str, ...]
    ) -> Grant:
        if credential is not None and credential.kind == REGISTRY:
            return Grant(Hidden(f"Bearer {credential.secret}"), inf, scopes, credential)
        self._check_realm(challenge.realm)
        sent = self._clock()
        answer = await self._ask(token_request(challenge, credential, scopes))
        is_refused = answer.status == BAD_REQUEST and credential is not None and credential.kind == IDENTITY
        self._judge(credential, UNAUTHORIZED if is_refused else answer.status, is_final=True)
        if answer.status == FORBIDDEN and credential is not None and scope == CATALOG:
            raise not_listable(self._host, answer.status)
        if answer.status in {UNAUTHORIZED, FORBIDDEN}:
            raise self._denied(scope, answer.status, credential)
        token = read_token(answer) if answer.status == OK else None
        if token is None:
            said = f"answers {answer.status}" if answer.status != OK else "answers without a token"
            msg = f"{place_of(challenge.realm)}, where {self._host} gives out tokens, {said}"
            raise UnreadableStoreError(msg)
        return Grant(token.header, sent + token.seconds * EARLY, scopes, credential)

    def _check_realm(self, realm: str) -> None:
        """Raise CredentialsError for a token server that credentials would reach in the clear, or that is no URL."""
        if realm.startswith("https://") or (self._is_plain and realm.startswith("http://")):
            return
        msg = f"{self._host} wants credentials to be sent to {place_of(realm)}, without TLS: that is not done"
        raise CredentialsError(msg, host=self._host)

    @asynccontextmanager
    async def _turn(self, credential: Credential | None) -> AsyncIterator[None]:
        """Let one request after the other be made with credentials, unless they were good the last time."""
        self.check(credential)
        if credential is not None and self._refused.get(credential) != 0:
            async with self._proving:
                self.check(credential)
                if self._refused.get(credential) != 0:
                    yield
                    return
        yield

    def check(self, credential: Credential | None) -> None:
        """Raise CredentialsError for credentials that were refused."""
        if credential is not None and self._refused.get(credential, 0) >= IN_A_ROW:
            raise login_failed(self._host, UNAUTHORIZED, self._credentials.looked_at)

    def _judge(self, credential: Credential | None, status: int, *, is_final: bool = False) -> None:
        """Learn from the answer to a request with credentials whether they are good. CredentialsError if not."""
        if credential is None:
            return
        if status != UNAUTHORIZED:
            if status in GOOD:
                self._refused[credential] = 0
            return
        more = IN_A_ROW if is_final or credential not in self._refused else 1
        self._refused[credential] = self._refused.get(credential, 0) + more
        self.check(credential)

    def _denied(self, scope: str, status: int, credential: Credential | None) -> CredentialsError:
        looked_at = self._credentials.looked_at
        return denied(self._host, status, scope, looked_at, has_credential=credential is not None)

    def _prune(self) -> None:
        """Forget grants that have ended, once there are many."""
        if len(self._grants) > KEPT:
            now = self._clock()
            self._grants = {scope: grant for scope, grant in self._grants.items() if grant.until > now}
            self._locks = {scope: lock for scope, lock in self._locks.items() if lock.locked()}


def _repository(scope: str) -> str:
    """Return the repository that a scope is for, "" if it is for none."""
    kind, _, rest = scope.partition(":")
    return rest.rpartition(":")[0] if kind == "repository" else ""
