"""Records of archives that hold images: of `docker save`, and OCI layouts in a tar."""

from __future__ import annotations

from dataclasses import replace

from blobkit.snapshot.records import Kind, Policy
from blobkit.snapshot.stores.oci import OCI

__all__ = ["DOCKER_ARCHIVE", "OCI_ARCHIVE"]

DOCKER_ARCHIVE = Kind(
    "docker-archive",
    "a tar with manifest.json",
    (Policy("docker-archive", "tags", frozenset({"pin", "tag"}), frozenset({"config", "layer", "legacy"})),),
    scanner="blobkit.scanners.docker_archive",
    is_file=True,
    advice="write the archive anew (docker save, skopeo copy): nothing removes members of an archive",
)
OCI_ARCHIVE = Kind(
    "oci-archive",
    "a tar with oci-layout, or with index.json and blobs/",
    tuple(
        replace(policy, store="oci-archive", collector=None, links=policy.links | {"legacy"}) for policy in OCI.policies
    ),
    scanner="blobkit.scanners.oci_archive",
    is_file=True,
    advice="write the archive anew (skopeo copy): nothing removes members of an archive",
)
