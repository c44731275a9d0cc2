"""List many directories of the usual form at once: `blobs/sha256/<xx>/<hex>/data`, `revisions/sha256/<hex>/link`.

A directory with anything else in it is left to the code for all forms, which costs several times as much.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.filehandle import Held, close, open_into
from blobkit.scanners.facts import micros

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LINK_BYTES", "LinkText", "Prefix", "read_links", "read_prefix"]

LINK_BYTES = 256
"""Bytes: a link file contains one digest, and no digest is longer."""
DATA, LINK = ["data"], ["link"]
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW


@dataclass(slots=True)
class Prefix:
    """The blobs in one directory that are regular files with nothing beside them, and all `others` of its entries.

    `several`: blobs whose file has several names, with the status of the file.
    """

    digests: list[Digest] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    modified: list[int] = field(default_factory=list)
    several: list[tuple[Digest, str, os.stat_result]] = field(default_factory=list)
    others: list[os.DirEntry[str]] = field(default_factory=list)


def read_prefix(path: str, label: str, prefix: str) -> Prefix:
    """Return the blobs in the directory of a prefix; OSError if it cannot be listed. Cost: a listing for each blob."""
    found = Prefix()
    for entry in _sorted(path):
        digest = f"{label}:{entry.name}"
        info = None
        if is_digest(digest) and entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False):
            info = _only_file(f"{path}/{entry.name}", DATA)
        if info is None:
            found.others.append(entry)
            continue
        if info.st_nlink > 1:
            found.several.append((Digest(digest), f"{path}/{entry.name}/data", info))
        found.digests.append(Digest(digest))
        found.sizes.append(info.st_size)
        found.modified.append(micros(info))
    return found


def _sorted(path: str) -> list[os.DirEntry[str]]:
    with os.scandir(path) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _only_file(path: str, names: list[str]) -> os.stat_result | None:
    """Return the status of the only entry of a directory; None if it has another name, others, or is not regular."""
    try:
        info = os.lstat(f"{path}/{names[0]}") if os.listdir(path) == names else None
    except OSError:
        return None
    return info if info is not None and stat.S_ISREG(info.st_mode) else None


@dataclass(slots=True)
class LinkText:
    """A link file: the digest in its path, the digest in it, its time and size."""

    named: Digest
    digest: Digest
    modified: int
    size: int


def read_links(path: str, label: str) -> list[LinkText] | None:
    """Return the link files in the directory of an algorithm, sorted; None if anything else is there."""
    try:
        found = list(_links(path, label))
    except (OSError, _UnusualError):
        return None
    return found


class _UnusualError(Exception):
    """A directory has something else in it."""


def _links(path: str, label: str) -> Iterator[LinkText]:
    for entry in _sorted(path):
        named = f"{label}:{entry.name}"
        own = f"{path}/{entry.name}"
        if not is_digest(named) or not entry.is_dir(follow_symlinks=False) or os.listdir(own) != LINK:
            raise _UnusualError
        info, text = _read(f"{own}/link")
        if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1 or not is_digest(text):
            raise _UnusualError
        yield LinkText(Digest(named), Digest(text), micros(info), info.st_size)


def _read(path: str) -> tuple[os.stat_result, str]:
    """Return the status and the beginning of a file; OSError if it is a symbolic link."""
    held = Held()
    try:
        open_into(held, path, _FLAGS)
        return os.fstat(held[0]), os.read(held[0], LINK_BYTES).decode("utf-8", "replace")
    finally:
        close(held)
