"""Record of the stores of the Go package `blobstore`."""

from __future__ import annotations

from blobkit.snapshot.records import Kind, Policy

__all__ = ["GO_BLOBSTORE"]

GO_BLOBSTORE = Kind(
    "go-blobstore",
    "blobs/<digest>/info.json",
    (Policy("go-blobstore", "counts", frozenset({"pin"}), frozenset({"link"}), counting=True),),
    scanner="blobkit.scanners.go_blobstore",
    found_by=("blobs/sha*:*/info.json",),
    advice="no program removes them: delete their directories",
)
