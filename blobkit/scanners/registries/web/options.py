"""Read the options of a scan over HTTP (`storage_options`, `-O NAME=VALUE`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.errors import AddressError
from blobkit.render import choices, printable
from blobkit.scanners.registries.web.adapters.table import AUTO, check_option
from blobkit.scanners.registries.web.names import REPOSITORY
from blobkit.sources.web.credentials import HUB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blobkit.remotes import Remote

__all__ = ["Options", "read_options"]

AT_ONCE, MOST_AT_ONCE = 16, 256
YES, NO = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Options:
    """The choices of a scan.

    `repositories`: their names, None for those in the catalog; `configs`: read the configs of images, for their
    platforms, times and diffIDs; `at_once`: the most requests at once; `untagged`: the vendor's API that
    lists untagged manifests (see `adapters/table.py`).
    """

    repositories: tuple[str, ...] | None
    configs: bool
    at_once: int
    untagged: str


def read_options(given: Mapping[str, object], there: Remote, *, has_cache: bool) -> Options:
    """Return the options; AddressError for one that is unknown, or has an impossible value.

    Configs are read by default where there is a cache, so that each is read once. They are not read from Docker Hub,
    which limits requests.
    """
    known = ("repositories", "configs", "at_once", "untagged")
    for name in given:
        if name not in known:
            msg = f"{printable(str(name))!r} is no option of a registry over HTTP"
            raise AddressError(msg, hint=choices(str(name), known, use="use one of"))
    return Options(
        _names(given.get("repositories")),
        _flag("configs", given.get("configs", has_cache and there.place not in HUB)),
        _number("at_once", given.get("at_once", AT_ONCE)),
        check_option(str(given.get("untagged", AUTO))),
    )


def _names(given: object) -> tuple[str, ...] | None:
    """Return the names of repositories; a text has several of them with commas between."""
    if given is None:
        return None
    listed = given.split(",") if isinstance(given, str) else given
    if not isinstance(listed, list | tuple | set | frozenset):
        msg = f"repositories is {printable(repr(given))[:80]}: give a list of names"
        raise AddressError(msg)
    for name in listed:
        if not isinstance(name, str) or REPOSITORY.fullmatch(name) is None:
            msg = f"{printable(repr(name))[:80]} is no name of a repository"
            raise AddressError(msg, hint="names look like team/app, without host and tag")
    if not listed:
        msg = "repositories is empty"
        raise AddressError(msg, hint="name at least one, or leave it out")
    return tuple(dict.fromkeys(listed))


def _flag(name: str, given: object) -> bool:
    if isinstance(given, bool):
        return given
    text = str(given).lower()
    if text not in YES | NO:
        msg = f"{name} is {printable(text)[:80]!r}"
        raise AddressError(msg, hint=f"give {name}=yes or {name}=no")
    return text in YES


def _number(name: str, given: object) -> int:
    text = str(given)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST_AT_ONCE):
        msg = f"{name} is {printable(text)[:80]!r}"
        raise AddressError(msg, hint=f"give a number from 1 to {MOST_AT_ONCE}")
    return int(text)
