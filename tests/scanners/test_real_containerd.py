"""Roots that containerd and docker wrote: each figure is what the real tool did, digest by digest."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import blobkit
from layouts import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pandas as pd

    from blobkit.snapshot.snapshot import Snapshot

    Datasets = Callable[[str], tuple[Path, dict[str, Any]]]

NAMES = ("dev-containerd", "dev-containerd-docker")


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest, dataset: Datasets) -> tuple[Snapshot, dict[str, Any]]:
    """A snapshot, and what the real tool did with the store."""
    root, oracle = dataset(request.param)
    before = fingerprint(root)
    snapshot = blobkit.scan(f"containerd:{root}", progress=False)
    assert fingerprint(root) == before
    return snapshot, oracle


def parted(frame: pd.DataFrame) -> tuple[dict[str, int], Counter[int]]:
    """The sizes of blobs by digest, and those of snapshots, which the oracle calls otherwise; none is 0."""
    size = frame["size"][frame["size"] > 0]
    is_tree = size.index.str.startswith("snapshot/")
    return size[~is_tree].to_dict(), Counter(size[is_tree].tolist())


def sized(freed: dict[str, Any], blobs: dict[str, int]) -> dict[str, int]:
    return {digest: blobs[digest] for digest in freed["digests"]}


def test_every_blob_and_snapshot(case: tuple[Snapshot, dict[str, Any]]) -> None:
    snapshot, oracle = case
    blobs, trees = parted(snapshot.to_frame())
    assert blobs == oracle["blobs"]
    if "snapshots" in oracle:
        assert trees == Counter(size for size in oracle["snapshots"].values() if size)
        assert sum(snapshot.to_frame()["kind"] == "snapshot") == len(oracle["snapshots"])


def test_garbage(case: tuple[Snapshot, dict[str, Any]]) -> None:
    snapshot, oracle = case
    frame = snapshot.to_frame()
    garbage = parted(frame[frame["status"] == "garbage"])
    assert garbage == (oracle["garbage"]["digests"], Counter())


def test_names_and_what_they_name(case: tuple[Snapshot, dict[str, Any]]) -> None:
    snapshot, oracle = case
    tags = snapshot.tags_frame()
    assert set(tags.index) == set(oracle["per_image_rm"])
    for space, images in oracle.get("images", {}).items():
        for name, image in images.items():
            assert tags.loc[f"{space}/{name}", "digest"] == image["digest"]


def test_what_each_removal_freed(case: tuple[Snapshot, dict[str, Any]]) -> None:
    snapshot, oracle = case
    runs = [([name], run) for name, run in oracle["per_image_rm"].items()]
    runs += [(run["names"], run) for run in oracle.get("sets_rm", [])]
    done = 0
    for names, run in runs:
        if run.get("rc", 0):
            continue
        preview = snapshot.simulate_deref(*names)
        blobs, trees = parted(preview.freed)
        assert blobs == sized(run["freed"], oracle["blobs"]), names
        if "snapshots_gone" in run:
            assert trees == Counter(size for size in run["snapshots_gone"].values() if size), names
        assert preview.exact
        assert preview.collected.bytes == preview.bytes
        done += 1
    assert done >= 11


def test_a_root_label_holds(dataset: Datasets) -> None:
    root, oracle = dataset("dev-containerd")
    snapshot = blobkit.scan(f"containerd:{root}", progress=False)
    digest = oracle["gc_root_label_on"]["digest"]
    assert snapshot.to_frame().loc[digest, "status"] == "live"
    assert snapshot.why(digest).tags == ()


def test_containers_and_leases_hold_snapshots(dataset: Datasets) -> None:
    root, oracle = dataset("dev-containerd-docker")
    snapshot = blobkit.scan(f"containerd:{root}", progress=False)
    box = next(key for key in snapshot.to_frame().index if key.endswith("-init")).removesuffix("-init")
    lease = box.replace("snapshot/moby/overlayfs/", "lease/moby/")
    assert f"{box}-init" in snapshot.simulate_deref(lease).digests
    assert oracle["rm_box"]["freed"]["digests"] == {}
    assert all(":" not in key.split("/")[0] for key in snapshot.simulate_deref(lease).digests)


def test_usage_splits_all_bytes_among_namespaces(case: tuple[Snapshot, dict[str, Any]]) -> None:
    snapshot, _ = case
    assert int(snapshot.usage(by="repo").frame["split"].sum()) == snapshot.bytes
