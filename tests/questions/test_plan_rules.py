"""What a plan spares and why, what names cost, and how sizes are read."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

import blobkit
from blobkit.questions.inputs.sizes import parse_size
from blobkit.snapshot.snapshot import build
from layouts import Registry, nowhere, sha

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

NOW = datetime(2026, 1, 31, tzinfo=UTC)
UNKNOWN = "its time of modification is unknown"


def days(*ages: float | None) -> list[int]:
    """Microseconds since 1970 of so many days before NOW."""
    return [-1 if age is None else int((NOW - timedelta(days=age)).timestamp() * 1_000_000) for age in ages]


def aged(**tags: float | None) -> Snapshot:
    """A registry of tags `repo_name`, each of 10 bytes of its own, modified so many days ago."""
    repos = [name.rpartition("_")[0] for name in tags]
    return build(
        "registry",
        "synthetic",
        nodes={"key": [nowhere(i) for i in range(len(tags))], "size": [10] * len(tags)},
        links={"source": [], "target": []},
        pins={
            "node": range(len(tags)),
            "name": [":".join(name.rsplit("_", 1)) for name in tags],
            "kind": "tag",
            "group": repos,
            "modified": days(*tags.values()),
        },
        time=NOW,
    )


def why(plan: blobkit.Plan) -> dict[str, str]:
    return dict(zip(plan.spared["tag"], plan.spared["why"], strict=True))


def test_only_what_is_older() -> None:
    plan = blobkit.plan(aged(a_1=40, a_2=30, a_3=29.999, a_4=None, a_5=-1), older_than="30d")
    assert plan.tags == ("a:1", "a:2")
    young = "not older than 30d"
    assert why(plan) == {"a:3": young, "a:4": UNKNOWN, "a:5": young}
    assert (plan.needed, plan.bytes, plan.gap) == (None, 20, 0)
    assert blobkit.plan(aged(a_1=40, a_2=3), older_than=timedelta(days=3)).tags == ("a:1", "a:2")
    with pytest.raises(blobkit.AgeError):
        blobkit.plan(aged(a_1=40), older_than="soon")


def test_a_name_given_twice_is_as_old_as_its_youngest() -> None:
    def dropped(*ages: float | None) -> tuple[str, ...]:
        nodes = {"key": [nowhere(0), nowhere(1)], "size": [10, 10]}
        pins = {"node": [0, 1], "name": ["x", "x"], "kind": "entry", "modified": days(*ages)}
        links: dict[str, list[int]] = {"source": [], "target": []}
        return blobkit.plan(build("oci", "twice", nodes=nodes, links=links, pins=pins, time=NOW), older_than="30d").tags

    assert dropped(40, 50) == ("x",)
    assert dropped(40, 3) == dropped(3, 40) == dropped(40, None) == dropped(None, 40) == ()


def test_the_last_of_each_repository() -> None:
    snapshot = aged(a_1=1, a_2=2, a_3=3, a_4=None, b_1=9)
    plan = blobkit.plan(snapshot, keep_last=2)
    assert plan.tags == ("a:3",)
    last = "among the last 2 of its repository"
    assert why(plan) == {"a:1": last, "a:2": last, "a:4": UNKNOWN, "b:1": last}
    assert blobkit.plan(snapshot, keep_last=np.int64(2)).tags == ("a:3",)  # type: ignore[arg-type]  # what pandas gives
    assert blobkit.plan(snapshot, keep_last=0).tags == ("a:1", "a:2", "a:3", "b:1")
    assert blobkit.plan(aged(a_1=1, a_2=1), keep_last=1).tags == ("a:1",)
    for wrong in (-1, True, 1.5, "2"):
        with pytest.raises(blobkit.PlanError, match="keep_last"):
            blobkit.plan(snapshot, keep_last=wrong)  # type: ignore[arg-type]  # what a user may give


def test_the_last_images_whatever_number_of_names_they_have(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for number, names in enumerate((("old",), ("1", "stable"), ("2", "latest", "prod"))):
        image = registry.push("app", names[0], "base", names[0])
        for name in names:
            os.utime(registry.link(f"app/_manifests/tags/{name}/current/link", image), (number * 1000, number * 1000))
    two = blobkit.plan(registry.scan(), keep_last=2)
    assert two.tags == ("app:old",)
    assert set(why(two).values()) == {"among the last 2 of its repository"}
    assert blobkit.plan(registry.scan(), keep_last=1).tags == ("app:1", "app:old", "app:stable")


@pytest.mark.parametrize("policy", ["tags", "gc-m"])
def test_a_name_whose_image_stays_anyway_is_spared(tmp_path: Path, policy: str) -> None:
    registry = Registry(tmp_path)
    image = registry.push("app", "latest", "base", "one")
    registry.tag("app", "1.0", image)
    registry.push("app", "0.9", "base", "two")
    plan = blobkit.plan(registry.scan(policy), keep="app:latest", keep_last=0)
    assert plan.tags == ("app:0.9",)
    assert why(plan) == {"app:latest": "keep app:latest", "app:1.0": "frees nothing: latest keeps it"}
    plan = blobkit.plan(registry.scan(policy), keep="app:latest", free=1)
    assert plan.tags == ("app:0.9",)
    assert why(plan)["app:1.0"] == "frees nothing: latest keeps it"
    assert blobkit.plan(registry.scan(policy), keep_last=0).tags == ("app:0.9", "app:1.0", "app:latest")


def test_the_name_that_keeps_an_image_may_be_above_it_or_in_another_repository(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    platform = registry.push("app", "amd64", "amd")
    registry.tag("app", "multi", registry.revision("app", registry.index(platform)))
    registry.tag("mirror/app", "amd64", registry.revision("mirror/app", platform))
    plan = blobkit.plan(registry.scan(), keep="app:multi", keep_last=0)
    assert plan.tags == ()
    assert why(plan)["app:amd64"] == "frees nothing: multi keeps it"
    assert why(plan)["mirror/app:amd64"] == "frees nothing: app:multi keeps it"


def test_rules_together() -> None:
    plan = blobkit.plan(aged(a_1=1, a_2=20, a_3=30, b_1=90), keep="a:3", older_than="10d", keep_last=1)
    assert plan.tags == ("a:2",)
    assert list(why(plan).values()) == ["not older than 10d", "keep a:3", "among the last 1 of its repository"]


@pytest.mark.slow
def test_what_is_kept(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    one = registry.push("team/app", "1", "base", "one")
    registry.tag("team/app", "1.0", one)
    registry.push("team/app", "2", "base", "two")
    registry.push("other", "1", "three")
    snapshot = registry.scan()

    def dropped(*keep: object) -> set[str]:
        return set(blobkit.plan(snapshot, keep_last=0, keep=keep).tags)

    every = {"team/app:1", "team/app:1.0", "team/app:2", "other:1"}
    assert dropped() == every
    assert dropped("team/app:2") == every - {"team/app:2"}
    assert dropped("team/*") == {"other:1"}
    assert dropped(one) == dropped(one[:17]) == dropped(f"digest:{one}") == every - {"team/app:1", "team/app:1.0"}
    assert dropped(f"team/app@{one}") == every - {"team/app:1", "team/app:1.0"}
    assert dropped(sha(b"two")) == every - {"team/app:2"}
    assert dropped(sha(b"base")) == {"other:1"}
    assert dropped(pd.Series(["other:1"]), ["team/app:2"]) == {"team/app:1", "team/app:1.0"}
    assert blobkit.plan(snapshot, keep_last=0, keep="other:1").tags == tuple(sorted(every - {"other:1"}))
    for wrong in ("team/ap:2", "nothing/*", nowhere(1)):
        with pytest.raises(blobkit.BlobkitError):
            dropped(wrong)


def test_a_kept_digest_of_a_store_that_counts(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path) as store:
        held = store.put(b"held")
        top = store.put(b"top", tag="t")
        store.link(held.digest, top.digest)
        store.put(b"pinned")
        store.tag("p", store.put(b"pinned").digest)
        for keep in (top.digest, held.digest, held.digest[:20]):
            assert blobkit.plan(store, keep_last=0, keep=keep).tags == ("p",)
        assert blobkit.plan(store, keep_last=0, keep=sha(b"pinned")[:20]).tags == ("t",)


@pytest.mark.parametrize("policy", ["revisions", "gc"])
def test_a_tag_is_as_old_as_the_youngest_that_goes_with_it(tmp_path: Path, policy: str) -> None:
    registry = Registry(tmp_path)
    old = registry.push("r", "old", "1")
    moved = registry.push("r", "moved", "2")
    for link in registry.v2.rglob("link"):
        os.utime(link, (1_000_000_000, 1_000_000_000))
    registry.tag("r", "moved", moved)
    plan = blobkit.plan(registry.scan(policy), older_than="30d")
    assert plan.tags == (f"r@{old}",)


@pytest.mark.parametrize("policy", ["revisions", "gc"])
def test_the_platforms_of_what_is_spared_are_spared(tmp_path: Path, policy: str) -> None:
    registry = Registry(tmp_path)
    child = registry.revision("r", registry.manifest(registry.blob("child" * 50)))
    index = registry.tag("r", "1", registry.revision("r", registry.index(child)))
    registry.revision("other", child)
    snapshot = registry.scan(policy)
    for keep in ("r:1", index):
        plan = blobkit.plan(snapshot, keep_last=0, keep=keep)
        assert plan.tags == (f"other@{child}",)
        assert why(plan)[f"r@{child}"] == "part of a spared index"


def test_what_would_break_is_told(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    child = registry.revision("r", registry.manifest(registry.blob("child" * 500)))
    registry.tag("r", "1", registry.revision("r", registry.index(child)))
    plan = blobkit.plan(registry.scan("gc"), free=2500)
    assert plan.tags == (f"r@{child}",)
    assert "these tags stay, but could no longer be pulled: r:1" in plan.notices


def test_costs() -> None:
    snapshot = aged(a_1=1, a_2=2, a_3=3)
    cost = pd.Series({"a:1": 5.0, "a:2": 1.0, "a:3": 0.0, "gone": 1.0})
    assert blobkit.plan(snapshot, free=10, cost=cost).tags == ("a:3",)
    plan = blobkit.plan(snapshot, free=20, cost=cost)
    assert (plan.tags, plan.cost, plan.frame["cost"].tolist()) == (("a:2", "a:3"), 1, [1, 0])
    frame = blobkit.tags_frame(snapshot)
    assert blobkit.plan(snapshot, free=10, cost=frame["modified"].rank()).tags == ("a:3",)
    wrong = {
        "a:2 has no cost": cost.drop("a:2"),
        "a:1 has the cost -1": cost.replace(5.0, -1),
        "a:1 has the cost inf": cost.replace(5.0, np.inf),
        "a:1 has no cost": cost.replace(5.0, np.nan),
        "two costs": pd.concat([cost, pd.Series({"a:2": 7.0})]),
    }
    for message, series in wrong.items():
        with pytest.raises(blobkit.PlanError, match=message):
            blobkit.plan(snapshot, free=10, cost=series)
    assert blobkit.plan(snapshot, free=10, cost=cost.drop("a:2"), keep="a:2").tags == ("a:3",)
    with pytest.raises(blobkit.PlanError, match="give a Series"):
        blobkit.plan(snapshot, free=10, cost={"a:1": 1})  # type: ignore[arg-type]  # what a user may give


def test_a_cost_that_says_never_hides_no_other_cost() -> None:
    """Beside 1e15 all else looks like nothing: the cheapest is found nevertheless."""
    snapshot = aged(a_1=1, a_2=2, a_3=3, a_4=4)
    cost = pd.Series({"a:1": 0.5, "a:2": 0.25, "a:3": 0.75, "a:4": 1e15})
    assert blobkit.plan(snapshot, free=10, cost=cost).tags == ("a:2",)
    assert blobkit.plan(snapshot, free=20, cost=cost).tags == ("a:1", "a:2")
    all_but_free = blobkit.plan(snapshot, free=10, cost=cost.where(cost > 0.5, 0))
    assert (all_but_free.cost, len(all_but_free)) == (0, 1)


def test_what_rules_cost() -> None:
    """Infeasible: what is possible, and how much more without each rule."""
    snapshot = aged(a_1=1, a_2=2, a_3=50, a_4=60, b_1=70, b_2=80, b_3=90)
    with pytest.raises(blobkit.InfeasiblePlanError) as caught:
        blobkit.plan(snapshot, free="1kB", keep=["a:4", "b:*"], older_than="30d")
    assert caught.value.possible == 10
    message = str(caught.value)
    assert "1000 B (1,000 bytes) cannot be freed: at most 10 B (10 bytes) can" in message
    assert (
        "30 B more without 'keep b:*', 20 B more without 'not older than 30d' (older_than), "
        "10 B more without 'keep a:4'" in message
    )
    assert message.endswith("70 B if nothing were spared")
    assert "\n" not in message
    with pytest.raises(blobkit.InfeasiblePlanError) as hasty:
        blobkit.plan(snapshot, free="1kB", keep=["a:4", "b:*"], older_than="30d", time_limit=0)
    assert str(hasty.value).endswith("not tried: 3 rules, 70 B if nothing were spared")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no goal"),
        ({"free": 1, "until": 1}, "cannot be given together"),
        ({"keep": "a:1"}, "no goal"),
        ({"cost": None}, "no goal"),
    ],
)
def test_one_goal(given: dict[str, object], message: str) -> None:
    with pytest.raises(blobkit.PlanError, match=message):
        blobkit.plan(aged(a_1=1), **given)  # type: ignore[arg-type]  # what a user may give


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("20GiB", 20 << 30),
        ("20GB", 20 * 10**9),
        ("20 gib", 20 << 30),
        ("1.5KiB", 1536),
        ("1.5 kB", 1500),
        ("0.1 GB", 10**8),
        ("7", 7),
        ("7B", 7),
        ("0.5B", 1),
        (7, 7),
        (np.int64(7), 7),
        (0, 0),
        ("2PiB", 2 << 50),
        ("3 TB", 3 * 10**12),
    ],
)
def test_sizes(text: str | int, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["20G", "20 g", "1.5T", "3k", "9M", "2P"])
def test_sizes_with_two_readings(text: str) -> None:
    number, letter = text[:-1].strip(), text[-1].upper()
    with pytest.raises(blobkit.SizeError) as caught:
        blobkit.plan(aged(a_1=1), free=text)
    message = str(caught.value)
    for unit in (f"{letter}iB", f"{'k' if letter == 'K' else letter}B"):
        assert f"{number}{unit} ({parse_size(number + unit):,} bytes" in message
    assert repr(text) in message


@pytest.mark.parametrize(
    "text", ["", "GiB", "-1", "1e9", "1,000", "20XB", "20Gi", "\uff12GB", "inf", -1, 1.5, None, True, "9" * 99]
)
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(blobkit.SizeError, match="is not a size"):
        parse_size(text)  # type: ignore[arg-type]  # what a user may give
