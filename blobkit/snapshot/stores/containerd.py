"""Record of containerd's root directory, also as docker's image store. Source: containerd 1.7, `metadata/gc.go`."""

from __future__ import annotations

from blobkit.snapshot.dropping import Dropping
from blobkit.snapshot.records import Collector, Kind, Policy

__all__ = ["CONTAINERD"]

COLLECTOR = Collector("containerd", "containerd", "1.6 to 2.1")
"""It stops at nothing: it reads its database only."""

CONTAINERD = Kind(
    "containerd",
    "io.containerd.metadata.v1.bolt/meta.db",
    (
        Policy(
            "containerd",
            "containerd",
            frozenset({"image", "container", "gc.root", "lease"}),
            frozenset({"label", "content", "gc-snapshot", "parent-layer", "uses"}),
            collector=COLLECTOR,
            complete=True,
        ),
    ),
    scanner="blobkit.scanners.containerd",
    found_by=("io.containerd.metadata.v1.bolt/meta.db",),
    places=(
        "/etc/containerd/config.toml#root",
        "/var/lib/containerd",
        "/var/lib/docker/containerd/daemon",
        "/var/lib/rancher/k3s/agent/containerd",
        "/var/lib/rancher/rke2/agent/containerd",
        "/var/snap/microk8s/common/var/lib/containerd",
        "$XDG_DATA_HOME/containerd",
        "~/.local/share/containerd",
        "$XDG_DATA_HOME/docker/containerd/daemon",
        "~/.local/share/docker/containerd/daemon",
    ),
    tools=("ctr",),
    collected_by={"containerd": "containerd"},
    key_form=r"(?:snapshot|lease|container)/.+",
    advice="containerd removes it by itself the next time that it collects",
    leftovers="containerd removes what its snapshotters do not know the next time that it collects",
    dropping=Dropping(
        nameless="ctr images rm removes names only: see ctr leases ls, ctr containers ls, labels containerd.io/gc.root",
        in_use="docker leaves the last name of an image in use: {} uses it",
    ),
)
