"""What umoci really removed from a real layout, against what is predicted of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import blobkit
from layouts import fingerprint, freed, garbage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Oracle = dict[str, Any]
    Dataset = Callable[[str], tuple[Path, Oracle]]

POLICIES = ("strong", "ignore", "dependent")


@pytest.fixture(scope="module")
def real(dataset: Dataset) -> tuple[Snapshot, Oracle]:
    root, oracle = dataset("dev-oci-layout")
    return blobkit.scan(root, progress=False), oracle


def test_every_blob_is_listed_with_its_size(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    assert blobkit.to_frame(snapshot)["size"].to_dict() == oracle["blobs"]
    assert (snapshot.blobs, snapshot.bytes) == (oracle["totals"]["blobs"], oracle["totals"]["bytes"])
    assert snapshot.pins.num_rows == oracle["totals"]["index_entries"]
    assert len(blobkit.tags_frame(snapshot)) == oracle["totals"]["tags"]
    assert snapshot.notices.num_rows == 0


def test_umoci_gc_removes_what_is_garbage_under_strong(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    found = garbage(snapshot, "strong")
    assert found == set(oracle["garbage"]["digests"])
    frame = blobkit.to_frame(snapshot)
    assert frame.loc[list(found), "size"].sum() == oracle["garbage"]["bytes"]


@pytest.mark.parametrize("policy", POLICIES)
def test_garbage_under_every_policy(real: tuple[Snapshot, Oracle], policy: str) -> None:
    snapshot, oracle = real
    want = oracle["subject_policies_python"][policy]
    found = garbage(snapshot, policy)
    assert len(found) == want["garbage_blobs"]
    assert blobkit.to_frame(snapshot).loc[list(found), "size"].sum() == want["garbage_bytes"]


@pytest.mark.parametrize("policy", POLICIES)
def test_every_tag_frees_what_was_freed(real: tuple[Snapshot, Oracle], policy: str) -> None:
    snapshot, oracle = real
    snapshot = snapshot.with_policy(policy)
    tags = blobkit.tags_frame(snapshot)
    wanted = oracle["subject_policies_python"][policy]["tags"]
    assert set(wanted) == set(tags.index) == set(oracle["tags"])
    for name, want in wanted.items():
        preview = blobkit.simulate_deref(snapshot, name)
        assert set(preview.digests) == set(want["digests"])
        assert (preview.bytes, len(preview)) == (want["bytes"], want["blobs"])
        assert preview.exact
        assert tags.loc[name, "exclusive"] == want["bytes"]


def test_umoci_rm_and_gc_free_what_strong_predicts(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    snapshot = snapshot.with_policy("strong")
    tags = blobkit.tags_frame(snapshot)
    for name, want in oracle["tags"].items():
        assert freed(snapshot, name) == set(want["freed_by_this_tag"]["digests"])
        assert tags.loc[name, "digest"] == want["digest"]
        assert tags.loc[name, "closure"] == want["closure_bytes"]
        after = oracle["garbage"]["bytes"] + blobkit.simulate_deref(snapshot, name).bytes
        assert after == want["gc_total_after"]["bytes"]


def test_pairs_free_more_than_the_sum_of_their_tags(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    snapshot = snapshot.with_policy("strong")
    for want in oracle["pairs"]:
        preview = blobkit.simulate_deref(snapshot, want["tags"])
        assert set(preview.digests) == set(want["digests"])
        assert (preview.bytes, len(preview)) == (want["freed_bytes"], want["freed_blobs"])
        singles = [blobkit.simulate_deref(snapshot, name).bytes for name in want["tags"]]
        assert sum(singles) == want["sum_of_single_bytes"]
    assert any(want["freed_bytes"] > want["sum_of_single_bytes"] for want in oracle["pairs"])


def test_referrers_are_found_listed_or_not(real: tuple[Snapshot, Oracle]) -> None:
    snapshot, oracle = real
    links = blobkit.links_frame(snapshot)
    found = links[links["kind"] == "referrer"]
    assert set(zip(found["target"], found["source"], strict=True)) == {
        (want["referrer"], want["subject"]) for want in oracle["referrers"]
    }


def test_scan_leaves_no_trace(dataset: Dataset) -> None:
    root, _ = dataset("dev-oci-layout")
    before = fingerprint(root)
    blobkit.scan(root, verify=True, progress=False)
    assert fingerprint(root) == before
