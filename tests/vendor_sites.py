"""The APIs of Docker Hub, GitLab and Quay that delete tags, on a free port, over the state of `vendor_programs`."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vendor_programs import Shop

TOKEN = "a-word-for-tests"  # noqa: S105 (no password of anything)


def _hub(method: str, parts: list[str], found: dict[str, Any], _: dict[str, list[str]]) -> object:
    """`auth.docker.io/token`, `registry-1.docker.io/v2/R/manifests/T`, `hub.docker.com/v2/repositories/R/tags/T/`."""
    if parts == ["token"]:
        return {"token": TOKEN}
    if parts[-2] == "manifests":
        return _digest(found["/".join(parts[1:-2])], parts[-1])
    return _removed(method, found["/".join(parts[2:-3])], parts[-2])


def _gitlab(method: str, parts: list[str], found: dict[str, Any], query: dict[str, list[str]]) -> object:
    """`/projects/P/registry/repositories`, `.../R/tags/T`."""
    project, names = parts[1], sorted(found)
    if "/" not in project or project.count("/") > 1:
        return None
    if len(parts) == 4:
        filler = [{"id": 1000 + i, "path": f"{project}/other-{i}"} for i in range(100)]
        own = [
            {"id": i, "path": name} for i, name in enumerate(names) if name.startswith(f"{project}/") or name == project
        ]
        return filler if query["page"] == ["1"] else own
    repo = found[names[int(parts[4])]]
    if method == "GET":
        digest = _digest(repo, parts[6])
        return {"name": parts[6], "digest": digest} if digest else None
    return _removed(method, repo, parts[6])


def _quay(method: str, parts: list[str], found: dict[str, Any], query: dict[str, list[str]]) -> object:
    """`/repository/R/tag/?specificTag=T`, `/repository/R/tag/T`."""
    repo = found["/".join(parts[1:3])]
    if method == "GET":
        assert query["onlyActiveTags"] == ["true"]
        digest = _digest(repo, query["specificTag"][0])
        return {"tags": [{"name": query["specificTag"][0], "manifest_digest": digest}] if digest else []}
    return _removed(method, repo, parts[4])


def _digest(repo: dict[str, Any], tag: str) -> str | None:
    return next((digest for digest, one in repo.items() if tag in one["tags"]), None)


def _removed(method: str, repo: dict[str, Any], tag: str) -> object:
    assert method == "DELETE"
    digest = _digest(repo, tag)
    if digest is None:
        return None
    repo[digest]["tags"].remove(tag)
    return {}


SITES = {"docker.io": _hub, "registry.gitlab.com": _gitlab, "quay.io": _quay}
SECRETS = {"docker.io": "HUB_TOKEN", "registry.gitlab.com": "GITLAB_TOKEN", "quay.io": "QUAY_TOKEN"}


@contextmanager
def site(host: str, shop: Shop) -> Iterator[dict[str, str]]:
    """Serve a vendor's API until the block ends; yields the variables with which a script finds it."""

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            url, state = urlsplit(self.path), shop.read()
            sent = self.headers.get("PRIVATE-TOKEN") or self.headers.get("Authorization", "").removeprefix("Bearer ")
            parts = [unquote(part) for part in url.path.split("/")[1:]]
            assert sent == TOKEN or parts == ["token"]
            answer = SITES[host](self.command, parts, state["repos"], parse_qs(url.query))
            state["calls"].append([self.command, self.path])
            shop.write(state)
            self.send_response(200 if answer is not None else 404)
            body = json.dumps(answer).encode() if self.command == "GET" else b""
            if isinstance(answer, str):
                self.send_header("Docker-Content-Digest", answer)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_DELETE = do  # noqa: N815 (names of the library)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield {"API": url, "AUTH": url, "REGISTRY": url, SECRETS[host]: TOKEN}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
