"""Links are sorted on disk as in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.snapshot.parts import sorting
from blobkit.snapshot.references import LINK_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Link = tuple[int, int, int]

NODES = 300
ENDS = st.integers(0, NODES - 1) | st.sampled_from([0, 1, NODES - 1])
LINKS = st.lists(st.tuples(ENDS, ENDS, st.integers(0, len(LINK_KINDS) - 1)), max_size=300)


def by_source(links: list[Link], place: Path, piece: int = 7) -> list[list[Link]]:
    def given_in_pieces() -> Iterator[sorting.Links]:
        for at in range(0, len(links), piece):
            source, target, kind = zip(*links[at : at + piece], strict=True)
            yield np.array(source, np.int32), np.array(target, np.int32), np.array(kind, np.int8)

    spool = sorting.LinkSpool(place, NODES)
    spool.fill(given_in_pieces())
    found = [list(zip(*(column.tolist() for column in some), strict=True)) for some in spool.sorted()]
    assert not list(place.iterdir())
    return found


@given(links=LINKS, most=st.integers(1, 9))
def test_links_are_a_sorted_set(tmp_path_factory: pytest.TempPathFactory, links: list[Link], most: int) -> None:
    place = tmp_path_factory.mktemp("links")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("AT_ONCE", 10), ("MOST", most), ("STEP", 16)):
            patch.setattr(sorting, name, value)
        found = by_source(links, place)
    assert [link for some in found for link in some] == sorted(set(links))
    assert len(found) <= most + 1


def test_a_few_links_are_one_range(tmp_path: Path) -> None:
    assert by_source([(3, 4, 0), (1, 2, 0), (3, 4, 0)], tmp_path) == [[(1, 2, 0), (3, 4, 0)]]


def test_more_nodes_than_fit_32_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "STEP", 1 << 24)
    spool = sorting.LinkSpool(tmp_path, 1 << 33)
    far = (1 << 33) - 1
    spool.fill(iter([(np.array([far, 2, far]), np.array([0, far, 0]), np.array([1, 0, 1]))]))
    assert [[column.tolist() for column in some] for some in spool.sorted()] == [[[2, far], [far, 0], [0, 1]]]


def test_one_source_with_all_links_is_one_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorting, "AT_ONCE", 10)
    monkeypatch.setattr(sorting, "STEP", 16)
    links = [(17, target, 0) for target in range(NODES)]
    assert [link for some in by_source(links, tmp_path) for link in some] == links
