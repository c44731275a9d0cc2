"""Walk trees of directories and add up their files: in this process, or as a program that does it for another one.

As a program it writes GREETING, then reads one JSON object a line from standard input (`todo`, `limit`), and writes one
with what it found.
It imports nothing of blobkit, so that it starts at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys

__all__ = ["Found", "Place", "walk"]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

GREETING = b"ready\n"
NONE = (0, 0, 0, -1)
_TYPE, _REGULAR, _A_DIRECTORY = 0o170000, 0o100000, 0o040000

Place = tuple[str, int, int]
"""A path to walk, the tree that it is part of, and its device (-1: any)."""


class Found:
    """The files found: for each tree `[size, blocks, files, modified]`; modified in nanoseconds.

    `linked` has the names of files with several ones: for each (tree, device, inode) `[names seen, names, size, blocks,
    modified]`. `unread`: `[tree, path, errno, message]` of what could not be looked at.
    """

    def __init__(self) -> None:
        self.sums: dict[int, tuple[int, int, int, int]] = {}
        self.linked: dict[tuple[int, int, int], list[int]] = {}
        self.unread: list[tuple[int, str, int, str]] = []
        self.seen = 0

    def add(self, tree: int, more: tuple[int, int, int, int]) -> None:
        """Add bytes, blocks and number of some files, and the time of the newest, to those of a tree."""
        size, blocks, files, modified = self.sums.get(tree, NONE)
        self.sums[tree] = size + more[0], blocks + more[1], files + more[2], max(modified, more[3])
        self.seen += more[2] + 1

    def to_json(self, todo: list[Place]) -> dict[str, object]:
        """Return what was found, and what is left to do, as plain values."""
        linked = [[*key, *value] for key, value in self.linked.items()]
        return {"sums": list(self.sums.items()), "linked": linked, "unread": self.unread, "todo": todo}


def walk(todo: list[Place], limit: int, found: Found) -> None:
    """Take paths from the end of `todo`, and add what is at and below them, until about `limit` files were seen.

    Other file systems and symbolic links are not entered. Cost: one `lstat` a file, one open directory at a time.
    """
    until = found.seen + limit
    while todo and found.seen < until:
        path, tree, device = todo.pop()
        try:
            fd = os.open(path, _DIRECTORY)
        except OSError as error:
            _not_opened(path, tree, error, found)
            continue
        try:
            here = os.fstat(fd).st_dev
            if device in (-1, here):
                todo += [(f"{path}/{name}", tree, here) for name in _directory(fd, path, tree, found)]
        except OSError as error:
            _add_error(path, tree, error, found)
        finally:
            os.close(fd)


def _directory(fd: int, path: str, tree: int, found: Found) -> list[str]:
    """Add the regular files in a directory; return the names of the directories in it."""
    size = blocks = files = 0
    newest = -1
    below: list[str] = []
    with os.scandir(fd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.name)
                continue
            try:
                info = entry.stat(follow_symlinks=False)
            except OSError as error:
                _add_error(f"{path}/{entry.name}", tree, error, found)
                continue
            if info.st_nlink != 1:
                _add_linked(info, tree, found)
            elif info.st_mode & _TYPE == _REGULAR:
                files += 1
                size += info.st_size
                blocks += info.st_blocks
                if info.st_mtime_ns > newest:  # noqa: PLR1730 (`max` takes longer, a million times)
                    newest = info.st_mtime_ns
    found.add(tree, (size, blocks, files, newest))
    return below


def _not_opened(path: str, tree: int, error: OSError, found: Found) -> None:
    """Add the file at a path that is no directory that can be opened."""
    try:
        info = os.lstat(path)
    except OSError as gone:
        _add_error(path, tree, gone, found)
        return
    if info.st_mode & _TYPE == _REGULAR:
        _add_linked(info, tree, found)
    elif info.st_mode & _TYPE == _A_DIRECTORY:
        _add_error(path, tree, error, found)


def _add_linked(info: os.stat_result, tree: int, found: Found) -> None:
    """Add one name of a regular file that may have several."""
    if info.st_mode & _TYPE != _REGULAR:
        return
    key = (tree, info.st_dev, info.st_ino)
    known = found.linked.get(key)
    if known is None:
        known = found.linked[key] = [0, info.st_nlink, info.st_size, info.st_blocks, info.st_mtime_ns]
        found.seen += 1
    known[0] += 1


def _add_error(path: str, tree: int, error: OSError, found: Found) -> None:
    if not isinstance(error, FileNotFoundError):
        found.unread.append((tree, path, error.errno or 0, error.strerror or str(error)))


def _serve() -> None:
    """Greet, then answer requests until standard input ends; an interrupt is for the process that asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdout.buffer.write(GREETING)
    sys.stdout.buffer.flush()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        found, todo = Found(), request["todo"]
        walk(todo, request["limit"], found)
        sys.stdout.buffer.write(json.dumps(found.to_json(todo)).encode() + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
