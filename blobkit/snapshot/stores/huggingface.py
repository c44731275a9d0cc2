"""Record of the cache of the Hugging Face hub. Source: huggingface_hub 2.4, `utils/_cache_manager.py`."""

from __future__ import annotations

from blobkit.snapshot.records import Kind, Policy

__all__ = ["HUGGINGFACE"]

HUGGINGFACE = Kind(
    "huggingface",
    "models--*/snapshots",
    (
        Policy(
            "huggingface",
            "revisions",
            frozenset({"revision", "unswept"}),
            frozenset({"file", "shared", "repo", "residue"}),
        ),
        Policy("huggingface", "refs", frozenset({"ref", "unswept"}), frozenset({"file", "shared"})),
    ),
    scanner="blobkit.scanners.huggingface",
    found_by=(
        *(f"{one}--*/{part}/" for one in ("models", "datasets", "spaces") for part in ("snapshots", "blobs", "refs")),
        "blobs/.huggingface-shared-blobs",
    ),
    places=(
        "$HF_HUB_CACHE",
        "$HUGGINGFACE_HUB_CACHE",
        "$HF_HOME/hub",
        "$XDG_CACHE_HOME/huggingface/hub",
        "~/.cache/huggingface/hub",
    ),
    key_form=r".+/.+",
)
