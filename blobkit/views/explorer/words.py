"""Words for the places of a store and for blobs, safe to show: names come from strangers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.firsts import first_rows
from blobkit.analysis.tree import NO_PLACE
from blobkit.questions.naming import IN_USE, NO_NAMESPACE, NO_REPOSITORY, UNNAMED
from blobkit.render import abbreviate, printable, truncate
from blobkit.snapshot.pins import versions
from blobkit.snapshot.roles import NAMES
from blobkit.snapshot.tables import codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.questions.what_if import WhatIf

__all__ = ["Words", "ranked"]

LONGEST = 160
NAMED_AT_ONCE = 100_000
"""Nodes up to which blobs are named after the smallest image that has them without waiting for `warm`."""


class Words:
    """Words for places (`blobkit.analysis.tree`) and nodes."""

    def __init__(self, what_if: WhatIf) -> None:
        self._what_if, self._tree, self._snapshot = what_if, what_if.tree, what_if.snapshot
        self.knows_images = self._snapshot.nodes.num_rows <= NAMED_AT_ONCE
        names = np.zeros(len(self._tree.parent), np.bool_)
        names[self._tree.place_of[NAMES[codes(self._snapshot.pins["kind"])]]] = True
        self.noun = "tag" if names[: self._tree.names][self._tree.holds].all() else "name"

    def warm(self) -> None:
        """Find the smallest image that has each blob."""
        first_rows(self._snapshot)  # it is kept
        self.knows_images = True

    def name(self, place: int) -> str:
        """Return the full name of a name or repository."""
        tree = self._tree
        if place < tree.names:
            return truncate(str(self._snapshot.pins["name"][int(tree.row[place])]), LONGEST)
        return truncate(tree.repositories[place - tree.names], LONGEST) or NO_REPOSITORY

    def short(self, place: int) -> str:
        """Return the last part of the name of a place, as the picture shows it."""
        tree = self._tree
        if place < tree.names:
            return self.version(place)
        if place < tree.first_namespace:
            return self.name(place).rpartition("/")[2] or self.name(place)
        if place < tree.nameless:
            return truncate(self.namespace(place), LONGEST)
        return UNNAMED if place == tree.nameless else IN_USE

    def namespace(self, place: int) -> str:
        """Return a namespace with a slash at its end."""
        above = self._tree.namespaces[place - self._tree.first_namespace]
        return f"{truncate(above, LONGEST)}/" if above else NO_NAMESPACE

    def version(self, name: int) -> str:
        """Return a name without its repository."""
        text = str(self._snapshot.pins["name"][int(self._tree.row[name])])
        above = self._tree.repositories[int(self._tree.repository[name])]
        return truncate(versions([text], [above])[0], LONGEST)

    def owner(self, place: int) -> str:
        """Return who keeps what this place owns, without the places below it."""
        tree = self._tree
        if place < tree.names:
            return self.name(place)
        if place < tree.first_namespace:
            return f"several {self.noun}s of {self.name(place)}"
        if place < tree.nameless and len(tree.namespaces) > 1:
            above = tree.namespaces[place - tree.first_namespace]
            return f"several repositories of {truncate(above, LONGEST) or NO_NAMESPACE}"
        if place == tree.nameless:
            return UNNAMED
        return f"several {'namespaces' if len(tree.namespaces) > 1 else 'repositories'}"

    def blob(self, node: int) -> str:
        """Return a blob by its kind and the smallest image that has it, else by its digest."""
        return f"{self.kind(node)} {f'of {image}' if (image := self.image(node)) else self.digest(node)}"

    def image(self, node: int) -> str:
        """Return the name of the smallest image that has a blob, "" if it is not known (yet)."""
        first = self._what_if.first_name(node) if self.knows_images else NO_PLACE
        return self.name(first) if first != NO_PLACE else ""

    def kind(self, node: int) -> str:
        """Return the kind of a blob."""
        return str(self._snapshot.nodes["kind"][node])

    def digest(self, node: int) -> str:
        """Return the first digits of a digest."""
        return truncate(abbreviate(self._snapshot.key(node)), LONGEST)

    def key(self, node: int) -> str:
        """Return the whole key of a node."""
        return truncate(printable(self._snapshot.key(node)), LONGEST)


def ranked(values: NDArray[np.int64], most: int) -> list[int]:
    """Return the positions of the greatest positive values, the greatest first."""
    some = np.flatnonzero(values > 0)
    if len(some) > most:
        some = some[np.argpartition(-values[some], most)[:most]]
    order: list[int] = some[np.lexsort((some, -values[some]))].tolist()
    return order
