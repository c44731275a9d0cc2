"""Send a header Authorization with each request to one API: APIs that are no registry do not ask for a login first."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from blobkit.sources.web.transport import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blobkit.sources.web.hidden import Hidden
    from blobkit.sources.web.transport import Answer, Transport

__all__ = ["Authorized"]


class Authorized:
    """A transport that adds the header to requests to the host of `base`, and to no other: redirects go elsewhere.

    Whoever made the transport below closes it.
    """

    def __init__(self, transport: Transport, base: str, header: Hidden) -> None:
        self._transport, self._place, self._header = transport, urlsplit(base)[:2], header

    async def request(  # noqa: PLR0913 (as the protocol says)
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        limit: int,
        data: Mapping[str, str] | None = None,
        patience: float = PATIENCE,
    ) -> Answer:
        """Return the answer."""
        if urlsplit(url)[:2] == self._place:
            headers = {**headers, "Authorization": self._header}
        return await self._transport.request(method, url, headers, limit=limit, data=data, patience=patience)

    async def close(self) -> None:
        """Do nothing."""
