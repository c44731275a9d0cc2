"""Sets of numbers as sorted arrays, against Python's sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from blobkit.snapshot import sets

numbers = st.lists(st.integers(-5, 5) | st.integers(-(1 << 62), 1 << 62), max_size=20)


@given(numbers, numbers)
def test_as_sets_of_python(one: list[int], two: list[int]) -> None:
    a, b = np.array(one, np.int64), np.array(two, np.int64)
    assert sets.unique(a).tolist() == sorted(set(one))
    assert sets.union(a, b).tolist() == sorted({*one, *two})
    assert sets.minus(a, b).tolist() == sorted(set(one) - set(two))
    assert sets.both(a, b).tolist() == sorted(set(one) & set(two))
    assert sets.among(a, sets.unique(b)).tolist() == [value in two for value in one]
    assert a.tolist() == one


def test_narrow_numbers_stay_narrow() -> None:
    narrow, wide = np.array([3, 1, 3], np.int32), np.array([3], np.int64)
    assert sets.unique(narrow).dtype == sets.minus(narrow, wide).dtype == sets.both(narrow, wide).dtype == np.int32
