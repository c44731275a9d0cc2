"""Check the rows of a snapshot in parts, batch by batch: all that `tables.make` and `checks` check of a whole one.

A batch is forgotten when it is checked. What is kept between batches: the last key, and sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from blobkit.errors import SnapshotFormatError
from blobkit.render import truncate
from blobkit.snapshot.checks import again, check_again, check_keys
from blobkit.snapshot.columns import arrow, combine, text, times, vocabulary_dictionary, whole_numbers
from blobkit.snapshot.references import LINK_KINDS, PIN_KINDS
from blobkit.snapshot.tables import MOST, exact_sum, make, numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from blobkit.snapshot.records import Kind

    Columns = Mapping[str, pa.ChunkedArray]

__all__ = ["Checks"]

_SHOWN = 100


class Checks:
    """The checks of the batches of one snapshot: first all nodes, then links, pins and notices.

    Each method returns the batch as a table with the columns and types of `Tables`, but with ids of int64;
    SnapshotFormatError tells what is wrong.
    """

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.number = self.references = self.again = 0
        self.sums: dict[str, int] = {}
        self._last: str | None = None

    def nodes(self, columns: Columns) -> pa.Table:
        """Return checked nodes; their keys follow those of the batch before, and so do their ids, if they have any."""
        table = make(columns, {"source": [], "target": []}, {"node": []}).nodes
        check_keys(table["key"], table["stored"], self.kind.key_form)
        ids = np.arange(self.number, self.number + table.num_rows)
        self._in_order(combine(columns["key"]))
        if "id" in columns and not np.array_equal(np.asarray(combine(columns["id"])), ids):
            msg = "the ids of the nodes are not their rows, so that links and pins could mean other nodes"
            raise SnapshotFormatError(msg)
        for name in {"size", "disk"} & set(table.column_names):
            self._sum(name, exact_sum(numbers(table[name])))
        self.number += table.num_rows
        return table.set_column(0, "id", arrow(ids))

    def links(self, columns: Columns, begin: int, end: int) -> pa.Table:
        """Return checked links from the nodes `begin` to `end` - 1."""
        source, target = (whole_numbers(columns[name], "a node of a link") for name in ("source", "target"))
        self._inside(source, "link", begin, end)
        self._inside(target, "link", 0, self.number)
        self._refer(len(source))
        kind = vocabulary_dictionary(columns["kind"], LINK_KINDS, "link kind", len(source))
        return pa.table({"source": _wide(source), "target": _wide(target), "kind": kind})

    def pins(self, columns: Columns, begin: int, end: int) -> pa.Table:
        """Return checked pins on the nodes `begin` to `end` - 1."""
        node = whole_numbers(columns["node"], "a node of a pin")
        count: NDArray[np.int64] = whole_numbers(columns["count"], "a count").astype(np.int64, copy=False)
        self._inside(node, "pin", begin, end)
        if (count < 0).any():
            msg = "a pin has a negative count"
            raise SnapshotFormatError(msg)
        self._refer(exact_sum(count))
        table = {
            "node": _wide(node),
            "name": text(columns["name"]),
            "kind": vocabulary_dictionary(columns["kind"], PIN_KINDS, "pin kind", len(node)),
            "group": text(columns["group"]),
            "count": arrow(count),
            "modified": times(columns["modified"], len(node)),
        }
        if not any(policy.counting for policy in self.kind.policies):
            self.again += again(pa.chunked_array([table["count"]]))
            check_again(self.again)
        return pa.table(table)

    def notices(self, columns: Columns) -> pa.Table:
        """Return notices, with their texts in the type of the table."""
        return pa.table({name: text(columns[name]) for name in ("code", "key", "path", "message")})

    def _in_order(self, key: pa.Array) -> None:
        """Check that keys are sorted, and each is there once: in this batch, and after the last one."""
        if not len(key):
            return
        first = key[0].as_py()
        rises = len(key) == 1 or pc.all(pc.less(key[:-1], key[1:])).as_py()
        if not rises or (self._last is not None and first <= self._last):
            msg = f"the nodes are not in the order of their keys, each once (after {truncate(first, _SHOWN)})"
            raise SnapshotFormatError(msg)
        self._last = key[len(key) - 1].as_py()

    def _inside(self, node: NDArray[np.integer], noun: str, begin: int, end: int) -> None:
        """Check that nodes exist, and are in a part."""
        if not len(node) or (node.min() >= begin and node.max() < end):
            return
        exists = node.min() >= 0 and node.max() < self.number
        msg = f"a {noun} is in the part of other nodes" if exists else f"a {noun} refers to a node that does not exist"
        raise SnapshotFormatError(msg)

    def _sum(self, name: str, more: int) -> None:
        total = self.sums[name] = self.sums.get(name, 0) + more
        if total > MOST:
            msg = f"the sizes sum to {total:,} bytes, more than can be counted ({MOST:,})"
            raise SnapshotFormatError(msg)

    def _refer(self, more: int) -> None:
        self.references += more
        if self.references > MOST:
            msg = f"the pins and links are {self.references:,} references, more than can be counted ({MOST:,})"
            raise SnapshotFormatError(msg)


def _wide(ids: NDArray[np.integer]) -> pa.Array:
    return arrow(ids.astype(np.int64, copy=False))
