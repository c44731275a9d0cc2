"""Use of space: bytes by tag, repository, kind or any other group, each blob counted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from blobkit.analysis.groups import shares
from blobkit.analysis.reach import unknown
from blobkit.present.answer import Answer
from blobkit.present.cells import NAME_SHOWN
from blobkit.present.plain import records
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, frame_table
from blobkit.protocols import as_snapshot, draw_answer
from blobkit.questions.inputs.grouping import OF_BLOBS, SPECIAL, UNKNOWN, beside, held, named_by, partition
from blobkit.render import count, human_bytes, truncate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.inputs.choosing import Where
    from blobkit.questions.inputs.grouping import By
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Usage", "usage"]


@dataclass(frozen=True, eq=False, repr=False)
class Usage(Answer):
    """The use of space under the snapshot's policy: the groups by name, then special rows.

    `frame`, int64, index `group`: `blobs` and `closure` (bytes) that the group reaches; `exclusive`: bytes freed if all
    its pins are dropped (by platform: bytes that only its images reach); `shared` = closure - exclusive; `split`: its
    share of the bytes: each blob is apportioned to the k groups that reach it, size // k each; the remaining bytes go,
    one each, to the first groups by name. `beside` (bool): whether the row is a special row, not a group. Special rows
    exist only if they are not empty:

    - `(untagged)`: blobs held by pins without a name, and by no group; `(other)`: the group of pins that `by` maps to
      nothing
    - `(other names)`: blobs held by names that `where` does not choose, and by no group; blobs of both count in the
      groups only
    - `(garbage)`: blobs that nothing reaches; `(unknown)`: the same if a manifest in use is unreadable

    >>> usage = blobkit.usage(demo.small(), by="repo")
    >>> int(usage.frame["split"].sum()), usage.snapshot.bytes
    (28112, 28112)
    """

    snapshot: Snapshot
    by: str
    frame: pd.DataFrame

    @property
    def bytes(self) -> int:
        """The stored bytes: the sum of `split`."""
        return self.snapshot.bytes

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Return axes with a bar for each group, its own bytes and those shared, on `ax` or on a new figure."""
        return draw_answer(self, ax)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {
            "snapshot": self.snapshot.caption(),
            "policy": self.snapshot.policy,
            "by": self.by,
            "bytes": self.bytes,
            "groups": records(self.frame),
        }

    def title(self) -> str:
        """Return the answer in one line."""
        groups = count(int((~self.frame["beside"]).sum()), "group")
        return f"{human_bytes(self.bytes)} by {truncate(self.by, NAME_SHOWN)}: {groups}"

    def _lines(self) -> list[str]:
        lines = [truncate(self.snapshot.caption(), LINE_SHOWN)]
        if UNKNOWN in self.frame.index:
            lines.append("unknown: a manifest in use cannot be read, so nothing unreachable is safe to delete")
        if self.by not in OF_BLOBS and len(unknown(self.snapshot.graph)):
            lines.append("exclusive is an upper bound: a manifest in use cannot be read, and may hold some of it")
        return lines

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the groups with the largest shares, then the special rows that are not empty."""
        frame = self.frame
        is_beside = frame["beside"].to_numpy()
        frame = frame.drop(columns="beside")
        if not frame["shared"].any():  # all columns say the same
            frame = frame[["blobs", "split"]].set_axis(["blobs", "bytes"], axis=1).rename_axis("group")
        groups, others = frame[~is_beside], frame[is_beside]
        share = frame.columns[-1]
        top = groups.sort_values(share, ascending=False, kind="stable")
        return (
            Section("", tuple(self._lines()), frame_table(top, rows=rows, total=[share])),
            Section("In no group", table=frame_table(others)),
        )


def usage(
    x: SupportsSnapshot | Address,
    by: By = "tag",
    *,
    where: Where | None = None,
    policy: str | None = None,
    storage_options: StorageOptions | None = None,
) -> Usage:
    """Return what uses the space, by group; the shares add up to the stored bytes, exactly.

    `by` is "tag" or "repo" (pins that hold are grouped by their name or repository); a function, Series or mapping that
    maps the name of a pin to its group (a Series by the index of `tags_frame`; None or NaN: `(other)`); "platform": a
    layer has the platforms of the manifests above it; blobs without one, such as an index, are in `(other)`; or "kind",
    "media_type", "month" (of `modified`, UTC), which group the blobs themselves: each blob has one group, `(other)` if
    the value is unknown.

    `where` chooses the names that count: a bool mask over `tags_frame` (a Series with its index, or an array), a
    pattern (`"*-rc*"`, `"re:..."`), or names. Then `exclusive` is the bytes freed if the chosen names of a group are
    dropped while all others stay; blobs that only the others hold are in the row `(other names)`.

    `storage_options` as in `scan`. Errors: as `scan`, GroupingError, ChoiceError, UnknownTargetError, PatternError.
    Cost: the nodes that each group reaches, and their links.

    >>> usage = blobkit.usage(demo.small(), by=lambda tag: tag.split("/")[0])  # by team
    >>> usage.frame["split"].nlargest(3).to_dict()
    {'shop': 18112, 'data': 6710, 'base': 3290}
    """
    name, snapshot = named_by(by), as_snapshot(x, policy, storage_options)
    parts = partition(snapshot, by, where)
    frame = _of_groups(snapshot, by, where) if parts is None else _whole(parts)
    is_beside = frame.index.isin(SPECIAL)
    rest = frame[is_beside].reindex([name for name in SPECIAL if name in frame.index])
    rest = rest[rest.any(axis=1)]
    whole = pd.concat([frame[~is_beside].assign(beside=False), rest.assign(beside=True)])
    return Usage(snapshot, name, whole.set_axis(whole.index.astype("str")).rename_axis("group"))


def _of_groups(snapshot: Snapshot, by: By, where: Where | None) -> pd.DataFrame:
    found = held(snapshot, by, where)
    share = shares(snapshot.graph, found.reach, found.alone)
    columns = {"blobs": share.blobs, "closure": share.closure, "exclusive": share.exclusive}
    columns |= {"shared": share.closure - share.exclusive, "split": share.split}
    groups = pd.DataFrame(columns, index=found.names)
    return pd.concat([groups, _whole(beside(snapshot, found))])


def _whole(parts: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of parts that share nothing."""
    size = parts["bytes"]
    return pd.DataFrame(
        {"blobs": parts["blobs"], "closure": size, "exclusive": size, "shared": 0 * size, "split": size}
    )
