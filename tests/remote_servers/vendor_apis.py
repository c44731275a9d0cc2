"""The APIs of GitHub and of Harbor that list all manifests, over the storage directory of a real registry.

As their documents say (GitHub's REST API 2022-11-28; goharbor/harbor, `api/v2.0/swagger.yaml`). `size` is the length
of a page, whatever is asked for. Requests for the registry itself go on to it.
"""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, unquote, urlsplit

from remote_servers.scripted import Reply, scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from remote_servers.scripted import Asked, Scripted

__all__ = ["PASSWORD", "SERVICE", "TOKEN", "USER", "Stored", "stored", "vendor_apis"]

TOKEN, USER, PASSWORD = "ghp-for-tests", "robot$tests", "for-tests"
SERVICE = "harbor-registry"
FORWARDED = ("Accept", "Authorization")
MISSING = Reply(404, b'{"message": "Not Found"}')


@dataclass
class Stored:
    """A manifest in the storage: its tags, the time of its link, the manifests in it, and the one that it refers to."""

    tags: list[str]
    pushed: datetime
    children: list[str]
    subject: str

    @property
    def time(self) -> str:
        """The time as both APIs write it."""
        return self.pushed.isoformat().replace("+00:00", "Z")


def stored(storage: Path) -> dict[str, dict[str, Stored]]:
    """Return the manifests of each repository, read from the files of the registry."""
    top = storage / "docker/registry/v2"
    found: dict[str, dict[str, Stored]] = {}
    for link in sorted(top.glob("repositories/**/_manifests/revisions/*/*/link")):
        repo, digest = str(link.parents[4].relative_to(top / "repositories")), link.read_text()
        label, hexa = digest.split(":")
        body = json.loads((top / "blobs" / label / hexa[:2] / hexa / "data").read_bytes())
        children = [one["digest"] for one in body.get("manifests", ())]
        pushed = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=link.stat().st_mtime_ns // 1000)
        subject = body.get("subject", {}).get("digest", "")
        found.setdefault(repo, {})[digest] = Stored([], pushed, children, subject)
    for link in top.glob("repositories/**/_manifests/tags/*/current/link"):
        repo = str(link.parents[4].relative_to(top / "repositories"))
        found[repo][link.read_text()].tags.append(link.parents[1].name)
    return found


@contextmanager
def vendor_apis(  # noqa: PLR0913 (what they serve, and how)
    storage: Path,
    registry: str = "",
    *,
    size: int = 2,
    kind: str = "Organization",
    asks: bool = False,
    change: Callable[[Asked, Reply], Reply] = lambda _, reply: reply,
) -> Iterator[Scripted]:
    """Run both APIs until the block ends. `change` may give other answers; `registry`: the URL of the registry.

    `asks`: the registry asks for a token, as that of Harbor does.
    """

    found = stored(storage)

    def answer(asked: Asked) -> Reply:
        parts = urlsplit(asked.path).path.split("/")[1:]
        if parts[0] == "v2" and asks and asked.headers["Authorization"] != "Bearer good":
            return Reply(401, b"{}", {"WWW-Authenticate": f'Bearer realm="{server.url}/token",service="{SERVICE}"'})
        if parts == ["token"]:
            return Reply(200, b'{"token": "good"}')
        if parts[0] == "v2":
            return _forwarded(registry, asked)
        site = _harbor if parts[0] == "api" else _github
        return change(asked, site(asked, parts, found, size, kind))

    with scripted(answer) as server:
        yield server


def _forwarded(registry: str, asked: Asked) -> Reply:
    connection = HTTPConnection(urlsplit(registry).netloc, timeout=30)
    headers = {name: asked.headers[name] for name in FORWARDED if name in asked.headers}
    connection.request(asked.method, asked.path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return Reply(answer.status, body, [(name, value) for name, value in answer.getheaders() if name != "Date"])


def _page(asked: Asked, items: list[object], size: int, path: str, more: str = "") -> Reply:
    query = parse_qs(urlsplit(asked.path).query)
    page = int(query.get("page", ["1"])[0])
    headers = {"Content-Type": "application/json", "X-Total-Count": str(len(items))}
    if page * size < len(items):
        headers["Link"] = f'<{path}?page={page + 1}{more}>; rel="next"'
    return Reply(200, json.dumps(items[(page - 1) * size : page * size]).encode(), headers)


def _github(asked: Asked, parts: list[str], found: dict[str, dict[str, Stored]], size: int, kind: str) -> Reply:
    """`/users/OWNER`, `/orgs/OWNER/packages/container/PACKAGE/versions`; links name organizations by number."""
    if asked.headers["Authorization"] != f"Bearer {TOKEN}":
        return Reply(401, b'{"message": "Requires authentication"}')
    if len(parts) == 2:
        return Reply(200, json.dumps({"login": parts[1], "type": kind}).encode())
    owner, package = unquote(parts[1]).removeprefix("1-"), unquote(parts[4])
    is_right = parts[0] in ({"orgs", "organizations"} if kind == "Organization" else {"users", "user"})
    if not is_right or f"{owner}/{package}" not in found or "/" in parts[4]:
        return MISSING
    versions: list[object] = [
        {
            "id": number,
            "name": digest,
            "created_at": one.time,
            "updated_at": one.time,
            "metadata": {"package_type": "container", "container": {"tags": one.tags}},
        }
        for number, (digest, one) in enumerate(found[f"{owner}/{package}"].items())
    ]
    place = "organizations" if kind == "Organization" else "user"
    path = f"https://api.github.com/{place}/1-{owner}/packages/container/{quote(package, safe='')}/versions"
    return _page(asked, versions, size, path, "&per_page=100")


def _harbor(asked: Asked, parts: list[str], found: dict[str, dict[str, Stored]], size: int, _: str) -> Reply:
    """`/api/v2.0/projects/P/repositories/R/artifacts`, and one artifact by its digest."""
    expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    if asked.headers["Authorization"] != f"Basic {expected}":
        return Reply(401, b'{"errors": [{"code": "UNAUTHORIZED"}]}')
    name = unquote(unquote(parts[5])) if "%25" in parts[5] else unquote(parts[5])
    if "/" in name and "%252F" not in parts[5]:
        return MISSING
    manifests = found.get(f"{parts[3]}/{name}", {})
    if len(parts) == 8:
        return Reply(200, json.dumps(_artifact(parts[7], manifests)).encode()) if parts[7] in manifests else MISSING
    inside = {child for one in manifests.values() for child in one.children}
    listed: list[object] = [
        _artifact(digest, manifests)
        for digest, one in manifests.items()
        if (one.tags or digest not in inside) and not one.subject
    ]
    return _page(asked, listed, size, urlsplit(asked.path).path, "&page_size=100&with_accessory=true")


def _artifact(digest: str, manifests: dict[str, Stored]) -> dict[str, object]:
    accessories = [{"digest": one, "type": "sbom.spdx"} for one, that in manifests.items() if that.subject == digest]
    references = [{"child_digest": child, "platform": {}} for child in manifests[digest].children] or None
    return {
        "digest": digest,
        "push_time": manifests[digest].time,
        "references": references,
        "accessories": accessories or None,
        "tags": None,
    }
