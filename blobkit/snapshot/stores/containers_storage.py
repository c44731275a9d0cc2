"""Record of containers-storage, the store of podman, CRI-O and buildah.

Sources: containers/storage 1.57, `store.go`, `check.go`; containers/common 0.62, `libimage/image.go`.
"""

from __future__ import annotations

from blobkit.snapshot.dropping import Dropping
from blobkit.snapshot.records import Collector, Kind, Policy

__all__ = ["CONTAINERS_STORAGE"]

_BELOW = frozenset({"top", "parent-layer", "uses"})
_LINKS = _BELOW | {"parent-image"}
_KEPT = frozenset({"container", "volume"})
_HELD = _KEPT | {"tag", "unnamed"}
_LEFT = frozenset({"left", "unrecorded"})
_TESTED = "5.4.2"
_PATH, _TAG = r"[a-z0-9]+(?:(?:\.|_|__|-+|/|:[0-9]+/)[a-z0-9]+)*", "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_NAME = rf"{_PATH}(?::{_TAG})?(?:@sha256:[0-9a-f]{{64}})?|{_TAG}"
"""Names of images (host, path, tag or digest), of containers and volumes."""

RMI = Collector("podman-rmi", "podman rmi", _TESTED)
PRUNE = Collector("podman-prune", "podman image prune", _TESTED)
PRUNE_ALL = Collector("podman-prune-a", "podman image prune -a", _TESTED)
REPAIR = Collector("podman-check", "podman system check --repair", _TESTED)
GC = Collector("containers-storage", "containers-storage gc", "1.57")

CONTAINERS_STORAGE = Kind(
    "containers-storage",
    "overlay-layers/layers.json",
    (
        Policy("containers-storage", "podman", _HELD, _LINKS),
        Policy("containers-storage", "rmi", _HELD | _LEFT, _LINKS, collector=RMI),
        Policy("containers-storage", "prune", _KEPT | _LEFT | {"tag"}, _LINKS, collector=PRUNE),
        Policy("containers-storage", "prune-a", _KEPT | _LEFT, _BELOW, collector=PRUNE_ALL),
        Policy("containers-storage", "check", _HELD, _LINKS, collector=REPAIR),
        Policy("containers-storage", "gc", _HELD | {"left"}, _LINKS, collector=GC),
    ),
    scanner="blobkit.scanners.containers_storage",
    aliases=("podman",),
    found_by=("overlay-layers/", "overlay-images/", "vfs-layers/", "vfs-images/", "btrfs-layers/", "zfs-layers/"),
    places=(
        "$CONTAINERS_STORAGE_CONF#storage.graphroot",
        "$XDG_CONFIG_HOME/containers/storage.conf#storage.graphroot",
        "~/.config/containers/storage.conf#storage.graphroot",
        "$XDG_DATA_HOME/containers/storage",
        "~/.local/share/containers/storage",
        "/etc/containers/storage.conf#storage.graphroot",
        "/var/lib/containers/storage",
    ),
    unshare="podman unshare",
    tools=("podman",),
    collected_by={"podman": "podman-rmi", "prune": "podman-prune", "prune-a": "podman-prune-a"},
    dropping=Dropping(
        takes=rf"\A(?:{_NAME})\z",
        refused="podman does not accept this name",
        in_use="its image is in use by {}, so its last name stays",
    ),
    key_form=r"(?:layer|image|container|volume)/.+",
    advice="podman system check --repair removes layers that nothing names (podman 5.2 or newer)",
)
