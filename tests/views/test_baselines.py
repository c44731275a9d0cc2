"""Every plot looks as it did, light and dark: compared with the pictures in `baseline/` (see `baselines.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from baselines import FOLDER, PICTURES, STYLES, difference, paint

if TYPE_CHECKING:
    from pathlib import Path

TOLERANCE = 9.0
"""Matplotlib 3.10 and 3.11 differ by up to 5, two different plots by 18 or more."""


@pytest.mark.slow
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("name", PICTURES)
def test_a_plot_looks_as_before(name: str, style: str, tmp_path: Path) -> None:
    painted = tmp_path / f"{name}-{style}.png"
    paint(name, style, painted)
    assert difference(FOLDER / painted.name, painted) <= TOLERANCE


def test_another_picture_is_noticed() -> None:
    assert difference(FOLDER / "sharing-light.png", FOLDER / "sizes-light.png") > 2 * TOLERANCE
    assert difference(FOLDER / "sharing-light.png", FOLDER / "sharing-dark.png") > 2 * TOLERANCE


def test_the_baselines_are_small_and_all_used() -> None:
    found = {path.name for path in FOLDER.iterdir()}
    assert found == {f"{name}-{style}.png" for name in PICTURES for style in STYLES}
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 400_000
