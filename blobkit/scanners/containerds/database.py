"""Read containerd's metadata: which namespaces there are, and what each of them has.

Format: containerd 1.7, `metadata/buckets.go`: `v1/<namespace>/<kind of object>/<key>/<field>`. Only labels that its
collector reads are kept. Fields of another type than expected count as absent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from blobkit.scanners.bolt import BoltError, Bucket, Tree, read_bolt
from blobkit.scanners.containerds.varint import unsigned, zigzag

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.sources.source import Source

    Labels = tuple[tuple[str, str], ...]
    """Labels of the collector, sorted by name."""

__all__ = [
    "META",
    "Container",
    "Content",
    "Directory",
    "Image",
    "Ingest",
    "Lease",
    "Namespace",
    "Snapshot",
    "State",
    "read_directories",
    "read_state",
    "rfc3339",
]

META = "io.containerd.metadata.v1.bolt/meta.db"
SCHEMA = b"v1"
PREFIX = b"containerd.io/gc."
_YEAR_ONE = 62_135_596_800
"""Seconds from the year 1, from which Go counts, to 1970."""
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)


class Content(NamedTuple):
    """A blob of a namespace; `size` is -1 if the database does not tell it."""

    digest: str
    size: int
    labels: Labels


class Image(NamedTuple):
    """A name of a namespace, and the descriptor that it names; `updated` in microseconds since 1970, -1 unknown."""

    name: str
    digest: str
    media_type: str
    size: int
    updated: int
    labels: Labels


class Snapshot(NamedTuple):
    """A snapshot of a namespace; `name` is its key in the database of its snapshotter."""

    snapshotter: str
    key: str
    name: str
    parent: str
    created: int
    labels: Labels


class Directory(NamedTuple):
    """The place of a snapshot: the number of its directory; its disk use when it was made (-1 unknown)."""

    number: int
    size: int
    parent: str
    created: int


class Lease(NamedTuple):
    """A lease, with what it holds: digests, pairs of snapshotter and key, references of ingests, names of images."""

    name: str
    contents: tuple[str, ...]
    snapshots: tuple[tuple[str, str], ...]
    ingests: tuple[str, ...]
    images: tuple[str, ...]
    created: int
    labels: Labels


class Container(NamedTuple):
    """A container, its snapshot and the name of its image; or another object that holds only what its labels name."""

    name: str
    snapshotter: str
    key: str
    created: int
    labels: Labels


class Ingest(NamedTuple):
    """An unfinished write: its reference, when it expires (microseconds, -1 never given), and the expected digest."""

    reference: str
    expires: int
    expected: str


@dataclass(slots=True)
class Namespace:
    """All objects of a namespace; `others` are objects of kinds that have no field of their own here."""

    name: str
    contents: list[Content] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)
    containers: list[Container] = field(default_factory=list)
    ingests: list[Ingest] = field(default_factory=list)
    others: dict[str, list[Container]] = field(default_factory=dict)


@dataclass(slots=True)
class State:
    """The metadata at one moment: the version of its schema (3: containerd 1.x, 4: 2.x), and the namespaces."""

    version: int
    namespaces: list[Namespace]


def read_state(source: Source) -> State:
    """Return the metadata of one moment. OSError, or BoltError if the database is damaged or changes all the time."""
    return read_bolt(source, META, _state)


def read_directories(source: Source, path: str) -> dict[str, Directory]:
    """Return where each snapshot is, from the database of a snapshotter. Errors: as `read_state`."""
    return read_bolt(source, path, _directories)


def rfc3339(text: str) -> datetime | None:
    """Return a time as Go parses it in labels, None if it is none."""
    if not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _state(top: Bucket) -> State:
    """Return the metadata in a database."""
    version, namespaces = -1, []
    for name, value in top.items():
        if name == SCHEMA and isinstance(value, Bucket):
            version = 1
            for key, inner in value.items():
                if isinstance(inner, Bucket):
                    namespaces.append(_namespace(_text(key), inner))
                elif key == b"version":
                    version = zigzag(inner, absent=1)
    if version < 0:
        msg = "it has no bucket v1: it is not containerd's, or of a newer version than blobkit knows"
        raise BoltError(msg)
    return State(version, namespaces)


def _directories(top: Bucket) -> dict[str, Directory]:
    """Return the snapshots in the database of a snapshotter, by name."""
    found = {}
    for name, value in _inside(_inside(top.tree(), SCHEMA), b"snapshots").items():
        if isinstance(value, dict):
            number, size = unsigned(_bytes(value, b"id")), zigzag(_bytes(value, b"size"))
            found[_text(name)] = Directory(number, size, _text(value.get(b"parent")), _time(value, b"createdat"))
    return found


def _namespace(name: str, bucket: Bucket) -> Namespace:
    """Return the objects of a namespace."""
    found = Namespace(name)
    for key, inner in bucket.items():
        if not isinstance(inner, Bucket) or key in (b"labels", b"indexes"):
            continue
        if key == b"content":
            for part, objects in inner.items():
                if isinstance(objects, Bucket):
                    _CONTENT.get(part, _nothing)(found, objects)
        elif key in _OBJECTS:
            _OBJECTS[key](found, inner)
        else:
            found.others[_text(key)] = [_container(one, tree) for one, tree in _trees(inner)]
    return found


def _nothing(_namespace: Namespace, _objects: Bucket) -> None:
    """Leave out a part that holds nothing."""


def _contents(namespace: Namespace, objects: Bucket) -> None:
    namespace.contents += [Content(key, zigzag(_bytes(tree, b"size")), _labels(tree)) for key, tree in _trees(objects)]


def _ingests(namespace: Namespace, objects: Bucket) -> None:
    namespace.ingests += [
        Ingest(key, _time(tree, b"expireat"), _text(tree.get(b"expected"))) for key, tree in _trees(objects)
    ]


def _images(namespace: Namespace, objects: Bucket) -> None:
    for key, tree in _trees(objects):
        target = _inside(tree, b"target")
        named = (_text(target.get(b"digest")), _text(target.get(b"mediatype")), zigzag(_bytes(target, b"size")))
        namespace.images.append(Image(key, *named, _time(tree, b"updatedat"), _labels(tree)))


def _snapshots(namespace: Namespace, objects: Bucket) -> None:
    for snapshotter, inner in objects.items():
        if isinstance(inner, Bucket):
            for key, tree in _trees(inner):
                texts = (_text(tree.get(b"name")), _text(tree.get(b"parent")))
                created = _time(tree, b"createdat")
                namespace.snapshots.append(Snapshot(_text(snapshotter), key, *texts, created, _labels(tree)))


def _leases(namespace: Namespace, objects: Bucket) -> None:
    for key, tree in _trees(objects):
        names = [tuple(map(_text, _inside(tree, part))) for part in (b"content", b"ingests", b"images")]
        held = _inside(tree, b"snapshots")
        pairs = tuple((_text(name), _text(one)) for name in held for one in _inside(held, name))
        created = _time(tree, b"createdat")
        namespace.leases.append(Lease(key, names[0], pairs, names[1], names[2], created, _labels(tree)))


def _containers(namespace: Namespace, objects: Bucket) -> None:
    namespace.containers += [_container(key, tree) for key, tree in _trees(objects)]


_OBJECTS: dict[bytes, Callable[[Namespace, Bucket], None]] = {
    b"images": _images,
    b"snapshots": _snapshots,
    b"leases": _leases,
    b"containers": _containers,
}
_CONTENT: dict[bytes, Callable[[Namespace, Bucket], None]] = {b"blob": _contents, b"ingests": _ingests}


def _container(key: str, tree: Tree) -> Container:
    texts = (_text(tree.get(b"snapshotter")), _text(tree.get(b"snapshotKey")))
    return Container(key, *texts, _time(tree, b"createdat"), _labels(tree))


def _trees(objects: Bucket) -> Iterator[tuple[str, Tree]]:
    """Yield the key and the fields of each object."""
    for key, value in objects.items():
        if isinstance(value, Bucket):
            yield _text(key), value.tree()


def _labels(tree: Tree) -> Labels:
    labels = _inside(tree, b"labels")
    return tuple((_text(name), _text(value)) for name, value in labels.items() if name.startswith(PREFIX))


def _inside(tree: Tree, name: bytes) -> Tree:
    """Return a bucket in a bucket, an empty one if it is absent."""
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def _bytes(tree: Tree, name: bytes) -> bytes:
    found = tree.get(name)
    return found if isinstance(found, bytes) else b""


def _text(value: bytes | Tree | None) -> str:
    """Return a value as text, other bytes than UTF-8 escaped; "" for a bucket."""
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else ""


def _time(tree: Tree, name: bytes) -> int:
    """Return a time in microseconds since 1970, -1 if it is absent or earlier. Format: Go's `Time.MarshalBinary`."""
    data = _bytes(tree, name)
    if len(data) not in (15, 16) or data[0] not in (1, 2):
        return -1
    seconds, nanoseconds = int.from_bytes(data[1:9]) - _YEAR_ONE, int.from_bytes(data[9:13])
    return seconds * 1_000_000 + nanoseconds // 1000 if 0 <= seconds < _YEAR_ONE else -1
