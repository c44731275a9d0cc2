"""A column in a file is like an array."""

from __future__ import annotations

import errno
import os
from array import array
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.scanners.columns import assign, extend, view
from blobkit.scanners.spaces.mapped import Mapped
from blobkit.scanners.spaces.space import Scratch

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
STEPS = st.one_of(
    st.tuples(st.just("append"), NUMBERS),
    st.tuples(st.just("extend"), st.lists(NUMBERS, max_size=2000)),
    st.tuples(st.just("change"), st.tuples(st.integers(0, 5000), NUMBERS)),
    st.tuples(st.just("change rows"), st.tuples(st.integers(0, 5000), st.lists(NUMBERS, max_size=50))),
)


@given(steps=st.lists(STEPS, max_size=12))
def test_it_has_the_same_rows_as_an_array(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    column, model = Mapped(tmp_path_factory.mktemp("column") / "c", "q"), array("q")
    for step, value in steps:
        for one in (column, model):
            take(one, step, value)
        assert (len(column), list(column)) == (len(model), list(model))
        assert view(column).tolist() == list(model)
        assert column[1:7] == model[1:7]
    column.close()


def take(column: Mapped | array[int], step: str, value: object) -> None:
    if step == "append":
        column.append(value)
    elif step == "extend":
        column.extend(value)
    elif len(column):
        at, new = value
        at %= len(column)
        if step == "change":
            column[at] = new
        else:
            fits = new[: len(column) - at]
            column[at : at + len(fits)] = array("q", fits)


@pytest.mark.parametrize("code", "biq")
def test_numbers_that_do_not_fit_are_refused(tmp_path: Path, code: str) -> None:
    with Scratch(tmp_path / "s") as space:
        for column in (space.column(code), array(code)):
            for change in (column.append, lambda value, one=column: one.__setitem__(0, value)):
                column.append(0)
                with pytest.raises(OverflowError):
                    change(1 << 70)
            assert list(column) == [0, 0]


def test_many_rows_change_at_once(tmp_path: Path) -> None:
    with Scratch(tmp_path / "s") as space:
        column = space.column("i")
        extend(column, np.arange(10_000))
        assign(column, np.array([1, 9_999]), np.array([-5, -6]))
        assert (column[1], column[2], column[9_999]) == (-5, 2, -6)


def test_a_full_disk_is_an_error_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write to a map of a file without blocks would end the process."""

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Scratch(tmp_path / "s") as space:
        column = space.column("q")
        column.extend(range(500))
        with monkeypatch.context() as patch:
            patch.setattr(os, "posix_fallocate", full)
            with pytest.raises(OSError, match="No space"):
                column.extend(range(5000))
        assert list(column) == list(range(500))
        column.append(7)
        assert column[500] == 7
    assert not (tmp_path / "s").exists()
