"""The references that count under one policy, as compressed sparse rows (CSR): the input of every analysis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blobkit.snapshot.columns import combine
from blobkit.snapshot.references import LINK_KINDS, PIN_KINDS, PINS
from blobkit.snapshot.roles import BY_DIGEST, OPENS
from blobkit.snapshot.sets import pieces, rows_where
from blobkit.snapshot.tables import STORED, codes, flags, ids, numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from blobkit.snapshot.records import Policy
    from blobkit.snapshot.tables import Tables

__all__ = ["ReferenceGraph", "build_graph", "counted_links", "holding_pins", "of_kinds"]


@dataclass(frozen=True, eq=False)
class ReferenceGraph:
    """The pins that hold and the links that count under one policy, as arrays over all n nodes (by key).

    The links of node i go to `indices[indptr[i]:indptr[i + 1]]` (sorted, each target once). For each node, `pins` is
    the number of pins that hold it, `size` its bytes stored, `blob` whether it is a stored blob, and `opaque` whether
    its links are unknown though the policy would follow them. `counting`: the store counts references; else it marks
    and sweeps. All arrays are read-only: results of analyses are memoized beside the graph.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    pins: NDArray[np.int64]
    size: NDArray[np.int64]
    blob: NDArray[np.bool_]
    opaque: NDArray[np.bool_]
    counting: bool

    @cached_property
    def links_in(self) -> NDArray[np.int64]:
        """The number of nodes that link to each node."""
        return np.bincount(self.indices, minlength=len(self.size)).astype(np.int64, copy=False)


def build_graph(tables: Tables, policy: Policy) -> ReferenceGraph:
    """Return the graph of the references that count under a policy. Cost: one pass over links and pins."""
    n = tables.nodes.num_rows
    counts = counted_links(tables, policy)
    source, target = ids(tables.links["source"]), ids(tables.links["target"])
    pins = np.zeros(n, np.int64)
    holding = holding_pins(tables, policy)
    np.add.at(pins, ids(tables.pins["node"])[holding], numbers(tables.pins["count"])[holding])
    opened = np.zeros(n, np.bool_)
    if not policy.complete:
        kind = codes(tables.links["kind"])
        for piece in pieces(len(kind)):
            opened[target[piece][counts[piece] & OPENS[kind[piece]]]] = True
    indptr, indices = _rows(source, target, counts, n)
    arrays = {
        "indptr": indptr,
        "indices": indices,
        "pins": pins,
        "size": numbers(tables.nodes["size"]),
        "blob": codes(tables.nodes["stored"]) == STORED.index("yes"),
        "opaque": flags(tables.nodes["opaque"]) & ((pins > 0) | opened) & _is_source(tables, policy),
    }
    for array in arrays.values():
        array.flags.writeable = False
    return ReferenceGraph(**arrays, counting=policy.counting)


def counted_links(tables: Tables, policy: Policy) -> NDArray[np.bool_]:
    """Return whether each link counts under a policy. Cost: a pass over the links for each kind that counts."""
    counts = of_kinds(codes(tables.links["kind"]), policy.links, LINK_KINDS)
    if policy.sources:
        in_documents = BY_DIGEST[codes(tables.links["kind"])]
        counts &= _is_source(tables, policy)[ids(tables.links["source"])] | ~in_documents
    return counts


def _is_source(tables: Tables, policy: Policy) -> NDArray[np.bool_]:
    """Return whether each node is a document that a policy follows."""
    if not policy.sources:
        return np.ones(tables.nodes.num_rows, np.bool_)
    column = combine(tables.nodes["media_type"])
    wanted = np.array([name in policy.sources for name in column.dictionary.to_pylist()], np.bool_)
    found: NDArray[np.bool_] = wanted[np.asarray(column.indices)]
    alone = frozenset(kind.name for kind in PINS if kind.is_alone) & policy.pins
    found[ids(tables.pins["node"])[of_kinds(codes(tables.pins["kind"]), alone, PIN_KINDS)]] = False
    return found


def holding_pins(tables: Tables, policy: Policy) -> NDArray[np.bool_]:
    """Return whether each pin holds under a policy; a pin with count 0 never does."""
    return of_kinds(codes(tables.pins["kind"]), policy.pins, PIN_KINDS) & (numbers(tables.pins["count"]) > 0)


def of_kinds(kind: NDArray[np.int8], names: Iterable[str], vocabulary: tuple[str, ...]) -> NDArray[np.bool_]:
    """Return whether each code is one of these names; one pass for each name is faster than a pass with look-ups."""
    found = np.zeros(len(kind), np.bool_)
    wanted = [vocabulary.index(name) for name in names]
    for piece in pieces(len(kind)):
        for code in wanted:
            found[piece] |= kind[piece] == code
    return found


def _rows(
    source: NDArray[np.int32], target: NDArray[np.int32], counts: NDArray[np.bool_], n: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the links that count, each pair once, as compressed sparse rows."""
    if not counts.all():
        source, target = source[counts], target[counts]
    if any((_same(source, piece) & _same(target, piece)).any() for piece in pieces(len(source) - 1)):
        once = np.concatenate(([True], ~(_same(source) & _same(target))))
        source, target = source[once], target[once]
    return _starts(source, n), target


def _same(values: NDArray[np.int32], piece: slice = slice(None)) -> NDArray[np.bool_]:
    """Return whether values after the first equal the one before, those of a piece."""
    same: NDArray[np.bool_] = values[1:][piece] == values[:-1][piece]
    return same


def _starts(source: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """Return where the links of each of n nodes begin, from sorted sources; `bincount` takes four times as long."""
    begin = rows_where(max(0, len(source) - 1), lambda piece: ~_same(source, piece)) + 1
    begin = np.concatenate(([0], begin, [len(source)])) if len(source) else np.zeros(1, np.int64)
    first = np.zeros(n + 1, np.int64)
    first[source[begin[:-1]] + 1] = np.diff(begin)
    return np.cumsum(first, out=first)
