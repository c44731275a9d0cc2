"""The options of a bucket: how it is reached, and how much of it is looked at."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from blobkit.errors import AddressError, Hint
from blobkit.render import alike, in_shell, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Options", "check_endpoint", "read_options", "to_give"]

AT_ONCE = 64
MOST_AT_ONCE = 1024
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a bucket; "" and None: as the environment and the service say.

    `endpoint`: the URL of a service other than AWS; `allow_http`: it may be plain HTTP. `region`, `profile`: as in the
    AWS configuration. `anonymous`: requests are not signed. `at_once`: requests at the same time. `inventory`: the
    manifest.json of an S3 Inventory, s3://BUCKET/KEY. `uploads`, `versions`: count unfinished uploads, and versions
    that are not current.
    """

    endpoint: str = ""
    region: str = ""
    profile: str = ""
    anonymous: bool = False
    at_once: int = AT_ONCE
    inventory: str = ""
    uploads: bool | None = None
    versions: bool | None = None
    allow_http: bool = False


def read_options(given: Mapping[str, object], asked: Mapping[str, str]) -> Options:
    """Return the options in `storage_options` and in the address; AddressError names one that is not known or right."""
    known = {field.name: getattr(Options(), field.name) for field in fields(Options)}
    read = {name: _read(name, value, known) for name, value in given.items()}
    if "inventory" in given and "inventory" in asked:
        msg = "the inventory is given twice, in the address and in storage_options"
        raise AddressError(msg, hint="give it once")
    found = Options(**{**asked, **read})  # type: ignore[arg-type]
    if not 1 <= found.at_once <= MOST_AT_ONCE:
        msg = f"the option at_once is {found.at_once}"
        raise AddressError(msg, hint=f"give a number from 1 to {MOST_AT_ONCE}")
    return found


def to_give(text: str, name: str, value: object = "") -> Hint:
    """Return a hint in which `{}` is an option with its value, as Python and the shell take it.

    >>> from blobkit.buckets.options import to_give
    >>> to_give("give {} for a public bucket", "anonymous", value=True).shell
    'give -O anonymous=yes for a public bucket'
    """
    python = f'storage_options={{"{name}": {value!r}}}' if value else f'storage_options["{name}"]'
    typed = "yes" if value is True else str(value)
    shell = f"-O {name}={in_shell(typed) if typed else name.upper()}"
    return Hint(text.replace("{}", python), text.replace("{}", shell))


def check_endpoint(options: Options, endpoint: str) -> None:
    """Raise AddressError for an endpoint that is no URL, or plain HTTP to another machine without permission."""
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        msg = f"the endpoint {printable(endpoint)} is not a URL"
        raise AddressError(msg, hint="give https://HOST[:PORT]")
    if parts.username or parts.password:
        msg = "the endpoint contains a user or a password"
        raise AddressError(msg, hint="leave that out: credentials are those of the environment, or of a profile")
    allowed = options.allow_http or os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes")
    if parts.scheme == "http" and not allowed and parts.hostname not in LOOPBACK:
        msg = f"the endpoint {printable(endpoint)} is plain HTTP"
        raise AddressError(msg, hint=to_give("give https://..., or {}", "allow_http", value=True))


def _read(name: str, value: object, known: Mapping[str, object]) -> object:
    """Return the value of an option, which the command line gives as text; AddressError if it is not right."""
    if name not in known:
        near = alike(name, list(known))
        guess = f"did you mean {near}? " if near else ""
        msg = f"buckets have no option {printable(name)}"
        raise AddressError(msg, hint=f"{guess}Known are {', '.join(known)}")
    default = known[name]
    right = bool if default is None else type(default)
    if type(value) is right or (value is None and default is None):
        return value
    if isinstance(value, str) and right is bool and value.lower() in _WORDS:
        return _WORDS[value.lower()]
    if isinstance(value, str) and right is int and value.isascii() and value.isdigit():
        return int(value[:9])
    msg = f"the option {name} is {printable(repr(value))}"
    raise AddressError(msg, hint=Hint(f"give {_NOUNS[right][0]}", f"give {_NOUNS[right][1]}"))


_WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NOUNS: Mapping[type, tuple[str, str]] = {
    bool: ("True or False", "yes or no"),
    int: ("a whole number", "a whole number"),
    str: ("text", "text"),
}
"""What an option of a type takes, in Python and in the shell."""
