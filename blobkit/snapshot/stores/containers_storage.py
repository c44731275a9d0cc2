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
    places=(
        "$CONTAINERS_STORAGE_CONF#storage.graphroot",
        "$XDG_CONFIG_HOME/containers/storage.conf#storage.graphroot",
        "~/.config/containers/storage.conf#storage.graphroot",
        "$XDG_DATA_HOME/containers/storage",
        "~/.local/share/containers/storage",
        "/etc/containers/storage.conf#storage.graphroot",
        "/var/lib/containers/storage",
    ),
    key_form=r"(?:layer|image|container|volume|dir)/.+",
)
