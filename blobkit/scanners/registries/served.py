"""Record tags that a registry cannot serve: a stored layer without a link in the repository answers 404."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.scanners.columns import view
from blobkit.scanners.registries.tree import exists
from blobkit.scanners.spaces.space import sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    parts, keys = _Parts(facts), sequence(facts.ids)
    for repository in repositories:
        has_link = repository.layers.unpacked() if repository.layers else _never
        for node, kind, name in _reached(facts, repository, parts):
            digest = keys[node]
            path = f"{repository.place.path}/_layers/{digest.replace(':', '/')}"
            if facts.stored[node] in ("yes", "virtual") and not (
                _needs_none(repository, digest, kind)
                or (has_link(digest) and exists(tree, f"{path}/link", follow=False))
            ):
                message = f"the repository {repository.name} has no link of {digest}: a pull of {name} answers 404"
                facts.notice("unlinked-layer", message, digest, path)


def _never(_: str) -> bool:
    return False


class _Parts:
    """The blobs that each document contains, with their positions, in columns."""

    def __init__(self, facts: Facts) -> None:
        source, target, kind = (view(column) for column in (*facts.links[:2], facts.links[2].codes))
        self._words = facts.links[2]
        rows = np.flatnonzero(np.isin(kind, [self._words.code(one) for one in CONTAINS]))
        rows = rows[np.argsort(source[rows], kind="stable")]
        self._source, self._target, self._kind = source[rows], target[rows], kind[rows]

    def of(self, node: int) -> Iterator[tuple[int, str]]:
        """Yield the nodes of the blobs in a document, and the position of each."""
        rows = slice(*np.searchsorted(self._source, np.array([node, node + 1], self._source.dtype)))
        return zip(self._target[rows].tolist(), map(self._words.texts.__getitem__, self._kind[rows]), strict=True)


def _reached(facts: Facts, repository: Repository, parts: _Parts) -> Iterator[tuple[int, str, str]]:
    """Yield the blobs that the tags of a repository contain: node, position, first tag with it."""
    known: set[int] = set()
    for name, tag in repository.tags:
        todo = [facts.ids[tag.digest]]
        while todo:
            for node, kind in parts.of(todo.pop()):
                if node not in known:
                    known.add(node)
                    todo.append(node)
                    yield node, kind, name


def _needs_none(repository: Repository, digest: str, kind: str) -> bool:
    """Return whether a blob needs no layer link; True if the links of a repository cannot be read."""
    if not repository.shows_layers:
        return True
    return kind == "child" and any(link.named == digest for link in repository.links)
