"""Weigh trees of files: the bytes of all regular files at and below some paths, each inode once.

Symbolic links are not followed, and other file systems (what is mounted below a path) are not entered.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Weight", "weigh"]


@dataclass(slots=True)
class Weight:
    """The regular files of some trees: `size` and `disk` in bytes, `files`, newest `modified` (microseconds, -1 none).

    `unread`: directories and files that could not be looked at, with the error; if there are some, the figures are a
    lower bound. `outside`: (device, inode) of files that have more names than were found here, with their sizes: these
    names may be in other trees.
    """

    size: int = 0
    disk: int = 0
    files: int = 0
    modified: int = -1
    unread: list[tuple[str, OSError]] = field(default_factory=list)
    outside: dict[tuple[int, int], int] = field(default_factory=dict)


def weigh(paths: Iterable[str]) -> Weight:
    """Return the weight of the trees at these absolute paths; an absent path weighs nothing.

    Cost: one `lstat` a file, one listing a directory; constant memory but for files with several names.
    """
    found = Weight()
    names: dict[tuple[int, int], list[int]] = {}
    todo = [(path, -1) for path in paths]
    while todo:
        path, device = todo.pop()
        try:
            info = os.lstat(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            found.unread.append((path, error))
            continue
        if not stat.S_ISDIR(info.st_mode):
            _add(found, names, info)
            continue
        if device in (-1, info.st_dev):
            todo += [(inside, info.st_dev) for inside in _directory(path, found, names)]
    found.outside = {inode: size for inode, (left, size) in names.items() if left}
    return found


def _directory(path: str, found: Weight, names: dict[tuple[int, int], list[int]]) -> list[str]:
    """Add the files in a directory; return the directories in it."""
    inside: list[str] = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    inside.append(entry.path)
                elif not entry.is_symlink():
                    _add(found, names, entry.stat(follow_symlinks=False))
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            found.unread.append((path, error))
    return inside


def _add(found: Weight, names: dict[tuple[int, int], list[int]], info: os.stat_result) -> None:
    """Add a regular file, once for all of its names."""
    if not stat.S_ISREG(info.st_mode):
        return
    if info.st_nlink > 1:
        known = names.setdefault((info.st_dev, info.st_ino), [info.st_nlink, info.st_size])
        known[0] -= 1
        if known[0] < info.st_nlink - 1:
            return
    found.size += info.st_size
    found.disk += info.st_blocks * 512
    found.files += 1
    found.modified = max(found.modified, info.st_mtime_ns // 1000)
