"""A registry with logins, without a network: what it gave out, and how often somebody failed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from blobkit.sources.web.client import Client
from blobkit.sources.web.credentials import Credential, Given
from blobkit.sources.web.hidden import Hidden
from remote_servers.played import Heard, Played, reply
from remote_servers.secrets import IDENTITY, PAIR, SECRET, USER

if TYPE_CHECKING:
    from blobkit.sources.web.credentials import Credentials
    from blobkit.sources.web.transport import Answer

__all__ = ["BASE", "GIVEN", "IDENTIFIED", "PASSWORD", "REALM", "Registry", "client_of", "pull", "pulled"]

BASE, REALM = "https://registry.example", "https://auth.example/token?account=x"
PASSWORD = Credential(Hidden(SECRET), Hidden(USER))
GIVEN = Given(PASSWORD, ("~/.docker/config.json",))
IDENTIFIED = Given(Credential(Hidden(IDENTITY), kind="identity"))


@dataclass
class Registry:
    """A registry with a token server. Tokens are `token<number>`, each good for the scopes it was asked for."""

    realm: str = REALM
    lifetime: object = 300
    lets_in: str = f"Basic {PAIR}"
    is_open: bool = False
    scheme: str = "Bearer"
    more: str = ""
    """Another scope that the registry itself wants beside that of the repository."""
    refused: set[str] = field(default_factory=set)
    """Repositories that no token is good for."""
    tokens: dict[str, set[str]] = field(default_factory=dict)
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    failed: int = 0

    def answer(self, heard: Heard) -> Answer:
        return self._token(heard) if heard.url.startswith(self.realm) else self._content(heard)

    def _token(self, heard: Heard) -> Answer:
        form = (
            {name: [value] for name, value in heard.data.items()} if heard.data else parse_qs(urlsplit(heard.url).query)
        )
        said = heard.headers.get("Authorization", "") if not heard.data else f"token {heard.data['refresh_token']}"
        if said != self.lets_in and not (self.is_open and not said):
            self.failed += 1
            return reply(400 if heard.data else 401)
        self.asked.append(form)
        name = f"token{len(self.asked)}"
        self.tokens[name] = {scope for value in form.get("scope", []) for scope in value.split()}
        return reply(200, json.dumps({"token": name, "expires_in": self.lifetime}).encode())

    def _content(self, heard: Heard) -> Answer:
        repository = urlsplit(heard.url).path.removeprefix("/v2/").partition("/manifests/")[0]
        said = heard.headers.get("Authorization", "")
        if self.scheme == "Basic":
            is_let_in = said == self.lets_in and repository not in self.refused
            self.failed += said not in {"", self.lets_in}
            return reply(200) if is_let_in else reply(401, WWW_Authenticate='Basic realm="x"')
        wanted = {f"repository:{repository}:pull", *self.more.split()}
        if wanted <= self.tokens.get(said.removeprefix("Bearer "), set()) and repository not in self.refused:
            return reply(200)
        scopes = " ".join(sorted(wanted))
        return reply(401, WWW_Authenticate=f'Bearer realm="{self.realm}",service="s",scope="{scopes}"')


def client_of(registry: Registry, credentials: Credentials | None = None, **more: int) -> tuple[Client, Played]:
    played = Played(registry.answer)
    return Client(BASE, played, credentials=credentials, timing=played.time.timing(), **more), played


async def pull(client: Client, name: str) -> int:
    scope = f"repository:{name}:pull"
    return (await client.get(f"/v2/{name}/manifests/1.0", purpose="GET manifest", scope=scope)).status


def pulled(client: Client, *names: str) -> list[int | BaseException]:
    async def main() -> list[int | BaseException]:
        return await asyncio.gather(*(pull(client, name) for name in names), return_exceptions=True)

    return asyncio.run(main())
