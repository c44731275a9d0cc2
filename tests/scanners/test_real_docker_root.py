"""A data root that dockerd 26.1.5 wrote: every figure is what docker's own commands did to copies of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import blobkit
from blobkit.errors import NotPinnedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pandas as pd

    from blobkit.snapshot.snapshot import Snapshot

    Said = dict[str, Any]
    """What one command did: rc, and the nodes that it freed with their bytes."""

NETWORK = 32_768 + 36
"""Bytes of network/ and engine-id, which are not in the dataset."""


@pytest.fixture(scope="module")
def oracle(dataset: Callable[[str], tuple[Path, dict[str, object]]]) -> dict[str, Any]:
    return dataset("dev-docker-root")[1]


@pytest.fixture(scope="module")
def snapshot(dataset: Callable[[str], tuple[Path, dict[str, object]]]) -> Snapshot:
    return blobkit.scan(f"docker:{dataset('dev-docker-root')[0]}", progress=False)


def sizes(frame: pd.DataFrame) -> dict[str, int]:
    return dict(zip(frame.index, frame["size"].tolist(), strict=True))


def names(snapshot: Snapshot, *kinds: str) -> list[str]:
    """The names of all pins of these kinds; the keys of those without a name."""
    keys = snapshot.nodes["key"].to_pylist()
    return [pin["name"] or keys[pin["node"]] for pin in snapshot.pins.to_pylist() if pin["kind"] in kinds]


def check(snapshot: Snapshot, targets: Iterable[str], said: Said, **more: object) -> None:
    """Compare promise and effect of dropping these with what docker did."""
    preview = blobkit.simulate_deref(snapshot, *targets, **more)  # type: ignore[arg-type]
    assert sizes(preview.freed) == said["freed"]["nodes"]
    assert preview.bytes == preview.collected.bytes == said["freed"]["bytes"]
    assert preview.exact


def test_the_whole_store(snapshot: Snapshot, oracle: dict[str, Any]) -> None:
    assert sizes(snapshot.to_frame()) == oracle["nodes"]
    assert snapshot.bytes == oracle["totals"]["bytes"]
    assert snapshot.disk is not None
    assert snapshot.disk.bytes - snapshot.bytes == oracle["totals"]["files_of_no_node_bytes"] - NETWORK


def test_rmi_of_each_name(snapshot: Snapshot, oracle: dict[str, Any]) -> None:
    for name, said in oracle["per_name_rmi"].items():
        check(snapshot, [name], said)
        busy = blobkit.simulate_deref(snapshot, name).deletion.is_busy.any()
        assert busy == (said["rc"] != 0), name


def test_rmi_of_each_image_without_a_name(snapshot: Snapshot, oracle: dict[str, Any]) -> None:
    for image, said in oracle["per_unnamed_rmi"].items():
        if said["rc"]:
            with pytest.raises(NotPinnedError):
                blobkit.simulate_deref(snapshot, f"image/{image}")
        else:
            check(snapshot, [f"image/{image}"], said)


def test_rmi_of_sets(snapshot: Snapshot, oracle: dict[str, Any]) -> None:
    for said in oracle["sets_rmi"]:
        check(snapshot, said["names"], said)


def test_rm_and_prune_as_previews(snapshot: Snapshot, oracle: dict[str, Any]) -> None:
    cache = {"groups": ["(build cache)"]}
    check(snapshot, ["box"], oracle["rm_container_box"])
    check(snapshot, names(snapshot, "unnamed"), oracle["image_prune"])
    check(snapshot, names(snapshot, "unnamed", "tag", "digest"), oracle["image_prune_all"])
    check(snapshot, (), oracle["builder_prune"], **cache)
    check(snapshot, (), oracle["builder_prune_all"], **cache)
    check(snapshot, names(snapshot, "unnamed", "tag", "digest", "container"), oracle["system_prune_all"], **cache)
    built = [name for name in oracle["per_name_rmi"] if name.split("/")[-1] in ("bk:1", "bk:2", "alias:x")]
    check(snapshot, built, oracle["rmi_bk_then_builder_prune_all"], **cache)


@pytest.mark.parametrize(
    ("tool", "entry"),
    [
        ("docker-prune", "image_prune"),
        ("docker-prune-a", "image_prune_all"),
        ("docker-builder-prune", "builder_prune_all"),
        ("docker-system-prune", "system_prune_all"),
    ],
)
def test_prune_as_a_collector(snapshot: Snapshot, oracle: dict[str, Any], tool: str, entry: str) -> None:
    comparison = blobkit.compare_gc(snapshot, tool)
    assert sizes(comparison.frame) == oracle[entry]["freed"]["nodes"]
    assert comparison.kept_bytes == sum(size for key, size in oracle["nodes"].items() if key.startswith("dir/"))


def test_what_docker_says_is_told_beside_what_it_does(snapshot: Snapshot, oracle: dict[str, Any]) -> None:
    said = next(line.split()[4] for line in oracle["system_df"] if line.startswith("Images"))
    assert said == "1.249MB"
    assert "docker system df says that 1.2 MiB of images are reclaimable" in str(
        blobkit.compare_gc(snapshot, "docker-df")
    )
    messages = blobkit.audit(snapshot).findings.set_index("code")["names"]["said"]
    assert any("1,249,369 bytes" in message for message in messages)


def test_garbage_that_no_command_removes(snapshot: Snapshot, oracle: dict[str, Any]) -> None:
    left = set(oracle["nodes"]) - set(oracle["system_prune_all"]["freed"]["nodes"])
    frame = snapshot.to_frame(min_age=0)
    assert set(frame.index[frame["status"] == "garbage"]) == left
    assert set(blobkit.audit(snapshot).findings.set_index("code")["digests"]["unowned"]) == left
