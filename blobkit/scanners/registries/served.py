"""Record tags that a registry cannot serve: a stored layer without a link in the repository answers 404."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from blobkit.scanners.registries.tree import exists

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blobkit.scanners.facts import Facts
    from blobkit.scanners.registries.links import Repository
    from blobkit.scanners.registries.tree import Tree

__all__ = ["record_passed_over", "record_unserved"]

CONTAINS = frozenset({"config", "layer", "child"})


def record_passed_over(facts: Facts, repositories: list[Repository]) -> None:
    """Record repositories that the collector skips."""
    for repository in repositories:
        if repository.links and not repository.seen:
            message = f"garbage-collect does not see the repository {repository.name}, and removes blobs only it holds"
            facts.notice("passed-over", message, repository.name)


def record_unserved(facts: Facts, repositories: list[Repository], tree: Tree) -> None:
    """Record blobs that cannot be pulled because a layer link is missing; all layer links must have been listed."""
    parts = _parts(facts)
    keys = list(facts.ids)
    for repository in repositories:
        for digest, kind, name in _reached(facts, repository, parts, keys):
            path = f"{repository.place.path}/_layers/{digest.replace(':', '/')}"
            if facts.stored[facts.ids[digest]] in ("yes", "virtual") and not _is_linked(
                tree, repository, digest, kind, path
            ):
                message = f"the repository {repository.name} has no link of {digest}: a pull of {name} answers 404"
                facts.notice("unlinked-layer", message, digest, path)


def _parts(facts: Facts) -> Mapping[int, list[tuple[int, str]]]:
    """Return the blobs that each document contains, with their positions."""
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for source, target, kind in zip(*facts.links, strict=True):
        if kind in CONTAINS:
            found[source].append((target, kind))
    return found


def _reached(
    facts: Facts, repository: Repository, parts: Mapping[int, list[tuple[int, str]]], keys: list[str]
) -> Iterator[tuple[str, str, str]]:
    """Yield the blobs that the tags of a repository contain: digest, position, first tag with it."""
    known: set[int] = set()
    for name, tag in repository.tags:
        todo = [facts.ids[tag.digest]]
        while todo:
            for node, kind in parts.get(todo.pop(), ()):
                if node not in known:
                    known.add(node)
                    todo.append(node)
                    yield keys[node], kind, name


def _is_linked(tree: Tree, repository: Repository, digest: str, kind: str, path: str) -> bool:
    """Return whether a repository has a link for a blob; True if its links cannot be read."""
    if not repository.shows_layers:
        return True
    if kind == "child" and any(link.named == digest for link in repository.links):
        return True
    return repository.layers is not None and digest in repository.layers and exists(tree, f"{path}/link", follow=False)
