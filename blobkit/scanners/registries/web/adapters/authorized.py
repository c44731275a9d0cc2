"""Send a header Authorization with each request to one API: APIs that are no registry do not ask for a login first."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from blobkit.sources.web.hidden import Hidden
    from blobkit.sources.web.transport import Answer, Request, Transport

__all__ = ["Authorized"]


class Authorized:
    """A transport that adds the header to requests to the host of `base`, and to no other: redirects go elsewhere.

    Whoever made the transport below closes it.
    """

    def __init__(self, transport: Transport, base: str, header: Hidden) -> None:
        self._transport, self._place, self._header = transport, urlsplit(base)[:2], header

    async def request(self, request: Request) -> Answer:
        """Return the answer."""
        if urlsplit(request.url)[:2] == self._place:
            request = request._replace(headers={**request.headers, "Authorization": self._header})
        return await self._transport.request(request)

    async def close(self) -> None:
        """Do nothing."""
