"""Read the records of BuildKit's cache: `buildkit/snapshots.db`. Source: moby, `builder-next/adapters/snapshot`.

Each record is a bucket. `chainid`: it keeps that layer; else it has a directory of its own, named by `committed` or
like the record. `iscommitted`: the record of another name has its directory. `parent`: the record below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.access import reason
from blobkit.render import to_utf8
from blobkit.scanners.bolt import BoltError, read_bolt

if TYPE_CHECKING:
    from blobkit.scanners.bolt import Bucket
    from blobkit.scanners.docker_roots.reading import Reader

__all__ = ["DATABASE", "IMAGES", "Record", "count_images", "read_cache"]

DATABASE = "buildkit/snapshots.db"
IMAGES = "containerd/daemon"
"""Where docker keeps images, if containerd does it."""
_FIELDS = (b"chainid", b"committed", b"parent", b"iscommitted")


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the cache: the layer that it keeps, or the name of its directory; the record below it."""

    name: str
    layer: str
    tree: str
    parent: str


def read_cache(reader: Reader) -> list[Record] | None:
    """Return the records, None if they are unknown."""
    try:
        found = read_bolt(reader.source, DATABASE, _records)
    except FileNotFoundError:
        return []
    except (OSError, BoltError) as error:
        why = reason(error, reader.source.path(DATABASE)) if isinstance(error, OSError) else str(error)
        reader.notice("unreadable", f"{DATABASE} cannot be read ({why})", "", DATABASE)
        return None
    taken = {tree for layer, tree, _, _ in found.values() if tree and not layer}
    return [
        Record(name, layer, tree or name, parent)
        for name, (layer, tree, parent, is_committed) in found.items()
        if layer or not (is_committed and name in taken)
    ]


def _records(bucket: Bucket) -> dict[str, tuple[str, str, str, bool]]:
    """Return layer, directory, record below, and whether another record has the directory, of each record."""
    found = {}
    for name, value in bucket.tree().items():
        if isinstance(value, dict):
            given = [_text(value.get(field)) for field in _FIELDS[:3]]
            found[_text(name)] = (given[0], given[1], given[2], _FIELDS[3] in value)
    return found


def _text(value: object) -> str:
    return to_utf8(value.decode("utf-8", "surrogateescape")) if isinstance(value, bytes) else ""


def count_images(reader: Reader) -> int:
    """Return how many images docker keeps in containerd's store: 0 if it is not in use, or cannot be read."""
    path = f"{IMAGES}/io.containerd.metadata.v1.bolt/meta.db"
    try:
        return read_bolt(reader.source, path, _images)
    except (OSError, BoltError):
        return 0


def _images(bucket: Bucket) -> int:
    tree: object = bucket.tree()
    for part in (b"v1", b"moby", b"images"):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return len(tree) if isinstance(tree, dict) else 0
