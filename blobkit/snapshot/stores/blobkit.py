"""Record of the stores of blobkit itself."""

from __future__ import annotations

from blobkit.snapshot.records import Kind, Policy
from blobkit.snapshot.stores.body import IN_MANIFESTS, OCI_TYPES
from blobkit.snapshot.stores.oci import UMOCI

__all__ = ["BLOBKIT"]

BLOBKIT = Kind(
    "blobkit",
    ".blobkit/index.sqlite",
    (Policy("blobkit", "counts", frozenset({"pin", "tag"}), IN_MANIFESTS | {"subject", "link"}, counting=True),),
    found_by=(".blobkit/index.sqlite",),
    tools=("blobkit",),
    advice="blobkit fsck says why they are here",
    leftovers="blobkit fsck --repair moves them to quarantine, blobkit fsck --purge empties that",
    note="read from its index: content, twins and claims of images are not checked (blobkit fsck reads content)",
    shown=Policy(
        "blobkit", "shown", frozenset({"tag"}), IN_MANIFESTS | {"subject"}, sources=OCI_TYPES, collector=UMOCI
    ),
)
