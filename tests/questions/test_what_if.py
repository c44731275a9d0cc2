"""Ticks, unticks and undos in any order: each figure equals what a fresh preview, and plain sets, say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import blobkit
from blobkit.errors import AmbiguousTargetError, ChoiceError, NotPinnedError, UnknownTargetError
from graphs import Graph, hard_graph, key, named_graphs, snapshot_of
from layouts import INDEX, Layout, Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from blobkit import WhatIf
    from conftest import Dataset

    Case = tuple[Graph, dict[int, list[str]], dict[str, str | None]]

WAYS = ("tick", "tick", "untick", "undo", "redo", "mask", "group")


def gone(case: Case, names: Iterable[str], *, counting: bool) -> set[int]:
    """The nodes that dropping these names frees, by plain sets."""
    graph, on, _ = case
    drops = {node: sum(name in names for name in found) for node, found in on.items()}
    return graph.recounted(drops) if counting else graph.swept(drops)


def agrees(what_if: WhatIf) -> None:
    """What holds of every store: all figures are those of previews."""
    snapshot, ticked = what_if.snapshot, what_if.ticked
    fresh = blobkit.simulate_deref(snapshot, *ticked) if ticked else None
    assert (what_if.preview is None) == (fresh is None)
    before = fresh.bytes if fresh is not None else 0
    if fresh is not None:
        assert what_if.preview.digests == fresh.digests
        kept = snapshot.to_frame().loc[fresh.kept.index].query("reachable")["size"]
        assert (what_if.keepers["bytes"].sum(), what_if.keepers["blobs"].sum()) == (kept.sum(), len(kept))
    assert what_if.next.index.equals(what_if.alone.index)
    extra = {}
    for name, more in what_if.next.items():
        assert more == blobkit.simulate_deref(snapshot, *ticked, f"tag:{name}").bytes - before
        alone = blobkit.simulate_deref(snapshot, f"tag:{name}").bytes
        assert what_if.alone[name] == alone
        extra |= {name: more - alone} if more > alone else {}
    assert dict(zip(what_if.last_keepers["tag"], what_if.last_keepers["extra"], strict=True)) == extra


@pytest.mark.slow
@pytest.mark.parametrize("counting", [False, True])
@settings(max_examples=60)
@given(named_graphs(), st.lists(st.tuples(st.sampled_from(WAYS), st.sets(st.integers(0, 20), max_size=4)), max_size=8))
@example(
    hard_graph(cyclic=True), [("tick", {0, 1}), ("untick", {1}), ("undo", set()), ("undo", set()), ("redo", set())]
)
def test_any_steps(
    counting: bool,  # noqa: FBT001 (pytest gives it by name)
    case: Case,
    steps: list[tuple[str, set[int]]],
) -> None:
    graph, names, group_of = case
    what_if = blobkit.what_if(snapshot_of(graph, counting=counting, names=names, group=group_of))
    index = what_if.snapshot.tags_frame().index
    every = sorted(set(index))
    history, at = [frozenset[str]()], 0
    for way, numbers in steps:
        some = [every[number % len(every)] for number in sorted(numbers)] if every else []
        if way in ("undo", "redo"):
            after = at + (-1 if way == "undo" else 1)
            assert getattr(what_if, way)() == (0 <= after < len(history))
            at = min(max(after, 0), len(history) - 1)
        elif some:
            found = taken(what_if, way, some, history[at], group_of)
            if found != history[at]:
                history, at = [*history[: at + 1], found], at + 1
        assert what_if.ticked == tuple(sorted(history[at]))
        base = gone(case, history[at], counting=counting)
        assert (what_if.preview.bytes if what_if.preview is not None else 0) == graph.bytes(base)
        for name, more in what_if.next.items():
            assert more == graph.bytes(gone(case, {*history[at], name}, counting=counting) - base)
            assert what_if.alone[name] == graph.bytes(gone(case, {name}, counting=counting))
        assert sorted(what_if.next.index) == every
    agrees(what_if)


def taken(
    what_if: WhatIf, way: str, some: list[str], ticked: frozenset[str], group_of: dict[str, str | None]
) -> frozenset[str]:
    """Tick or untick these names in some way, and return what is ticked then."""
    if way == "untick":
        what_if.untick(some)
        return ticked - set(some)
    groups = {group_of[name] for name in some} - {None, ""}
    if way == "group" and groups:
        what_if.tick(groups=groups)
        return ticked | {name for name, group in group_of.items() if group in groups}
    mask = what_if.snapshot.tags_frame().index.isin(some)
    what_if.tick(mask if way == "mask" else pd.Index(some))
    return ticked | set(some)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dev-registry", "dev-oci-layout"])
def test_real_stores_under_every_policy(dataset: Callable[[str], Dataset], name: str) -> None:
    root, _ = dataset(name)
    facts, rng = blobkit.scan(root, progress=False), np.random.default_rng(4)
    for policy in facts.policies:
        what_if = blobkit.what_if(facts, policy=policy)
        names = what_if.alone.index
        for _ in range(3):
            what_if.tick(names[rng.random(len(names)) < 0.2].union(names[:1]))
            what_if.untick(names[rng.random(len(names)) < 0.1].union(names[:1]))
        agrees(what_if)
        frame = what_if.snapshot.tags_frame()
        alone = frame.loc[~frame.index.duplicated() & frame.index.isin(names), "exclusive"]
        assert what_if.alone[alone.index].tolist() == alone.tolist()


def test_it_starts_with_nothing_and_every_way_to_tick_is_the_same() -> None:
    graph = Graph([1, 2, 4, 8], [1, 1, 1, 0], {(0, 3), (1, 3)})
    names = {0: ["shop/web:1"], 1: ["shop/web:2"], 2: ["api:1"]}
    groups = {"shop/web:1": "shop/web", "shop/web:2": "shop/web", "api:1": "api"}
    what_if = blobkit.what_if(snapshot_of(graph, counting=True, names=names, group=groups))
    assert (what_if.ticked, what_if.preview, what_if.undo(), what_if.redo()) == ((), None, False, False)
    assert "Nothing is ticked" in repr(what_if)
    assert what_if.to_dict()["preview"] is None
    tags = blobkit.tags_frame(what_if.snapshot)
    mask = tags["repo"] == "shop/web"
    for given_targets, given_groups in (
        (("shop/web:*",), ()),
        ((["shop/web:1"], "shop/web:2"), ()),
        ((tags.index[mask],), ()),
        ((mask,), ()),
        ((mask.to_numpy(),), ()),
        ((mask[::-1],), ()),
        ((), "shop/web"),
    ):
        what_if.tick(*given_targets, groups=given_groups)
        assert what_if.ticked == ("shop/web:1", "shop/web:2")
        assert what_if.preview.bytes == 11
        assert what_if.next.to_dict() == {"api:1": 4, "shop/web:1": 0, "shop/web:2": 0}
        what_if.untick(*given_targets, groups=given_groups)
        assert what_if.preview is None
    assert (what_if.can_undo, what_if.can_redo) == (True, False)
    assert what_if.undo()
    assert (what_if.can_undo, what_if.can_redo) == (True, True)
    assert "11 B" in repr(what_if)
    with pytest.raises(UnknownTargetError, match="no target"):
        what_if.tick()
    with pytest.raises(UnknownTargetError, match="did you mean shop/web:1"):
        what_if.tick("shop/wep:1")
    with pytest.raises(ChoiceError, match="2 flags"):
        what_if.tick(np.array([True, False]))
    assert what_if.ticked == ("shop/web:1", "shop/web:2")


def test_last_keepers_and_who_keeps_what_stays() -> None:
    graph = Graph([1, 2, 4, 8, 16, 32], [1, 1, 1, 1, 0, 0], {(0, 4), (1, 4), (0, 5), (1, 5), (2, 5)})
    names = {0: ["r:0"], 1: ["r:1"], 2: ["team/s:2"]}
    snapshot = snapshot_of(graph, counting=False, names=names, group={"r:0": "r", "r:1": "r", "team/s:2": "team/s"})
    what_if = blobkit.what_if(snapshot)
    what_if.tick("r:0")
    assert what_if.last_keepers.to_dict("records") == [{"tag": "r:1", "bytes": 18, "alone": 2, "extra": 16}]
    assert what_if.keepers.to_dict("records") == [
        {"owner": "(several namespaces)", "place": "store", "bytes": 32, "blobs": 1},
        {"owner": "r:1", "place": "tag", "bytes": 16, "blobs": 1},
    ]
    what_if.tick("r:1")
    assert what_if.keepers.to_dict("records") == [{"owner": "team/s:2", "place": "tag", "bytes": 32, "blobs": 1}]
    assert "These free more now than alone" in str(what_if)
    assert "team/s:2" in what_if._repr_html_()
    shown = json.loads(json.dumps(what_if.to_dict()))
    assert shown["ticked"] == ["r:0", "r:1"]
    assert shown["preview"]["bytes"] == 19
    assert shown["names"][-1] == {"tag": "team/s:2", "alone": 4, "next": 36}


def test_one_name_on_two_digests_is_ticked_whole(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    one = layout.image("twice", "shared", "one")
    layout.image("twice", "shared", "two")
    layout.image("other", "shared")
    what_if = blobkit.what_if(layout.scan())
    with pytest.raises(AmbiguousTargetError, match="twice is on several blobs"):
        what_if.tick(one)
    what_if.tick("twice")
    assert what_if.ticked == ("twice",)
    agrees(what_if)
    what_if.untick(what_if.snapshot.tags_frame()["version"] == "twice")
    assert what_if.ticked == ()


@pytest.mark.slow
def test_a_revision_takes_the_tags_along_that_a_registry_drops_with_it(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    digest = registry.push("app", "1", "base", "one")
    registry.tag("app", "latest", digest)
    registry.push("app", "2", "base", "two")
    registry.push("other", "1", "base", "other")
    for policy in ("tags", "revisions", "gc", "gc-m"):
        what_if = blobkit.what_if(registry.scan(policy))
        what_if.tick(f"app@{digest}")
        assert what_if.ticked == (f"app@{digest}",)
        assert what_if.preview.also_untagged == ("app:1", "app:latest")
        assert what_if.preview.bytes > 0
        agrees(what_if)
        what_if.tick("app:latest")
        agrees(what_if)
        what_if.untick(f"app@{digest}")
        assert what_if.ticked == ("app:latest",)
        agrees(what_if)
        what_if.tick(groups="app")
        what_if.untick("app:2")
        agrees(what_if)


def test_pins_without_a_name_are_never_ticked() -> None:
    graph = Graph([1, 2, 4], [2, 1, 0], {(0, 2), (1, 2)})
    what_if = blobkit.what_if(snapshot_of(graph, counting=True, names={1: ["a"]}))
    with pytest.raises(NotPinnedError, match=r"without a name.*simulate_deref"):
        what_if.tick(key(0))
    what_if.tick("a")
    assert what_if.next.to_dict() == {"a": 0}
    assert what_if.keepers["owner"].tolist() == ["(pins without a name)"]
    agrees(what_if)


def test_unknown_stays_kept_and_the_bytes_are_at_most(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.image("a", "shared", "a's")
    layout.image("b", "shared", "b's")
    layout.blob("nobody's")
    layout.add(layout.blob("no index"), "broken", INDEX)
    what_if = blobkit.what_if(layout.scan())
    agrees(what_if)
    what_if.tick("a")
    assert "at most" in repr(what_if)
    agrees(what_if)
    what_if.tick("b")
    assert what_if.preview.certain_bytes == 0 < what_if.preview.bytes < what_if.snapshot.bytes


def test_an_empty_store() -> None:
    what_if = blobkit.what_if(snapshot_of(Graph([], []), counting=False))
    assert what_if.alone.empty
    assert what_if.next.dtype == np.int64
    assert "Nothing is ticked" in str(what_if)
    what_if.tick(np.empty(0, np.bool_))
    assert what_if.preview is None
    assert what_if.keepers.empty
    assert what_if.last_keepers.empty


def test_a_policy_and_a_store(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s", durability="off") as store:
        store.put(b"one", tag="t:1")
        what_if = store.what_if()
        what_if.tick("t:*")
        assert what_if.preview.bytes == 3
        assert what_if.snapshot.policy == blobkit.what_if(store, policy="counts").snapshot.policy
        assert "t:1" in store.tags()


def test_repositories_may_be_a_column() -> None:
    what_if = blobkit.what_if(
        snapshot_of(Graph([1], [1], set()), counting=False, names={0: ["r:0"]}, group={"r:0": "r"})
    )
    what_if.tick(groups=pd.Series(["r"]))
    assert what_if.ticked == ("r:0",)
    with pytest.raises(UnknownTargetError, match="no target"):
        what_if.tick(groups=pd.Series([], dtype="str"))


def test_a_digest_ticks_the_tags_of_a_registry_under_every_policy(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    digest = registry.push("app", "1", "base", "one")
    registry.push("app", "2", "base", "two")
    names = {"tags": "app:1", "revisions": f"app@{digest}", "gc": f"app@{digest}", "gc-m": "app:1"}
    for policy, name in names.items():
        what_if = blobkit.what_if(registry.scan(policy))
        what_if.tick(digest)
        assert what_if.ticked == (name,)
        assert what_if.preview.digests == blobkit.simulate_deref(what_if.snapshot, digest).digests
        what_if.untick(digest[:20])
        assert what_if.ticked == ()
