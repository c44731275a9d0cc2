"""The growth of a store: bytes added each month and still stored, or the sizes of several snapshots."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.errors import DiffError
from blobkit.protocols import SupportsSnapshot, as_snapshot, as_snapshots
from blobkit.questions.columns import times
from blobkit.render import join_some

if TYPE_CHECKING:
    from blobkit.protocols import Address, StorageOptions
    from blobkit.snapshot.snapshot import Snapshot

    One = SupportsSnapshot | Address

__all__ = ["growth", "several"]


def growth(x: One | Iterable[One], *, storage_options: StorageOptions | None = None) -> pd.DataFrame:
    """Return one row for each month (index `month`, a Period) from the first to the last modification of a blob.

    - `new`: bytes of the blobs modified in that month (UTC) and still stored; `total`: of all up to its end (int64)
    - `unknown`: bytes of stored blobs with an unknown time, equal in every row: `total` of the last month plus
      `unknown` is all that is stored. If no time is known, there is one row, for the month of the snapshot

    Deleted blobs are in no month. Several snapshots of a store (a list, in any order) show what was really stored: one
    row for each, by their times (index `time`, UTC): `new` is the difference to the one before, which can be negative
    (the first: all), `total` the bytes stored; `unknown` is 0. `storage_options` as in
    `scan`. DiffError for different kinds of stores, errors of `scan`. Cost: a pass over the blobs.

    >>> growth = blobkit.growth(demo.small())  # one month: all blobs are new
    >>> growth["new"].tolist(), growth["total"].tolist()
    ([28112], [28112])
    """
    if isinstance(x, str | os.PathLike | SupportsSnapshot):
        return _by_month(as_snapshot(x, storage_options=storage_options))
    return _measured(as_snapshots(several(x), storage_options=storage_options))


def several(x: One | Iterable[One]) -> Iterable[One]:
    """Return several stores as they are given; TypeError for anything else, such as a frame."""
    return [as_snapshot(x)] if isinstance(x, pd.DataFrame) or not isinstance(x, Iterable) else x


def _by_month(snapshot: Snapshot) -> pd.DataFrame:
    nodes = np.flatnonzero(snapshot.graph.blob).astype(np.int32)
    month = times(snapshot, "modified", nodes).tz_localize(None).to_period("M")
    size = pd.Series(snapshot.graph.size[nodes], month)
    known = size[month.notna()]
    now = pd.Period(snapshot.time.strftime("%Y-%m"))
    first, last = (known.index.min(), known.index.max()) if len(known) else (now, now)
    index = pd.period_range(first, last, freq="M", name="month")
    return _frame(known.groupby(level=0).sum().reindex(index, fill_value=0), int(size.sum() - known.sum()))


def _measured(snapshots: list[Snapshot]) -> pd.DataFrame:
    kinds = sorted({snapshot.kind for snapshot in snapshots})
    if len(kinds) > 1:
        msg = f"the snapshots have different kinds of stores ({join_some(kinds)}): give snapshots of one store"
        raise DiffError(msg)
    snapshots = sorted(snapshots, key=lambda snapshot: snapshot.time)
    index = pd.DatetimeIndex([snapshot.time for snapshot in snapshots], dtype="datetime64[us, UTC]", name="time")
    total = np.array([snapshot.bytes for snapshot in snapshots], np.int64)
    return _frame(pd.Series(np.diff(total, prepend=0), index), 0)


def _frame(new: pd.Series, unknown: int) -> pd.DataFrame:
    columns = {"new": new, "total": new.cumsum(), "unknown": np.full(len(new), unknown, np.int64)}
    return pd.DataFrame(columns, index=new.index).astype("int64")
