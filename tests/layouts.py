"""Small true stores, written by code: an OCI image layout and the storage directory of a registry.

They write what they are told, also what no tool would: tests break them on purpose.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING

import blobkit
from saved_scans import check_same_saved

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Descriptor = dict[str, object]

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
NAME = "org.opencontainers.image.ref.name"

OCI_POLICIES = ("strong", "ignore", "dependent")


def sha(content: bytes, label: str = "sha256") -> str:
    """The digest of this content."""
    return f"{label}:{hashlib.new(label, content).hexdigest()}"


def nowhere(number: int) -> str:
    """A digest that no content in a test has."""
    return f"sha256:{number:064x}"


class Shelf:
    """A directory of blobs, and documents that name them; `path` says where a digest lies."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        raise NotImplementedError

    def blob(self, content: bytes | str, digest: str = "", *, label: str = "sha256") -> str:
        """Store content under its digest, or under another one."""
        content = content.encode() if isinstance(content, str) else content
        digest = digest or sha(content, label)
        self.path(digest).parent.mkdir(parents=True, exist_ok=True)
        self.path(digest).write_bytes(content)
        return digest

    def json(self, body: object, *, label: str = "sha256") -> str:
        return self.blob(json.dumps(body), label=label)

    def drop(self, digest: str) -> str:
        """Take the bytes away, as a broken disk would."""
        self.path(digest).unlink()
        return digest

    def size(self, *digests: str) -> int:
        return sum(self.path(digest).stat().st_size for digest in digests)

    def to(self, digest: str, media_type: str = LAYER, **more: object) -> Descriptor:
        """A descriptor, with the size that is stored."""
        size = self.path(digest).stat().st_size if self.path(digest).is_file() else 7
        return {"mediaType": media_type, "digest": digest, "size": size, **more}

    def config(self, text: str = "linux", **more: object) -> str:
        return self.json({"architecture": "amd64", "os": text, **more})

    def manifest(
        self, *layers: str | Descriptor, config: str | Descriptor = "", subject: str | Descriptor = "", **more: object
    ) -> str:
        """An image manifest over these layers."""
        body: Descriptor = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config if isinstance(config, dict) else self.to(config or self.config(), CONFIG),
            "layers": [self.to(layer) if isinstance(layer, str) else layer for layer in layers],
        }
        if subject:
            body["subject"] = subject if isinstance(subject, dict) else self.to(subject, MANIFEST)
        return self.json(body | more)

    def index(self, *children: str | Descriptor, **more: object) -> str:
        """An image index over these manifests."""
        entries = [self.to(child, MANIFEST) if isinstance(child, str) else child for child in children]
        return self.json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries} | more)


class Layout(Shelf):
    """An OCI image layout at `root`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        (root / "blobs" / "sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.entries: list[object] = []
        self.write({"schemaVersion": 2, "manifests": self.entries})

    def write(self, body: object) -> None:
        """Make this the index.json."""
        (self.root / "index.json").write_text(body if isinstance(body, str) else json.dumps(body))

    def path(self, digest: str) -> Path:
        return self.root.joinpath("blobs", *digest.split(":"))

    def add(self, digest: str, name: str | None = None, media_type: str = MANIFEST, **more: object) -> str:
        """List a blob in index.json."""
        named = {} if name is None else {"annotations": {NAME: name}}
        self.entries.append(self.to(digest, media_type, **named, **more))
        self.write({"schemaVersion": 2, "manifests": self.entries})
        return digest

    def image(self, name: str | None, *contents: str, subject: str = "", **more: object) -> str:
        """Store an image with one layer for each content, and list it."""
        digest = self.manifest(*map(self.blob, contents), subject=subject, **more)
        return self.add(digest, name)

    def scan(self, policy: str | None = None) -> Snapshot:
        """Return what a scan finds; one that is saved while it is made finds the same."""
        found = blobkit.scan(f"oci:{self.root}", policy=policy, progress=False)
        check_same_saved(found, f"oci:{self.root}", policy)
        return found


class Registry(Shelf):
    """The root directory of a registry's filesystem storage."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.v2 = root / "docker" / "registry" / "v2"
        (self.v2 / "blobs").mkdir(parents=True)
        (self.v2 / "repositories").mkdir()

    def path(self, digest: str) -> Path:
        label, hexa = digest.split(":")
        return self.v2 / "blobs" / label / hexa[:2] / hexa / "data"

    def link(self, path: str, content: str) -> Path:
        """Write a link file below repositories/."""
        link = self.v2 / "repositories" / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_text(content)
        return link

    def revision(self, repo: str, digest: str) -> str:
        """Give a repository a manifest, and let it serve what that lists."""
        self.link(f"{repo}/_manifests/revisions/{digest.replace(':', '/')}/link", digest)
        (self.v2 / "repositories" / repo / "_layers").mkdir(exist_ok=True)
        for part in self._parts(digest):
            self.link(f"{repo}/_layers/{part.replace(':', '/')}/link", part)
        return digest

    def _parts(self, digest: str) -> list[str]:
        """The config and the layers of a stored manifest that are stored, too."""
        try:
            body = json.loads(self.path(digest).read_bytes())
            found = [one["digest"] for one in (body["config"], *body["layers"])]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        return [one for one in found if self.path(one).is_file()]

    def delete(self, repo: str, digest: str) -> None:
        """Take a repository's manifest away, as the API does: the directory stays."""
        (self.v2 / "repositories" / repo / "_manifests/revisions" / digest.replace(":", "/") / "link").unlink()

    def tag(self, repo: str, tag: str, digest: str) -> str:
        self.link(f"{repo}/_manifests/tags/{tag}/current/link", digest)
        return digest

    def push(self, repo: str, tag: str, *contents: str, **more: object) -> str:
        """Store an image with one layer for each content; link and tag it."""
        digest = self.manifest(*map(self.blob, contents), **more)
        return self.tag(repo, tag, self.revision(repo, digest))

    def scan(self, policy: str | None = None) -> Snapshot:
        """Return what a look at every file finds; a look at those that matter finds the same facts.

        So does a scan that is saved while it is made.
        """
        address = f"registry:{self.root}"
        whole = blobkit.scan(address, policy=policy, progress=False)
        check_same_saved(whole, address, policy)
        check_same_facts(blobkit.scan(address, policy=policy, progress=False, every_file=False), whole)
        return whole


FILES_ONLY = {"leftover", "dangling-layer-link", "unlinked-layer"}
"""Notices of a look at every file."""


def check_same_facts(usual: Snapshot, whole: Snapshot) -> None:
    """Check that a scan of a registry finds the same facts, whether it looks at every file or not."""
    assert usual.disk is None
    for table in ("nodes", "links", "pins"):
        assert getattr(usual, table).to_pylist() == getattr(whole, table).to_pylist()
    told, more = (Counter(zip(*x.notices.to_pydict().values(), strict=True)) for x in (usual, whole))
    assert {notice[0] for notice in more - told} <= FILES_ONLY | {"unreadable", "junk", "damaged", "symlink"}
    assert {notice[0] for notice in told - more} <= {"junk", "damaged"}  # with the bytes of their files


class GoStore(Shelf):
    """A store of the Go package `blobstore`."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        (root / "blobs").mkdir(parents=True)

    def path(self, digest: str) -> Path:
        return self.root / "blobs" / digest / "blob"

    def info(self, digest: str) -> Path:
        return self.root / "blobs" / digest / "info.json"

    def add(self, content: bytes | str, refcount: int, *links: str, label: str = "sha256", **more: object) -> str:
        """Store content that counts so many references and has these links; `more` are other fields."""
        digest = self.blob(content, label=label)
        said = {"digest": digest, "mediaType": "", "size": self.size(digest), "refCount": refcount, "linksTo": links}
        self.say(digest, said | more)
        return digest

    def say(self, digest: str, body: object) -> None:
        """Make this the info.json of a blob, written as Go does: a line."""
        self.info(digest).parent.mkdir(exist_ok=True)
        self.info(digest).write_text(body if isinstance(body, str) else json.dumps(body) + "\n")

    def scan(self) -> Snapshot:
        return blobkit.scan(f"go-blobstore:{self.root}", progress=False)


def stored(snapshot: Snapshot) -> dict[str, str]:
    """Whether each named blob is stored, or why not."""
    return {str(d): str(s) for d, s in blobkit.to_frame(snapshot, absent=True)["stored"].items()}


def garbage(snapshot: Snapshot, policy: str | None = None) -> set[str]:
    """The digests that may go at once."""
    status = blobkit.to_frame(snapshot.with_policy(policy or snapshot.policy), columns=["status"])["status"]
    return set(status.index[status == "garbage"])


def freed(snapshot: Snapshot, *names: str, policy: str | None = None) -> set[str]:
    """The digests that go when these targets are dropped."""
    return set(blobkit.simulate_deref(snapshot, *names, policy=policy).digests)


def noticed(snapshot: Snapshot) -> set[tuple[str, str]]:
    """What a scan noticed: (code, key)."""
    notices = snapshot.notices.to_pydict()
    return set(zip(notices["code"], notices["key"], strict=True))


def codes(snapshot: Snapshot) -> set[str]:
    """The kinds of things that a scan noticed."""
    return set(snapshot.notices["code"].to_pylist())


def fingerprint(root: Path) -> dict[str, tuple[object, ...]]:
    """Mode, time of modification, size and content of everything below a directory, itself included."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [root, *sorted(root.rglob("*"))]:
        info = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (info.st_mode, info.st_mtime_ns, info.st_size, info.st_ino, content)
    return found
