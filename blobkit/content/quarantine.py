"""The quarantine of a directory store, `.blobkit/quarantine/`: damaged files go there, and none is ever overwritten.

Names say what was moved and what happened to it; only `purge` deletes.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.content.syncing import sync_directory
from blobkit.digest import ALGORITHMS, is_digest
from blobkit.model import FileSignature

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["PRIVATE", "file_signature", "move_aside", "purge", "quarantine", "strays"]

PRIVATE = 0o700
LONGEST = 180
"""Bytes of a name that are kept: what happened and a number come behind it, and names end at 255."""


def quarantine(root: Path) -> Path:
    """Return where the quarantine of a store is."""
    return root / ".blobkit" / "quarantine"


def file_signature(path: str) -> FileSignature:
    """Return the signature of the file at this path; FileNotFoundError. A change of mode is no other bytes.

    Its age is that of the last write: a store that was copied with its times is as old as before.
    """
    found = os.lstat(path)
    identity, mode = (found.st_ino, found.st_mtime_ns), found.st_mode
    return FileSignature(found.st_size, found.st_mtime, identity, stat.S_ISREG(mode), stat.S_IMODE(mode))


def strays(root: Path) -> Iterator[str]:
    """Yield what is under `blobs/` and is no regular file named by a digest, as paths from `root`.

    A directory of an algorithm may be a symlink: people move it to another disk.
    """
    for entry in _entries(root / "blobs"):
        if entry.name not in ALGORITHMS or not entry.is_dir():
            yield f"blobs/{entry.name}"
            continue
        for blob in _entries(Path(entry.path)):
            if not is_digest(f"{entry.name}:{blob.name}") or not blob.is_file(follow_symlinks=False):
                yield f"blobs/{entry.name}/{blob.name}"


def move_aside(root: Path, path: str, what: str, *, sync: bool) -> str:
    """Move what is at `path` (from `root`) to the quarantine, and return its path there (from `root`).

    FileNotFoundError where nothing is. Who calls this keeps others from doing the same: the name is looked for first.
    """
    place = quarantine(root)
    place.mkdir(mode=PRIVATE, exist_ok=True)
    moved = root / path
    os.lstat(moved)
    target = _free(place, f"{_kept(path)}.{what}")
    moved.rename(target)
    if sync:
        sync_directory(place)
        sync_directory(moved.parent)
    return str(target.relative_to(root))


def purge(root: Path) -> tuple[int, int]:
    """Delete all that is in the quarantine; return how many files that were, and their bytes."""
    place = quarantine(root)
    files = size = 0
    for entry in list(_entries(place)):
        inside = [Path(entry.path)] if not entry.is_dir(follow_symlinks=False) else Path(entry.path).rglob("*")
        sizes = [found.st_size for found in map(os.lstat, inside) if not stat.S_ISDIR(found.st_mode)]
        files, size = files + len(sizes), size + sum(sizes)
        shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else Path(entry.path).unlink()
    return files, size


def _kept(path: str) -> str:
    """Return the path as one name: without the directory, and not too long to say more."""
    name = path.removeprefix("blobs/").removeprefix(".blobkit/").replace("/", "-")
    return os.fsdecode(os.fsencode(name)[:LONGEST])


def _free(place: Path, name: str) -> Path:
    number, target = 1, place / name
    while os.path.lexists(target):
        number += 1
        target = place / f"{name}.{number}"
    return target


def _entries(place: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a directory, nothing where there is none."""
    try:
        with os.scandir(place) as entries:
            yield from entries
    except (FileNotFoundError, NotADirectoryError):
        return
