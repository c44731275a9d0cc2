"""Record plain manifests (`blobkit.oci.plain`): one that was read, or many at once that are in columns."""

from __future__ import annotations

from array import array
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blobkit.digest import Digest
from blobkit.scanners.columns import assign, extend, view
from blobkit.scanners.pending import Span
from blobkit.scanners.sheets import NO_MANIFESTS, Names
from blobkit.snapshot.sets import ranges

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blobkit.oci.plain import PlainManifest
    from blobkit.scanners.configs import Configs
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.pending import Pending
    from blobkit.scanners.recall import Recall
    from blobkit.scanners.sheets import Manifests

__all__ = ["Plains", "Recalled"]


class Recalled(NamedTuple):
    """A plain manifest that need not be read: its media type, and its row in the columns."""

    media_type: str
    row: int


class Plains:
    """The plain manifests that were recorded, and those in the columns of `recall`, whose blobs are all listed."""

    def __init__(self, facts: Facts, pending: Pending, configs: Configs, recall: Recall | None) -> None:
        self.facts, self.recall = facts, recall
        self._pending, self._configs = pending, configs
        self._row: dict[int, int] = {}
        self._node, self._type, self._count = array("i"), array("i"), array("i")
        self._created, self._link, self._first = array("q"), array("q"), array("q")
        self._names = Names(facts) if recall is None else recall.names
        self._found = NO_MANIFESTS if recall is None else recall.manifests
        self._start = np.cumsum(self._found.parts) - self._found.parts
        self._place = dict(zip(self._found.node.tolist(), range(len(self._found.node)), strict=True))

    def type_of(self, digest: Digest) -> str | None:
        """Return the media type of a manifest that was recorded; None for others."""
        row = self._row.get(self.facts.ids.get(digest, -1))
        return None if row is None else self.facts.media_type.texts[self._type[row]]

    def recalled(self, digest: Digest) -> Recalled | None:
        """Return a manifest that is in the columns; None for others."""
        place = self._place.get(self.facts.ids.get(digest, -1))
        return None if place is None else Recalled(self.facts.media_type.texts[self._found.type[place]], place)

    def places(self, digests: Sequence[Digest]) -> NDArray[np.int64]:
        """Return the row in the columns of each manifest, -1 for those that are not there."""
        nodes = map(self.facts.ids.get, digests, repeat(-1))
        return np.fromiter(map(self._place.get, nodes, repeat(-1)), np.int64, len(digests))

    def contained(self, digest: Digest) -> array[int] | None:
        """Return the config and the layers in a manifest that was recorded, as nodes; None for other documents."""
        row = self._row.get(self.facts.ids.get(digest, -1))
        if row is None:
            return None
        return self.facts.links[1][self._link[row] : self._link[row] + self._count[row]]

    def record(self, digest: Digest, manifest: PlainManifest) -> Span:
        """Record the links and claims of a manifest that was read; return what its descriptors are."""
        facts, node = self.facts, self.facts.node(digest)
        if self.recall is not None:
            self.recall.is_new = True
        nodes = array("i", map(facts.node, manifest.digests))
        facts.kind[node], facts.media_type[node] = "manifest", manifest.media_type
        facts.created[node] = manifest.created
        first = len(facts.links[0])
        facts.link_many(node, nodes[:1], "config")
        facts.link_many(node, nodes[1:], "layer")
        span = self._pending.add_plain(nodes, manifest.sizes, manifest.types)
        self._row[node] = len(self._node)
        values = node, facts.media_type.codes[node], len(nodes), manifest.created, first, span.first
        for column, value in zip(self._columns(), values, strict=True):
            column.append(value)
        self._configs.claim(node, nodes[0], Digest(manifest.digests[0]), None, (first + 1, first + len(nodes)))
        return span

    def record_rows(self, rows: NDArray[np.int64]) -> Span:
        """Record the manifests in these rows of the columns that were not recorded yet, in this order."""
        nodes = self._found.node[rows].tolist()
        fresh = dict.fromkeys(row for node, row in zip(nodes, rows.tolist(), strict=True) if node not in self._row)
        first = self._pending.end
        if fresh:
            found = self._found.take(np.fromiter(fresh, np.int64, len(fresh)), self._start)
            self._record_columns(found._replace(ref=self._names.nodes(found.ref)))
        return Span(first, self._pending.end)

    def _record_columns(self, found: Manifests) -> None:
        """Record manifests: claims, links, descriptors, and what their configs claim.

        Their order does not count: a plain manifest that is the config of another claims nothing as a config.
        """
        facts, first = self.facts, np.cumsum(found.parts) - found.parts
        facts.kind.assign(found.node, "manifest")
        assign(facts.media_type.codes, found.node, found.type)
        assign(facts.created, found.node, found.created)
        link, pending = len(facts.links[0]) + first, self._pending.end + first
        is_config = np.zeros(len(found.ref), np.bool_)
        is_config[first] = True
        self._link_parts(found, is_config)
        self._pending.add_columns(found.ref, found.ref_size, is_config, found.ref_type)
        self._row.update(zip(found.node.tolist(), range(len(self._node), len(self._node) + len(link)), strict=True))
        columns = found.node, found.type, found.parts, found.created, link, pending
        for column, values in zip(self._columns(), columns, strict=True):
            extend(column, values)
        self._configs.claim_many(found.node, found.ref[first], found.config, link + 1, link + found.parts)

    def _link_parts(self, found: Manifests, is_config: NDArray[np.bool_]) -> None:
        source, target, kind = self.facts.links
        extend(source, np.repeat(found.node, found.parts))
        extend(target, found.ref)
        extend(kind.codes, np.where(is_config, kind.code("config"), kind.code("layer")))

    def _columns(self) -> tuple[array[int], ...]:
        return self._node, self._type, self._count, self._created, self._link, self._first

    def columns(self, row: NDArray[np.int32], is_sure: NDArray[np.bool_]) -> dict[str, NDArray[np.integer]]:
        """Return the recorded manifests that are sure, for the next scan; `row`: of each node."""
        node, code, count, created, _, pending = (view(column) for column in self._columns())
        chosen = np.flatnonzero(is_sure[node] & (row[node] >= 0))
        first, count = pending[chosen], count[chosen]
        nodes, sizes, types = self._pending.columns(ranges(first, first + count))
        return {
            "doc_key": row[node[chosen]],
            "doc_type": code[chosen],
            "doc_created": created[chosen],
            "doc_first": np.append(0, np.cumsum(count)),
            "ref_key": row[nodes],
            "ref_size": sizes,
            "ref_type": types,
        }
