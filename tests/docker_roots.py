"""Small data roots of docker made by hand: what dockerd would write, without dockerd."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import blobkit
from bolts import bolt

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

CREATED = "2026-01-02T03:04:05.123456789Z"
PLACES = {"overlay2": "overlay2", "vfs": "vfs/dir", "btrfs": "btrfs/subvolumes"}


def identifier(text: str) -> str:
    """The hex ID that stands for a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def digest(text: str) -> str:
    return f"sha256:{identifier(text)}"


class DockerRoot:
    """A data root; each method writes what dockerd writes at once."""

    def __init__(self, root: Path, driver: str = "overlay2") -> None:
        self.root, self.driver = root, driver
        self.database, self.trees = root / "image" / driver, root / PLACES[driver]
        self.diffs: dict[str, list[str]] = {"": []}
        self.repositories: dict[str, dict[str, str]] = {}
        self.records: dict[str, str] = {}
        self.snapshots: dict[bytes, dict[bytes, bytes]] = {}
        for path in ("layerdb/sha256", "layerdb/mounts", "imagedb/content/sha256", "imagedb/metadata/sha256"):
            (self.database / path).mkdir(parents=True)
        for path in (self.trees, root / "containers", root / "volumes" / "data" / "_data"):
            path.mkdir(parents=True)
        (root / "volumes" / "data" / "_data" / "file").write_text("of a volume")
        self.name()

    def layer(self, content: str, on: str = "", *, claimed: int | None = None, tree: str = "") -> str:
        """Write a layer on another one, and return its chain ID; the same one again, if it is there."""
        diff = digest(content)
        chain = digest(f"{on} {diff}") if on else diff
        self.diffs[chain] = [*self.diffs[on], diff]
        folder = self.database / "layerdb" / "sha256" / chain[7:]
        if not folder.exists():
            folder.mkdir()
            tree = tree or self.tree(content)
            (folder / "cache-id").write_text(tree)
            (folder / "diff").write_text(diff)
            (folder / "size").write_text(str(len(content) if claimed is None else claimed))
            if on:
                (folder / "parent").write_text(on)
        return chain

    def tree(self, content: str, name: str = "", lower: str = "") -> str:
        """Write a directory of a layer, and return its name."""
        name = name or identifier(f"tree of {content}")
        inside = self.trees / name / "diff" if self.driver == "overlay2" else self.trees / name
        inside.mkdir(parents=True)
        (inside / "file").write_text(content)
        if self.driver == "overlay2":
            (self.trees / name / "link").write_text(name[:26].upper())
            (self.trees / "l").mkdir(exist_ok=True)
            (self.trees / "l" / name[:26].upper()).symlink_to(f"../{name}/diff")
            if lower:
                (self.trees / name / "lower").write_text(":".join(f"l/{one[:26].upper()}" for one in lower.split()))
        return name

    def image(self, *names: str, top: str = "", parent: str = "", text: str = "") -> str:
        """Write an image with these names on a layer, and return its ID."""
        config = {
            "architecture": "amd64",
            "os": "linux",
            "created": CREATED,
            "history": [text],
            "rootfs": {"type": "layers", "diff_ids": self.diffs[top]},
        }
        data = json.dumps(config)
        image = digest(data)
        (self.database / "imagedb/content/sha256" / image[7:]).write_text(data)
        if parent:
            metadata = self.database / "imagedb/metadata/sha256" / image[7:]
            metadata.mkdir(exist_ok=True)
            (metadata / "parent").write_text(parent)
        self.name(*names, image=image)
        return image

    def name(self, *names: str, image: str = "") -> None:
        """Give an image these names (`repository:tag` or `repository@digest`)."""
        for name in names:
            repository = name.partition("@")[0] if "@" in name else name.rpartition(":")[0]
            self.repositories.setdefault(repository, {})[name] = image
        (self.database / "repositories.json").write_text(json.dumps({"Repositories": self.repositories}))

    def container(self, name: str, image: str, layer: str, *, running: bool = False) -> str:
        """Write a container, and return its ID."""
        container = identifier(f"container {name}")
        mount = self.database / "layerdb" / "mounts" / container
        mount.mkdir()
        for part, tree in (("mount-id", f"of {name}"), ("init-id", f"init of {name}")):
            (mount / part).write_text(self.tree(tree))
        (mount / "parent").write_text(layer)
        own = self.root / "containers" / container
        own.mkdir()
        config = {"ID": container, "Name": f"/{name}", "Image": image, "State": {"Running": running}}
        (own / "config.v2.json").write_text(json.dumps(config | {"Created": CREATED}))
        (own / f"{container}-json.log").write_text("a log")
        return container

    def cache(self, name: str, *, layer: str = "", committed: str = "", parent: str = "", record: bool = True) -> None:
        """Write a snapshot of BuildKit and, unless it is stale, the record that keeps it."""
        fields = {b"chainid": layer, b"committed": committed, b"parent": parent}
        self.snapshots[name.encode()] = {key: value.encode() for key, value in fields.items() if value}
        if record:
            self.records[name] = name
        self.write_cache()

    def write_cache(self) -> None:
        """Write the databases of BuildKit; a record may have a snapshot of another name."""
        main = {
            name.encode(): {b"cache.snapshot": json.dumps({"value": snapshot}).encode()} if snapshot != name else {}
            for name, snapshot in self.records.items()
        }
        (self.root / "buildkit").mkdir(exist_ok=True)
        (self.root / "buildkit" / "snapshots.db").write_bytes(bolt(self.snapshots))
        (self.root / "buildkit" / "metadata_v2.db").write_bytes(bolt({b"_main": main}))

    def scan(self, policy: str | None = None) -> Snapshot:
        return blobkit.scan(f"docker:{self.root}", policy=policy, progress=False)


def small(root: Path, driver: str = "overlay2") -> DockerRoot:
    """A data root with one of everything."""
    store = DockerRoot(root, driver)
    base = store.layer("base " * 100)
    middle = store.layer("middle " * 50, base)
    first = store.image("acme/base:1", top=base)
    unnamed = store.image(top=middle, parent=first, text="step 1")
    used = store.image("acme/app:1", "acme/app:latest", top=middle, parent=unnamed, text="step 2")
    store.image("acme/tool:1", f"acme/tool@{digest('pulled')}", top=store.layer("tool", base), text="tool")
    store.image(f"acme/pulled@{digest('other')}", top=store.layer("pulled"), text="pulled")
    store.image(top=store.layer("left by a build"), text="unnamed")
    store.container("box", used, middle)
    store.tree("of nobody")
    if driver == "overlay2":
        store.cache("keepslayer", layer=middle)
        store.cache("ownfiles")
        store.tree("local source", "ownfiles")
    return store
