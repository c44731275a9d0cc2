"""The places of a store with their names and bytes, for the blocks of an icicle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.owners import owners_at_first
from blobkit.analysis.tree import tree
from blobkit.questions.blocks import Places
from blobkit.questions.naming import IN_USE, NO_NAMESPACE, NO_REPOSITORY, UNNAMED, described
from blobkit.render import abbreviate
from blobkit.snapshot.pins import versions

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.analysis.tree import Tree
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["places_of", "repository_of"]


def places_of(snapshot: Snapshot) -> Places:
    """Return the places of a snapshot under its policy, while nothing is dropped. Cost: nodes + links."""
    places, graph = tree(snapshot), snapshot.graph
    owner = owners_at_first(snapshot).owner
    label = np.where(graph.blob, owner, np.int32(-1)).astype(np.int32)

    def blob(node: int) -> str:
        return described(snapshot, np.array([node], np.int32))[0]

    return Places(places.parent, places.rank, label, graph.size, _namer(snapshot, places), blob, places.plain)


def repository_of(snapshot: Snapshot, place: int) -> str:
    """Return the full name of a place that is a repository."""
    places = tree(snapshot)
    return places.repositories[place - places.names] or NO_REPOSITORY


def _namer(snapshot: Snapshot, places: Tree) -> Callable[[int], str]:
    """Return a function that gives the short name of a place: of a tag without its repository."""

    def name(place: int) -> str:
        if place < places.names:
            whole = str(snapshot.pins["name"][int(places.row[place])])
            repository = places.repositories[int(places.parent[place]) - places.names]
            return abbreviate(versions([whole], [repository])[0])
        if place < places.first_namespace:
            return places.repositories[place - places.names].rpartition("/")[2] or NO_REPOSITORY
        if place < places.nameless:
            namespace = places.namespaces[place - places.first_namespace]
            return f"{namespace}/" if namespace else NO_NAMESPACE
        return UNNAMED if place == places.nameless else IN_USE

    return name
