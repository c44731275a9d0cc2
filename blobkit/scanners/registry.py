"""The storage directory of a container registry (distribution 2 and 3, filesystem driver) as a snapshot, read-only.

Layout: `registry/storage/paths.go` of distribution. Blobs are shared by all repositories; a repository holds
manifests by revision links and names them by tags. Media types are not stored: a manifest says its own.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.errors import UnreadableStoreError
from blobkit.oci.documents import Reference
from blobkit.progress import watched
from blobkit.render import clean
from blobkit.scanners.documents import Documents
from blobkit.scanners.facts import Facts, Files, listing, micros, read, within
from blobkit.snapshot.notices import upload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["is_registry", "path_of", "scan", "storage_of"]

BELOW = Path("docker", "registry", "v2")
LINK_BYTES = 256
"""Bytes: a link file holds one digest; more than this is none."""
HELD_BY = {"tag": ("tag", "tagged-revision"), "revision": ("revision",)}
"""The kinds of pins that a link file of a tag or revision makes."""
ANY = (*HELD_BY["tag"], *HELD_BY["revision"])


@dataclass(slots=True)
class Repository:
    """What one repository directory holds: revisions and tags by digest, with the time of each link."""

    name: str
    revisions: dict[Digest, int] = field(default_factory=dict)
    tags: list[tuple[str, Digest, int]] = field(default_factory=list)


def storage_of(root: Path) -> Path | None:
    """Return the directory with `blobs` and `repositories`: below a registry's rootdirectory, or `root` itself."""
    for candidate in (root / BELOW, root):
        if (candidate / "repositories").is_dir():
            return candidate
    return None


def is_registry(root: Path) -> bool:
    """Return whether a directory looks like a registry's storage."""
    return storage_of(root) is not None


def path_of(root: Path) -> Callable[[Digest], str]:
    """Return the function that tells where the content of a digest is."""
    blobs = os.fspath((storage_of(root) or root) / "blobs")

    def path(digest: Digest) -> str:
        label, _, hexa = digest.partition(":")
        return f"{blobs}/{label}/{hexa[:2]}/{hexa}/data"

    return path


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Snapshot:
    """Return the snapshot of the registry storage at `root`; UnreadableStoreError where there is none.

    Nothing is written and no symbolic link to a directory is followed. `verify` hashes every blob.
    """
    storage = storage_of(root)
    if storage is None:
        msg = f"{root} holds no registry: looked for {BELOW}/repositories below it"
        raise UnreadableStoreError(msg)
    for part in (storage / "blobs", storage / "repositories"):
        if not within(os.fspath(part), os.fspath(root)):
            msg = f"{part} leads out of {root} by a symbolic link, which is not followed: scan where it leads to"
            raise UnreadableStoreError(msg)
    facts = Facts()
    blobs = os.fspath(storage / "blobs")
    files = Files(facts, os.fspath(storage), path_of(root))
    for digest, entry in watched(_blob_entries(blobs, facts), "listing", show=progress):
        files.add(digest, entry)
    found = list(
        watched(
            _repositories(os.fspath(storage / "repositories"), facts),
            "repositories",
            show=progress,
            unit=" repositories",
        )
    )
    documents = Documents(facts, files, always=("revision", "tag"))
    documents.follow(Reference(digest, "tag") for repo in found for _, digest, _ in repo.tags)
    documents.follow(Reference(digest, "revision") for repo in found for digest in repo.revisions)
    documents.look_into(watched(list(files.stored()), "looking", show=progress), referrers=False)
    marks = _body_links(facts)
    for repository in found:
        _pin(facts, repository, marks)
    documents.finish()
    files.verify(iter(watched(list(files.stored() if verify else files.small()), "verifying", show=progress)))
    return facts.snapshot("registry", os.fspath(root), policy)


def _blob_entries(blobs: str, facts: Facts) -> Iterator[tuple[Digest, os.DirEntry[str]]]:
    """Yield the data file of each blob; a notice says what else is there."""
    for folder in _directories(blobs, facts):
        for prefix in _directories(folder.path, facts):
            for blob in _directories(prefix.path, facts):
                digest = f"{folder.name}:{blob.name}"
                if not is_digest(digest) or blob.name[:2] != prefix.name:
                    facts.notice("junk", f"{digest} below blobs/ is not named like a blob", digest, blob.path)
                    continue
                data = [entry for entry in listing(blob.path, facts) if entry.name == "data"]
                if data:
                    yield Digest(digest), data[0]
                else:
                    facts.notice("junk", f"{digest} has a directory and no data", digest, blob.path)


def _repositories(root: str, facts: Facts) -> Iterator[Repository]:
    """Yield every repository; names nest, and a directory is one when it has `_manifests`, `_layers` or `_uploads`.

    Whatever cannot be looked into may hold anything (see `Facts.hide`).
    """
    todo = [(root, "")]
    while todo:
        path, name = todo.pop()
        below = {entry.name: entry.path for entry in _directories(path, facts, hides=True)}
        todo += [(inner, f"{name}/{own}".lstrip("/")) for own, inner in below.items() if not own.startswith("_")]
        if below.keys() & {"_manifests", "_layers", "_uploads"}:
            repository = Repository(clean(name))
            if "_manifests" in below:
                _read_manifests(repository, below["_manifests"], facts)
            if "_layers" in below:
                _read_layers(repository, below["_layers"], facts)
            if "_uploads" in below:
                _read_uploads(repository, below["_uploads"], facts)
            yield repository


def _read_manifests(repository: Repository, path: str, facts: Facts) -> None:
    inside = {entry.name: entry.path for entry in _directories(path, facts, hides=True)}
    for label in _directories(inside["revisions"], facts, hides=True) if "revisions" in inside else ():
        for revision in _directories(label.path, facts, hides=True):
            found = _read_link(
                f"{revision.path}/link", "revision", f"{repository.name}@{label.name}:{revision.name}", facts
            )
            if found:
                repository.revisions[found[0]] = found[1]
    for tag in _directories(inside["tags"], facts, hides=True) if "tags" in inside else ():
        name = f"{repository.name}:{clean(tag.name)}"
        found = _read_link(f"{tag.path}/current/link", "tag", name, facts)
        if found:
            repository.tags.append((name, *found))


def _read_link(path: str, noun: str, name: str, facts: Facts) -> tuple[Digest, int] | None:
    """Return the digest in a link file and the time of the link; None where it was deleted or (notice) is damaged."""
    try:
        content, modified = _link(path)
    except FileNotFoundError:
        if noun == "tag":
            facts.notice("damaged-tag", f"the tag {name} has no current link", name, path)
        return None
    except OSError as error:
        facts.notice(f"damaged-{noun}", f"the {noun} {name} cannot be read ({error.strerror})", name, path)
        facts.hide(path, ANY)
        return None
    if is_digest(content):
        return Digest(content), modified
    held = f"holds {content[:80]!r}, no digest" if content else "is empty"
    facts.notice(f"damaged-{noun}", f"the {noun} {name} {held}", name, path)
    facts.hide(f"{noun} {name}", HELD_BY[noun])
    return None


def _link(path: str) -> tuple[str, int]:
    """Return the content and the time of a link file; OSError where it, or its directory, is a symbolic link."""
    if os.path.islink(os.path.dirname(path)):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return read(path, LINK_BYTES, follow=False).decode("utf-8", "replace"), micros(os.lstat(path))


def _read_layers(repository: Repository, path: str, facts: Facts) -> None:
    """Say which layer links lead nowhere; they hold nothing, whoever made them."""
    for label in _directories(path, facts):
        for layer in _directories(label.path, facts):
            digest = f"{label.name}:{layer.name}"
            if not facts.is_stored(digest) and is_digest(digest):
                message = f"the repository {repository.name} links the layer {digest}, which is not stored"
                facts.notice("dangling-layer-link", message, repository.name, layer.path)


def _read_uploads(repository: Repository, path: str, facts: Facts) -> None:
    """Say which uploads were begun and not finished: they take space that no collector frees."""
    for directory in _directories(path, facts):
        for entry in listing(directory.path, facts):
            if entry.name == "data" and entry.is_file(follow_symlinks=False):
                info = entry.stat(follow_symlinks=False)
                what = f"the upload {directory.name} to {repository.name}"
                facts.notice("upload", upload(what, info.st_size, micros(info)), repository.name, entry.path)


def _body_links(facts: Facts) -> dict[int, list[int]]:
    """Return what each document links to directly: config, layers and children, as `garbage-collect` marks it."""
    body: dict[int, list[int]] = {}
    for source, target, kind in zip(*facts.links, strict=True):
        if kind in ("config", "layer", "child"):
            body.setdefault(source, []).append(target)
    return body


def _pin(facts: Facts, repository: Repository, marks: dict[int, list[int]]) -> None:
    """Record the revision links of a repository as virtual nodes, and its tags."""
    for digest, modified in repository.revisions.items():
        key = f"{repository.name}@{digest}"
        virtual_node, target = facts.virtual_node(key, modified), facts.node(digest)
        facts.link(virtual_node, target, "revision")
        for node in marks.get(target, ()):
            facts.link(virtual_node, node, "mark")
        facts.pin(virtual_node, key, "revision", repository.name, modified)
        if facts.opaque[target]:
            facts.notice("opaque-revision", f"the manifest of {key} cannot be read", key)
    for name, digest, modified in repository.tags:
        facts.pin(facts.node(digest), name, "tag", repository.name, modified)
        if digest in repository.revisions:
            facts.pin(facts.node(f"{repository.name}@{digest}"), name, "tagged-revision", repository.name, modified)
        else:
            message = f"the tag {name} names {digest}, whose revision link is gone: it cannot be pulled"
            facts.notice("tag-without-revision", message, name)


def _directories(path: str, facts: Facts, *, hides: bool = False) -> list[os.DirEntry[str]]:
    """Return the directories in `path` in sorted order, none where it is absent; links are not followed.

    `hides`: what holds blobs would be found here.
    """
    found, told = [], len(facts.notices)
    for entry in listing(path, facts):
        if entry.is_dir(follow_symlinks=False):
            found.append(entry)
        elif entry.is_symlink():
            facts.notice("symlink", f"{entry.name} is a symbolic link: not followed", "", entry.path)
    if hides and len(facts.notices) > told:
        facts.hide(path, ANY)
    return found
