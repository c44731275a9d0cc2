"""List the manifests of a repository of ghcr.io by GitHub's API for packages: each one is a version of a package.

Source: GitHub's REST API, version 2022-11-28, "List package versions for a package owned by an organization" (and "by a
user"): `name` of a version of a container is its digest, an untagged one has no `metadata.container.tags`; pages by
Link. It needs a token with the right read:packages.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote

from blobkit.scanners.registries.web.adapters.listing import (
    Unnamed,
    UnseenError,
    digest_in,
    microseconds,
    pages,
    read,
)
from blobkit.sources.web.credentials import Kept
from blobkit.sources.web.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blobkit.remotes import Remote
    from blobkit.sources.web.client import Client

__all__ = ["HOST", "base", "login", "untagged"]

HOST = "ghcr.io"
TOKENS = ("GH_TOKEN", "GITHUB_TOKEN")
"""Variables with a token, as gh reads them."""


def base(_: Remote) -> str:
    """Return the URL of GitHub's API: `$GITHUB_API_URL`, which GitHub's own runners set, or that of github.com."""
    return os.environ.get("GITHUB_API_URL") or "https://api.github.com"


def login(_: Remote, environ: Mapping[str, str] = os.environ) -> Hidden | None:
    """Return the header Authorization: a token of the environment, or that of `docker login ghcr.io`; else None."""
    token = next((environ[name] for name in TOKENS if environ.get(name)), "")
    if not token:
        kept = Kept(HOST, environ).find("")
        token = kept.secret if kept is not None and kept.kind == "password" else ""
    return Hidden(f"Bearer {token}") if token else None


async def untagged(client: Client, repository: str) -> list[Unnamed]:
    """Return all manifests of a repository, with the time of their last change; UnseenError if that is not possible.

    Cost: two requests, and one more for each 100 further manifests.
    """
    owner, slash, package = repository.partition("/")
    if not slash:
        msg = f"{repository} has no owner"
        raise UnseenError(msg)
    about, _ = await read(client, f"/users/{quote(owner, safe='')}")
    kind = "orgs" if isinstance(about, dict) and about.get("type") == "Organization" else "users"
    path = f"/{kind}/{quote(owner, safe='')}/packages/container/{quote(package, safe='')}/versions?per_page=100"
    found: dict[str, Unnamed] = {}
    async for page in pages(client, path):
        for one in page.objects:
            digest = digest_in(one.get("name"), client.host)
            found[digest] = Unnamed(digest, microseconds(one.get("created_at"), one.get("updated_at")))
    return list(found.values())
