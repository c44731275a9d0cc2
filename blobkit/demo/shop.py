"""The registry of a shop on three days of 2026, as saved snapshots: images of half a year, in 14 repositories.

Each figure is the same every time. Sizes are like those of real images, but layers are holes without content, under
digests made from their names: so nothing is compressed, and little is written.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.connect import scan
from blobkit.demo.images import CONFIG, INDEX, LAYER, MANIFEST
from blobkit.demo.storage import Storage
from blobkit.digest import of
from blobkit.snapshot.tables import with_notices

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from blobkit.digest import Digest
    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.snapshot.tables import Tables

__all__ = ["ADDRESS", "MONDAY", "TUESDAY", "WEDNESDAY", "shop_on"]

ADDRESS = "/var/lib/registry"
MONDAY, TUESDAY, WEDNESDAY = (datetime(2026, 6, 29, 9, tzinfo=UTC) + timedelta(days) for days in range(3))
MIB = 1 << 20

SIZES = {
    "debian": 48.2,
    "debian-arm": 46.9,
    "debian-10": 49.7,
    "python-3.11": 88.1,
    "python-3.12": 92.4,
    "python-arm": 90.3,
    "node-20": 70.6,
    "node-22": 74.3,
    "java-21": 181.9,
    "web-deps-1": 121.4,
    "web-deps-2": 136.8,
    "api-deps": 64.5,
    "worker-deps": 37.7,
    "search-deps": 322.0,
    "pandas": 163.2,
    "jupyter": 214.6,
    "cuda-11": 612.4,
    "cuda-12": 655.9,
    "torch-1": 402.7,
    "torch-2": 431.2,
    "ci-tools": 263.4,
    "php": 152.6,
}
"""MiB in each layer that images share; the layers of one image are smaller."""


@dataclass(frozen=True)
class Image:
    """An image of the shop: its repository, its tags, shared layers, the MiB of its own layer, the day of its push.

    Days count from 1 January. `arm` are the shared layers of a second platform.
    """

    repo: str
    tags: tuple[str, ...]
    layers: tuple[str, ...]
    own: float
    day: int
    arm: tuple[str, ...] = ()

    @property
    def time(self) -> datetime:
        """The time of the push."""
        return datetime(2026, 1, 1, 14, 30, tzinfo=UTC) + timedelta(self.day - 1)


WEB_1, WEB_2 = ("debian", "node-20", "web-deps-1"), ("debian", "node-22", "web-deps-2")
API = ("debian", "python-3.11", "api-deps")
PANDAS = ("debian", "python-3.12", "pandas")
TRAIN_1 = ("debian", "python-3.12", "cuda-11", "torch-1")
TRAIN_2 = ("debian", "python-3.12", "cuda-12", "torch-2")
CI = ("debian", "node-22", "ci-tools")
ARM = ("debian-arm", "python-arm", "worker-deps")
WORKER = ("debian", "python-3.12", "worker-deps")

IMAGES = (
    Image("base/debian", ("12",), ("debian",), 0, 6),
    Image("base/python", ("3.11",), ("debian", "python-3.11"), 0, 8),
    Image("base/python", ("3.12",), ("debian", "python-3.12"), 0, 20),
    Image("base/node", ("20",), ("debian", "node-20"), 0, 9),
    Image("base/node", ("22",), ("debian", "node-22"), 0, 78),
    Image("legacy/report", ("2025",), ("debian-10", "php"), 21.3, 3),
    Image("shop/web", ("1.1",), WEB_1, 14.9, 48),
    Image("shop/web", ("1.2",), WEB_1, 15.4, 70),
    Image("shop/web", ("2.0",), WEB_2, 17.2, 96),
    Image("shop/web", ("2.1", "stable"), WEB_2, 17.9, 131),
    Image("shop/api", ("1.0",), API, 8.1, 31),
    Image("shop/api", ("1.1",), API, 8.4, 85),
    Image("shop/api", ("1.2", "latest"), API, 9.0, 152),
    Image("shop/worker", ("2",), WORKER, 11.5, 64),
    Image("shop/worker", ("3",), WORKER, 12.2, 143, ARM),
    Image("shop/search", ("7.1",), ("debian", "java-21", "search-deps"), 6.6, 42),
    Image("shop/search", ("7.2", "latest"), ("debian", "java-21", "search-deps"), 7.3, 117),
    Image("data/etl", ("1",), PANDAS, 22.7, 45),
    Image("data/etl", ("2",), PANDAS, 23.1, 90),
    Image("data/etl", ("3",), PANDAS, 25.8, 138),
    Image("data/notebook", ("2026-03",), (*PANDAS, "jupyter"), 3.4, 74),
    Image("data/train", ("1",), TRAIN_1, 5.9, 52),
    Image("data/train", ("2",), TRAIN_1, 6.1, 88),
    Image("data/train", ("3",), TRAIN_2, 6.8, 147),
    Image("ci/build", ("pr-311",), CI, 28.0, 101),
    Image("ci/build", ("pr-312",), CI, 29.1, 104),
    Image("ci/build", ("pr-318",), CI, 28.4, 122),
    Image("ci/build", ("pr-325",), CI, 30.2, 139),
    Image("ci/build", ("pr-331",), CI, 29.6, 160),
    Image("ci/cache", (), ("debian",), 96.7, 113),
    Image("ci/cache", (), ("debian",), 97.0, 127),
)
"""The images that are there on all three days; those without a tag lost it when another image took it."""
OLD = (
    Image("shop/web", ("1.0",), WEB_1, 14.2, 33),
    Image("ci/cache", ("nightly",), ("debian",), 97.3, 141),
    Image("shop/web", ("2.2", "latest"), WEB_2, 18.6, 170),
)
"""The images as they are on Monday and no longer on Tuesday."""
NEW = (
    Image("shop/web", (), WEB_1, 14.2, 33),
    Image("ci/cache", (), ("debian",), 97.3, 141),
    Image("ci/cache", ("nightly",), ("debian",), 98.0, 180),
    Image("shop/web", ("2.2",), WEB_2, 18.6, 170),
    Image("shop/web", ("2.3", "latest"), WEB_2, 19.5, 180),
    Image("data/train", ("4",), TRAIN_2, 7.2, 180),
)
"""The same on Tuesday, and what was pushed: 1.0 lost its tag, `latest` and `nightly` moved."""
LOST, UNREADABLE = "php", "data/etl:3"
"""A layer of `legacy/report:2025` that is not stored; the image whose manifest is unreadable if the shop is damaged."""


@cache
def shop_on(day: datetime, *, damaged: bool = False) -> Snapshot:
    """Return the snapshot of the shop's registry on MONDAY, TUESDAY or WEDNESDAY.

    On Wednesday the collector has removed all that had no tag. Cost: half a second, once.
    """
    images = (*IMAGES, *(OLD if day == MONDAY else NEW))
    with tempfile.TemporaryDirectory(prefix="blobkit-demo-") as place:
        _fill(Storage(Path(place)), (one for one in images if one.tags or day != WEDNESDAY), damaged=damaged)
        found = scan(f"registry:{place}", progress=False)
    return replace(found, address=ADDRESS, time=day, tables=_moved(found.tables, place))


def _moved(tables: Tables, place: str) -> Tables:
    """Return the tables with notices as if the storage had been at ADDRESS."""
    rows = [{**row, "path": row["path"].replace(place, ADDRESS)} for row in tables.notices.to_pylist()]
    notices = [(row["code"], row["key"], row["path"], row["message"]) for row in rows]
    return with_notices(replace(tables, notices=tables.notices.slice(0, 0)), notices)


def _fill(storage: Storage, images: Iterable[Image], *, damaged: bool) -> None:
    for image in images:
        digest = _push(storage, image, image.layers, "amd64")
        if image.arm:
            arm = _push(storage, image, image.arm, "arm64")
            storage.tag(image.repo, f"{image.tags[0]}-arm", arm, image.time.timestamp())
            digest = _index(storage, image, {"amd64": digest, "arm64": arm})
        for tag in image.tags:
            storage.tag(image.repo, tag, digest, image.time.timestamp())
            if damaged and f"{image.repo}:{tag}" == UNREADABLE:
                storage.overwrite(digest, b"not a manifest any more")
    aborted = datetime(2026, 5, 20, 17, 5, tzinfo=UTC).timestamp()
    storage.upload("ci/build", "0b7c1f1e-6f5e-4f0e-9d55-1d1f0a3c5a77", int(131.4 * MIB), aborted)


def _push(storage: Storage, image: Image, shared: Sequence[str], architecture: str) -> Digest:
    """Store an image as a push does, and return the digest of its manifest."""
    time, own = image.time.timestamp(), f"{image.repo} {image.day} {architecture}"
    sizes = {name: SIZES[name] for name in shared} | ({own: image.own} if image.own else {})
    layers: list[dict[str, object]] = []
    for name, size in ((name, int(mib * MIB)) for name, mib in sizes.items()):
        digest = of(name.encode())
        layers.append({"mediaType": LAYER, "digest": digest, "size": size})
        if name != LOST:
            storage.blob(digest, size, time)
            storage.layer(image.repo, digest, time)
    about = {"created": image.time.isoformat(), "author": image.repo, "os": "linux", "architecture": architecture}
    config = json.dumps(about).encode()
    storage.blob(of(config), config, time)
    storage.layer(image.repo, of(config), time)
    described = {"mediaType": CONFIG, "digest": of(config), "size": len(config)}
    return _manifest(storage, image, {"mediaType": MANIFEST, "config": described, "layers": layers})


def _index(storage: Storage, image: Image, platforms: dict[str, Digest]) -> Digest:
    """Store the index of an image for several platforms."""
    children = [
        {
            "mediaType": MANIFEST,
            "digest": digest,
            "size": storage.size(digest),
            "platform": {"os": "linux", "architecture": name},
        }
        for name, digest in platforms.items()
    ]
    return _manifest(storage, image, {"mediaType": INDEX, "manifests": children})


def _manifest(storage: Storage, image: Image, document: dict[str, object]) -> Digest:
    content = json.dumps({"schemaVersion": 2, **document}, indent=1).encode()
    digest = of(content)
    storage.blob(digest, content, image.time.timestamp())
    storage.revision(image.repo, digest, image.time.timestamp())
    return digest
