"""Scans of Ollama's models: names, versions of the layout, and what goes wrong in real directories."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import UnknownToolError, UnreadableStoreError
from blobkit.sources.directory import Directory
from caches import OllamaModels
from unprivileged import NOBODY, barred, common

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["common"]  # a fixture

WEIGHTS, OTHER = b"weights " * 200, b"other weights " * 90


def sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.fixture
def models(tmp_path: Path) -> OllamaModels:
    return OllamaModels(tmp_path / "models")


def scan(models: OllamaModels) -> Snapshot:
    return blobkit.scan(f"ollama:{models.root}", progress=False)


def codes(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Return the subjects of each finding of an audit."""
    found = snapshot.audit(min_age=0).findings
    both = zip(found["code"], found["names"], found["digests"], strict=True)
    return {code: names + digests for code, names, digests in both}


def test_names_are_shown_as_ollama_shows_them(models: OllamaModels) -> None:
    for name in ("llama3:8b", "me/assistant:v1", "hf.co/a/b:Q4_K_M", "host:5000/a/b:1"):
        models.model(name, WEIGHTS)
    models.path("llama3:8b").with_name("LATEST").write_bytes(models.manifest(OTHER))
    snapshot = scan(models)
    frame = snapshot.tags_frame()
    assert set(frame.index) == {"llama3:8b", "llama3:LATEST", "me/assistant:v1", "hf.co/a/b:Q4_K_M", "host:5000/a/b:1"}
    assert frame.loc["llama3:8b", "digest"] == sha(models.path("llama3:8b").read_bytes())
    assert set(frame["repo"]) == {"llama3", "me/assistant", "hf.co/a/b", "host:5000/a/b"}
    assert snapshot.usage(by="repo").frame["split"].sum() == snapshot.bytes


def test_the_manifest_is_no_blob(models: OllamaModels) -> None:
    models.model("llama3:8b", WEIGHTS)
    snapshot = scan(models)
    assert snapshot.simulate_deref("llama3:8b").freed["kind"].astype("str").to_dict() == {
        sha(WEIGHTS): "layer",
        sha(b"{}"): "config",
    }
    assert snapshot.why(sha(WEIGHTS)[:20]).tags == ("llama3:8b",)


def test_manifests_only_four_levels_down(models: OllamaModels) -> None:
    path = models.model("llama3:8b", WEIGHTS)
    for place in (path.with_name("deep") / "8b", models.root / "manifests" / "8b", models.root / "manifests/a/b/8b"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(models.manifest(OTHER))
    snapshot = scan(models)
    assert list(snapshot.tags_frame().index) == ["llama3:8b"]
    assert snapshot.to_frame().loc[sha(OTHER), "status"] == "garbage"
    assert "leftover" in codes(snapshot)


def test_old_and_odd_names_of_blobs(models: OllamaModels) -> None:
    models.model("llama3:8b", WEIGHTS, OTHER)
    blobs = models.root / "blobs"
    old, odd = (blobs / sha(data).replace(":", "-") for data in (WEIGHTS, OTHER))
    old.rename(blobs / sha(WEIGHTS))
    odd.rename(blobs / f"sha256-{sha(OTHER)[7:].upper()}")
    path = models.path("llama3:8b")
    path.write_bytes(path.read_bytes().replace(sha(OTHER).encode(), f"sha256:{sha(OTHER)[7:].upper()}".encode()))
    snapshot = scan(models)
    assert set(snapshot.to_frame()["status"]) == {"live"}
    assert snapshot.simulate_deref("llama3:8b").bytes == snapshot.bytes


def test_newer_versions_keep_manifests_as_blobs(models: OllamaModels) -> None:
    manifest = models.manifest(WEIGHTS)
    models.blob(manifest)
    link = models.path("llama3:8b", "manifests-v2")
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(models.root / "blobs" / sha(manifest).replace(":", "-"), link.parent))
    models.model("llama3:8b", OTHER)  # an older manifest of the same name is hidden
    snapshot = scan(models)
    assert snapshot.tags_frame()["digest"].to_dict() == {"llama3:8b": sha(manifest)}
    assert set(snapshot.simulate_deref("llama3:8b").freed.index) == {sha(manifest), sha(WEIGHTS), sha(b"{}")}


def test_lists_of_manifests(models: OllamaModels) -> None:
    part, inside = models.manifest(WEIGHTS), json.loads(models.manifest(OTHER, config=b"[1]"))
    models.blob(part)
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    body = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.ollama.manifest.list.v2+json",
        "manifests": [{"mediaType": kind, "digest": sha(part), "runner": "mlx"}, inside],
    }
    path = models.path("llama3:8b")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(body))
    snapshot = scan(models)
    assert set(snapshot.simulate_deref("llama3:8b").freed.index) == {*map(sha, (part, WEIGHTS, OTHER, b"{}", b"[1]"))}
    (models.root / "blobs" / sha(part).replace(":", "-")).write_text("damaged")
    snapshot = scan(models)
    assert not snapshot.simulate_deref("llama3:8b").exact or set(snapshot.to_frame()["status"]) <= {"live", "unknown"}


def test_a_damaged_manifest_is_told_with_its_harm(models: OllamaModels) -> None:
    models.model("llama3:8b", WEIGHTS)
    path = models.model("me/mine:v1", WEIGHTS, OTHER)
    path.write_bytes(path.read_bytes()[:-30])
    snapshot = scan(models)
    preview = snapshot.simulate_deref("llama3:8b")
    assert (preview.bytes, preview.exact, preview.breaks) == (len(WEIGHTS) + 2, True, ("me/mine:v1",))
    assert codes(snapshot)["opaque"] == ("me/mine:v1",)
    found = blobkit.compare_gc(snapshot, "ollama")
    assert "cannot be read" in found.aborts[0]
    assert "ollama serve would abort" in str(found)


@pytest.mark.parametrize("size", [5 << 20, 1 << 33])
def test_a_manifest_that_is_too_large_holds_everything(models: OllamaModels, size: int) -> None:
    models.model("llama3:8b", WEIGHTS)
    with models.model("me/mine:v1", OTHER).open("r+b") as file:
        file.truncate(size)
    models.blob(b"nobody names this")
    snapshot = scan(models)
    assert "garbage" not in set(snapshot.to_frame()["status"])
    assert not snapshot.simulate_deref("llama3:8b").exact


def test_partial_downloads_are_sparse(models: OllamaModels) -> None:
    models.fill()
    frame = scan(models).to_frame()
    partial = frame[frame.index.str.endswith("-partial")].iloc[0]
    assert partial["size"] == 50_000
    assert partial["disk"] < partial["size"]
    assert partial["status"] == "garbage"


def test_links_out_are_not_followed(models: OllamaModels, tmp_path: Path) -> None:
    models.model("llama3:8b", WEIGHTS)
    blob = models.root / "blobs" / sha(WEIGHTS).replace(":", "-")
    blob.rename(tmp_path / "big disk")
    blob.symlink_to(tmp_path / "big disk")
    (models.root / "manifests" / "elsewhere").symlink_to(tmp_path)
    models.blob(b"nobody names this")
    snapshot = scan(models)
    assert snapshot.bytes == 2 + len(b"nobody names this")
    assert len(codes(snapshot)["outside"]) == 2
    assert "missing" not in codes(snapshot)
    assert "garbage" not in set(snapshot.to_frame()["status"]), "what lies elsewhere may need it"


def test_a_manifest_that_vanishes_frees_nothing(models: OllamaModels, monkeypatch: pytest.MonkeyPatch) -> None:
    models.model("llama3:8b", WEIGHTS)
    read = Directory.read

    def vanishing(self: Directory, path: str, limit: int) -> bytes:
        (models.root / path).unlink(missing_ok=True)
        return read(self, path, limit)

    monkeypatch.setattr(Directory, "read", vanishing)
    assert "garbage" not in set(scan(models).to_frame()["status"])


@pytest.mark.parametrize("part", ["manifests/registry.ollama.ai", "manifests/registry.ollama.ai/library/llama3/8b"])
def test_parts_that_this_user_may_not_read(common: Path, part: str) -> None:
    models = OllamaModels(common / "models")
    models.model("llama3:8b", WEIGHTS)
    models.blob(b"nobody names this")
    if os.geteuid() == 0:
        for path in (models.root, *models.root.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
    with barred(models.root / part):
        snapshot = scan(models)
        assert "chmod" in snapshot.audit().findings.set_index("code").loc["unreadable", "advice"]
        assert "garbage" not in set(snapshot.to_frame()["status"])


def test_a_store_that_this_user_may_not_read_is_refused_in_one_line(common: Path) -> None:
    models = OllamaModels(common / "models")
    models.model("llama3:8b", WEIGHTS)
    whole, names = models.root, models.root / "manifests"
    for part in (whole, names):
        with barred(part), pytest.raises(UnreadableStoreError, match="run blobkit as a user who may read it"):
            scan(models)


def test_blobs_that_this_user_may_not_see_are_not_missing(common: Path) -> None:
    models = OllamaModels(common / "models")
    models.model("llama3:8b", WEIGHTS)
    with barred(models.root / "blobs"):
        snapshot = scan(models)
        assert {"unreadable"} <= codes(snapshot).keys()
        assert not {"missing", "tag-without-content"} & codes(snapshot).keys()


def test_content_is_hashed_on_request(models: OllamaModels) -> None:
    models.model("llama3:8b", WEIGHTS)
    blob = models.root / "blobs" / sha(WEIGHTS).replace(":", "-")
    assert "damaged" not in codes(blobkit.scan(f"ollama:{models.root}", progress=False, verify=True))
    blob.write_bytes(WEIGHTS[:-1] + b"!")
    assert codes(blobkit.scan(f"ollama:{models.root}", progress=False, verify=True))["damaged"] == (sha(WEIGHTS),)
    blob.write_bytes(WEIGHTS[:-1])
    assert codes(scan(models))["damaged"] == (sha(WEIGHTS),)


def test_nothing_collects_but_the_server(models: OllamaModels) -> None:
    models.fill()
    with pytest.raises(UnknownToolError, match="when it starts"):
        scan(models).audit().script()
