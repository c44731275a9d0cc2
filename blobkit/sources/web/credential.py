"""One user and password, or one token."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.sources.web.hidden import Hidden

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["IDENTITY", "PASSWORD", "REGISTRY", "Credential", "from_entry", "from_helper"]

PASSWORD, IDENTITY, REGISTRY = "password", "identity", "registry"
"""Kinds: a password of a user; a token that other tokens are given for; a token that the registry itself takes."""
TOKEN = "<token>"  # noqa: S105 (a name of a user, which says that there is none)


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret of one of three kinds; a password has a user."""

    secret: Hidden = field(repr=False)
    user: Hidden = field(repr=False, default=Hidden(""))
    kind: str = PASSWORD


def from_entry(entry: Mapping[str, object]) -> Credential | None:
    """Return the credential in an entry of `auths`; None if it is empty, as where a helper has it, or not readable."""
    if token := _text(entry, "registrytoken"):
        return Credential(token, kind=REGISTRY)
    if token := _text(entry, "identitytoken"):
        return Credential(token, kind=IDENTITY)
    if coded := _text(entry, "auth"):
        return _decoded(coded)
    return _of(_text(entry, "username"), _text(entry, "password"))


def from_helper(answer: Mapping[str, object]) -> Credential | None:
    """Return the credential that a helper answered; None if there is none in it."""
    return _of(_text(answer, "Username"), _text(answer, "Secret"))


def _of(user: Hidden, secret: Hidden) -> Credential | None:
    if not (user and secret):
        return None
    return Credential(secret, kind=IDENTITY) if user == TOKEN else Credential(secret, user)


def _decoded(coded: Hidden) -> Credential | None:
    try:
        pair = Hidden(base64.b64decode(coded, validate=False).decode())
    except ValueError:
        return None
    user, secret = (Hidden(part) for part in (*pair.partition(":")[::2],))
    return _of(user, Hidden(secret.rstrip("\0")))


def _text(entry: Mapping[str, object], name: str) -> Hidden:
    value = entry.get(name)
    return Hidden(value) if isinstance(value, str) else Hidden("")
