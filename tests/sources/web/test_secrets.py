"""No secret is in an error, a log, a repr, a saved object, or the locals that a traceback shows."""

from __future__ import annotations

import asyncio
import copy
import gc
import logging
import pickle
import traceback
from typing import TYPE_CHECKING

import aiohttp
import pytest

from blobkit.sources.web.client import Client
from blobkit.sources.web.credential import Credential
from blobkit.sources.web.credentials import Given, Kept
from blobkit.sources.web.hidden import Hidden
from blobkit.sources.web.timing import Timing
from blobkit.sources.web.transport import Answer, Request, aiohttp_transport
from blobkit.sources.web.waiting import run
from remote_servers.keeping import Home
from remote_servers.processes import HOST, free_port
from remote_servers.scripted import Asked, Reply, scripted
from remote_servers.secrets import IDENTITY, PAIR, SECRET, USER, spellings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOKEN = "g1ven-t0ken"  # noqa: S105 (a server of this test gives it)
SIGNATURE = "X-Amz-Signature=s1gned"
PROXY_PASSWORD = "pr0xy-p4ss"  # noqa: S105 (likewise)
SECRETS = (*spellings(), TOKEN, SIGNATURE, PROXY_PASSWORD)


def check(text: str) -> None:
    assert [secret for secret in SECRETS if secret in text] == []


def chained(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all behind it, also those that a traceback leaves out."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            yield one
            left += [one.__cause__, one.__context__]


def shown(error: BaseException) -> Iterator[str]:
    """Yield all that may be shown of an error."""
    for one in chained(error):
        yield from ("".join(traceback.TracebackException.from_exception(one, capture_locals=True).format()), str(one))
        yield from (repr(one), repr(vars(one)), repr(one.args))
        for frame, _ in traceback.walk_tb(one.__traceback__):
            yield repr({name: value for name, value in frame.f_locals.items() if name != "SECRETS"})


def check_objects() -> None:
    """Look at the repr, and at the attributes, of each object of the client that is alive."""
    for one in gc.get_objects():
        if str(type(one).__module__).startswith("blobkit."):
            check(repr(one) + repr(getattr(one, "__dict__", "")))


class Scene:
    """A registry with a token server that fails as a test says, and a user who logs in to it."""

    def __init__(self, url: str, home: Home) -> None:
        self.host, self.home = url.removeprefix("http://"), home
        self.url = url

    def kept(self) -> Kept:
        return Kept(self.host, self.home.environ)

    def fail(self, *, looks: bool = False) -> BaseException:
        """Return the error of the client. `looks`: look at all objects while it is in use, which takes a while."""

        async def main() -> None:
            asyncio.get_running_loop().set_debug(True)
            transport = aiohttp_transport(2)
            client = Client(
                self.url, transport, credentials=self.kept(), tries=2, timing=Timing(sleep=lambda _: asyncio.sleep(0))
            )
            try:
                answer = await client.get("/v2/a/blobs/d", purpose="GET config", scope="repository:a:pull")
                assert answer.status in {0, 500}
                raise LookupError
            finally:
                try:
                    if looks:
                        check_objects()
                finally:
                    await transport.close()

        try:
            run(main)
        except Exception as error:  # noqa: BLE001 (of whatever kind)
            return error
        raise AssertionError


Behaviour = "Callable[[Asked, str], Reply]"


def ok_token(asked: Asked) -> bool:
    return asked.path.startswith("/token")


def wrong_login(asked: Asked, url: str) -> Reply:
    return (
        Reply(401, asked.body + str(asked.headers).encode(), challenge(url))
        if ok_token(asked)
        else Reply(401, b"", challenge(url))
    )


def challenge(url: str) -> dict[str, str]:
    return {"WWW-Authenticate": f'Bearer realm="{url}/token",service="s"'}


def with_token(then: Reply) -> Callable[[Asked, str], Reply]:
    def answer(asked: Asked, url: str) -> Reply:
        if ok_token(asked):
            return Reply(200, b'{"token": "%s"}' % TOKEN.encode())
        return then if "Authorization" in asked.headers else Reply(401, b"", challenge(url))

    return answer


def broken_token(asked: Asked, url: str) -> Reply:
    if ok_token(asked):
        return Reply(200, b'{"token": "%s"}' % TOKEN.encode(), cut=20)
    return Reply(401, b"", challenge(url))


def odd_token(asked: Asked, url: str) -> Reply:
    if ok_token(asked):
        return Reply(200, b'{"token": "%s' % TOKEN.encode())
    return Reply(401, b"", challenge(url))


def basic(asked: Asked, url: str) -> Reply:
    del asked, url
    return Reply(401, b"", {"WWW-Authenticate": 'Basic realm="x"'})


SIGNED = f"http://{HOST}:1/data?{SIGNATURE}"
BEHAVIOURS = {
    "wrong login": wrong_login,
    "wrong password": basic,
    "denied": with_token(Reply(403)),
    "limited": with_token(Reply(429, b"", {"Retry-After": "9999"})),
    "broken": with_token(Reply(200, b"1234567890", cut=5)),
    "failing": with_token(Reply(500)),
    "redirected": with_token(Reply(307, b"", {"Location": SIGNED})),
    "redirected away": with_token(Reply(307, b"", {"Location": f"ftp://{HOST}/?{SIGNATURE}"})),
    "broken token": broken_token,
    "odd token": odd_token,
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return Home(tmp_path / "home")


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Look at all that was logged and printed meanwhile."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("blobkit").setLevel(logging.DEBUG)
    yield
    check(caplog.text + "".join(repr(record.__dict__) for record in caplog.records))
    check("".join(capfd.readouterr()))
    logging.getLogger("blobkit").setLevel(logging.NOTSET)


def password(scene: Scene) -> None:
    scene.home.login(scene.host)


def identity(scene: Scene) -> None:
    scene.home.docker(auths={scene.host: {"identitytoken": IDENTITY}})


def helper(scene: Scene) -> None:
    scene.home.docker(credsStore="test")
    scene.home.helper("test", **{scene.host.replace(".", "_").replace(":", "_"): {"Username": USER, "Secret": SECRET}})


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("keep", [password, identity, helper])
@pytest.mark.parametrize("name", BEHAVIOURS)
def test_failures_show_no_secret(name: str, keep: Callable[[Scene], None], home: Home) -> None:
    urls: list[str] = []
    with scripted(lambda asked: BEHAVIOURS[name](asked, urls[0])) as server:
        urls.append(server.url)
        scene = Scene(server.url, home)
        keep(scene)
        error = scene.fail(looks=name in {"denied", "wrong password", "broken token"})
        for text in shown(error):
            check(text)
        check(repr(pickle.dumps(error)))
        assert any("Authorization" in asked.headers or b"refresh_token" in asked.body for asked in server.seen) or (
            name == "wrong password" and keep is identity
        )


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("keep", [password, identity])
@pytest.mark.parametrize("place", [(aiohttp.TCPConnector, "connect"), (aiohttp.ClientResponse, "start")])
def test_a_bug_inside_of_the_library_shows_no_secret(
    place: tuple[type, str], keep: Callable[[Scene], None], home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw leaves with all its frames: where a request with credentials is sent."""
    urls: list[str] = []
    with scripted(lambda asked: wrong_login(asked, urls[0])) as server:
        urls.append(server.url)
        scene = Scene(server.url, home)
        keep(scene)
        true = getattr(*place)

        async def broken(first: object, second: object, **more: object) -> object:
            if "/token" in str(getattr(first, "url", "") or getattr(second, "url", "")):
                raise RuntimeError
            return await true(first, second, **more)

        monkeypatch.setattr(*place, broken)
        error = scene.fail()
    assert isinstance(error, RuntimeError)
    for text in shown(error):
        check(text)


@pytest.mark.usefixtures("everything")
def test_a_configuration_that_is_no_json_shows_no_secret(home: Home) -> None:
    home.docker().write_text(f'{{"auths": {{"{HOST}": {{"auth": "{PAIR}"}}}}')
    kept = Kept(HOST, home.environ)
    assert kept.find("") is None
    check(repr(kept.looked_at) + repr(vars(kept)))


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize(
    "script", [f"echo {SECRET}; echo {SECRET} >&2; exit 1", f"echo {SECRET}", f'echo \'{{"Secret": "{SECRET}"\'']
)
def test_a_helper_that_fails_shows_no_secret(script: str, home: Home) -> None:
    home.docker(credsStore="test")
    home.helper("test").write_text(f"#!/bin/sh\n{script}\n")
    kept = Kept(HOST, home.environ)
    assert kept.find("") is None
    check(repr(kept.looked_at) + repr(vars(kept)))


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_a_proxy_that_fails_shows_no_password(scheme: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://me:{PROXY_PASSWORD}@{HOST}:{free_port()}")
    error = Scene("http://registry.invalid", home).fail()
    for text in shown(error):
        check(text)


def test_a_secret_is_not_saved_nor_shown() -> None:
    credential = Credential(Hidden(SECRET), Hidden(USER))
    for one in (Hidden(SECRET), credential, Given(credential)):
        check(repr(one) + repr([one]) + repr({"x": one}) + f"{one!r}")
        for save in (pickle.dumps, copy.deepcopy):
            with pytest.raises(TypeError, match="a secret is not saved"):
                save(one)
    check(f"{credential} {Given(credential)}")
    check(repr(Answer(200, {"X": SECRET}, SECRET.encode())))
    check(repr(Request("POST", SIGNED, {"X": SECRET}, "token", data={"x": SECRET})))
