"""One row a blob: the schema as promised, and what each column says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given

import blobkit
from blobkit.snapshot.snapshot import build
from graphs import Graph, graphs, key, node_of, snapshot_of
from layouts import Layout, Registry

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

KINDS = [
    *["index", "manifest", "config", "layer", "artifact", "blob", "snapshot"],
    *["image", "container", "volume", "cache", "file", "unknown"],
]
STATUS = ["live", "garbage", "fresh", "unknown"]
TIME = "datetime64[us, UTC]"
NUMBERS = ("size", "refcount", "pins", "links_in", "links_out", "retained", "frees")
TYPES = dict.fromkeys(NUMBERS, "int64") | {
    "reachable": "bool",
    "depth": "int32",
    "kind": pd.CategoricalDtype(KINDS),
    "platform": "str",
    "media_type": "str",
    "created": TIME,
    "modified": TIME,
    "tags": "object",
    "status": pd.CategoricalDtype(STATUS),
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def picture() -> Snapshot:
    """A live blob, its absent child, a virtual node, and garbage of three ages at noon."""
    noon = 12 * 3600 * 1_000_000
    nodes = {
        "key": [*map(key, range(5)), "repo@" + key(0)],
        "size": [10, 0, 1, 2, 4, 0],
        "stored": ["yes", "missing", "yes", "yes", "yes", "virtual"],
        "modified": [0, -1, noon - 1_000_000, noon - 3600_000_000, -1, -1],
        "kind": ["manifest", "layer", "blob", "blob", "blob", "unknown"],
    }
    links = {"source": [0, 5], "target": [1, 0], "kind": ["layer", "revision"]}
    pins = {"node": [0], "name": ["r:1"], "kind": ["tag"], "group": ["r"]}
    time = datetime(1970, 1, 1, 12, tzinfo=UTC)
    return build("registry", "/r", nodes=nodes, links=links, pins=pins, time=time)


def check_schema(frame: pd.DataFrame) -> None:
    assert {name: frame[name].dtype for name in frame} == {name: pd.Series(dtype=t).dtype for name, t in TYPES.items()}
    assert list(frame) == list(TYPES)
    assert frame.index.name == "digest"
    assert frame.index.dtype == "str"
    assert frame.index.is_unique
    assert frame.index.is_monotonic_increasing
    assert all(isinstance(tags, tuple) and list(tags) == sorted(tags) for tags in frame["tags"])


@pytest.mark.slow
@given(graphs(cyclic=True))
def test_schema_of_any_graph(graph: Graph) -> None:
    check_schema(blobkit.to_frame(snapshot_of(graph, counting=True)))


def test_schema_of_an_empty_store(layout: Layout) -> None:
    frame = blobkit.to_frame(layout.scan())
    check_schema(frame)
    assert frame.empty


@pytest.mark.slow
@given(graphs(cyclic=True))
def test_references_are_pins_and_links(graph: Graph) -> None:
    frame = blobkit.to_frame(snapshot_of(graph, counting=False))
    assert frame["size"].tolist() == graph.sizes
    assert frame["pins"].tolist() == graph.pins
    assert frame["links_in"].tolist() == [len(links) for links in graph.into]
    assert frame["links_out"].tolist() == [len(links) for links in graph.out]
    assert frame["refcount"].tolist() == [p + len(links) for p, links in zip(graph.pins, graph.into, strict=True)]
    live = graph.reached(graph.pinned())
    assert set(map(node_of, frame.index[frame["reachable"]])) == live
    assert frame["status"].tolist() == ["live" if node in live else "garbage" for node in range(len(graph))]


@pytest.mark.parametrize("policy", ["tags", "revisions", "gc", "gc-m"])
def test_refcount_is_what_counts_under_each_policy(tmp_path: Path, policy: str) -> None:
    registry = Registry(tmp_path)
    image = registry.push("r", "1", "base", "top")
    registry.tag("r", "2", image)
    frame = blobkit.to_frame(registry.scan(policy), virtual=True)
    assert (frame["refcount"] == frame["pins"] + frame["links_in"]).all()
    row, virtual_node = frame.loc[image], frame.loc[f"r@{image}"]
    want = {"tags": (2, 0, 0), "revisions": (0, 1, 1), "gc": (0, 1, 1), "gc-m": (0, 1, 2)}[policy]
    assert (row["pins"], row["links_in"], virtual_node["pins"]) == want
    assert row["links_out"] == (0 if policy.startswith("gc") else 3)


def test_an_image_in_every_column(layout: Layout) -> None:
    config = layout.config(variant="v8", created="2024-02-03T04:05:06.789Z")
    layer = layout.blob("layer")
    image = layout.add(layout.manifest(layer, config=config), "b")
    layout.add(image, "a")
    row = blobkit.to_frame(layout.scan(), links=True).loc[image]
    assert row["tags"] == ("a", "b")
    assert row["links"] == tuple(sorted((config, layer)))
    assert (row["kind"], row["platform"], row["media_type"].endswith("manifest.v1+json")) == (
        "manifest",
        "linux/amd64/v8",
        True,
    )
    assert row["created"] == pd.Timestamp("2024-02-03T04:05:06.789Z")
    assert row["modified"].value // 1000 == layout.path(image).stat().st_mtime_ns // 1000
    assert row["size"] == layout.size(image)
    assert row["retained"] == row["frees"] == layout.size(image, config, layer)


def test_what_is_not_known_is_no_time_and_no_text(picture: Snapshot) -> None:
    frame = blobkit.to_frame(picture)
    assert frame["created"].isna().all()
    assert frame.loc[key(4), "modified"] is pd.NaT
    assert set(frame["platform"]) == set(frame["media_type"]) == {""}


def test_tags_name_a_blob_whether_or_not_they_hold(picture: Snapshot) -> None:
    assert blobkit.to_frame(picture.with_policy("gc")).loc[key(0), "tags"] == ("r:1",)


def test_a_name_given_twice_is_one_tag(layout: Layout) -> None:
    image = layout.image("x", "content")
    layout.add(image, "x")
    assert blobkit.to_frame(layout.scan()).loc[image, "tags"] == ("x",)


def test_absent_nodes_and_stand_ins_on_request(picture: Snapshot) -> None:
    stored = {key(i): "yes" for i in (0, 2, 3, 4)}
    assert list(blobkit.to_frame(picture).index) == list(stored)
    assert blobkit.to_frame(picture, absent=True)["stored"].to_dict() == stored | {key(1): "missing"}
    assert blobkit.to_frame(picture, virtual=True)["stored"].to_dict() == stored | {"repo@" + key(0): "virtual"}
    assert len(blobkit.to_frame(picture, absent=True, virtual=True)) == 6


def test_young_garbage_is_fresh_and_of_unknown_age_never(picture: Snapshot) -> None:
    def status(min_age: str | pd.Timedelta | None) -> list[str]:
        return blobkit.to_frame(picture, min_age=min_age)["status"].tolist()

    assert status(None) == ["live", "garbage", "garbage", "garbage"]
    assert status("30min") == ["live", "fresh", "garbage", "garbage"]
    assert status(pd.Timedelta(hours=2)) == ["live", "fresh", "fresh", "garbage"]
    assert status("1h") == ["live", "fresh", "garbage", "garbage"]


def test_what_nothing_reaches_is_unknown_while_a_root_cannot_be_read(layout: Layout) -> None:
    layout.add(layout.drop(layout.manifest(layout.blob("inner"))), "broken")
    frame = blobkit.to_frame(layout.scan(), min_age="24h")
    assert len(frame) == 2
    assert set(frame["status"]) == {"unknown"}


def test_an_unreadable_document_that_nothing_reaches_makes_nothing_unknown(layout: Layout) -> None:
    layout.index(layout.drop(layout.manifest()))
    assert "unknown" not in set(blobkit.to_frame(layout.scan())["status"])


def test_columns_are_those_asked_for_in_that_order(layout: Layout) -> None:
    layout.image("x", "content")
    frame = blobkit.to_frame(layout.scan(), columns=["frees", "size"])
    assert list(frame) == ["frees", "size"]
    assert list(blobkit.to_frame(layout.scan(), columns=["size"], links=True)) == ["size", "links"]
    assert list(blobkit.to_frame(layout.scan(), columns="size")) == ["size"]
    with pytest.raises(ValueError, match=r"no column 'bytes'.*'?size"):
        blobkit.to_frame(layout.scan(), columns=["bytes"])


def test_an_answer_gives_its_own_table(layout: Layout) -> None:
    layout.image("x", "content")
    preview = blobkit.simulate_deref(layout.scan(), "x")
    assert blobkit.to_frame(preview) is preview.frame


def test_what_can_be_asked(layout: Layout) -> None:
    layout.image("x", "content")
    snapshot = layout.scan()
    pd.testing.assert_frame_equal(blobkit.to_frame(layout.root), blobkit.to_frame(snapshot))
    with pytest.raises(TypeError, match="int cannot be audited"):
        blobkit.to_frame(7)  # type: ignore[arg-type]


def test_frame_columns_are_plain_numpy_or_text(layout: Layout) -> None:
    layout.image("x", "content")
    frame = blobkit.to_frame(layout.scan())
    assert all(isinstance(frame[name].to_numpy(), np.ndarray) for name in frame)
    frame["size"] = 0
    assert blobkit.to_frame(layout.scan())["size"].sum() > 0
