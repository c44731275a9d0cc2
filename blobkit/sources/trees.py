"""Weigh trees of files: the bytes of all regular files at and below some paths, each inode once.

Symbolic links are not followed, and other file systems (what is mounted below a path) are not entered. Large trees are
walked by several processes, because a stat in Python takes longer than the system needs for it.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from blobkit.progress import counted
from blobkit.sources import walking
from blobkit.sources.helpers import started
from blobkit.sources.walking import Found, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeVar

    from blobkit.sources.helpers import Helper
    from blobkit.sources.walking import Place

    Key = TypeVar("Key")

__all__ = ["Totals", "Weight", "weigh", "weigh_each"]

ALONE = 30_000
"""Files that are walked before other processes help."""
BATCH = 10_000
"""Files that are walked before work is shared again."""


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


@dataclass(slots=True)
class Totals:
    """The files of several weights together, each inode once: their number, and their `size` in bytes."""

    files: int = 0
    size: int = 0
    _known: set[tuple[int, int]] = field(default_factory=set)

    def add(self, weight: Weight) -> tuple[int, int]:
        """Add a weight; return the number and the bytes of its files that were not counted before."""
        again = weight.outside.keys() & self._known
        self._known |= weight.outside.keys()
        files, size = weight.files - len(again), weight.size - sum(weight.outside[inode] for inode in again)
        self.files, self.size = self.files + files, self.size + size
        return files, size


def weigh(paths: Iterable[str], *, progress: bool = False) -> Weight:
    """Return the weight of the trees at these absolute paths together; an absent path weighs nothing.

    Cost: one `lstat` a file, one listing a directory; constant memory but for files with several names. An interrupt
    ends all processes that help.
    """
    return weigh_each({"": paths}, progress=progress)[""]


def weigh_each(trees: Mapping[Key, Iterable[str]], *, progress: bool = False) -> dict[Key, Weight]:
    """Return the weight of the trees at the paths of each key, as `weigh` does for them alone, in one walk.

    A file with names in two of them counts in both, and is in `outside` of both.
    """
    todo: list[Place] = [(path, number, -1) for number, paths in enumerate(trees.values()) for path in paths]
    found = Found()
    with counted(None, "weighing", show=progress, unit=" files") as passed:
        _walk(todo, found, passed)
    weights = [Weight() for _ in trees]
    for number, (size, blocks, files, modified) in found.sums.items():
        _add(weights[number], size, blocks, files, modified)
    for (number, *inode), (seen, names, size, blocks, modified) in found.linked.items():
        _add(weights[number], size, blocks, 1, modified)
        if seen < names:
            weights[number].outside[inode[0], inode[1]] = size
    for number, path, code, message in found.unread:
        weights[number].unread.append((path, OSError(code, message)))
    return dict(zip(trees, weights, strict=True))


def _add(weight: Weight, size: int, blocks: int, files: int, modified: int) -> None:
    weight.size += size
    weight.disk += blocks * 512
    weight.files += files
    weight.modified = max(weight.modified, modified // 1000)


def _walk(todo: list[Place], found: Found, passed: Callable[[int], object]) -> None:
    """Walk alone, and from a certain number of files on with the help of other processes."""
    walk(todo, ALONE, found)
    passed(found.seen)
    with ExitStack() as open_ones:
        walkers = [open_ones.enter_context(walker) for walker in (_started() if todo else ())]
        while todo or any(walker.is_busy for walker in walkers):
            before = found.seen
            for walker in [one for one in walkers if one.is_idle()]:
                if len(todo) > 1:
                    half = -(-len(todo) // 2)
                    # the first ones are the highest directories, with the most below
                    walker.ask({"todo": todo[:half], "limit": BATCH})
                    del todo[:half]
            walk(todo, BATCH // 4, found)
            for walker in walkers:
                todo += _taken(walker, found, wait=not todo)
            walkers = [walker for walker in walkers if walker.is_alive]
            passed(found.seen - before)


def _started() -> list[Helper]:
    """Return processes that walk; none if their program is no file."""
    return started([walking.__file__]) if os.path.isfile(walking.__file__) else []


def _taken(walker: Helper, found: Found, *, wait: bool) -> list[Place]:
    """Add what another process found, if it is ready or after a `wait`; return the paths that are left to do."""
    was_busy, answer = walker.is_busy, walker.answer(wait=wait)
    if answer is not None:
        _merge(found, answer[0])
        return cast("list[Place]", answer[0]["todo"])
    return cast("list[Place]", walker.given["todo"]) if was_busy and not walker.is_busy else []


def _merge(found: Found, answer: dict[str, list[list[int]]]) -> None:
    """Add what another process found."""
    for tree, more in cast("list[tuple[int, tuple[int, int, int, int]]]", answer["sums"]):
        found.add(tree, more)
    for tree, device, inode, *linked in answer["linked"]:
        known = found.linked.setdefault((tree, device, inode), [0, *linked[1:]])
        known[0] += linked[0]
    found.unread += cast("list[tuple[int, str, int, str]]", map(tuple, answer["unread"]))
