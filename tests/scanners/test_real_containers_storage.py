"""What podman 5.4 really removed from a real root (overlay), against what is predicted of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import blobkit
from layouts import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Oracle = dict[str, Any]
    Dataset = Callable[[str], tuple[Path, Oracle]]

LIST = "localhost/acme/list:1"
"""podman takes the name of a list for the image of this platform: scripts use `podman manifest rm`."""


@pytest.fixture(scope="module")
def real(dataset: Dataset) -> tuple[Snapshot, Oracle]:
    root, oracle = dataset("dev-containers-storage")
    return blobkit.scan(f"podman:{root}", progress=False), oracle


def sizes(snapshot: Snapshot, keys: Iterable[str]) -> dict[str, int]:
    """The bytes of nodes, without those that have none: the oracle leaves these out."""
    size = snapshot.to_frame()["size"]
    return {key: int(size[key]) for key in keys if size[key]}


def freed(want: Oracle) -> dict[str, int]:
    return {key: size for key, size in want["freed"]["nodes"].items() if size}


def agrees(preview: blobkit.Preview, want: Oracle) -> None:
    """A preview says what happened: what went, how much, and whether podman refused a name."""
    snapshot = preview.snapshot
    assert sizes(snapshot, preview.digests) == sizes(snapshot, preview.collected.digests) == freed(want)
    assert preview.bytes == preview.collected.bytes == want["freed"]["bytes"]
    assert preview.exact
    assert any("is in use by" in notice for notice in preview.notices) == (want["rc"] != 0)


def live(snapshot: Snapshot, policy: str, *dropped: str) -> set[str]:
    """The keys of what stays under a policy when these names are dropped."""
    view = snapshot.with_policy(policy)
    status = view.to_frame(columns=["status"])["status"]
    gone = view.simulate_deref(*dropped).digests if dropped else ()
    return set(status.index[status == "live"]) - set(gone)


def test_every_node_has_its_bytes(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    frame = snapshot.to_frame()
    found = frame["size"].to_dict()
    assert {key: size for key, size in found.items() if size or key in oracle["nodes"]} == oracle["nodes"]
    assert snapshot.bytes == oracle["totals"]["bytes"]
    assert snapshot.disk is not None
    assert snapshot.disk.bytes == snapshot.bytes + snapshot.disk.metadata
    some = frame.loc[list(oracle["nodes_disk_bytes"]), "disk"]
    assert (some >= frame.loc[some.index, "size"] // 4096 * 4096).all()


def test_every_name_is_listed(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    tags = snapshot.tags_frame()
    images = {name: f"image/{image['id']}" for image in oracle["images"] for name in image["names"]}
    assert tags["digest"].to_dict() == images
    assert set(tags["repo"]) == {name.rpartition(":")[0] for name in images}
    assert snapshot.pins["kind"].to_pylist().count("container") == len(oracle["containers"])


@pytest.mark.parametrize("kind", ["per_name_rmi", "per_unnamed_rmi"])
def test_dropping_one(real: tuple[Snapshot, Oracle], kind: str) -> None:
    snapshot, oracle = real
    pins = zip(snapshot.keys(snapshot.pins["node"].to_numpy()), snapshot.pins["kind"].to_pylist(), strict=True)
    unnamed = {key for key, pin in pins if pin == "unnamed"}
    for name, want in oracle[kind].items():
        if kind == "per_name_rmi" and name != LIST:
            agrees(snapshot.simulate_deref(name), want)
        elif f"image/{name}" in unnamed and want["rc"] == 0:
            agrees(snapshot.simulate_deref(f"image/{name}"), want)


def test_dropping_some(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    for want in oracle["sets_rmi"]:
        if LIST not in want["names"]:
            agrees(snapshot.simulate_deref(want["names"]), want)


def test_a_list_goes_by_manifest_rm(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    agrees(snapshot.simulate_deref(LIST), oracle["manifest_rm"][LIST])


def test_dropping_containers(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    for name, want in oracle["rm_container"].items():
        agrees(snapshot.simulate_deref(name), want)
    forced = snapshot.simulate_deref("localhost/acme/app:1.0", "box")
    agrees(forced, oracle["per_name_rmi_force"]["localhost/acme/app:1.0"])


def test_pruning(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    now = live(snapshot, "podman")
    for policy, dropped, kind in (
        ("prune", (), "image_prune"),
        ("prune-a", (), "image_prune_all"),
        ("prune-a", ("box",), "system_prune_all"),
    ):
        assert sizes(snapshot, now - live(snapshot, policy, *dropped)) == freed(oracle[kind]), kind


@pytest.mark.parametrize(
    ("tool", "kind"),
    [
        ("podman-prune", "image_prune"),
        ("podman-prune-a", "image_prune_all"),
        ("podman-check", "system_check_repair"),
        ("containers-storage", "storage_gc"),
    ],
)
def test_collectors(real: tuple[Snapshot, Oracle], tool: str, kind: str) -> None:
    snapshot, oracle = real
    found = blobkit.compare_gc(snapshot, tool)
    assert sizes(snapshot, found.frame.index) == freed(oracle[kind])
    assert found.bytes == oracle[kind]["freed"]["bytes"]
    needed = set(found.frame.index[found.frame["needed"]])
    assert (needed == set()) == (kind in {"system_check_repair", "storage_gc"})


def test_garbage_is_young_or_garbage(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    status = snapshot.to_frame(columns=["status"])["status"]
    garbage = set(status.index[status == "garbage"])
    assert sizes(snapshot, garbage) == freed(oracle["system_check_repair"])
    assert set(blobkit.to_frame(snapshot, min_age="100000d").loc[list(garbage), "status"]) == {"fresh"}


def test_the_scan_changes_nothing(dataset: Dataset) -> None:
    root, _ = dataset("dev-containers-storage")
    before = fingerprint(root)
    blobkit.scan(root, progress=False).audit().to_dict()
    assert fingerprint(root) == before
