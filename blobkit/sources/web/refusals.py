"""Make the errors of a registry that refuses: what happened, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from blobkit.errors import (
    CredentialsError,
    Hint,
    NotListableError,
    RateLimitedError,
    UnreadableStoreError,
)
from blobkit.oci.untrusted import DocumentError, parse_json
from blobkit.render import join_some, printable, truncate
from blobkit.sources.web.credentials import HUB

if TYPE_CHECKING:
    from datetime import datetime

    from blobkit.sources.web.transport import Answer

__all__ = [
    "CATALOG",
    "RefusedError",
    "code_of",
    "denied",
    "gone",
    "limited",
    "login_failed",
    "not_listable",
    "place_of",
]

CATALOG = "registry:catalog:*"
"""The scope of the list of all repositories."""
NAMED = Hint('give storage_options={"repositories": ["team/app"]}', "name them, one a line: --repositories FILE")
SHOWN, CODE = 6, 60
NOT_FOUND = 404


class RefusedError(UnreadableStoreError):
    """An answer that is not the one asked for: its `status`, and the registry's own `code` for it ("" if none)."""

    def __init__(self, message: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def code_of(answer: Answer) -> str:
    """Return the registry's own word for an error, such as NAME_UNKNOWN; "" if it has none."""
    try:
        errors = parse_json(answer.body, frozenset()).get("errors")
    except DocumentError:
        return ""
    first = errors[0] if isinstance(errors, list) and errors else None
    code = first.get("code") if isinstance(first, dict) else None
    return truncate(printable(code), CODE) if isinstance(code, str) else ""


def place_of(url: str) -> str:
    """Return scheme and host of a URL, safe to show; the rest may have secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "a place that is no URL"
    return printable(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}")


def denied(host: str, status: int, scope: str, looked_at: tuple[str, ...], *, has_credential: bool) -> CredentialsError:
    """Return the error for a request that is not permitted."""
    about = scope.split(":")[1] if scope.count(":") > 1 else ""
    which = f" for {printable(about)}" if about and scope != CATALOG else ""
    if has_credential:
        msg = f"{host} does not permit this{which} ({status}) to the user who is logged in"
    else:
        msg = f"{host} wants a login{which} ({status}); no credentials {_where(looked_at)}"
    return CredentialsError(msg, hint=_login(host), host=host, looked_at=looked_at)


def login_failed(host: str, status: int, looked_at: tuple[str, ...]) -> CredentialsError:
    """Return the error for credentials that are wrong; `looked_at`: where they came from."""
    came_from = f"from {join_some(looked_at, SHOWN)}" if looked_at else "that were given"
    msg = f"{host} refuses the credentials {came_from} ({status}); nothing more was asked with them"
    return CredentialsError(msg, hint=_login(host), host=host, looked_at=looked_at, is_login=True)


def limited(host: str, resume_at: datetime) -> RateLimitedError:
    """Return the error for a registry that answers no more for a while."""
    when = f"{resume_at:%Y-%m-%d %H:%M:%S} UTC"
    msg = f"{host} answers no more requests now (429, too many)"
    return RateLimitedError(msg, hint=f"go on after {when}; what was fetched is kept", resume_at=resume_at)


def not_listable(host: str, status: int, *, is_logged_in: bool = True) -> NotListableError:
    """Return the error for a registry that does not list its repositories; some do to those who are logged in."""
    other = "" if is_logged_in else f"; or {_login(host)}, if it lists them then"
    hint = Hint(NAMED.python + other, NAMED.shell + other)
    doubt = ", and may be no registry" if status == NOT_FOUND else ""
    return NotListableError(f"{host} does not list its repositories ({status}){doubt}", hint=hint)


def gone(host: str, why: str) -> UnreadableStoreError:
    """Return the error for a registry that answers no request any more."""
    return UnreadableStoreError(f"{host} does not answer any more ({why})")


def _where(looked_at: tuple[str, ...]) -> str:
    return f"in {join_some(looked_at, SHOWN)}" if looked_at else "were given"


def _login(host: str) -> str:
    return f"docker login {'' if host in HUB else host}".rstrip()
