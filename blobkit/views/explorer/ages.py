"""The ages of names, as bars over the filter of age: what is in each step of age frees alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.questions.row_columns import DAY, NEVER
from blobkit.render import count, human_bytes

if TYPE_CHECKING:
    from blobkit.questions.row_columns import RowColumns

__all__ = ["ages"]

STEPS = (0, 1, 7, 30, 90, 180, 365, 730)
"""The days at which steps of age begin."""


def ages(columns: RowColumns, noun: str) -> list[tuple[int, int, str]]:
    """Return for each step of age its first day, the bytes that its names free, each alone, and a text."""
    known = np.flatnonzero(columns.tree.holds & (columns.modified != NEVER))
    days = np.maximum(columns.now - columns.modified[known], 0) // DAY
    step = np.searchsorted(STEPS, days, side="right") - 1
    size, number = np.zeros(len(STEPS), np.int64), np.bincount(step, minlength=len(STEPS))
    np.add.at(size, step, columns.alone[known])
    sizes, numbers = size.tolist(), number.tolist()
    texts = [f"{_span(i)}: {count(numbers[i], noun)}, each alone {human_bytes(sizes[i])}" for i in range(len(STEPS))]
    return list(zip(STEPS, sizes, texts, strict=True))


def _span(step: int) -> str:
    first = STEPS[step]
    return f"older than {first:,} days" if step == len(STEPS) - 1 else f"{first} to {STEPS[step + 1]} days old"
