"""Sets of numbers as sorted arrays, against Python's sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.snapshot import sets

numbers = st.lists(st.integers(-5, 5) | st.integers(-(1 << 62), 1 << 62), max_size=20)


@pytest.mark.slow
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


def test_numbers_are_narrow_only_if_all_of_them_fit() -> None:
    most = (1 << 31) - 1
    for values, dtype in (([], np.int32), ([0, most], np.int32), ([0, most + 1], np.int64)):
        found = sets.narrow(np.array(values, np.int64))
        assert (found.tolist(), found.dtype) == (values, dtype)


masks, piece = st.lists(st.booleans(), max_size=20), st.integers(1, 25)


@given(masks, piece)
def test_rows_of_a_mask_piece_by_piece(mask: list[bool], length: int) -> None:
    flags, want = np.array(mask, np.bool_), [row for row, flag in enumerate(mask) if flag]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "_PIECE", length)
        found, nodes = sets.rows_where(len(mask), lambda part: flags[part]), sets.where(flags)
    assert (found.tolist(), found.dtype) == (want, np.int64)
    assert (nodes.tolist(), nodes.dtype) == (want, np.int32)


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 1 << 40)), min_size=1, max_size=12), st.data(), piece)
def test_amounts_are_added_to_their_places(rows: list[tuple[int, int]], data: st.DataObject, length: int) -> None:
    some = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=20))
    want = [sum(rows[i][1] for i in some if rows[i][0] == place) for place in range(4)]
    place, amount = (np.array(column) for column in zip(*rows, strict=True))
    totals = np.zeros(4, np.int64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sets, "_PIECE", length)
        sets.add_amounts(totals, place, amount, np.array(some, np.int32))
        assert totals.tolist() == want
        sets.add_amounts(totals, place, amount, np.array(some, np.int32), -1)
    assert not totals.any()
