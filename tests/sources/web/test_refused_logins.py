"""Wrong credentials are sent once, and what is refused is told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import CredentialsError, NotListableError, UnreadableStoreError
from blobkit.sources.web.client import Client
from blobkit.sources.web.credentials import Credential, Given
from blobkit.sources.web.hidden import Hidden
from blobkit.sources.web.refusals import CATALOG
from remote_servers.played import Heard, Played, reply
from remote_servers.played_logins import BASE, GIVEN, IDENTIFIED, PASSWORD, REALM, Registry, client_of, pulled

if TYPE_CHECKING:
    from blobkit.sources.web.transport import Answer


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


def test_a_repository_that_wants_a_login_makes_no_other_one_want_it() -> None:
    closed = reply(401, WWW_Authenticate='Basic realm="x"')
    client = Client(BASE, Played(lambda heard: closed if "/closed/" in heard.url else reply()))
    for name, expected in (("open", int), ("closed", CredentialsError), ("open", int), ("closed", CredentialsError)):
        (found,) = pulled(client, name)
        assert isinstance(found, expected)
    assert client.counts == {"GET manifest": 4}


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
        with pytest.raises(NotListableError) as raised:
            asyncio.run(client.get("/v2/_catalog", purpose="GET catalog", scope=CATALOG))
        assert client.counts == {"GET catalog": 2, "token": 1}
        assert ("docker login" in str(raised.value)) == (credentials is None)
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


def test_podmans_credentials_for_a_path_are_used_there() -> None:
    """One of two users is wrong: the repositories of the other one can be read."""

    class ByPath:
        looked_at = ()

        def find(self, repository: str) -> Credential:
            return PASSWORD if repository.startswith("team/") else Credential(Hidden("wrong"), Hidden("x"))

    client, _ = client_of(Registry(), ByPath())
    found = pulled(client, "team/a", "other/a", "team/b", "other/b")
    assert [one if one == 200 else type(one) for one in found] == [200, CredentialsError, 200, CredentialsError]
