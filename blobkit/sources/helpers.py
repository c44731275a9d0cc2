"""Processes that help this one: each answers one request after the other."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from blobkit.sources.walking import GREETING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO, Any, Self

__all__ = ["Helper", "started"]

MOST = 3
"""Processes that are started at most."""


class Helper:
    """A process that helps; it ends with the `with` block, and when this process ends.

    It takes a request when it `is_idle`: after its greeting, which never comes if the program was started by something
    that is no Python. `is_alive` turns False if it died; `given` is the request that it had then, to be done by others.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._from = cast("IO[bytes]", process.stdout)
        self._is_ready = False
        self.given: Any = None
        self.is_busy, self.is_alive = False, True

    def is_idle(self) -> bool:
        """Return whether it can be asked now."""
        if not self._is_ready and self._answers():
            greeting = os.read(self._from.fileno(), len(GREETING))  # another program may not end its line
            self._is_ready = self.is_alive = greeting == GREETING
        return self._is_ready and self.is_alive and not self.is_busy

    def ask(self, request: object) -> None:
        """Send a request: it is written as JSON, on one line."""
        self.given, self.is_busy = request, True
        with suppress(BrokenPipeError):  # `answer` sees that it is gone
            to = cast("IO[bytes]", self._process.stdin)
            to.write(json.dumps(request).encode() + b"\n")
            to.flush()

    def answer(self, *, wait: bool) -> tuple[Any, bytes] | None:
        """Return the answer if it is ready, or after a `wait`: a line of JSON, and as many bytes as its `bytes` says.

        None if there is none: then it may have died.
        """
        if not self.is_busy or not (wait or self._answers()):
            return None
        self.is_busy = False
        try:
            found = json.loads(self._from.readline())
        except ValueError:
            self.is_alive = False
            return None
        body = self._from.read(found.get("bytes", 0))
        self.is_alive = len(body) == found.get("bytes", 0)
        return (found, body) if self.is_alive else None

    def _answers(self) -> bool:
        """Return whether it has written something."""
        return bool(select.select([self._from], [], [], 0)[0])

    def __enter__(self) -> Self:
        """Return the helper itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the process."""
        self._process.kill()
        with suppress(BrokenPipeError):
            self._process.__exit__(kind, error, traceback)


def started(program: list[str]) -> list[Helper]:
    """Return a helper for each further processor that this process may use; none where none can be started.

    `program`: the arguments of an isolated Python without site-packages. It is a file, or text after `-c`.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        return []
    found: list[Helper] = []
    with suppress(OSError):
        for _ in range(min(_processors() - 1, MOST)):
            process = subprocess.Popen(  # noqa: S603 (the program is a part of blobkit)
                [sys.executable, "-I", "-S", *program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            found.append(Helper(process))
    return found


def _processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
