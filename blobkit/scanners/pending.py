"""Descriptors of blobs without links, in columns: recorded many at once, after the documents that contain them."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blobkit.scanners.columns import assign, extend, repeated, view

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from blobkit.oci.documents import Reference
    from blobkit.scanners.columns import Digests
    from blobkit.scanners.facts import Facts

__all__ = ["Pending", "Span"]


class Span(NamedTuple):
    """Rows of `Pending`."""

    first: int
    end: int


class Named(NamedTuple):
    """A descriptor that needs a closer look: its node, its position, its media type, the size that it claims."""

    node: int
    kind: str
    media_type: str
    size: int


class Pending:
    """The descriptors of plain manifests; they are recorded a level later."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._node, self._size, self._kind, self._type = map(facts.space.column, "iqbi")

    def add(self, nodes: array[int], descriptors: list[Reference]) -> Span:
        """Add descriptors of these nodes, in the position of a config or a layer."""
        kinds = array("b", [self.facts.kind.code(one.kind) for one in descriptors])
        return self._add(nodes, [one.size for one in descriptors], kinds, [one.media_type for one in descriptors])

    def add_plain(self, nodes: array[int], sizes: Iterable[int], types: Iterable[str]) -> Span:
        """Add the config and the layers of a manifest."""
        code = self.facts.kind.code
        kinds = array("b", [code("config")]) + repeated("b", code("layer"), len(nodes) - 1)
        return self._add(nodes, sizes, kinds, types)

    def add_columns(
        self,
        nodes: NDArray[np.integer],
        sizes: NDArray[np.integer],
        is_config: NDArray[np.bool_],
        types: NDArray[np.integer],
    ) -> None:
        """Add the descriptors of many manifests; `types` are numbers of media types."""
        code = self.facts.kind.code
        extend(self._node, nodes)
        extend(self._size, sizes)
        extend(self._kind, np.where(is_config, code("config"), code("layer")))
        extend(self._type, types)

    @property
    def end(self) -> int:
        """The number of rows."""
        return len(self._node)

    def _add(self, nodes: array[int], sizes: Iterable[int], kinds: array[int], types: Iterable[str]) -> Span:
        first = len(self._node)
        self._node.extend(nodes)
        self._size.extend(sizes)
        self._kind.extend(kinds)
        self._type.extend(map(self.facts.media_type.code, types))
        return Span(first, len(self._node))

    def columns(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.integer]]:
        """Return the node, size and number of the media type of the descriptors in these rows."""
        node, code = (view(column)[rows] for column in (self._node, self._type))
        return node, view(self._size)[rows], code

    def record(self, span: Span, named: Digests) -> list[Named]:
        """Record what descriptors claim about stored blobs; return those of absent blobs, and with another size."""
        kind, stored = self.facts.kind, self.facts.stored
        node = view(self._node)[slice(*span)]
        known = view(kind.codes)
        new = np.flatnonzero(known[node] == kind.code("unknown"))
        rows = new[np.unique(node[new], return_index=True)[1]]
        assign(kind.codes, node[rows], view(self._kind)[slice(*span)][rows])
        assign(self.facts.media_type.codes, node[rows], view(self._type)[slice(*span)][rows])
        named.add_nodes(node)
        is_stored = view(stored.codes)[node] == stored.code("yes")
        size = view(self._size)[slice(*span)]
        has_size = (size == -1) | (size == view(self.facts.size)[node])
        return list(self._closer(span.first + np.flatnonzero(~(is_stored & has_size))))

    def _closer(self, rows: NDArray[np.int64]) -> Iterator[Named]:
        kinds, types = self.facts.kind.texts, self.facts.media_type.texts
        for row in rows.tolist():
            yield Named(self._node[row], kinds[self._kind[row]], types[self._type[row]], self._size[row])
