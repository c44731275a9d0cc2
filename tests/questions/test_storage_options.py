"""Options for stores on other machines: each question takes them beside the address, as `scan` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import blobkit
from blobkit.errors import AddressError
from layouts import Layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from remote_servers.fixtures import FilledRegistry

ASKED: dict[str, Callable[..., Any]] = {
    "audit": blobkit.audit,
    "compare_gc": lambda x, **how: blobkit.compare_gc(x, "registry-m", **how),
    "diff": lambda x, **how: blobkit.diff(x, x, **how),
    "explore": blobkit.explore,
    "graph_view": blobkit.graph_view,
    "growth": blobkit.growth,
    "links_frame": blobkit.links_frame,
    "plan": lambda x, **how: blobkit.plan(x, keep_last=0, **how),
    "reach": lambda x, **how: blobkit.reach(x, "team0/group/app0:1.0", **how),
    "report": blobkit.report,
    "sharing": blobkit.sharing,
    "simulate_deref": lambda x, **how: blobkit.simulate_deref(x, "team0/group/app0:1.0", **how),
    "tags_frame": blobkit.tags_frame,
    "to_frame": blobkit.to_frame,
    "to_graph": blobkit.to_graph,
    "untagged_frame": blobkit.untagged_frame,
    "usage": blobkit.usage,
    "what_if": blobkit.what_if,
    "why": lambda x, **how: blobkit.why(x, "team0/group/app0:1.0", **how),
}
"""The questions that take an address, with what else they need."""
ONE = {"repositories": ["team0/group/app0"], "configs": False}


@pytest.mark.parametrize("name", ASKED)
def test_a_question_hands_them_to_the_scan_of_its_address(name: str, tmp_path: Path) -> None:
    """A wrong option is refused before anything is asked over the network, by the scan that got it."""
    with pytest.raises(AddressError, match="'wrong' is no option of a registry over HTTP"):
        ASKED[name]("registry+https://registry.invalid", storage_options={"wrong": 1})
    snapshot = Layout(tmp_path).scan()
    with pytest.raises(AddressError, match=r"another machine, which a Snapshot is not"):
        ASKED[name](snapshot, storage_options={"configs": False})
    with pytest.raises(AddressError, match=r"is a local path.*leave out storage_options \(configs\)"):
        ASKED[name](tmp_path, storage_options={"configs": False})


def test_every_question_about_an_address_is_here() -> None:
    taking = {
        name
        for name in blobkit.__all__
        if "Address" in str(getattr(getattr(blobkit, name), "__annotations__", {}).get("x", ""))
    }
    assert taking | {"diff", "growth"} == ASKED.keys()


@pytest.fixture
def address(filled_registry: FilledRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return f"registry+{filled_registry.url}"


def test_the_options_choose_what_is_read(address: str) -> None:
    groups = blobkit.usage(address, "repo", storage_options=ONE).frame
    assert set(groups.index[~groups["beside"]]) == set(ONE["repositories"])  # type: ignore[call-overload]
    assert blobkit.audit(address, storage_options=ONE).snapshot.blobs < blobkit.audit(address).snapshot.blobs


@pytest.mark.slow
def test_a_diff_gives_them_to_both_sides_or_to_the_one_on_another_machine(address: str, tmp_path: Path) -> None:
    part = blobkit.scan(address, progress=False, storage_options=ONE)
    part.save(tmp_path / "part.blobkit")
    for before in (address, part, tmp_path / "part.blobkit"):
        same = blobkit.diff(before, address, storage_options=ONE)
        assert (same.before.blobs, same.after.blobs, same.net) == (part.blobs, part.blobs, 0)
    assert part.diff(address, storage_options=ONE).net == 0
    assert part.diff(address).net > 0
    report = blobkit.report(address, before=tmp_path / "part.blobkit", progress=False, storage_options=ONE)
    assert report.snapshot.blobs == part.blobs
    assert len(blobkit.growth([tmp_path / "part.blobkit", address], storage_options=ONE)) == 2
    plan = blobkit.plan(part, keep_last=0, progress=False)
    with pytest.raises(AddressError, match="'wrong' is no option"):
        plan.verify(address, storage_options={"wrong": 1})
