"""Give the time, pass it, and draw lots: what a client takes from outside, so that tests can give it."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Timing"]


class Timing(NamedTuple):
    """Clocks in seconds: `clock` never goes back, `now` counts from 1970; `chance` is in [0, 1)."""

    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
