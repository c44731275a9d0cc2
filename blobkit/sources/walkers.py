"""Processes that walk directories for this one; see `blobkit.sources.walking`."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from blobkit.sources import walking

if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO, Self

    from blobkit.sources.walking import Found, Place

__all__ = ["Walker", "started"]

MOST = 3
"""Processes that are started at most."""


class Walker:
    """A process that walks; it ends with the `with` block, and when this process ends.

    `is_alive` turns False if it died; the work that it had is returned by `taken` then, to be done by others.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._given: list[Place] = []
        self.is_busy, self.is_alive = False, True

    def ask(self, todo: list[Place], limit: int) -> None:
        """Give it paths to walk, until about `limit` files were seen."""
        self._given, self.is_busy = todo, True
        with suppress(BrokenPipeError):  # `taken` sees that it is gone
            to = cast("IO[bytes]", self._process.stdin)
            to.write(json.dumps({"todo": todo, "limit": limit}).encode() + b"\n")
            to.flush()

    def taken(self, found: Found, *, wait: bool) -> list[Place]:
        """Add what it found, if it is ready or after a `wait`; return the paths that it has left to do."""
        answers = cast("IO[bytes]", self._process.stdout)
        if not self.is_busy or not (wait or select.select([answers], [], [], 0)[0]):
            return []
        self.is_busy = False
        try:
            answer = json.loads(answers.readline())
        except ValueError:
            self.is_alive = False
            return self._given
        _merge(found, answer)
        return cast("list[Place]", answer["todo"])

    def __enter__(self) -> Self:
        """Return the walker itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process."""
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.__exit__(kind, error, traceback)


def started() -> list[Walker]:
    """Return a walker for each further processor that this process may use; none where none can be started."""
    program = walking.__file__
    if not sys.executable or getattr(sys, "frozen", False) or not os.path.isfile(program):
        return []
    found: list[Walker] = []
    with suppress(OSError):
        for _ in range(min(len(os.sched_getaffinity(0)) - 1, MOST)):
            process = subprocess.Popen(  # noqa: S603 (the program is a file of blobkit)
                [sys.executable, "-I", "-S", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            found.append(Walker(process))
    return found


def _merge(found: Found, answer: dict[str, list[list[int]]]) -> None:
    """Add what another process found."""
    for tree, more in cast("list[tuple[int, tuple[int, int, int, int]]]", answer["sums"]):
        found.add(tree, more)
    for tree, device, inode, *linked in answer["linked"]:
        known = found.linked.setdefault((tree, device, inode), [0, *linked[1:]])
        known[0] += linked[0]
    found.unread += cast("list[tuple[int, str, int, str]]", map(tuple, answer["unread"]))
