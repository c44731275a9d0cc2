"""Scan an archive of `docker save`, `podman save` or `skopeo copy`, read-only.

An image is its config, whose digest is the image ID. Its layers have the digests that the config gives them
(`rootfs.diff_ids`) by their position; names of members say nothing. Sizes are those stored in the archive, which most
programs fill with uncompressed layers. Source: moby, `image/tarexport`. Cost: one header for each member, one read of
each config; a compressed archive is read whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest, of
from blobkit.errors import UnreadableStoreError
from blobkit.oci.documents import DOCUMENT_LIMIT, read_config, repository
from blobkit.oci.untrusted import DocumentError
from blobkit.progress import watched
from blobkit.render import printable, to_utf8
from blobkit.scanners.archives.content import Members, facts_of
from blobkit.scanners.archives.manifest import MANIFEST, images_in
from blobkit.scanners.archives.names import link_legacy
from blobkit.scanners.archives.opening import kind_in, opened, refuse
from blobkit.scanners.archives.store import ArchiveStore
from blobkit.scanners.files import hash_of
from blobkit.scanners.places import DOCKER_ARCHIVE
from blobkit.scanners.scanned import completed
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.scanners.archives.manifest import Image
    from blobkit.scanners.scanned import Scanned
    from blobkit.sources.archive import Archive
    from blobkit.sources.source import Info

__all__ = ["scan", "sniff", "source"]

sniff = kind_in
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Scanned:
    """Return the facts of the archive at `root`; UnreadableStoreError if it has no readable manifest.json.

    The scan writes nothing. `verify` hashes every layer.
    """
    return _scanned(root, policy, progress=progress, verify=verify)[0]


def source(root: Path) -> ArchiveStore:
    """Return the archive as a source for an import."""
    return ArchiveStore(lambda: _scanned(root, None, progress=False, verify=False))


def _scanned(root: Path, policy: str | None, *, progress: bool, verify: bool) -> tuple[Scanned, Members]:
    archive = opened(root, progress=progress)
    images = _images(archive)
    facts, files = facts_of(archive, DOCKER_ARCHIVE, inflates=True)
    reading = _Reading(files)
    for number, image in enumerate(watched(images, "images", show=progress, unit=" images"), 1):
        reading.add(image, f"image {number} in manifest.json")
    reading.pin()
    reading.link_others()
    checked = files.ordered(files.stored() if verify else files.small())
    files.verify(iter(watched(checked, "verifying", show=progress)))
    return completed(facts, "docker-archive", archive.address, policy), files


def _images(archive: Archive) -> list[Image]:
    try:
        return images_in(archive)
    except FileNotFoundError:
        raise refuse(archive, MANIFEST, [("index.json", "oci-archive")]) from None
    except (DocumentError, OSError) as error:
        msg = f"{archive.address}: manifest.json cannot be read ({str(error)[:200]})"
        raise UnreadableStoreError(printable(msg), hint="copy the archive here again") from error


class _Reading:
    """The images of an archive as they are recorded."""

    def __init__(self, files: Members) -> None:
        self.files, self.facts, self.archive = files, files.facts, files.archive
        self.images: dict[Digest, None] = {}
        self.rows: dict[int, Digest] = {}
        self.configs: dict[int, Digest] = {}
        self.names: dict[str, Digest] = {}
        self.unnamed: dict[Digest, None] = {}

    def add(self, image: Image, what: str) -> None:
        """Record an image: its config, its layers, its names."""
        if image.odd:
            self.facts.notice("odd", f"{what}: {image.odd}", "", MANIFEST)
        digest = self._config(image, what)
        if digest is None:
            self.facts.mark_unknown(what, ("tag",))
            return
        for name in map(to_utf8, image.names):
            before = self.names.get(name, digest)
            if before != digest:
                message = f"the name {name} is given to {before} and to {digest}: docker load gives it to the latter"
                self.facts.notice("duplicate-name", message, name, MANIFEST)
                self.unnamed.setdefault(before)
            self.names[name] = digest
        if not image.names:
            self.unnamed.setdefault(digest)

    def pin(self) -> None:
        """Record the names; an image without one is held by the archive all the same."""
        named = set(self.names.values())
        for name, digest in self.names.items():
            self.facts.pin(self.facts.node(digest), name, "tag", repository(name))
        for digest in self.unnamed:
            if digest not in named:
                self.facts.pin(self.facts.node(digest), None, "pin")

    def link_others(self) -> None:
        """Record the blobs of a layout in the same archive that no image of manifest.json names."""
        others: list[Digest] = []
        for path, row in self.archive.index.rows.items():
            digest = path.removeprefix("blobs/").replace("/", ":", 1)
            if path.startswith("blobs/") and is_digest(digest) and row not in self.rows:
                info = self.archive.stat(path)
                if info.kind is Is.FILE and not self.facts.is_stored(digest):
                    self.files.found(Digest(digest), path, info)
                    others.append(Digest(digest))
        link_legacy(self.files, self.images, others, every=True)

    def _config(self, image: Image, what: str) -> Digest | None:
        """Record the config of an image and its layers; return its digest, None if it cannot be read."""
        try:
            row, info = self._member(image.config)
            if row in self.configs:
                return self.configs[row]
            data = self.archive.read(image.config, DOCUMENT_LIMIT + 1)
        except OSError as error:
            self.facts.unreadable(f"the config of {what} cannot be read", error, image.config)
            return None
        digest = of(data) if len(data) <= DOCUMENT_LIMIT else self._hashed(image.config)
        self.configs[row] = digest
        if digest in self.images:
            return digest
        self.images[digest] = None
        self._found(digest, row, image.config, info)
        self.facts.checked.add(digest)
        self._claims(digest, image, data, what)
        return digest

    def _claims(self, digest: Digest, image: Image, data: bytes, what: str) -> None:
        """Record what a config says: platform, time, and the digests of the layers."""
        facts = self.facts
        config = read_config(data if len(data) <= DOCUMENT_LIMIT else b"")
        node = facts.describe(digest, "config", CONFIG, config.platform)
        facts.created[node] = -1 if config.created is None else int(config.created.timestamp() * 1_000_000)
        if len(config.diff_ids) != len(image.layers) or not all(image.layers):
            layers = f"manifest.json lists {len(image.layers)} layers, its config {len(config.diff_ids)}"
            facts.notice("unparseable", f"{what}: {layers}; docker load refuses it", digest, MANIFEST)
            facts.opaque[node] = True
        for diff_id, path in zip(config.diff_ids, image.layers, strict=False):
            facts.link(node, facts.describe(diff_id, "layer", LAYER), "layer")
            self._layer(diff_id, path)

    def _layer(self, digest: Digest, path: str) -> None:
        """Record the layer in a member."""
        facts = self.facts
        try:
            row, info = self._member(path)
        except FileNotFoundError:
            if not facts.is_stored(digest):
                facts.notice("missing", f"{digest} is missing: {path[:200]} is not in the archive", digest, path)
            return
        except OSError as error:
            facts.unreadable(f"{digest} cannot be looked at", error, path, digest)
            return
        other = self.rows.get(row, digest)
        if other != digest:
            facts.notice("digest-mismatch", f"{path[:200]} is given as {other} and as {digest}", digest, path)
        elif not facts.is_stored(digest):
            self._found(digest, row, path, info)

    def _found(self, digest: Digest, row: int, path: str, info: Info) -> None:
        if self.rows.setdefault(row, digest) == digest:
            self.files.found(digest, path, info)

    def _member(self, path: str) -> tuple[int, Info]:
        """Return the row and status of a regular file; FileNotFoundError if it is absent."""
        row = self.archive.row_of(path)
        return row, self.archive.stat(self.archive.resolved(path))

    def _hashed(self, path: str) -> Digest:
        """Return the digest of a member that is too large for memory."""
        with self.archive.open(path) as file:
            return hash_of(file, "sha256")
