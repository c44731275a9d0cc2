"""When loops over arrays are compiled, and when they run as ordinary Python. The only file that imports numba.

A small store never waits for a compiler: a loop runs plain until what it has looked at so would have paid for the
compiled form (the ski rental: at worst the first answers take twice as long as they had to). What the compiled form
costs depends on whether compiled code is on disk, which is seen from the name of a file, without numba. Costs are
counted in blobs and links, never in seconds, so that the same calls always run in the same forms.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

import numpy as np

from blobkit.progress import told

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Kernel", "on_disk", "steep"]

STARTED = 1_300_000 // 4
"""The share that each of the four loops that a question runs pays for the start of numba, while nobody has started it.

Measured, as the two below, in CPU seconds with 20,198 blobs and 139,786 links (benchmarks/first_answer.py --kernels): a
plain loop takes .22 to .73 us a blob or link, about .45; numba's import takes .14 to .19 s, its first use .4 s.
"""
LOADED = 15_000
"""The cost of loading a compiled loop from disk: .005 to .009 s."""
COMPILED = 1_000_000
"""The cost of compiling a loop: .4 to .52 s."""
STEEP = 8
"""The factor for a loop whose cost may grow faster than blobs and links: so many times more it counts.

With code on disk such a loop is compiled from some 5,000 blobs on, without it from 21,000.
"""
SAID = "compiling the analysis, once per machine ..."

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("blobkit")


class Kernel(Generic[P, R]):
    """A function over arrays, compiled once that pays. Compiled code is kept on disk and releases the interpreter lock.

    `spent` is what its plain form has looked at so far, `weight` how many times each blob and link counts.
    """

    def __init__(self, plain: Callable[P, R], weight: int = 1) -> None:
        self.plain, self.weight = plain, weight
        self.spent = 0
        self._compiled: Callable[P, R] | None = None
        self.__doc__ = plain.__doc__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it; what it looks at is at most all of its arrays."""
        work = sum(len(arg) for arg in args if isinstance(arg, np.ndarray))
        return self.of(work)(*args, **kwargs)

    def of(self, work: int) -> Callable[P, R]:
        """Return the form to run for so much work, where the arrays do not tell how much."""
        run = self.form(work)
        if run is self.plain:
            self.spent += work
        return run

    def form(self, most: int) -> Callable[P, R]:
        """Return the form to run for at most so much work, of which the caller adds what it was to `spent`."""
        spent = 0 if self._compiled else self.spent  # a small call in between needs no compiled code
        return self.plain if (spent + most) * self.weight < self.price else self.compiled

    @property
    def price(self) -> int:
        """The cost of the compiled form before it runs, in blobs and links that the plain form looks at meanwhile."""
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
"""A kernel whose cost may grow faster than blobs and links."""


def on_disk(plain: Callable[..., object]) -> bool:
    """Return whether compiled code of a function is where numba keeps it.

    A guess, as numba also looks whether it fits the file and the processor; a wrong one costs time, nothing else.
    """
    code, version = plain.__code__, f"py{sys.version_info[0]}{sys.version_info[1]}{getattr(sys, 'abiflags', '')}"
    file = Path(os.path.abspath(code.co_filename))  # noqa: PTH100 (as numba does: links are not followed)
    name = f"{file.stem}.{plain.__qualname__}-{code.co_firstlineno}.{version}.nbi"
    below = f"{file.parent.name}_{hashlib.sha1(os.fsencode(file.parent), usedforsecurity=False).hexdigest()}"
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(given, below, name).exists()
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return any(path.exists() for path in (file.parent / "__pycache__" / name, home / "numba" / below / name))


@cache
def _listen() -> None:
    """Tell that loops are compiled, before each: once to those who watch, each time to the log."""
    from numba.core import event  # noqa: PLC0415 (on first need)

    class Teller(event.Listener):
        """The event that numba tells when it compiles; it tells nothing where it finds compiled code on disk."""

        said = False

        def on_start(self, found: event.Event) -> None:
            plain = found.data["dispatcher"].py_func
            if plain.__module__.startswith("blobkit."):
                _log.info("compiling %s.%s, once per machine", plain.__module__, plain.__qualname__)
                self.said = self.said or told(SAID)

        def on_end(self, found: event.Event) -> None:
            pass

    event.register("numba:compile", Teller())  # type: ignore[no-untyped-call]  # (numba has no types)
