"""Record of docker's data root with the classic image store. Source: moby 26.1, `layer/`, `image/`, `reference/`."""

from __future__ import annotations

from blobkit.snapshot.records import Kind, Policy

__all__ = ["DOCKER"]

DOCKER = Kind(
    "docker",
    "image/overlay2/layerdb",
    (
        Policy(
            "docker",
            "docker",
            frozenset({"tag", "digest", "unnamed", "container", "cache"}),
            frozenset({"top", "parent-layer", "parent-image", "uses"}),
        ),
    ),
    scanner="blobkit.scanners.docker_root",
    found_by=("image/*/layerdb/", "image/*/imagedb/"),
    places=("/etc/docker/daemon.json#data-root", "/var/lib/docker", "~/.local/share/docker"),
    key_form=r"(?:layer|image|container|cache|dir)/.+",
)
