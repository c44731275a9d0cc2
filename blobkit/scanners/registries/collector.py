"""Simulate the collector of docker-registry 2.8.2: which blobs it marks and skips, and where it stops.

`garbage-collect` first goes through all repositories: for each manifest with a revision link, it marks the manifest
and the blobs that it lists. With -m it marks only manifests with a tag, then deletes the links of the others, one by
one. At last it reads all of blobs/, and removes unmarked blobs, in no fixed order
(`registry/storage/garbagecollect.go`, `vacuum.go`).
"""

from __future__ import annotations

import os
import stat
from array import array
from typing import TYPE_CHECKING

from blobkit.digest import Digest, is_digest
from blobkit.scanners.columns import Digests
from blobkit.scanners.registries.look import ALWAYS, NEVER, UNTAGGED
from blobkit.scanners.registries.manifests import UnreadError
from blobkit.scanners.registries.tree import AwayError, exists

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blobkit.scanners.registries.contents import Manifests
    from blobkit.scanners.registries.links import LinkFile, Repository
    from blobkit.scanners.registries.look import Look
    from blobkit.scanners.registries.tree import Tree

__all__ = ["Collector"]

LOOKED_FOR = 10_000
"""The most entries in the tag history of a repository that are checked one by one."""
UNSURE = frozenset({"gc-behind-link", "gc-manifest-many"})
"""Rules about files that the collector reads and blobkit does not."""


class Collector:
    """Goes through the repositories as the collector does, and records where it stops.

    `ingested`: for each repository, the manifests that it reaches, with the nodes that each lists; `marked`: the
    digests that it marks; `tagged`: the digests that it marks with -m.
    """

    def __init__(self, look: Look, manifests: Manifests) -> None:
        self.look, self.manifests, self.facts = look, manifests, look.facts
        self.ingested: dict[str, dict[Digest, array[int]]] = {}
        self.marked, self.tagged = Digests(self.facts.ids), Digests(self.facts.ids)
        self._gone: set[tuple[str, str]] = set()

    def run(self, repositories: Iterable[Repository], elsewhere: dict[Digest, str]) -> None:
        """Mark and record; `elsewhere`: blobs at paths where a registry does not look for them."""
        for repository, links in [(one, self._mark(one)) for one in repositories if one.seen]:
            self._check_history(repository, links)
            for link in links:
                self._delete(repository, link)
        for digest, path in elsewhere.items():
            self._sweep(digest, path)

    def _mark(self, repository: Repository) -> list[LinkFile]:
        """Mark the blobs that the manifests of a repository list; return the links of manifests without a tag."""
        found = self.ingested.setdefault(repository.name, {})
        named = {tag.digest for _, tag in repository.tags}
        untagged, nodes_of_all, nodes_of_tagged = [], array("i"), array("i")
        for link in repository.links:
            source = self._source(repository, link)
            if source is None or not self._is_stored(source):
                continue
            is_tagged = link.digest in named
            nodes = self._marks(f"{repository.name}@{link.digest}", source, is_tagged=is_tagged)
            found[link.digest] = nodes
            self.marked.add(link.digest)
            nodes_of_all.extend(nodes)
            if is_tagged:
                self.tagged.add(link.digest)
                nodes_of_tagged.extend(nodes)
            else:
                untagged.append(link)
        self.marked.add_nodes(nodes_of_all)
        self.tagged.add_nodes(nodes_of_tagged)
        if found:
            self._record_tag_stops(repository)
        if untagged and not repository.has_tags:
            self.look.with_rules(UNTAGGED).stop(
                "no-tags", f"the repository {repository.name} has manifests and no tags"
            )
        return untagged

    def _record_tag_stops(self, repository: Repository) -> None:
        """Record the stops of -m in the tags of a repository; it reads these only if there is a manifest."""
        for code, what in repository.stops:
            if code:
                self.facts.notice(code, what)
            else:
                self.facts.mark_unknown(what, ("tagged-revision",))

    def _source(self, repository: Repository, link: LinkFile) -> Digest | None:
        """Return the digest of the content that the collector reads for a link; None if there is none."""
        if link.digest == link.named:
            return link.digest
        own = link.digest.replace(":", "/")
        for part in ("_manifests/revisions", "_layers"):
            path = f"{repository.place.path}/{part}/{own}/link"
            try:
                text, _ = self.look.tree.link(path)
            except FileNotFoundError:
                continue
            except AwayError:
                self.look.not_followed(self.look.relative(path), path)
                self.look.mark_unknown(path)
                return None
            except OSError as error:
                self.look.failed(path, error)
                return None
            if is_digest(text):
                return Digest(text)
            self.look.stop("link", f"{self.look.relative(path)} does not contain a digest")
            return None
        return None

    def _is_stored(self, digest: Digest) -> bool:
        """Return whether the collector finds a blob."""
        if self.facts.is_stored(digest):
            return True
        path = self.manifests.path(digest)
        try:
            return not stat.S_ISDIR(self.look.tree.stat(path).st_mode)
        except FileNotFoundError:
            return False
        except OSError as error:
            self.look.failed(path, error)
            return False

    def _marks(self, key: str, source: Digest, *, is_tagged: bool) -> array[int]:
        """Return the nodes marked for the manifest of a virtual node; none, with a notice, if it cannot be read."""
        try:
            if self.facts.is_stored(source):
                return self.manifests.marks(source)
            code, message = "gc-behind-link", f"{key} lies behind a symbolic link that is not followed"
        except UnreadError as error:
            code, message = f"gc-manifest-{error.code}", f"the manifest {key} {error.reason}"
        self.facts.notice(code, message, key)
        if code in UNSURE:
            kinds = ("revision", "tagged-revision") if is_tagged else ("revision",)
            self.look.with_rules(NEVER, kinds).mark_unknown(f"what {key} lists")
        return array("i")

    def _check_history(self, repository: Repository, untagged: list[LinkFile]) -> None:
        """Look for untagged manifests in the history of tags, as -m does before it deletes their links.

        If there are very many, look for one manifest of each algorithm only.
        """
        names = [link.digest.replace(":", "/") for link in untagged]
        look = self.look.with_rules(UNTAGGED, ())
        if len(names) * len(repository.tag_paths) > LOOKED_FOR:
            names = list({name.partition("/")[0]: name for name in names}.values())
        labels = {name.partition("/")[0] for name in names}
        for tag in repository.tag_paths if names else ():
            if look.tree.is_sound(f"{tag}/index", labels):
                continue
            for path in _listed(look.tree, f"{tag}/index", names):
                try:
                    look.tree.stat(path)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    look.failed(path, error)

    def _delete(self, repository: Repository, link: LinkFile) -> None:
        """Delete the link of an untagged manifest, as -m does: it stops if the link is gone or never existed."""
        path = f"{repository.place.path}/_manifests/revisions/{link.digest.replace(':', '/')}"
        where = (self.look.tree.real(os.path.dirname(path)), os.path.basename(path))
        if where in self._gone or not exists(self.look.tree, path):
            message = f"{self.look.relative(path)} is gone before it is to be removed, after other untagged ones"
            self.look.with_rules(UNTAGGED).stop("gone", message)
        self._gone.add(where)

    def _sweep(self, digest: Digest, path: str) -> None:
        """Check a blob at a wrong path: if it is unmarked, the collector looks for it at its right path."""
        look = self.look.with_rules(ALWAYS if digest not in self.marked else UNTAGGED, ())
        if digest not in self.tagged and not exists(look.tree, os.path.dirname(self.manifests.path(digest))):
            look.stop("elsewhere", f"{look.relative(path)} is an unmarked blob at a wrong path")


def _listed(tree: Tree, path: str, names: list[str]) -> Iterator[str]:
    """Yield the paths of those of these digests (`sha256/<hex>`) that a look at may fail: in the history of one tag.

    These are all that are there; if this user may not enter every directory, also one of each algorithm, and all of
    them if its directory cannot be listed.
    """
    inside: dict[str, set[str] | None] = {}
    for name in names:
        label, _, hexa = name.partition("/")
        is_first = label not in inside
        if is_first:
            inside[label] = _names(tree, f"{path}/{label}")
        there = inside[label]
        if there is None or hexa in there or (is_first and not tree.enters_all):
            yield f"{path}/{name}"


def _names(tree: Tree, path: str) -> set[str] | None:
    """Return the names in a directory, none if it is absent; None if it cannot be listed."""
    try:
        return set(tree.names(path))
    except FileNotFoundError:
        return set()
    except OSError:
        return None
