"""Waiting for what happens, never for a time to pass: tests hold on a machine that is much slower."""

from __future__ import annotations

import time
from math import inf
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

HANG = 1800.0
"""Seconds after which what does not happen never will. Nothing that is measured depends on it."""


def until(happens: Callable[[], object], pause: float = 0.001) -> None:
    """Return once something happens; fail where it never does."""
    end = monotonic() + HANG
    while not happens():
        assert monotonic() < end, f"not in {HANG:g} seconds: this hangs"
        sleep(pause)


class Clock:
    """Time that passes only where somebody sleeps, up to the end of a test; once it is `at`, `act` is done."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, at: float = inf, act: Callable[[], object] = lambda: None
    ) -> None:
        self.now, self._at, self._act = 0.0, at, act
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(time, "sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now >= self._at:
            self._at = inf
            self._act()
