"""Reach and growth, against networkx, sets and plain sums."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blobkit
from blobkit.snapshot.snapshot import build
from graphs import Graph, key, named_graphs, node_of, snapshot_of
from layouts import Layout, Registry, sha

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit import Snapshot


@pytest.mark.slow
@given(named_graphs(), st.data())
def test_reach_by_larger_and_larger_steps(
    case: tuple[Graph, dict[int, list[str]], object], data: st.DataObject
) -> None:
    graph, names, _ = case
    snapshot = snapshot_of(graph, counting=False, names=names)
    every = sorted({name for found in names.values() for name in found})
    stored = sorted(set(range(len(graph))) - graph.virtual)
    pool = [*every, *map(key, stored)]
    if not pool:
        return
    targets = data.draw(st.lists(st.sampled_from(pool), min_size=1, max_size=3))
    roots = {node_of(text) for text in targets if ":" in text} | {n for n, f in names.items() if set(f) & set(targets)}
    depth = graph.depths(roots)
    frame = blobkit.reach(snapshot, targets)
    assert {node_of(digest): d for digest, d in frame["depth"].items()} == {
        n: depth[n] for n in stored if depth[n] >= 0
    }
    assert frame.reset_index()[["depth", "digest"]].apply(tuple, axis=1).is_monotonic_increasing
    whole = blobkit.to_frame(snapshot).drop(columns="depth")
    pd.testing.assert_frame_equal(frame.drop(columns="depth"), whole.loc[frame.index])


def test_a_tag_reaches_what_networkx_says(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    image = registry.push("a", "1", "base", "own")
    registry.push("b", "1", "base", "other")
    snapshot = registry.scan()
    frame = blobkit.reach(snapshot, "a:1")
    assert (frame.index.name, str(frame["depth"].dtype), frame.columns[0]) == ("digest", "int32", "depth")
    assert set(frame.index) == {image} | nx.descendants(blobkit.to_graph(snapshot), image)
    assert frame["size"].sum() == blobkit.tags_frame(snapshot).loc["a:1", "closure"]
    assert frame["depth"].to_dict() == {d: int(d != image) for d in frame.index}
    both = blobkit.reach(snapshot, "*:1", columns="size")
    assert (len(both), list(both)) == (blobkit.to_frame(snapshot)["reachable"].sum(), ["depth", "size"])
    assert set(blobkit.reach(snapshot, image[7:20]).index) == set(frame.index)
    assert list(blobkit.reach(snapshot, sha(b"own"), columns=["tags"])["depth"]) == [0]
    pd.testing.assert_frame_equal(
        blobkit.reach(tmp_path, "a:1", policy="gc-m"), blobkit.reach(registry.scan("gc-m"), "a:1")
    )
    for bad in ("c:1", [], "x*"):
        with pytest.raises(blobkit.errors.UnknownTargetError):
            blobkit.reach(snapshot, bad)


def test_garbage_and_names_on_several_blobs_reach_too(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    one, two = layout.image("same", "a"), layout.image("same", "b")
    lost = layout.manifest(layout.blob("c"))
    snapshot = layout.scan()
    frame = blobkit.reach(snapshot, "same")
    assert set(frame.index[frame["depth"] == 0]) == {one, two}
    assert sha(b"c") not in blobkit.reach(snapshot, "same").index
    assert lost in blobkit.reach(snapshot, lost).index


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def store(*blobs: tuple[int, str | None], time: str = "2026-01-02") -> Snapshot:
    when = [-1 if day is None else int(moment(day).timestamp() * 1e6) for _, day in blobs]
    return build(
        "oci",
        "/s",
        nodes={"key": [key(i) for i in range(len(blobs))], "size": [size for size, _ in blobs], "modified": when},
        links={"source": [], "target": []},
        pins={"node": []},
        time=moment(time),
    )


def test_growth_by_month() -> None:
    frame = blobkit.growth(
        store((1, "2025-01-31T23:59:59.999999"), (2, "2025-02-01"), (4, None), (8, "2025-05-09"), (16, "2025-02-28"))
    )
    assert (frame.index.name, str(frame.index.dtype)) == ("month", "period[M]")
    assert frame.index.astype(str).tolist() == ["2025-01", "2025-02", "2025-03", "2025-04", "2025-05"]
    assert frame["new"].tolist() == [1, 18, 0, 0, 8]
    assert frame["total"].tolist() == [1, 19, 19, 19, 27]
    assert frame["unknown"].tolist() == [4] * 5
    assert (frame.dtypes == np.int64).all()


@pytest.mark.parametrize("blobs", [(), ((7, None),)])
def test_growth_where_no_time_is_known(blobs: tuple[tuple[int, None], ...]) -> None:
    frame = blobkit.growth(store(*blobs))
    assert frame.index.astype(str).tolist() == ["2026-01"]
    assert frame.iloc[0].tolist() == [0, 0, sum(size for size, _ in blobs)]


@pytest.mark.slow
@given(st.lists(st.tuples(st.integers(0, 99), st.none() | st.integers(0, 900)), max_size=9))
def test_growth_adds_up_to_what_is_stored(blobs: list[tuple[int, int | None]]) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    days = [(size, None if n is None else (start + timedelta(n)).strftime("%Y-%m-%d")) for size, n in blobs]
    frame = blobkit.growth(store(*days))
    by_month: dict[str, int] = {}
    for size, day in days:
        if day:
            by_month[day[:7]] = by_month.get(day[:7], 0) + size
    assert {str(month): new for month, new in frame["new"].items() if new} == {m: n for m, n in by_month.items() if n}
    assert frame["new"].cumsum().equals(frame["total"])
    assert frame["total"].iloc[-1] + frame["unknown"].iloc[0] == sum(size for size, _ in blobs)


def test_several_snapshots_tell_what_was_measured() -> None:
    early, late = store((1, None), (2, "2020-01-01"), time="2025-01-01"), store((2, None), time="2025-03-01")
    frame = blobkit.growth([late, early])
    assert (frame.index.name, str(frame.index.dtype)) == ("time", "datetime64[us, UTC]")
    assert frame.index.tolist() == [early.time, late.time]
    assert frame.to_numpy().tolist() == [[3, 3, 0], [-1, 2, 0]]
    assert blobkit.growth(iter([early])).index.tolist() == [early.time]
    assert blobkit.growth([]).empty
    other = build(
        "registry", "/r", nodes={"key": [], "size": []}, links={"source": [], "target": []}, pins={"node": []}
    )
    with pytest.raises(blobkit.errors.DiffError, match="oci, registry"):
        blobkit.growth([early, other])


def test_growth_of_a_real_store(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("a", "1", "base", "own")
    frame = blobkit.growth(tmp_path)
    assert frame["total"].iloc[-1] == registry.scan().bytes
