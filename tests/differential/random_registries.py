"""Random storage directories of a registry, in memory: images of every sort, shared, tagged, moved, deleted, uploads.

They are what a registry writes. `registry_damage` breaks them, `real_registry_gc` writes them and runs the collector.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"

REPOSITORIES = "repositories"
NAMES = ("app", "team", "team/app", "team/lib", "team/lib/deep", "0ps", "web-2", "a.b/c_d", "library/base", "z__z")
TAGS = ("latest", "1", "1.0", "2.0-rc.1", "dev_X", "sha-0a1b2c")
TYPES = {False: (MANIFEST, CONFIG, LAYER), True: (DOCKER_MANIFEST, DOCKER_CONFIG, DOCKER_LAYER)}

Document = dict[str, object]


class Link(NamedTuple):
    """A symbolic link."""

    target: str


Entry = bytes | Link | None
"""A file, a symbolic link or a directory."""


def sha(content: bytes, label: str = "sha256") -> str:
    return f"{label}:{hashlib.new(label, content).hexdigest()}"


def data_of(digest: str) -> str:
    """Where the content of a blob lies."""
    label, _, hexa = digest.partition(":")
    return f"blobs/{label}/{hexa[:2]}/{hexa}/data"


def revision_of(repository: str, digest: str) -> str:
    """The directory of a revision."""
    return f"{REPOSITORIES}/{repository}/_manifests/revisions/{digest.replace(':', '/')}"


def layer_of(repository: str, digest: str) -> str:
    """The link that lets a repository serve a layer."""
    return f"{REPOSITORIES}/{repository}/_layers/{digest.replace(':', '/')}/link"


def tag_of(repository: str, tag: str) -> str:
    """The directory of a tag."""
    return f"{REPOSITORIES}/{repository}/_manifests/tags/{tag}"


def settled(entries: dict[str, Entry]) -> dict[str, Entry]:
    """What of these can be written: nothing below a file or a link, no file in the place of a directory."""
    found: dict[str, Entry] = {}
    for path in sorted(entries):
        above = path.split("/")[:-1]
        if all(found.get("/".join(above[: n + 1])) is None for n in range(len(above))):
            found[path] = entries[path]
    return found


@dataclass
class Storage:
    """What lies below `docker/registry/v2`, by path; `outside`: beside the root directory; `modes`: to be set last."""

    entries: dict[str, Entry] = field(default_factory=lambda: {"blobs": None, REPOSITORIES: None})
    outside: dict[str, Entry] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    damages: list[str] = field(default_factory=list)

    def put(self, path: str, content: str | bytes = b"") -> str:
        """Write a file."""
        self.entries[path] = content.encode() if isinstance(content, str) else content
        return path

    def blob(self, content: str | bytes, label: str = "sha256") -> str:
        """Store content, and return its digest."""
        content = content.encode() if isinstance(content, str) else content
        digest = sha(content, label)
        self.put(data_of(digest), content)
        return digest

    def json(self, body: Document) -> str:
        return self.blob(json.dumps(body))

    def to(self, digest: str, media_type: str, **more: object) -> Document:
        """A descriptor."""
        content = self.entries.get(data_of(digest))
        return {
            "mediaType": media_type,
            "digest": digest,
            "size": len(content) if isinstance(content, bytes) else 7,
            **more,
        }

    def revise(self, repository: str, digest: str) -> str:
        """Give a repository a manifest."""
        self.entries.setdefault(f"{REPOSITORIES}/{repository}/_layers", None)
        self.entries.setdefault(f"{REPOSITORIES}/{repository}/_manifests/tags", None)
        self.put(f"{revision_of(repository, digest)}/link", digest)
        return digest

    def tag(self, repository: str, tag: str, digest: str) -> None:
        for path in ("current/link", f"index/{digest.replace(':', '/')}/link"):
            self.put(f"{tag_of(repository, tag)}/{path}", digest)

    def layer(self, repository: str, digest: str, stored_as: str = "") -> None:
        """Let a repository serve a blob."""
        self.put(layer_of(repository, digest), stored_as or digest)

    def below(self, path: str) -> list[str]:
        """The path itself and all below it, sorted."""
        return sorted(one for one in self.entries if one == path or one.startswith(f"{path}/"))

    def remove(self, path: str) -> None:
        for one in self.below(path):
            del self.entries[one]

    def move(self, path: str, to: str) -> None:
        for one in self.below(path):
            self.entries[to + one[len(path) :]] = self.entries.pop(one)

    def move_out(self, path: str, to: str) -> None:
        """Move a part to another disk, and leave a link to it there."""
        for one in self.below(path):
            self.outside[to + one[len(path) :]] = self.entries.pop(one)
        self.entries[path] = Link(f"{'../' * (path.count('/') + 4)}{to}")

    def repositories(self) -> list[str]:
        """The names of what has `_layers`, sorted."""
        found = {_name(path, "/_layers") for path in self.entries if "/_layers" in path}
        return sorted(found - {""})

    def revisions(self, repository: str) -> list[str]:
        """The digests of the revision links of a repository, sorted."""
        start = f"{REPOSITORIES}/{repository}/_manifests/revisions/"
        return sorted(
            ":".join(path[len(start) :].split("/")[:2]) for path in self.below(start[:-1]) if path.endswith("/link")
        )

    def tags(self, repository: str) -> list[str]:
        """The names of the tags of a repository that have a current link, sorted."""
        start, end = f"{REPOSITORIES}/{repository}/_manifests/tags/", "/current/link"
        return sorted(path[len(start) : -len(end)] for path in self.below(start[:-1]) if path.endswith(end))

    def blobs(self) -> list[str]:
        """The digests of what is stored, sorted."""
        parts = (path.split("/") for path in self.entries if path.startswith("blobs/") and path.endswith("/data"))
        return sorted(f"{part[1]}:{part[3]}" for part in parts if len(part) == 5)


def _name(path: str, end: str) -> str:
    return path.removeprefix(f"{REPOSITORIES}/").partition(end)[0] if path.startswith(f"{REPOSITORIES}/") else ""


class Pusher:
    """Pushes random images into a storage."""

    def __init__(self, rng: Random, storage: Storage) -> None:
        self.rng, self.storage, self.made = rng, storage, 0
        self.layers: list[str] = []
        self.images: list[tuple[str, list[str]]] = []

    def text(self, what: str) -> str:
        self.made += 1
        return f"{what} {self.made} {self.rng.random()}"

    def new_layer(self) -> str:
        """A layer, seldom a shared one or one of 0 bytes."""
        if self.layers and self.rng.random() < 0.3:
            return self.rng.choice(self.layers)
        self.layers.append(self.storage.blob(self.text("layer") * self.rng.randint(1, 3)))
        return self.layers[-1]

    def image(self, repository: str, **more: object) -> str:
        """Push an image, most by tag of a kind of their own, some without a media type."""
        docker = self.rng.random() < 0.35
        manifest, config, layer = TYPES[docker]
        own = self.storage.blob(json.dumps({"os": "linux", "made": self.text("config")}))
        layers = [self.new_layer() for _ in range(self.rng.randint(1, 3))]
        body: Document = {
            "schemaVersion": 2,
            "mediaType": manifest,
            "config": self.storage.to(own, config),
            "layers": [self._descriptor(repository, one, layer) for one in layers],
            **more,
        }
        if not docker and self.rng.random() < 0.3:
            del body["mediaType"]
        for one in (own, *layers):
            self.storage.layer(repository, one)
        return self._pushed(repository, self.storage.json(body), [own, *layers])

    def _descriptor(self, repository: str, digest: str, media_type: str) -> Document:
        """A descriptor, seldom by the sha512 digest under which a client pushed it."""
        content = self.storage.entries[data_of(digest)]
        if self.rng.random() > 0.06 or not isinstance(content, bytes):
            return self.storage.to(digest, media_type)
        long = sha(content, "sha512")
        self.storage.layer(repository, long, stored_as=digest)
        return {"mediaType": media_type, "digest": long, "size": len(content)}

    def _pushed(self, repository: str, manifest: str, parts: list[str]) -> str:
        self.images.append((manifest, parts))
        return self.storage.revise(repository, manifest)

    def index(self, repository: str) -> str:
        """Push an index; it shares a platform with another one, or lists an absent one."""
        docker = self.rng.random() < 0.35
        children = [self.image(repository) for _ in range(self.rng.randint(1, 2))]
        known = self.storage.revisions(repository)
        children += self.rng.sample(known, min(len(known), self.rng.randint(0, 1)))
        children += [sha(self.text("absent").encode())] if self.rng.random() < 0.1 else []
        manifests = [
            self.storage.to(one, TYPES[docker][0], platform={"os": "linux", "architecture": f"arm{number}"})
            for number, one in enumerate(children)
        ]
        body: Document = {
            "schemaVersion": 2,
            "mediaType": DOCKER_LIST if docker else INDEX,
            "manifests": manifests,
        }
        if not docker and self.rng.random() < 0.3:
            del body["mediaType"]
        return self._pushed(repository, self.storage.json(body), children)

    def schema1(self, repository: str) -> str:
        """Push an image of the first schema."""
        layers = [self.new_layer() for _ in range(2)]
        body: Document = {
            "schemaVersion": 1,
            "name": repository,
            "tag": "1",
            "architecture": "amd64",
            "fsLayers": [{"blobSum": one} for one in layers],
            "history": [{"v1Compatibility": json.dumps({"id": self.text("id")})} for _ in layers],
        }
        for one in layers:
            self.storage.layer(repository, one)
        indent = self.rng.choice([None, 3])
        return self._pushed(repository, self.storage.blob(json.dumps(body, indent=indent)), layers)

    def referrer(self, repository: str) -> None:
        """Push what refers to an image, with the tag that a client without the API looks for."""
        subject = self.rng.choice(self.storage.revisions(repository) or [self.image(repository)])
        referrer = self.image(repository, subject=self.storage.to(subject, MANIFEST), artifactType="x/sbom")
        if self.rng.random() < 0.7:
            entry = self.storage.to(referrer, MANIFEST, artifactType="x/sbom")
            body: Document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
            fallback = self._pushed(repository, self.storage.json(body), [referrer])
            self.storage.tag(repository, subject.replace(":", "-"), fallback)

    def mount(self, repository: str) -> str:
        """Push an image again that some repository has."""
        if not self.images:
            return self.image(repository)
        manifest, parts = self.rng.choice(self.images)
        for one in parts:
            self.storage.layer(repository, one)
        return self.storage.revise(repository, manifest)


def fill(pusher: Pusher, repository: str) -> None:
    """Push a few images of every sort; most get a tag, some of them one that another image had."""
    rng, storage = pusher.rng, pusher.storage
    sorts = (pusher.image, pusher.image, pusher.index, pusher.mount, pusher.schema1)
    for _ in range(rng.randint(1, 3)):
        digest = rng.choice(sorts)(repository)
        for tag in rng.sample(TAGS[: rng.choice([2, 6])], rng.choice([0, 1, 1, 1, 2])):
            storage.tag(repository, tag, digest)
    if rng.random() < 0.2:
        pusher.referrer(repository)
    if rng.random() < 0.2:
        storage.put(f"{REPOSITORIES}/{repository}/_uploads/{rng.randrange(10**6):06}/data", pusher.text("half"))
    if rng.random() < 0.15:
        _delete(storage, repository, rng.choice(storage.revisions(repository)))


def _delete(storage: Storage, repository: str, digest: str) -> None:
    """Delete a manifest as the API does: its link goes, and the tags on it."""
    del storage.entries[f"{revision_of(repository, digest)}/link"]
    storage.entries[revision_of(repository, digest)] = None
    for tag in storage.tags(repository):
        if storage.entries[f"{tag_of(repository, tag)}/current/link"] == digest.encode():
            storage.remove(tag_of(repository, tag))
    storage.entries.setdefault(f"{REPOSITORIES}/{repository}/_manifests/tags", None)


def sound(rng: Random) -> Storage:
    """A registry's storage as a registry leaves it, with some garbage."""
    storage = Storage()
    pusher = Pusher(rng, storage)
    for repository in rng.sample(NAMES, rng.randint(1, 4)):
        fill(pusher, repository)
    for _ in range(rng.randint(0, 2)):
        storage.blob(pusher.text("garbage"), rng.choice(["sha256", "sha256", "sha512"]))
    return storage


def stored_documents(storage: Storage) -> Iterator[tuple[str, str, bytes]]:
    """Yield (repository, digest, content) of each revision whose manifest is stored."""
    for repository in storage.repositories():
        for digest in storage.revisions(repository):
            content = storage.entries.get(data_of(digest))
            if isinstance(content, bytes):
                yield repository, digest, content
