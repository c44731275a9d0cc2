"""Find the adapter for a registry, and ask it for all manifests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from blobkit.errors import AddressError, CredentialsError, UnreadableStoreError
from blobkit.log import log
from blobkit.render import choices, printable
from blobkit.scanners.registries.web.adapters import github, harbor
from blobkit.scanners.registries.web.adapters.authorized import Authorized
from blobkit.scanners.registries.web.adapters.listing import UnseenError
from blobkit.scanners.registries.web.pool import each
from blobkit.sources.web.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blobkit.remotes import Remote
    from blobkit.scanners.registries.web.adapters.listing import Unnamed
    from blobkit.sources.web.hidden import Hidden
    from blobkit.sources.web.timing import Timing
    from blobkit.sources.web.transport import Transport

__all__ = ["AUTO", "OPTIONS", "Adapter", "Listed", "adapter_for", "check_option", "listed"]

AUTO, NONE = "auto", "none"


class Untagged(Protocol):
    """A way to list the manifests of a repository."""

    async def __call__(self, client: Client, repository: str) -> list[Unnamed]:
        """Return all manifests, untagged ones too; UnseenError if they cannot be had."""
        ...


@dataclass(frozen=True, slots=True)
class Adapter:
    """A vendor's API: its `name` as an option, the URL and the header Authorization for it, its list.

    `needs`: the login that it wants, in words, "" if it may answer without.
    """

    name: str
    base: Callable[[Remote], str]
    login: Callable[[Remote], Hidden | None]
    untagged: Untagged
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """The manifests of each repository, or `why` they are not seen; then there are none at all.

    `is_denied`: they are not seen for want of a login, or of a right.
    """

    manifests: dict[str, list[Unnamed]]
    why: str = ""
    is_denied: bool = False


ADAPTERS = {
    "ghcr": Adapter(
        "ghcr",
        github.base,
        github.login,
        github.untagged,
        "a token with the right read:packages (GH_TOKEN, or docker login ghcr.io)",
    ),
    "harbor": Adapter("harbor", harbor.base, harbor.login, harbor.untagged),
}
OPTIONS = (AUTO, *ADAPTERS, NONE)
"""The values of the option: auto chooses by host and service."""


def check_option(option: str) -> str:
    """Return a value of the option; AddressError if it is unknown."""
    if option not in OPTIONS:
        msg = f"{printable(option)!r} is no list of untagged manifests"
        raise AddressError(msg, hint=choices(option, OPTIONS, use="use one of"))
    return option


def adapter_for(there: Remote, service: str, option: str = AUTO) -> Adapter | None:
    """Return the adapter for a registry, None if there is none for it.

    `service`: that in the registry's challenge, "" if there was none. AddressError for an unknown option.
    """
    if check_option(option) != AUTO:
        return ADAPTERS.get(option)
    if there.place.lower().removesuffix(":443") == github.HOST:
        return ADAPTERS["ghcr"]
    return ADAPTERS["harbor"] if service == harbor.SERVICE else None


async def listed(  # noqa: PLR0913 (what to ask, whom, and how)
    adapter: Adapter,
    there: Remote,
    repositories: Sequence[str],
    transport: Transport,
    *,
    at_once: int,
    timing: Timing | None = None,
) -> Listed:
    """Return all manifests of these repositories; none, and the reason, if one list cannot be had whole.

    This raises no error for what a vendor refuses: whether the scan goes on without the lists is the caller's choice.
    """
    authorization = await asyncio.to_thread(adapter.login, there)
    if authorization is None and adapter.needs:
        return Listed({}, f"their list needs {adapter.needs}", is_denied=True)
    base = adapter.base(there)
    own = transport if authorization is None else Authorized(transport, base, authorization)
    client = Client(base, own, at_once=at_once, timing=timing)
    found: dict[str, list[Unnamed]] = {}

    async def ask(repository: str) -> None:
        found[repository] = await adapter.untagged(client, repository)

    try:
        await each(repositories, ask, at_once)
    except CredentialsError as error:
        log.info("%s", error)
        needs = adapter.needs or "a login (docker login)"
        return Listed({}, f"{client.host} does not permit their list: it needs {needs}", is_denied=True)
    except (UnseenError, UnreadableStoreError) as error:
        return Listed({}, str(error))
    return Listed(found)
