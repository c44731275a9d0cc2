"""List many directories of the usual form at once: `blobs/sha256/<xx>/<hex>/data`, `revisions/sha256/<hex>/link`.

A directory with anything else in it is left to the code for all forms, which costs several times as much.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.filehandle import Held, close, open_into
from blobkit.scanners.facts import micros

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["LINK_BYTES", "LinkText", "Prefix", "read_links", "read_prefix"]

LINK_BYTES = 256
"""Bytes: a link file contains one digest, and no digest is longer."""
LEAF = 2
"""The number of links of a directory without directories in it, on most file systems; others list it to know."""
NAME = attrgetter("name")
DATA, LINK = ["data"], ["link"]
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW


@dataclass(slots=True)
class Prefix:
    """The blobs in one directory that are regular files with nothing beside them, and all `others` of its entries.

    `modified` is in ns. `several`: blobs whose file has several names, with the status of the file.
    """

    digests: list[Digest] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    modified: list[int] = field(default_factory=list)
    inodes: list[int] = field(default_factory=list)
    several: list[tuple[Digest, str, os.stat_result]] = field(default_factory=list)
    others: list[os.DirEntry[str]] = field(default_factory=list)


def read_prefix(path: str, label: str, prefix: str, usual: Mapping[str, Digest] | None = None) -> Prefix:
    """Return the blobs in the directory of a prefix; OSError if it cannot be listed.

    Cost: a `stat` of each blob, and a listing of its directory. With `usual`, only a directory with others in it is
    listed, as far as its number of links tells; not even this is looked at for the blobs in `usual`, by name.
    """
    found = Prefix()
    held = Held()
    try:
        open_into(held, path, os.O_RDONLY | os.O_DIRECTORY)
        entries = _sorted(path)
        if usual and _has_all(entries, usual) and (infos := _all_files(usual, held[0])):
            return _usual(usual, infos, path)
        for entry in entries:
            _read_blob(entry, f"{label}:{entry.name}", prefix, usual, held[0], found)
    finally:
        close(held)
    return found


def _read_blob(  # noqa: PLR0913, PLR0917 (called once for each blob: keywords would take longer than the rest)
    entry: os.DirEntry[str], digest: str, prefix: str, usual: Mapping[str, Digest] | None, above: int, found: Prefix
) -> None:
    """Add a blob to `found` if its directory has only data in it; else add the entry to the others."""
    name = entry.name
    try:
        if not entry.is_dir(follow_symlinks=False) or not name.startswith(prefix) or not is_digest(digest):
            info = None
        elif usual is not None and (name in usual or os.stat(name, dir_fd=above).st_nlink == LEAF):
            info = os.stat(f"{name}/data", dir_fd=above, follow_symlinks=False)
        else:
            alone = os.listdir(entry.path) == DATA
            info = os.stat(f"{name}/data", dir_fd=above, follow_symlinks=False) if alone else None
    except OSError:
        info = None
    if info is None or not stat.S_ISREG(info.st_mode):
        found.others.append(entry)
        return
    if info.st_nlink > 1:
        found.several.append((Digest(digest), f"{entry.path}/data", info))
    found.digests.append(Digest(digest))
    found.sizes.append(info.st_size)
    found.modified.append(info.st_mtime_ns)
    found.inodes.append(info.st_ino)


def _has_all(entries: list[os.DirEntry[str]], usual: Mapping[str, Digest]) -> bool:
    """Return whether these entries are the directories with these names, and no others."""
    return len(entries) == len(usual) and all(
        entry.name in usual and entry.is_dir(follow_symlinks=False) for entry in entries
    )


def _all_files(usual: Mapping[str, Digest], above: int) -> list[os.stat_result]:
    """Return the status of the data of these blobs; an empty list if one is no regular file any more."""
    try:
        infos = [os.stat(f"{name}/data", dir_fd=above, follow_symlinks=False) for name in usual]
    except OSError:
        return []
    return infos if all(stat.S_ISREG(info.st_mode) for info in infos) else []


def _usual(usual: Mapping[str, Digest], infos: list[os.stat_result], path: str) -> Prefix:
    """Return the blobs of a prefix from their status."""
    found = Prefix(list(usual.values()))
    found.sizes = [info.st_size for info in infos]
    found.modified = [info.st_mtime_ns for info in infos]
    found.inodes = [info.st_ino for info in infos]
    for (name, digest), info in zip(usual.items(), infos, strict=True):
        if info.st_nlink > 1:
            found.several.append((digest, f"{path}/{name}/data", info))
    return found


def _sorted(path: str) -> list[os.DirEntry[str]]:
    with os.scandir(path) as entries:
        return sorted(entries, key=NAME)


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
