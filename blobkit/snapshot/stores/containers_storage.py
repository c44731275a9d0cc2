"""Record of containers-storage, the store of podman, CRI-O and buildah. Source: containers/storage 1.57."""

from __future__ import annotations

from blobkit.snapshot.records import Kind, Policy

__all__ = ["CONTAINERS_STORAGE"]

CONTAINERS_STORAGE = Kind(
    "containers-storage",
    "overlay-layers/layers.json",
    (
        Policy(
            "containers-storage",
            "podman",
            frozenset({"tag", "unnamed", "container", "volume"}),
            frozenset({"top", "parent-layer", "parent-image", "uses"}),
        ),
        Policy(
            "containers-storage",
            "prune-a",
            frozenset({"container", "volume"}),
            frozenset({"top", "parent-layer", "uses"}),
        ),
    ),
    scanner="blobkit.scanners.containers_storage",
    aliases=("podman",),
    found_by=("overlay-layers/", "overlay-images/", "vfs-layers/", "vfs-images/"),
    places=("~/.local/share/containers/storage", "/var/lib/containers/storage"),
    key_form=r"(?:layer|image|container|volume|dir)/.+",
)
