"""What uses the space, against sets and repeated passes, and against what dropping each group really frees."""

from __future__ import annotations

import json
import shutil
from types import MappingProxyType
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings

import blobkit
from blobkit import demo
from blobkit.analysis import groups as analysis
from blobkit.cli import cli
from blobkit.snapshot.snapshot import build
from effort import TORTURE
from example_shapes import Shapes
from graphs import Graph, hard_graph, key, named_graphs, snapshot_of
from layouts import Layout, Registry
from registries import images

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from blobkit import Snapshot, Usage
    from conftest import Dataset

    Case = tuple[Graph, dict[int, list[str]], dict[str, str | None]]

COLUMNS = ["blobs", "closure", "exclusive", "shared", "split"]
BESIDE = ["(untagged)", "(other)", "(other names)", "(unknown)", "(garbage)"]
HTML_LIMIT = 15_000


def expected(graph: Graph, names: dict[int, list[str]], group_of: dict[str, str | None], *, counting: bool) -> dict:
    """The rows by brute force: a dict loop over the groups and over the blobs."""
    made = nx.DiGraph(list(graph.links))
    made.add_nodes_from(range(len(graph)))
    roots: dict[str, dict[int, int]] = {}
    for node, found in names.items():
        for name in found:
            drops = roots.setdefault(group_of[name] or "(other)", {})
            drops[node] = drops.get(node, 0) + 1
    reached = {group: set(nodes).union(*(nx.descendants(made, n) for n in nodes)) for group, nodes in roots.items()}
    free = graph.recounted if counting else graph.swept
    rows = {group: [0] * 5 for group in [*roots, *BESIDE]}
    for group, nodes in reached.items():
        closure, exclusive = graph.bytes(nodes), graph.bytes(free(roots[group]))
        rows[group][:4] = [len(nodes - graph.virtual), closure, exclusive, closure - exclusive]
    live = graph.reached(graph.pinned())
    for node in set(range(len(graph))) - graph.virtual:
        among = sorted(group for group, nodes in reached.items() if node in nodes)
        for place, group in enumerate(among):
            size, k = graph.sizes[node], len(among)
            rows[group][4] += size // k + (place < size % k)
        if not among:
            row, size = rows["(untagged)" if node in live else "(garbage)"], graph.sizes[node]
            row[:] = [row[0] + 1, row[1] + size, row[2] + size, 0, row[4] + size]
    return {name: row for name, row in rows.items() if name not in BESIDE or any(row)}


def rows_of(answer: Usage) -> dict[str, list[int]]:
    return dict(zip(answer.frame.index, answer.frame[COLUMNS].to_numpy().tolist(), strict=True))


def groups_of(answer: Usage) -> pd.DataFrame:
    """The rows of the groups."""
    return answer.frame[~answer.frame["beside"]][COLUMNS]


def check(answer: Usage) -> None:
    """What holds of every answer."""
    frame, snapshot = answer.frame, answer.snapshot
    assert frame.columns.tolist() == [*COLUMNS, "beside"]
    assert (frame[COLUMNS].dtypes == np.int64).all()
    assert frame["beside"].dtype == np.bool_
    assert (frame.index.name, str(frame.index.dtype), frame.index.is_unique) == ("group", "str", True)
    others = frame[frame["beside"]]
    assert frame.index.tolist() == [*sorted(groups_of(answer).index), *others.index]
    assert others.index.tolist() == [name for name in BESIDE if name in others.index]
    assert others[COLUMNS].any(axis=1).all()
    assert frame["split"].sum() == answer.bytes == snapshot.bytes
    assert (frame["shared"] == frame["closure"] - frame["exclusive"]).all()
    assert ((frame["exclusive"] <= frame["split"]) | (frame["exclusive"] == 0)).all()
    assert (frame["split"] <= frame["closure"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("counting", [False, True])
@pytest.mark.parametrize("listed", [1 << 18, 0])
def test_every_figure(counting: bool, listed: int) -> None:  # noqa: FBT001 (pytest gives it by name)
    shapes = Shapes()

    @settings(max_examples=25 * TORTURE)
    @given(named_graphs())
    @example(hard_graph(cyclic=False))
    @example(hard_graph(cyclic=True))
    def each(case: Case) -> None:
        shapes.see(**shapes_of(case))
        every_figure(case, counting=counting, listed=listed)

    each()
    shapes.check()


def shapes_of(case: Case) -> dict[str, bool]:
    """Return which of the hard shapes a graph with names has."""
    graph, names, group_of = case
    every = [name for found in names.values() for name in found]
    closed = [graph.reached([node]) for node, found in names.items() if found]
    live = graph.reached(graph.pinned())
    return {
        "names": bool(every),
        "names_on_one_node": any(len(found) > 1 for found in names.values()),
        "a_name_on_two_nodes": len(set(every)) < len(every),
        "no_group": any(not group for group in group_of.values()),
        "groups": len(set(group_of.values())) > 1,
        "shared": sum(map(len, closed)) > len(set().union(*closed)),
        "virtual": bool(graph.virtual & live),
        "garbage": len(live) < len(graph),
        "no_name_reaches_it": bool(live - set().union(*closed)),
        "cycle": not nx.is_directed_acyclic_graph(nx.DiGraph(list(graph.links))),
    }


def every_figure(case: Case, *, counting: bool, listed: int) -> None:
    graph, names, group_of = case
    snapshot = snapshot_of(graph, counting=counting, names=names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "LISTED_ALWAYS", listed)
        patch.setattr(analysis, "LISTED_PER_LINK", 4 if listed else 0)
        answer = blobkit.usage(snapshot, group_of.get)
    check(answer)
    assert rows_of(answer) == expected(graph, names, group_of, counting=counting)
    for group in set(group_of.values()):
        mine = [name for name, other in group_of.items() if (other or "(other)") == (group or "(other)")]
        freed = blobkit.simulate_deref(snapshot, mine).bytes
        assert rows_of(answer).get(group or "(other)", [0] * 5)[2] == freed


@pytest.mark.slow
@pytest.mark.parametrize("counting", [False, True])
@settings(max_examples=25 * TORTURE)
@given(named_graphs())
@example(hard_graph(cyclic=False))
@example(hard_graph(cyclic=True))
def test_by_tag_each_name_is_a_group(
    counting: bool,  # noqa: FBT001 (pytest gives it by name)
    case: Case,
) -> None:
    graph, names, group_of = case
    answer = blobkit.usage(snapshot_of(graph, counting=counting, names=names))
    check(answer)
    assert rows_of(answer) == expected(graph, names, {name: name for name in group_of}, counting=counting)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dev-registry", "dev-oci-layout"])
def test_real_stores_under_every_policy(dataset: Callable[[str], Dataset], name: str) -> None:
    root, _ = dataset(name)
    for policy in blobkit.scan(root).policies:
        snapshot = blobkit.scan(root).with_policy(policy)
        for by in ("tag", "repo", "kind", "media_type", "platform", "month"):
            check(blobkit.usage(snapshot, by))
        for tag, row in groups_of(blobkit.usage(snapshot)).iterrows():
            assert row["exclusive"] == blobkit.simulate_deref(snapshot, f"tag:{tag}").bytes
        by_repo = groups_of(blobkit.usage(snapshot, "repo"))
        for repo, row in by_repo.iterrows():
            assert row["exclusive"] == blobkit.simulate_deref(snapshot, groups=(repo,)).bytes
        assert (len(by_repo) > 0) == (name == "dev-registry")


def test_a_real_registry_by_plain_sets(dataset: Callable[[str], Dataset]) -> None:
    root, _ = dataset("dev-registry")
    graph, tags = blobkit.to_graph(blobkit.scan(root)), blobkit.tags_frame(blobkit.scan(root))
    size = blobkit.to_frame(blobkit.scan(root))["size"]
    reached = {
        repo: set().union(*({d} | nx.descendants(graph, d) for d in digests))
        for repo, digests in tags.groupby("repo")["digest"]
    }
    frame = blobkit.usage(root, "repo").frame
    assert frame.index.tolist() == [*sorted(reached), "(garbage)"]
    assert len(reached) == 10
    for repo, nodes in reached.items():
        others = set().union(*(other for name, other in reached.items() if name != repo))
        assert frame.loc[repo, "blobs"] == len(nodes)
        assert frame.loc[repo, "closure"] == size[sorted(nodes)].sum()
        assert frame.loc[repo, "exclusive"] == size[sorted(nodes - others)].sum()
    assert frame.loc["(garbage)", "closure"] == size.drop(sorted(set().union(*reached.values()))).sum() > 0


@pytest.mark.slow
def test_ten_thousand_blobs_by_plain_sets() -> None:
    snapshot = images(10_000)
    graph, tags = blobkit.to_graph(snapshot), blobkit.tags_frame(snapshot)
    size = blobkit.to_frame(snapshot)["size"].to_dict()
    owners: dict[str, list[str]] = {}
    for tag, digest in tags["digest"].items():
        for node in {digest} | nx.descendants(graph, digest):
            owners.setdefault(node, []).append(str(tag))
    split = dict.fromkeys(map(str, tags.index), 0)
    exclusive = dict.fromkeys(split, 0)
    for node, among in owners.items():
        for place, tag in enumerate(sorted(among)):
            split[tag] += size[node] // len(among) + (place < size[node] % len(among))
        if len(among) == 1:
            exclusive[among[0]] += size[node]
    answer = blobkit.usage(snapshot)
    check(answer)
    assert groups_of(answer)["split"].to_dict() == split
    assert groups_of(answer)["exclusive"].to_dict() == exclusive
    assert len(split) > 1000


def store(pins: Iterable[tuple[str | None, str | None, int]], count: object = 1, **nodes: object) -> Snapshot:
    """Three blobs of 5, 7 and 11 bytes, the first of which links to the last; pins are (name, repository, node)."""
    names, repositories, node = zip(*pins, strict=True)
    columns = {"key": [key(i) for i in range(3)], "size": [5, 7, 11], **nodes}
    return build(
        "oci",
        "/somewhere",
        nodes=columns,
        links={"source": [0], "target": [2], "kind": ["child"]},
        pins={"node": node, "name": names, "group": repositories, "kind": ["entry"] * len(node), "count": count},
    )


def test_the_rest_of_a_division_goes_byte_by_byte_to_the_first_names() -> None:
    snapshot = store([("b", None, 2), ("B", None, 2), ("a", None, 2), ("ä", None, 2)])
    assert blobkit.usage(snapshot).frame["split"].to_dict() == {
        "B": 3,
        "a": 3,
        "b": 3,
        "ä": 2,
        "(garbage)": 12,
    }


def test_what_a_pin_without_a_name_holds_too_is_shared_and_paid_by_the_name() -> None:
    rows = rows_of(blobkit.usage(store([("a", None, 0), (None, None, 2), (None, None, 1)])))
    assert rows["a"] == [2, 16, 5, 11, 16]
    assert rows["(untagged)"] == [1, 7, 7, 0, 7]


def test_by_repository_a_plain_tag_is_other() -> None:
    snapshot = store([("r/x:1", "r/x", 0), ("r/x:2", "r/x", 2), ("plain", None, 1), (None, None, 2)])
    rows = rows_of(blobkit.usage(snapshot, "repo"))
    assert rows["r/x"] == [2, 16, 5, 11, 16]
    assert rows["(other)"] == [1, 7, 7, 0, 7]
    assert "(untagged)" not in rows


def test_names_that_are_rows_beside_the_groups_are_other() -> None:
    names = [("(garbage)", None, 0), ("(other)", None, 1), ("", None, 1), ("(other names)", None, 1)]
    assert rows_of(blobkit.usage(store(names))) == {"(other)": [3, 23, 23, 0, 23]}


def test_unreachable_blobs_are_unknown_while_a_manifest_in_use_cannot_be_read() -> None:
    for by in ("tag", "repo", "kind"):
        snapshot = store([("x", "r", 0)], opaque=[True, False, False])
        answer = blobkit.usage(snapshot, by)
        check(answer)
        assert rows_of(answer)["(unknown)"] == [1, 7, 7, 0, 7]
        assert "(garbage)" not in rows_of(answer)
        assert "nothing unreachable is safe to delete" in str(answer)
        assert "unreachable" not in str(blobkit.usage(store([("x", "r", 0)]), by))


def test_what_an_unreadable_manifest_may_hold_is_not_exclusive_for_sure() -> None:
    snapshot = store([("x", "r", 0), ("y", "r", 1)], opaque=[True, False, False])
    assert "exclusive is an upper bound" in str(blobkit.usage(snapshot))
    assert "exclusive is an upper bound" in str(blobkit.usage(snapshot, "platform"))
    assert "upper bound" not in str(blobkit.usage(snapshot, "kind"))
    assert "upper bound" not in str(blobkit.usage(store([("x", "r", 0), ("y", "r", 1)])))


def test_kind_media_type_and_month_sort_blobs() -> None:
    times = [1_600_000_000_000_000, -1, 1_748_735_999_999_999]
    snapshot = store(
        [("x", None, 0), (None, None, 1)],
        kind=["manifest", "layer", "config"],
        media_type=["m", "", "(other)"],
        modified=times,
    )
    whole = {by: blobkit.usage(snapshot, by) for by in ("kind", "media_type", "month")}
    for answer in whole.values():
        check(answer)
        assert (answer.frame["closure"] == answer.frame["split"]).all()
        assert (answer.frame["closure"] == answer.frame["exclusive"]).all()
    split = {by: answer.frame["split"].to_dict() for by, answer in whole.items()}
    assert split == {
        "kind": {"config": 11, "layer": 7, "manifest": 5},
        "media_type": {"m": 5, "(other)": 18},
        "month": {"2020-09": 5, "2025-05": 11, "(other)": 7},
    }
    garbage = blobkit.usage(store([("x", None, 1)], kind=["manifest", "layer", "config"]), "kind")
    assert rows_of(garbage)["(garbage)"] == [2, 16, 16, 0, 16]
    assert "manifest" not in garbage.frame.index


def test_pins_that_do_not_hold_are_in_no_group(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    image = registry.push("r", "1", "content")
    snapshot = registry.scan()
    assert list(rows_of(blobkit.usage(snapshot))) == ["r:1"]
    by_revision = rows_of(blobkit.usage(snapshot, policy="gc"))
    assert by_revision == {f"r@{image}": [3, snapshot.bytes, snapshot.bytes, 0, snapshot.bytes]}


def test_pins_that_count_nothing_hold_nothing() -> None:
    rows = rows_of(blobkit.usage(store([("none", None, 0), ("one", None, 2), (None, None, 2)], [0, 1, 0])))
    assert list(rows) == ["one", "(garbage)"]
    assert rows["one"] == [1, 11, 11, 0, 11]
    assert rows["(garbage)"] == [2, 12, 12, 0, 12]


def test_a_series_gives_names_their_groups() -> None:
    snapshot = store([("a", None, 0), ("b", None, 1), ("c", None, 2), ("c", None, 1)])
    tags = blobkit.tags_frame(snapshot)
    whole = blobkit.usage(snapshot, tags["version"].str.upper().rename("team")).frame
    assert whole.index.tolist() == ["A", "B", "C"]
    years = pd.Series({"a": 2020, "b": float("nan"), "unheard": 1})
    assert blobkit.usage(snapshot, years).frame["closure"].to_dict() == {"2020.0": 16, "(other)": 18}
    assert blobkit.usage(snapshot, tags["closure"] > 11).by == "closure"


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA])
def test_a_series_gives_no_group_to_pins_without_a_name(missing: object) -> None:
    snapshot = store([("x", "r", 0), (None, None, 1)])
    frame = blobkit.usage(snapshot, pd.Series(["g", "h"], index=["x", missing])).frame
    assert frame.index.tolist() == ["g", "(untagged)"]


def test_a_mapping_gives_names_their_groups_as_a_series_does() -> None:
    snapshot = store([("a", None, 0), ("b", None, 1), ("c", None, 1), (None, None, 2)])
    teams = {"a": "red", "b": "blue", "zzz": "none such"}
    for ask in (blobkit.usage, blobkit.sharing):
        found = ask(snapshot, MappingProxyType(teams))
        pd.testing.assert_frame_equal(found.frame, ask(snapshot, pd.Series(teams)).frame)
        assert found.by == "own groups"
    assert not blobkit.diff(snapshot, snapshot, by=teams)


def test_a_function_is_asked_once_a_name() -> None:
    asked: list[str] = []

    def team(name: str) -> object:
        asked.append(name)
        return (name, 1) if name == "b" else pd.NaT

    snapshot = store([("a", None, 0), ("b", None, 1), ("a", None, 2), (None, None, 2)])
    answer = blobkit.usage(snapshot, team)
    assert sorted(asked) == ["a", "b"]
    assert answer.frame.index[0] == "('b', 1)"
    assert answer.by == "team"
    assert blobkit.usage(snapshot, lambda name: name).by == "own groups"


@pytest.mark.parametrize(
    ("by", "said"),
    [
        ("repos", "'repos': did you mean repo? Use tag, repo, kind, media_type, platform, month, or a function"),
        ("Media-Type", "did you mean media_type"),
        ("\x1b[31m", r"cannot group by '\x1b[31m'"),
        (7, "cannot group by a int"),
        (pd.Series({"z": "x"}), "none of the store's tags in its index"),
        ({"z": "x"}, "none of the store's tags"),
        (pd.Series(["x", "y"], ["a", "a"]), "gives a two groups"),
    ],
)
def test_what_nothing_can_be_grouped_by(by: object, said: str) -> None:
    for ask in (blobkit.usage, blobkit.sharing):
        with pytest.raises(blobkit.GroupingError) as caught:
            ask(store([("a", None, 0)]), by)
        assert said in str(caught.value)
        assert isinstance(caught.value, ValueError)


@pytest.mark.slow
def test_exclusive_is_what_a_store_really_frees(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    with blobkit.LocalStore(whole, durability="off") as made:
        demo.fill(made)
        made.put(b"alone", tag="raw:1")
        frame = blobkit.usage(made, "repo").frame
    assert len(frame) > 5
    for repo, exclusive in frame["exclusive"][~frame["beside"]].items():
        copy = shutil.copytree(whole, tmp_path / f"without {repo}".replace("/", "-"))
        with blobkit.LocalStore(copy, durability="off") as made:
            freed = [made.untag(tag).bytes for tag in list(made.tags()) if tag.startswith(f"{repo}:")]
            assert sum(freed) == exclusive
            assert freed


def test_stores_without_pins_links_or_blobs(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s") as made:
        check(blobkit.usage(made))
        made.deref(made.put(b"gone").digest)
        made.put(b"kept")
        answer = blobkit.usage(made)
        assert rows_of(answer)["(untagged)"] == [1, 4, 4, 0, 4]
        for by in ("repo", "kind", "month"):
            check(blobkit.usage(made, by))


def test_it_shows_itself(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    hostile = "<script>\x1b[31m\u202e" + "x" * 500
    for i in range(15):
        layout.image(f"{hostile}{i}", str(i))
    layout.image("group", "0")
    answer = blobkit.usage(layout.scan("strong"))
    html, text = answer._repr_html_(), str(answer)
    assert len(html.encode()) < HTML_LIMIT
    assert "<script" not in html
    assert text.replace("\n", "").isprintable()
    assert "16 groups" in answer.title()
    assert "and 6 more" in text
    assert "policy strong" in text
    assert "(garbage)" not in text  # there is none
    assert blobkit.to_frame(answer) is answer.frame


@pytest.mark.slow
def test_to_dict_and_the_shell(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("r", "1", "content")
    registry.push("q", "1", "content", "more")
    answer = blobkit.usage(registry.scan(), "repo")
    body = json.loads(json.dumps(answer.to_dict()))
    assert (body["by"], body["bytes"], body["policy"]) == ("repo", answer.bytes, "tags")
    assert [row["group"] for row in body["groups"]] == ["q", "r"]
    assert [list(row.values())[1:] for row in body["groups"]] == answer.frame.to_numpy().tolist()
    assert body["groups"][0]["beside"] is False
    run = CliRunner().invoke
    shown = run(cli, ["usage", str(tmp_path), "--by", "repo", "--json"], catch_exceptions=False)
    assert json.loads(shown.stdout)["groups"] == body["groups"]
    assert run(cli, ["usage", str(tmp_path)]).stdout.splitlines()[0].endswith("by tag: 2 groups")
    kinds = run(cli, ["usage", str(tmp_path), "--by", "kind", "--policy", "gc"]).stdout.splitlines()
    assert kinds[1].endswith("policy gc")
    assert kinds[2].split() == ["group", "blobs", "bytes"]  # no column says the same as another
    shared = run(cli, ["sharing", str(tmp_path), "--json"]).stdout
    assert json.loads(shared)["sets"] == json.loads(json.dumps(blobkit.sharing(tmp_path).to_dict()["sets"]))
    assert "are shared by tag" in run(cli, ["sharing", str(tmp_path), "--by", "tag"]).stdout
    with pytest.raises(blobkit.GroupingError):
        run(cli, ["usage", str(tmp_path), "--by", "rep"], catch_exceptions=False)
