"""Small containers-storage roots made by hand: what podman would write, without podman."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    Json = dict[str, Any]

__all__ = ["PodmanRoot", "identifier", "small"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CREATED = "2026-01-02T03:04:05.123456789Z"


def identifier(text: str) -> str:
    """The ID that stands for a text."""
    return hashlib.sha256(text.encode()).hexdigest()


class PodmanRoot:
    """A root of the driver overlay or vfs; `write` writes the lists of records."""

    def __init__(self, root: Path, driver: str = "overlay") -> None:
        self.root, self.driver = root, driver
        self.data = root / ("overlay" if driver == "overlay" else "vfs/dir")
        self.layers: list[Json] = []
        self.images: list[Json] = []
        self.containers: list[Json] = []
        self.configs: dict[str, Json] = {}
        for path in (self.data, *(root / f"{driver}-{what}" for what in ("layers", "images", "containers"))):
            path.mkdir(parents=True)

    def files(self, name: str, content: str) -> Path:
        """Write the directory of a layer, and return it."""
        folder = self.data / identifier(name)
        inside = folder / "diff" if self.driver == "overlay" else folder
        (inside / "etc").mkdir(parents=True)
        (inside / "etc" / "file").write_text(content)
        if self.driver == "overlay":
            (folder / "link").write_text(name[:26])
        return folder

    def layer(self, name: str, parent: str = "", content: str = "", **more: object) -> str:
        """Add a layer with one file, and return its ID."""
        one = identifier(name)
        self.files(name, content or name * 10)
        (self.root / f"{self.driver}-layers" / f"{one}.tar-split.gz").write_bytes(b"split" + one[:4].encode())
        above: Json = {"parent": parent} if parent else {}
        self.layers.append({"id": one, **above, "created": CREATED, "diff-size": 4096, **more})
        return one

    def image(
        self, name: str, top: str, names: Sequence[str] = (), *, lines: Sequence[str] = (), diffs: Sequence[str] = ()
    ) -> str:
        """Add an image on a layer, and return its ID; `lines` are its history, `diffs` its diff IDs."""
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"name": name}},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{identifier(one)}" for one in diffs]},
            "history": [{"created": CREATED, "created_by": line} for line in lines],
        }
        data = json.dumps(config).encode()
        one = hashlib.sha256(data).hexdigest()
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": {"digest": f"sha256:{one}"}, "layers": []}
        self._store(one, {f"sha256:{one}": data, "manifest": json.dumps(manifest).encode()})
        digest = f"sha256:{identifier(f'manifest of {one}')}"
        self.images.append({"id": one, "names": list(names), "layer": top, "created": CREATED, "digest": digest})
        return one

    def index(self, name: str, names: Sequence[str], *images: str) -> str:
        """Add a list of images, and return its ID."""
        one = identifier(name)
        inside = [{"digest": f"sha256:{identifier(f'manifest of {image}')}"} for image in images]
        body = {"schemaVersion": 2, "mediaType": INDEX, "manifests": inside}
        self._store(one, {"manifest": json.dumps(body).encode()})
        self.images.append({"id": one, "names": list(names), "created": CREATED})
        return one

    def container(self, name: str, image: str, top: str) -> str:
        """Add a container of an image, with a layer on `top`, and return its ID."""
        one = identifier(f"container {name}")
        layer = self.layer(f"layer of {name}", top)
        userdata = self.root / f"{self.driver}-containers" / one / "userdata"
        userdata.mkdir(parents=True)
        (userdata / "config.json").write_text('{"a": 1}')
        self.containers.append({"id": one, "names": [name], "image": image, "layer": layer, "created": CREATED})
        return one

    def volume(self, name: str, content: str) -> None:
        """Add a volume with one file."""
        inside = self.root / "volumes" / name / "_data"
        inside.mkdir(parents=True)
        (inside / "file").write_text(content)

    def write(self) -> PodmanRoot:
        """Write the lists of records, and return the root."""
        lists = {"layers": self.layers, "images": self.images, "containers": self.containers}
        for what, records in lists.items():
            folder = self.root / f"{self.driver}-{what}"
            (folder / f"{what}.json").write_text(json.dumps(records))
            (folder / f"{what}.lock").write_text("")
        (self.root / f"{self.driver}-layers" / "volatile-layers.json").write_text("[]")
        (self.root / f"{self.driver}-containers" / "volatile-containers.json").write_text("[]")
        return self

    @property
    def address(self) -> str:
        """The address for a scan."""
        return f"containers-storage:{os.fspath(self.root)}"

    def _store(self, one: str, items: dict[str, bytes]) -> None:
        folder = self.root / f"{self.driver}-images" / one
        folder.mkdir()
        for key, data in items.items():
            name = key if key == "manifest" else "=" + base64.b64encode(key.encode()).decode()
            (folder / name).write_bytes(data)


def small(root: Path, driver: str = "overlay") -> PodmanRoot:
    """A root with an image on another one, a list, a container, a volume and garbage."""
    made = PodmanRoot(root, driver)
    base = made.layer("base")
    app = made.layer("app", base)
    made.image("base", base, ["localhost/shop/base:1"], lines=["base"], diffs=["base"])
    made.image("step", app, lines=["base", "app"], diffs=["base", "app"])
    image = made.image(
        "app",
        app,
        ["localhost/shop/app:1", "docker.io/shop/app:1"],
        lines=["base", "app", "label"],
        diffs=["base", "app"],
    )
    made.index("list", ["localhost/shop/list:1"])
    made.container("box", image, app)
    made.volume("data", "kept")
    made.layer("garbage", base)
    made.files("no record", "x" * 99)
    return made.write()
