"""The transport speaks to real servers: slow ones, broken ones, with certificates, behind proxies."""

from __future__ import annotations

import asyncio
import base64
import gzip
import socket
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import MissingExtraError, UnreadableStoreError
from blobkit.sources.web import transport as transports
from blobkit.sources.web.client import Client
from blobkit.sources.web.proxies import DIRECT, Proxies
from blobkit.sources.web.transport import BrokenError, Request, UnreachableError, aiohttp_transport
from blobkit.sources.web.trust import Trust
from patience import until
from remote_servers.authority import Authority
from remote_servers.processes import HOST, free_port
from remote_servers.scripted import Asked, Reply, scripted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.sources.web.transport import Answer

VARIABLES = (
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def asked(url: str, *, method: str = "GET", limit: int = 1000, times: int = 1, **more: object) -> list[Answer]:
    """Ask one after the other, with one transport."""

    async def main() -> list[Answer]:
        transport = aiohttp_transport(4)
        try:
            request = Request(method, url, {"X": "1"}, "test", limit, **more)  # type: ignore[arg-type]
            return [await transport.request(request) for _ in range(times)]
        finally:
            await transport.close()

    return asyncio.run(main())


def test_headers_go_and_come() -> None:
    with scripted(lambda _: Reply(201, b"content", {"Docker-Content-Digest": "d"})) as server:
        (answer,) = asked(server.url + "/v2/a%2Fb?x=%20")
    assert (answer.status, answer.body, answer.headers["docker-content-digest"]) == (201, b"content", "d")
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.headers["X"]) == ("GET", "/v2/a%2Fb?x=%20", "1")
    assert seen.headers["Accept-Encoding"] == "identity"


def test_a_form_is_posted() -> None:
    with scripted(lambda _: Reply()) as server:
        asked(server.url, method="POST", data={"scope": "a:b c", "x": "ü"})
    assert server.seen[0].body == b"scope=a%3Ab+c&x=%C3%BC"
    assert server.seen[0].headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 500_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_no_more_of_a_body_than_the_limit(size: int, *, is_chunked: bool) -> None:
    body = b"x" * size
    chunks = b"%x\r\n%s\r\n" % (size, body) * bool(size) + b"0\r\n\r\n"
    said = Reply(200, chunks, {"Transfer-Encoding": "chunked"}) if is_chunked else Reply(200, body)
    with scripted(lambda _: said) as server:
        answers = asked(server.url, times=2)
    assert [answer.body for answer in answers] == [body[:1000]] * 2


def test_more_than_the_limit_is_not_waited_for() -> None:
    size = 1 << 20
    long = Reply(200, bytes(size), {"Content-Length": str(100 * size)}, times=100)
    with scripted(lambda _: long) as server:
        assert len(asked(server.url)[0].body) == 1000
        until(lambda: server.left == 1)


def test_bytes_are_those_that_were_sent() -> None:
    """Digests are of bytes; and few bytes that unpack to many do no harm."""
    with scripted(lambda _: Reply(200, gzip.compress(b"content"), {"Content-Encoding": "gzip"})) as server:
        assert gzip.decompress(asked(server.url)[0].body) == b"content"


def test_a_head_has_the_length_of_what_it_is_about() -> None:
    with scripted(lambda _: Reply(200, b"", {"Content-Length": "5000000"})) as server:
        (answer,) = asked(server.url, method="HEAD")
    assert (answer.headers["Content-Length"], answer.body) == ("5000000", b"")


def test_a_redirect_is_an_answer_and_cookies_are_not_kept() -> None:
    with scripted(lambda _: Reply(302, b"", {"Location": "/elsewhere", "Set-Cookie": "a=b; Path=/"})) as server:
        assert [answer.status for answer in asked(server.url, times=2)] == [302, 302]
    assert server.paths == ["/", "/"]
    assert "Cookie" not in server.seen[1].headers


def test_headers_that_come_twice_are_one() -> None:
    twice = [
        ("WWW-Authenticate", "Negotiate"),
        ("WWW-Authenticate", 'Basic realm="x"'),
        ("Link", "<a>"),
        ("Link", "<b>"),
    ]
    with scripted(lambda _: Reply(401, b"", twice)) as server:
        (answer,) = asked(server.url)
    assert answer.headers["www-authenticate"] == 'Negotiate, Basic realm="x"'
    assert answer.headers["link"] == "<a>, <b>"


@pytest.mark.parametrize("cut", [-1, 0, 5])
def test_an_answer_that_breaks_off(cut: int) -> None:
    with (
        scripted(lambda _: Reply(200, b"0123456789", cut=cut)) as server,
        pytest.raises(BrokenError, match="broke off"),
    ):
        asked(server.url)


def test_an_answer_that_does_not_come() -> None:
    never = threading.Event()
    with scripted(lambda _: Reply(until=never)) as server:
        with pytest.raises(BrokenError, match="does not answer in time"):
            asked(server.url, patience=0.05)
        never.set()


def test_an_answer_that_is_none() -> None:
    odd = Reply(200, b"", {"Content-Length": "x", "Bad Header": "\x00"})
    with scripted(lambda _: odd) as server, pytest.raises(BrokenError, match="broke off"):
        asked(server.url)


def test_nobody_there() -> None:
    port = free_port()
    with pytest.raises(UnreachableError, match=f"^{HOST}:{port} cannot be reached: Connection refused$"):
        asked(f"http://{HOST}:{port}/")


def test_no_such_host() -> None:
    with pytest.raises(UnreachableError, match=r"^registry\.invalid cannot be reached: there is no such host$"):
        asked("http://registry.invalid/")


@pytest.mark.parametrize("url", ["http://", "http://[::1", "ftp://registry.example/"])
def test_no_url(url: str) -> None:
    with pytest.raises(BrokenError):
        asked(url)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_private_authority_is_trusted_that_the_environment_names(
    authority: Authority, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(authority.ca))
    with scripted(lambda _: Reply(), authority.context) as server:
        assert [answer.status for answer in asked(server.url, times=2)] == [200, 200]


@pytest.mark.parametrize("place", ["docker", "containers"])
def test_a_private_authority_is_trusted_for_the_host_whose_directory_it_is_in(
    authority: Authority, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with scripted(lambda _: Reply(), authority.context) as server:
        own = tmp_path / place / server.url.removeprefix("https://")
        own.mkdir(parents=True)
        (own / "ca.crt").write_bytes(authority.ca.read_bytes())
        places = (str(tmp_path / "none"), str(tmp_path / place))
        monkeypatch.setattr(transports, "Trust", lambda: Trust(places=places))
        assert asked(server.url)[0].status == 200
        with pytest.raises(UnreadableStoreError, match="is not trusted"):
            asked(server.url.replace(HOST, "localhost"))


def test_another_authority_is_an_error_at_once(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority(tmp_path, "Another Authority").ca))
    with scripted(lambda _: Reply(), authority.context) as server:
        with pytest.raises(UnreadableStoreError) as raised:
            through_client(server.url)
        host = server.url.removeprefix("https://")
    assert raised.value.message == f"the certificate of {host} is not trusted (unable to get local issuer certificate)"
    assert f"SSL_CERT_FILE=ca.crt, or put it into /etc/docker/certs.d/{host}/ca.crt" in str(raised.value)
    assert server.seen == []


def test_a_certificate_for_another_host_is_an_error(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    with scripted(lambda _: Reply(), authority.context) as server:
        other = server.url.replace(HOST, "localhost.localdomain")
        monkeypatch.setattr(
            "socket.getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", (HOST, int(other[-5:])))]
        )
        with pytest.raises(UnreadableStoreError, match=r"is not trusted \(Hostname mismatch"):
            asked(other)


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_certificates_that_cannot_be_read_are_an_error(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ca.crt"
    if content:
        path.write_bytes(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(
        UnreadableStoreError, match=f"^the certificates in {path}, which SSL_CERT_FILE names, cannot be read"
    ):
        asked("https://registry.invalid/")


def test_tls_is_never_left_for_plain_http() -> None:
    """A server without TLS, asked with it: an error that names the address to give, and no request that it can read."""
    with scripted(lambda _: Reply()) as server:
        host = server.url.removeprefix("http://")
        with pytest.raises(UnreadableStoreError) as raised:
            through_client(f"https://{host}")
    assert (
        str(raised.value)
        == f"{host} does not speak TLS as it should: for a registry without TLS give registry+http://{host}"
    )
    assert server.seen == []


def through_client(url: str) -> Answer:
    async def main() -> Answer:
        transport = aiohttp_transport(4)
        try:
            return await Client(url, transport).get("/v2/", purpose="GET")
        finally:
            await transport.close()

    return asyncio.run(main())


@pytest.fixture
def proxy() -> Iterator[list[Asked]]:
    """A proxy for plain HTTP that answers by itself; yields what it was asked, and is named by `proxy_url`."""
    with scripted(lambda _: Reply(200, b"from the proxy")) as server:
        proxies.append(server.url)
        yield server.seen
        proxies.pop()


proxies: list[str] = []


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_asked(
    variable: str, proxy: list[Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, proxies[0])
    assert asked("http://registry.invalid/v2/")[0].body == b"from the proxy"
    assert proxy[0].path == "http://registry.invalid/v2/"


def test_a_proxy_gets_its_password_and_the_registry_not(proxy: list[Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxies[0].replace("//", "//me:p%40ss@"))
    asked("http://registry.invalid/v2/", times=2)
    coded = base64.b64encode(b"me:p@ss").decode()
    assert [seen.headers["Proxy-Authorization"] for seen in proxy] == [f"Basic {coded}"] * 2
    assert "Authorization" not in proxy[0].headers


@pytest.mark.parametrize("unless", ["registry.invalid", "*", ".invalid", "other, registry.invalid"])
def test_no_proxy_is_honoured(unless: str, proxy: list[Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxies[0])
    monkeypatch.setenv("NO_PROXY", unless)
    with pytest.raises(UnreachableError, match="no such host"):
        asked("http://registry.invalid/")
    assert proxy == []


@pytest.mark.parametrize(
    "url", ["http://localhost:1/", "http://127.0.0.1:1/", "http://[::1]:1/", "http://127.9.9.9:1/"]
)
def test_this_machine_needs_no_proxy(url: str, proxy: list[Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxies[0])
    with pytest.raises(UnreachableError, match=r"cannot be reached: (Connection refused|Cannot assign)"):
        asked(url)
    assert proxy == []


@pytest.mark.parametrize(
    ("unless", "expected"),
    [("10.0.0.0/8", True), ("10.1.2.3", True), ("x/y, 10.1.0.0/16", True), ("11.0.0.0/8", False), ("::/0", False)],
)
def test_networks_without_a_proxy(unless: str, *, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid")
    monkeypatch.setenv("NO_PROXY", unless)
    assert (Proxies().of("http://10.1.2.3:5000/v2/") == DIRECT) == expected
    assert Proxies().of("http://registry.example/") != DIRECT


def test_a_proxy_that_wants_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(lambda _: Reply(407, b"", {"Proxy-Authenticate": "Basic"})) as server:
        monkeypatch.setenv("HTTP_PROXY", server.url)
        with pytest.raises(UnreachableError, match=r"^the proxy does not lead to registry\.invalid: it answers 407$"):
            asked("http://registry.invalid/")


def test_tls_goes_through_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(lambda _: Reply(407, b"")) as server:
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        with pytest.raises(UnreachableError, match=r"^the proxy does not lead to registry\.invalid: it answers 407$"):
            asked("https://registry.invalid/")
    assert [(seen.method, seen.path) for seen in server.seen] == [("CONNECT", "registry.invalid:443")]


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@{HOST}:{free_port()}")
    with pytest.raises(
        UnreachableError, match=r"^the proxy for registry\.invalid cannot be reached: Connection refused$"
    ):
        asked("http://registry.invalid/")


def test_a_proxy_of_another_kind_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:secret@127.0.0.1:1080")
    with pytest.raises(UnreadableStoreError, match="a proxy of the kind socks5 is not supported"):
        asked("https://registry.invalid/")


def test_netrc_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "netrc"
    path.write_text(f"machine {HOST} login me password secret\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    with scripted(lambda _: Reply()) as server:
        asked(server.url)
    assert "Authorization" not in server.seen[0].headers


def test_without_aiohttp_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'blobkit\[remote\]'$") as raised:
        aiohttp_transport(1)
    assert isinstance(raised.value, ImportError)
