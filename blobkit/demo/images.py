"""A small store of images like real ones: shared base layers, versions, two platforms, two names for one.

All bytes come from a seed, so every demo store is equal; layers are real tar archives and the store
is a valid OCI layout, which other tools can read.
"""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from blobkit.digest import of
from blobkit.oci.documents import OCI_INDEX as INDEX
from blobkit.oci.documents import OCI_MANIFEST as MANIFEST

if TYPE_CHECKING:
    from blobkit.model import Descriptor

__all__ = ["BOTH", "COMPANION", "CONFIG", "INDEX", "KIB", "LAYER", "MANIFEST", "TARGET", "fill"]

TARGET = "shop/web:1.0"
"""The tag that the demo previews dropping."""
COMPANION = "shop/web:1.1"
"""The tag that shares most with `TARGET`."""

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
KIB = 1 << 10
OS_BYTE, UNIX = 9, b"\3"
"""The place in the header of gzip where Python 3.11 and 3.13 write different bytes, and the byte that is there here."""


class Puts(Protocol):
    """The methods of a store that the demo needs."""

    def put(self, data: bytes, *, media_type: str = ..., tag: str | None = ...) -> Descriptor:
        """Store content; afterwards `tag` names it."""
        ...

    def tag(self, name: str, digest: str) -> object:
        """Name a stored blob."""
        ...


@dataclass(frozen=True)
class Image:
    """One image of the demo: its names, its layers from the base up, and the place and day of its build."""

    names: tuple[str, ...]
    layers: tuple[str, ...]
    day: int
    architecture: str = "amd64"


SIZES = {
    "debian": 3000,
    "debian-arm": 2900,
    "python": 1400,
    "python-arm": 1350,
    "node": 1800,
    "pandas": 900,
    "web-1.0": 260,
    "web-1.1": 270,
    "web-2.0": 410,
    "api-1": 180,
    "etl-1": 320,
    "etl-2": 330,
}
"""KiB in each layer (bytes where the unit is one)."""

IMAGES = (
    Image(("base/debian:12",), ("debian",), 1),
    Image(("base/python:3.12",), ("debian", "python"), 8),
    Image(("shop/web:1.0",), ("debian", "node", "web-1.0"), 15),
    Image(("shop/web:1.1",), ("debian", "node", "web-1.1"), 29),
    Image(("shop/web:2.0", "shop/web:latest"), ("debian", "python", "web-2.0"), 50),
    Image(("shop/api:1", "shop/api:1-arm"), ("debian", "python", "api-1"), 55),
    Image(("data/etl:1",), ("debian", "python", "pandas", "etl-1"), 60),
    Image(("data/etl:2",), ("debian", "python", "pandas", "etl-2"), 75),
)
BOTH = "shop/worker:1"
PLATFORMS = (
    Image((), ("debian", "python", "api-1"), 80),
    Image((), ("debian-arm", "python-arm", "api-1"), 80, "arm64"),
)


def fill(store: Puts, *, unit: int = KIB) -> None:
    """Put the images of the demo into a store: about 13 MiB, eleven tags; with `unit` 1 a thousandth of that."""
    for image in IMAGES:
        first, *others = image.names
        manifest = _put_image(store, image, unit, first)
        for name in others:
            store.tag(name, manifest.digest)
    children = [
        {
            **_described(_put_image(store, image, unit), MANIFEST),
            "platform": {"os": "linux", "architecture": image.architecture},
        }
        for image in PLATFORMS
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": children}
    store.put(_json(index), media_type=INDEX, tag=BOTH)


def _put_image(store: Puts, image: Image, unit: int, tag: str | None = None) -> Descriptor:
    """Put the layers, the config and the manifest of an image, in the order in which they link."""
    tars = [_layer(name, SIZES[name] * unit) for name in image.layers]
    layers = [_described(store.put(packed, media_type=LAYER), LAYER) for packed, _ in tars]
    config: dict[str, object] = {
        "created": f"2026-{1 + image.day // 31:02}-{1 + image.day % 28:02}T09:00:00Z",
        "os": "linux",
        "architecture": image.architecture,
        "config": {"Cmd": ["/app/run"]},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in tars]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _described(store.put(_json(config), media_type=CONFIG), CONFIG),
        "layers": layers,
    }
    return store.put(_json(manifest), media_type=MANIFEST, tag=tag)


def _layer(name: str, size: int) -> tuple[bytes, str]:
    """Return a layer as a compressed tar archive, and the digest of the archive before compression."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        content = random.Random(name).randbytes(size)  # noqa: S311 (the same bytes every time)
        entry = tarfile.TarInfo(f"opt/{name}.bin")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    packed = gzip.compress(plain.getvalue(), 1, mtime=0)
    return packed[:OS_BYTE] + UNIX + packed[OS_BYTE + 1 :], of(plain.getvalue())


def _described(blob: Descriptor, media_type: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


def _json(document: dict[str, object]) -> bytes:
    return json.dumps(document, indent=1).encode()
