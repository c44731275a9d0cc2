"""Read pages of a list from a vendor's API, all or nothing: an item left out would be a manifest that is not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import Digest, is_digest
from blobkit.oci.untrusted import DocumentError, parse_any, parse_time
from blobkit.render import printable, truncate
from blobkit.sources.web.links import next_page

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from blobkit.oci.untrusted import Json
    from blobkit.sources.web.client import Client

__all__ = ["Page", "Unnamed", "UnseenError", "digest_in", "microseconds", "objects_in", "pages", "read"]

PAGE, PAGES = 16 << 20, 20_000
"""Bytes of the largest answer, and the pages of the longest list: two million manifests in a repository."""
OK, NOT_FOUND = 200, 404
UNKNOWN = -1
SHOWN = 80
PURPOSE = "manifests listed"


class Unnamed(NamedTuple):
    """A manifest of a repository, whether a tag names it or not, and when it was pushed.

    `modified`: microseconds since 1970, -1 if that is not known.
    """

    digest: Digest
    modified: int = UNKNOWN


class UnseenError(Exception):
    """The list cannot be had, or not whole; the message says why. Then it is as if there were no list."""


class Page(NamedTuple):
    """The objects of one page, and the headers of the answer."""

    objects: list[Json]
    headers: Mapping[str, str]


async def pages(client: Client, path: str) -> AsyncIterator[Page]:
    """Yield the pages of a list; the header Link says that there are more. UnseenError if one cannot be had."""
    seen: set[str] = set()
    while path:
        if path in seen or len(seen) >= PAGES:
            msg = f"{client.host} gives a list without an end"
            raise UnseenError(msg)
        seen.add(path)
        value, headers = await read(client, path)
        yield Page(objects_in(value, client.host), headers)
        path = next_page(headers.get("Link", ""), f"{client.base}/{path.lstrip('/')}")


async def read(client: Client, path: str) -> tuple[object, Mapping[str, str]]:
    """Return the JSON value at a path, and the headers of the answer. UnseenError if there is none."""
    answer = await client.get(path, purpose=PURPOSE, accept="application/json", limit=PAGE + 1)
    if answer.status == NOT_FOUND:
        msg = f"{client.host} has no such list (404), or does not show it to this user"
        raise UnseenError(msg)
    if answer.status != OK:
        msg = f"{client.host} answers {answer.status}"
        raise UnseenError(msg)
    if len(answer.body) > PAGE:
        msg = f"{client.host} gives an answer larger than {PAGE >> 20} MiB"
        raise UnseenError(msg)
    try:
        return parse_any(answer.body, frozenset()), answer.headers
    except DocumentError as error:
        msg = f"the answer of {client.host} cannot be read: {error}"
    raise UnseenError(msg)


def objects_in(value: object, host: str) -> list[Json]:
    """Return a list of objects. UnseenError if it is something else, or has anything else in it; null is empty."""
    listed = [] if value is None else value
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        msg = f"{host} gives something else than a list of objects"
        raise UnseenError(msg)
    return listed


def digest_in(value: object, host: str) -> Digest:
    """Return a digest. UnseenError if it is none."""
    if isinstance(value, str) and is_digest(value):
        return Digest(value)
    msg = f"{host} lists {truncate(printable(repr(value)), SHOWN)}, which is no digest"
    raise UnseenError(msg)


def microseconds(*times: object) -> int:
    """Return the latest of these RFC 3339 times in microseconds since 1970, -1 if none is one."""
    found = [moment for moment in map(parse_time, times) if moment is not None]
    return int(max(found).timestamp()) * 1_000_000 + max(found).microsecond if found else UNKNOWN
