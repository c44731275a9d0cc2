"""Record of a models directory of Ollama. Source: ollama, `server/images.go`, `server/manifest.go` (August 2026)."""

from __future__ import annotations

from blobkit.snapshot.records import Kind, Policy

__all__ = ["OLLAMA"]

OLLAMA = Kind(
    "ollama",
    "manifests/ and blobs/",
    (Policy("ollama", "ollama", frozenset({"tag"}), frozenset({"config", "layer"})),),
    scanner="blobkit.scanners.ollama",
    found_by=("manifests/ blobs/",),
    places=("$OLLAMA_MODELS", "~/.ollama/models", "/usr/share/ollama/.ollama/models"),
)
