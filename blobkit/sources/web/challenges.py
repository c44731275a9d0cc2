"""Read how a server wants to be asked: the header WWW-Authenticate (RFC 9110, 11.6.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Challenge", "challenges"]

LONGEST = 4096
"""Characters of a header that are read."""
_PART = re.compile(
    r'(?P<name>[A-Za-z][\w-]{0,63})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^\s,"]+))'
    r"|(?P<scheme>[A-Za-z][\w-]{0,63})(?=[\s,]|\Z)",
)


class Challenge(NamedTuple):
    """One way to log in: its scheme in lower case, and the parameters that matter to a registry ("" where absent)."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""
    error: str = ""


def challenges(header: str) -> list[Challenge]:
    """Return the ways to log in, in the order of the header; commas inside of quotes are text.

    >>> challenges('Bearer realm="https://auth.example/token",scope="repository:shop/web:pull,push"')[0].scope
    'repository:shop/web:pull,push'
    """
    found: list[Challenge] = []
    for part in _PART.finditer(header[:LONGEST]):
        if part["scheme"]:
            found.append(Challenge(part["scheme"].lower()))
        elif found and part["name"].lower() in Challenge._fields[1:]:
            value = part["plain"] or re.sub(r"\\(.)", r"\1", part["quoted"] or "")
            found[-1] = found[-1]._replace(**{part["name"].lower(): value})
    return found
