"""Read the records of BuildKit's cache. Source: moby, `builder-next/adapters/snapshot`, `buildkit/cache/metadata`.

`buildkit/metadata_v2.db` has the records, each with its snapshot (`cache.snapshot`, else a snapshot of the same name).
`buildkit/snapshots.db` has the snapshots, also some of records that are gone. `chainid`, or a name that is a digest:
the snapshot keeps that layer; else it has a directory of its own, named by `committed` or like the snapshot. `parent`:
the snapshot below. If a layer existed before its snapshot was made, dockerd keeps the directory of the latter for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from blobkit.access import reason
from blobkit.digest import is_digest
from blobkit.oci.untrusted import DocumentError, parse_json
from blobkit.render import to_utf8
from blobkit.scanners.bolt import BoltError, read_bolt

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.scanners.bolt import Bucket
    from blobkit.scanners.docker_roots.reading import Reader

__all__ = ["DATABASES", "IMAGES", "Record", "count_images", "read_cache"]

T = TypeVar("T")

DATABASES = ("buildkit/snapshots.db", "buildkit/metadata_v2.db")
"""The snapshots, and the records of the cache."""
IMAGES = "containerd/daemon"
"""Where docker keeps images, if containerd does it."""
_FIELDS = (b"chainid", b"committed", b"parent")


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the cache: the layer that it keeps, or the name of its directory; its snapshot, and the one below."""

    name: str
    layer: str
    tree: str
    snapshot: str
    parent: str


class _Snapshot(NamedTuple):
    layer: str
    tree: str
    parent: str


def read_cache(reader: Reader) -> list[Record] | None:
    """Return the records, None if they are unknown."""
    snapshots = _database(reader, DATABASES[0], _snapshots, {})
    if snapshots is None:
        return None
    records = _database(reader, DATABASES[1], _records, {name: name for name in snapshots})
    if records is None:
        return None
    known = ((name, snapshot, snapshots[snapshot]) for name, snapshot in records.items() if snapshot in snapshots)
    return [
        Record(
            name,
            found.layer or (snapshot if is_digest(snapshot) else ""),
            found.tree or snapshot,
            snapshot,
            found.parent,
        )
        for name, snapshot, found in known
    ]


def _database(
    reader: Reader, path: str, use: Callable[[Bucket], dict[str, T]], absent: dict[str, T]
) -> dict[str, T] | None:
    """Return what a database holds, `absent` if there is none, None if it cannot be read."""
    try:
        return read_bolt(reader.source, path, use)
    except FileNotFoundError:
        return absent
    except (OSError, BoltError) as error:
        why = reason(error, reader.source.path(path)) if isinstance(error, OSError) else str(error)
        reader.notice("unreadable", f"{path} cannot be read ({why})", "", path)
        return None


def _snapshots(bucket: Bucket) -> dict[str, _Snapshot]:
    """Return the snapshots by name."""
    found = {}
    for name, value in bucket.tree().items():
        if isinstance(value, dict):
            found[_text(name)] = _Snapshot(*(_text(value.get(field)) for field in _FIELDS))
    return found


def _records(bucket: Bucket) -> dict[str, str]:
    """Return the name of the snapshot of each record that is not deleted."""
    main = next((value for name, value in bucket.items() if name == b"_main"), b"")
    found = {}
    for name, fields in main.tree().items() if not isinstance(main, bytes) else ():  # other buckets may be large
        if isinstance(fields, dict) and _value(fields.get(b"cache.deleted")) is not True:
            snapshot = _value(fields.get(b"cache.snapshot"))
            found[_text(name)] = to_utf8(snapshot) if isinstance(snapshot, str) and snapshot else _text(name)
    return found


def _value(data: object) -> object:
    """Return the value of a field, which is JSON; None if it has none."""
    try:
        return parse_json(data).get("value") if isinstance(data, bytes) else None
    except DocumentError:
        return None


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
