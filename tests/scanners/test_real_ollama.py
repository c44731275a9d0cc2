"""What Ollama's own functions really removed from models that they wrote, against what is predicted of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import blobkit

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Oracle = dict[str, Any]
    Dataset = Callable[[str], tuple[Path, Oracle]]
    Real = tuple[Snapshot, Oracle]


@pytest.fixture(scope="module", params=["whole", "corrupt"])
def real(request: pytest.FixtureRequest, dataset: Dataset) -> Real:
    root, oracle = dataset("dev-ollama-models")
    oracle = oracle["corrupt"] if request.param == "corrupt" else oracle
    return blobkit.scan(root.parent / oracle["root_in_tar"], progress=False), oracle


def freed(preview: blobkit.Preview) -> dict[str, int]:
    return preview.freed["size"].to_dict()


def holding(snapshot: Snapshot) -> dict[str, str]:
    """Return the digest of each name that holds."""
    names = snapshot.tags_frame()["digest"]
    held = {name for name, holds in zip(snapshot.pins["name"].to_pylist(), snapshot.holding, strict=True) if holds}
    return {name: digest.removeprefix("sha256:") for name, digest in names.items() if name in held}


def test_every_file_and_name_is_listed(real: Real) -> None:
    snapshot, oracle = real
    assert blobkit.to_frame(snapshot)["size"].to_dict() == oracle["nodes"]
    assert holding(snapshot) == {name: one["digest"] for name, one in oracle["list"].items()}
    assert snapshot.disk is not None
    assert snapshot.disk.metadata == sum(oracle["manifests"].values())


def test_each_name_frees_what_rm_freed(real: Real) -> None:
    snapshot, oracle = real
    for name, want in oracle["per_name_rm"].items():
        preview = snapshot.simulate_deref(name)
        assert freed(preview) == want["freed"]["nodes"], name
        assert (preview.exact, preview.collected.bytes) == (True, want["freed"]["bytes"]), name


def test_sets_of_names_free_what_rm_freed(real: Real) -> None:
    snapshot, oracle = real
    for want in oracle["sets_rm"]:
        preview = snapshot.simulate_deref(*want["names"])
        assert freed(preview) == want["freed"]["nodes"], want["names"]
        assert preview.exact


def test_the_start_of_the_server_removes_what_it_removed(real: Real) -> None:
    snapshot, oracle = real
    found = blobkit.compare_gc(snapshot, "ollama")
    want = oracle["server_start_prune"]["freed"]["nodes"]
    if "corrupt" in str(oracle["server_start_prune"]["out"]):
        assert any("does not parse" in why or "cannot be read" in why for why in found.aborts)
    else:
        assert found.aborts == ()
        assert found.frame["size"].to_dict() == want


def test_a_manifest_that_cannot_be_read_is_told_with_its_harm(dataset: Dataset) -> None:
    root, oracle = dataset("dev-ollama-models")
    snapshot = blobkit.scan(root.parent / "models-corrupt", progress=False)
    preview = snapshot.simulate_deref(*oracle["corrupt"]["list"])
    assert preview.bytes == 363_498
    assert preview.breaks == ("me/assistant:v1",)
    assert "me/assistant:v1" in str(preview)
    findings = snapshot.audit().findings.set_index("code")
    assert findings.loc["opaque", "names"] == ("me/assistant:v1",)


def test_partial_downloads_are_told_with_their_bytes(dataset: Dataset) -> None:
    root, _ = dataset("dev-ollama-models")
    audit = blobkit.audit(root)
    findings = audit.findings.set_index("code")
    assert findings.loc["stale-upload", "bytes"] == 100_116
    assert audit.bytes == audit.snapshot.bytes + findings.loc["metadata", "bytes"]
