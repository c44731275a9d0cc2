"""Parse addresses into kind and path, and suggest what to use instead of an address that is not a store.

An address is a path, `kind:path`, or the name of a kind alone (`docker`): the place where its tool keeps its store;
or a store on another machine, `kind+transport://place/prefix` (`blobkit.remotes`).
"""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.access import is_denied, reason
from blobkit.defaults import KINDS_BY_NAME, default_path
from blobkit.errors import AddressError, UnreadableStoreError
from blobkit.recognising import SNAPSHOT, kinds_at, kinds_of_file
from blobkit.remotes import is_elsewhere, read_remote
from blobkit.render import alike, in_shell, join_some, printable
from blobkit.snapshot.kinds import STORES

if TYPE_CHECKING:
    from blobkit.remotes import Remote

__all__ = ["KINDS", "OWN", "SCANNERS", "SCHEMES", "all_kinds", "kind_of", "parse", "recognise", "remote"]

OWN = "blobkit"
SCANNERS = {kind.name: kind.scanner for kind in STORES.values() if kind.scanner}
"""The module of the scanner of each kind of store."""
KINDS = (*STORES, SNAPSHOT)
LOOKED_FOR = ", ".join([*(f"{kind.name} ({kind.signs})" for kind in STORES.values()), "snapshot (snapshot.json)"])
UP, ENTRIES, SHOWN = 3, 1000, 3
"""Limits of the search for a near store: directories above the path, entries in it; and stores to show."""

_DAEMON = "copy an image (skopeo copy --all {} oci:DIR:TAG) and give DIR; or give docker:PATH, the data root of docker"
_HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}(?::[0-9]+|(?=/))|localhost:[0-9]+")
"""A path that looks like the host of a registry."""
REACHED = {kind.name: tuple(kind.remote) for kind in STORES.values() if kind.remote}
"""The ways to reach a store on another machine, by its kind."""
SCHEMES = ("docker://", *(f"{kind}+{one}://" for kind, known in REACHED.items() for one in known))
"""What addresses of stores on other machines begin with."""


def remote(address: str) -> Remote | None:
    """Return the place on another machine that an address names; None for a path. AddressError if it is no such place.

    A path that exists is a path, whatever its name is.
    """
    if not is_elsewhere(address):
        return None
    return read_remote(address, REACHED)


def parse(address: str) -> tuple[str, Path]:
    """Return the kind ("" if absent) and the path of an address; AddressError if the kind is unknown.

    The name of a kind alone, such as `docker`, means the place where its tool keeps its store.
    """
    kind, colon, rest = address.partition(":")
    if colon and kind in (*KINDS_BY_NAME, SNAPSHOT):
        if not rest:
            msg = f"the path of the address {address!r} is empty"
            raise AddressError(msg, hint="give kind:path")
        return KINDS_BY_NAME.get(kind, kind), Path(rest)
    if not colon and _has_places(kind) and not Path(kind).exists():
        return KINDS_BY_NAME[kind], default_path(kind)
    if not re.match(r"[a-z][a-z0-9+-]+:", address) or Path(address).exists():
        return "", Path(address)
    shown = printable(address)
    if kind == "docker-daemon":
        msg = f"{shown} is not supported"
        raise AddressError(msg, hint=_DAEMON.format(in_shell(address)))
    near = alike(kind, [*KINDS_BY_NAME, SNAPSHOT])
    guess = f"did you mean {near}:{printable(rest)}? The kinds are" if near else "use"
    msg = f"{shown} does not exist, and the kind {printable(kind)!r} is not known"
    raise AddressError(msg, hint=f"{guess} {', '.join(KINDS)}")


def _has_places(name: str) -> bool:
    return name in KINDS_BY_NAME and bool(STORES[KINDS_BY_NAME[name]].places)


def recognise(path: Path) -> str:
    """Return the kind of store at a path, the richest of several; errors as in `all_kinds`."""
    return all_kinds(path)[0]


def all_kinds(path: Path) -> list[str]:
    """Return the kinds of store at a path, the richest first, at least one.

    AddressError, with the files looked for or with a store nearby; UnreadableStoreError if this user cannot look.
    """
    shown = printable(os.fspath(path))
    if not path.exists():
        msg = f"{shown} does not exist"
        url = f"registry+https://{os.fspath(path)}"
        other = f", or {in_shell(url)} for a registry" if _HOST.match(os.fspath(path)) else ""
        raise AddressError(msg, hint=f"give the path of a store, or kind:path{other}")
    if path.is_file():
        return _recognise_file(path, shown)
    if found := kinds_at(path):
        return found
    if hint := _near(path):
        msg = f"{shown} is {_beside(path) or 'not a store itself'}"
        raise AddressError(msg, hint=hint)
    msg = f"{shown} is not a store that blobkit knows; looked for {LOOKED_FOR}"
    raise AddressError(msg)


def kind_of(path: Path) -> str:
    """Return the kind of store in a directory, the richest of several; "" if it is not recognised."""
    return next(iter(kinds_at(path)), "")


def _recognise_file(path: Path, shown: str) -> list[str]:
    try:
        found = kinds_of_file(path)
    except OSError as error:
        msg = f"{shown} cannot be read ({reason(error, path)})" if is_denied(error) else f"{shown}: {error.strerror}"
        raise UnreadableStoreError(printable(msg)) from error
    if found:
        return found
    msg = f"{shown} is a file, and neither a saved snapshot nor an archive of images"
    raise AddressError(msg, hint="give the directory of a store, or a file made by `blobkit scan -o`")


def _near(path: Path) -> str:
    """Return a hint: the store that contains this directory, or the stores in it; "" if there is none."""
    whole = path.absolute()
    for above in islice(whole.resolve().parents, UP):
        if kind := _quiet_kind(above):
            return f"it is a part of the {kind} store in {in_shell(above)}: give that"
    try:
        with os.scandir(whole) as entries:
            names = sorted(entry.name for entry in islice(entries, ENTRIES) if entry.is_dir())
    except OSError:
        return ""
    found = [in_shell(path / name) for name in names if _quiet_kind(whole / name)]
    if not found and _beside(path):
        return f"give the store beside it, {in_shell(whole.parent / _kinds_beside(whole)[1])}"
    return f"give the store in it, {join_some(found, SHOWN)}" if found else ""


def _beside(path: Path) -> str:
    """Return what a directory beside a store is that is often taken for it, "" for other directories."""
    kind, _ = _kinds_beside(path.absolute())
    return f"{STORES[kind].beside[path.absolute().name]}, not a store that blobkit knows" if kind else ""


def _kinds_beside(whole: Path) -> tuple[str, str]:
    """Return kind and name of the store beside a directory whose record names the directory."""
    kinds = {kind.name for kind in STORES.values() if whole.name in kind.beside}
    try:
        names = sorted(path.name for path in islice(whole.parent.iterdir(), ENTRIES if kinds else 0))
    except OSError:
        return "", ""
    found = ((_quiet_kind(whole.parent / name), name) for name in names)
    return next(((kind, name) for kind, name in found if kind in kinds), ("", ""))


def _quiet_kind(path: Path) -> str:
    """Return the kind of store in a directory, "" also if this user cannot read it."""
    try:
        return kind_of(path)
    except OSError:
        return ""
