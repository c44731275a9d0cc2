"""Recognise the kind of store at a path, by the files that the records of `blobkit.snapshot.kinds` name.

Only names are looked at, and the first bytes of a file. A pattern lists one directory for each part with a `*`.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING

from blobkit.snapshot.kinds import STORES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["SNAPSHOT", "kinds_at", "kinds_of_file"]

SNAPSHOT = "snapshot"
_SAVED = ("snapshot.json nodes.parquet", "snapshot.json nodes/")
_LISTED = 10_000
"""Entries of one directory that a pattern is compared with."""


def kinds_at(root: Path) -> list[str]:
    """Return the kinds of store in a directory, the richest first; OSError if this user cannot look."""
    found = [kind.name for kind in STORES.values() if any(_fits(root, signs) for signs in kind.found_by)]
    return found or [SNAPSHOT] * any(_fits(root, signs) for signs in _SAVED)


def kinds_of_file(path: Path) -> list[str]:
    """Return the kinds of store that one file is, the richest first; OSError if it cannot be read."""
    with path.open("rb") as file:
        if file.read(4) == b"PK\x03\x04":
            return [SNAPSHOT]
    sniffs: set[Callable[[Path], str]] = {import_module(kind.scanner).sniff for kind in STORES.values() if kind.is_file}
    found = {sniff(path) for sniff in sniffs}
    return [kind for kind in STORES if kind in found]


def _fits(root: Path, signs: str) -> bool:
    """Return whether all of these relative paths, with blanks between them, exist."""
    return all(any(_matches(os.fspath(root), sign.split("/"))) for sign in signs.split(" "))


def _matches(path: str, parts: list[str]) -> Iterator[bool]:
    """Yield True for each path that matches; no part left means a directory, as after a last `/`."""
    part, rest = parts[0], parts[1:]
    if "*" not in part:
        below = f"{path}/{part}"
        if not rest:
            if os.path.isdir(path) if not part else os.path.isfile(below):
                yield True
        elif os.path.isdir(below):
            yield from _matches(below, rest)
        return
    if os.path.isdir(path):
        with os.scandir(path) as entries:
            names = [entry.name for entry in islice(entries, _LISTED) if fnmatchcase(entry.name, part)]
        for name in names:
            yield from _matches(path, [name, *rest])
