"""What is shared by whom, against sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
import pytest
from hypothesis import example, given, settings

import blobkit
from blobkit.analysis import groups as analysis
from blobkit.questions import sharing as question
from effort import TORTURE
from example_shapes import Shapes
from graphs import Graph, hard_graph, key, named_graphs, snapshot_of
from layouts import Layout
from registries import images

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit import Sharing
    from conftest import Dataset

    Sets = dict[tuple[str, ...], tuple[int, int]]
    Case = tuple[Graph, dict[int, list[str]], dict[str, str | None]]

HTML_LIMIT = 15_000


def sets_of(answer: Sharing) -> Sets:
    rows = answer.frame.itertuples(index=False)
    found = {groups: (blobs, size) for groups, blobs, size in rows}
    assert len(found) == len(answer.frame)
    return found


def check(answer: Sharing) -> None:
    """What holds of every answer, beside its usage."""
    frame = answer.frame
    assert frame.columns.tolist() == ["groups", "blobs", "bytes"]
    assert (frame.dtypes[1:] == np.int64).all()
    assert frame["bytes"].sum() == answer.bytes == answer.snapshot.bytes
    assert frame["blobs"].sum() == answer.snapshot.blobs
    order = list(zip(-frame["bytes"], frame["groups"], strict=True))
    assert order == sorted(order)
    assert all(groups == tuple(sorted(set(groups))) for groups in frame["groups"])
    assert (answer.pairs.to_numpy() == answer.pairs.to_numpy().T).all()
    assert answer.pairs.index.tolist() == answer.pairs.columns.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("counting", [False, True])
@pytest.mark.parametrize("listed", [1 << 18, 0])
def test_every_set(counting: bool, listed: int) -> None:  # noqa: FBT001 (pytest gives it by name)
    shapes = Shapes()

    @settings(max_examples=25 * TORTURE)
    @given(named_graphs())
    @example(hard_graph(cyclic=False))
    @example(hard_graph(cyclic=True))
    def each(case: Case) -> None:
        every_set(case, shapes, counting=counting, listed=listed)

    each()
    shapes.check()


def every_set(case: Case, shapes: Shapes, *, counting: bool, listed: int) -> None:
    graph, names, group_of = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "LISTED_ALWAYS", listed)
        patch.setattr(analysis, "LISTED_PER_LINK", 4 if listed else 0)
        answer = blobkit.sharing(snapshot_of(graph, counting=counting, names=names), group_of.get)
    check(answer)
    reached = reached_by(graph, names, group_of)
    live = graph.reached(graph.pinned())
    expected: Sets = {}
    for node in set(range(len(graph))) - graph.virtual:
        among = tuple(sorted(group for group, nodes in reached.items() if node in nodes))
        among = among or (("(untagged)",) if node in live else ("(garbage)",))
        blobs, size = expected.get(among, (0, 0))
        expected[among] = blobs + 1, size + graph.sizes[node]
    assert sets_of(answer) == expected
    assert set(answer.pairs.index) == set(reached)
    for one, other in ((a, b) for a in reached for b in reached):
        assert answer.pairs.loc[one, other] == graph.bytes(reached[one] & reached[other])
    assert answer.shared_bytes == sum(size for among, (_, size) in expected.items() if len(among) > 1)
    shapes.see(
        shared_by_two=any(len(among) == 2 for among in expected),
        shared_by_more=any(len(among) > 2 for among in expected),
        untagged=("(untagged)",) in expected,
        garbage=("(garbage)",) in expected,
        other="(other)" in reached,
        virtual=graph.virtual & live,
        nothing_shared=all(len(among) == 1 for among in expected),
        several_blobs=any(blobs > 1 for blobs, _ in expected.values()),
    )


def reached_by(graph: Graph, names: dict[int, list[str]], group_of: dict[str, str | None]) -> dict[str, set[int]]:
    """What each group reaches, by networkx."""
    made = nx.DiGraph(list(graph.links))
    made.add_nodes_from(range(len(graph)))
    reached: dict[str, set[int]] = {}
    for node, found in names.items():
        for name in found:
            reached.setdefault(group_of[name] or "(other)", set()).update({node}, nx.descendants(made, node))
    return reached


def check_with_usage(answer: Sharing, by: str) -> None:
    """Usage and sharing are two views of the same sets."""
    usage = blobkit.usage(answer.snapshot, by).frame
    special = usage.index[usage["beside"]]
    closure = dict.fromkeys(usage.index, 0)
    for groups, (_, size) in sets_of(answer).items():
        for group in groups:
            closure[group] += size
    assert closure == usage["closure"].to_dict()
    diagonal = dict(zip(answer.pairs.index, np.diag(answer.pairs), strict=True))
    assert all(usage.loc[group, "closure"] == size for group, size in diagonal.items())
    assert len(diagonal) == min(32, len(usage) - len(special))
    assert sorted(diagonal.values(), reverse=True) == list(diagonal.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dev-registry", "dev-oci-layout"])
def test_real_stores_under_every_policy(dataset: Callable[[str], Dataset], name: str) -> None:
    snapshot = blobkit.scan(dataset(name)[0])
    for policy in snapshot.policies:
        for by in ("tag", "kind", "month", "platform"):
            answer = blobkit.sharing(snapshot, by, policy=policy)
            check(answer)
            check_with_usage(answer, by)
    check(blobkit.sharing(snapshot))


@pytest.mark.slow
def test_ten_thousand_blobs_by_plain_sets() -> None:
    snapshot = images(10_000)
    graph, tags = blobkit.to_graph(snapshot), blobkit.tags_frame(snapshot)
    size = blobkit.to_frame(snapshot)["size"].to_dict()
    owners: dict[str, set[str]] = {}
    for repo, digest in zip(tags["repo"], tags["digest"], strict=True):
        for node in {digest} | nx.descendants(graph, digest):
            owners.setdefault(node, set()).add(repo)
    expected: Sets = {}
    for node, bytes_ in size.items():
        among = tuple(sorted(owners.get(node, ["(garbage)"])))
        blobs, total = expected.get(among, (0, 0))
        expected[among] = blobs + 1, total + bytes_
    answer = blobkit.sharing(snapshot)
    check(answer)
    assert sets_of(answer) == expected
    assert len(expected) > 50
    assert answer.pairs.shape == (32, 32)


def test_sets_that_would_fill_the_memory_are_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    links = {(0, 3), (1, 3), (0, 4), (1, 4), (2, 4)}
    snapshot = snapshot_of(
        Graph([1, 2, 3, 100, 50], [1, 1, 1, 0, 0], links), counting=False, names={0: ["a"], 1: ["b"], 2: ["c"]}
    )
    whole = {("a", "b"): (1, 100), ("a", "b", "c"): (1, 50), ("c",): (1, 3), ("b",): (1, 2), ("a",): (1, 1)}
    for most, rows in ((8, 5), (7, 4), (5, 2), (4, 1), (2, 1), (1, 0)):
        monkeypatch.setattr(question, "NAMES_LISTED", most)
        answer = blobkit.sharing(snapshot, "tag")
        check(answer)
        kept = dict(list(whole.items())[:rows])
        rest = list(whole.values())[rows:]
        more = {("(more)",): tuple(map(sum, zip(*rest, strict=True)))} if rest else {}
        assert sets_of(answer) == kept | more
        assert answer.shared_bytes == 150


def test_no_names_at_all() -> None:
    answer = blobkit.sharing(snapshot_of(Graph([5, 6], [1, 0]), counting=True), "tag")
    check(answer)
    assert sets_of(answer) == {("(garbage)",): (1, 6), ("(untagged)",): (1, 5)}
    assert answer.pairs.shape == (0, 0)
    assert "0 B of 11 B are shared by tag, in 0 sets" in str(answer)


def test_it_shows_itself(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    hostile = "<script>\x1b[31m\u202e" + "x" * 500
    for i in range(15):
        layout.image(f"{hostile}{i}", "base" * 1000, str(i))
    layout.image("group", "base" * 1000)
    answer = blobkit.sharing(layout.scan("strong"), "tag")
    html, text = answer._repr_html_(), str(answer)
    assert len(html.encode()) < HTML_LIMIT
    assert "<script" not in html
    assert text.replace("\n", "").isprintable()
    assert "and 13 more" in text
    assert "and 7 more" in text
    assert "policy strong" in text
    assert blobkit.to_frame(answer) is answer.frame
    body = json.loads(json.dumps(answer.to_dict()))
    assert body["sets"][0]["bytes"] == int(answer.frame["bytes"][0])
    assert tuple(body["sets"][0]["groups"]) == answer.frame["groups"][0]
    assert body["pairs"]["groups"] == answer.pairs.index.tolist()
    assert body["pairs"]["bytes"] == answer.pairs.to_numpy().tolist()
    assert (body["bytes"], body["by"], body["policy"]) == (answer.bytes, "tag", "strong")
    assert body["shared_bytes"] == answer.shared_bytes > 0
    assert key(0) not in text
