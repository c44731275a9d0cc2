"""Find the next page of a list: the header Link (RFC 8288)."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

__all__ = ["next_page"]

LONGEST = 8192
"""Characters of a header that are read."""
_LINK = re.compile(r"<([^<>]*)>([^<]*)")
_NEXT = re.compile(r';\s*rel\s*=\s*(?:"(?:[^"]*\s)?next(?:\s[^"]*)?"|next\b)', re.IGNORECASE)


def next_page(header: str, url: str) -> str:
    """Return the path and query of the next page after the one at `url`; "" if that was the last.

    The host is left out: a registry behind a proxy may name a host that only it can reach.

    >>> next_page('<http://inside:5000/v2/_catalog?last=b&n=2>; rel="next"', "https://registry.example/v2/_catalog?n=2")
    '/v2/_catalog?last=b&n=2'
    """
    link = next((link for link in _LINK.finditer(header[:LONGEST]) if _NEXT.search(link[2])), None)
    if link is None:
        return ""
    try:
        parts = urlsplit(urljoin(url, link[1].strip()))
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
