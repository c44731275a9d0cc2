"""Progress of long work: a bar in notebooks and terminals; nothing is shown for work that takes less than a second."""

from __future__ import annotations

import sys
from collections.abc import Sized
from contextlib import contextmanager
from itertools import chain
from threading import Timer
from time import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["counted", "show_line", "staged", "watched"]

T = TypeVar("T")
SECONDS_BEFORE_SHOWN = 1.0


def watched(items: Iterable[T], what: str, *, show: bool, unit: str = " blobs") -> Iterable[T]:
    """Yield `items`, with a progress bar on standard error (a widget in a notebook); none if there are no items."""
    _asked(show=show)
    return _counting(items, what, unit) if show else items


def _counting(items: Iterable[T], what: str, unit: str) -> Iterator[T]:
    from tqdm.auto import tqdm  # noqa: PLC0415 (it brings asyncio, and most commands show no bar)

    rest = iter(items)
    total = len(items) if isinstance(items, Sized) else None
    for first in rest:  # the bar takes all others
        both = chain((first,), rest)
        yield from tqdm(both, what, total, unit=unit, unit_scale=True, delay=SECONDS_BEFORE_SHOWN, leave=False)


@contextmanager
def counted(total: int | None, what: str, *, show: bool, unit: str = "B") -> Iterator[Callable[[int], object]]:
    """Give a function to call with each amount of work done, of `total` (None: unknown); a bar shows it.

    The bar begins with the first of them: one for which nothing is to be done would stay at 0.
    """
    _asked(show=show)
    if not show:
        yield lambda _more: None
        return
    from tqdm.auto import tqdm  # noqa: PLC0415

    begun = time()
    bars: list[Any] = []

    def step(more: int) -> None:
        if not bars:
            bars.append(
                tqdm(total=total, desc=what, unit=unit, unit_scale=True, delay=SECONDS_BEFORE_SHOWN, leave=False)
            )
            bars[0].start_t = begun
        bars[0].update(more)

    try:
        yield step
    finally:
        for bar in bars:
            bar.close()


@contextmanager
def staged(what: str, *, show: bool) -> Iterator[Callable[[str], object]]:
    """Give a function to call with the name of each step; it shows the step and the elapsed time, like `watched`."""
    _asked(show=show)
    if not show:
        yield lambda _stage: None
        return
    from tqdm.auto import tqdm  # noqa: PLC0415

    bar = tqdm(desc=what, bar_format="{desc} [{elapsed}]", delay=SECONDS_BEFORE_SHOWN, mininterval=0, leave=False)
    late = Timer(SECONDS_BEFORE_SHOWN, bar.refresh)  # the first stage may be the longest
    late.start()

    def say(stage: str) -> None:
        bar.set_description_str(f"{what}: {stage}", refresh=False)
        bar.update()

    try:
        yield say
    finally:
        late.cancel()
        bar.close()


def show_line(line: str) -> bool:
    """Show one line beside the bar, if a terminal or a notebook shows progress. Return whether it was shown.

    Nothing is shown if the last bar was turned off (`progress=False`).
    """
    if not (_wanted[0] and (sys.stderr.isatty() or "ipykernel" in sys.modules)):
        return False
    from tqdm.auto import tqdm  # noqa: PLC0415

    tqdm.write(line, file=sys.stderr)
    return True


_wanted = [True]
"""Whether the last bar was turned on."""


def _asked(*, show: bool) -> None:
    _wanted[0] = show
