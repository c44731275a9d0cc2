"""Changes between two snapshots: every blob with its cause, and the bytes that it adds or takes away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.reach import live, unknown
from blobkit.errors import DiffError, GroupingError, Hint
from blobkit.present.answer import Answer
from blobkit.present.cells import NAME_SHOWN
from blobkit.present.plain import records
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, frame_table
from blobkit.protocols import as_snapshots, draw_answer
from blobkit.questions.columns import categorical, keys, tags, words
from blobkit.questions.inputs.grouping import OF_PINS, held, named_by
from blobkit.render import count, join_some, signed_bytes, truncate
from blobkit.snapshot.roles import GOES_ALONG, IS_ALIAS, IS_REVISION, IS_SECOND, IS_TWIN, NAMES
from blobkit.snapshot.tables import codes, ids, index_in

if TYPE_CHECKING:
    from typing import TypeVar

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.inputs.grouping import By
    from blobkit.snapshot.snapshot import Snapshot

    Number = TypeVar("Number", np.int8, np.int64)

__all__ = ["CAUSES", "STATES", "Diff", "cause_of", "diff"]

STATES = ("absent", "garbage", "live in one group", "live in several")
CAUSES = (
    "added",
    "added as garbage",
    "removed",
    "collected",
    "became garbage",
    "revived",
    "became shared",
    "lost its sharing",
    "unchanged",
)
_CAUSE = np.array(
    [
        [CAUSES.index(cause) for cause in row]
        for row in (
            ("unchanged", "added as garbage", "added", "added"),
            ("collected", "unchanged", "revived", "revived"),
            ("removed", "became garbage", "unchanged", "became shared"),
            ("removed", "became garbage", "lost its sharing", "unchanged"),
        )
    ],
    np.int8,
)
"""The cause by the state before (row) and after (column), in the order of STATES."""


def cause_of(before: int, after: int) -> str:
    """Return the cause by two states, as positions in STATES."""
    return CAUSES[int(_CAUSE[before, after])]


@dataclass(frozen=True, eq=False)
class _Side:
    """The facts of one snapshot about all blobs of both: node (-1: none), state, number of groups, stored bytes."""

    snapshot: Snapshot
    node: NDArray[np.int32]
    state: NDArray[np.int8]
    groups: NDArray[np.int64]
    size: NDArray[np.int64]

    def only(self, rows: NDArray[np.int64]) -> _Side:
        """Return these rows of it."""
        return _Side(self.snapshot, self.node[rows], self.state[rows], self.groups[rows], self.size[rows])


@dataclass(frozen=True, eq=False, repr=False)
class Diff(Answer):
    """The changes from `before` to `after`; falsy if no blob and no name changed.

    Each blob has one state in each snapshot: absent (not stored), garbage (not reached; also `fresh` or `unknown`),
    live in one group, live in several. Groups are those of `by`; blobs held only by pins without a name count as in one
    group. The cause is the pair of states.

    - `frame`: one row for each cause (index `cause`): `blobs`, `bytes` (their size), `net` (int64): + the size of new
      blobs, - the size of removed blobs, else 0. The sum of `net` is exactly the change of the stored bytes: a blob
      whose size changed by damage has that difference

    >>> changes = blobkit.diff(demo.small(), demo.small())
    >>> changes.net, len(changes.tags)
    (0, 0)
    """

    _internal = frozenset(("new", "old"))

    before: Snapshot
    after: Snapshot
    by: str
    old: _Side
    new: _Side

    @property
    def net(self) -> int:
        """The change of the stored bytes."""
        return self.after.bytes - self.before.bytes

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row for each cause: blobs, bytes, net."""
        columns = {"blobs": np.ones(len(self._cause), np.int64), "bytes": self._size, "net": self._net}
        totals = {name: np.zeros(len(CAUSES), np.int64) for name in columns}
        for name, values in columns.items():
            np.add.at(totals[name], self._cause, values)
        return pd.DataFrame(totals, index=pd.Index(CAUSES, dtype="str", name="cause"))

    @cached_property
    def blobs(self) -> pd.DataFrame:
        """One row for each blob that changed (index `digest`, sorted); `len` is their number.

        `before`, `after` (states), `cause`, `size`, `net`, `kind`, `tags_before`, `tags_after` (tuples of
        the names on it), `groups_before`, `groups_after` (how many groups reach it).
        """
        rows = self._changed
        digest = _text([(side.snapshot, "key", nodes) for side, nodes in self._named(rows)])
        frame = {
            "before": categorical(self.old.state[rows], STATES),
            "after": categorical(self.new.state[rows], STATES),
            "cause": categorical(self._cause[rows], CAUSES),
            "size": self._size[rows],
            "net": self._net[rows],
            "kind": _text([(side.snapshot, "kind", nodes) for side, nodes in self._named(rows)]).array,
            "tags_before": _tags(self.old, rows),
            "tags_after": _tags(self.new, rows),
            "groups_before": self.old.groups[rows],
            "groups_after": self.new.groups[rows],
        }
        return pd.DataFrame(frame, index=pd.Index(digest, name="digest")).sort_index()

    @cached_property
    def tags(self) -> pd.DataFrame:
        """One row for each changed name (index `tag`): `change` (added, removed, moved), the digests `before`, `after`.

        A name on several blobs has all of their digests, sorted, in one text.
        """
        return _moved(self.before, self.after)

    def __len__(self) -> int:
        """Return the number of blobs that changed."""
        return len(self._changed)

    def __bool__(self) -> bool:
        """Return whether any blob or name changed."""
        return len(self) > 0 or len(self.tags) > 0

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Return axes with a bar for each cause: bytes that came, went or changed, on `ax` or on a new figure."""
        return draw_answer(self, ax)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {
            "before": self.before.caption(),
            "after": self.after.caption(),
            "policy": self.after.policy,
            "by": self.by,
            "net": self.net,
            "causes": records(self.frame),
            "blobs": records(self.blobs.astype({"before": "str", "after": "str", "cause": "str"})),
            "tags": records(self.tags),
        }

    def title(self) -> str:
        """Return the answer in one line."""
        names = count(len(self.tags), "name")
        return f"{count(len(self), 'blob')} changed, {signed_bytes(self.net)} stored; {names} changed"

    @cached_property
    def _cause(self) -> NDArray[np.int8]:
        found: NDArray[np.int8] = _CAUSE[self.old.state, self.new.state]
        return found

    @cached_property
    def _size(self) -> NDArray[np.int64]:
        return np.where(self.new.state > 0, self.new.size, self.old.size)

    @cached_property
    def _net(self) -> NDArray[np.int64]:
        return self.new.size - self.old.size

    @cached_property
    def _changed(self) -> NDArray[np.int64]:
        return np.flatnonzero((self._cause != CAUSES.index("unchanged")) | (self._net != 0))

    def _named(self, rows: NDArray[np.int64]) -> list[tuple[_Side, NDArray[np.int32]]]:
        """Return the nodes of these rows, in their order: first those in `before`, then the others."""
        known = self.old.node[rows] >= 0
        return [(self.old, self.old.node[rows[known]]), (self.new, self.new.node[rows[~known]])]

    def _lines(self) -> list[str]:
        lines = [f"before: {self.before.caption()}", f"after:  {self.after.caption()}", f"groups: by {self.by}"]
        if self.after.time < self.before.time:
            lines.append("after is older than before: is the order of the two right?")
        for name, snapshot in (("before", self.before), ("after", self.after)):
            if len(unknown(snapshot.graph)):
                lines.append(f"{name}: a manifest in use cannot be read, and may hold some of the garbage")
        damaged = int(np.count_nonzero((self.old.state > 0) & (self.new.state > 0) & (self._net != 0)))
        if damaged:
            lines.append(f"{count(damaged, 'blob')} changed in size under the same digest: damaged before or after")
        for change in ("added", "removed", "moved"):
            names = self.tags.index[self.tags["change"] == change]
            if len(names):
                shown = join_some([truncate(str(name), NAME_SHOWN) for name in names[:3]])
                more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""  # noqa: PLR2004 (as many are named)
                lines.append(f"names {change}: {shown}{more}")
        return [truncate(line, LINE_SHOWN) for line in lines]

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:  # noqa: ARG002 (there are few causes)
        """Return the causes that occur."""
        return (Section("", tuple(self._lines()), frame_table(self.frame[self.frame["blobs"] > 0])),)

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the biggest blobs and the names that changed."""
        blobs = self.blobs.sort_values("size", ascending=False, kind="stable")
        columns = ("digest", "size", "net", "cause", "tags_before", "tags_after")
        return (
            Section("Changed blobs, the biggest first", table=frame_table(blobs, columns, rows=rows)),
            Section("Changed names", table=frame_table(self.tags, rows=rows)),
        )


def diff(
    before: SupportsSnapshot | Address,
    after: SupportsSnapshot | Address,
    *,
    by: By = "tag",
    policy: str | None = None,
    storage_options: StorageOptions | None = None,
) -> Diff:
    """Return the changes from one snapshot to another of the same kind of store, under the same policy.

    `by` defines the groups, as in `usage`: "tag", "repo", a function, Series or mapping of the names of pins.
    `storage_options` as in `scan`, for both addresses, or for the one of a store on another machine.
    Errors: as `scan`, DiffError for different kinds or policies, GroupingError. Cost: as `usage` of both,
    and one look-up for each blob.

    >>> store = demo.small()
    >>> before = store.snapshot()
    >>> freed = store.untag("shop/web:1.0")
    >>> blobkit.diff(before, store).net == -freed.bytes
    True
    """
    name = named_by(by)
    old, new = as_snapshots([before, after], policy, storage_options)
    for what, one, two in (("kind", old.kind, new.kind), ("policy", old.policy, new.policy)):
        if one != two:
            several = {"kind": "kinds", "policy": "policies"}[what]
            msg = f"{old.caption()} and {new.caption()} have different {several}: {one} and {two} cannot be compared"
            policy_of_both = Hint(f"give policy={one!r}", f"give --policy {one}")
            raise DiffError(msg, hint=policy_of_both if what == "policy" else "give two snapshots of one store")
    if isinstance(by, str) and by not in OF_PINS:
        msg = f"a diff groups by the names of pins, not by {by}"
        hint = Hint("use 'tag', 'repo', a function or a Series", "use --by tag or --by repo")
        raise GroupingError(msg, hint=hint)
    old_node, new_node = _joined(old, new)
    sides = _side(old, by, old_node), _side(new, by, new_node)
    stored = np.flatnonzero((sides[0].state > 0) | (sides[1].state > 0))
    return Diff(old, new, name, *(side.only(stored) for side in sides))


def _joined(old: Snapshot, new: Snapshot) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the nodes of both snapshots in pairs of equal keys, -1 if one is missing: those of `old` first."""
    place = index_in(old.nodes["key"], new.nodes["key"])
    left = np.ones(new.nodes.num_rows, np.bool_)
    left[place[place >= 0]] = False
    alone = np.flatnonzero(left).astype(np.int32)
    known = np.arange(old.nodes.num_rows, dtype=np.int32)
    return np.concatenate([known, np.full(len(alone), -1, np.int32)]), np.concatenate([place, alone])


def _side(snapshot: Snapshot, by: By, node: NDArray[np.int32]) -> _Side:
    """Return the facts about these nodes (-1: none); the state is 0 if a node is not a stored blob."""
    graph = snapshot.graph
    groups = held(snapshot, by).reach.number
    state = np.where(live(graph), np.where(groups > 1, 3, 2), 1).astype(np.int8)
    state[~graph.blob] = 0
    return _Side(snapshot, node, _at(state, node), _at(groups, node), _at(graph.size, node))


def _at(column: NDArray[Number], node: NDArray[np.int32]) -> NDArray[Number]:
    """Return the value of each of these nodes, 0 for none."""
    found: NDArray[Number] = np.append(column, column.dtype.type(0))[node]
    return found


def _text(parts: list[tuple[Snapshot, str, NDArray[np.int32]]]) -> pd.Series:
    """Return a column of several snapshots, one after the other, as text."""
    found = [keys(one, nodes) if name == "key" else words(one, name, nodes) for one, name, nodes in parts]
    return pd.concat([pd.Series(part, dtype="str") for part in found], ignore_index=True)


def _tags(side: _Side, rows: NDArray[np.int64]) -> NDArray[np.object_]:
    """Return the names on the blob of each row, none if it is missing."""
    node = side.node[rows]
    found = np.empty(len(rows), object)
    found[:] = [()] * len(rows)
    found[node >= 0] = tags(side.snapshot, node[node >= 0])
    return found


def _names(snapshot: Snapshot) -> pd.Series:
    """Return the digests of each name, as one text, by name."""
    pins = snapshot.pins
    is_name = (
        np.asarray(pins["name"].is_valid())
        & (NAMES | ~(IS_REVISION | GOES_ALONG | IS_ALIAS | IS_TWIN | IS_SECOND))[codes(pins["kind"])]
    )
    rows = np.flatnonzero(is_name)
    name = pd.Index(pins["name"].take(rows).to_pandas().astype("str"), name="tag")
    digest = pd.Series(keys(snapshot, ids(pins["node"])[rows]), index=name)
    again = name.duplicated(keep=False)
    several = digest[again].groupby(level=0).agg(lambda digests: " ".join(sorted(set(digests))))
    named: pd.Series = pd.concat([digest[~again], several])
    return named


def _moved(before: Snapshot, after: Snapshot) -> pd.DataFrame:
    """Return one row for each name that is in one snapshot only, or has other digests."""
    both = pd.concat([_names(before).rename("before"), _names(after).rename("after")], axis=1).sort_index()
    both = both[~(both["before"] == both["after"])]
    change = np.select([both["before"].isna(), both["after"].isna()], [0, 1], 2)
    both["change"] = categorical(change, ("added", "removed", "moved"))
    return both[["change", "before", "after"]].fillna({"before": "", "after": ""}).rename_axis("tag")
