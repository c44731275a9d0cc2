"""What `registry garbage-collect` really removed from a real registry, against what is predicted of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import blobkit
from blobkit.analysis.reach import closure
from layouts import fingerprint, garbage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Oracle = dict[str, Any]
    Dataset = Callable[[str], tuple[Path, Oracle]]

GARBAGE = {
    "gc": ("gc_real", "blobs"),
    "gc-m": ("gc_real_m", "blobs"),
    "tags": ("semantic_garbage_roots_tags", "digests"),
    "revisions": ("semantic_garbage_roots_all_revisions", "digests"),
}
UNTAGGED = {"gc-m": "untag_then_gc_m", "gc": "untag_then_gc", "tags": "semantic_untag"}
DELETED = {"gc": "api_delete_manifest_then_gc", "revisions": "semantic_delete_manifest"}


@pytest.fixture(scope="module")
def real(dataset: Dataset) -> tuple[Snapshot, Oracle]:
    root, oracle = dataset("dev-registry")
    return blobkit.scan(root, progress=False), oracle


def agrees(preview: blobkit.Preview, want: Oracle) -> bool:
    """Whether a preview is what happened; the oracle lists no digests where nothing was freed."""
    figures = (len(preview), preview.bytes) == (want["blobs"], want["bytes"])
    return figures and set(preview.digests) == set(want.get("digests", ())) and preview.exact


def test_every_blob_revision_and_tag_is_listed(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    totals = oracle["totals"]
    assert blobkit.to_frame(snapshot)["size"].to_dict() == oracle["blobs"]
    assert (snapshot.blobs, snapshot.bytes) == (totals["blobs"], totals["bytes"])
    assert snapshot.pins["kind"].to_pylist().count("revision") == totals["revisions"]
    tags = blobkit.tags_frame(snapshot)
    assert tags["digest"].to_dict() == oracle["tags_list"]
    assert len(tags) == totals["tags"]
    assert {group for group in snapshot.pins["group"].to_pylist() if group} == set(oracle["repos"])


@pytest.mark.parametrize("policy", GARBAGE)
def test_garbage_is_what_each_collector_removes(real: tuple[Snapshot, Oracle], policy: str) -> None:
    snapshot, oracle = real
    name, digests = GARBAGE[policy]
    found = garbage(snapshot, policy)
    assert found == set(oracle[name][digests])
    assert blobkit.to_frame(snapshot).loc[list(found), "size"].sum() == oracle[name]["bytes"]


def test_what_garbage_collect_m_takes_though_a_tag_reaches_it(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    want = oracle["gc_m_deletes_still_reachable_from_tags"]
    lost = garbage(snapshot, "gc-m") - garbage(snapshot, "tags")
    assert lost == set(want["digests"])
    assert blobkit.to_frame(snapshot).loc[list(lost), "size"].sum() == want["bytes"]


@pytest.mark.parametrize("policy", UNTAGGED)
def test_every_tag_frees_what_was_freed(real: tuple[Snapshot, Oracle], policy: str) -> None:
    snapshot, oracle = real
    snapshot = snapshot.with_policy(policy)
    exclusive = blobkit.tags_frame(snapshot)["exclusive"]
    for name, want in oracle["tags"].items():
        assert agrees(blobkit.simulate_deref(snapshot, name), want[UNTAGGED[policy]])
        assert exclusive[name] == want[UNTAGGED[policy]]["bytes"]


@pytest.mark.parametrize("policy", DELETED)
def test_every_manifest_frees_what_was_freed_and_takes_its_tags_along(
    real: tuple[Snapshot, Oracle], policy: str
) -> None:
    snapshot, oracle = real
    for name, want in oracle["tags"].items():
        repository = name.rpartition(":")[0]
        preview = blobkit.simulate_deref(snapshot, f"{repository}@{want['digest']}", policy=policy)
        assert agrees(preview, want[DELETED[policy]])
        also = {f"{repository}:{tag.removeprefix(repository + ':')}" for tag in want["also_tagged_in_repo"]}
        assert set(preview.also_untagged) == also | {name}


def test_closures(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    want = {name: tag["closure_bytes"] for name, tag in oracle["tags"].items()}
    assert blobkit.tags_frame(snapshot)["closure"].to_dict() == want


def test_every_repository_frees_what_was_freed(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    for name, want in oracle["repos"].items():
        assert agrees(blobkit.simulate_deref(snapshot, groups=(name,), policy="gc"), want["freed_if_repo_deleted"])


def test_scan_leaves_no_trace(dataset: Dataset) -> None:
    root, _ = dataset("dev-registry")
    before = fingerprint(root)
    blobkit.scan(root, verify=True, progress=False)
    assert fingerprint(root) == before


def test_what_a_repository_reaches_and_what_others_reach_too(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    graph = snapshot.with_policy("revisions").graph
    pins = snapshot.pins.to_pandas().query("kind == 'revision'")
    reached = {name: closure(graph, group.to_numpy()) >= 0 for name, group in pins.groupby("group")["node"]}
    for name, want in oracle["repos"].items():
        own = reached[name] & graph.blob
        others = np.logical_or.reduce([reached[other] for other in reached if other != name])
        assert (own.sum(), graph.size[own].sum()) == (want["logical_blobs"], want["logical_bytes"])
        assert graph.size[own & others].sum() == want["shared_with_other_repos_bytes"]
