"""Two snapshots of a store: every blob has one cause, and the bytes add up to the change of what is stored."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blobkit
from blobkit import DiffError, GroupingError
from blobkit.questions.diff import CAUSES
from graphs import Graph, graphs, key, node_of, snapshot_of
from layouts import Layout, Registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

NAMES = ("a", "b", "c", "r:1", "r:2")
ABSENT, GARBAGE, ONE, SEVERAL = "absent", "garbage", "live in one group", "live in several"
EXPECTED = {
    (ABSENT, GARBAGE): "added as garbage",
    (ABSENT, ONE): "added",
    (ABSENT, SEVERAL): "added",
    (GARBAGE, ABSENT): "collected",
    (GARBAGE, GARBAGE): "unchanged",
    (GARBAGE, ONE): "revived",
    (GARBAGE, SEVERAL): "revived",
    (ONE, ABSENT): "removed",
    (ONE, GARBAGE): "became garbage",
    (ONE, ONE): "unchanged",
    (ONE, SEVERAL): "became shared",
    (SEVERAL, ABSENT): "removed",
    (SEVERAL, GARBAGE): "became garbage",
    (SEVERAL, ONE): "lost its sharing",
    (SEVERAL, SEVERAL): "unchanged",
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def one_blob(state: str) -> Snapshot:
    """A store with one blob in this state, and one that is always there."""
    pins = {ABSENT: 0, GARBAGE: 0, ONE: 1, SEVERAL: 2}[state]
    names = {0: ["other:1"], 1: [f"name:{i}" for i in range(pins)]}
    return snapshot_of(Graph([5, 7][: 1 + (state != ABSENT)], [1, pins]), counting=False, names=names)


@pytest.mark.parametrize(("pair", "cause"), EXPECTED.items())
def test_every_pair_of_states_has_its_cause(pair: tuple[str, str], cause: str) -> None:
    diff = blobkit.diff(*map(one_blob, pair))
    net = 7 * ((pair[0] == ABSENT) - (pair[1] == ABSENT))
    want = {name: [0, 0, 0] for name in CAUSES} | {"unchanged": [1, 5, 0]}
    want[cause] = [want[cause][0] + 1, want[cause][1] + 7, net]
    assert diff.frame.T.to_dict("list") == want
    assert diff.net == net
    rows = diff.blobs.reset_index()[["digest", "before", "after", "cause", "size", "net"]].to_numpy().tolist()
    assert rows == ([] if cause == "unchanged" else [[key(1), *pair, cause, 7, net]])


def test_all_causes_are_there_in_order() -> None:
    frame = blobkit.diff(one_blob(ONE), one_blob(ONE)).frame
    assert tuple(frame.index) == CAUSES
    assert set(EXPECTED.values()) == set(CAUSES)
    assert frame.index.name == "cause"
    assert frame.dtypes.to_dict() == dict.fromkeys(("blobs", "bytes", "net"), "int64")


def states(graph: Graph, names: dict[int, list[str]]) -> dict[int, str]:
    """The state of every blob, by what each name alone reaches."""
    live = graph.reached(graph.pinned())
    by_name: dict[str, set[int]] = {}
    for node, of in names.items():
        for name in of:
            by_name.setdefault(name, set()).update(graph.reached([node]))
    groups = {node: sum(node in reached for reached in by_name.values()) for node in range(len(graph))}
    return {
        node: (SEVERAL if groups[node] > 1 else ONE) if node in live else GARBAGE
        for node in range(len(graph))
        if node not in graph.virtual
    }


@st.composite
def named(draw: st.DrawFn, sizes: list[int]) -> tuple[Graph, dict[int, list[str]]]:
    """A graph of blobs with these sizes, of which some pins have one of few names, and some nodes are no blobs."""
    drawn = draw(graphs(cyclic=True, largest=len(sizes)))
    virtual = draw(st.frozensets(st.integers(0, len(drawn) - 1), max_size=2))
    graph = Graph([0 if i in virtual else sizes[i] for i in range(len(drawn))], drawn.pins, drawn.links, virtual)
    few = st.lists(st.sampled_from(NAMES), unique=True)
    return graph, {node: draw(few)[: graph.pins[node]] for node in graph.pinned()}


@pytest.mark.slow
@given(st.data(), st.booleans())
def test_brute_force(data: st.DataObject, counting: bool) -> None:  # noqa: FBT001 (drawn)
    sizes = data.draw(st.lists(st.integers(0, 1000), min_size=12, max_size=12))
    sides = [data.draw(named(sizes)) for _ in range(2)]
    before, after = (snapshot_of(graph, counting=counting, names=names) for graph, names in sides)
    old, new = (states(*side) for side in sides)
    diff = blobkit.diff(before, after)
    want = {
        key(node): (pair[0], pair[1], EXPECTED[pair])
        for node in old.keys() | new.keys()
        if EXPECTED[pair := (old.get(node, ABSENT), new.get(node, ABSENT))] != "unchanged"
    }
    rows = diff.blobs[["before", "after", "cause"]].astype("str").T.to_dict("list")
    assert {digest: tuple(row) for digest, row in rows.items()} == want
    assert list(diff.blobs.index) == sorted(want)
    assert diff.frame["net"].sum() == diff.net == after.bytes - before.bytes == diff.blobs["net"].sum()
    assert diff.frame["blobs"].sum() == len(old.keys() | new.keys())
    assert diff.frame["bytes"].sum() == sum(sizes[node] for node in old.keys() | new.keys())
    assert diff.frame["blobs"].drop("unchanged").sum() == len(diff) == len(want)
    for digest, size in diff.blobs["size"].items():
        assert size == sizes[node_of(str(digest))]
    names = [{name: {key(n) for n in side if name in side[n]} for name in NAMES} for _, side in sides]
    changed = {name: (names[0][name], names[1][name]) for name in names[0] if names[0][name] != names[1][name]}
    assert {name: (set(a.split()), set(b.split())) for name, _, a, b in diff.tags.itertuples()} == changed
    for name, (was, now) in changed.items():
        assert diff.tags.loc[name, "change"] == ("added" if not was else "removed" if not now else "moved")
    assert bool(diff) == bool(want or changed)


@pytest.mark.slow
def test_a_registry_whose_tags_were_removed_and_collected_by_hand(
    dataset: Callable[[str], tuple[Path, dict[str, object]]], tmp_path: Path
) -> None:
    root, _ = dataset("dev-registry")
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    before = blobkit.scan(copy, progress=False)
    names = [name for name in blobkit.tags_frame(before).index if str(name).startswith("team-a/web:")]
    assert len(names) > 2
    preview = blobkit.simulate_deref(before, names)
    was_garbage = set(blobkit.to_frame(before).query("status == 'garbage'").index)
    for name in names:
        repository, _, tag = name.partition(":")
        shutil.rmtree(copy / "docker/registry/v2/repositories" / repository / "_manifests/tags" / tag)
    untagged = blobkit.scan(copy, progress=False)
    first = blobkit.diff(before, untagged)
    causes = first.blobs.reset_index().groupby("cause", observed=True)["digest"].agg(set).to_dict()
    assert causes.pop("lost its sharing", None)
    assert causes == {"became garbage": set(preview.digests)}
    assert first.net == 0
    assert first.tags["change"].to_dict() == dict.fromkeys(sorted(names), "removed")
    stored = sum(path.stat().st_size for path in copy.rglob("data") if "blobs" in path.parts)
    for digest in preview.digests:
        Registry.path(Shelf(copy), digest).unlink()
    left = sum(path.stat().st_size for path in copy.rglob("data") if "blobs" in path.parts)
    collected = blobkit.scan(copy, progress=False)
    second, whole = blobkit.diff(untagged, collected), blobkit.diff(before, collected)
    assert set(second.blobs.index) == set(preview.digests)
    assert set(second.blobs["cause"]) == {"collected"}
    assert whole.frame.loc["removed", ["blobs", "bytes", "net"]].tolist() == [
        len(preview),
        preview.bytes,
        -preview.bytes,
    ]
    assert second.net == whole.net == left - stored == -preview.bytes
    assert not was_garbage & set(whole.blobs.index)


class Shelf(Registry):
    """A registry that is there already."""

    def __init__(self, root: Path) -> None:
        self.root, self.v2 = root, root / "docker" / "registry" / "v2"


def test_groups_are_repositories_where_asked(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("one", "1", "base", "mine")
    before = registry.scan()
    registry.push("one", "2", "base", "other")
    same = registry.scan()
    registry.push("two", "1", "base", "third")
    base = registry.blob("base")
    assert blobkit.diff(before, same).blobs.loc[base, "cause"] == "became shared"
    assert base not in set(blobkit.diff(before, same, by="repo").blobs.index)
    diff = blobkit.diff(same, registry.scan(), by="repo")
    row = diff.blobs.loc[base]
    assert (row["cause"], row["groups_before"], row["groups_after"], row["kind"]) == ("became shared", 1, 2, "layer")
    assert blobkit.diff(before, same, by=lambda name: name).frame.equals(blobkit.diff(before, same).frame)
    with pytest.raises(GroupingError, match="groups by the names of pins, not by kind"):
        blobkit.diff(before, same, by="kind")


def test_what_an_anonymous_pin_holds_is_live_in_one_group(layout: Layout) -> None:
    digest = layout.image(None, "content")
    before = layout.scan()
    layout.add(digest, "a")
    assert blobkit.diff(before, layout.scan()).blobs.empty
    assert blobkit.diff(before, layout.scan()).tags["change"].to_dict() == {"a": "added"}


def test_names_that_move_and_names_given_twice(layout: Layout) -> None:
    one, two = layout.image("x", "one"), layout.image("y", "two")
    layout.add(one, "twice")
    before = layout.scan()
    layout.entries.clear()
    for digest, name in ((two, "x"), (two, "y"), (one, "twice"), (two, "twice")):
        layout.add(digest, name)
    tags = blobkit.diff(before, layout.scan()).tags
    assert tags.to_numpy().tolist() == [["moved", one, " ".join(sorted((one, two)))], ["moved", one, two]]
    assert tags.index.tolist() == ["twice", "x"]
    row = blobkit.diff(before, layout.scan()).blobs.loc[two]
    assert (row["tags_before"], row["tags_after"]) == (("y",), ("twice", "x", "y"))


def test_a_blob_of_another_size_is_told_and_the_sum_is_still_exact(layout: Layout) -> None:
    layout.image("x", "content")
    before, digest = layout.scan(), layout.blob("content")
    layout.path(digest).write_bytes(b"con")
    diff = blobkit.diff(before, layout.scan())
    assert diff.net == diff.frame["net"].sum() == -4
    assert diff.blobs.reset_index()[["digest", "cause", "net"]].to_numpy().tolist() == [[digest, "unchanged", -4]]
    assert "changed in size under the same digest" in str(diff)


def test_what_is_missing_is_absent_and_unreadable_manifests_are_told(layout: Layout) -> None:
    manifest = layout.image("x", "content")
    before = layout.scan()
    layout.drop(manifest)
    diff = blobkit.diff(before, layout.scan())
    assert diff.blobs.loc[manifest, "after"] == ABSENT
    assert "after: a manifest in use cannot be read" in str(diff)
    assert diff.frame.loc["became garbage", "blobs"] == 2


def test_other_kinds_and_policies_cannot_be_compared(tmp_path: Path) -> None:
    layout, registry = Layout(tmp_path / "l"), Registry(tmp_path / "r")
    with pytest.raises(DiffError, match="different kinds: oci and registry cannot be compared"):
        blobkit.diff(layout.scan(), registry.scan())
    with pytest.raises(DiffError, match=r"different policies: strong and dependent .*give policy='strong'"):
        blobkit.diff(layout.scan("strong"), layout.scan())
    assert not blobkit.diff(layout.scan("strong"), layout.scan(), policy="strong")


def test_saved_snapshots_and_addresses(layout: Layout, tmp_path: Path) -> None:
    layout.image("x", "one")
    layout.scan().save(tmp_path / "before.blobkit")
    layout.image("y", "two")
    diff = blobkit.diff(tmp_path / "before.blobkit", str(layout.root))
    assert diff.frame.loc["added", "blobs"] == 2
    assert blobkit.to_frame(diff) is diff.frame
    assert "y" in str(diff)


def test_the_later_one_given_first_is_told(layout: Layout) -> None:
    first, second = layout.scan(), layout.scan()
    assert "is the order of the two right" in str(blobkit.diff(second, first))
    assert "is the order of the two right" not in str(blobkit.diff(first, second))


@pytest.mark.slow
def test_as_html_and_json(layout: Layout) -> None:
    before = layout.scan()
    for i in range(200):
        layout.image(f"<script>{i}\x1b[2J" * 20, str(i))
    diff = blobkit.diff(before, layout.scan())
    page = diff._repr_html_()
    assert len(page) < 15_000
    assert "<script>" not in page
    assert "\x1b" not in page + str(diff)
    told = json.loads(json.dumps(diff.to_dict()))
    assert (told["net"], len(told["blobs"]), len(told["tags"])) == (diff.net, len(diff), 200)
    assert pd.DataFrame(told["causes"])["net"].sum() == diff.net
