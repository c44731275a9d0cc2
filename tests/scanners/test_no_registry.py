"""Hosts that answer and are no registry, and advice that names the whole address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("aiohttp")

import blobkit
from blobkit.errors import CredentialsError, UnreadableStoreError
from remote_servers.scripted import Reply, scripted
from web_scans import over_http

if TYPE_CHECKING:
    from remote_servers.fixtures import FilledRegistry
    from remote_servers.scripted import Asked

PAGE = Reply(200, b"<!doctype html><title>Welcome</title>", {"Content-Type": "text/html\x9b31m"})
LOST = Reply(404, b"404 page not found", {"Content-Type": "text/plain"})


@pytest.mark.parametrize("given", [{}, {"prefix": "team/app"}, {"repositories": ["team/app"]}])
@pytest.mark.parametrize("page", [PAGE, LOST])
def test_a_host_that_is_no_registry_is_told(page: Reply, given: dict[str, object]) -> None:
    """What answers is told, also where a repository is named: there is none of that name, but not for that reason."""
    with scripted(lambda _: page) as server, pytest.raises(UnreadableStoreError) as caught:
        over_http(server.url, **given)  # type: ignore[arg-type]
    host = server.url.removeprefix("http://")
    what = {200: "200 text/html\\udc9b31m from ", 404: "404 text/plain from "}[page.status]
    assert str(caught.value).startswith(f"{host} answers, but it is no registry: /v2/ gives {what}")
    assert "check the host and the port" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "base",
    [Reply(200, b"true"), Reply(200, b"", {"Docker-Distribution-Api-Version": "registry/2.0"})],
)
def test_a_registry_without_a_catalog_or_content_is_one(base: Reply) -> None:
    def answer(asked: Asked) -> Reply:
        return base if asked.path == "/v2/" else LOST

    with scripted(answer) as server, pytest.raises(UnreadableStoreError, match="does not list its repositories"):
        over_http(server.url)
    with scripted(lambda asked: base if asked.path == "/v2/" else Reply(200, b'{"repositories":[]}')) as server:
        assert over_http(server.url).blobs == 0


def test_a_login_that_is_refused_is_no_other_host() -> None:
    with (
        scripted(lambda _: Reply(401, b"<html>", {"WWW-Authenticate": 'Basic realm="x"'})) as server,
        pytest.raises((CredentialsError, UnreadableStoreError)) as caught,
    ):
        over_http(server.url)
    assert "no registry" not in str(caught.value)


def test_a_scan_that_finds_something_does_not_ask_what_the_host_is(
    filled_registry: FilledRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "blobkit"):
        over_http(filled_registry.url, "team0")
    requests = [one for one in caplog.messages if one.startswith("requests: ")]
    assert len(requests) == 1
    assert "base" not in requests[0]


@pytest.mark.parametrize("form", ["docker://{}/team0/group/app0", "registry+https://{}/team0/group/app0"])
def test_advice_to_go_without_tls_keeps_the_repository(filled_registry: FilledRegistry, form: str) -> None:

    host = filled_registry.url.removeprefix("http://")
    with pytest.raises(UnreadableStoreError) as caught:
        blobkit.scan(form.format(host), progress=False, cache=False)
    for told in (str(caught.value), caught.value.in_shell()):
        assert told.endswith(f"for a registry without TLS give registry+http://{host}/team0/group/app0")
