"""Behind a redirect nobody sees the credentials but the registry itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import UnreadableStoreError
from blobkit.sources.web.client import Client
from blobkit.sources.web.credentials import Credential, Given
from blobkit.sources.web.hidden import Hidden
from blobkit.sources.web.sender import origin
from blobkit.sources.web.transport import aiohttp_transport
from remote_servers.played import Heard, Played, reply
from remote_servers.scripted import Asked, Reply, scripted
from remote_servers.secrets import PAIR, SECRET, USER

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.sources.web.transport import Answer

BASE = "https://registry.example"
GIVEN = Given(Credential(Hidden(SECRET), Hidden(USER)))
SIGNED = "https://cdn.example/data?X-Amz-Signature=s1gned"


def get(client: Client, method: str = "GET") -> Answer:
    return asyncio.run(client.get("/v2/a/blobs/d", purpose="GET config", scope="repository:a:pull", method=method))


def redirecting(to: str, behind: Callable[[Heard], Answer] = lambda _: reply(200, b"blob")) -> Played:
    """Let a registry that wants Basic redirect blobs."""

    def answer(heard: Heard) -> Answer:
        if not heard.url.startswith(f"{BASE}/v2/"):
            return behind(heard)
        if "Authorization" not in heard.headers:
            return reply(401, WWW_Authenticate='Basic realm="x"')
        return reply(307, b"", Location=to)

    return Played(answer)


def test_another_server_never_sees_authorization() -> None:
    """Two real servers that differ in their ports alone."""
    with scripted(lambda _: Reply(200, b"blob")) as cdn:

        def answer(asked: Asked) -> Reply:
            if "Authorization" not in asked.headers:
                return Reply(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})
            return Reply(307, b"", {"Location": f"{cdn.url}/data?signature=x%2Fy"})

        with scripted(answer) as server:

            async def main() -> Answer:
                transport = aiohttp_transport(2)
                try:
                    client = Client(server.url, transport, credentials=GIVEN)
                    return await client.get("/v2/a/blobs/d", purpose="GET config")
                finally:
                    await transport.close()

            assert asyncio.run(main()).body == b"blob"
    assert [asked.path for asked in cdn.seen] == ["/data?signature=x%2Fy"]
    assert "Authorization" not in cdn.seen[0].headers
    assert server.seen[1].headers["Authorization"] == f"Basic {PAIR}"


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("/elsewhere", True),
        ("https://registry.example/elsewhere", True),
        ("https://REGISTRY.example:443/elsewhere", True),
        ("https://registry.example:8443/elsewhere", False),
        ("https://registry.example.evil/elsewhere", False),
        ("https://registry.example@evil.example/elsewhere", False),
        ("//evil.example/elsewhere", False),
        (SIGNED, False),
    ],
)
def test_who_sees_authorization(to: str, *, expected: bool) -> None:
    played = redirecting(to)
    assert get(Client(BASE, played, credentials=GIVEN)).body == b"blob"
    assert ("Authorization" in played.heard[-1].headers) == expected


def test_authorization_that_is_gone_does_not_come_back() -> None:
    played = redirecting(
        "https://a.example/",
        lambda heard: reply(302, b"", Location=f"{BASE}/x") if "a.example" in heard.url else reply(),
    )
    get(Client(BASE, played, credentials=GIVEN))
    assert [("Authorization" in heard.headers) for heard in played.heard] == [False, True, False, False]


@pytest.mark.parametrize(
    "to",
    [
        "http://cdn.example/data",
        "http://registry.example/v2/a/blobs/d",
        "ftp://cdn.example/",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
def test_tls_is_not_left(to: str) -> None:
    played = redirecting(to)
    with pytest.raises(
        UnreadableStoreError, match=r"^registry\.example redirects to .*, without TLS: that is not followed"
    ):
        get(Client(BASE, played, credentials=GIVEN))
    assert len(played.heard) == 2


def test_a_registry_that_moved_to_tls_says_so() -> None:
    played = Played(lambda heard: reply(301, b"", Location=heard.url.replace("http:", "https:")))
    with pytest.raises(UnreadableStoreError, match=r"redirects to TLS: give registry\+https://registry\.example$"):
        get(Client("http://registry.example", played))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_of_another_server_is_no_refusal_of_ours(status: int) -> None:
    """The signature of its URL has expired: the registry signs another one."""
    answers = iter([reply(status, WWW_Authenticate='Basic realm="give me your password"'), reply(200, b"blob")])
    played = redirecting(SIGNED, lambda _: next(answers))
    client = Client(BASE, played, credentials=GIVEN, timing=played.time.timing())
    assert get(client).body == b"blob"
    assert client.counts["retried broken"] == 1
    assert not any("Authorization" in heard.headers for heard in played.heard if "cdn" in heard.url)


def test_a_circle_of_redirects_ends() -> None:
    played = Played(lambda _: reply(302, b"", Location="/x"))
    assert get(Client(BASE, played)).status == 302
    assert len(played.heard) == 5


def test_a_circle_of_others_ends() -> None:
    played = redirecting(SIGNED, lambda _: reply(302, b"", Location="/x"))
    client = Client(BASE, played, credentials=GIVEN, tries=2, timing=played.time.timing())
    assert get(client).status == 0
    assert len([heard for heard in played.heard if heard.url.startswith(BASE)]) == 3


def test_nothing_is_posted_behind_a_redirect() -> None:
    challenge = 'Bearer realm="https://auth.example/token"'

    def answer(heard: Heard) -> Answer:
        if "auth" in heard.url:
            return reply(307, b"", Location="https://evil.example/")
        return reply(401, WWW_Authenticate=challenge)

    played = Played(answer)
    identity = Given(Credential(Hidden(SECRET), kind="identity"))
    with pytest.raises(UnreadableStoreError, match="answers 307"):
        get(Client(BASE, played, credentials=identity))
    assert [heard.url for heard in played.heard if heard.data] == ["https://auth.example/token"]
    assert not any("evil" in heard.url for heard in played.heard)


def test_a_token_server_that_redirects_elsewhere_loses_the_password() -> None:
    def answer(heard: Heard) -> Answer:
        if heard.url.startswith("https://auth.example"):
            return reply(302, b"", Location="https://evil.example/")
        if "evil" in heard.url:
            return reply(200, b'{"token": "t"}')
        return (
            reply()
            if "Authorization" in heard.headers
            else reply(401, WWW_Authenticate='Bearer realm="https://auth.example/t"')
        )

    played = Played(answer)
    get(Client(BASE, played, credentials=GIVEN))
    assert not any("Authorization" in heard.headers for heard in played.heard if "evil" in heard.url)


def test_a_redirect_of_head_is_followed() -> None:
    played = redirecting(SIGNED)
    get(Client(BASE, played, credentials=GIVEN), method="HEAD")
    assert [heard.method for heard in played.heard] == ["HEAD"] * 3


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://A.example/x", ("https", "a.example", 443)),
        ("http://a.example:80", ("http", "a.example", 80)),
        ("https://me@a.example", ("https", "a.example", 443)),
        ("https://[::1]:5/", ("https", "::1", 5)),
        ("https://a.example:x", ("", "", 0)),
        ("https://a.example:99999", ("", "", 0)),
        ("ftp://a.example", ("", "", 0)),
        ("", ("", "", 0)),
    ],
)
def test_origins(url: str, expected: tuple[str, str, int]) -> None:
    assert origin(url) == expected
