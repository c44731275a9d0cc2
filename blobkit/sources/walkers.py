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

    It takes work when it `is_idle`: after its greeting, which never comes if the program was started by something that
    is no Python. `is_alive` turns False if it died; `taken` returns the work that it had then, to be done by others.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._from = cast("IO[bytes]", process.stdout)
        self._given: list[Place] = []
        self._is_ready = False
        self.is_busy, self.is_alive = False, True

    def is_idle(self) -> bool:
        """Return whether it can be asked now."""
        if not self._is_ready and self._answers():
            greeting = os.read(self._from.fileno(), len(walking.GREETING))  # another program may not end its line
            self._is_ready = self.is_alive = greeting == walking.GREETING
        return self._is_ready and self.is_alive and not self.is_busy

    def ask(self, todo: list[Place], limit: int) -> None:
        """Give it paths to walk, until about `limit` files were seen."""
        self._given, self.is_busy = todo, True
        with suppress(BrokenPipeError):  # `taken` sees that it is gone
            to = cast("IO[bytes]", self._process.stdin)
            to.write(json.dumps({"todo": todo, "limit": limit}).encode() + b"\n")
            to.flush()

    def taken(self, found: Found, *, wait: bool) -> list[Place]:
        """Add what it found, if it is ready or after a `wait`; return the paths that it has left to do."""
        if not self.is_busy or not (wait or self._answers()):
            return []
        self.is_busy = False
        try:
            answer = json.loads(self._from.readline())
        except ValueError:
            self.is_alive = False
            return self._given
        _merge(found, answer)
        return cast("list[Place]", answer["todo"])

    def _answers(self) -> bool:
        """Return whether it has written something."""
        return bool(select.select([self._from], [], [], 0)[0])

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
        for _ in range(min(_processors() - 1, MOST)):
            process = subprocess.Popen(  # noqa: S603 (the program is a file of blobkit)
                [sys.executable, "-I", "-S", program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            found.append(Walker(process))
    return found


def _processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _merge(found: Found, answer: dict[str, list[list[int]]]) -> None:
    """Add what another process found."""
    for tree, more in cast("list[tuple[int, tuple[int, int, int, int]]]", answer["sums"]):
        found.add(tree, more)
    for tree, device, inode, *linked in answer["linked"]:
        known = found.linked.setdefault((tree, device, inode), [0, *linked[1:]])
        known[0] += linked[0]
    found.unread += cast("list[tuple[int, str, int, str]]", map(tuple, answer["unread"]))
