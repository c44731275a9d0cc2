"""What huggingface_hub really removed from a cache that it filled, against what is predicted of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import blobkit

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.snapshot.snapshot import Snapshot

    Oracle = dict[str, Any]
    Dataset = Callable[[str], tuple[Path, Oracle]]
    Real = tuple[Snapshot, Oracle]


@pytest.fixture(scope="module")
def real(dataset: Dataset) -> Real:
    root, oracle = dataset("dev-huggingface-cache")
    return blobkit.scan(root, progress=False), oracle


def freed(preview: blobkit.Preview) -> dict[str, int]:
    return preview.freed["size"].to_dict()


def test_every_file_is_a_row(real: Real) -> None:
    snapshot, oracle = real
    frame = blobkit.to_frame(snapshot)
    assert frame["size"].to_dict() == oracle["nodes"]
    assert set(frame["kind"]) == {"file"}
    root = Path(snapshot.address)
    assert frame["disk"].to_dict() == {key: (root / key).lstat().st_blocks * 512 for key in frame.index}
    assert (snapshot.kind, snapshot.policies) == ("huggingface", ("revisions", "refs", "prune"))


def test_each_revision_frees_what_the_library_freed(real: Real) -> None:
    snapshot, oracle = real
    for revision, want in oracle["per_revision"].items():
        preview = snapshot.simulate_deref(revision)
        assert freed(preview) == want["freed"]["nodes"], revision
        assert (preview.bytes, preview.exact) == (want["freed"]["bytes"], True), revision
        assert preview.collected.bytes == preview.bytes
        refs = {f"{revision.partition('@')[0]}@{ref}" for ref in want["refs"]}
        assert set(preview.also_untagged) == refs, revision


def test_a_ref_means_its_revision(real: Real) -> None:
    snapshot, oracle = real
    for revision, want in oracle["per_revision"].items():
        for ref in want["refs"]:
            name = f"{revision.partition('@')[0]}@{ref}"
            assert freed(snapshot.simulate_deref(name)) == want["freed"]["nodes"], name
            assert snapshot.tags_frame().loc[name, "exclusive"] == want["freed"]["bytes"], name


def test_sets_of_revisions_free_what_the_library_freed(real: Real) -> None:
    snapshot, oracle = real
    for want in oracle["sets"]:
        preview = snapshot.simulate_deref(*want["revisions"])
        assert freed(preview) == want["freed"]["nodes"], want["revisions"]


def test_sizes_and_refs_of_revisions_are_those_that_the_library_tells(real: Real) -> None:
    snapshot, oracle = real
    frame = snapshot.with_policy("refs").tags_frame()
    for name, repository in oracle["repos"].items():
        for commit, want in repository["revisions"].items():
            here = frame[frame["digest"] == f"{name}@{commit}"]
            assert set(here["closure"]) == {want["size_on_disk"]}, (name, commit)
            assert set(here["version"]) == set(want["refs"] or [commit]), (name, commit)


def test_prune_removes_what_it_removed(real: Real) -> None:
    snapshot, oracle = real
    found = blobkit.compare_gc(snapshot, "hf")
    assert found.frame["size"].to_dict() == oracle["prune"]["freed"]["nodes"]
    assert found.bytes == oracle["prune"]["freed"]["bytes"]
    assert found.aborts == ()
    frame = snapshot.with_policy("refs").to_frame()
    garbage = set(frame.index[frame["status"] == "garbage"])
    assert garbage >= set(found.frame.index)
    assert all("/blobs/" in key and "incomplete" not in key for key in garbage - set(found.frame.index))


def test_the_audit_names_what_the_library_does_not(real: Real) -> None:
    snapshot, oracle = real
    audit = snapshot.audit(min_age=0)
    rows = audit.findings.set_index("code")
    assert len(oracle["warnings"]) == 1
    assert rows.loc["left-out", "names"] == ("model/acme/broken",)
    assert rows.loc["stale-upload", "digests"] == tuple(oracle["incomplete"])
    assert rows.loc["stale-upload", "bytes"] == sum(oracle["incomplete"].values())
    assert rows.loc["copies", "bytes"] == 70001
    assert audit.bytes == sum(oracle["nodes"].values()) + rows.loc["metadata", "bytes"]
    assert "leftover" not in rows.index


def test_a_repository_that_the_library_leaves_out_stays(real: Real) -> None:
    snapshot, _ = real
    preview = snapshot.simulate_deref("model/acme/broken@main")
    assert (preview.bytes, preview.collected.bytes) == (18000, 0)
    assert "leaves its repository out" in preview.script()


def test_usage_why_and_plan(real: Real) -> None:
    snapshot, oracle = real
    usage = snapshot.usage(by="repo").frame
    assert usage["split"].sum() == sum(oracle["nodes"].values())
    assert usage.loc["model/acme/tiny", "exclusive"] == 234521
    shared = next(key for key, size in oracle["nodes"].items() if size == 64064)
    why = snapshot.why(shared)
    assert why.tags == ("model/acme/shared-a@main", "model/acme/shared-b@main")
    assert why.releasable
    plan = snapshot.plan(free="100KB", keep=["model/acme/tiny@v1.0"])
    assert plan.bytes >= 100_000
    assert "model/acme/tiny@v1.0" not in plan.tags
