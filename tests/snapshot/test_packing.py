"""Links as sorted sets: packed into one number where that fits, and the same where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.snapshot.packing import fits, pack, sorted_links, unpack
from blobkit.snapshot.references import LINK_KINDS
from blobkit.snapshot.tables import NODE_LIMIT

LAST = NODE_LIMIT - 1


def arrays(
    links: list[tuple[int, int, int]],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    columns = np.array(links, np.int64).reshape(-1, 3)
    return columns[:, 0].astype(np.int32), columns[:, 1].astype(np.int32), columns[:, 2].astype(np.int8)


@st.composite
def links(draw: st.DrawFn) -> tuple[list[tuple[int, int, int]], int, int]:
    nodes, kinds = draw(st.sampled_from([1, 3, 1 << 20, 1 << 29, NODE_LIMIT])), draw(st.integers(1, 100))
    near = st.integers(0, nodes - 1) | st.integers(max(0, nodes - 3), nodes - 1) | st.integers(0, min(3, nodes - 1))
    return draw(st.lists(st.tuples(near, near, st.integers(0, kinds - 1)), max_size=30)), nodes, kinds


@pytest.mark.slow
@given(links())
def test_links_are_sorted_as_a_set(given_links: tuple[list[tuple[int, int, int]], int, int]) -> None:
    found, nodes, kinds = given_links
    columns = sorted_links(arrays(found), nodes, kinds)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == sorted(set(found))
    assert [column.dtype for column in columns] == [np.int32, np.int32, np.int8]


@pytest.mark.slow
@given(links())
def test_what_fits_is_unpacked_as_it_was(given_links: tuple[list[tuple[int, int, int]], int, int]) -> None:
    found, nodes, kinds = given_links
    if fits(nodes, kinds):
        columns = unpack(pack(arrays(found), nodes, kinds), nodes, kinds)
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == found


def test_a_ninth_kind_of_link_between_the_last_nodes_is_no_overflow() -> None:
    assert len(LINK_KINDS) > 8, "more kinds than three bits hold"
    source, target, kind = sorted_links(arrays([(LAST, 0, 8), (LAST - 1, LAST, 8)]), NODE_LIMIT, 9)
    assert (source.tolist(), target.tolist(), kind.tolist()) == ([LAST - 1, LAST], [LAST, 0], [8, 8])


@pytest.mark.parametrize(
    ("nodes", "kinds", "whether"), [(NODE_LIMIT, 8, True), (NODE_LIMIT, 9, False), (1 << 29, 32, True)]
)
def test_whether_a_link_fits_one_number(nodes: int, kinds: int, *, whether: bool) -> None:
    assert fits(nodes, kinds) is whether
