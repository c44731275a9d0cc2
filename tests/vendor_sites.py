"""The APIs of Docker Hub, GitLab and Quay that delete, on a free port, over the state of `vendor_programs`."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vendor_programs import Shop

    Found = dict[str, Any]

TOKEN = "a-word-for-tests"  # noqa: S105 (no password of anything)
USER = "somebody"


class Asked(NamedTuple):
    """A request to a vendor's API."""

    method: str
    parts: list[str]
    query: dict[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def bearer(self) -> str:
        """The token that was sent."""
        return self.headers.get("Authorization", "").removeprefix("Bearer ")


class Said(NamedTuple):
    """The answer of a vendor's API."""

    status: int = 404
    body: object = None
    digest: str | None = None


def _hub(asked: Asked, found: Found) -> Said:
    """`auth.docker.io/token`, `registry-1.docker.io/v2/R/manifests/X`, `hub.docker.com/v2/...`."""
    parts = asked.parts
    if parts == ["token"]:
        assert asked.headers["Authorization"] == "Basic " + base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
        return Said(200, {"token": f"for {asked.query['scope'][0]}"})
    if parts == ["v2", "auth", "token"]:
        assert json.loads(asked.body) == {"identifier": USER, "secret": TOKEN}
        return Said(200, {"access_token": "of the hub"})
    if parts[-2] == "manifests":
        repo = "/".join(parts[1:-2])
        assert asked.bearer == f"for repository:{repo}:pull,delete"
        return _manifest(asked.method, found[repo], parts[-1])
    assert asked.bearer == "of the hub"
    return _untagged(asked, found["/".join(parts[2:-3])], parts[-2])


def _manifest(method: str, repo: Found, name: str) -> Said:
    digest = name if name in repo else _digest(repo, name)
    if digest is None:
        return Said()
    if method == "HEAD":
        return Said(200, digest=digest)
    if repo[name]["tags"] or any(name in one["children"] for one in repo.values()):
        return Said(403)
    del repo[name]
    return Said(202)


def _gitlab(asked: Asked, found: Found) -> Said:
    """`/projects/P/registry/repositories`, `.../R/tags/T`; the first page has other repositories only."""
    assert asked.headers["PRIVATE-TOKEN"] == TOKEN
    parts, names = asked.parts, sorted(found)
    if parts[1].count("/") != 1:
        return Said()
    if len(parts) == 4:
        others = [{"id": 1000 + i, "path": f"{parts[1]}/other-{i}"} for i in range(100)]
        own = [{"id": i, "path": name} for i, name in enumerate(names) if f"{name}/".startswith(f"{parts[1]}/")]
        return Said(200, others if asked.query["page"] == ["1"] else own)
    repo, tag = found[names[int(parts[4])]], parts[6]
    if asked.method == "DELETE":
        return _untagged(asked, repo, tag)
    digest = _digest(repo, tag)
    return Said(200, {"name": tag, "digest": digest}) if digest else Said()


def _quay(asked: Asked, found: Found) -> Said:
    """`/repository/R/tag/?specificTag=T`, `/repository/R/tag/T`."""
    assert asked.bearer == TOKEN
    repo = found["/".join(asked.parts[1:3])]
    if asked.method == "DELETE":
        return _untagged(asked, repo, asked.parts[4])
    assert asked.query["onlyActiveTags"] == ["true"]
    tag = asked.query["specificTag"][0]
    digest = _digest(repo, tag)
    return Said(200, {"tags": [{"name": tag, "manifest_digest": digest}] if digest else []})


def _digest(repo: Found, tag: str) -> str | None:
    return next((digest for digest, one in repo.items() if tag in one["tags"]), None)


def _untagged(asked: Asked, repo: Found, tag: str) -> Said:
    assert asked.method == "DELETE"
    digest = _digest(repo, tag)
    if digest is None:
        return Said()
    repo[digest]["tags"].remove(tag)
    return Said(200, {})


SITES = {"docker.io": _hub, "registry.gitlab.com": _gitlab, "quay.io": _quay}
SECRETS = {
    "docker.io": {"HUB_USER": USER, "HUB_TOKEN": TOKEN},
    "registry.gitlab.com": {"GITLAB_TOKEN": TOKEN},
    "quay.io": {"QUAY_TOKEN": TOKEN},
}


@contextmanager
def site(host: str, shop: Shop) -> Iterator[dict[str, str]]:
    """Serve a vendor's API until the block ends; yields the variables with which a script finds it."""

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            url, state = urlsplit(self.path), shop.read()
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = [unquote(part) for part in url.path.split("/")[1:]]
            said = SITES[host](Asked(self.command, parts, parse_qs(url.query), self.headers, body), state["repos"])
            state["calls"].append([self.command, self.path])
            shop.write(state)
            self.send_response(said.status)
            content = json.dumps(said.body).encode() if said.body is not None else b""
            if said.digest:
                self.send_header("Docker-Content-Digest", said.digest)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_HEAD = do_DELETE = do  # noqa: N815 (names of the library)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield {"API": url, "AUTH": url, "REGISTRY": url} | SECRETS[host]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
