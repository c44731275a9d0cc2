"""Sharing: bytes by the exact set of groups that reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.groups import classes, pairs
from blobkit.present.answer import Answer
from blobkit.present.cells import NAME_SHOWN
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, frame_table
from blobkit.protocols import as_snapshot, draw_answer
from blobkit.questions.inputs.grouping import MORE, SPECIAL, beside, held, named_by, partition
from blobkit.render import count, human_bytes, truncate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

    from blobkit.analysis.groups import Classes
    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.inputs.grouping import By, Held
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Sharing", "sharing"]

PAIRED = 32
NAMES_LISTED = 10_000_000
"""The most names in all sets together: without this limit, groups that reach one another could fill the memory."""


@dataclass(frozen=True, eq=False, repr=False)
class Sharing(Answer):
    """Bytes by the exact set of groups that reach them, under the snapshot's policy.

    - `frame`: `groups` (tuple of names, sorted), `blobs`, `bytes` (int64), biggest first; they add up to the
      stored bytes. Blobs that no group reaches are in the rows `(untagged)`, `(unknown)` and `(garbage)`; `(other)` is
      the group of pins that `by` maps to nothing. If the sets have more than 10,000,000 names, the smallest sets are
      one row `(more)`
    - `shared_bytes`: the bytes that two groups or more reach, those in the row `(more)` included
    - `pairs`: the bytes that both groups of a pair reach, on the diagonal the bytes of one group; of many groups, the
      32 that reach most

    The sets also have blobs that a pin without a name, or the garbage of a counting store, holds too: see `usage` for
    freed bytes.

    >>> sharing = blobkit.sharing(demo.small(), by="repo")
    >>> int(sharing.frame["bytes"].sum()), sharing.snapshot.bytes
    (28112, 28112)
    """

    snapshot: Snapshot
    by: str
    frame: pd.DataFrame
    pairs: pd.DataFrame
    shared_bytes: int

    @property
    def bytes(self) -> int:
        """The stored bytes: the sum of `frame["bytes"]`."""
        return self.snapshot.bytes

    @property
    def _several(self) -> pd.Series:
        return self.frame["groups"].map(len) > 1

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Return axes with the picture of the answer: `blobkit.plot.sharing`, on `ax` or on a new figure."""
        return draw_answer(self, ax)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {
            "snapshot": self.snapshot.caption(),
            "policy": self.snapshot.policy,
            "by": self.by,
            "bytes": self.bytes,
            "shared_bytes": self.shared_bytes,
            "sets": [
                {"groups": list(groups), "blobs": blobs, "bytes": size}
                for groups, blobs, size in self.frame.itertuples(index=False)
            ],
            "pairs": {"groups": self.pairs.index.tolist(), "bytes": self.pairs.to_numpy().tolist()},
        }

    def title(self) -> str:
        """Return the answer in one line."""
        shared = f"{human_bytes(self.shared_bytes)} of {human_bytes(self.bytes)}"
        return f"{shared} are shared by {truncate(self.by, NAME_SHOWN)}, in {count(int(self._several.sum()), 'set')}"

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the biggest sets of groups."""
        sets = frame_table(self.frame, rows=rows, total=("blobs", "bytes"))
        lines = (truncate(self.snapshot.caption(), LINE_SHOWN),)
        return (Section("", lines, sets),)

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the pairs of different groups that share most."""
        matrix = self.pairs.to_numpy()
        first, second = np.nonzero(np.triu(matrix, 1))
        order = np.argsort(-matrix[first, second], kind="stable")
        first, second = first[order], second[order]
        names = self.pairs.index.to_numpy(object)
        pairs = {"group": names[first], "with": names[second], "bytes": matrix[first, second]}
        return (Section("Shared by two groups", table=frame_table(pd.DataFrame(pairs), rows=rows)),)


def sharing(
    x: SupportsSnapshot | Address,
    by: By = "repo",
    *,
    policy: str | None = None,
    storage_options: StorageOptions | None = None,
) -> Sharing:
    """Return the bytes that groups share: bytes by the exact set of groups that reach them.

    `by` as in `usage`, `storage_options` as in `scan`. Errors: as `scan`, GroupingError. Cost: the nodes that each
    group reaches and their links, and a sort of the blobs.

    >>> sharing = blobkit.sharing(demo.small(), by="repo")
    >>> int(sharing.pairs.loc["data/etl", "shop/web"])  # bytes that both use
    4834
    """
    name, snapshot = named_by(by), as_snapshot(x, policy, storage_options)
    parts = partition(snapshot, by)
    if parts is not None:
        return Sharing(snapshot, name, _sorted([_single(parts)]), _diagonal(parts), 0)
    found = held(snapshot, by)
    made = classes(snapshot.graph, found.reach)
    frame = _sorted([*_sets(found, made), _single(beside(snapshot, found))])
    shared = int(made.bytes[made.number > 1].sum())
    return Sharing(snapshot, name, frame, _pairs(snapshot, found), shared)


def _sets(found: Held, made: Classes) -> Iterator[pd.DataFrame]:
    """Yield the sets of groups, biggest first, as long as their names fit; then all others as one."""
    most = int(np.searchsorted(np.cumsum(made.number), NAMES_LISTED, "right"))
    start, groups = found.reach.members(made.node[:most])
    names = found.names.to_numpy(object)[groups]
    sets = [tuple(names[a:b]) for a, b in zip(start[:-1].tolist(), start[1:].tolist(), strict=True)]
    yield _frame(sets, made.blobs[:most], made.bytes[:most])
    if most < len(made.node):
        yield _frame([(MORE,)], made.blobs[most:].sum(keepdims=True), made.bytes[most:].sum(keepdims=True))


def _single(parts: pd.DataFrame) -> pd.DataFrame:
    """Return parts as sets of one group."""
    return _frame([(str(name),) for name in parts.index], parts["blobs"], parts["bytes"])


def _frame(sets: list[tuple[str, ...]], blobs: object, size: object) -> pd.DataFrame:
    groups = np.empty(len(sets), object)
    groups[:] = sets
    return pd.DataFrame({"groups": groups, "blobs": np.asarray(blobs), "bytes": np.asarray(size)})


def _sorted(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Return the sets, biggest first, then by name."""
    whole = pd.concat(parts, ignore_index=True)
    order = sorted(range(len(whole)), key=list(zip(-whole["bytes"], whole["groups"], strict=True)).__getitem__)
    return whole.iloc[order].reset_index(drop=True)


def _pairs(snapshot: Snapshot, found: Held) -> pd.DataFrame:
    """Return the matrix of the groups that reach most, largest first."""
    (closure,) = found.reach.sums(snapshot.graph.size)
    top = np.argsort(-closure, kind="stable")[:PAIRED].astype(np.int32)
    index = found.names[top].rename("group")
    return pd.DataFrame(pairs(snapshot.graph, found.reach, top), index=index, columns=index.rename("with"))


def _diagonal(parts: pd.DataFrame) -> pd.DataFrame:
    """Return the matrix of groups that share nothing, the largest first."""
    size = parts["bytes"][~parts.index.isin(SPECIAL)].sort_values(ascending=False, kind="stable").head(PAIRED)
    index = pd.Index(size.index, dtype="str", name="group")
    return pd.DataFrame(np.diag(size.to_numpy()), index=index, columns=index.rename("with"))
