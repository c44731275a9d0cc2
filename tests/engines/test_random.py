"""DuckDB against blobkit in memory on random snapshots: cyclic ones, counting ones, with all kinds of facts."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobkit.engines import DuckSnapshot
from blobkit.snapshot import saved
from effort import TORTURE
from engines.equal import (
    BY,
    check,
    check_diff,
    check_dropped,
    check_garbage,
    check_retained,
    check_sharing,
    check_tools,
    check_usage,
    names_of,
    some_live,
)
from graphs import droppings, hard_graph, named_graphs, snapshot_of
from stored import facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.snapshot.snapshot import Snapshot


KINDS = ("registry", "oci", "containerd", "docker", "huggingface", "containers-storage", "ollama", "blobkit")


@contextmanager
def opened(snapshot: Snapshot, rows: int = 5, name: str = "x", **options: object) -> Iterator[DuckSnapshot]:
    with tempfile.TemporaryDirectory() as place:
        saved.write_parts(Path(place, name), snapshot.tables, snapshot._meta(), part_rows=rows)
        with DuckSnapshot(f"{place}/{name}", work=f"{place}/work", threads=1, memory="200MB", **options) as duck:
            yield duck


@pytest.mark.slow
@pytest.mark.parametrize("cyclic", [False, True])
@pytest.mark.parametrize("counting", [False, True])
def test_the_hard_graph(cyclic: bool, counting: bool) -> None:  # noqa: FBT001 (parameters)
    graph, names, groups = hard_graph(cyclic=cyclic)
    snapshot = snapshot_of(graph, counting=counting, names=names, group=groups)
    with opened(snapshot) as duck:
        check(snapshot, duck)
        for name in names_of(snapshot):
            check_dropped(snapshot, duck, name)
        check_dropped(snapshot, duck, *names_of(snapshot))
        check_dropped(snapshot, duck, groups=("a",))


@pytest.mark.slow
@settings(max_examples=20 * TORTURE)
@given(droppings())
def test_what_is_dropped(drawn: object) -> None:
    graph, names, chosen, counting = drawn
    snapshot = snapshot_of(graph, counting=counting, names=names)
    with opened(snapshot) as duck:
        check_dropped(snapshot, duck, *chosen)


@pytest.mark.slow
@settings(max_examples=20 * TORTURE)
@given(st.data(), named_graphs(), st.booleans())
def test_groups_and_retained_bytes(data: st.DataObject, drawn: object, counting: bool) -> None:  # noqa: FBT001 (drawn)
    graph, names, groups = drawn
    snapshot = snapshot_of(graph, counting=counting, names=names, group=groups)
    with opened(snapshot) as duck:
        check_some(data, snapshot, duck)


@pytest.mark.slow
@settings(max_examples=20 * TORTURE)
@given(st.data(), st.sampled_from(KINDS))
def test_all_kinds_of_facts_under_all_policies(data: st.DataObject, kind: str) -> None:
    snapshot = data.draw(facts(kind))
    policy = data.draw(st.sampled_from(snapshot.policies))
    with opened(snapshot.with_policy(policy)) as duck:
        check_some(data, snapshot.with_policy(policy), duck)
        check_tools(snapshot, duck)


def check_some(data: st.DataObject, snapshot: Snapshot, duck: DuckSnapshot) -> None:
    by = data.draw(st.sampled_from(BY))
    check_garbage(snapshot, duck)
    check_usage(snapshot, duck, by)
    check_sharing(snapshot, duck, by)
    check_retained(snapshot, duck)
    for target in [*names_of(snapshot, 3), *some_live(snapshot, 2)]:
        check_dropped(snapshot, duck, target)
    for group in sorted(set(snapshot.pins["group"].drop_null().to_pylist()))[:1]:
        check_dropped(snapshot, duck, groups=(group,))


@pytest.mark.slow
@settings(max_examples=10 * TORTURE)
@given(st.data())
def test_changes(data: st.DataObject) -> None:
    before, after = (data.draw(facts("registry")) for _ in range(2))
    with opened(before) as one, opened(after) as two:
        for by in ("repo", "tag"):
            check_diff(before, after, one, two, by)
