"""The questions as methods: the same functions, the same signatures, found by TAB, and loaded only when asked."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import blobkit
from layouts import Registry

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = ("to_frame", "tags_frame", "links_frame", "untagged_frame", "growth", "to_graph", "graph_view")
WITH_ADDRESS = ("diff", "report")
"""Methods that take the address of another store."""
ASKED = ("reach", "usage", "why", "plan", "sharing", "diff", "audit", "report", "compare_gc", "what_if")


@pytest.mark.parametrize("name", [*FRAMES, *ASKED, "simulate_deref"])
def test_a_method_is_the_function(name: str) -> None:
    function, method = getattr(blobkit, name), getattr(blobkit.Snapshot, name)
    _, *given = inspect.signature(function).parameters.values()
    _, *taken = inspect.signature(method).parameters.values()
    assert given[-1].name == "storage_options"
    given = given if name in WITH_ADDRESS else given[:-1]
    assert [(one.name, one.kind, one.default) for one in taken] == [(one.name, one.kind, one.default) for one in given]
    assert [one.annotation for one in taken] == [one.annotation for one in given]
    assert inspect.signature(method).return_annotation == inspect.signature(function).return_annotation
    assert inspect.getdoc(method).splitlines()[0] == inspect.getdoc(function).splitlines()[0]
    assert f"help(blobkit.{name})" in str(method.__doc__)
    assert name in dir(blobkit.Snapshot)
    assert name in dir(blobkit.LocalStore)
    assert (getattr(blobkit.Store, name) is method) == (name != "simulate_deref")


@pytest.mark.slow
def test_methods_of_a_snapshot_answer_as_the_functions_do(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    image = registry.push("a", "1", "base", "own")
    registry.push("b", "1", "base", "other")
    snapshot = registry.scan()
    for name in ("to_frame", "tags_frame", "links_frame", "untagged_frame", "growth"):
        pd.testing.assert_frame_equal(getattr(snapshot, name)(), getattr(blobkit, name)(snapshot))
    assert snapshot.to_frame(columns="size", links=True, virtual=True).columns.tolist() == ["size", "links", "stored"]
    pd.testing.assert_frame_equal(snapshot.reach("a:1"), blobkit.reach(snapshot, "a:1"))
    assert set(snapshot.to_graph()) == set(snapshot.graph_view()) == set(snapshot.to_frame().index)
    calls = {
        "usage": (("repo",), {"where": "a:*"}),
        "why": ((image,), {}),
        "plan": ((), {"free": 1, "keep": ["a:1"]}),
        "sharing": (("tag",), {"policy": "gc-m"}),
        "audit": ((), {"min_age": 0, "top": 2}),
        "compare_gc": (("registry-m",), {}),
        "simulate_deref": (("a:1",), {"policy": "tags"}),
        "diff": ((registry.scan(),), {"by": "repo"}),
    }
    for name, (args, how) in calls.items():
        answer, same = getattr(snapshot, name)(*args, **how), getattr(blobkit, name)(snapshot, *args, **how)
        assert type(answer) is type(same)
        assert answer.to_dict() == same.to_dict()


def test_a_store_is_asked_as_it_is_now(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s", durability="off") as store:
        one = store.put(b"one", tag="t:1")
        assert store.usage(by="repo").bytes == 3
        store.put(b"more", tag="t:2")
        assert store.tags_frame().index.tolist() == ["t:1", "t:2"]
        assert store.why(one.digest).tags == ("t:1",)
        assert isinstance(store.simulate_deref(store.put(b"anonymous").digest), blobkit.Freed)
        assert store.audit(min_age=0).bytes == blobkit.audit(store, min_age=0).bytes > 0
        assert store.reach("t:1")["size"].tolist() == [3]


def test_dir_shows_what_one_calls() -> None:
    shown = dir(blobkit)
    assert not [name for name in shown if name.endswith(("Error", "Warning"))]
    assert "errors" in shown
    assert blobkit.TargetError is blobkit.errors.TargetError
    assert not set(blobkit.errors.__all__) & set(blobkit.__all__)
    with pytest.raises(AttributeError, match="no attribute 'NoSuchError'"):
        blobkit.NoSuchError  # noqa: B018
