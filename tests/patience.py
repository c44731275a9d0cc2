"""Waiting for what happens, never for a time to pass: tests hold on a machine that is much slower."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HANG = 1800.0
"""Seconds after which what does not happen never will. Nothing that is measured depends on it."""


def until(happens: Callable[[], object], pause: float = 0.001) -> None:
    """Return once something happens; fail where it never does."""
    end = time.monotonic() + HANG
    while not happens():
        assert time.monotonic() < end, f"not in {HANG:g} seconds: this hangs"
        time.sleep(pause)
