"""Ask a token server for a token, and read its answer.

https://distribution.github.io/distribution/spec/auth/: GET with Basic or without credentials (`token`), POST with an
identity token (`oauth2`).
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode

from blobkit.oci.untrusted import DocumentError, parse_json
from blobkit.sources.web.credential import IDENTITY
from blobkit.sources.web.hidden import Hidden
from blobkit.sources.web.transport import Request

if TYPE_CHECKING:
    from blobkit.sources.web.challenges import Challenge
    from blobkit.sources.web.credential import Credential
    from blobkit.sources.web.transport import Answer

__all__ = ["Token", "basic", "read_token", "token_request"]


LIFETIME, LONGEST = 60.0, 3600.0
"""Seconds that a token lasts if its server does not say it, and that one is used for at most."""
CLIENT, PURPOSE = "blobkit", "token"
"""The name of this program for token servers, and what requests to them are counted as."""
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")


class Token(NamedTuple):
    """A header Authorization, and the seconds that it is good for."""

    header: Hidden
    seconds: float


def basic(credential: Credential) -> Hidden:
    """Return the header Authorization with user and password (RFC 7617)."""
    return Hidden("Basic " + base64.b64encode(f"{credential.user}:{credential.secret}".encode()).decode())


def token_request(challenge: Challenge, credential: Credential | None, scopes: tuple[str, ...]) -> Request:
    """Return the request for a token for these scopes; without credentials it is one for everybody."""
    if credential is not None and credential.kind == IDENTITY:
        form = {"grant_type": "refresh_token", "service": challenge.service, "client_id": CLIENT}
        form |= {"scope": " ".join(scopes), "refresh_token": credential.secret}
        return Request("POST", challenge.realm, {}, PURPOSE, data=form)
    asked = [("service", challenge.service)] * bool(challenge.service) + [("scope", scope) for scope in scopes]
    mark = ("&" if "?" in challenge.realm else "?") if asked else ""
    headers: dict[str, str] = {} if credential is None else {"Authorization": basic(credential)}
    return Request("GET", f"{challenge.realm}{mark}{urlencode(asked)}", headers, PURPOSE)


def read_token(answer: Answer) -> Token | None:
    """Return the token in the answer of a token server; None if there is none that can be sent."""
    try:
        body = parse_json(answer.body, frozenset())
    except DocumentError:
        return None
    header = next((_bearer(body[name]) for name in ("token", "access_token") if body.get(name)), None)
    return Token(header, _seconds(body.get("expires_in"))) if header else None


def _bearer(value: object) -> Hidden | None:
    return Hidden(f"Bearer {value}") if isinstance(value, str) and _TOKEN.fullmatch(value) else None


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and value > 0:
        return min(float(value), LONGEST)
    return LIFETIME
