"""Tell a registry from a host that answers and is none: a web page, a proxy, another service."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from blobkit.errors import CredentialsError, RateLimitedError, UnreadableStoreError
from blobkit.render import printable, truncate
from blobkit.sources.web.refusals import CATALOG, code_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blobkit.scanners.registries.web.visible import Visible
    from blobkit.sources.web.client import Client
    from blobkit.sources.web.transport import Answer

__all__ = ["of_a_registry"]

BASE = "/v2/"
"""The path that every registry answers with 200 or 401 (distribution-spec, end-1)."""
LIST = "/v2/_catalog?n=1"
OK, NOT_FOUND = 200, 404
SHOWN = 60


@asynccontextmanager
async def of_a_registry(client: Client, visible: Visible) -> AsyncIterator[None]:
    """Run a block that asks a registry; UnreadableStoreError if it fails or finds nothing, and the host is none.

    Cost: two requests, only in these cases.
    """
    try:
        yield
    except (CredentialsError, RateLimitedError):
        raise
    except UnreadableStoreError as error:
        if client.counts:  # else nobody answers at all
            await _check(client, error)
        raise
    if not any(shown.tags or shown.manifests for shown in visible.repositories):
        await _check(client, None)


async def _check(client: Client, error: UnreadableStoreError | None) -> None:
    """Raise UnreadableStoreError if the host answers as no registry does, also for the list of repositories."""
    try:
        answer = await client.get(BASE, purpose="base")
        if _is_registry(answer) or _is_registry(await client.get(LIST, purpose="base", scope=CATALOG)):
            return
    except UnreadableStoreError:
        return
    kind, server = (truncate(printable(answer.headers.get(name, "")), SHOWN) for name in ("Content-Type", "Server"))
    what = " ".join(filter(None, [str(answer.status), kind, server and f"from {server}"]))
    msg = f"{client.host} answers, but it is no registry: {BASE} gives {what}"
    hint = "check the host and the port; a registry of one's own often listens on port 5000"
    raise UnreadableStoreError(msg, hint=hint) from error


def _is_registry(answer: Answer) -> bool:
    """Return whether an answer may come from a registry: no page of a web site, and not that there is no such path."""
    if "Docker-Distribution-Api-Version" in answer.headers or code_of(answer):
        return True
    is_page = answer.body.lstrip()[:1] == b"<" or answer.headers.get("Content-Type", "").startswith("text/html")
    return answer.status != NOT_FOUND and not (answer.status == OK and is_page)
