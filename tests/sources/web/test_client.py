"""The client asks as often as it helps, not more, and says what is wrong."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import AddressError, NotListableError, RateLimitedError, UnreadableStoreError
from blobkit.sources.web.client import Client
from blobkit.sources.web.refusals import CATALOG, RefusedError
from blobkit.sources.web.transport import Answer, BrokenError, UnreachableError
from remote_servers.played import NOW, Heard, Played, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BASE = "https://registry.example"
PATH = "/v2/shop/web/manifests/1.0"


def client_of(played: Played, **more: int) -> Client:
    return Client(BASE, played, timing=played.time.timing(), **more)


def in_turn(*answers: Answer | OSError) -> Callable[[Heard], Answer | OSError]:
    """Give these answers one after the other, then the last one for ever."""
    left = [*answers]
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def get(client: Client, *paths: str) -> list[Answer]:
    async def main() -> list[Answer]:
        return await asyncio.gather(*(client.get(path, purpose="GET manifest") for path in paths))

    return asyncio.run(main())


def listed(client: Client, path: str = "/v2/_catalog?n=2", scope: str = CATALOG) -> list[dict[str, object]]:
    async def main() -> list[dict[str, object]]:
        return [page async for page in client.pages(path, purpose="GET list", scope=scope)]

    return asyncio.run(main())


def test_an_answer_comes_as_it_is_and_is_counted() -> None:
    played = Played(lambda _: reply(200, b"content", Docker_Content_Digest="d"))
    client = client_of(played)
    (answer,) = get(client, PATH)
    assert (answer.status, answer.body, answer.headers["Docker-Content-Digest"]) == (200, b"content", "d")
    assert [heard.url for heard in played.heard] == [BASE + PATH]
    assert client.counts == {"GET manifest": 1}


def test_method_and_accept_are_sent() -> None:
    played = Played(lambda _: reply())

    async def main() -> None:
        await client_of(played).get(PATH, purpose="HEAD tag", method="HEAD", accept="a/b,c/d")

    asyncio.run(main())
    assert (played.heard[0].method, played.heard[0].headers) == ("HEAD", {"Accept": "a/b,c/d"})


def test_a_path_is_sent_as_it_is_and_what_no_url_has_is_escaped() -> None:
    played = Played(lambda _: reply())
    get(client_of(played), "/v2/a%2Fb/tags/list?n=1000&last=%C3%A9", "/v2/a b\r\nHost: x/é")
    first, second = (heard.url for heard in played.heard)
    assert first == BASE + "/v2/a%2Fb/tags/list?n=1000&last=%C3%A9"
    assert second == BASE + "/v2/a%20b%0D%0AHost:%20x/%C3%A9"


@pytest.mark.parametrize("status", [404, 400, 405, 501])
def test_a_refusal_that_stays_is_an_answer(status: int) -> None:
    client = client_of(Played(lambda _: reply(status)))
    assert get(client, PATH)[0].status == status
    assert client.counts == {"GET manifest": 1}


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_an_error_that_passes_is_tried_again_with_longer_waits(status: int) -> None:
    played = Played(in_turn(reply(status), reply(status), reply(status), reply(200)))
    client = client_of(played)
    assert get(client, PATH)[0].status == 200
    assert client.counts == {"GET manifest": 4, f"retried {status}": 3}
    assert played.time.slept == [0.5, 1.0, 2.0]


def test_an_error_that_stays_is_the_answer_after_all_tries() -> None:
    client = client_of(Played(lambda _: reply(500)), tries=3)
    assert get(client, PATH)[0].status == 500
    assert client.counts == {"GET manifest": 3, "retried 500": 2}


def test_an_answer_that_breaks_off_is_tried_again_and_has_status_0_in_the_end() -> None:
    answers = in_turn(reply(200), *[BrokenError("broke off")] * 9)
    client = client_of(Played(answers), tries=3)
    assert get(client, PATH)[0].status == 200
    assert get(client, PATH) == [Answer(0, {}, b"")]
    assert client.counts == {"GET manifest": 4, "retried broken": 2}


def test_a_registry_that_never_answered_is_told_after_all_tries() -> None:
    client = client_of(Played(lambda _: BrokenError("registry.example broke off its answer")), tries=3)
    with pytest.raises(UnreadableStoreError, match=r"^registry\.example does not answer any more \(.*broke off"):
        get(client, PATH)
    assert client.counts["GET manifest"] == 3


def test_a_registry_that_cannot_be_reached_is_told_at_once() -> None:
    client = client_of(Played(lambda _: UnreachableError("registry.example cannot be reached: no such host")))
    with pytest.raises(UnreadableStoreError, match=r"^registry\.example cannot be reached: no such host$"):
        get(client, PATH)
    assert client.counts["GET manifest"] == 1


def test_a_registry_that_is_gone_meanwhile_is_waited_for() -> None:
    gone = UnreachableError("registry.example cannot be reached")
    client = client_of(Played(in_turn(reply(), gone, gone, reply())))
    assert [get(client, PATH)[0].status, get(client, PATH)[0].status] == [200, 200]


def test_a_registry_that_fails_always_is_given_up() -> None:
    """Eight requests that failed in all tries: the millions after them would too."""
    played = Played(lambda heard: reply(200 if "good" in heard.url else 502))
    client = client_of(played, tries=2)
    for path in (*["/bad"] * 7, "/good", *["/bad"] * 7):
        assert get(client, path)[0].status == (200 if path == "/good" else 502)
    with pytest.raises(UnreadableStoreError, match=r"does not answer any more \(502\)"):
        get(client, "/bad")
    asked = len(played.heard)
    with pytest.raises(UnreadableStoreError):
        get(client, "/good")
    assert len(played.heard) == asked


SOON = format_datetime(datetime.fromtimestamp(NOW + 7, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": SOON}, 7.0),
        ({"Retry_After": "soon"}, 2.0),
        ({"Retry_After": "-5"}, 2.0),
        ({}, 2.0),
        ({"X_RateLimit_Reset": f"{NOW + 7:.0f}"}, 7.0),
        ({"X_RateLimit_Reset": "7"}, 7.0),
    ],
)
def test_429_makes_all_requests_wait(headers: dict[str, str], wait: float) -> None:
    played = Played(in_turn(reply(429, **headers), reply()))
    client = client_of(played, at_once=1)
    assert [answer.status for answer in get(client, "/a", "/b", "/c")] == [200] * 3
    assert [heard.time for heard in played.heard] == [0.0, wait, wait, wait]
    assert client.counts == {"GET manifest": 4, "retried 429": 1}


def test_429_pauses_requests_that_are_about_to_begin() -> None:
    """Four are on the way, and one of them is refused: what begins after that waits, though there is room."""
    played = Played(
        lambda heard: reply(429, Retry_After="5") if heard.url.endswith("/0") and heard.time < 1 else reply()
    )
    client = client_of(played, at_once=4)
    get(client, *(f"/{number}" for number in range(9)))
    assert sorted(heard.time for heard in played.heard) == [0.0] * 4 + [5.0] * 6


def test_429_that_stays_ends_all_and_says_when_to_go_on() -> None:
    played = Played(lambda _: reply(429, Retry_After="30"))
    client = client_of(played, tries=3, at_once=1)
    with pytest.raises(RateLimitedError) as raised:
        get(client, PATH)
    assert len(played.heard) == 3
    assert raised.value.resume_at == datetime.fromtimestamp(NOW + 90, UTC)
    assert "go on after 2027-01-15 08:01:30 UTC; what was fetched is kept" in str(raised.value)
    with pytest.raises(RateLimitedError):
        get(client, PATH)
    assert len(played.heard) == 3


def test_429_of_hours_is_not_waited_for() -> None:
    played = Played(lambda _: reply(429, Retry_After="21600"))
    with pytest.raises(RateLimitedError) as raised:
        get(client_of(played), PATH)
    assert (len(played.heard), played.time.slept) == (1, [])
    assert raised.value.resume_at == datetime.fromtimestamp(NOW + 21600, UTC)


def test_a_request_is_tried_on_as_long_as_others_are_answered() -> None:
    """A registry that answers one request in four: each may be refused often, none for ever."""
    numbers: Iterator[int] = iter(range(10**6))
    played = Played(lambda _: reply(429, Retry_After="1") if next(numbers) % 4 else reply())
    assert [answer.status for answer in get(client_of(played, tries=4), *["/"] * 40)] == [200] * 40


def test_no_more_requests_at_once_than_allowed() -> None:
    played = Played(lambda _: reply())
    get(client_of(played, at_once=5), *["/"] * 100)
    assert played.most == 5


def test_429_of_requests_that_began_together_halves_the_limit_once_and_it_grows_slowly() -> None:
    played = Played(in_turn(*[reply(429, Retry_After="1")] * 8, reply()))
    get(client_of(played, at_once=8), *["/"] * 80)
    first, then, later = played.heard[:8], played.heard[8:38], played.heard[38:]
    assert {heard.time for heard in first} == {0.0}
    assert {heard.time for heard in (*then, *later)} == {1.0}
    assert [max(heard.at_once for heard in part) for part in (first, then, later)] == [8, 4, 5]


def test_a_waiting_time_of_503_holds_for_that_request_alone() -> None:
    played = Played(
        lambda heard: reply(503, Retry_After="9") if heard.url.endswith("a") and heard.time < 9 else reply()
    )
    get(client_of(played, at_once=1), "/a", "/b")
    assert [(heard.url[-1], heard.time) for heard in played.heard] == [("a", 0.0), ("b", 0.0), ("a", 9.0)]


def test_a_long_wait_of_503_is_cut() -> None:
    played = Played(in_turn(reply(503, Retry_After="99999"), reply()))
    get(client_of(played), "/a")
    assert played.time.slept == [300.0]


def test_pages_follow_links_only() -> None:
    def answer(heard: Heard) -> Answer:
        if heard.url.endswith("n=2"):
            return reply(200, b'{"repositories": ["a", "b"]}', Link='</v2/_catalog?last=b&n=2&x=1>; rel="next"')
        return reply(200, b'{"repositories": ["c"]}')

    played = Played(answer)
    assert listed(client_of(played)) == [{"repositories": ["a", "b"]}, {"repositories": ["c"]}]
    assert played.heard[1].url == BASE + "/v2/_catalog?last=b&n=2&x=1"


def test_a_link_to_another_host_is_taken_on_our_own() -> None:
    link = '<http://inside.example:5000/v2/_catalog?last=b>; rel="next"'
    played = Played(in_turn(reply(200, b"{}", Link=link), reply()))
    listed(client_of(played))
    assert [heard.url for heard in played.heard] == [BASE + "/v2/_catalog?n=2", BASE + "/v2/_catalog?last=b"]


def test_a_registry_below_a_path_keeps_it() -> None:
    played = Played(in_turn(reply(200, b"{}", Link="</hub/v2/_catalog?last=b>; rel=next"), reply()))
    listed(Client(BASE + "/hub/", played))
    assert [heard.url for heard in played.heard] == [BASE + "/hub/v2/_catalog?n=2", BASE + "/hub/v2/_catalog?last=b"]


@pytest.mark.parametrize(
    "link", ["</v2/_catalog?n=2>; rel=next", "<?n=2>; rel=next", f"<{BASE}/v2/_catalog?n=2>;rel=next"]
)
def test_a_loop_of_links_ends(link: str) -> None:
    assert len(listed(client_of(Played(lambda _: reply(200, b"{}", Link=link))))) == 1


def test_a_list_that_is_no_answer_says_the_code_of_the_registry() -> None:
    body = b'{"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known"}]}'
    with pytest.raises(RefusedError) as raised:
        listed(client_of(Played(lambda _: reply(404, body))), "/v2/a/tags/list", "repository:a:pull")
    assert (raised.value.status, raised.value.code) == (404, "NAME_UNKNOWN")


def test_a_list_that_never_comes_whole_says_so() -> None:
    client = client_of(Played(in_turn(reply(), BrokenError("broke off"))), tries=2)
    get(client, PATH)
    with pytest.raises(RefusedError, match="does not give a list: no answer comes whole"):
        listed(client)


@pytest.mark.parametrize("body", [b"<html>", b'{"errors": []}', b'{"errors": [1]}', b'{"errors": {"code": 1}}', b"[1]"])
def test_an_odd_body_has_no_code(body: bytes) -> None:
    with pytest.raises(RefusedError) as raised:
        listed(client_of(Played(lambda _: reply(404, body))), "/v2/a/tags/list", "repository:a:pull")
    assert raised.value.code == ""


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"a": NaN}', b"[" * 100_000])
def test_a_list_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedError, match="cannot be read"):
        listed(client_of(Played(lambda _: reply(200, body))))


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_a_registry_without_a_catalog_says_how_to_name_repositories(status: int) -> None:
    with pytest.raises(NotListableError) as raised:
        listed(client_of(Played(lambda _: reply(status))))
    assert "registry.example does not list its repositories" in str(raised.value)
    assert 'storage_options={"repositories": ["team/app"]}' in str(raised.value)
    assert "--repositories FILE" in raised.value.in_shell()


@pytest.mark.parametrize("base", ["registry.example", "ftp://registry.example", "https://", "https://r.example/?a=b"])
def test_a_base_that_is_no_url_of_a_registry_is_refused(base: str) -> None:
    with pytest.raises(AddressError):
        Client(base, Played(lambda _: reply()))


def test_a_base_with_a_password_is_refused_and_not_shown() -> None:
    with pytest.raises(AddressError) as raised:
        Client("https://auditor:s3cr3t@registry.example", Played(lambda _: reply()))
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize("name", ["docker.io", "index.docker.io", "registry-1.docker.io"])
def test_docker_hub_has_its_registry_elsewhere(name: str) -> None:
    assert Client(f"https://{name}", Played(lambda _: reply())).base == "https://registry-1.docker.io"


def test_plain_http_where_tls_is_spoken_says_so() -> None:
    said = reply(400, b"Client sent an HTTP request to an HTTPS server.\n")
    with pytest.raises(UnreadableStoreError, match=r"speaks TLS only: give registry\+https://registry\.example$"):
        get(Client("http://registry.example", Played(lambda _: said)), PATH)
