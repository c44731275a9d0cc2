"""Use of space: bytes by tag, repository, kind or any other group, each blob paid for once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from blobkit.analysis.groups import shares
from blobkit.analysis.reach import unknown
from blobkit.protocols import as_snapshot
from blobkit.questions.asking.grouping import OF_BLOBS, SPECIAL, UNKNOWN, beside, held, named_by, partition
from blobkit.questions.shown import LINE_SHOWN, NAME_SHOWN, ROWS_SHOWN, Shown
from blobkit.questions.summary import records
from blobkit.render import count, cut, human_bytes

if TYPE_CHECKING:
    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.asking.choosing import Where
    from blobkit.questions.asking.grouping import By
    from blobkit.questions.shown import Cells
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Usage", "usage"]


@dataclass(frozen=True, eq=False, repr=False)
class Usage(Shown):
    """The use of space under the snapshot's policy: the groups by name, then the rows beside them.

    `frame`, int64, index `group`: `blobs` and `closure` (bytes) that the group reaches; `exclusive`: bytes that go if
    all its pins are dropped (by platform: all its images); `shared` = closure - exclusive; `split`: its share of the
    bytes, where each blob is dealt to the k groups that reach it, size // k each and what is left one byte each by
    sorted name. `beside` (bool): whether the row stands beside the groups, of which there are those that are not empty:

    - `(untagged)` what pins without a name hold, and no group; `(other)` the group of all that `by` maps to nothing
    - `(other names)` what names hold that `where` leaves out, and no group: what both hold, the groups pay for alone
    - `(garbage)` what nothing reaches; `(unknown)` the same while a manifest in use is unreadable
    """

    snapshot: Snapshot
    by: str
    frame: pd.DataFrame

    @property
    def bytes(self) -> int:
        """The stored bytes: the sum of `split`."""
        return self.snapshot.bytes

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
        return f"{human_bytes(self.bytes)} by {cut(self.by, NAME_SHOWN)}: {groups}"

    def _lines(self) -> list[str]:
        lines = [cut(self.snapshot.caption(), LINE_SHOWN)]
        if UNKNOWN in self.frame.index:
            lines.append("unknown: a manifest in use cannot be read, so nothing unreachable is safe to delete")
        if self.by not in OF_BLOBS and len(unknown(self.snapshot.graph)):
            lines.append("exclusive is an upper bound: a manifest in use cannot be read, and may hold some of it")
        return lines

    def _table(self) -> Cells:
        """Return the groups with the largest shares, then the rows beside the groups that are not empty, as cells."""
        frame = self.frame
        is_beside = frame["beside"].to_numpy()
        frame = frame.drop(columns="beside")
        if not frame["shared"].any():  # all columns say the same
            frame = frame[["blobs", "split"]].set_axis(["blobs", "bytes"], axis=1)
        groups, beside_them = frame[~is_beside], frame[is_beside]
        share = frame.columns[-1]
        top = groups.sort_values(share, ascending=False, kind="stable").head(ROWS_SHOWN)
        rows = _cells(top)
        if len(groups) > len(top):
            rest = human_bytes(int(groups[share].sum() - top[share].sum()))
            rows.append((f"and {len(groups) - len(top):,} more", *[""] * (len(frame.columns) - 1), rest))
        header = ("group", *frame.columns)
        return header, rows + _cells(beside_them), frozenset(header[1:])


def usage(
    x: SupportsSnapshot | Address, by: By = "tag", *, where: Where | None = None, policy: str | None = None
) -> Usage:
    """Return what uses the space, by group; the shares add up to the stored bytes, exactly.

    `by` is "tag" or "repo" (pins that hold are grouped by their name or repository); a function, Series or mapping that
    gives the name of a pin its group (a Series by the index of `tags_frame`; None or NaN: `(other)`); "platform": a
    layer has the platforms of the manifests above it, and what has none, as an index has, goes to `(other)`; or "kind",
    "media_type", "month" (of `modified`, UTC), which sort the blobs themselves into groups: no blob is in two, one of
    which it is not known goes to `(other)`.

    `where` chooses the names that count: a bool mask over `tags_frame` (a Series with its index, or an array), a
    pattern (`"*-rc*"`, `"re:..."`), or names. Then `exclusive` is what goes if the chosen names of a group are dropped
    while all others stay, and what only the others hold is the row `(other names)`.

    Errors: what `scan` raises, GroupingError, ChoiceError, UnknownTargetError, PatternError. Cost: what each group
    reaches, and its links.
    """
    name, snapshot = named_by(by), as_snapshot(x)
    snapshot = snapshot if policy is None else snapshot.with_policy(policy)
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


def _cells(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    return [
        (cut(str(group), NAME_SHOWN), f"{blobs:,}", *map(human_bytes, sizes))
        for group, blobs, *sizes in frame.itertuples()
    ]
