"""The links of a snapshot as a networkx graph, copied or viewed. The only file that imports networkx."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import ItemsView, Mapping, ValuesView
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, NoReturn, TypeVar

import networkx as nx
import numpy as np

from blobkit.analysis.reach import incoming
from blobkit.protocols import as_snapshot
from blobkit.snapshot.columns import combine
from blobkit.views.attributes import Attributes, kind_names, kinds, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.snapshot.snapshot import Snapshot

    _DiGraph = nx.DiGraph[str]
else:
    _DiGraph = nx.DiGraph  # no generic class outside of its stubs

__all__ = ["graph_view", "to_graph"]

V = TypeVar("V")
_READ_ONLY = "this graph is a read-only view of a snapshot: change a copy, nx.DiGraph(graph)"
_ROWS = 4096
"""Nodes whose attributes are made together."""
_CHANGES = (
    *("add_node", "add_nodes_from", "add_edge", "add_edges_from", "add_weighted_edges_from", "update"),
    *("remove_node", "remove_nodes_from", "remove_edge", "remove_edges_from", "clear", "clear_edges"),
)


def to_graph(x: SupportsSnapshot | Address, *, storage_options: StorageOptions | None = None) -> nx.DiGraph[str]:
    """Return the blobs and the links that count under the policy as a directed graph.

    An edge leads from a blob to one that it links to. Nodes are keys: every stored blob, and all other nodes with a
    counted link or pin (absent blobs, virtual nodes). Their attributes are those of `to_frame`, as plain int, bool and
    str, so that `nx.write_graphml` and `json` take them:

    - `size retained frees` (bytes), `refcount pins depth`: int; `reachable`: bool
    - `kind media_type platform status`, `stored` (yes, missing, foreign, inline, virtual): str, "" unknown
    - `created modified`: ISO 8601 in UTC, "" unknown
    - `tags`: the names joined by commas; characters that XML forbids become escapes

    An edge has `kind`: the kinds of the link joined by commas. The graph itself has `store`, `address`, `time`,
    `policy`. Cost: one Python object for each node and edge: about 4 s and 400 MB for 100,000 blobs with 700,000 links.
    `graph_view` costs almost nothing, and is read-only. `storage_options` as in `scan`.

    >>> graph = blobkit.to_graph(demo.small())
    >>> len(graph), graph.number_of_edges()
    (33, 41)
    """
    view = graph_view(x, storage_options=storage_options)
    graph: nx.DiGraph[str] = nx.DiGraph(**view.graph)
    graph.add_nodes_from(view.nodes.items())
    graph.add_edges_from(view.edges(data=True))
    return graph


def graph_view(x: SupportsSnapshot | Address, *, storage_options: StorageOptions | None = None) -> nx.DiGraph[str]:
    """Return the same graph as `to_graph`, read-only, over the arrays of the snapshot.

    Any change, also of attributes, raises networkx.NetworkXError; `nx.DiGraph(view)`, `view.copy()`
    and `view.reverse()` are ordinary graphs. A pickle has the snapshot's facts, and is loaded as a view.
    Cost: a pass over the links; keys become text when they are first used, and are kept (100 bytes each); the first
    attribute of a node costs as much as `to_frame`. `storage_options` as in `scan`.

    >>> import networkx as nx
    >>> store = demo.small()
    >>> len(nx.descendants(blobkit.graph_view(store), store.tags()["shop/web:1.0"]))
    4
    """
    return _View.of(as_snapshot(x, storage_options=storage_options))


class _View(_DiGraph):
    """A graph over arrays. networkx creates new graphs of the same class, so `_View()` is an ordinary empty graph."""

    _snapshot: Snapshot | None = None

    @classmethod
    def of(cls, snapshot: Snapshot) -> _View:
        """Return the view of a snapshot."""
        kind, time = snapshot.kind, snapshot.time.isoformat()
        view = cls(store=kind, address=plain(snapshot.address), time=time, policy=snapshot.policy)
        arrays = _Arrays(snapshot)
        view._snapshot = snapshot
        parts = {
            "_adj": _Adjacency(arrays, down=True),
            "_pred": _Adjacency(arrays, down=False),
            "_node": _Nodes(arrays),
        }
        for name, part in (parts | {"frozen": True} | dict.fromkeys(_CHANGES, _refuse)).items():
            setattr(view, name, part)
        return view

    def copy(self, as_view: bool = False) -> nx.DiGraph[str]:  # type: ignore[override]  # noqa: FBT001, FBT002 (as networkx has it; no Self: a copy is an ordinary graph)
        """Return an ordinary graph with the same nodes, edges and attributes; another view if `as_view`."""
        return super().copy(as_view=True) if as_view else nx.DiGraph(self)

    def reverse(self, copy: bool = True) -> nx.DiGraph[str]:  # type: ignore[override]  # noqa: FBT001, FBT002 (the same)
        """Return the graph with every edge reversed: an ordinary one, or a view if not `copy`."""
        turned = super().reverse(copy=False)
        return nx.DiGraph(turned) if copy else turned

    def __repr__(self) -> str:
        """Return the snapshot and the size of the graph."""
        of = f" of {self._snapshot.caption()}" if self._snapshot else ""
        return f"<View{of}: {self.number_of_nodes():,} nodes, {self.number_of_edges():,} edges>"

    def number_of_edges(self, u: str | None = None, v: str | None = None) -> int:
        """Return the number of edges, or of those from u to v; in constant time for the whole graph."""
        whole = getattr(self, "_adj", None) if u is None else None
        return whole.links if isinstance(whole, _Adjacency) else super().number_of_edges(u, v)

    def __reduce__(self) -> tuple[object, ...]:
        """Return how to unpickle it: a view from the facts, any other graph as an ordinary one."""
        if self._snapshot is None:
            return nx.DiGraph, (nx.DiGraph(self),)
        return _View.of, (replace(self._snapshot),)


def _refuse(*_: object, **__: object) -> NoReturn:
    raise nx.NetworkXError(_READ_ONLY)


class _Fixed(dict[str, object]):
    """Attributes that cannot be changed; copies and pickles of them are ordinary dicts."""

    __setitem__ = __delitem__ = update = pop = popitem = clear = setdefault = __ior__ = _refuse

    def __deepcopy__(self, memo: object) -> dict[str, object]:
        return dict(self)

    def __reduce__(self) -> tuple[object, ...]:
        return dict, (dict(self),)


class _Keys:
    """The sorted keys of the nodes, as text that is created when first used."""

    def __init__(self, column: pa.Array) -> None:
        self._column = column
        self.met: list[str | None] = [None] * len(column)
        self._node: dict[str, int] = {}

    def text(self, node: int) -> str:
        """Return the key of a node."""
        text = self.met[node]
        if text is None:
            text = self.met[node] = str(self._column[node])
            self._node[text] = node
        return text

    def node(self, key: object) -> int:
        """Return the node with this key; KeyError if there is none. Cost: a binary search, once."""
        node: int | None = self._node.get(key)  # type: ignore[call-overload]  # (networkx asks for what it was asked for)
        if node is None:
            at = bisect_left(self._column, key, key=str) if isinstance(key, str) else len(self._column)
            if at == len(self._column) or self.text(at) != key:
                raise KeyError(key)
            return at
        return node

    def all(self) -> list[str]:
        """Return every key."""
        if len(self._node) < len(self._column):
            self.met = self._column.to_pylist()
            self._node = dict(zip(self.all_met(), range(len(self._column)), strict=True))
        return self.all_met()

    def all_met(self) -> list[str]:
        """Return the created keys, once these are all keys."""
        return self.met  # type: ignore[return-value]  # (no None is left)


class _Arrays:
    """The nodes of the graph and the links among them, renumbered if some nodes of the snapshot are left out."""

    def __init__(self, snapshot: Snapshot) -> None:
        graph = snapshot.graph
        kept = graph.blob | (graph.pins > 0) | (graph.links_in > 0) | (np.diff(graph.indptr) > 0)
        self.snapshot = snapshot
        self.nodes = np.flatnonzero(kept).astype(np.int32)
        self._rank = None if kept.all() else (np.cumsum(kept) - 1).astype(np.int32)
        column = combine(snapshot.nodes["key"])
        self.keys = _Keys(column if self._rank is None else column.take(self.nodes))
        self.first, self.targets = self._among(graph.indptr, graph.indices)
        self._kinds = kinds(snapshot)
        self._attributes = Attributes(snapshot)

    def _among(self, start: NDArray[np.int32], ends: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return links in CSR form with the numbers of the included nodes; the others have no links."""
        if self._rank is None:
            return start, ends
        return np.append(start[self.nodes], start[-1]), self._rank[ends]

    @cached_property
    def sources(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """The links by target."""
        return self._among(*incoming(self.snapshot.graph))

    def link(self, source: int, target: int) -> int:
        """Return the position of a link; -1 if there is none."""
        start, stop = self.first[source : source + 2].tolist()
        at = start + int(self.targets[start:stop].searchsorted(np.int32(target)))
        return at if at < stop and self.targets[at] == target else -1

    def kind(self, at: int) -> _Fixed:
        """Return the attributes of the link at a position; links with equal attributes share one object."""
        return _fixed_kind(int(self._kinds[at]))

    def attributes(self, nodes: slice) -> Iterator[_Fixed]:
        """Yield the attributes of these nodes."""
        return map(_Fixed, self._attributes.of(self.nodes[nodes]))


class _Table(Mapping[str, V]):
    """A mapping with fast `items`, which networkx loops over."""

    def __init__(self, arrays: _Arrays) -> None:
        self.arrays = arrays

    @abstractmethod
    def pairs(self) -> Iterator[tuple[str, V]]:
        """Yield keys and values."""

    def items(self) -> ItemsView[str, V]:
        return _Items(self)

    def values(self) -> ValuesView[V]:
        return _Values(self)


class _Items(ItemsView[str, V]):
    _mapping: _Table[V]

    def __iter__(self) -> Iterator[tuple[str, V]]:
        return self._mapping.pairs()


class _Values(ValuesView[V]):
    _mapping: _Table[V]

    def __iter__(self) -> Iterator[V]:
        return (value for _, value in self._mapping.pairs())


class _Every(_Table[V]):
    """A mapping from every node."""

    def __len__(self) -> int:
        return len(self.arrays.nodes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays.keys.all())

    def __contains__(self, key: object) -> bool:
        try:
            return self.arrays.keys.node(key) >= 0
        except KeyError:
            return False


class _Nodes(_Every[_Fixed]):
    """The attributes of each node."""

    def __getitem__(self, key: str) -> _Fixed:
        node = self.arrays.keys.node(key)
        return next(self.arrays.attributes(slice(node, node + 1)))

    def pairs(self) -> Iterator[tuple[str, _Fixed]]:
        keys = self.arrays.keys.all()
        for at in range(0, len(keys), _ROWS):
            rows = slice(at, at + _ROWS)
            yield from zip(keys[rows], self.arrays.attributes(rows), strict=True)


class _Adjacency(_Every["_Row"]):
    """The row of each node: the nodes that it links to, or, if not `down`, those that link to it."""

    def __init__(self, arrays: _Arrays, *, down: bool) -> None:
        super().__init__(arrays)
        self._down = down

    @property
    def links(self) -> int:
        """The number of links."""
        return len(self.arrays.targets)

    def __getitem__(self, key: str) -> _Row:
        return self._row(self.arrays.keys.node(key))

    def pairs(self) -> Iterator[tuple[str, _Row]]:
        return ((key, self._row(node)) for node, key in enumerate(self.arrays.keys.all()))

    def _row(self, node: int) -> _Row:
        start, ends = (self.arrays.first, self.arrays.targets) if self._down else self.arrays.sources
        return _Row(self.arrays, node, ends[start[node] : start[node + 1]], down=self._down)


class _Row(_Table[_Fixed]):
    """The neighbours of one node on one side, with the attributes of each link."""

    def __init__(self, arrays: _Arrays, node: int, ends: NDArray[np.int32], *, down: bool) -> None:
        super().__init__(arrays)
        self._node, self._ends, self._down = node, ends, down

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        met, text = self.arrays.keys.met, self.arrays.keys.text
        return (met[node] or text(node) for node in self._ends.tolist())

    def __getitem__(self, key: str) -> _Fixed:
        at = self._at(self.arrays.keys.node(key))
        if at < 0:
            raise KeyError(key)
        return self.arrays.kind(at)

    def pairs(self) -> Iterator[tuple[str, _Fixed]]:
        kind, first = self.arrays.kind, int(self.arrays.first[self._node])
        places = range(first, first + len(self)) if self._down else map(self._at, self._ends.tolist())
        return zip(self, map(kind, places), strict=True)

    def _at(self, other: int) -> int:
        return self.arrays.link(self._node, other) if self._down else self.arrays.link(other, self._node)


@cache
def _fixed_kind(bits: int) -> _Fixed:
    """Return the attributes of an edge with this set of link kinds."""
    return _Fixed(kind=kind_names(bits))
