"""The bytes of images that `docker system df` calls reclaimable, to be shown beside what really goes.

Sources: moby 26.1, `daemon/images/images.go`; docker/cli, `formatter/disk_usage.go: Reclaimable`. Other versions may
count fewer images as sharing a layer.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.scanners.docker_roots.state import State

__all__ = ["names_lost", "reclaimable"]


def reclaimable(state: State) -> int:
    """Return the bytes of all layers of images, less those that images of containers share with no other image.

    So layers that an image in use shares count as reclaimable, even if it shares them only with the steps of its own
    build. Sizes are those of records: of the files in a layer, without directories and metadata.
    """
    below = {image: list(_layers(state, found.top)) for image, found in state.images.items()}
    uses = Counter(chain for layers in below.values() for chain in layers)
    shown = _shown(state)
    layers = {chain for image in shown for chain in below[image]}
    used = {container.image for container in state.containers.values()}
    own = {chain for image in shown if image in used for chain in below[image] if uses[chain] == 1}
    return sum(max(state.layers[chain].size, 0) for chain in layers - own)


def names_lost(state: State) -> list[str]:
    """Return the names of images in use that have several tags: `docker image prune -a` leaves one of each.

    Source: moby, `daemon/images/image_prune.go`, and runs of 20.10.24.
    """
    used = {container.image for container in state.containers.values()}
    tags: dict[str, list[str]] = {}
    for name in state.names or ():
        if name.image in used and not name.is_digest:
            tags.setdefault(name.image, []).append(name.name)
    return sorted(name for names in tags.values() if len(names) > 1 for name in names)


def _shown(state: State) -> list[str]:
    """Return the images that have a name, or that no other image was built on."""
    named = {name.image for name in state.names or ()}
    parents = {image.parent for image in state.images.values()}
    return [image for image in state.images if image in named or image not in parents]


def _layers(state: State, chain: str | None) -> Iterator[str]:
    """Yield a layer and those below it."""
    seen: set[str] = set()
    while chain in state.layers and chain not in seen:
        yield chain
        seen.add(chain)
        chain = state.layers[chain].parent
