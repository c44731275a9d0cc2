"""Writers killed at random moments: nothing acknowledged is lost, nothing is half done, all counts are exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Driven = Callable[..., dict[str, dict[str, int]]]


@pytest.mark.parametrize(("durability", "seed"), [("full", 1), ("full", 2), ("normal", 3), ("off", 4), ("off", 5)])
def test_killed_writers_lose_nothing(tmp_path: Path, driven: Driven, more: int, durability: str, seed: int) -> None:
    rounds = 25 * more
    figures = driven("killing.py", tmp_path, "--rounds", rounds, "--seed", seed, "--durability", durability)["figures"]
    assert figures["rounds"] == rounds
    assert figures["kills"] == 4 * rounds
    assert figures["acknowledged"] > 20 * rounds
    assert figures["under_way"] > rounds, "nobody was killed in the middle of something"
