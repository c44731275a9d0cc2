"""The references that count under one policy, as compressed sparse rows (CSR): the input of every analysis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blobkit.errors import SnapshotFormatError
from blobkit.snapshot.columns import combine
from blobkit.snapshot.references import LINK_KINDS, PIN_KINDS, PINS
from blobkit.snapshot.roles import BY_DIGEST, OPENS
from blobkit.snapshot.sets import narrow, pieces, rows_where, union
from blobkit.snapshot.tables import STORED, codes, flags, ids, numbers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from blobkit.snapshot.records import Policy
    from blobkit.snapshot.tables import Tables

LINK_LIMIT = 1 << 31
"""The positions of links are int32: a graph of 10 million blobs has some 70 million links."""

__all__ = ["ReferenceGraph", "build_graph", "counted_links", "holding_pins", "link_rows", "of_kinds"]


@dataclass(frozen=True, eq=False)
class ReferenceGraph:
    """The pins that hold and the links that count under one policy, as arrays over all n nodes (by key).

    The links of node i go to `indices[indptr[i]:indptr[i + 1]]` (sorted, each target once). For each node, `pins` is
    the number of pins that hold it (int32; int64 if one does not fit), `size` its bytes stored, `blob` whether it is a
    stored blob, and `opaque` whether its links are unknown though the policy would follow them. `counting`: the store
    counts references; else it marks and sweeps. All arrays are read-only: results of analyses are memoized beside it.
    """

    indptr: NDArray[np.int32]
    indices: NDArray[np.int32]
    pins: NDArray[np.integer]
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
    _check_number(int(np.count_nonzero(counts)))
    source, target = ids(tables.links["source"]), ids(tables.links["target"])
    pins = np.zeros(n, np.int64)
    holding = holding_pins(tables, policy)
    np.add.at(pins, ids(tables.pins["node"])[holding], numbers(tables.pins["count"])[holding])
    opaque = flags(tables.nodes["opaque"])
    followed = pins > 0
    if not policy.complete and opaque.any():
        rows = rows_where(len(target), lambda piece: counts[piece] & opaque[target[piece]])
        followed[target[rows[OPENS[codes(tables.links["kind"])[rows]]]]] = True
    indptr, indices = link_rows(source, target, counts, n)
    arrays = {
        "indptr": indptr,
        "indices": indices,
        "pins": narrow(pins),
        "size": numbers(tables.nodes["size"]),
        "blob": codes(tables.nodes["stored"]) == STORED.index("yes"),
        "opaque": opaque & followed & _is_source(tables, policy),
    }
    for array in arrays.values():
        array.flags.writeable = False
    return ReferenceGraph(**arrays, counting=policy.counting)


def _check_number(links: int) -> None:
    if links >= LINK_LIMIT:
        msg = f"{links:,} links are more than can be followed ({LINK_LIMIT:,})"
        raise SnapshotFormatError(msg)


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


def link_rows(
    source: NDArray[np.int32], target: NDArray[np.int32], counts: NDArray[np.bool_], n: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the links that count, each pair once, as compressed sparse rows; `counts` is changed.

    Memory: the result, and a piece.
    """
    _leave_out_repeated(source, target, counts)
    first = np.zeros(n + 1, np.int32)
    for piece in pieces(len(source)):
        some = source[piece][counts[piece]]
        begin = np.append(np.zeros(min(1, len(some)), np.int64), np.flatnonzero(some[1:] != some[:-1]) + 1)
        np.add.at(first, some[begin] + 1, np.diff(begin, append=len(some)))
    return np.cumsum(first, out=first), target if counts.all() else target[counts]


def _leave_out_repeated(source: NDArray[np.int32], target: NDArray[np.int32], counts: NDArray[np.bool_]) -> None:
    """Let only the first of several links with the same ends count; `counts` is changed."""

    def is_again(piece: slice) -> NDArray[np.bool_]:
        after = slice(piece.start + 1, piece.stop + 1)
        same: NDArray[np.bool_] = (source[piece] == source[after]) & (target[piece] == target[after])
        return same

    again = rows_where(max(0, len(source) - 1), is_again) + 1
    rows = union(again - 1, again)
    rows = rows[counts[rows]]
    same = (np.diff(source[rows]) == 0) & (np.diff(target[rows]) == 0)
    counts[rows[1:][same]] = False
