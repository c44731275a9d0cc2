"""Batches of rows from numpy columns, as `blobkit.snapshot.parts.writing` takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from blobkit.snapshot.columns import TEXT, arrow, dictionary, times
from blobkit.snapshot.parts.writing import compact
from blobkit.snapshot.references import LINK_KINDS, PIN_KINDS
from blobkit.snapshot.tables import make

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from blobkit.snapshot.tables import Columns, Notice

__all__ = ["links", "nodes", "notices", "pins"]

_NO_LINKS: dict[str, list[int]] = {"source": [], "target": []}
_NO_PINS: dict[str, list[int]] = {"node": []}


def nodes(columns: Columns) -> pa.Table:
    """Return nodes, which are in the order of their keys."""
    return compact(make(columns, _NO_LINKS, _NO_PINS).nodes.drop_columns("id"))


def links(
    source: NDArray[np.signedinteger], target: NDArray[np.signedinteger], kind: NDArray[np.signedinteger]
) -> pa.Table:
    """Return links, which are in order; kinds are positions in the vocabulary of snapshots."""
    ids = (arrow(column.astype(np.int64, copy=False)) for column in (source, target))
    return pa.table(dict(zip(("source", "target", "kind"), (*ids, dictionary(kind, LINK_KINDS)), strict=True)))


def pins(columns: Mapping[str, NDArray[Any]]) -> pa.Table:
    """Return pins, sorted by node; on each node those with a name are in the order given, before others.

    Columns: `node`, `name`, `kind` (position in the vocabulary), `group`, `count`; `modified` in microseconds, or none.
    """
    nameless = np.array([name is None for name in columns["name"]], np.bool_)
    order = np.lexsort((nameless, columns["node"]))
    node, kind, count = (columns[name][order] for name in ("node", "kind", "count"))
    name, group = (pa.array(columns[one][order], TEXT) for one in ("name", "group"))
    when = columns["modified"][order] if "modified" in columns else None
    kinds, modified = dictionary(kind, PIN_KINDS), times(when, len(order))
    names = ("node", "name", "kind", "group", "count", "modified")
    table = (arrow(node.astype(np.int64)), name, kinds, group, arrow(count), modified)
    return pa.table(dict(zip(names, table, strict=True)))


def notices(rows: Sequence[Notice]) -> pa.Table:
    """Return notices."""
    return make({"key": [], "size": []}, _NO_LINKS, _NO_PINS, rows).notices
