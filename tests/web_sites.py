"""A registry that answers as a test says: repositories, tags and manifests without any storage."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from layouts import CONFIG, INDEX, LAYER, MANIFEST, sha
from remote_servers.scripted import Asked, Reply, scripted
from web_scans import over_http

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

Pages = dict[str, Reply | Callable[[Asked], Reply]]


def packed(body: object) -> bytes:
    return json.dumps(body).encode()


def to(content: bytes, media_type: str = LAYER, **more: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": sha(content), "size": len(content), **more}


def image(*layers: dict[str, object], **more: object) -> bytes:
    config = to(b"config", CONFIG)
    return packed({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [*layers], **more})


def index(*children: dict[str, object]) -> bytes:
    return packed({"schemaVersion": 2, "mediaType": INDEX, "manifests": [*children]})


class Site:
    """Repositories that a server shows: tags by repository, manifests by digest, and answers to single paths."""

    def __init__(self) -> None:
        self.tags: dict[str, dict[str, str]] = {}
        self.manifests: dict[str, bytes] = {}
        self.answers: Pages = {}
        self.blobs: dict[tuple[str, str], bytes] = {}

    def add(self, content: bytes, repo: str = "", tag: str = "") -> str:
        digest = sha(content)
        self.manifests[digest] = content
        if tag:
            self.tags.setdefault(repo, {})[tag] = digest
        return digest

    def answer(self, asked: Asked) -> Reply:
        path = asked.path.partition("?")[0]
        given = self.answers.get(f"{asked.method} {path}") or self.answers.get(path)
        if given is not None:
            return given(asked) if callable(given) else given
        if path == "/v2/_catalog":
            return Reply(200, packed({"repositories": sorted(self.tags)}))
        repo, _, rest = path.removeprefix("/v2/").rpartition("/")
        if rest == "list":
            known = self.tags.get(repo.removesuffix("/tags"))
            return Reply(404) if known is None else Reply(200, packed({"tags": sorted(known)}))
        if repo.endswith("/blobs"):
            blob = self.blobs.get((repo.removesuffix("/blobs"), rest))
            return Reply(404) if blob is None else Reply(200, blob)
        digest = self.tags.get(repo.removesuffix("/manifests"), {}).get(rest, rest)
        content = self.manifests.get(digest)
        return Reply(404) if content is None else Reply(200, content, {"Docker-Content-Digest": digest})

    def scan(self, prefix: str = "", **more: object) -> Snapshot:
        with scripted(self.answer) as server:
            self.seen = server.seen
            return over_http(server.url, prefix, **more)

    def asked(self, part: str) -> list[str]:
        return [one.path for one in self.seen if part in one.path]
