"""Find the store at an address: its kind, and where it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from blobkit.access import why_unreadable
from blobkit.addresses import OWN, all_kinds, parse
from blobkit.errors import AddressError, UnreadableStoreError
from blobkit.render import printable
from blobkit.snapshot.kinds import STORES

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.protocols import Address
    from blobkit.snapshot.tables import Notice

__all__ = ["also", "directory_at", "located", "root_at"]

_NEEDED = (
    ".blobkit/index.sqlite",
    "index.json",
    "docker/registry/v2",
    "io.containerd.metadata.v1.bolt/meta.db",
    "image",
    "manifests",
)
"""Paths of the facts of stores, relative to their root."""


def located(address: Address) -> tuple[str, Path, list[str]]:
    """Return the kind and path of the store at an address, and the other kinds of store that the path is, too.

    AddressError or UnreadableStoreError if there is none, or this user cannot look.
    """
    if not os.fspath(address):
        msg = "the address is empty"
        raise AddressError(msg, hint="give the path of a store, or kind:path")
    kind, path = parse(os.fspath(address))
    _check_permission(path)
    if kind:
        return kind, path, []
    first, *others = all_kinds(path)
    return first, path, [other for other in others if first != OWN]


def also(kind: str, path: Path) -> Notice:
    """Return the notice that a path is also a store of another kind."""
    address = f"{kind}:{path}"
    return "also-kind", "", address, f"{path} is also a store of the kind {kind}: give {address} to read it as that"


def _check_permission(path: Path) -> None:
    """Raise UnreadableStoreError if this user cannot read a directory, or the paths of its facts."""
    why = why_unreadable(path.absolute(), *(path.absolute() / below for below in _NEEDED))
    if why:
        raise UnreadableStoreError(printable(why))


def directory_at(path: Path) -> Path:
    """Return the absolute path of a directory, for the snapshot's address; AddressError if it is not a directory."""
    if not path.is_dir():
        state = "is a file, not a directory" if path.exists() else "does not exist"
        msg = f"{printable(os.fspath(path))} {state}"
        raise AddressError(msg, hint="give the directory of the store")
    return path.absolute()


def root_at(kind: str, path: Path) -> Path:
    """Return the absolute path of a store; AddressError if it is a file for a directory, or the other way round."""
    if not STORES[kind].is_file:
        return directory_at(path)
    if not path.is_file():
        state = "is a directory, not a file" if path.exists() else "does not exist"
        msg = f"{printable(os.fspath(path))} {state}"
        raise AddressError(msg, hint="give the file of the archive")
    return path.absolute()
