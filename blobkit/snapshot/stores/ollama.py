"""Record of a models directory of Ollama. Source: ollama, `manifest/` and `server/images.go` (August 2026)."""

from __future__ import annotations

from blobkit.snapshot.records import Collector, Kind, Policy, StopRule

__all__ = ["OLLAMA"]

IN_MODELS = frozenset({"config", "layer", "child"})

START = Collector(
    "ollama",
    "ollama serve",
    "of August 2026",
    (
        StopRule("unread-manifest", "a manifest does not parse"),
        StopRule("model-name", "a manifest has a path that is no name of a model"),
        StopRule("unreadable", "this user may not read a manifest", unsure=True),
    ),
)
OLLAMA = Kind(
    "ollama",
    "manifests/ and blobs/",
    (
        Policy("ollama", "ollama", frozenset({"tag"}), IN_MODELS),
        Policy("ollama", "prune", frozenset({"tag"}), IN_MODELS, collector=START),
    ),
    scanner="blobkit.scanners.ollama",
    found_by=("manifests/ blobs/", "manifests-v2/ blobs/"),
    places=("$OLLAMA_MODELS", "~/.ollama/models", "/usr/share/ollama/.ollama/models"),
    tools=("ollama",),
    key_form=r"blobs/.+",
    advice="the server removes them when it starts, an hour after they were written, unless OLLAMA_NOPRUNE is set",
)
