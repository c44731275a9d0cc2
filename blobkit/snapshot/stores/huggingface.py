"""Record of the cache of the Hugging Face hub. Source: huggingface_hub 2.4, `utils/_cache_manager.py`."""

from __future__ import annotations

from blobkit.snapshot.dropping import Dropping
from blobkit.snapshot.records import Collector, Kind, Policy, StopRule

__all__ = ["HUGGINGFACE"]

NAMED = frozenset({"first-ref", "ref", "unswept"})
FILES = frozenset({"file", "shared"})
REPOSITORY = frozenset({"repo", "residue"})

PRUNE = Collector(
    "hf",
    "hf cache prune",
    "2.4.0",
    (
        StopRule("hub-stops", "it reads a ref that is not text, or that it cannot read"),
        StopRule("unreadable", "this user may not read a part of the cache", unsure=True),
    ),
)
HUGGINGFACE = Kind(
    "huggingface",
    "models--*/snapshots",
    (
        Policy(
            "huggingface",
            "revisions",
            frozenset({"first-ref", "detached", "unswept"}),
            FILES | REPOSITORY | {"partial", "unlisted"},
        ),
        Policy("huggingface", "refs", NAMED, FILES | {"unlisted"}),
        Policy("huggingface", "prune", NAMED | {"unpruned"}, FILES | REPOSITORY, collector=PRUNE),
    ),
    scanner="blobkit.scanners.huggingface",
    found_by=(
        *(
            f"{one}--*/{part}/"
            for one in ("models", "datasets", "spaces", "kernels")
            for part in ("snapshots", "blobs", "refs")
        ),
        "blobs/.huggingface-shared-blobs",
    ),
    places=(
        "$HF_HUB_CACHE",
        "$HUGGINGFACE_HUB_CACHE",
        "$HF_HOME/hub",
        "$XDG_CACHE_HOME/huggingface/hub",
        "~/.cache/huggingface/hub",
    ),
    tools=("hf",),
    collected_by={"refs": "hf", "prune": "hf"},
    key_form=r".+/.+",
    needed="refs",
    beside={
        "datasets": "the cache of prepared data sets (Arrow files) of the library datasets",
        "xet": "the cache of chunks of the library hf_xet",
        "assets": "the cache of assets of libraries",
        "modules": "code that the libraries transformers and datasets load",
        "evaluate": "the cache of the library evaluate",
    },
    dropping=Dropping(
        noticed=(
            ("left-out", "huggingface_hub leaves its repository out"),
            ("odd-commit", "hf cache rm takes commits of 40 hex digits"),
            ("harmful-drop", "hf cache rm may remove a shared file that others use without being listed"),
            ("same-commit", "hf cache rm takes a commit, which several repositories have: remove a directory by hand"),
        ),
    ),
    advice="hf cache prune removes partial downloads, detached revisions and unused shared files, and no others",
)
