"""A proxy before a real registry that makes it behave as other vendors' registries do, or as networks do.

pages      tags sorted, two a page whatever is asked for; `Link` names a host that only the registry itself can reach
hub        no catalog (401, insufficient_scope), tags of 100 a page; `counts` has the GETs of manifests, Hub's pulls
nodigest   no Docker-Content-Digest and no ETag, as registries of before OCI 1.0
referrers  the referrers API; no fallback tags in the list of tags, as a registry of OCI 1.1 has none
flaky      one answer in 7 is 429 with `Retry-After: 0`, one in 11 is 503, one in 13 breaks off in the middle
gone       one image of an index answers 404
liar       one image has a byte changed
stale      a tag is listed, `zz-gone`, that answers 404: it was deleted meanwhile
slow       each answer takes 50 ms longer, as over a network
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from aiohttp import web

from remote_servers.processes import HOST, free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    First = Callable[["Mask", web.Request], Awaitable["Reply | None"]]
    Then = Callable[["Mask", web.Request, "Reply"], "Reply"]

__all__ = ["Mask", "mask"]

KINDS = ("_catalog", "/tags/list", "/manifests/", "/referrers/", "/blobs/", "/token")
SENT = ("Accept", "Authorization", "If-None-Match")
"""Headers that go on to the registry."""
KEPT = ("Content-Type", "Docker-Content-Digest", "Etag", "Link", "Location", "Retry-After", "Www-Authenticate")
NUMBER = "number"
"""The key of a request's number, from 1."""
INSIDE = "http://inside.example:5000"
"""A host that a registry behind a proxy may name, and that nobody outside can reach."""
INDEX = "application/vnd.oci.image.index.v1+json"
NOTHING = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()


class Reply(NamedTuple):
    """An answer; `size` is what the header of its length says, of a HEAD too. `is_cut`: it breaks off in the middle."""

    status: int
    headers: dict[str, str]
    body: bytes
    size: int = 0
    is_cut: bool = False


class Mask:
    """A running mask: its URL, and the requests that it saw, by method and kind of path (`counts["GET /manifests/"]`).

    `victim` is the path of the manifest that `gone` and `liar` chose.
    """

    def __init__(self, upstream: str, mode: str) -> None:
        self.url, self.upstream, self.number, self.victim = "", upstream, 0, ""
        self.counts: Counter[str] = Counter()
        self._first, self._then = MODES[mode]
        self._session: aiohttp.ClientSession
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        self.number += 1
        request[NUMBER] = self.number  # others come while this one waits
        self.counts[f"{request.method} {kind_of(request)}"] += 1
        reply = await self._first(self, request)
        if reply is None:
            reply = self._then(self, request, await self.ask(request, request.path_qs))
        return await _send(request, reply)

    async def ask(self, request: web.Request, path: str) -> Reply:
        """Return the answer of the registry itself."""
        sent = {name: request.headers[name] for name in SENT if name in request.headers}
        async with self._session.request(
            request.method, self.upstream + path, headers=sent, allow_redirects=False
        ) as answer:
            headers = {name: answer.headers[name] for name in KEPT if name in answer.headers}
            body = await answer.read()
            return Reply(answer.status, headers, body, answer.content_length or len(body))

    async def serve(self, port: int, ready: threading.Event) -> None:
        """Serve until `end` is called."""
        self.url, self._stop, self._loop = f"http://{HOST}:{port}", asyncio.Event(), asyncio.get_running_loop()
        async with aiohttp.ClientSession() as self._session:
            app = web.Application()
            app.router.add_route("*", "/{tail:.*}", self.handle)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
            await runner.setup()
            await web.TCPSite(runner, HOST, port).start()
            ready.set()
            await self._stop.wait()
            await runner.cleanup()

    def end(self) -> None:
        """End the server, from another thread."""
        self._loop.call_soon_threadsafe(self._stop.set)


@contextmanager
def mask(upstream: str, mode: str) -> Iterator[Mask]:
    """Run a mask before the registry at `upstream` until the block ends."""
    made, ready = Mask(upstream, mode), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(made.serve(free_port(), ready)), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield made
    finally:
        made.end()
        thread.join()


def kind_of(request: web.Request) -> str:
    return next((kind for kind in KINDS if kind in request.path), "other")


async def _send(request: web.Request, reply: Reply) -> web.StreamResponse:
    if request.method == "HEAD":
        return web.Response(status=reply.status, headers={**reply.headers, "Content-Length": str(reply.size)})
    if not reply.is_cut:
        return web.Response(status=reply.status, headers=reply.headers, body=reply.body)
    answer = web.StreamResponse(status=reply.status, headers={**reply.headers, "Content-Length": str(len(reply.body))})
    await answer.prepare(request)
    await answer.write(reply.body[: len(reply.body) // 2])
    assert request.transport is not None
    request.transport.close()
    return answer


def _error(status: int, code: str, **headers: str) -> Reply:
    body = json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"Content-Type": "application/json", **named}, body)


async def _ask_on(_mask: Mask, _request: web.Request) -> Reply | None:
    return None


def _as_it_is(_mask: Mask, _request: web.Request, reply: Reply) -> Reply:
    return reply


async def _late(_mask: Mask, _request: web.Request) -> None:
    await asyncio.sleep(0.05)


async def _no_catalog(mask: Mask, request: web.Request) -> Reply | None:
    kind = kind_of(request)
    if kind == "/token":
        return Reply(200, {}, b'{"token": "anonymous", "expires_in": 300}')
    if kind != "_catalog":
        return None
    challenge = f'Bearer realm="{mask.url}/token",service="hub",scope="registry:catalog:*"'
    return _error(401, "UNAUTHORIZED", WWW_Authenticate=f'{challenge},error="insufficient_scope"')


async def _refusing(_mask: Mask, request: web.Request) -> Reply | None:
    if request[NUMBER] % 7 == 0:
        return _error(429, "TOOMANYREQUESTS", Retry_After="0")
    return Reply(503, {}, b"upstream connect error") if request[NUMBER] % 11 == 0 else None


def _breaking(_mask: Mask, request: web.Request, reply: Reply) -> Reply:
    return reply._replace(is_cut=request[NUMBER] % 13 == 0 and len(reply.body) > 1)


async def _referrers(mask: Mask, request: web.Request) -> Reply | None:
    repo, is_asked, digest = request.path.removeprefix("/v2/").partition("/referrers/")
    if not is_asked:
        return None
    listing = await mask.ask(request, f"/v2/{repo}/manifests/{digest.replace(':', '-')}")
    body = listing.body if listing.status == 200 else NOTHING
    return Reply(200, {"Content-Type": INDEX}, body, len(body))


def _tags(change: Callable[[list[str]], list[str]], size: int) -> Then:
    """Return a change of lists of tags, into pages of this size."""

    def changed(_mask: Mask, request: web.Request, reply: Reply) -> Reply:
        if kind_of(request) != "/tags/list" or reply.status != 200:
            return reply
        body = json.loads(reply.body)
        last = request.query.get("last", "")
        rest = [tag for tag in sorted(change(body["tags"] or [])) if tag > last]
        headers = dict(reply.headers)
        if len(rest) > size:
            headers["Link"] = f'<{INSIDE}{request.path}?last={rest[size - 1]}&n={size}>; rel="next"'
        return reply._replace(body=json.dumps(body | {"tags": rest[:size]}).encode(), headers=headers)

    return changed


def _without_digest(_mask: Mask, _request: web.Request, reply: Reply) -> Reply:
    kept = {name: value for name, value in reply.headers.items() if name not in {"Docker-Content-Digest", "Etag"}}
    return reply._replace(headers=kept)


def _on_victim(change: Callable[[Reply], Reply]) -> Then:
    """Return a change of the first image that is asked for by digest."""

    def changed(mask: Mask, request: web.Request, reply: Reply) -> Reply:
        is_image = "/manifests/sha256:" in request.path and b'"config"' in reply.body
        if is_image and not mask.victim:
            mask.victim = request.path
        return change(reply) if request.path == mask.victim else reply

    return changed


EVERY = 1 << 30
MODES: Mapping[str, tuple[First, Then]] = {
    "pages": (_ask_on, _tags(list, 2)),
    "hub": (_no_catalog, _tags(list, 100)),
    "nodigest": (_ask_on, _without_digest),
    "referrers": (_referrers, _tags(lambda tags: [tag for tag in tags if not tag.startswith("sha256-")], EVERY)),
    "flaky": (_refusing, _breaking),
    "gone": (_ask_on, _on_victim(lambda _: _error(404, "MANIFEST_UNKNOWN"))),
    "liar": (_ask_on, _on_victim(lambda reply: reply._replace(body=reply.body[:-1] + b" "))),
    "stale": (_ask_on, _tags(lambda tags: [*tags, "zz-gone"], EVERY)),
    "slow": (_late, _as_it_is),
}
