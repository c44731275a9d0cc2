"""Tokens are asked for once and renewed in time; wrong credentials are sent once."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from blobkit.errors import CredentialsError, NotListableError, UnreadableStoreError
from blobkit.sources.web import login
from blobkit.sources.web.client import Client
from blobkit.sources.web.credentials import Credential, Given
from blobkit.sources.web.hidden import Hidden
from blobkit.sources.web.refusals import CATALOG
from remote_servers.played import Heard, Played, reply
from remote_servers.secrets import IDENTITY, PAIR, SECRET, USER

if TYPE_CHECKING:
    from blobkit.sources.web.credentials import Credentials
    from blobkit.sources.web.transport import Answer

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


def test_a_registry_that_asks_for_nothing_gets_no_credentials() -> None:
    played = Played(lambda _: reply())
    assert pulled(Client(BASE, played, credentials=GIVEN), "a", "b") == [200, 200]
    assert [heard.headers for heard in played.heard] == [{}, {}]


def test_one_token_for_each_repository_and_one_refusal_in_all() -> None:
    registry = Registry()
    client, played = client_of(registry, GIVEN)
    names = [f"team/app{number}" for number in range(12)]
    assert pulled(client, names[0]) == [200]
    assert pulled(client, *names, *names, *names) == [200] * 36
    assert client.counts == {"GET manifest": 38, "token": 12}
    assert sorted(form["scope"] for form in registry.asked) == sorted([f"repository:{name}:pull"] for name in names)
    assert registry.asked[0]["service"] == ["s"]
    assert registry.asked[0]["account"] == ["x"]
    assert {heard.method for heard in played.heard} == {"GET"}


def test_many_requests_at_once_ask_for_one_token() -> None:
    registry = Registry()
    client, _ = client_of(registry, GIVEN)
    assert pulled(client, *["team/app"] * 40) == [200] * 40
    assert client.counts["token"] == 1


def test_a_token_is_renewed_before_it_ends_and_asked_for_once() -> None:
    registry = Registry(lifetime=100)
    client, played = client_of(registry, GIVEN)

    async def main() -> None:
        for clock, tokens in ((0, 1), (79, 1), (81, 2), (160, 2), (162, 3)):
            played.time.clock = clock
            assert await asyncio.gather(*[pull(client, "team/app") for _ in range(9)]) == [200] * 9
            assert client.counts["token"] == tokens

    asyncio.run(main())


@pytest.mark.parametrize(
    ("lifetime", "seconds"),
    [
        (None, 48),
        ("300", 48),
        (0, 48),
        (-5, 48),
        (True, 0.8),
        (10, 8),
        (2.5, 2),
        (10**9, 2880),
        (1e300, 2880),
        ([], 48),
    ],
)
def test_the_lifetime_of_a_token_is_60_seconds_unless_said(lifetime: object, seconds: float) -> None:
    client, played = client_of(Registry(lifetime=lifetime), GIVEN)
    for clock, tokens in ((0.0, 1), (seconds * 0.99, 1), (seconds * 1.01, 2)):
        played.time.clock = clock
        assert pulled(client, "a") == [200]
        assert client.counts["token"] == tokens


def test_a_token_that_the_registry_forgot_is_renewed_once() -> None:
    registry = Registry()
    client, _ = client_of(registry, GIVEN)
    assert pulled(client, "a") == [200]
    registry.tokens.clear()
    assert pulled(client, *["a"] * 5) == [200] * 5
    assert client.counts["token"] == 2


def test_a_scope_that_the_registry_wants_too_is_asked_for_with_ours() -> None:
    registry = Registry(more="repository:a:metadata_read")
    client, _ = client_of(registry, GIVEN)
    assert pulled(client, "a") == [200]
    assert registry.asked[0]["scope"] == ["repository:a:pull", "repository:a:metadata_read"]


def test_a_token_of_somebody_else_is_taken_only_if_it_is_for_all_that_is_wanted() -> None:
    """Lists want more than manifests do: two requests at once are refused once each, and no third time."""
    registry = Registry()

    def answer(heard: Heard) -> Answer:
        registry.more = "repository:a:metadata_read" if heard.url.endswith("list") else ""
        return registry.answer(heard)

    client = Client(BASE, Played(answer), credentials=GIVEN)

    async def main() -> None:
        scope = "repository:a:pull"
        await asyncio.gather(
            client.get("/v2/a/manifests/1.0", purpose="GET", scope=scope),
            client.get("/v2/a/manifests/list", purpose="GET", scope=scope),
        )

    asyncio.run(main())
    assert client.counts == {"GET": 4, "token": 2}


def test_everybody_gets_a_token_without_credentials() -> None:
    client, played = client_of(Registry(is_open=True))
    assert pulled(client, "a") == [200]
    assert "Authorization" not in played.heard[1].headers


def test_an_identity_token_is_exchanged() -> None:
    registry = Registry(lets_in=f"token {IDENTITY}")
    client, played = client_of(registry, IDENTIFIED)
    assert pulled(client, "a", "a") == [200, 200]
    posts = [heard for heard in played.heard if heard.method == "POST"]
    assert [(post.url, post.headers) for post in posts] == [(REALM, {})]
    assert posts[0].data == {
        "grant_type": "refresh_token",
        "service": "s",
        "client_id": "blobkit",
        "scope": "repository:a:pull",
        "refresh_token": IDENTITY,
    }


def test_a_token_for_the_registry_itself_is_sent_as_it_is() -> None:
    registry = Registry(tokens={"mine": {"repository:a:pull", "repository:b:pull"}})
    client, _ = client_of(registry, Given(Credential(Hidden("mine"), kind="registry")))
    assert pulled(client, "a", "b") == [200, 200]
    assert client.counts["token"] == 0


def test_basic_is_sent_with_each_request() -> None:
    client, played = client_of(Registry(scheme="Basic"), GIVEN)
    assert pulled(client, "a", "b", "a") == [200] * 3
    assert pulled(client, "c") == [200]
    assert Counter(heard.headers.get("Authorization") for heard in played.heard)[f"Basic {PAIR}"] == 4
    assert client.counts == {"GET manifest": 7}


def test_basic_is_sent_at_once_by_many_after_the_first_answer() -> None:
    client, played = client_of(Registry(scheme="Basic"), GIVEN, at_once=8)
    pulled(client, *["a"] * 50)
    assert played.most == 8


@pytest.mark.parametrize(
    ("registry", "credentials"),
    [
        (Registry(lets_in="another"), GIVEN),
        (Registry(lets_in="another", is_open=True), GIVEN),
        (Registry(lets_in="another", scheme="Basic"), GIVEN),
        (Registry(lets_in="another"), IDENTIFIED),
    ],
)
def test_wrong_credentials_are_sent_once(registry: Registry, credentials: Given) -> None:
    """Registries lock users out after a few failed logins: of 40 requests at once, one logs in."""
    client, played = client_of(registry, credentials)
    found = pulled(client, *(f"team/app{number}" for number in range(40)))
    assert registry.failed == 1
    assert all(isinstance(error, CredentialsError) and error.is_login for error in found)
    asked = len(played.heard)
    (error,) = pulled(client, "another")
    assert isinstance(error, CredentialsError)
    assert (registry.failed, len(played.heard) - asked) == (1, 0)
    assert str(error).startswith("registry.example refuses the credentials ")
    assert str(error).endswith(": docker login registry.example")
    assert (error.host, error.looked_at) == ("registry.example", credentials.looked_at)


def test_a_repository_that_is_not_permitted_is_told_alone() -> None:
    registry = Registry(refused={"b"})
    client, _ = client_of(registry, GIVEN)
    first, second, third = pulled(client, "a", "b", "c")
    assert (first, third) == (200, 200)
    assert isinstance(second, CredentialsError)
    assert not second.is_login
    assert second.message == "registry.example does not permit this for b (401) to the user who is logged in"
    assert registry.failed == 0
    assert client.counts["token"] <= 4


def test_without_credentials_the_error_says_where_they_were_looked_for() -> None:
    client, _ = client_of(Registry(), Given(None, ("/home/me/.docker/config.json", "/run/auth.json")))
    (error,) = pulled(client, "a")
    assert isinstance(error, CredentialsError)
    assert str(error) == (
        "registry.example wants a login for a (401); no credentials in /home/me/.docker/config.json, /run/auth.json: "
        "docker login registry.example"
    )
    assert error.looked_at == ("/home/me/.docker/config.json", "/run/auth.json")


def test_basic_that_was_good_is_given_up_after_three_refusals_in_a_row() -> None:
    registry = Registry(scheme="Basic")
    client, played = client_of(registry, GIVEN, at_once=1)
    assert pulled(client, "a") == [200]
    registry.refused = {"b"}
    for name in ("b", "b", "a", "b", "b", "a"):
        (found,) = pulled(client, name)
        assert (found == 200) if name == "a" else (isinstance(found, CredentialsError) and not found.is_login)
    registry.lets_in = "changed"
    found = pulled(client, *["a"] * 9)
    assert registry.failed == 3
    assert all(isinstance(error, CredentialsError) for error in found)
    assert isinstance(found[-1], CredentialsError)
    assert found[-1].is_login
    assert len(played.heard) == 2 + 6 + 3


def test_403_is_told() -> None:
    played = Played(lambda _: reply(403))
    (error,) = pulled(Client(BASE, played, credentials=GIVEN), "a")
    assert isinstance(error, CredentialsError)
    assert len(played.heard) == 1


def test_docker_hub_lists_no_repositories_whoever_asks() -> None:
    challenge = f'Bearer realm="{REALM}",service="s",scope="{CATALOG}",error="insufficient_scope"'
    registry = Registry(is_open=True)

    def answer(heard: Heard) -> Answer:
        return registry.answer(heard) if heard.url.startswith(REALM) else reply(401, WWW_Authenticate=challenge)

    for credentials in (None, GIVEN):
        played = Played(answer)
        client = Client(BASE, played, credentials=credentials)
        with pytest.raises(NotListableError):
            asyncio.run(client.get("/v2/_catalog", purpose="GET catalog", scope=CATALOG))
        assert client.counts == {"GET catalog": 2, "token": 1}
        with pytest.raises(NotListableError):  # the same token would not permit it either
            asyncio.run(client.get("/v2/_catalog", purpose="GET catalog", scope=CATALOG))
        assert client.counts == {"GET catalog": 3, "token": 1}


@pytest.mark.parametrize("realm", ["http://auth.example/token", "//auth.example/token", "/token", "file:///token", ""])
def test_credentials_and_tokens_go_over_tls_only(realm: str) -> None:
    registry = Registry()
    registry.realm = realm or "nowhere"
    challenge = f'Bearer realm="{realm}",service="s"'
    played = Played(lambda _: reply(401, WWW_Authenticate=challenge))
    (error,) = pulled(Client(BASE, played, credentials=GIVEN), "a")
    assert isinstance(error, CredentialsError)
    assert "without TLS: that is not done" in str(error)
    assert len(played.heard) == 1


def test_a_registry_without_tls_may_have_a_token_server_without_it() -> None:
    registry = Registry(realm="http://auth.example/token")
    played = Played(registry.answer)
    assert pulled(Client("http://registry.example", played, credentials=GIVEN), "a") == [200]


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"token": ""}', b'{"token": 5}', b'{"token": "a\\r\\nHost: evil"}', b'{"token": "a b"}'],
)
def test_an_answer_without_a_token_is_told(body: bytes) -> None:
    challenge = f'Bearer realm="{REALM}",service="s"'
    played = Played(
        lambda heard: reply(200, body) if heard.url.startswith(REALM) else reply(401, WWW_Authenticate=challenge)
    )
    (error,) = pulled(Client(BASE, played, credentials=GIVEN), "a")
    assert isinstance(error, UnreadableStoreError)
    assert "https://auth.example, where registry.example gives out tokens, answers without a token" in str(error)


def test_a_token_server_that_fails_is_tried_again_and_told() -> None:
    challenge = f'Bearer realm="{REALM}",service="s"'
    played = Played(lambda heard: reply(503) if heard.url.startswith(REALM) else reply(401, WWW_Authenticate=challenge))
    client = Client(BASE, played, credentials=GIVEN, timing=played.time.timing(), tries=3)
    (error,) = pulled(client, "a")
    assert isinstance(error, UnreadableStoreError)
    assert "where registry.example gives out tokens, answers 503" in str(error)
    assert client.counts["token"] == 3


@pytest.mark.parametrize("header", ["", "Negotiate", 'Digest realm="x",nonce="y"', "garbage \x00"])
def test_a_kind_of_login_that_is_not_supported_is_told(header: str) -> None:
    played = Played(lambda _: reply(401, WWW_Authenticate=header))
    (error,) = pulled(Client(BASE, played, credentials=GIVEN), "a")
    assert isinstance(error, CredentialsError)
    assert len(played.heard) == 1


def test_bearer_is_taken_rather_than_basic() -> None:
    registry = Registry()

    def answer(heard: Heard) -> Answer:
        found = registry.answer(heard)
        header = found.headers.get("WWW-Authenticate", "")
        return reply(401, WWW_Authenticate=f'Basic realm="x", {header}') if header else found

    client = Client(BASE, Played(answer), credentials=GIVEN)
    assert pulled(client, "a") == [200]
    assert client.counts["token"] == 1


def test_a_registry_that_refuses_all_tokens_ends_it() -> None:
    """It names another scope each time: the client does not ask for ever."""
    numbers = iter(range(10**6))

    def answer(heard: Heard) -> Answer:
        if heard.url.startswith(REALM):
            return reply(200, b'{"token": "t"}')
        return reply(401, WWW_Authenticate=f'Bearer realm="{REALM}",scope="repository:x{next(numbers)}:pull"')

    client = Client(BASE, Played(answer), credentials=GIVEN)
    (error,) = pulled(client, "a")
    assert isinstance(error, CredentialsError)
    assert client.counts["GET manifest"] == 3


def test_tokens_of_many_repositories_are_forgotten_when_they_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "KEPT", 50)
    client, played = client_of(Registry(lifetime=10), GIVEN)
    for begin in range(0, 150, 25):
        played.time.clock = begin
        pulled(client, *(f"app{number}" for number in range(begin, begin + 25)))
    assert len(client._login._grants) <= 76
    assert len(client._login._locks) <= 76


def test_podmans_credentials_for_a_path_are_used_there() -> None:
    """One of two users is wrong: the repositories of the other one can be read."""

    class ByPath:
        looked_at = ()

        def find(self, repository: str) -> Credential:
            return PASSWORD if repository.startswith("team/") else Credential(Hidden("wrong"), Hidden("x"))

    client, _ = client_of(Registry(), ByPath())
    found = pulled(client, "team/a", "other/a", "team/b", "other/b")
    assert [one if one == 200 else type(one) for one in found] == [200, CredentialsError, 200, CredentialsError]
