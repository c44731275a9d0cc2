"""Record of containerd's root directory, also as docker's image store. Source: containerd 1.7, `metadata/gc.go`."""

from __future__ import annotations

from blobkit.snapshot.records import Kind, Policy

__all__ = ["CONTAINERD"]

CONTAINERD = Kind(
    "containerd",
    "io.containerd.metadata.v1.bolt/meta.db",
    (
        Policy(
            "containerd",
            "containerd",
            frozenset({"image", "container", "gc.root", "lease"}),
            frozenset({"label", "content", "gc-snapshot", "parent-layer"}),
            complete=True,
        ),
    ),
    scanner="blobkit.scanners.containerd",
    found_by=("io.containerd.metadata.v1.bolt/meta.db",),
    places=("/etc/containerd/config.toml#root", "/var/lib/containerd", "/var/lib/docker/containerd/daemon"),
    tools=("ctr",),
    key_form=r"snapshot/.+",
)
