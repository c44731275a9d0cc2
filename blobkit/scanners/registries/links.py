"""Read the link files of a registry: the revisions and tags of repositories, each a file that contains one digest."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from blobkit.access import is_denied, reason
from blobkit.digest import ALGORITHMS, Digest, is_digest
from blobkit.render import to_utf8
from blobkit.scanners.registries.look import KIND, NEVER, UNTAGGED
from blobkit.scanners.registries.tree import AwayError, Is

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.scanners.registries.look import Look
    from blobkit.scanners.registries.tree import Place
    from blobkit.scanners.spaces.space import Keys

__all__ = ["LayerLinks", "LinkFile", "Repository", "read_manifests", "unfit"]

_FIT = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(slots=True)
class LinkFile:
    """A link file: the digest in it, its time, and the digest in its path (`named`, "" for none)."""

    digest: Digest
    modified: int
    named: str = ""


class LayerLinks:
    """The digests with a layer link in a repository; a digest of a known node takes four bytes."""

    def __init__(self, ids: Keys) -> None:
        self._ids = ids
        self._nodes: array[int] = array("i")
        self._others: set[str] = set()

    def add(self, digest: str) -> None:
        """Add a digest."""
        node = self._ids.get(digest)
        if node is None:
            self._others.add(digest)
        else:
            self._nodes.append(node)

    def unpacked(self) -> Callable[[str], bool]:
        """Return a function that tells whether a digest has a link; it takes ten times the memory."""
        nodes = set(self._nodes)
        return lambda digest: digest in self._others or self._ids.get(digest) in nodes


@dataclass(slots=True)
class Repository:
    """The contents of one repository directory.

    `seen`: the collector comes here. `tag_paths`: the directories of all tags. `layers`: the digests with a layer
    link, None if it has no `_layers`; `shows_layers`: these links can be read. `stored_as`: for layers with another
    digest than sha256, the digest that they are stored under. `stops`: where -m stops in its tags.
    """

    name: str
    place: Place
    seen: bool
    links: list[LinkFile] = field(default_factory=list)
    tags: list[tuple[str, LinkFile]] = field(default_factory=list)
    has_tags: bool = False
    tag_paths: list[str] = field(default_factory=list)
    layers: LayerLinks | None = None
    shows_layers: bool = True
    stored_as: dict[Digest, Digest] = field(default_factory=dict)
    stops: list[tuple[str, str]] = field(default_factory=list)


def unfit(*names: str) -> bool:
    """Return whether docker-registry rejects a path with these names in it."""
    return not all(map(_FIT.fullmatch, names))


def read_manifests(repository: Repository, place: Place, look: Look) -> None:
    """Read the revisions and tags of a repository."""
    look = look.for_repository(seen=repository.seen)
    if not place.is_directory:
        look.blocked(place)
        return
    revisions, tags = look.part(place, "revisions"), look.with_rules(NEVER, ("tag",)).part(place, "tags")
    if revisions:
        _revisions(repository, revisions, look)
    if tags:
        _tags(repository, tags, replace(look.with_rules(UNTAGGED, ("tag",)), later=repository.stops))


def _revisions(repository: Repository, top: Place, look: Look) -> None:
    """Read every file called `link`, at any depth, in the order of the collector."""
    todo: list[tuple[Place, tuple[str, ...]]] = [(top, ())]
    while todo:
        place, names = todo.pop()
        if len(names) == 1 and _usual_revisions(repository, place, look):
            continue
        if place.kind is Is.DIRECTORY:
            todo += [(one, (*names, one.name)) for one in reversed(look.entries(place))]
        elif place.kind is not Is.FILE or not names:
            look.blocked(place)
        elif place.name == "link":
            _revision(repository, place, names, look)
        else:
            look.with_rules(NEVER, KIND if len(names) == 1 else ()).mark_unknown(place.path)


def _usual_revisions(repository: Repository, place: Place, look: Look) -> bool:
    """Read the revisions of one algorithm at once; False if there are other things than links with digests."""
    found = look.tree.revisions(place, place.name) if place.name in ALGORITHMS else None
    if found is None or not found.names:
        return False
    named = (f"{place.name}:{name}" for name in found.names)
    repository.links += map(LinkFile, found.digests, found.modified, named)
    return True


def _revision(repository: Repository, place: Place, names: tuple[str, ...], look: Look) -> None:
    own = ":".join(names[:-1])
    name = f"{repository.name}@{to_utf8(own)}"
    if unfit(*names):
        look.stop("path", f"the program rejects a path like {look.relative(place.path)}")
    found = _read(place.path, "revision", name, look)
    if isinstance(found, LinkFile):
        found.named = own
        repository.links.append(found)


def _tags(repository: Repository, place: Place, look: Look) -> None:
    """Read the tags. The stops of -m are kept for later: it reads tags only if there is a manifest."""
    repository.has_tags = True
    if _usual_tags(repository, place, look):
        return
    for tag in look.names(place):
        name = f"{repository.name}:{to_utf8(tag.name)}"
        repository.tag_paths.append(tag.path)
        if unfit(tag.name):
            look.stop("path", f"the program rejects a path with the name of the tag {name}")
        if tag.is_directory:
            found = _read(f"{tag.path}/current/link", "tag", name, look)
            if isinstance(found, LinkFile):
                repository.tags.append((name, found))
        elif tag.kind is Is.FILE:
            look.with_rules(UNTAGGED, ()).blocked(tag)
        elif tag.kind is not Is.NOTHING:
            look.blocked(tag)


def _usual_tags(repository: Repository, place: Place, look: Look) -> bool:
    """Read all tags at once; False if there are other things than tags that name a digest."""
    found = look.tree.tags(place)
    if found is None or not found.names:
        return False
    names = (f"{repository.name}:{name}" for name in found.names)
    repository.tag_paths += [f"{place.path}/{name}" for name in found.names]
    repository.tags += zip(names, map(LinkFile, found.digests, found.modified), strict=True)
    return True


def _read(path: str, noun: str, name: str, look: Look) -> LinkFile | None:
    """Return a link file; None if it is absent or, with a notice, not readable: then what it may hold is unknown."""
    try:
        text, modified = look.tree.link(path)
    except AwayError:
        look.not_followed(f"the {noun} {name}", path)
        look.mark_unknown(path)
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
            return LinkFile(Digest(text), modified)
        why = f"contains {text[:80]!r}, not a digest" if text else "is empty"
        look.facts.notice(f"damaged-{noun}", f"the {noun} {name} {why}", name, path)
        look.stop("link", f"the {noun} {name} {why}")
        look.mark_unknown(f"{noun} {name}")
    return None
