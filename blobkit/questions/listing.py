"""Blobs and tags as plain columns, without pandas: the commands that list them start fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.dominators import frees, retained
from blobkit.analysis.reach import closure_sizes, live, take_ranges, unknown
from blobkit.analysis.removal import drop_pins, freed
from blobkit.questions.inputs.patterns import expression
from blobkit.snapshot.columns import arrow, combine
from blobkit.snapshot.pins import first_of_name, tag_rows, versions
from blobkit.snapshot.roles import GOES_ALONG, NAMES
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import STORED, codes, ids, match_rows, numbers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    import pyarrow as pa
    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Columns = dict[str, Sequence[object]]

__all__ = [
    "BLOB_NUMBERS",
    "STATUS",
    "blob_columns",
    "exclusive",
    "judged",
    "named_platforms",
    "nodes_named",
    "reaching",
    "tag_columns",
    "tags_of",
]

STATUS = ("live", "garbage", "fresh", "unknown")
BLOB_NUMBERS = ("size", "retained", "frees", "refcount")
"""The numeric columns of blobs: the columns to sort by."""
_LIVE, _GARBAGE, _UNKNOWN = (STATUS.index(word) for word in ("live", "garbage", "unknown"))


def blob_columns(  # noqa: PLR0913 (what to show is keyword-only)
    snapshot: Snapshot,
    *,
    sort: str = "size",
    limit: int | None = None,
    status: Sequence[str] = (),
    kind: Sequence[str] = (),
    among: NDArray[np.bool_] | None = None,
) -> Columns:
    """Return the stored blobs as columns, as in `to_frame`; first those with the largest `sort`.

    `status`, `kind`: only blobs of one of these; `among`: only these nodes. Cost: nodes + links; only the
    returned rows become text.
    """
    graph = snapshot.graph
    selected = codes(snapshot.nodes["stored"]) == STORED.index("yes")
    if among is not None:
        selected &= among
    if kind:
        selected &= np.isin(codes(snapshot.nodes["kind"]), _places(snapshot, "kind", kind))
    nodes = np.flatnonzero(selected).astype(np.int32)
    state = judged(snapshot, nodes)
    if status:
        chosen = np.isin(state, [STATUS.index(word) for word in status])
        nodes, state = nodes[chosen], state[chosen]
    figures = {
        "size": graph.size[nodes],
        "retained": retained(graph)[nodes],
        "frees": frees(graph)[nodes],
        "refcount": (graph.pins + graph.links_in)[nodes],
    }
    top = np.argsort(-figures[sort], kind="stable")[:limit]
    return {
        "digest": _taken(snapshot.nodes["key"], nodes[top]),
        **{name: figure[top].tolist() for name, figure in figures.items()},
        "kind": _taken(snapshot.nodes["kind"], nodes[top]),
        "status": [STATUS[code] for code in state[top].tolist()],
        "tags": tags_of(snapshot, nodes[top]).tolist(),
    }


def tag_columns(snapshot: Snapshot) -> Columns:
    """Return the tags, by name, as columns, as in `tags_frame`. Cost: the closures of different digests."""
    pins = snapshot.pins
    rows = tag_rows(snapshot)
    node = ids(pins["node"])[rows]
    names, groups = _taken(pins["name"], rows), _taken(pins["group"], rows)
    version = versions(names, groups)
    modified = zip(_taken(pins["modified"], rows), _taken(snapshot.nodes["modified"], node), strict=True)
    return {
        "tag": names,
        "repo": [group or "" for group in groups],
        "version": version,
        "name": version,
        "digest": _taken(snapshot.nodes["key"], node),
        "kind": _taken(snapshot.nodes["kind"], node),
        "platforms": named_platforms(snapshot, node).tolist(),
        "created": _taken(snapshot.nodes["created"], node),
        "modified": [own or blob for own, blob in modified],
        "closure": closure_sizes(snapshot.graph, reaching(snapshot, rows, node)).tolist(),
        "exclusive": exclusive(snapshot, rows).tolist(),
        "same_digest": _others(names, node),
    }


def nodes_named(snapshot: Snapshot, pattern: str) -> NDArray[np.bool_]:
    """Return whether a name on each node matches a pattern; PatternError. Cost: one pass over the names."""
    found = np.zeros(snapshot.nodes.num_rows, np.bool_)
    found[ids(snapshot.pins["node"])[match_rows(snapshot.pins["name"], expression(pattern))]] = True
    return found


def judged(snapshot: Snapshot, nodes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return live, garbage or unknown, as positions in STATUS.

    Unreached blobs are unknown if a reached manifest is unreadable.
    """
    graph = snapshot.graph
    return np.where(live(graph)[nodes], _LIVE, _UNKNOWN if len(unknown(graph)) else _GARBAGE)


def tags_of(snapshot: Snapshot, nodes: NDArray[np.int32]) -> NDArray[np.object_]:
    """Return for each of these nodes the names on it, sorted, as a tuple; also names that do not hold."""
    place = np.full(snapshot.nodes.num_rows, -1, np.int64)
    place[nodes] = np.arange(len(nodes))
    names = snapshot.pins["name"]
    at = place[ids(snapshot.pins["node"])[: len(names) - names.null_count]]
    rows = np.flatnonzero(at >= 0)
    rows = rows[np.argsort(at[rows], kind="stable")]
    found = names.take(arrow(rows)).to_pylist()
    owner, first, number = np.unique(at[rows], return_index=True, return_counts=True)
    result = np.empty(len(nodes), object)
    result[:] = [()] * len(nodes)
    single = number == 1
    ones = np.empty(np.count_nonzero(single), object)
    ones[:] = list(zip([found[i] for i in first[single].tolist()], strict=True))
    result[owner[single]] = ones
    for node, start, many in zip(*(a[~single].tolist() for a in (owner, first, number)), strict=True):
        result[node] = tuple(dict.fromkeys(found[start : start + many]))
    return result


def named_platforms(snapshot: Snapshot, nodes: NDArray[np.int32]) -> NDArray[np.object_]:
    """Return the platforms of each tagged blob: its own, and those of its children."""
    graph = snapshot.graph
    platform = combine(snapshot.nodes["platform"])
    code, vocabulary = np.asarray(platform.indices).astype(np.int64), platform.dictionary.to_pylist()
    different = unique(nodes)
    place = np.arange(len(different))
    below = np.repeat(place, graph.indptr[different + 1] - graph.indptr[different])
    owner = np.concatenate((place, below))
    found = code[np.concatenate((different, take_ranges(graph.indptr, graph.indices, different)))]
    owner, found = np.divmod(unique(owner * len(vocabulary) + found), max(len(vocabulary), 1))
    named = np.array([bool(name) for name in vocabulary], np.bool_)[found]
    sets, which = _sets(owner[named], found[named], len(different))
    shown = np.empty(len(sets), object)
    shown[:] = [tuple(sorted(vocabulary[one] for one in some)) for some in sets]
    result: NDArray[np.object_] = shown[which][np.searchsorted(different, nodes)]
    return result


def reaching(snapshot: Snapshot, rows: NDArray[np.int64], node: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the node where the reach of each of these tags starts: the virtual node that it holds, else `node`."""
    on_virtual = (GOES_ALONG & ~NAMES)[codes(snapshot.pins["kind"])]
    held = np.flatnonzero(snapshot.holding & on_virtual)
    first, every = first_of_name(snapshot), ids(snapshot.pins["node"])
    by_name = np.full(len(every), -1, np.int32)
    by_name[first[held]] = every[held]
    found = by_name[first[rows]]
    return np.where(found < 0, node, found)


def exclusive(snapshot: Snapshot, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bytes freed if the name of each of these pins alone is dropped.

    A name that is the only pin of one node frees what that node frees. A name that shares its node with another pin
    frees nothing. Only names on several nodes need a separate cascade.
    """
    graph, pins = snapshot.graph, snapshot.pins
    holds = np.flatnonzero(snapshot.holding & ~np.asarray(pins["name"].is_null()))
    node, count = ids(pins["node"])[holds], numbers(pins["count"])[holds]
    alone = np.where(graph.pins[node] == count, frees(graph)[node], 0)
    first = first_of_name(snapshot)
    begin = np.flatnonzero(np.diff(first[holds], prepend=-1))
    end = np.append(begin[1:], len(holds))[: len(begin)]
    by_name = np.zeros(len(first), np.int64)  # by the first pin of each name
    by_name[first[holds[begin]]] = np.where(end - begin == 1, alone[begin], 0)
    for at, last in zip(*(some[end - begin > 1].tolist() for some in (begin, end)), strict=True):
        gone = drop_pins(snapshot, holds[at:last], count[at:last])
        by_name[first[holds[at]]] = freed(graph, gone.nodes)[1]
    return by_name[first[rows]]


def _sets(owner: NDArray[np.int64], item: NDArray[np.int64], number: int) -> tuple[list[list[int]], NDArray[np.int64]]:
    """Return the distinct sets of items, and the set of each owner; owners come in order."""
    start = np.searchsorted(owner, np.arange(number + 1))
    size = np.diff(start)
    which = np.zeros(number, np.int64)
    sets: list[list[int]] = [[]]
    for length in unique(size[size > 0]).tolist():
        those = np.flatnonzero(size == length)
        rows = item[start[those][:, None] + np.arange(length)]
        several, back = np.unique(rows, axis=0, return_inverse=True)
        which[those] = len(sets) + back.reshape(-1)
        sets += several.tolist()
    return sets, which


def _others(names: Sequence[str], node: NDArray[np.int32]) -> list[int]:
    """Return for each name the number of other names on the same digest."""
    of_node: dict[int, set[str]] = {}
    for name, place in zip(names, node.tolist(), strict=True):
        of_node.setdefault(place, set()).add(name)
    return [len(of_node[place]) - 1 for place in node.tolist()]


def _places(snapshot: Snapshot, column: str, words: Sequence[str]) -> list[int]:
    """Return the codes of these words in a dictionary column."""
    vocabulary = combine(snapshot.nodes[column]).dictionary.to_pylist()
    return [vocabulary.index(word) for word in words if word in vocabulary]


def _taken(column: pa.ChunkedArray, rows: NDArray[np.integer]) -> list[Any]:
    found: list[Any] = column.take(arrow(rows)).to_pylist()
    return found
