"""Name the kinds of links that several kinds of stores count."""

from __future__ import annotations

from blobkit.oci.documents import OCI_INDEX, OCI_MANIFEST

__all__ = ["IN_MANIFESTS", "MARKED", "OCI_TYPES"]

IN_MANIFESTS = frozenset({"config", "layer", "child", "stored-as"})
"""Links of what a manifest contains."""
MARKED = frozenset({"revision", "mark"})
"""Links that a collector marks through a virtual node."""
OCI_TYPES = frozenset({OCI_INDEX, OCI_MANIFEST})
"""The media types of documents that umoci reads."""
