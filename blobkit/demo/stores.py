"""Stores with the images of the demo: in memory, in a directory, as a layout, as a registry."""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.connect import scan
from blobkit.content.memory import MemoryContent
from blobkit.demo.images import BOTH, CONFIG, KIB, LAYER, MANIFEST, fill
from blobkit.demo.places import directory_for
from blobkit.demo.storage import Storage
from blobkit.index.memory import MemoryIndex
from blobkit.store.local import LocalStore
from blobkit.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.digest import Digest

__all__ = ["TwoDays", "images", "layout", "registry", "small", "two_days"]

DAY = 86_400
DAYS_OLD = {
    "base/debian:12": 200,
    "base/python:3.12": 150,
    "shop/web:1.0": 120,
    "shop/web:1.1": 90,
    "shop/web:2.0": 40,
    "shop/web:latest": 40,
    "shop/api:1": 35,
    "data/etl:1": 30,
    "data/etl:2": 10,
    BOTH: 5,
}
"""The images of `layout`, and the age of each in days."""
UNTAGGED = ("shop/web:1.0",)
"""The images that lost their tag in the registry, as if another image was pushed under the same tag."""
MONDAY = ("base/debian:12", "base/python:3.12", "shop/web:1.0", "shop/web:1.1", "shop/web:latest", "data/etl:1")
TUESDAY = ("shop/web:2.0", "shop/web:latest", "data/etl:2")
NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class TwoDays:
    """A layout on Tuesday, and the saved snapshots of Monday and Tuesday: `layout`, `monday`, `tuesday`."""

    layout: Path
    monday: Path
    tuesday: Path


def small() -> Store:
    """Return the images of the demo in memory, a thousandth of the size: fast to create, nothing to clean up.

    >>> store = demo.small()
    >>> list(store.tags())[:3]
    ['base/debian:12', 'base/python:3.12', 'data/etl:1']
    """
    return _in_memory(unit=1)


def images(directory: str | os.PathLike[str] | None = None, *, unit: int = KIB) -> Path:
    """Return the directory of a blobkit store with the images of the demo."""
    place = directory_for(directory)
    with LocalStore(place) as store:
        fill(store, unit=unit)
    return place


def layout(directory: str | os.PathLike[str] | None = None, *, unit: int = KIB) -> Path:
    """Return the directory of an OCI layout. Its files have ages as if the images were pushed over half a year."""
    place = directory_for(directory)
    with _filled(unit) as store:
        for tag, days in DAYS_OLD.items():
            there = set(place.glob("blobs/sha256/*"))
            store.export(tag, place)
            for file in set(place.glob("blobs/sha256/*")) - there:
                _age(file, days)
    return place


def registry(directory: str | os.PathLike[str] | None = None, *, unit: int = KIB) -> Path:
    """Return the storage directory of a registry. `shop/worker:1-arm` is one platform of the index `shop/worker:1`.

    Two manifests have no tag: the former `shop/web:1.0`, and a platform of that index.
    """
    place = directory_for(directory)
    store = _in_memory(unit)
    storage, pushed = Storage(place), time.time() - 30 * DAY
    tags = store.tags()
    tags[BOTH + "-arm"] = _arm(store, tags[BOTH])
    for name, digest in tags.items():
        repository, _, tag = name.partition(":")
        top = _push(store, storage, repository, digest, pushed)
        if name not in UNTAGGED:
            storage.tag(repository, tag, top, pushed)
    return place


def two_days(directory: str | os.PathLike[str] | None = None, *, unit: int = KIB) -> TwoDays:
    """Return a layout on Tuesday, with the saved snapshots of Monday and Tuesday.

    On Tuesday new versions were pushed, `latest` moved on, two old tags were dropped, an image was signed. One push was
    aborted: its layer is stored, its manifest is not.
    """
    place = directory_for(directory)
    place.mkdir(parents=True, exist_ok=True)
    days = TwoDays(place / "images", place / "monday.blobkit", place / "tuesday.blobkit")
    with _filled(unit) as store:
        newest = store.tags()["shop/web:latest"]
        store.tag("shop/web:latest", store.tags()["shop/web:1.1"], move=True)
        for tag in MONDAY:
            store.export(tag, days.layout)
        scan(days.layout, progress=False).save(days.monday)
        store.tag("shop/web:latest", newest, move=True)
        for tag in TUESDAY:
            store.export(tag, days.layout)
        subject = {"mediaType": MANIFEST, "digest": newest, "size": store.get(newest).size}
    _drop(days.layout, "shop/web:1.0", "shop/web:1.1")
    _add(days.layout, b"a layer without a manifest " * 20 * unit, LAYER)
    signature = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _add(days.layout, b"{}", CONFIG),
        "layers": [_add(days.layout, b"signed by the shop team", "text/plain")],
        "subject": subject,
    }
    _add(days.layout, json.dumps(signature).encode(), MANIFEST)
    scan(days.layout, progress=False).save(days.tuesday)
    return days


def _in_memory(unit: int) -> Store:
    store = Store(MemoryContent(), MemoryIndex())
    fill(store, unit=unit)
    return store


@contextmanager
def _filled(unit: int) -> Iterator[LocalStore]:
    """Give a store with the images of the demo, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="blobkit-demo-") as place, LocalStore(Path(place) / "store") as store:
        fill(store, unit=unit)
        yield store


def _age(path: Path, days: int) -> None:
    """Set the time of last modification to a number of days ago."""
    os.utime(path, (time.time() - days * DAY,) * 2)


def _arm(store: Store, index: str) -> str:
    """Return the manifest for arm64 of an image index."""
    children = json.loads(store.get(index).read())["manifests"]
    (found,) = (child["digest"] for child in children if child["platform"]["architecture"] == "arm64")
    return str(found)


def _push(store: Store, storage: Storage, repository: str, digest: str, pushed: float) -> Digest:
    """Write a blob and all that it links to as a registry does, with the links of the repository to them; return it."""
    blob = store.get(digest)
    storage.blob(blob.digest, blob.read(), pushed)
    link = storage.revision if blob.links else storage.layer
    link(repository, blob.digest, pushed)
    for target in blob.links:
        _push(store, storage, repository, target, pushed)
    return blob.digest


def _drop(place: Path, *tags: str) -> None:
    """Take tags out of index.json: the blobs stay until a collector runs."""
    index = json.loads((place / "index.json").read_text())
    index["manifests"] = [entry for entry in index["manifests"] if entry["annotations"][NAME] not in tags]
    (place / "index.json").write_text(json.dumps(index))


def _add(place: Path, data: bytes, media_type: str) -> dict[str, object]:
    """Write a blob into a layout, and return its descriptor."""
    digest = sha256(data).hexdigest()
    (place / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
