"""Read the records of containers: `containers/<ID>/config.v2.json`, `layerdb/mounts/<ID>/{mount-id,init-id,parent}`.

Source: moby, `container/container.go`, `layer/mounted_layer.go`. A mount without a container is what BuildKit works on,
or what a crash left: it holds its layer all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.digest import is_digest
from blobkit.oci.untrusted import parse_time, text_of
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from blobkit.scanners.docker_roots.reading import Reader

__all__ = ["Container", "read_containers"]

LIMIT = 16 << 20
_FIELDS = frozenset({"Name", "Image", "State", "Running", "Created"})


@dataclass(frozen=True, slots=True)
class Container:
    """A container: its directories, its image and layer ("" none, None unknown), the `trees` that it writes to.

    `trees` is None if they are unknown. Times are in microseconds since 1970, -1 unknown.
    """

    paths: tuple[str, ...]
    name: str
    image: str | None
    layer: str | None
    trees: tuple[str, ...] | None
    runs: bool = False
    created: int = -1


def read_containers(reader: Reader, database: str) -> dict[str, Container]:
    """Return the containers by ID."""
    mounts, own = f"{database}/layerdb/mounts", "containers"
    mounted = {entry.name for entry in reader.entries(mounts) if entry.kind is Is.DIRECTORY}
    kept = {entry.name for entry in reader.entries(own) if entry.kind is Is.DIRECTORY}
    return {
        name: _container(reader, name, f"{own}/{name}" if name in kept else "", f"{mounts}/{name}")
        for name in sorted(mounted | kept)
    }


def _container(reader: Reader, name: str, own: str, mount: str) -> Container:
    key = f"container/{name}"
    words = [reader.word(f"{mount}/{part}", key) for part in ("mount-id", "init-id")]
    trees = None if None in words else tuple(word for word in words if word)
    layer = reader.digest(f"{mount}/parent", key)
    paths = (mount, own) if own else (mount,)
    if not own:
        reader.notice("odd", f"{mount} keeps a layer and belongs to no container", key, mount)
        return Container(paths, name, "", layer, trees)
    body = reader.json(f"{own}/config.v2.json", key, LIMIT, _FIELDS)
    if body is None:
        return Container(paths, name, None, layer, trees)
    image, state = text_of(body, "Image"), body.get("State")
    if image and not is_digest(image):
        reader.notice("unparseable", f"{own}/config.v2.json names no image", key, own)
    created = parse_time(body.get("Created"))
    return Container(
        paths,
        text_of(body, "Name").lstrip("/") or name,
        image if is_digest(image) or not image else None,
        layer,
        trees,
        isinstance(state, dict) and state.get("Running") is True,
        -1 if created is None else int(created.timestamp() * 1e6),
    )
