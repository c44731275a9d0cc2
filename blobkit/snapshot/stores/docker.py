"""Record of docker's data root with the classic image store. Source: moby 26.1, `layer/`, `image/`, `reference/`.

No command removes what the scanner pins as `unswept` (directories and layers that no record uses) or `lower` (a layer
below one of those, and a directory without a record that a layer in use is mounted on).
"""

from __future__ import annotations

from blobkit.snapshot.dropping import Dropping
from blobkit.snapshot.records import Collector, Kind, Policy

__all__ = ["BUILD_CACHE", "CONTAINERS", "DOCKER"]

CONTAINERS, BUILD_CACHE = "(containers)", "(build cache)"
"""Groups of pins that are no repositories; no repository can have such a name."""

LINKS = frozenset({"top", "parent-layer", "parent-image", "uses"})
NAMED = frozenset({"tag", "digest"})
USERS = frozenset({"container", "running"})
EVER = frozenset({"lower", "unswept"})
VERSION = "26.1"
_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"[A-Za-z0-9]+(?:[.-]+[A-Za-z0-9]+)*(?::[0-9]+)?"
_IMAGE = rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}})?"
_CONTAINER = "[A-Za-z0-9][A-Za-z0-9_.-]*"
"""Names of images (distribution, `reference/regexp.go`); of containers, and of records of the build cache."""


def _prune(name: str, holding: frozenset[str], collector: Collector) -> Policy:
    return Policy("docker", name, holding | EVER, LINKS, collector=collector)


DOCKER = Kind(
    "docker",
    "image/overlay2/layerdb",
    (
        Policy("docker", "docker", NAMED | USERS | {"unnamed", "cache", "lower"}, LINKS),
        _prune("prune", USERS | {"tag", "cache"}, Collector("docker-prune", "docker image prune", VERSION)),
        _prune(
            "prune-a",
            USERS | {"cache"},
            Collector("docker-prune-a", "docker image prune -a", VERSION, figure="docker-df"),
        ),
        _prune(
            "builder-prune",
            NAMED | USERS | {"unnamed"},
            Collector("docker-builder-prune", "docker builder prune -a", VERSION),
        ),
        _prune(
            "system-prune",
            frozenset({"running"}),
            Collector("docker-system-prune", "docker system prune -a", VERSION),
        ),
    ),
    scanner="blobkit.scanners.docker_root",
    found_by=(
        "image/*/layerdb/",
        "image/*/imagedb/",
        "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db",
    ),
    places=(
        "/etc/docker/daemon.json#data-root",
        "/etc/docker/daemon.json#graph",
        "~/.config/docker/daemon.json#data-root",
        "/var/lib/docker",
        "$XDG_DATA_HOME/docker",
        "~/.local/share/docker",
        "/var/snap/docker/common/var-lib-docker",
    ),
    tools=("docker",),
    prunes={BUILD_CACHE: "docker builder prune -a"},
    key_form=r"(?:layer|image|container|cache|dir)/.+",
    dropping=Dropping(
        takes=rf"\A(?:{_IMAGE}|{_CONTAINER})\z",
        refused="docker does not accept this name",
        in_use="its image is in use by container {}, so docker leaves its last name",
        running="docker rm refuses a container that runs: stop it first",
    ),
    advice="no command of docker removes it, not even docker system prune -a",
)
