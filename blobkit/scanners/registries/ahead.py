"""Let other processes read prefixes of a large registry ahead, from the last one that this process comes to."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from blobkit.scanners.registries.serving import parts, unpacked
from blobkit.sources.helpers import started

if TYPE_CHECKING:
    from blobkit.scanners.registries.prefixes import Prefix
    from blobkit.scanners.registries.serving import Packed
    from blobkit.sources.helpers import Helper

__all__ = ["Ahead"]

MANY = 20_000
"""Blobs from which on other processes help."""
SHARE = 8
"""A helper gets this part of its share of what is left, so that all end at the same time."""
PROGRAM = "import sys; sys.path.append(sys.argv[1]); from blobkit.scanners.registries import serving; serving.serve()"
PACKAGES = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


class Ahead:
    """The prefixes that are still to be read, in the order in which this process asks for them; `close` when done.

    `listed`: list the directory of each blob. Memory: what was read and not asked for yet, packed.
    """

    def __init__(self, todo: list[tuple[str, str, str]], *, listed: bool) -> None:
        self._todo, self._listed = todo, listed
        self._found: dict[str, Packed] = {}
        self._open = ExitStack()
        self._helpers: list[Helper] = []

    def start(self) -> None:
        """Start the helpers, if processes can be started here."""
        if self._todo and os.path.isfile(__file__):
            self._helpers = [self._open.enter_context(one) for one in started(["-c", PROGRAM, PACKAGES])]

    def taken(self, path: str) -> Prefix | None:
        """Return what a helper has found in the directory of a prefix; None if this process has to read it."""
        self._share()
        for helper in self._helpers:
            if helper.is_busy and any(one[0] == path for one in helper.given["prefixes"]):
                self._take(helper, wait=True)
        self._todo = [one for one in self._todo if one[0] != path]
        packed = self._found.pop(path, None)
        return None if packed is None else unpacked(packed)

    def _share(self) -> None:
        """Take the answers that are there, and give each idle helper some of the last prefixes."""
        for helper in self._helpers:
            self._take(helper, wait=False)
            if self._todo and helper.is_idle():
                some = max(1, len(self._todo) // (SHARE * (len(self._helpers) + 1)))
                helper.ask({"prefixes": self._todo[-some:], "listed": self._listed})
                del self._todo[-some:]

    def _take(self, helper: Helper, *, wait: bool) -> None:
        answer = helper.answer(wait=wait)
        if answer is not None:
            self._found.update(parts(*answer))

    def close(self) -> None:
        """End the helpers."""
        self._open.close()
