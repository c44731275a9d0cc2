"""What to delete: against every subset of names, and against what the deletion really does."""

from __future__ import annotations

import itertools
import json
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blobkit
from blobkit import demo
from blobkit.snapshot.snapshot import build
from effort import TORTURE
from graphs import Graph, graphs, snapshot_of
from layouts import INDEX, Layout, Registry, nowhere, sha

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Names = dict[int, list[str]]
    Dataset = tuple[Path, dict[str, object]]

HTML_LIMIT = 15_000
TOLERANCE = 1e-9


@st.composite
def stores(draw: st.DrawFn) -> tuple[Graph, Names, bool]:
    """A graph, up to nine names (others of its pins are anonymous; several may be on one blob), and how it collects."""
    graph = draw(st.one_of(graphs(), graphs(cyclic=True), images(), images()))
    named = [node for node in graph.pinned() for _ in range(graph.pins[node]) if draw(st.integers(0, 7))][:9]
    names: Names = {node: [] for node in graph.pinned()}
    for i, node in enumerate(named):
        names[node].append(f"r{i % 2}:n{i}")
    return graph, names, draw(st.booleans())


@st.composite
def images(draw: st.DrawFn) -> Graph:
    """Images that share layers; some of them virtual nodes, some listed by an index; now and then garbage."""
    n, layers = draw(st.integers(2, 8)), draw(st.integers(1, 8))
    links = {(i, n + layer) for i in range(n) for layer in draw(st.sets(st.integers(0, layers - 1), max_size=4))}
    links |= {(0, i) for i in draw(st.sets(st.integers(1, n - 1), max_size=2))}
    pins = [draw(st.sampled_from((0, 1, 1, 1, 2))) for _ in range(n)] + [0] * layers
    sizes = [draw(st.integers(0, 1 << draw(st.integers(1, 40)))) for _ in range(n + layers)]
    virtual = frozenset(draw(st.sets(st.integers(0, n - 1), max_size=3)))
    return Graph([0 if node in virtual else size for node, size in enumerate(sizes)], pins, links, virtual)


def every_subset(graph: Graph, names: Names, *, counting: bool) -> dict[frozenset[str], int]:
    """The bytes that go for every subset of the names, by brute force."""
    every = [name for found in names.values() for name in found]
    subsets = (frozenset(some) for k in range(len(every) + 1) for some in itertools.combinations(every, k))
    found = {}
    for some in subsets:
        drops = {node: sum(name in some for name in on_it) for node, on_it in names.items()}
        found[some] = graph.bytes(graph.recounted(drops) if counting else graph.swept(drops))
    return found


@pytest.mark.slow
@settings(max_examples=50 * TORTURE)
@given(stores(), st.data())
def test_no_subset_of_the_names_costs_less(case: tuple[Graph, Names, bool], data: st.DataObject) -> None:
    graph, names, counting = case
    frees = every_subset(graph, names, counting=counting)
    every = max(frees, key=len)
    costs = data.draw(st.fixed_dictionaries({name: st.sampled_from((0, 1, 1, 2, 5, 0.5, 1.25)) for name in every}))
    need = data.draw(st.sampled_from(sorted({0, frees[every], *frees.values(), frees[every] // 2})))
    snapshot = snapshot_of(graph, counting=counting, names=names)
    plan = blobkit.plan(snapshot, free=need, cost=pd.Series(costs, dtype=float))
    least = min(sum(costs[name] for name in some) for some, size in frees.items() if size >= need)
    chosen = frozenset(plan.tags)
    assert plan.cost == sum(costs[name] for name in chosen) == pytest.approx(least, rel=TOLERANCE)
    assert plan.gap == 0
    assert plan.bytes == frees[chosen] >= need
    assert plan.bytes == (blobkit.simulate_deref(snapshot, *plan.tags).bytes if chosen else 0)
    assert all(frees[chosen - {name}] < need for name in chosen)
    assert plan.frame["exclusive"].to_dict() == {name: frees[frozenset({name})] for name in chosen}
    assert sorted([*plan.spared["tag"], *plan.tags]) == sorted(every)


@pytest.mark.slow
@settings(max_examples=25 * TORTURE)
@given(stores(), st.data())
def test_kept_names_stay_and_what_is_impossible_is_told(case: tuple[Graph, Names, bool], data: st.DataObject) -> None:
    graph, names, counting = case
    frees = every_subset(graph, names, counting=counting)
    every = max(frees, key=len)
    keep = frozenset(data.draw(st.sets(st.sampled_from(sorted(every))))) if every else frozenset()
    free = {some: size for some, size in frees.items() if not some & keep}
    possible = max(free.values())
    snapshot = snapshot_of(graph, counting=counting, names=names)
    plan = blobkit.plan(snapshot, free=possible, keep=sorted(keep))
    assert len(plan) == min(len(some) for some, size in free.items() if size == possible)
    assert set(plan.spared["tag"][plan.spared["why"].str.startswith("keep")]) == keep
    with pytest.raises(blobkit.InfeasiblePlanError, match="cannot be freed") as caught:
        blobkit.plan(snapshot, free=possible + 1, keep=sorted(keep))
    assert (caught.value.possible, caught.value.needed) == (possible, possible + 1)


@pytest.mark.slow
@settings(max_examples=25 * TORTURE)
@given(stores(), st.floats(0, 1))
def test_until_so_little_is_stored(case: tuple[Graph, Names, bool], part: float) -> None:
    graph, names, counting = case
    frees = every_subset(graph, names, counting=counting)
    snapshot = snapshot_of(graph, counting=counting, names=names)
    garbage = graph.bytes(set(range(len(graph))) - graph.reached(graph.pinned()))
    until = snapshot.bytes - int(part * max(frees.values()))
    plan = blobkit.plan(snapshot, until=until)
    assert plan.garbage_bytes == garbage
    left = snapshot.bytes - (0 if counting else garbage)
    assert left - plan.bytes <= until
    assert len(plan) == min(len(some) for some, size in frees.items() if left - size <= until)


@pytest.mark.slow
def test_the_deletion_frees_what_was_promised(tmp_path: Path) -> None:
    """On copies of a store: every name of the plan is untagged, and the bytes that go are those of the plan."""
    with blobkit.LocalStore(tmp_path / "store") as store:
        demo.fill(store)
        possible = blobkit.plan(store, keep_last=0).bytes
    for percent in (1, 20, 50, 80, 100):
        copy = tmp_path / f"copy-{percent}"
        shutil.copytree(tmp_path / "store", copy)
        with blobkit.LocalStore(copy) as store:
            before = store.snapshot()
            plan = blobkit.plan(before, free=possible * percent // 100)
            gone = {digest for tag in plan.tags for digest in store.untag(tag).digests}
            after = store.snapshot()
            verified = plan.verify(store)
            assert set(plan.preview.digests) == gone
            assert before.bytes - after.bytes == plan.bytes == verified.bytes >= possible * percent // 100
            assert verified
            assert (verified.gone, verified.still_there) == (tuple(sorted(gone)), ())
            assert "was kept" in str(verified)


def test_what_did_not_happen_as_promised(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "store") as store:
        one, two = store.put(b"1" * 100, tag="r:1"), store.put(b"2" * 10, tag="r:2")
        plan = blobkit.plan(store, free=100)
        assert plan.tags == ("r:1",)
        before = plan.verify(store)
        assert not before
        assert (before.still_there, before.tags_left, before.bytes, before.promised) == (
            (one.digest,),
            ("r:1",),
            0,
            100,
        )
        store.untag("r:2")
        wrong = plan.verify(store.snapshot())
        assert wrong.unexpectedly_gone == (two.digest,)
        assert wrong.frame["state"].to_dict() == {one.digest: "still there", two.digest: "unexpectedly gone"}
        assert "still named: r:1" in str(wrong)
        assert json.loads(json.dumps(wrong.to_dict()))["unexpectedly_gone"] == [two.digest]
        assert "<table" in wrong._repr_html_()
    layout = Layout(tmp_path / "layout")
    with pytest.raises(blobkit.PlanError, match="the same store"):
        plan.verify(layout.scan())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dev-registry", "dev-oci-layout"])
def test_real_stores_under_every_policy(dataset: Callable[[str], Dataset], name: str) -> None:
    snapshot = blobkit.scan(dataset(name)[0], progress=False)
    for policy in snapshot.policies:
        every = blobkit.plan(snapshot, keep_last=0, policy=policy)
        assert every.bytes == blobkit.simulate_deref(snapshot, every.tags, policy=policy).bytes > 0
        fewest = len(every)
        for percent in (100, 90, 50, 10):
            plan = blobkit.plan(snapshot, free=every.bytes * percent // 100, policy=policy)
            assert plan.bytes == blobkit.simulate_deref(snapshot, *plan.tags, policy=policy).bytes
            assert plan.bytes >= every.bytes * percent // 100
            assert plan.gap == 0
            assert 0 < len(plan) <= fewest
            fewest = len(plan)
        with pytest.raises(blobkit.InfeasiblePlanError) as caught:
            blobkit.plan(snapshot, free=every.bytes + 1, policy=policy)
        assert caught.value.possible == every.bytes


def test_layers_that_only_go_together(tmp_path: Path) -> None:
    """A big layer goes with the last of the two that share it; the small one that looks better alone is not enough."""
    layout = Layout(tmp_path)
    layout.image("a", "shared" * 1000)
    layout.image("b", "shared" * 1000, "b")
    layout.image("c", "alone" * 100)
    layout.add(layout.image("d", "twice" * 500), "d2")
    assert blobkit.plan(layout.scan(), free=6000).tags == ("a", "b")
    assert blobkit.plan(layout.scan(), free=500).tags == ("c",)
    assert blobkit.plan(layout.scan(), free=2500, keep="a").tags == ("d", "d2")


def test_anonymous_pins_are_never_dropped(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.add(layout.image("a", "content" * 100))
    layout.image("b", "b")
    plan = blobkit.plan(layout.scan("strong"), keep_last=0)
    assert sha(b"content" * 100) not in plan.preview.digests
    with pytest.raises(blobkit.InfeasiblePlanError):
        blobkit.plan(layout.scan("strong"), free=700)
    assert blobkit.plan(layout.scan("strong"), free=1).spared["why"].tolist() == [
        "frees nothing: remaining names need all of its blobs"
    ]


@pytest.mark.parametrize("links", [{(0, 1)}, {(0, 1), (2, 0), (1, 2)}])
def test_what_leaked_references_hold_does_not_go(links: set[tuple[int, int]]) -> None:
    """A store that counts frees neither what garbage links to nor what lies on a cycle; sweeping frees both."""
    graph = Graph([1, 10, 100], [0, 1, 0], links)
    assert blobkit.plan(snapshot_of(graph, counting=False, names={1: ["x"]}), free=10).tags == ("x",)
    with pytest.raises(blobkit.InfeasiblePlanError) as caught:
        blobkit.plan(snapshot_of(graph, counting=True, names={1: ["x"]}), free=1)
    assert caught.value.possible == 0


@pytest.fixture
def doubtful(tmp_path: Path) -> Layout:
    """Two images, and an index that cannot be read, which may list either."""
    layout = Layout(tmp_path)
    layout.image("x", "content" * 10)
    layout.image("y", "other" * 100)
    layout.add(nowhere(1), "broken", INDEX)
    return layout


def test_what_an_unreadable_index_may_hold_is_not_counted(doubtful: Layout) -> None:
    plan = blobkit.plan(doubtful.scan(), free=500)
    assert plan.tags == ("broken", "y")
    assert plan.preview.exact
    assert plan.bytes >= 500
    with pytest.raises(blobkit.InfeasiblePlanError) as caught:
        blobkit.plan(doubtful.scan(), free=1, keep="broken")
    assert caught.value.possible == 0
    kept = blobkit.plan(doubtful.scan(), keep_last=0, keep="broken")
    assert (kept.tags, kept.bytes, kept.garbage_bytes) == (("x", "y"), 0, 0)
    assert kept.preview.bytes > 500
    assert "certain bytes" in kept.notices[0]


def test_what_cannot_be_known_to_go_was_not_promised(doubtful: Layout) -> None:
    """The index may list an image and keep it, or not."""
    plan = blobkit.plan(doubtful.scan(), keep_last=0, keep="broken")
    layer = sha(b"other" * 100)
    assert layer in plan.preview.digests
    doubtful.entries[:] = doubtful.entries[2:]
    doubtful.write({"schemaVersion": 2, "manifests": doubtful.entries})
    all_kept = plan.verify(doubtful.scan())
    doubtful.drop(layer)
    for verified in (all_kept, plan.verify(doubtful.scan())):
        assert verified
        assert (verified.promised, verified.bytes, len(verified.frame)) == (0, 0, 0)


def test_what_contains_an_unreadable_index_is_sure_to_go(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    inner = layout.to(layout.drop(layout.manifest(layout.blob("inner"))), INDEX)
    beside = layout.manifest(layout.blob("beside"))
    outer = layout.index(inner, beside)
    layout.add(outer, "x", INDEX)
    layout.add(str(inner["digest"]), "y", INDEX)
    plan = blobkit.plan(layout.scan(), free=1, keep="y")
    assert plan.tags == ("x",)
    assert plan.bytes == plan.preview.certain_bytes == layout.size(outer)
    both = blobkit.plan(layout.scan(), free=layout.size(outer) + 1)
    assert both.tags == ("x", "y")


@pytest.mark.slow
def test_registry_names_are_revisions_where_these_hold(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    image = registry.push("team/app", "1", "content" * 100)
    registry.tag("team/app", "latest", image)
    registry.push("team/app", "2", "b")
    assert blobkit.plan(registry.scan(), free=700).tags == ("team/app:1", "team/app:latest")
    for policy in ("revisions", "gc"):
        plan = blobkit.plan(registry.scan(policy), free=700)
        assert plan.tags == (f"team/app@{image}",)
        assert plan.preview.also_untagged == ("team/app:1", "team/app:latest")
        assert plan.frame["also_untagged"].tolist() == [("team/app:1", "team/app:latest")]
        assert plan.frame["digest"].tolist() == [image]
        for kept in ("team/app:latest", "team/app:l*", image, f"team/app@{image}"):
            with pytest.raises(blobkit.InfeasiblePlanError):
                blobkit.plan(registry.scan(policy), free=700, keep=[kept])
    assert blobkit.plan(registry.scan("gc-m"), free=700).tags == ("team/app:1", "team/app:latest")


def test_names_that_look_like_digests(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    name = nowhere(7)
    layout.image(name, "content" * 100)
    plan = blobkit.plan(layout.scan(), free=700)
    assert plan.tags == (name,)
    assert plan.bytes == layout.scan().bytes


def test_nothing_to_do(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.image("x", "content")
    stored = layout.scan().bytes
    for plan in (blobkit.plan(layout.scan(), free=0), blobkit.plan(layout.scan(), until=stored)):
        assert not plan
        assert (plan.tags, plan.bytes, plan.gap, plan.cost, len(plan.frame)) == ((), 0, 0, 0, 0)
        assert plan.spared["why"].tolist() == ["not needed"]
        assert plan.notices == ()
        assert str(plan)
        assert plan.verify(layout.scan())


def test_a_store_without_names() -> None:
    empty = snapshot_of(Graph([5], [1]), counting=True)
    assert not blobkit.plan(empty, free=0)
    assert not blobkit.plan(empty, keep_last=3)
    with pytest.raises(blobkit.InfeasiblePlanError, match=r"5 B \(5 bytes\) cannot be freed: at most 0 B"):
        blobkit.plan(empty, free=5)


def tagged(number: int) -> Snapshot:
    """Images with a layer each, and one that all share."""
    random = np.random.default_rng(0)
    return build(
        "registry",
        "synthetic",
        nodes={
            "key": [nowhere(i) for i in range(2 * number + 1)],
            "size": [*random.integers(1, 10_000, 2 * number).tolist(), 50],
        },
        links={"source": [*range(number)] * 2, "target": [*range(number, 2 * number), *[2 * number] * number]},
        pins={"node": range(number), "name": [f"r:{i}\u202e<b>" for i in range(number)], "kind": "tag"},
    )


def test_it_shows_itself_and_stays_small() -> None:
    plan = blobkit.plan(tagged(300), free=500_000)
    html = plan._repr_html_()
    assert len(html.encode()) < HTML_LIMIT
    assert "<b>" not in html.removeprefix('<div class="blobkit"').partition("<b>")[2].partition("</b>")[2]
    assert "\u202e" not in html + str(plan)
    for text in (html, str(plan)):
        assert "registry:synthetic" in text
        assert "no other choice costs less" in text
        assert "and" in text
        assert "more" in text
    body = json.loads(json.dumps(plan.to_dict(), default=str))
    assert (body["tags"], body["bytes"], body["needed"]) == (list(plan.tags), plan.bytes, 500_000)
    assert (body["gap"], body["cost"], body["policy"]) == (0, len(plan), "tags")
    assert blobkit.to_frame(plan) is plan.frame
    assert list(plan.tags) == sorted(plan.tags) == plan.frame.index.tolist()


@pytest.mark.slow
def test_the_same_each_time() -> None:
    assert blobkit.plan(tagged(300), free=500_000).tags == blobkit.plan(tagged(300), free=500_000).tags


def test_a_gap_is_told() -> None:
    """Every two of seven names share a layer: three names free three, but seven names were dealt three layers each."""
    pairs = list(itertools.combinations(range(7), 2))
    links = {(name, 7 + i) for i, pair in enumerate(pairs) for name in pair}
    graph = Graph([0] * 7 + [10] * len(pairs), [1] * 7 + [0] * len(pairs), links)
    snapshot = snapshot_of(graph, counting=False, names={i: [f"n{i}"] for i in range(7)})
    assert blobkit.plan(snapshot, free=30).gap == 0
    plan = blobkit.plan(snapshot, free=30, time_limit=0)
    assert len(plan) == 3
    assert plan.gap == pytest.approx(2 / 3, rel=0.01)
    assert "another may cost up to 66" in str(plan)


def test_the_script_says_what_the_plan_is(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("team/app", "1", "content" * 100)
    plan = blobkit.plan(registry.scan("gc"), free=700)
    text = plan.script("crane")
    assert plan.title() in text
    assert "no other choice costs less" in text
    assert "garbage-collect" in text
