"""The link files of a registry: a repository's revisions and tags, each a file that holds a digest and nothing else."""

from __future__ import annotations

import errno
import os
import re
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from blobkit.access import is_denied, reason
from blobkit.digest import Digest, is_digest
from blobkit.render import to_utf8
from blobkit.scanners.facts import micros, read
from blobkit.scanners.registries.look import KIND, NEVER, UNTAGGED
from blobkit.scanners.registries.tree import Is

if TYPE_CHECKING:
    from blobkit.scanners.registries.look import Look
    from blobkit.scanners.registries.tree import Place, Tree

__all__ = ["AwayError", "LinkFile", "Repository", "content", "read_manifests", "unfit"]

LINK_BYTES = 256
"""Bytes: a link file holds one digest; more than this is none."""
_FIT = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(slots=True)
class LinkFile:
    """A link file: its path, the digest in it, when it was written, the digest that its path says ("" none)."""

    path: str
    digest: Digest
    modified: int
    named: str = ""


@dataclass(slots=True)
class Repository:
    """The contents of one repository directory.

    `seen`: the collector comes here. `tag_paths`: the directories of all tags. `layers`: the digests that it has links
    of, None where it has no `_layers`; `shows_layers`: these can be seen. `stored_as`: what it stores others as.
    `stops`: what -m stops at in its tags.
    """

    name: str
    place: Place
    seen: bool
    links: list[LinkFile] = field(default_factory=list)
    tags: list[tuple[str, LinkFile]] = field(default_factory=list)
    has_tags: bool = False
    tag_paths: list[str] = field(default_factory=list)
    layers: set[str] | None = None
    shows_layers: bool = True
    stored_as: dict[Digest, Digest] = field(default_factory=dict)
    stops: list[tuple[str, str]] = field(default_factory=list)


class AwayError(Exception):
    """A file lies behind a symbolic link that leaves the store."""


def content(path: str, tree: Tree) -> tuple[str, int]:
    """Return the content and the time of a link file; OSError as the system says it, AwayError where it is not here."""
    info = os.lstat(path)
    if stat.S_ISLNK(info.st_mode) or os.path.islink(os.path.dirname(path)):
        info = os.stat(path)
        if not tree.holds(path):
            raise AwayError
    if not stat.S_ISREG(info.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return read(path, LINK_BYTES).decode("utf-8", "replace"), micros(info)


def unfit(*names: str) -> bool:
    """Return whether the program refuses a path with these names in it."""
    return not all(map(_FIT.fullmatch, names))


def read_manifests(repository: Repository, place: Place, look: Look) -> None:
    """Read the revisions and tags of a repository."""
    look = look.where(seen=repository.seen)
    if not place.is_directory:
        look.off(place)
        return
    revisions, tags = look.part(place, "revisions"), look.by(NEVER, ("tag",)).part(place, "tags")
    if revisions:
        _revisions(repository, revisions, look)
    if tags:
        _tags(repository, tags, replace(look.by(UNTAGGED, ("tag",)), later=repository.stops))


def _revisions(repository: Repository, top: Place, look: Look) -> None:
    """Read every file called `link`, at any depth, in the order of the collector."""
    todo: list[tuple[Place, tuple[str, ...]]] = [(top, ())]
    while todo:
        place, names = todo.pop()
        if place.kind is Is.DIRECTORY:
            todo += [(one, (*names, one.name)) for one in reversed(look.entries(place))]
        elif place.kind is not Is.FILE or not names:
            look.off(place)
        elif place.name == "link":
            _revision(repository, place, names, look)
        else:
            look.by(NEVER, KIND if len(names) == 1 else ()).hide(place.path)


def _revision(repository: Repository, place: Place, names: tuple[str, ...], look: Look) -> None:
    own = ":".join(names[:-1])
    name = f"{repository.name}@{to_utf8(own)}"
    if unfit(*names):
        look.stop("path", f"the program refuses a path like {look.named(place.path)}")
    found = _read(place.path, "revision", name, look)
    if isinstance(found, LinkFile):
        found.named = own
        repository.links.append(found)


def _tags(repository: Repository, place: Place, look: Look) -> None:
    """Read the tags. What -m stops at is kept: it looks here only where there is a manifest."""
    repository.has_tags = True
    for tag in look.names(place):
        name = f"{repository.name}:{to_utf8(tag.name)}"
        repository.tag_paths.append(tag.path)
        if unfit(tag.name):
            look.stop("path", f"the program refuses a path with the name of the tag {name}")
        if tag.is_directory:
            found = _read(f"{tag.path}/current/link", "tag", name, look)
            if isinstance(found, LinkFile):
                repository.tags.append((name, found))
        elif tag.kind is Is.FILE:
            look.by(UNTAGGED, ()).off(tag)
        elif tag.kind is not Is.NOTHING:
            look.off(tag)


def _read(path: str, noun: str, name: str, look: Look) -> LinkFile | None:
    """Return a link file; None where it is not there, or (it is told, and what it held is hidden) is none."""
    try:
        text, modified = content(path, look.tree)
    except AwayError:
        look.away(f"the {noun} {name}", path)
        look.hide(path)
    except FileNotFoundError:
        if noun == "tag":
            look.facts.notice("damaged-tag", f"the tag {name} has no current link", name, path)
    except OSError as error:
        if not is_denied(error):
            why = reason(error, path)
            look.facts.notice(f"damaged-{noun}", f"the {noun} {name} cannot be read ({why})", name, path)
        look.failed(path, error)
    else:
        if is_digest(text):
            return LinkFile(path, Digest(text), modified)
        held = f"holds {text[:80]!r}, no digest" if text else "is empty"
        look.facts.notice(f"damaged-{noun}", f"the {noun} {name} {held}", name, path)
        look.stop("link", f"the {noun} {name} {held}")
        look.hide(f"{noun} {name}")
    return None
