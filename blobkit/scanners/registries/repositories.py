"""List the repositories of a registry's storage, in the order of the collector of docker-registry 2.8.2.

For the collector, a directory is a repository if it has `_layers`; it skips the rest of a directory after a file with
a name that begins with `_` (`registry/storage/catalog.go`, `driver/walk.go`). The API serves the skipped ones, too.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.render import to_utf8
from blobkit.scanners.facts import micros
from blobkit.scanners.registries.links import LayerLinks, Repository, read_manifests
from blobkit.scanners.registries.look import NEVER
from blobkit.scanners.registries.tree import AwayError, Is
from blobkit.snapshot.notices import upload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.scanners.registries.look import Look
    from blobkit.scanners.registries.tree import Place

__all__ = ["repositories"]

NAME_BYTES = 255
_PART = r"[a-z0-9]+(?:(?:[._]|__|-*)[a-z0-9]+)*"
_DOMAIN = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_NAME = re.compile(rf"(?:{_DOMAIN}(?:\.{_DOMAIN})*(?::[0-9]+)?/)?{_PART}(?:/{_PART})*")
_PARTS = ("_manifests", "_layers", "_uploads")


def repositories(top: str, look: Look, *, layers: bool) -> Iterator[Repository]:
    """Yield every repository: each directory, at any depth, with `_manifests`, `_layers` or `_uploads`.

    `layers`: list all layer links; otherwise only those that say under which digest a layer is stored.
    """
    place = look.tree.place(top)
    if place.kind is Is.NOTHING:
        look.stop("no-repositories", f"the directory {look.relative(top)} is absent")
    todo = [(place, "", True)]
    while todo:
        place, name, seen = todo.pop()
        entries = list(_reached(look.for_repository(seen=seen).entries(place), seen=seen))
        inner = [(one, f"{name}/{one.name}".lstrip("/"), found) for one, found in _inner(entries, look)]
        todo += reversed(inner)
        parts = {one.name: one for one, _ in entries if one.name in _PARTS}
        is_seen = next((found for one, found in entries if one.name == "_layers"), False)
        if is_seen or any(part.is_directory for part in parts.values()):
            repository = Repository(to_utf8(name), place, is_seen)
            _read(repository, name, parts, look, layers=layers)
            yield repository


def _reached(entries: list[Place], *, seen: bool) -> Iterator[tuple[Place, bool]]:
    """Yield each entry, and whether the collector reaches it: it skips all entries after a file named `_...`."""
    for entry in entries:
        yield entry, seen
        seen = seen and not (entry.kind is Is.FILE and entry.name.startswith("_"))


def _inner(entries: list[tuple[Place, bool]], look: Look) -> Iterator[tuple[Place, bool]]:
    """Yield the directories that may contain repositories, and record all other entries."""
    for entry, found in entries:
        hidden = entry.name.startswith("_")
        if entry.kind is Is.DIRECTORY and not hidden:
            yield entry, found
        elif entry.kind in (Is.LOOP, Is.DENIED) or (entry.kind is Is.CIRCLE and not hidden):
            look.for_repository(seen=found).blocked(entry)
        elif entry.kind is Is.AWAY:
            (look.with_rules(NEVER, ()) if hidden else look.for_repository(seen=found)).blocked(entry)


def _read(repository: Repository, name: str, parts: dict[str, Place], look: Look, *, layers: bool) -> None:
    if repository.seen:
        _check_name(repository, name, look)
    if "_manifests" in parts:
        read_manifests(repository, parts["_manifests"], look)
    if "_layers" in parts:
        _layers(repository, parts["_layers"], look.with_rules(NEVER, ()), whole=layers)
    if "_uploads" in parts:
        _uploads(repository, parts["_uploads"], look.with_rules(NEVER, ()))


def _check_name(repository: Repository, name: str, look: Look) -> None:
    if len(os.fsencode(name)) > NAME_BYTES or _NAME.fullmatch(name) is None:
        look.stop("name", f"{repository.name or '_layers'} is not a repository name")
    elif ":" in name:
        look.stop("path", f"the program rejects a path with the name of the repository {repository.name}")


def _layers(repository: Repository, place: Place, look: Look, *, whole: bool) -> None:
    """Record the layer links of a repository; dangling ones get a notice. If not `whole`, not those of sha256."""
    repository.layers = LayerLinks(look.facts.ids)
    repository.shows_layers = look.tree.shows(place)
    for label in look.entries(place):
        if label.is_directory and (whole or label.name != "sha256"):
            names = look.tree.layers(label) if label.name == "sha256" else None
            for name in (layer.name for layer in look.entries(label)) if names is None else names:
                if is_digest(digest := f"{label.name}:{name}"):
                    _layer(repository, Digest(digest), f"{label.path}/{name}", look, is_told=whole)


def _layer(repository: Repository, digest: Digest, path: str, look: Look, *, is_told: bool) -> None:
    """Record a layer link; `is_told`: a notice tells if its layer is not stored."""
    if repository.layers is not None:
        repository.layers.add(digest)
    stored_as = _stored_as(digest, path, look)
    if stored_as != digest:
        repository.stored_as[digest] = stored_as
    if is_told and not look.facts.is_stored(stored_as):
        message = f"the repository {repository.name} links the layer {digest}, which is not stored"
        look.facts.notice("dangling-layer-link", message, repository.name, path)


def _stored_as(digest: Digest, path: str, look: Look) -> Digest:
    """Return the digest that a layer is stored under: the one in its link, if it was pushed as sha384 or sha512."""
    if digest.startswith("sha256:"):
        return digest
    try:
        text, _ = look.tree.link(f"{path}/link")
    except (OSError, AwayError):
        return digest
    return Digest(text) if is_digest(text) else digest


def _uploads(repository: Repository, place: Place, look: Look) -> None:
    """Record the unfinished uploads: they take space that no collector frees."""
    for directory in look.entries(place):
        for entry in look.entries(directory) if directory.is_directory else ():
            if entry.name == "data" and entry.kind is Is.FILE and not entry.is_link:
                info = look.tree.stat(entry.path, follow=False)
                what = f"the upload {to_utf8(directory.name)} to {repository.name}"
                look.facts.notice("upload", upload(what, info.st_size, micros(info)), repository.name, entry.path)
