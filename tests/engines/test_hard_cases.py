"""Plain cases that random snapshots seldom have, each against blobkit in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.engines import DuckSnapshot
from blobkit.snapshot.snapshot import build
from engines.equal import check, check_dropped, check_tools, check_usage
from graphs import key
from layouts import Layout, Registry, nowhere

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot


def duck_of(snapshot: Snapshot, place: Path) -> DuckSnapshot:
    place.mkdir(exist_ok=True)
    snapshot.save(f"{place}/x/")
    return DuckSnapshot(place / "x", work=place / "work", threads=1, memory="200MB")


@pytest.mark.slow
def test_what_a_nameless_pin_holds_too_is_exclusive_to_nobody(tmp_path: Path) -> None:
    """One group reaches 2, and so does a pin without a name; a pin without a count holds nothing."""
    snapshot = build(
        "oci",
        "/s",
        nodes={"key": [key(i) for i in range(5)], "size": [1, 10, 100, 1000, 10000]},
        links={"source": [0, 1, 0], "target": [2, 2, 3], "kind": ["layer"] * 3},
        pins={
            "node": [0, 1, 4], "name": ["a", None, "b"], "kind": ["entry"] * 3, "count": [1, 1, 0],
            "group": ["g", None, "g"],
        },
    )  # fmt: skip
    with duck_of(snapshot, tmp_path) as duck:
        check(snapshot, duck)
        row = duck.usage("repo").frame.df().set_index("group").loc["g"]
        assert (row["closure"], row["exclusive"]) == (1101, 1001)
        assert duck.garbage().bytes == 10000


@pytest.mark.slow
def test_a_cycle_of_a_counting_store_is_exclusive_to_nobody(tmp_path: Path) -> None:
    snapshot = build(
        "blobkit",
        "/s",
        nodes={"key": [key(i) for i in range(4)], "size": [1, 10, 100, 1000]},
        links={"source": [0, 1, 2, 2], "target": [1, 2, 1, 3]},
        pins={"node": [0], "name": ["a"], "kind": ["tag"], "group": ["g"]},
    )
    with duck_of(snapshot, tmp_path) as duck:
        check(snapshot, duck)
        check_dropped(snapshot, duck, "a")
        assert duck.simulate_deref("a").bytes == duck.usage("tag").frame.df()["exclusive"].iloc[0] == 1


@pytest.mark.slow
def test_links_of_two_kinds_are_one_reference(tmp_path: Path) -> None:
    snapshot = build(
        "blobkit",
        "/s",
        nodes={"key": [key(i) for i in range(3)], "size": [1, 10, 100]},
        links={"source": [0, 0, 1], "target": [1, 1, 2], "kind": ["config", "layer", "link"]},
        pins={"node": [0, 2], "name": ["a", "b"], "kind": ["tag"] * 2},
    )
    with duck_of(snapshot, tmp_path) as duck:
        check(snapshot, duck)
        check_dropped(snapshot, duck, "a")
        check_dropped(snapshot, duck, "a", "b")
        assert duck.simulate_deref("a").bytes == 11


@pytest.mark.slow
def test_an_unreadable_index_makes_garbage_unknown(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("app:1", "base", "top")
    layout.image("app:2", "base", "other")
    layout.add(nowhere(1), "lost:1", mediaType="application/vnd.oci.image.index.v1+json")
    layout.blob("garbage")
    snapshot = layout.scan()
    assert blobkit.to_frame(snapshot)["status"].isin(["unknown"]).any()
    with duck_of(snapshot, tmp_path) as duck:
        for policy in snapshot.policies:
            one, two = snapshot.with_policy(policy), duck.with_policy(policy)
            check(one, two)
            for targets in (["app:1"], ["app:*"], ["lost:1"], ["app:1", "lost:1"]):
                check_dropped(one, two, *targets)
        assert duck.garbage().unread == (nowhere(1),)
        assert not duck.simulate_deref("app:1").exact
        check_tools(snapshot, duck)


@pytest.mark.slow
def test_targets_are_resolved_as_in_memory(tmp_path: Path) -> None:
    """Names, patterns, digests, the start of one, revisions, groups, and what is refused."""
    registry = Registry(tmp_path / "r")
    pushed = [registry.push(repo, tag, content) for repo, tag, content in (
        ("shop/web", "1", "one"), ("shop/web", "2", "two"), ("shop/api", "1", "one"), ("other", "1", "three"),
    )]  # fmt: skip
    assert pushed
    snapshot = registry.scan()
    digest = str(blobkit.tags_frame(snapshot)["digest"].iloc[0])
    asked = ["shop/web:1", "shop/*", "re:.*:1", "*:[12]", digest, digest[:15], f"digest:{digest[7:20]}", "tag:other:1"]
    asked += [f"shop/web@{digest}", "nothing", "shop/web", digest[:9], "sha256:" + "0" * 64, "no*"]
    with duck_of(snapshot, tmp_path) as duck:
        for policy in snapshot.policies:
            one, two = snapshot.with_policy(policy), duck.with_policy(policy)
            for target in asked:
                check_dropped(one, two, target)
                check_dropped(one, two, target, all_pins=True)
            check_dropped(one, two, groups=("shop/web",))
            check_dropped(one, two, "other:1", groups=("shop/api",))
            check_dropped(one, two, groups=("none",))
        check_usage(
            snapshot, duck, {"shop/web:1": "mine", "other:1": None, "no such name": "x", "shop/api:1": "(garbage)"}
        )
        assert check_tools(snapshot, duck) == 2


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 5, 40])
def test_long_chains(tmp_path: Path, depth: int) -> None:
    snapshot = build(
        "oci",
        "/s",
        nodes={"key": [key(i) for i in range(depth + 1)], "size": [1] * (depth + 1)},
        links={"source": range(depth), "target": range(1, depth + 1), "kind": ["child"] * depth},
        pins={"node": [0, depth // 2], "name": ["top", "middle"], "kind": ["entry"] * 2},
    )
    with duck_of(snapshot, tmp_path) as duck:
        check(snapshot, duck)
        check_dropped(snapshot, duck, "top")
        assert duck.retained().depth == depth


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["tags", "gc", "gc-m", "revisions", "dependent"])
def test_what_is_unread_below_what_holds(tmp_path: Path, policy: str) -> None:
    """Opaque nodes that a pin holds, that links of each kind lead to, and that garbage links to."""
    kinds = ["child", "mark", "layer", "revision", "stored-as", "referrer"]
    n = len(kinds)
    snapshot = build(
        "registry",
        "/s",
        nodes={
            "key": [key(i) for i in range(2 * n + 3)],
            "size": range(2 * n + 3),
            "opaque": [False] * (n + 1) + [True] * (n + 1) + [False],
        },
        links={"source": [*range(n), 2 * n + 2], "target": range(n + 1, 2 * n + 2), "kind": [*kinds, "child"]},
        pins={
            "node": [*range(n), *range(n)], "name": [f"r:{i}" for i in range(n)] * 2, "group": ["r"] * (2 * n),
            "kind": ["tag"] * n + ["tagged-revision"] * n,
        },
        policy=policy,
    )  # fmt: skip
    for one in range(n):
        some = snapshot.links.take([one, n])
        part = build(
            "registry", "/s", policy=policy,
            nodes={name: snapshot.nodes[name] for name in ("key", "size", "opaque")},
            links={name: some[name] for name in some.column_names},
            pins={name: snapshot.pins[name] for name in snapshot.pins.column_names},
        )  # fmt: skip
        with duck_of(part, tmp_path / kinds[one]) as duck:
            check_dropped(part, duck, "r:0")
            check_usage(part, duck, "repo")
            check_tools(part, duck)


@pytest.mark.slow
def test_links_that_are_in_no_document_count_whatever_their_source(tmp_path: Path) -> None:
    """A collector that follows documents of some types only: marks of its virtual nodes count, layers of others do not.

    A document that a pin of the kind `unread` is on is not followed either.
    """
    followed = "application/vnd.oci.image.manifest.v1+json"
    snapshot = build(
        "oci",
        "/s",
        nodes={
            "key": [f"entry-0@{key(1)}", *(key(i) for i in range(1, 7))], "size": [0, 1, 10, 100, 1000, 10000, 100000],
            "stored": ["virtual"] + ["yes"] * 6, "media_type": ["", "x", "", followed, "", followed, ""],
        },
        links={
            "source": [0, 0, 1, 3, 5], "target": [1, 2, 4, 4, 6],
            "kind": ["revision", "mark", "layer", "layer", "layer"],
        },
        pins={
            "node": [0, 1, 5, 5], "name": ["a", "a", "b", None], "count": [1, 1, 1, 0],
            "kind": ["read-entry", "entry", "entry", "unread"],
        },
        policy="strong",
    )  # fmt: skip
    with duck_of(snapshot, tmp_path) as duck:
        assert duck.garbage().bytes == 100 + 1000 + 100000
        for policy in snapshot.policies:
            check(snapshot.with_policy(policy), duck.with_policy(policy))
            check_dropped(snapshot.with_policy(policy), duck.with_policy(policy), "a")
