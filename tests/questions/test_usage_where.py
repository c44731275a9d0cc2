"""Usage of chosen names, and by platform, against sets and against what dropping them really frees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blobkit
from blobkit.oci.names import IMAGE_NAME, REF_NAME
from blobkit.snapshot.snapshot import build
from graphs import Graph, graphs, key, named_graphs, snapshot_of
from layouts import Layout, Registry, sha

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit import Snapshot, Usage

    Case = tuple[Graph, dict[int, list[str]], dict[str, str | None]]

COLUMNS = ["blobs", "closure", "exclusive", "shared", "split"]


def rows_of(answer: Usage) -> dict[str, list[int]]:
    return dict(zip(answer.frame.index, answer.frame[COLUMNS].to_numpy().tolist(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("counting", [False, True])
@given(named_graphs(), st.data())
def test_chosen_names_by_sets(counting: bool, case: Case, data: st.DataObject) -> None:  # noqa: FBT001 (pytest)
    graph, names, group_of = case
    snapshot = snapshot_of(graph, counting=counting, names=names)
    mine = data.draw(st.sets(st.sampled_from(sorted(group_of)))) if group_of else set()
    mask = pd.Series([str(name) in mine for name in blobkit.tags_frame(snapshot).index], dtype=bool)
    mask.index = blobkit.tags_frame(snapshot).index
    answer = blobkit.usage(snapshot, group_of.get, where=mask)
    assert answer.frame["split"].sum() == snapshot.bytes
    reached: dict[str, set[int]] = {}
    for node, found in names.items():
        for name in mine.intersection(found):
            reached.setdefault(group_of[name] or "(other)", set()).update(graph.reached([node]))
    others = graph.reached(n for n, found in names.items() if set(found) - mine)
    union, live = set().union(*reached.values()), graph.reached(graph.pinned())
    want = {name: graph.bytes(nodes) for name, nodes in reached.items()}
    want["(other names)"] = graph.bytes(others - union)
    want["(untagged)"] = graph.bytes(live - others - union)
    want["(garbage)"] = graph.bytes(set(range(len(graph))) - live)
    closure = answer.frame["closure"].to_dict()
    assert {name: closure.get(name, 0) for name in want} == want
    assert set(closure) <= set(want)
    for group in reached:
        names_of = [name for name in mine if (group_of[name] or "(other)") == group]
        assert rows_of(answer).get(group, [0] * 5)[2] == blobkit.simulate_deref(snapshot, names_of).bytes
    pd.testing.assert_frame_equal(answer.frame, blobkit.usage(snapshot, group_of.get, where=mask.to_numpy()).frame)


def store() -> Snapshot:
    """Three names and a pin without one on blobs of 1, 2, 4 and 8 bytes; the first needs the third."""
    return build(
        "oci",
        "/s",
        nodes={"key": [key(i) for i in range(5)], "size": [1, 2, 4, 8, 16], "kind": ["layer"] * 5},
        links={"source": [0], "target": [2], "kind": ["child"]},
        pins={
            "node": [0, 1, 2, 3],
            "name": ["a/x:1", "a/x:2-rc1", "b/y:1", None],
            "group": ["a/x", "a/x", "b/y", None],
            "kind": ["entry"] * 4,
        },
    )


@pytest.mark.parametrize(
    "where",
    [
        "a/x:*",
        "re:a/.*",
        ["a/x:1", "a/x:2-rc1"],
        pd.Index(["a/x:*"]),
        np.array([True, True, False]),
        [True, True, False],
    ],
)
def test_names_are_chosen_by_mask_pattern_or_name(where: object) -> None:
    rows = rows_of(blobkit.usage(store(), "repo", where=where))  # type: ignore[arg-type]
    assert rows == {
        "a/x": [3, 7, 3, 4, 7],
        "(untagged)": [1, 8, 8, 0, 8],
        "(garbage)": [1, 16, 16, 0, 16],
    }
    only = rows_of(blobkit.usage(store(), where="a/x:2-rc1"))
    assert only["a/x:2-rc1"] == [1, 2, 2, 0, 2]
    assert only["(other names)"] == [2, 5, 5, 0, 5]


def test_kinds_of_what_chosen_names_reach() -> None:
    rows = rows_of(blobkit.usage(store(), "kind", where="a/*"))
    assert {name: row[-1] for name, row in rows.items()} == {"layer": 7, "(untagged)": 8, "(garbage)": 16}
    rows = rows_of(blobkit.usage(store(), "kind", where="a/x:2*"))
    assert {name: row[-1] for name, row in rows.items()} == {
        "layer": 2,
        "(untagged)": 8,
        "(other names)": 5,
        "(garbage)": 16,
    }


def test_a_mask_goes_by_name_and_what_is_missing_is_not_chosen() -> None:
    old = pd.Series([True, None], index=["b/y:1", "a/x:1"], dtype=object)
    assert list(rows_of(blobkit.usage(store(), where=old)))[:1] == ["b/y:1"]
    tags = blobkit.tags_frame(store())
    by_text = blobkit.usage(store(), where=tags["version"].str.contains("rc"))
    assert list(rows_of(by_text))[:1] == ["a/x:2-rc1"]
    assert not blobkit.usage(store(), where=tags["closure"] > 10**9).frame["beside"].eq(other=False).any()


@pytest.mark.parametrize(
    ("where", "error", "said"),
    [
        (7, "ChoiceError", "where is a int: give a bool mask over tags_frame"),
        ([True], "ChoiceError", r"the mask has 1 flags, but tags_frame\(x\) has 3 rows"),
        (pd.Series([True], ["zzz"]), "ChoiceError", "none of the store's tags in its index"),
        ([1, 2], "ChoiceError", "must be a mask over tags_frame, or names: it contains 1"),
        ("c*", "UnknownTargetError", r"'c\*' matches none of 3 names"),
        ("a/x", "UnknownTargetError", r"'a/x' is a repository, not a name: give the pattern 'a/x:\*'"),
        ("a/x:3", "UnknownTargetError", "nothing here is named 'a/x:3'"),
        ("re:(", "PatternError", "is not a regular expression"),
    ],
)
def test_what_chooses_nothing(where: object, error: str, said: str) -> None:
    with pytest.raises(getattr(blobkit.errors, error), match=said):
        blobkit.usage(store(), where=where)  # type: ignore[arg-type]


@pytest.mark.slow
@given(graphs(), st.data())
def test_by_platform_by_sets(graph: Graph, data: st.DataObject) -> None:
    """Brute force: what documents of a platform reach; exclusive is what nothing else does, with a platform or not."""
    made = snapshot_of(graph, counting=False)
    live = graph.reached(graph.pinned())
    platform = data.draw(st.lists(st.sampled_from(["", "p", "q"]), min_size=len(graph), max_size=len(graph)))
    nodes = {name: made.nodes[name] for name in ("key", "size", "stored")} | {"platform": platform}
    links = {name: made.links[name] for name in ("source", "target", "kind")}
    snapshot = build("oci", "/s", nodes=nodes, links=links, pins={n: made.pins[n] for n in made.pins.column_names})
    answer = blobkit.usage(snapshot, "platform")
    documents = {p: {n for n in live if platform[n] == p} for p in ("p", "q")}
    reached = {p: graph.reached(nodes) for p, nodes in documents.items() if nodes}
    rows = {p: [0] * 5 for p in reached}
    for node in live - graph.virtual:
        among = sorted(p for p, nodes in reached.items() if node in nodes)
        for place, p in enumerate(among):
            rows[p][4] += graph.sizes[node] // len(among) + (place < graph.sizes[node] % len(among))
    bare: set[int] = set()
    todo = [node for node in graph.pinned() if not platform[node]]
    while todo:
        node = todo.pop()
        if node not in bare:
            bare.add(node)
            todo += [target for target in graph.out[node] if not platform[target]]
    for p, nodes in reached.items():
        others = bare.union(*(other for name, other in reached.items() if name != p))
        closure, exclusive = graph.bytes(nodes), graph.bytes(nodes - others)
        rows[p][:4] = [len(nodes - graph.virtual), closure, exclusive, closure - exclusive]
    found = rows_of(answer)
    assert {p: row for p, row in found.items() if p in "pq"} == rows
    assert found.get("(other)", [0] * 5)[4] == graph.bytes(live - set().union(*reached.values()))
    assert answer.frame["split"].sum() == snapshot.bytes


def test_a_layer_has_the_platforms_of_the_images_that_need_it(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    images = [
        layout.manifest(layout.blob(own), layout.blob("shared layer"), config=layout.config(name))
        for name, own in (("linux", "l" * 10), ("windows", "w" * 20))
    ]
    layout.add(layout.index(*images), "multi", "application/vnd.oci.image.index.v1+json")
    snapshot = layout.scan()
    frame = blobkit.usage(snapshot, by="platform").frame
    assert frame.index.tolist() == ["linux/amd64", "windows/amd64", "(other)"]
    assert frame.loc["(other)", "blobs"] == 1  # the index
    shared = len("shared layer")
    assert frame["shared"].tolist() == [shared, shared, 0]
    kinds = blobkit.to_frame(snapshot)
    assert set(kinds.loc[kinds["kind"] == "layer", "platform"]) == {""}
    sets = blobkit.sharing(snapshot, by="platform").frame.set_index("groups")["bytes"]
    assert sets["linux/amd64", "windows/amd64"] == shared
    assert sha(b"shared layer") in kinds.index
    with pytest.raises(blobkit.errors.GroupingError, match="not by platform"):
        blobkit.diff(snapshot, snapshot, by="platform")


def test_which_old_images_of_a_team_free_most(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("shop/web", "old", "base", "w" * 100)
    registry.push("shop/web", "new", "base", "x")
    registry.push("data/etl", "old", "only old", "e" * 30)
    snapshot = registry.scan()
    old = blobkit.tags_frame(snapshot)["version"] == "old"
    frame = blobkit.usage(snapshot, by=lambda tag: tag.partition("/")[0], where=old).frame
    for team, repo in (("shop", "shop/web"), ("data", "data/etl")):
        assert frame.loc[team, "exclusive"] == blobkit.simulate_deref(snapshot, f"{repo}:old").bytes
    assert frame.loc["(other names)", "blobs"] == 2  # manifest and layer of the new image: base is paid by the old


def test_a_reference_name_chooses_the_names_that_it_stands_for(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    for whole, text in (("docker.io/library/web:1.0", "w"), ("docker.io/team/app:2.0", "app")):
        notes = {IMAGE_NAME: whole, REF_NAME: whole.rpartition(":")[2]}
        layout.add(layout.manifest(layout.blob(text)), annotations=notes)
    assert list(rows_of(blobkit.usage(layout.scan(), where="1.0"))) == ["web:1.0", "(other names)"]
