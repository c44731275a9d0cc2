"""Small true root directories of containerd, written by code: content, databases, snapshots."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import blobkit
from bolts import bolt
from layouts import CONFIG, INDEX, MANIFEST, Shelf

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot
    from bolts import Written

CONTENT = "io.containerd.content.v1.content"
META = "io.containerd.metadata.v1.bolt/meta.db"
REF = "containerd.io/gc.ref"
YEAR_ONE = 62_135_596_800


def zigzag(number: int) -> bytes:
    return uvarint(number << 1)


def uvarint(number: int) -> bytes:
    found = bytearray()
    while number >= 128:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def moment(seconds: int) -> bytes:
    """A time as Go marshals it."""
    return struct.pack(">BqiH", 1, seconds + YEAR_ONE, 0, 0xFFFF)


class Containerd(Shelf):
    """A root directory; `write` makes its databases of what was added."""

    def __init__(self, root: Path, version: int = 3) -> None:
        super().__init__(root)
        self.spaces: dict[str, dict[str, Written]] = {}
        self.trees: dict[str, Written] = {}
        self.version, self.transaction = version, 3
        (root / META).parent.mkdir(parents=True)
        (root / CONTENT / "blobs" / "sha256").mkdir(parents=True)

    def path(self, digest: str) -> Path:
        return self.root.joinpath(CONTENT, "blobs", *digest.split(":"))

    def at(self, namespace: str, *names: str) -> Written:
        """A bucket of a namespace; it is made where it is absent."""
        found: Written = self.spaces.setdefault(namespace, {})
        for name in names:
            found = found.setdefault(name.encode(), {})
        return found

    def claim(self, digest: str, namespace: str = "default", **labels: str) -> str:
        """Let a namespace claim a blob; `labels` of the collector, `__` for a dot."""
        size = self.path(digest).stat().st_size if self.path(digest).exists() else 1
        fields = self.at(namespace, "content", "blob", digest)
        fields[b"size"] = zigzag(size)
        self.label(fields, labels)
        return digest

    def label(self, fields: Written, labels: dict[str, str]) -> None:
        named = {f"containerd.io/gc.{name.replace('__', '.')}": value for name, value in labels.items()}
        fields.setdefault(b"labels", {}).update({name.encode(): value.encode() for name, value in named.items()})

    def add(self, content: bytes | str, namespace: str = "default", **labels: str) -> str:
        """Store content that a namespace claims."""
        return self.claim(self.blob(content), namespace, **labels)

    def image(self, name: str, *contents: str, namespace: str = "default", **labels: str) -> str:
        """Store an image with one layer for each content, with labels as a pull sets them; return its manifest."""
        layers = [self.add(content, namespace) for content in contents]
        config = self.claim(self.config(f"config of {name}"), namespace)
        below = {f"ref__content__l__{number}": layer for number, layer in enumerate(layers)}
        manifest = self.manifest(*layers, config=self.to(config, CONFIG))
        self.claim(manifest, namespace, ref__content__config=config, **below)
        return self.name(name, manifest, namespace, **labels)

    def name(
        self, name: str, digest: str, namespace: str = "default", media_type: str = MANIFEST, **labels: str
    ) -> str:
        """Give an image a name."""
        fields = self.at(namespace, "images", name)
        target = {b"digest": digest.encode(), b"mediatype": media_type.encode(), b"size": zigzag(7)}
        fields |= {b"target": target, b"createdat": moment(1_790_000_000), b"updatedat": moment(1_790_000_000)}
        self.label(fields, labels)
        return digest

    def list_of(self, name: str, *manifests: str, namespace: str = "default") -> str:
        """Store an index over manifests with a name."""
        below = {f"ref__content__m__{number}": one for number, one in enumerate(manifests)}
        index = self.claim(self.index(*manifests), namespace, **below)
        return self.name(name, index, namespace, INDEX)

    def lease(self, name: str, *held: str, namespace: str = "default", **labels: str) -> None:
        """A lease that holds digests, and snapshots given as `snapshotter/key`."""
        self.label(self.at(namespace, "leases", name), labels)
        for one in held:
            snapshotter, _, key = one.partition("/")
            if one.startswith("sha256:"):
                self.at(namespace, "leases", name, "content")[one.encode()] = b""
            else:
                self.at(namespace, "leases", name, "snapshots", snapshotter)[key.encode()] = b""

    def snapshot(  # noqa: PLR0913 (the fields of a snapshot)
        self,
        key: str,
        size: int,
        parent: str = "",
        *,
        namespace: str = "default",
        snapshotter: str = "overlayfs",
        claimed: bool = True,
        **labels: str,
    ) -> str:
        """A snapshot with one file of this size; return `snapshotter/key`. `claimed`: its namespace knows it."""
        known = self.trees.setdefault(snapshotter, {})
        number = len(known) + 1
        name = f"{namespace}/{number}/{key}"
        if claimed:
            fields = self.at(namespace, "snapshots", snapshotter, key)
            fields |= {b"name": name.encode(), b"createdat": moment(1_790_000_000)}
            if parent:
                fields[b"parent"] = parent.encode()
            self.label(fields, labels)
        known[name.encode()] = {b"id": uvarint(number), b"size": zigzag(size), b"kind": b"\x03"}
        files = self.tree(number, snapshotter) / "fs"
        files.mkdir(parents=True)
        (files / "file").write_bytes(b"x" * size)
        return f"{snapshotter}/{key}"

    def tree(self, number: int, snapshotter: str = "overlayfs") -> Path:
        """The directory of a snapshot."""
        return self.root / f"io.containerd.snapshotter.v1.{snapshotter}" / "snapshots" / str(number)

    def container(self, name: str, snapshot: str, namespace: str = "default", **labels: str) -> None:
        fields = self.at(namespace, "containers", name)
        snapshotter, _, key = snapshot.partition("/")
        fields |= {b"snapshotter": snapshotter.encode(), b"snapshotKey": key.encode(), b"createdat": moment(1)}
        self.label(fields, labels)

    def ingest(self, reference: str, content: bytes) -> Path:
        """An unfinished write."""
        place = self.root / CONTENT / "ingest" / reference
        place.mkdir(parents=True)
        (place / "ref").write_text(f"default/1/{reference}")
        (place / "data").write_bytes(content)
        return place / "data"

    def write(self) -> None:
        """Write the databases."""
        spaces = {name.encode(): space for name, space in self.spaces.items()}
        tree: Written = {b"v1": {**spaces, b"version": zigzag(self.version)}}
        self.transaction += 1
        (self.root / META).write_bytes(bolt(tree, transaction=self.transaction))
        for name, known in self.trees.items():
            place = self.root / f"io.containerd.snapshotter.v1.{name}"
            (place / "metadata.db").write_bytes(bolt({b"v1": {b"snapshots": known, b"parents": {}}}))

    def scan(self) -> Snapshot:
        self.write()
        return blobkit.scan(f"containerd:{self.root}", progress=False)
