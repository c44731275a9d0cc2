"""Blocks of an icicle: in each row the parts add up, and each block is as wide as what really goes."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blobkit
from blobkit.questions.blocks import BLOB, NAMELESS, PLACE, RANKS, SEVERAL, SMALLER, Block, Places, blocks
from blobkit.questions.places import places_of
from registries import Images, images


@st.composite
def trees(draw: st.DrawFn) -> Places:
    """Return places of any shape: names in repositories in namespaces, and nodes that any place keeps, or none."""
    numbers = [draw(st.integers(1, 7)), draw(st.integers(1, 4)), draw(st.integers(1, 3))]
    tags, repositories, namespaces = numbers
    store = sum(numbers) + 1
    up = [tags + draw(st.integers(0, repositories - 1)) for _ in range(tags)]
    up += [tags + repositories + draw(st.integers(0, namespaces - 1)) for _ in range(repositories)]
    up += [store] * (namespaces + 2)
    ranks = ["tag"] * tags + ["repository"] * repositories + ["namespace"] * namespaces + [NAMELESS, "store"]
    nodes = draw(st.lists(st.tuples(st.integers(-1, store), st.integers(0, 50)), max_size=25))
    label, size = np.array([*nodes, (store, 0)]).T
    plain = frozenset({tags}) if draw(st.booleans()) else frozenset()
    rank = np.array([RANKS.index(rank) for rank in ranks], np.int8)
    return Places(np.array(up, np.int32), rank, label.astype(np.int32), size.astype(np.int64), str, str, plain)


def freed_of(places: Places, seed: int) -> np.ndarray:
    nodes = np.flatnonzero(places.label >= 0).astype(np.int32)
    return nodes[np.random.default_rng(seed).random(len(nodes)) < 0.5]


def below(places: Places, place: int) -> set[int]:
    """Return a place and all below it, slowly."""
    found = {place}
    for one in range(place - 1, -1, -1):
        if int(places.up[one]) in found:
            found.add(one)
    return found


def parents(found: list[Block]) -> dict[Block, list[Block]]:
    """Return for each block those in the next row that lie below it."""
    parts: dict[Block, list[Block]] = defaultdict(list)
    for one in found:
        for other in found:
            if other.level == one.level + 1 and one.x <= other.x and other.x + other.width <= one.x + one.width:
                parts[one].append(other)
    return parts


@settings(max_examples=60)
@given(trees(), st.integers(1, 60), st.integers(0, 9))
def test_parts_add_up_and_are_what_each_place_keeps(places: Places, parts: int, seed: int) -> None:
    freed = freed_of(places, seed)
    found = blocks(places, freed, parts=parts, levels=6)
    gone = np.isin(np.arange(len(places.size)), freed)
    for one in found:
        if one.kind in {PLACE, NAMELESS} and one.level:
            inside = np.isin(places.label, list(below(places, one.place)))
            assert (one.width, one.freed) == (places.size[inside].sum(), places.size[inside & gone].sum())
        if one.kind == SEVERAL:
            own = places.label == one.place
            assert (one.width, one.freed) == (places.size[own].sum(), places.size[own & gone].sum())
        if one.kind == BLOB:
            assert (one.width, one.freed) == (places.size[one.place], places.size[one.place] * gone[one.place])
    for one, row in parents([block for block in found if block.width]).items():
        assert sum(part.width for part in row) == one.width
        assert sum(part.freed for part in row) == one.freed
        assert [part.x for part in row] == sorted(part.x for part in row)


def test_a_repository_without_names_is_not_passed_over() -> None:
    """What it keeps would be in no row."""
    up, rank = np.array([1, 2, 2], np.int32), np.array([1, 2, 4], np.int8)
    places = Places(up, rank, np.array([0, 1], np.int32), np.array([5, 7]), str, str, frozenset({0}))
    found = blocks(places, levels=6)
    assert [sum(one.width for one in found if one.level == level) for level in range(3)] == [12, 12, 12]


@settings(max_examples=40)
@given(trees(), st.integers(0, 8))
def test_pages_show_each_child_once(places: Places, skip: int) -> None:
    children = places.children(places.store)
    page = blocks(places, skip=skip, levels=2)[1:] if skip else blocks(places, parts=10**6, levels=2)[1:]
    shown = [one.place for one in page if one.kind in {PLACE, NAMELESS}]
    wide = [int(places.whole[one]) for one in children.tolist()]
    assert shown == [one for one in children[skip:].tolist() if places.whole[one]]
    assert wide == sorted(wide, reverse=True)


def test_narrow_children_are_one_block_that_leads_to_them() -> None:
    made = Images()
    for i in range(100):
        size = 1e6 if i < 3 else 1e3
        made.tags.append((made.blob("layer", size), f"r{i:02}:1", f"r{i:02}"))
    places = places_of(made.snapshot())
    *_, smaller = blocks(places, parts=20, levels=2)
    assert (smaller.kind, smaller.name, smaller.number, smaller.within) == (SMALLER, "97 smaller", 3, PLACE)
    top, *page = blocks(places, zoom=(smaller.within, smaller.place), skip=smaller.number, levels=2)
    assert [one.kind for one in page] == [PLACE] * 60
    assert (top.name, top.width) == ("everything in use: 4 to 63 of 100", 60_000)
    top, *page = blocks(places, zoom=(PLACE, places.store), skip=63, levels=2)
    assert (len(page), top.width) == (37, 37_000)


def test_equal_children_are_shown_page_by_page() -> None:
    made = Images()
    for i in range(200):
        made.tags.append((made.blob("layer", 1e3), f"r{i:03}:1", f"r{i:03}"))
    top, *page = blocks(places_of(made.snapshot()), parts=50, levels=2)
    assert (top.name, len(page)) == ("everything in use: 1 to 60 of 200", 60)


def test_the_blobs_of_what_several_keep_are_shown_when_zoomed() -> None:
    made = Images()
    base = made.blob("layer", 1e6)
    made.tags += [(made.image([base]), "web:1", "web"), (made.image([base]), "web:2", "web")]
    places = places_of(made.snapshot())
    (several,) = [one for one in blocks(places) if one.kind == SEVERAL]
    assert several.name == "kept by several tags"
    top, blob = blocks(places, zoom=(several.kind, several.place))
    assert (top.width, blob.width, blob.kind, blob.name) == (10**6, 10**6, BLOB, "layer of web:1")
    without = blocks(places, shared=False)
    assert without[0].width == blocks(places)[0].width  # one repository keeps all
    assert SEVERAL in {one.kind for one in without}


@pytest.mark.slow
def test_each_block_is_as_wide_as_what_dropping_it_frees() -> None:
    snapshot = images(200, teams=3)
    places = places_of(snapshot)
    tags = blobkit.tags_frame(snapshot)
    found = [one for one in blocks(places, parts=10**6, levels=4) if one.kind == PLACE and one.level]
    path: dict[int, str] = {}
    for one in found:
        above = path.get(int(places.up[one.place]), "")
        path[one.place] = f"{above}{':' if RANKS[places.rank[one.place]] == 'tag' else ''}{one.name}"
        dropped = [tag for tag in tags.index if tag.startswith(path[one.place].rstrip("/") + ("/" * (one.level == 1)))]
        if one.level == 2:
            dropped = tags.index[tags["repo"] == path[one.place]].tolist()
        if one.level == 3:
            dropped = [path[one.place]]
        assert one.width == blobkit.simulate_deref(snapshot, *dropped).bytes
    assert {one.level for one in found} == {1, 2, 3}
