"""Tokens are asked for once, and renewed in time."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from blobkit.sources.web import login
from blobkit.sources.web.client import Client
from blobkit.sources.web.credentials import Credential, Given
from blobkit.sources.web.hidden import Hidden
from remote_servers.played import Heard, Played, reply
from remote_servers.played_logins import BASE, GIVEN, IDENTIFIED, REALM, Registry, client_of, pull, pulled
from remote_servers.secrets import IDENTITY, PAIR

if TYPE_CHECKING:
    from blobkit.sources.web.transport import Answer


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


def test_tokens_of_many_repositories_are_forgotten_when_they_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "KEPT", 50)
    client, played = client_of(Registry(lifetime=10), GIVEN)
    for begin in range(0, 150, 25):
        played.time.clock = begin
        pulled(client, *(f"app{number}" for number in range(begin, begin + 25)))
    assert len(client._login._grants) <= 76
    assert len(client._login._locks) <= 76
