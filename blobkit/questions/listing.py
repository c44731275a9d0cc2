"""Blobs and tags as plain columns, without pandas: the commands that list them start fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.dominators import retained
from blobkit.analysis.named import frees_named
from blobkit.analysis.owners import owners_at_first
from blobkit.analysis.reach import closure_sizes, live, unknown
from blobkit.questions.inputs.patterns import expression
from blobkit.snapshot.columns import arrow, combine
from blobkit.snapshot.pins import first_of_name, name_numbers, named_nodes, tag_rows, versions
from blobkit.snapshot.roles import CONTAINS, GOES_ALONG, IS_SECOND, NAMES
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import STORED, codes, ids, match_rows

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
    "same_digest",
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
        "frees": frees_named(snapshot)[nodes],
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
    node = named_nodes(snapshot)[rows]
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
        "closure": closure_sizes(snapshot.graph, reaching(snapshot, rows)).tolist(),
        "exclusive": exclusive(snapshot, rows).tolist(),
        "same_digest": same_digest(snapshot, rows).tolist(),
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
    at = place[named_nodes(snapshot)[: len(names) - names.null_count]]
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
    """Return the platforms of each tagged blob: its own, and those of its children. Cost: one pass over the links."""
    different = unique(nodes)
    platform = combine(snapshot.nodes["platform"])
    code, vocabulary = np.asarray(platform.indices).astype(np.int64), platform.dictionary.to_pylist()
    owner, node = _with_one(snapshot, different, np.array([bool(name) for name in vocabulary], np.bool_)[code])
    owner, found = np.divmod(unique(owner * len(vocabulary) + code[node]), max(len(vocabulary), 1))
    sets, which = _sets(owner, found, len(different))
    shown = np.empty(len(sets), object)
    shown[:] = [tuple(sorted(vocabulary[one] for one in some)) for some in sets]
    result: NDArray[np.object_] = shown[which][np.searchsorted(different, nodes)]
    return result


def _with_one(
    snapshot: Snapshot, nodes: NDArray[np.int32], has_one: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return (position in `nodes`, node) for these sorted nodes and their children that have a platform."""
    asked = np.zeros(len(has_one), np.bool_)
    asked[nodes] = True
    source, target = ids(snapshot.links["source"]), ids(snapshot.links["target"])
    links = np.flatnonzero(CONTAINS[codes(snapshot.links["kind"])] & asked[source] & has_one[target])
    own = nodes[has_one[nodes]]
    return np.searchsorted(nodes, np.concatenate((own, source[links]))), np.concatenate((own, target[links]))


def same_digest(snapshot: Snapshot, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many other names the blob of each of these pins, which are in order, has."""
    node, name = named_nodes(snapshot)[rows], name_numbers(snapshot)[rows]
    again = np.zeros(len(rows), np.bool_)
    again[1:] = (node[1:] == node[:-1]) & (name[1:] == name[:-1])
    found: NDArray[np.int64] = np.bincount(node[~again], minlength=snapshot.nodes.num_rows)[node] - 1
    return found


def reaching(snapshot: Snapshot, rows: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the node where the reach of each of these tags starts: the virtual node that it holds, else its own."""
    on_virtual = (GOES_ALONG & ~NAMES)[codes(snapshot.pins["kind"])]
    held = np.flatnonzero(snapshot.holding & on_virtual)
    first, every = first_of_name(snapshot), ids(snapshot.pins["node"])
    by_name = np.full(len(every), -1, np.int32)
    by_name[first[held]] = every[held]
    found = by_name[first[rows]]
    return np.where(found < 0, every[rows], found)


def exclusive(snapshot: Snapshot, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the bytes freed if the name of each of these pins alone is dropped."""
    number, pins = name_numbers(snapshot), snapshot.pins
    asked = number[rows]
    idle = np.flatnonzero(IS_SECOND[codes(pins["kind"])[rows]] & ~snapshot.holding[rows])
    if len(idle):  # they mean the names that hold their nodes
        node, held = ids(pins["node"]), np.flatnonzero(snapshot.holding[: len(number)])
        meant = np.full(snapshot.nodes.num_rows, -1, np.int32)
        meant[node[held]] = number[held]
        asked[idle] = np.where(meant[node[rows[idle]]] < 0, asked[idle], meant[node[rows[idle]]])
    found: NDArray[np.int64] = owners_at_first(snapshot).bytes[asked]
    return found


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


def _places(snapshot: Snapshot, column: str, words: Sequence[str]) -> list[int]:
    """Return the codes of these words in a dictionary column."""
    vocabulary = combine(snapshot.nodes[column]).dictionary.to_pylist()
    return [vocabulary.index(word) for word in words if word in vocabulary]


def _taken(column: pa.ChunkedArray, rows: NDArray[np.integer]) -> list[Any]:
    found: list[Any] = column.take(arrow(rows)).to_pylist()
    return found
