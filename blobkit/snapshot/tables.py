"""The fact tables of a snapshot as Arrow tables: their columns, their order, their invariants.

Facts of 10M blobs stay in columns: no row becomes a Python object here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blobkit.errors import SnapshotFormatError
from blobkit.render import to_utf8, truncate
from blobkit.snapshot.columns import (
    TEXT,
    arrow,
    combine,
    dictionary,
    flags_of,
    text,
    text_dictionary,
    times,
    vocabulary_dictionary,
    whole_numbers,
)
from blobkit.snapshot.packing import sorted_links
from blobkit.snapshot.references import LINK_KINDS, PIN_KINDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Dictionary = tuple[NDArray[np.int32], Sequence[str]]
    """A dictionary column: codes, and the texts that they index."""
    Columns = Mapping[str, ArrayLike | Dictionary]

__all__ = [
    "DOCUMENTS",
    "KINDS",
    "MOST",
    "NODE_LIMIT",
    "STORED",
    "Notice",
    "Tables",
    "codes",
    "exact_sum",
    "flags",
    "ids",
    "index_in",
    "make",
    "match_rows",
    "numbers",
    "regex_error",
    "same_as_before",
    "with_notices",
]

DOCUMENTS = frozenset({"index", "manifest", "artifact"})
"""The kinds of nodes that are manifests of any sort; a registry deletes these by digest."""
KINDS = (
    "index",
    "manifest",
    "config",
    "layer",
    "artifact",
    "blob",
    "snapshot",
    "image",
    "container",
    "volume",
    "cache",
    "file",
    "unknown",
)
STORED = ("yes", "missing", "foreign", "inline", "virtual")

NODE_LIMIT = 1 << 30
_PIECE = 1 << 16
_SHOWN = 200
MOST = (1 << 63) - 1
"""The largest sum of sizes, and of counts: all sums in answers fit int64."""

Notice = tuple[str, str, str, str]
"""A maker's notice: (code, key or name or "", path or "", message)."""


@dataclass(frozen=True, slots=True)
class Tables:
    """The four fact tables, each a pyarrow.Table (pandas, polars and duckdb read it directly).

    - nodes, by key: `id` int32 (= row), `key` str, `size` int64 (bytes stored), `kind`, `media_type`, `platform`
      dictionary, `created`, `modified` timestamp[us, UTC] or null, `stored` dictionary, `opaque` bool;
      only for stores whose nodes are files or directories with files: `disk` int64 (bytes that they take on disk)
    - links, by source, target, kind: `source`, `target` int32 (node ids), `kind` dictionary
    - pins, by name (null last), node: `node` int32, `name` str or null, `kind` dictionary, `group` str or null,
      `count` int64, `modified` timestamp[us, UTC] or null
    - notices: `code`, `key`, `path`, `message` str
    """

    nodes: pa.Table
    links: pa.Table
    pins: pa.Table
    notices: pa.Table


def make(nodes: Columns, links: Columns, pins: Columns, notices: Sequence[Notice] | Columns = ()) -> Tables:
    """Return the fact tables from these columns, with rows in any order; SnapshotFormatError says what is wrong.

    Columns are lists, numpy or Arrow arrays; an absent column gets the value for unknown. Links and pins refer to
    nodes by position. Links are a set: repeated ones are merged. Cost: a sort of the keys and of the links.
    """
    key = text(nodes["key"])
    order = _order(key)
    rank = np.arange(len(key), dtype=np.int32)
    if order is not None:
        rank[order] = np.arange(len(key), dtype=np.int32)
    tables = Tables(
        _nodes(nodes, key, order),
        _links(links, rank, in_order=order is None),
        _pins(pins, rank),
        _notices(notices),
    )
    _check_counts(tables)
    return tables


def with_notices(tables: Tables, notices: Sequence[Notice]) -> Tables:
    """Return the same tables with more notices."""
    return replace(tables, notices=pa.concat_tables([tables.notices, _notices(notices)]))


def numbers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """Return a column of int64 as a read-only numpy array."""
    return np.asarray(combine(column))


def ids(column: pa.ChunkedArray) -> NDArray[np.int32]:
    """Return a column of node ids as a read-only numpy array."""
    return np.asarray(combine(column))


def flags(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return a column of booleans as a numpy array."""
    return np.asarray(combine(column))


def codes(column: pa.ChunkedArray) -> NDArray[np.int8]:
    """Return the codes of a dictionary column: positions in its vocabulary."""
    return np.asarray(combine(column).indices)


def match_rows(column: pa.ChunkedArray, expression: str) -> NDArray[np.int64]:
    """Return the rows with a text that matches a regular expression (RE2: linear time for any expression)."""
    matches = pc.match_substring_regex(column, expression).fill_null(False)  # noqa: FBT003 (it takes no keyword)
    return np.flatnonzero(np.asarray(matches))


def regex_error(expression: str) -> str:
    """Return why RE2 rejects a regular expression, "" if it accepts it."""
    try:
        pc.match_substring_regex(pa.array([""], TEXT), expression)
    except (ValueError, pa.ArrowException) as error:
        return str(error).partition("\n")[0].removeprefix("Invalid regular expression: ")
    return ""


def same_as_before(column: pa.ChunkedArray) -> NDArray[np.bool_]:
    """Return whether each text equals the previous one; False for the first."""
    whole = combine(column)
    again = np.asarray(pc.equal(whole[1:], whole[:-1])) if len(whole) > 1 else np.empty(0, np.bool_)
    return np.append(np.zeros(min(1, len(whole)), np.bool_), again)


def index_in(keys: pa.ChunkedArray, among: pa.ChunkedArray) -> NDArray[np.int32]:
    """Return the row of each key in a column of unique keys, -1 if it is absent. Cost: a look-up for each key."""
    return np.asarray(pc.index_in(combine(keys), value_set=combine(among)).fill_null(-1))


def _nodes(columns: Columns, key: pa.Array, order: NDArray[np.int64] | None) -> pa.Table:
    n = len(key)
    if n >= NODE_LIMIT:
        msg = f"{n:,} nodes are more than a snapshot can hold ({NODE_LIMIT:,})"
        raise SnapshotFormatError(msg)
    table = pa.table(
        {
            "key": key,
            "size": arrow(whole_numbers(columns["size"], "a size").astype(np.int64, copy=False)),
            "kind": vocabulary_dictionary(columns.get("kind", "unknown"), KINDS, "kind", n),
            "media_type": text_dictionary(columns.get("media_type"), n),
            "platform": text_dictionary(columns.get("platform"), n),
            "created": times(columns.get("created"), n),
            "modified": times(columns.get("modified"), n),
            "stored": vocabulary_dictionary(columns.get("stored", "yes"), STORED, "stored", n),
            "opaque": arrow(flags_of(columns.get("opaque", False), n, "opaque")),
            **({"disk": _disk(columns["disk"])} if "disk" in columns else {}),
        }
    )
    if order is not None:
        table = table.take(arrow(order))
    table = table.add_column(0, "id", arrow(np.arange(n, dtype=np.int32)))
    _check_nodes(table)
    return table


def _disk(values: ArrayLike | Dictionary) -> pa.Array:
    """Return the bytes that files take on disk as a column; SnapshotFormatError if one is negative."""
    found = whole_numbers(values, "a size on disk").astype(np.int64, copy=False)
    if (found < 0).any() or exact_sum(found) > MOST:
        msg = "the sizes on disk are negative, or sum to more than can be counted"
        raise SnapshotFormatError(msg)
    return arrow(found)


def _check_nodes(table: pa.Table) -> None:
    """Check the invariants: unique keys, no negative size, bytes only for stored nodes, a total that fits int64."""
    key, size = combine(table["key"]), numbers(table["size"])
    same = np.flatnonzero(np.asarray(pc.equal(key[1:], key[:-1]))) if len(key) > 1 else np.empty(0, np.int64)
    if len(same):
        msg = f"the node {truncate(key[int(same[0])].as_py(), _SHOWN)} is listed twice"
        raise SnapshotFormatError(msg)
    wrong = np.flatnonzero((size < 0) | ((size > 0) & (codes(table["stored"]) != STORED.index("yes"))))
    if len(wrong):
        shown = truncate(key[int(wrong[0])].as_py(), _SHOWN)
        msg = f"the node {shown} has an impossible size ({size[wrong[0]]:,} bytes)"
        raise SnapshotFormatError(msg)
    if (total := exact_sum(size)) > MOST:
        msg = f"the sizes sum to {total:,} bytes, more than can be counted ({MOST:,}): look for large sparse files"
        raise SnapshotFormatError(msg)


def exact_sum(numbers: NDArray[np.int64]) -> int:
    """Return the exact sum of numbers >= 0, even if it exceeds int64."""
    if float(np.sum(numbers, dtype=np.float64)) < 1 << 62:
        return int(numbers.sum())
    return (int((numbers >> 32).sum()) << 32) + int((numbers & 0xFFFF_FFFF).sum())


def _check_counts(tables: Tables) -> None:
    """Check that the total of pins and links fits int64."""
    if (total := exact_sum(numbers(tables.pins["count"])) + tables.links.num_rows) > MOST:
        msg = f"the pins and links are {total:,} references, more than can be counted ({MOST:,})"
        raise SnapshotFormatError(msg)


def _notices(notices: Sequence[Notice] | Columns) -> pa.Table:
    names = ("code", "key", "path", "message")
    if isinstance(notices, Mapping):
        return pa.table({name: text(notices[name]) for name in names})
    columns = ([to_utf8(notice[i]) for notice in notices] for i in range(len(names)))
    return pa.table({name: pa.array(column, TEXT) for name, column in zip(names, columns, strict=True)})


def _links(columns: Columns, rank: NDArray[np.int32], *, in_order: bool) -> pa.Table:
    """Return the links as a sorted set."""
    source = _positions(columns["source"], rank, "link", in_order=in_order)
    target = _positions(columns["target"], rank, "link", in_order=in_order)
    kind = np.asarray(vocabulary_dictionary(columns.get("kind", "link"), LINK_KINDS, "link kind", len(source)).indices)
    if len(source) != len(target):
        msg = f"{len(source):,} link sources and {len(target):,} targets"
        raise SnapshotFormatError(msg)
    if not _ascending(source, target, kind):
        source, target, kind = sorted_links((source, target, kind), len(rank), len(LINK_KINDS))
    return pa.table({"source": arrow(source), "target": arrow(target), "kind": dictionary(kind, LINK_KINDS)})


def _ascending(source: NDArray[np.int32], target: NDArray[np.int32], kind: NDArray[np.int8]) -> bool:
    """Return whether links are a sorted set already, as in saved snapshots; checks them piece by piece."""
    for at in range(0, len(source) - 1, _PIECE):
        s, t, k = (column[at : at + _PIECE + 1] for column in (source, target, kind))
        after = (t[1:] > t[:-1]) | ((t[1:] == t[:-1]) & (k[1:] > k[:-1]))
        if not ((s[1:] > s[:-1]) | ((s[1:] == s[:-1]) & after)).all():
            return False
    return True


def _pins(columns: Columns, rank: NDArray[np.int32]) -> pa.Table:
    node = _positions(columns["node"], rank, "pin")
    n = len(node)
    count = np.broadcast_to(whole_numbers(columns.get("count", 1), "a count").astype(np.int64, copy=False), n)
    if (count < 0).any():
        msg = "a pin has a negative count"
        raise SnapshotFormatError(msg)
    table = pa.table(
        {
            "node": arrow(node),
            "name": text(columns.get("name", [None] * n)),
            "kind": vocabulary_dictionary(columns.get("kind", "pin"), PIN_KINDS, "pin kind", n),
            "group": text(columns.get("group", [None] * n)),
            "count": arrow(count),
            "modified": times(columns.get("modified"), n),
        }
    )
    return table.take(_order_of_pins(table))


def _order_of_pins(table: pa.Table) -> pa.Array:
    """Return the rows sorted by name, then node; those without a name come last, sorted by number only."""
    named = np.asarray(pc.is_valid(combine(table["name"])))
    nameless, rows = np.flatnonzero(~named), np.flatnonzero(named)
    keys = table.select(["name", "node"]).take(arrow(rows))
    by_name = np.asarray(pc.sort_indices(keys, [("name", "ascending"), ("node", "ascending")]))
    return arrow(np.concatenate([rows[by_name], nameless[np.argsort(ids(table["node"])[nameless], kind="stable")]]))


def _positions(
    values: ArrayLike | Dictionary, rank: NDArray[np.int32], noun: str, *, in_order: bool = False
) -> NDArray[np.int32]:
    """Return the sorted node ids of these positions; without a look-up if the nodes are in order."""
    position = whole_numbers(values, f"a node of a {noun}")
    if len(position) and not (position.min() >= 0 and position.max() < len(rank)):
        msg = f"a {noun} refers to a node that does not exist"
        raise SnapshotFormatError(msg)
    return position.astype(np.int32, copy=False) if in_order else np.take(rank, position)


def _order(key: pa.Array) -> NDArray[np.int64] | None:
    """Return the positions of the keys in sorted order; None if they are sorted already."""
    if key.null_count:
        msg = "a node has no key"
        raise SnapshotFormatError(msg)
    if len(key) < 2 or pc.all(pc.less(key[:-1], key[1:])).as_py():  # noqa: PLR2004 (nothing to compare)
        return None
    return np.asarray(pc.sort_indices(key)).astype(np.int64)
