"""Writers killed at random moments: nothing acknowledged is lost, nothing is half done, all counts are exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Driven = Callable[..., dict[str, dict[str, int]]]


@pytest.mark.slow
@pytest.mark.parametrize(("durability", "seed"), [("full", 1), ("full", 2), ("normal", 3), ("off", 4)])
def test_killed_writers_lose_nothing(  # noqa: PLR0913, PLR0917 (fixtures)
    disk_path: Path, memory: Path, driven: Driven, more: int, durability: str, seed: int
) -> None:
    """Whether the store is on a disk makes no difference to a kill, but writers are killed at other moments."""
    place, rounds = (disk_path if seed == 1 else memory), 5 * more
    figures = driven("killing.py", place, "--rounds", rounds, "--seed", seed, "--durability", durability)["figures"]
    assert figures["rounds"] == rounds
    assert figures["kills"] == 4 * rounds
    assert figures["acknowledged"] > 10 * rounds
    assert figures["under_way"] > rounds // 2, "nobody was killed in the middle of something"


@pytest.mark.slow
def test_a_killed_writer_that_publishes_too_late_is_found_out(tmp_path: Path, driven: Driven) -> None:
    bug = ("--bug", "publishing_after_the_commit", "--durability", "off")
    found = driven("killing.py", tmp_path, "--rounds", 200, *bug, wanted=True)
    assert any(problem.startswith("missing: ") for problem in found["problems"])
