"""The rows of the tree table against a plain sort of plain dicts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blobkit
from blobkit import demo
from blobkit.errors import PatternError
from blobkit.questions.row_columns import NEVER, RowColumns
from blobkit.questions.rows import BLOB, BLOBS_LISTED, MORE, NAME, REPOSITORY, SORTS, Rows, Ticks, View
from blobkit.questions.what_if import what_if
from blobkit.snapshot.snapshot import build

if TYPE_CHECKING:
    import pandas as pd

    from blobkit.questions.what_if import WhatIf
    from blobkit.snapshot.snapshot import Snapshot

NOW = datetime(2026, 6, 1, tzinfo=UTC)
AGES = {"a/x:1": 1, "a/x:2": 40, "a/x:3": 40, "a/x:same": 400, "a/x:unknown": None, "a/y:1": 100, "b:1": 3, "b:2": 500}
IMAGES = {"a/x:1": 0, "a/x:2": 1, "a/x:3": 2, "a/x:same": 0, "a/x:unknown": 3, "a/y:1": 4, "b:1": 5, "b:2": 6}


@pytest.fixture(scope="module")
def store() -> Snapshot:
    """Eight names in three repositories; two names are on one image, one has no time."""
    times = [None if AGES[name] is None else NOW - timedelta(days=AGES[name]) for name in IMAGES]
    since = [None if time is None else int(time.timestamp()) * 1_000_000 for time in times]
    pins = {
        "node": list(IMAGES.values()),
        "name": list(IMAGES),
        "group": [name.partition(":")[0] for name in IMAGES],
        "kind": "tag",
        "modified": since,
    }
    keys = [f"sha256:{i:064x}" for i in range(7)]
    nodes = {"key": keys, "size": [7, 6, 5, 4, 1, 2, 3], "kind": "manifest"}
    return build("registry", "here", nodes=nodes, links={"source": [], "target": []}, pins=pins, time=NOW)


@cache
def images() -> Snapshot:
    return demo.small().snapshot()


@cache
def tags_and_usage() -> tuple[pd.DataFrame, pd.DataFrame]:
    return blobkit.tags_frame(images()), blobkit.usage(images(), by="repo").frame


@cache
def freed(*names: str, group: str = "") -> int:
    """What dropping these together frees."""
    groups = [group] if group else []
    return blobkit.simulate_deref(images(), *names, groups=groups).bytes if names or group else 0


def ticks_of(found: WhatIf, turn: int = 0) -> Ticks:
    return Ticks(found.now.names, found.now.owners.bytes, found.now.owners.owner, turn)


def shown(x: Snapshot, view: View, *ticked: str) -> list[str]:
    """The names of the rows, those of names indented."""
    found = what_if(x)
    if ticked:
        found.tick(*ticked)
    rows = Rows(RowColumns(x))
    listing = rows.listing(view, ticks_of(found))
    return [
        "  " * int(level) + (found.owner_name(label) if label < rows.nodes_from else "blob")
        for label, level in zip(listing.label.tolist(), listing.level.tolist(), strict=True)
    ]


def test_repositories_come_by_what_they_free_and_names_below_open_ones(store: Snapshot) -> None:
    assert shown(store, View()) == ["a/x", "b", "a/y"]
    place = what_if(store).tree.names
    opened = View(open=(place,), sort="name", up=True)
    inside = ["  a/x:1", "  a/x:2", "  a/x:3", "  a/x:same", "  a/x:unknown"]
    assert shown(store, opened) == ["a/x", *inside, "a/y", "b"]


@pytest.mark.parametrize(
    ("search", "expected"),
    [("x:", 5), ("a/*:1", 2), ("[23]", 3), ("re:^b", 2), ("nothing", 0), (" a/y ", 1), ("?:1", 3)],
)
def test_a_pattern_is_found_anywhere(store: Snapshot, search: str, expected: int) -> None:
    assert len(shown(store, View(flat=True, search=search))) == expected


def test_a_wrong_pattern_is_an_error(store: Snapshot) -> None:
    with pytest.raises(PatternError):
        shown(store, View(search="re:("))


def test_the_newest_are_counted_by_image_and_unknown_times_are_spared(store: Snapshot) -> None:
    assert shown(store, View(flat=True, keep=1, sort="name", up=True)) == ["a/x:2", "a/x:3", "b:2"]
    assert shown(store, View(flat=True, keep=2, sort="name", up=True)) == ["a/x:2"]
    assert shown(store, View(flat=True, keep=9)) == []


@pytest.mark.parametrize("keep", [0, 1, 2, 3])
@pytest.mark.parametrize("older", [0, 40, 101])
def test_the_filters_leave_what_a_plan_with_these_rules_may_drop(store: Snapshot, keep: int, older: int) -> None:
    spared = blobkit.plan(store, older_than=f"{older}d", keep_last=keep).spared.set_index("tag")["why"]
    free = {name for name in IMAGES if not str(spared.get(name, "")).startswith(("among", "not older", "its time"))}
    assert set(shown(store, View(flat=True, keep=keep, older=older))) == free


def test_only_ticked_names_can_be_shown(store: Snapshot) -> None:
    assert shown(store, View(flat=True, only=True), "b:2", "a/y:1") == ["b:2", "a/y:1"]
    assert shown(store, View(only=True), "b:2") == ["b"]


@settings(max_examples=25)
@given(
    st.sampled_from(SORTS), st.booleans(), st.booleans(), st.sets(st.sampled_from(sorted(IMAGES))), st.integers(0, 12)
)
def test_windows_show_what_a_plain_sort_shows(sort: str, up: bool, flat: bool, ticked: set[str], start: int) -> None:  # noqa: FBT001
    x, (tags, usage) = images(), tags_and_usage()
    dropped = sorted({str(tags.index[len(name) % len(tags)]) for name in ticked})
    found = what_if(x)
    if dropped:
        found.tick(*dropped)
    columns = RowColumns(x)
    rows, tree = Rows(columns), columns.tree
    view = View(sort=sort, up=up, flat=flat, open=tuple(range(tree.names, tree.first_namespace)))
    window = rows.window(view, ticks_of(found), start, 7)
    every = rows.listing(view, ticks_of(found))
    assert window.label.tolist() == every.label[start : start + 7].tolist()
    for i, label in enumerate(window.label.tolist()):
        name = found.owner_name(label)
        if label < tree.names:
            assert window.alone[i] == freed(name)
            assert window.next[i] == freed(name, *dropped) - freed(*dropped)
            assert window.closure[i] == tags.loc[name, "closure"]
            assert window.ticked[i] == (name in dropped)
            assert window.number[i] == tags.loc[name, "same_digest"]
        else:
            mine = tags.index[tags["repo"] == name]
            assert window.alone[i] == freed(group=name)
            assert window.closure[i] == usage.loc[name, "closure"]
            assert window.number[i] == len(mine)
            assert window.ticked[i] == (set(mine) <= set(dropped))
            assert window.part[i] == (0 < len(set(mine) & set(dropped)) < len(mine))
    of_names = every.label[every.label < tree.names]
    assert sorted(of_names.tolist()) == list(range(tree.names))
    if flat and sort != "name":
        key = {"alone": columns.alone, "next": found.now.owners.bytes, "closure": columns.closure}.get(sort)
        values = (columns.modified if key is None else key)[of_names]
        assert (np.diff(values) >= 0).all() if up else (np.diff(values) <= 0).all()


def test_the_blobs_of_an_open_name_say_whether_they_go() -> None:
    x = images()
    found = what_if(x)
    found.tick("shop/web:1.0")
    columns = RowColumns(x)
    rows = Rows(columns)
    place = found.ticked.index("shop/web:1.0") + int(np.flatnonzero(found.now.names)[0])
    window = rows.window(View(flat=True, open=(place,)), ticks_of(found), 0, 40)
    nodes = window.label[window.kind == BLOB] - rows.nodes_from
    goes = {x.key(node) for node in nodes[window.ticked[window.kind == BLOB]].tolist()}
    assert goes == set(blobkit.simulate_deref(x, "shop/web:1.0").digests)
    assert {x.key(node) for node in nodes.tolist()} == set(blobkit.reach(x, "shop/web:1.0").index)
    assert window.closure[window.kind == BLOB].tolist() == sorted(x.graph.size[nodes].tolist(), reverse=True)
    assert set(window.kind.tolist()) == {NAME, BLOB}


def test_of_very_many_blobs_the_biggest_are_listed_and_the_others_counted() -> None:
    n = BLOBS_LISTED + 21
    links = {"source": [0] * n, "target": list(range(1, n + 1)), "kind": "layer"}
    nodes = {"key": [f"sha256:{i:064x}" for i in range(n + 1)], "size": list(range(n + 1))}
    x = build("oci", "here", nodes=nodes, links=links, pins={"node": [0], "name": ["big"], "kind": "entry"})
    rows = Rows(RowColumns(x))
    window = rows.window(View(flat=True, open=(0,)), ticks_of(what_if(x)), 0, n + 10)
    assert window.kind.tolist() == [NAME, *[BLOB] * BLOBS_LISTED, MORE]
    assert (window.number[-1], window.closure[-1]) == (22, sum(range(22)))


def test_a_range_is_what_lies_between_in_the_order_of_the_view(store: Snapshot) -> None:
    rows, ticks = Rows(RowColumns(store)), ticks_of(what_if(store))
    view = View(flat=True, sort="modified")
    order = rows.listing(view, ticks).label.tolist()
    assert rows.between(view, ticks, order[5], order[2]).tolist() == order[2:6]
    assert rows.between(view, ticks, order[2], order[2]).tolist() == order[2:3]
    assert rows.between(view, ticks, order[2], 10_000).tolist() == []


def test_an_order_is_found_once_until_what_it_sorts_by_changes(store: Snapshot) -> None:
    rows, found = Rows(RowColumns(store)), what_if(store)
    by_bytes = rows.listing(View(), ticks_of(found))
    by_next = rows.listing(View(sort="next"), ticks_of(found))
    found.tick("b:1")
    assert rows.listing(View(sort="next"), ticks_of(found, 1)) is not by_next
    again = rows.listing(View(), ticks_of(found, 1))
    assert again is rows.listing(View(), ticks_of(found, 2))
    assert again.label.tolist() == by_bytes.label.tolist()


def test_a_store_without_names_has_no_rows() -> None:
    x = build("oci", "here", nodes={"key": [], "size": []}, links={"source": [], "target": []}, pins={"node": []})
    rows, ticks = Rows(RowColumns(x)), ticks_of(what_if(x))
    for sort in SORTS:
        for flat in (True, False):
            assert len(rows.window(View(sort=sort, flat=flat, keep=1, older=3), ticks, 0, 20).label) == 0


def test_unknown_times_come_last(store: Snapshot) -> None:
    columns = RowColumns(store)
    assert columns.modified[columns.modified == NEVER].size == 1
    assert shown(store, View(flat=True, sort="modified"))[-1] == "a/x:unknown"
    assert REPOSITORY == 1
