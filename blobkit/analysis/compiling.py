"""Choose whether a loop over arrays runs compiled or as ordinary Python. The only file that imports numba.

A small store never waits for a compiler. A loop runs as plain Python until its work so far would have paid for the
compiled form (the ski-rental rule: at worst, the first answers take twice as long as necessary). The cost of the
compiled form depends on whether compiled code is on disk; the name of a file shows this, without numba. Costs are
counted in blobs and links, never in seconds, so the same calls always run in the same form.
"""

from __future__ import annotations

import hashlib
import os
import sys
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

import numpy as np

from blobkit.log import log
from blobkit.progress import show_line

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Kernel", "on_disk", "steep"]

STARTED = 1_300_000 // 4
"""The cost of starting numba, shared by the four loops that a question runs, as long as numba is not started.

Measured, as the two below, in CPU seconds with 20,198 blobs and 139,786 links (benchmarks/first_answer.py --kernels): a
plain loop takes .22 to .73 us a blob or link, about .45; numba's import takes .14 to .19 s, its first use .4 s.
"""
LOADED = 15_000
"""The cost of loading a compiled loop from disk: .005 to .009 s."""
COMPILED = 1_000_000
"""The cost of compiling a loop: .4 to .52 s."""
STEEP = 8
"""The weight of a loop with a cost that may grow faster than blobs and links.

With code on disk such a loop is compiled from some 5,000 blobs on, without it from 21,000.
"""
MESSAGE = "compiling the analysis, once per machine ..."

P = ParamSpec("P")
R = TypeVar("R")


class Kernel(Generic[P, R]):
    """A function over arrays that is compiled once this pays. Compiled code is kept on disk and releases the GIL.

    `spent` is the work of the plain form so far, in blobs and links; `weight` is how many times each of them counts.
    """

    def __init__(self, plain: Callable[P, R], weight: int = 1) -> None:
        self.plain, self.weight = plain, weight
        self.spent = 0
        self._compiled: Callable[P, R] | None = None
        self.__doc__ = plain.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function; its work is counted as the total length of its arrays."""
        work = sum(len(arg) for arg in args if isinstance(arg, np.ndarray))
        return self.of(work)(*args, **kwargs)

    def of(self, work: int) -> Callable[P, R]:
        """Return the form to run for this much work, if the lengths of the arrays do not show it."""
        run = self.form(work)
        if run is self.plain:
            self.spent += work
        return run

    def form(self, most: int) -> Callable[P, R]:
        """Return the form to run for at most this much work; the caller then adds the real work to `spent`."""
        spent = 0 if self._compiled else self.spent  # a small call in between needs no compiled code
        return self.plain if self._is_small(spent + most) else self.compiled

    def _is_small(self, work: int) -> bool:
        return work * self.weight < self.price

    def waits_for_numba(self, work: int) -> bool:
        """Return whether this much work would start numba."""
        return "numba" not in sys.modules and not self._is_small(self.spent + work)

    @property
    def price(self) -> int:
        """The cost to get the compiled form ready, as the blobs and links that the plain form handles in this time."""
        if self._compiled:
            return LOADED
        return (0 if "numba" in sys.modules else STARTED) + (LOADED if on_disk(self.plain) else COMPILED)

    @property
    def compiled(self) -> Callable[P, R]:
        """The compiled function."""
        if self._compiled is None:
            import numba  # noqa: PLC0415 (on first need: it takes long to import)

            _listen()
            try:
                self._compiled = numba.njit(cache=True, nogil=True)(self.plain)
            except RuntimeError:  # nowhere to keep compiled code: neither beside its file nor in the user's cache
                self._compiled = numba.njit(nogil=True)(self.plain)
        return self._compiled


steep = partial(Kernel, weight=STEEP)
"""A kernel with a cost that may grow faster than blobs and links."""


def on_disk(plain: Callable[..., object]) -> bool:
    """Return whether numba has compiled code of this function on disk.

    A guess: numba also checks that the code fits the file and the processor. A wrong guess costs only time. A cache
    directory that this user may not read is as an empty one.
    """
    code, version = plain.__code__, f"py{sys.version_info[0]}{sys.version_info[1]}{getattr(sys, 'abiflags', '')}"
    file = Path(os.path.abspath(code.co_filename))  # noqa: PTH100 (as numba does: links are not followed)
    name = f"{file.stem}.{plain.__qualname__}-{code.co_firstlineno}.{version}.nbi"
    below = f"{file.parent.name}_{hashlib.sha1(os.fsencode(file.parent), usedforsecurity=False).hexdigest()}"
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return os.path.exists(Path(given, below, name))  # noqa: PTH110 (Path.exists may raise PermissionError)
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    places = (file.parent / "__pycache__" / name, home / "numba" / below / name)
    return any(map(os.path.exists, places))


@cache
def _listen() -> None:
    """Report before a loop is compiled: once on the screen if progress is shown, each time in the log."""
    from numba.core import event  # noqa: PLC0415 (on first need)

    class Listener(event.Listener):
        """Handle the event of numba before it compiles; there is no event if compiled code is on disk."""

        announced = False

        def on_start(self, found: event.Event) -> None:
            plain = found.data["dispatcher"].py_func
            if plain.__module__.startswith("blobkit."):
                log.info("compiling %s.%s, once per machine", plain.__module__, plain.__qualname__)
                self.announced = self.announced or show_line(MESSAGE)

        def on_end(self, found: event.Event) -> None:
            pass

    event.register("numba:compile", Listener())  # type: ignore[no-untyped-call]  # (numba has no types)
