"""Fifteen odd stores, most of them made by real tools: each oddity is found and named, and nothing crashes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

import blobkit
from blobkit.analysis.collectors import would_abort
from layouts import codes, fingerprint, freed, garbage, noticed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Case = tuple[Snapshot, dict[str, Any]]
    Cases = Callable[[str], Case]

LAYOUTS = (
    "null-manifests",
    "nested-index",
    "sha512",
    "missing",
    "corrupt",
    "foreign",
    "schema2",
    "dup-names",
    "symlinked-blob",
    "junk",
    "recompressed",
    "artifacts",
    "inline-data",
    "huge-index",
)
ALL = (*LAYOUTS, "registry-broken")
EACH = [*LAYOUTS[:-1], pytest.param(LAYOUTS[-1], marks=pytest.mark.slow)]
LEAVES_TO_UMOCI = ("schema2", "artifacts")
"""Their documents are of types that umoci does not follow: by the format, which the oracle asks for, they hold more."""


@pytest.fixture(scope="module")
def case(dataset: Callable[[str], tuple[Path, dict[str, Any]]]) -> Cases:
    """A function from the name of a case to its snapshot, under the policy of its tool, and its oracle."""
    root, oracle = dataset("dev-pitfalls")
    assert set(oracle["cases"]) == set(ALL)

    @cache
    def scan(name: str) -> Case:
        policy = "gc" if name.startswith("registry") else "strong"
        return blobkit.scan(root / name, policy=policy, progress=False), oracle["cases"][name]

    return scan


@pytest.mark.slow
def test_scanning_leaves_no_trace(dataset: Callable[[str], tuple[Path, dict[str, Any]]]) -> None:
    root, _ = dataset("dev-pitfalls")
    before = fingerprint(root)
    for name in ALL:
        blobkit.scan(root / name, verify=True, progress=False)
    assert fingerprint(root) == before


def test_umoci_takes_all_that_only_docker_documents_hold(case: Cases) -> None:
    snapshot, want = case("schema2")
    taken = blobkit.compare_gc(snapshot, "umoci").frame
    assert len(taken) == len(want["disk_entries"]) - 4  # the docker list, and an OCI image whole
    assert set(taken["kind"]) == {"manifest", "config", "layer"}
    assert not blobkit.to_frame(snapshot.with_policy("dependent"))["status"].eq("garbage").any()


@pytest.mark.parametrize("name", EACH)
def test_stored_blobs_live_and_garbage(case: Cases, name: str) -> None:
    snapshot, want = case(name)
    snapshot = snapshot.with_policy("ignore") if name in LEAVES_TO_UMOCI else snapshot
    frame = blobkit.to_frame(snapshot)
    assert frame["size"].to_dict() == {d: size for d, size in want["disk_entries"].items() if d in frame.index}
    odd = set(want["disk_entries"]) - set(frame.index)
    assert odd == {key for code, key in noticed(snapshot) if code == "junk"}
    unseen = {d for d in set(want["garbage"]) - odd if snapshot.rule.collector and not d.startswith("sha256:")}
    assert set(frame.index[frame["status"] != "live"]) == set(want["garbage"]) - odd - unseen
    if name in LEAVES_TO_UMOCI:
        return  # the oracle follows subjects too, which the policy that is asked here does not
    everything = blobkit.to_frame(snapshot, absent=True)
    inline = everything.index[everything["stored"] == "inline"]
    assert set(everything.index[everything["reachable"]]) == {*want["live_subject_followed"], *inline, *unseen}


@pytest.mark.parametrize("name", EACH)
def test_what_is_named_and_absent(case: Cases, name: str) -> None:
    snapshot, want = case(name)
    frame = blobkit.to_frame(snapshot, absent=True)
    assert set(frame.index[frame["stored"] != "yes"]) == set(want["missing_but_referenced"])


@pytest.mark.parametrize("name", EACH)
def test_umoci_gc_would_abort_where_it_did(case: Cases, name: str) -> None:
    snapshot, want = case(name)
    assert bool(would_abort(snapshot)) == (want["umoci_gc_rc"] != 0)
    assert would_abort(snapshot.with_policy("dependent")) == ()


def test_missing_documents_make_all_that_nothing_reaches_unknown(case: Cases) -> None:
    snapshot, want = case("missing")
    frame = blobkit.to_frame(snapshot, absent=True)
    assert {("missing", digest) for digest in want["missing_but_referenced"]} <= noticed(snapshot)
    assert set(frame.loc[want["garbage"], "status"]) == {"unknown"}
    assert garbage(snapshot) == set()
    for tag in blobkit.tags_frame(snapshot).index:
        preview = blobkit.simulate_deref(snapshot, tag)
        others = set(snapshot.pins["name"].to_pylist()) - {tag}
        assert preview.exact == (not others or not preview.opaque)
    opaque = {key for code, key in noticed(snapshot) if code == "opaque"}
    assert any(not blobkit.simulate_deref(snapshot, t).exact for t in blobkit.tags_frame(snapshot).index)
    assert opaque <= set(want["missing_but_referenced"])


def test_damaged_content_is_named(case: Cases) -> None:
    snapshot, want = case("corrupt")
    assert {key for code, key in noticed(snapshot) if code == "digest-mismatch"} == set(want["digest_mismatch"])
    for digest, sizes in want["size_mismatch"].items():
        (message,) = (
            text
            for code, key, text in zip(
                *(snapshot.notices[c].to_pylist() for c in ("code", "key", "message")), strict=True
            )
            if (code, key) == ("size-mismatch", digest)
        )
        assert f"{sizes['disk']:,} bytes" in message
        assert f"{sizes['descriptor']:,}" in message


def test_foreign_layers_are_absent_by_design(case: Cases) -> None:
    snapshot, want = case("foreign")
    frame = blobkit.to_frame(snapshot, absent=True)
    assert set(frame.index[frame["stored"] == "foreign"]) == set(want["foreign"])
    assert frame.loc[want["foreign"], "size"].sum() == 0
    assert "missing" not in codes(snapshot)
    assert "opaque" not in codes(snapshot)


def test_names_given_twice(case: Cases) -> None:
    snapshot, _ = case("dup-names")
    assert ("duplicate-name", "x") in noticed(snapshot)
    assert freed(snapshot, "y") == set()
    tags = blobkit.tags_frame(snapshot)
    assert len(tags.loc[["x"]]) == 2
    assert set(tags.loc[["x"], "exclusive"]) == {blobkit.simulate_deref(snapshot, "x").bytes}


def test_symbolic_link_within_the_store(case: Cases) -> None:
    snapshot, want = case("symlinked-blob")
    assert ("symlink", want["symlink"]) in noticed(snapshot)
    assert want["symlink"] in blobkit.to_frame(snapshot).index


def test_an_empty_blob_is_one(case: Cases) -> None:
    snapshot, want = case("junk")
    assert garbage(snapshot) == set(want["valid_but_unreferenced"])


def test_one_layer_compressed_three_ways(case: Cases) -> None:
    snapshot, want = case("recompressed")
    assert ("recompressed", want["same_diff_id"]) in noticed(snapshot)
    (message,) = snapshot.notices["message"].to_pylist()
    assert all(digest in message for digest in want["digests"])


def test_artifacts_and_referrers_of_referrers(case: Cases) -> None:
    snapshot, want = case("artifacts")
    links = blobkit.links_frame(snapshot.with_policy("dependent"))
    referrers = links[links["kind"] == "referrer"].groupby("source")["target"].agg(set).to_dict()
    for subject, found in want["referrers"].items():
        assert referrers[subject] == set(found)
    dangling = {key for code, key in noticed(snapshot) if code == "dangling-subject"}
    assert dangling == set(want["missing_but_referenced"])
    assert "opaque" not in codes(snapshot)
    frame = blobkit.to_frame(snapshot, links=True)
    assert frame.loc[want["not_a_manifest"], "links"] == ()
    assert dangling <= set(frame.loc[want["dangling_subject_of"], "links"])


def test_config_carried_by_its_descriptor(case: Cases) -> None:
    snapshot, want = case("inline-data")
    frame = blobkit.to_frame(snapshot, absent=True)
    assert frame.loc[want["missing_but_referenced"], "stored"].tolist() == ["inline"]
    assert garbage(snapshot) == set(want["garbage"])


@pytest.mark.slow
def test_twenty_thousand_tags(case: Cases) -> None:
    snapshot, want = case("huge-index")
    assert len(blobkit.tags_frame(snapshot)) == want["tags"]


def test_null_is_an_empty_list(case: Cases) -> None:
    snapshot, want = case("null-manifests")
    assert garbage(snapshot) == set(want["garbage"])


def test_broken_registry(case: Cases) -> None:
    snapshot, want = case("registry-broken")
    assert blobkit.to_frame(snapshot)["size"].to_dict() == want["blobs"]
    assert snapshot.bytes == want["bytes"]
    tags = blobkit.tags_frame(snapshot)
    assert tags["digest"].to_dict() == {name: digest for name, digest in want["tags"].items() if digest}
    revisions = {
        key for key in blobkit.to_frame(snapshot, virtual=True).query("stored == 'virtual'").index if "@" in key
    }
    assert revisions == {f"{repo}@{digest}" for repo, digests in want["revisions"].items() for digest in digests}
    assert garbage(snapshot, "gc") == set(want["gc_dry_run"]["blobs"])


def test_what_a_damaged_tag_held_is_unknown_where_tags_hold(case: Cases) -> None:
    snapshot, want = case("registry-broken")
    preview = blobkit.simulate_deref(snapshot, "a/b:1", policy="tags")
    assert (preview.exact, preview.opaque) == (False, (f"tag {want['empty_link']}",))
    assert garbage(snapshot, "tags") == set()
    assert blobkit.simulate_deref(snapshot, "a/b:1", policy="gc").exact


def test_broken_registry_is_told(case: Cases) -> None:
    snapshot, want = case("registry-broken")
    assert {
        ("damaged-tag", want["empty_link"]),
        ("tag-without-revision", want["tag_to_unlinked_revision"]),
        ("missing", want["missing_layer"]),
        ("dangling-layer-link", want["dangling_layer_link"]),
    } <= noticed(snapshot)
    uploads = [text for text in snapshot.notices["message"].to_pylist() if "upload" in text]
    assert any(f"({want['stale_upload_bytes']} bytes)" in text for text in uploads)


def test_garbage_collect_would_abort_where_it_did(case: Cases) -> None:
    snapshot, want = case("registry-broken")
    for policy, run in (("gc", "gc_dry_run"), ("gc-m", "gc_dry_run_m")):
        assert bool(would_abort(snapshot.with_policy(policy))) == (want[run]["rc"] != 0)
