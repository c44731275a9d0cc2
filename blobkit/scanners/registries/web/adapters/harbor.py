"""List the manifests of a repository of Harbor by its API 2.0.

Source: goharbor/harbor, `api/v2.0/swagger.yaml` (listArtifacts, getArtifact) and `src/pkg/artifact/dao`: an artifact is
listed if a tag names it or no index contains it. Images in an index are no artifacts of the list, nor are accessories
(signatures, SBOMs): the first are in `references` (`child_digest`), the others in `accessories` (`digest`) of the
artifact that they belong to. A name with slashes is encoded twice. Pages by Link, `X-Total-Count` has their sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from blobkit.scanners.registries.web.adapters.listing import (
    Unnamed,
    UnseenError,
    digest_in,
    microseconds,
    objects_in,
    pages,
    read,
)
from blobkit.scanners.registries.web.pool import each
from blobkit.sources.web.credentials import Kept
from blobkit.sources.web.tokens import basic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.digest import Digest
    from blobkit.oci.untrusted import Json
    from blobkit.remotes import Remote
    from blobkit.sources.web.client import Client
    from blobkit.sources.web.hidden import Hidden

__all__ = ["SERVICE", "base", "login", "untagged"]

SERVICE = "harbor-registry"
"""The service in the challenge of a Harbor."""
ASKED = "with_tag=false&with_label=false&with_accessory=true"
MOST, DEEPEST, AT_ONCE = 2_000_000, 16, 8
"""Manifests of a repository, indexes within indexes, and requests at once."""


def base(there: Remote) -> str:
    """Return the URL of the API: that of the registry."""
    return there.base


def login(there: Remote) -> Hidden | None:
    """Return the header Authorization with the user and password of `docker login`; None if there are none."""
    kept = Kept(there.place).find(there.prefix)
    return basic(kept) if kept is not None and kept.kind == "password" else None


async def untagged(client: Client, repository: str) -> list[Unnamed]:
    """Return all manifests of a repository, with the times of their pushes; UnseenError if that is not possible.

    Cost: a request for each 100 artifacts, and one for each manifest in an index and each accessory.
    """
    project, slash, name = repository.partition("/")
    if not slash:
        msg = f"{repository} is in no project"
        raise UnseenError(msg)
    path = f"/api/v2.0/projects/{quote(project, safe='')}/repositories/{_twice(name)}/artifacts"
    found = await _listed(client, path)
    level = dict.fromkeys(_below(list(found.values()), client.host))
    for _ in range(DEEPEST):
        level = dict.fromkeys(digest for digest in level if digest not in found)
        if not level:
            return [Unnamed(digest, microseconds(one.get("push_time"))) for digest, one in found.items()]
        level = dict.fromkeys(await _more(client, path, list(level), found))
    msg = f"{client.host} lists indexes within indexes without an end"
    raise UnseenError(msg)


def _twice(name: str) -> str:
    once = quote(name, safe="")
    return quote(once, safe="") if "/" in name else once


async def _listed(client: Client, path: str) -> dict[Digest, Json]:
    """Return the artifacts of the list by their digests. UnseenError if it has fewer than it says."""
    found: dict[Digest, Json] = {}
    total = ""
    async for page in pages(client, f"{path}?page=1&page_size=100&{ASKED}"):
        found |= {digest_in(one.get("digest"), client.host): _kept(one) for one in page.objects}
        total = page.headers.get("X-Total-Count", "")
    if len(found) < _number(total):
        msg = f"{client.host} lists {len(found)} of {_number(total)} artifacts"
        raise UnseenError(msg)
    return found


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004 (digits)


def _kept(artifact: Json) -> Json:
    """Return the fields that are used."""
    return {field: artifact.get(field) for field in ("push_time", "references", "accessories")}


def _below(artifacts: list[Json], host: str) -> Iterator[Digest]:
    """Yield the digests of the manifests in these artifacts, and of their accessories."""
    for one in artifacts:
        for field, key in (("references", "child_digest"), ("accessories", "digest")):
            yield from (digest_in(below.get(key), host) for below in objects_in(one.pop(field, None), host))


async def _more(client: Client, path: str, level: list[Digest], found: dict[Digest, Json]) -> list[Digest]:
    """Ask for each of these manifests; return the digests below them."""
    if len(found) + len(level) > MOST:
        msg = f"{client.host} lists more than {MOST:,} manifests"
        raise UnseenError(msg)
    below: list[Digest] = []

    async def ask(digest: Digest) -> None:
        value, _ = await read(client, f"{path}/{digest}?{ASKED}")
        (artifact,) = objects_in([value], client.host)
        found[digest] = one = _kept(artifact)
        below.extend(_below([one], client.host))

    await each(level, ask, AT_ONCE)
    return below
