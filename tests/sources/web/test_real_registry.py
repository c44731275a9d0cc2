"""The client reads a real registry: by all five forms of login, over TLS, and as other vendors would have it."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import CredentialsError, NotListableError, UnreadableStoreError
from blobkit.sources.web.client import Client
from blobkit.sources.web.credentials import Kept
from blobkit.sources.web.refusals import CATALOG, RefusedError
from blobkit.sources.web.timing import Timing
from blobkit.sources.web.transport import aiohttp_transport
from blobkit.sources.web.waiting import run
from remote_servers.authority import Authority
from remote_servers.filling import INDEX
from remote_servers.keeping import Home
from remote_servers.mask import mask
from remote_servers.passwords import htpasswd
from remote_servers.played import Time
from remote_servers.registry import registry
from remote_servers.secrets import IDENTITY, PAIR, SECRET, USER
from remote_servers.tokens import token_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.sources.web.credentials import Credentials
    from remote_servers.fixtures import FilledRegistry
    from remote_servers.tokens import TokenServer

HEAD, TAGS, LIST = "HEAD tag", "GET tags", "GET catalog"


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


class Read:
    """All tags of a registry with their digests, and how often it was asked."""

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        names: list[str] | None = None,
        method: str = "HEAD",
        **more: Timing,
    ) -> None:
        self.tags: dict[str, dict[str, str]] = {}
        self.names, self.method = names, method

        async def main() -> None:
            transport = aiohttp_transport(8)
            try:
                self.client = Client(url, transport, credentials=credentials, **more)
                await self._read()
            finally:
                await transport.close()

        run(main)
        self.counts = self.client.counts

    async def _read(self) -> None:
        names = self.names
        if names is None:
            pages = self.client.pages("/v2/_catalog?n=3", purpose=LIST, scope=CATALOG)
            names = [name async for page in pages for name in page["repositories"]]  # type: ignore[attr-defined]
        await asyncio.gather(*map(self._repository, names))

    async def _repository(self, name: str) -> None:
        scope = f"repository:{name}:pull"
        pages = self.client.pages(f"/v2/{name}/tags/list?n=1000", purpose=TAGS, scope=scope)
        tags = [tag async for page in pages for tag in page["tags"]]  # type: ignore[attr-defined]
        self.tags[name] = dict(
            zip(tags, await asyncio.gather(*(self._tag(name, tag, scope) for tag in tags)), strict=True)
        )

    async def _tag(self, name: str, tag: str, scope: str) -> str:
        path = f"/v2/{name}/manifests/{tag}"
        answer = await self.client.get(path, purpose=HEAD, scope=scope, method=self.method, accept=INDEX)
        assert answer.status == 200
        return answer.headers["docker-content-digest"]


def test_all_tags_are_read_with_one_request_each(filled_registry: FilledRegistry) -> None:
    found = Read(filled_registry.url)
    assert found.tags == filled_registry.content.tags
    number = sum(map(len, found.tags.values()))
    assert found.counts == {LIST: 2, TAGS: len(found.tags), HEAD: number}


def test_an_unknown_repository_has_its_code(filled_registry: FilledRegistry) -> None:
    with pytest.raises(RefusedError) as raised:
        Read(filled_registry.url, names=["no/such"])
    assert (raised.value.status, raised.value.code) == (404, "NAME_UNKNOWN")


@pytest.fixture(scope="module")
def tokens() -> Iterator[TokenServer]:
    with token_server() as server:
        yield server


@pytest.fixture(scope="module")
def with_tokens(
    filled_registry: FilledRegistry, tokens: TokenServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    root = tmp_path_factory.mktemp("tokens")
    with registry(root, storage=filled_registry.storage, auth=tokens.section(root)) as url:
        yield url


def auths(home: Home, host: str) -> None:
    home.docker(auths={host: {"auth": PAIR}})


def cred_helpers(home: Home, host: str) -> None:
    home.docker(credHelpers={host: "test"})
    home.helper("test", **{host.replace(".", "_").replace(":", "_"): {"Username": USER, "Secret": SECRET}})


def creds_store(home: Home, host: str) -> None:
    home.docker(auths={host: {}}, credsStore="test")
    home.helper("test", **{host.replace(".", "_").replace(":", "_"): {"Username": USER, "Secret": SECRET}})


def identity_token(home: Home, host: str) -> None:
    home.podman(auths={host: {"identitytoken": IDENTITY}})


@pytest.mark.parametrize("keep", [auths, cred_helpers, creds_store, identity_token])
def test_logins_with_a_token_server(
    keep: object, home: Home, with_tokens: str, tokens: TokenServer, filled_registry: FilledRegistry
) -> None:
    host = with_tokens.removeprefix("http://")
    keep(home, host)  # type: ignore[operator]
    tokens.asked.clear()
    tokens.refused = 0
    found = Read(with_tokens, Kept(host, home.environ))
    assert found.tags == filled_registry.content.tags
    scopes = [f"repository:{name}:pull" for name in found.tags]
    assert tokens.asked == {CATALOG: 1, **dict.fromkeys(scopes, 1)}
    assert found.counts["token"] == 1 + len(scopes)
    assert found.counts[LIST] == 3  # the first of them was refused: that says where tokens are
    assert tokens.refused == 0


def test_tokens_that_end_soon_are_renewed(home: Home, filled_registry: FilledRegistry, tmp_path: Path) -> None:
    """By a clock of its own the client sees each token end after a request or two."""
    ticks = itertools.count(step=0.5)
    with token_server(lifetime=5) as tokens:
        section = tokens.section(tmp_path)
        with registry(tmp_path, storage=filled_registry.storage, auth=section) as url:
            host = url.removeprefix("http://")
            home.login(host)
            timing = Timing(clock=lambda: next(ticks))
            found = Read(url, Kept(host, home.environ), names=["team1/app1"], timing=timing)
    assert found.tags["team1/app1"] == filled_registry.content.tags["team1/app1"]
    assert 2 <= found.counts["token"] == tokens.asked["repository:team1/app1:pull"]


def test_a_login_with_basic(home: Home, filled_registry: FilledRegistry, tmp_path: Path) -> None:
    with registry(tmp_path, storage=filled_registry.storage, auth=htpasswd(tmp_path)) as url:
        host = url.removeprefix("http://")
        home.login(host)
        found = Read(url, Kept(host, home.environ))
        assert found.tags == filled_registry.content.tags
        assert found.counts["token"] == 0
        home.docker(auths={host: {"username": USER, "password": "wrong"}})
        with pytest.raises(CredentialsError) as raised:
            Read(url, Kept(host, home.environ))
    assert raised.value.is_login
    assert f"{home.root}/.docker/config.json" in str(raised.value)


def test_no_login(home: Home, with_tokens: str) -> None:
    host = with_tokens.removeprefix("http://")
    with pytest.raises(CredentialsError, match=f"^{host} wants a login") as raised:
        Read(with_tokens, Kept(host, home.environ), names=["team1/app1"])
    assert str(raised.value).endswith(f"docker login {host}")


def test_no_login_for_the_catalog(
    home: Home, with_tokens: str, filled_registry: FilledRegistry, tmp_path: Path
) -> None:
    """Whoever is not logged in hears that, not that there is no catalog."""
    with registry(tmp_path, storage=filled_registry.storage, auth=htpasswd(tmp_path)) as with_passwords:
        for url in (with_tokens, with_passwords):
            host = url.removeprefix("http://")
            with pytest.raises(CredentialsError, match=f"^{host} wants a login"):
                Read(url, Kept(host, home.environ))


def test_a_repository_that_the_user_may_not_read(home: Home, with_tokens: str, tokens: TokenServer) -> None:
    host = with_tokens.removeprefix("http://")
    home.login(host)
    tokens.closed.add("team1/app1")
    try:
        with pytest.raises(CredentialsError, match="does not permit this for team1/app1") as raised:
            Read(with_tokens, Kept(host, home.environ), names=["team1/app1"])
    finally:
        tokens.closed.clear()
    assert not raised.value.is_login


def test_tls_with_a_private_authority(
    filled_registry: FilledRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    with registry(tmp_path, storage=filled_registry.storage, tls=authority.section) as url:
        with pytest.raises(UnreadableStoreError, match="is not trusted"):
            Read(url)
        with pytest.raises(UnreadableStoreError, match="speaks TLS only"):
            Read(url.replace("https:", "http:"))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
        assert Read(url).tags == filled_registry.content.tags


def test_pages_of_two(filled_registry: FilledRegistry) -> None:
    with mask(filled_registry.url, "pages") as masked:
        found = Read(masked.url)
    assert found.tags == filled_registry.content.tags
    assert found.counts[TAGS] == sum(-(-len(tags) // 2) for tags in found.tags.values())


def test_a_registry_without_a_catalog(filled_registry: FilledRegistry) -> None:
    with mask(filled_registry.url, "hub") as masked:
        with pytest.raises(NotListableError):
            Read(masked.url)
        assert Read(masked.url, names=["team1/app1"]).tags == {"team1/app1": filled_registry.content.tags["team1/app1"]}


def test_a_network_that_fails_often_changes_nothing(filled_registry: FilledRegistry) -> None:
    with mask(filled_registry.url, "flaky") as masked:
        found = Read(masked.url, method="GET", timing=Time().timing())
    assert found.tags == filled_registry.content.tags
    assert min(found.counts["retried 429"], found.counts["retried 503"], found.counts["retried broken"]) > 0
    asked = sum(number for purpose, number in found.counts.items() if not purpose.startswith("retried"))
    lost = asked - sum(masked.counts.values())  # sent over a connection that was closed: the proxy never saw it
    assert 0 <= lost <= found.counts["retried broken"]
