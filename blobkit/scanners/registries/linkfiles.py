"""Read many link files of the usual form at once: `revisions/sha256/<hex>/link`.

A directory with anything else in it is left to the code for all forms, which costs several times as much.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.filehandle import Held, close, open_into
from blobkit.scanners.facts import micros

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LINK_BYTES", "LinkText", "read_links"]

LINK_BYTES = 256
"""Bytes: a link file contains one digest, and no digest is longer."""
NAME = attrgetter("name")
LINK = ["link"]
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW


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
