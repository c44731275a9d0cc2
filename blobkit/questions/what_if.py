"""What-if: tick names, and see at once what dropping them frees, and what each other name would free in addition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.firsts import first_rows
from blobkit.analysis.owners import owners_at_first, reached, totals_of, update_owners
from blobkit.analysis.tree import NO_PLACE, RANKS, tree
from blobkit.errors import Hint, UnknownTargetError
from blobkit.present.answer import Answer
from blobkit.present.plain import records
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, frame_table
from blobkit.protocols import as_snapshot
from blobkit.questions.inputs.targets import flattened, resolve_names
from blobkit.questions.inputs.ticking import names_of, pins_dropped
from blobkit.questions.naming import NO_NAMESPACE, NO_REPOSITORY
from blobkit.questions.preview import Preview, preview_of
from blobkit.render import count, human_bytes, truncate
from blobkit.snapshot.sets import where
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas.core.arrays.string_ import BaseStringArray as TextArray

    from blobkit.analysis.owners import Owners
    from blobkit.analysis.tree import Tree
    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.inputs.selection import PinSelection
    from blobkit.questions.inputs.targets import Targets
    from blobkit.snapshot.snapshot import Snapshot

    Bools = NDArray[np.bool_]
    Ids = NDArray[np.int32]
    Ints = NDArray[np.int64]

__all__ = ["Ticked", "WhatIf", "what_if"]

NAMELESS, STORE = "(pins without a name)", "(several namespaces)"


@dataclass(frozen=True, eq=False)
class Ticked:
    """The names that are ticked, and what follows: `names` has a flag for each name of the tree.

    `dropped`: which pins are dropped with them; `owners`: the owners while only the others hold.
    """

    snapshot: Snapshot
    names: Bools
    dropped: Bools
    owners: Owners

    @classmethod
    def nothing(cls, snapshot: Snapshot) -> Ticked:
        """Return the start: nothing is ticked."""
        names, pins = np.zeros(tree(snapshot).names, np.bool_), np.zeros(snapshot.pins.num_rows, np.bool_)
        return cls(snapshot, names, pins, owners_at_first(snapshot))

    def toggled(self, names: Ints) -> Ticked:
        """Return what follows after these names are ticked, or unticked if they are ticked."""
        ticked = self.names.copy()
        ticked[names] = ~ticked[names]
        if not ticked.any():
            return self.nothing(self.snapshot)
        dropped, holding = pins_dropped(self.snapshot, ticked), self.snapshot.holding
        changed = np.flatnonzero(holding & (dropped != self.dropped))
        owners = update_owners(self.snapshot, self.owners, holding & ~dropped, changed)
        return Ticked(self.snapshot, ticked, dropped, owners)

    @cached_property
    def pins(self) -> PinSelection:
        """The pins of the ticked names, and those that a registry drops with them."""
        return resolve_names(self.snapshot, np.flatnonzero(self.names))

    @cached_property
    def preview(self) -> Preview | None:
        """The preview of dropping them together, None if nothing is ticked."""
        return preview_of(self.snapshot, self.pins) if self.names.any() else None

    @cached_property
    def kept(self) -> tuple[Ints, Ints, Ints]:
        """The places that keep what stays of what the ticked names reach, with the bytes and blobs of each."""
        nodes = reached(self.snapshot.graph, ids(self.snapshot.pins["node"])[self.dropped])
        size, blobs = totals_of(self.snapshot.graph, self.owners.owner, nodes, len(tree(self.snapshot).parent))
        places = np.flatnonzero(blobs)
        return places, size[places], blobs[places]

    @cached_property
    def gone(self) -> Ids:
        """The nodes that are kept while nothing is ticked, and that go."""
        before, after = owners_at_first(self.snapshot).owner, self.owners.owner
        return where((before != NO_PLACE) & (after == NO_PLACE))


class WhatIf(Answer):
    """Names of a store to tick and untick; each figure is exact for what is ticked.

    - `ticked`: the names, sorted; `preview`: what dropping them together frees, as `simulate_deref` says, None if
      nothing is ticked
    - `alone`, `next`: for each name that holds under the policy the bytes that dropping it alone frees, and the bytes
      that it frees in addition to what is ticked (int64, index `tag`)
    - `keepers`: who keeps what stays of the ticked names; `last_keepers`: names that free more now than alone

    `alone` and `next` are upper bounds, as a preview is, while a manifest in use cannot be read. Cost: nodes + links at
    the start; then the nodes below the names that were ticked or unticked.

    >>> what_if = blobkit.what_if(demo.small())
    >>> what_if.tick("shop/web:1.0")
    >>> what_if.preview.bytes, int(what_if.alone["shop/web:1.1"]), int(what_if.next["shop/web:1.1"])
    (1669, 1680, 3700)
    """

    _internal = frozenset(
        (
            "can_redo",
            "can_undo",
            "first_name",
            "now",
            "owner_name",
            "start",
            "toggle",
            "tree",
        )
    )

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.now = Ticked.nothing(snapshot)
        self._past: list[Ints] = []
        self._future: list[Ints] = []

    def tick(self, *targets: Targets, groups: Targets = ()) -> None:
        """Tick names: targets as for `simulate_deref`, masks over `tags_frame` too, and whole repositories (`groups`).

        Names are ticked whole: AmbiguousTargetError for a digest that is one of several with one name, NotPinnedError
        for a pin without a name. Else the errors of `simulate_deref`.
        """
        names = self._named(targets, groups)
        self.toggle(names[~self.now.names[names]])

    def untick(self, *targets: Targets, groups: Targets = ()) -> None:
        """Untick names: targets as for `tick`; names that are not ticked stay as they are."""
        names = self._named(targets, groups)
        self.toggle(names[self.now.names[names]])

    def undo(self) -> bool:
        """Take the last `tick` or `untick` back; return whether there was one."""
        return self._step(self._past, self._future)

    def redo(self) -> bool:
        """Do again what `undo` took back; return whether there was something."""
        return self._step(self._future, self._past)

    @property
    def ticked(self) -> tuple[str, ...]:
        """The ticked names, sorted; as targets they are always names."""
        return self.now.pins.names

    @property
    def preview(self) -> Preview | None:
        """The preview of dropping the ticked names together, as `simulate_deref` returns it; None if there is none."""
        return self.now.preview

    @property
    def alone(self) -> pd.Series:
        """The bytes that dropping each name alone frees, by name: int64."""
        return self._by_name(self.start.bytes).rename("alone")

    @property
    def next(self) -> pd.Series:
        """The bytes that each name frees in addition to what is ticked, by name: int64, 0 where ticked."""
        return self._by_name(self.now.owners.bytes).rename("next")

    @property
    def keepers(self) -> pd.DataFrame:
        """One row for each owner of blobs that the ticked names reach and that stay, the one of most bytes first.

        `owner`: the lowest place that alone keeps these blobs: a tag, a repository (several of its tags do), a
        namespace (several of its repositories do), pins without a name, or the whole store; `place`: which of these;
        `bytes`, `blobs`: int64.
        """
        order = np.lexsort((self.now.kept[0], -self.now.kept[1]))
        places, size, blobs = (column[order] for column in self.now.kept)
        owner = [self.owner_name(place) for place in places.tolist()]
        frame = pd.DataFrame({"owner": owner, "place": self._levels(places)}, dtype="str")
        return frame.assign(bytes=size, blobs=blobs)

    @property
    def last_keepers(self) -> pd.DataFrame:
        """One row for each name that frees more in addition to what is ticked than alone, the greatest `extra` first.

        `tag`; `bytes`: freed in addition; `alone`: freed if it alone is dropped; `extra`: `bytes` - `alone` (int64).
        """
        size, alone = (found[: self.tree.names] for found in (self.now.owners.bytes, self.start.bytes))
        names = np.flatnonzero((size > alone) & ~self.now.names)
        names = names[np.lexsort((names, -size[names], alone[names] - size[names]))]
        columns = {"tag": self._texts(names), "bytes": size[names], "alone": alone[names]}
        return pd.DataFrame(columns | {"extra": size[names] - alone[names]})

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        names = pd.DataFrame({"alone": self.alone, "next": self.next})
        return {
            "snapshot": self.snapshot.caption(),
            "policy": self.snapshot.policy,
            "ticked": list(map(str, self.ticked)),
            "preview": None if self.preview is None else self.preview.to_dict(),
            "keepers": records(self.keepers),
            "last_keepers": records(self.last_keepers),
            "names": records(names),
        }

    def title(self) -> str:
        """Return the answer in one line."""
        if self.preview is not None:
            return self.preview.title()
        alone, live = human_bytes(int(self.alone.sum())), human_bytes(int(self.start.bytes.sum()))
        names = count(len(self.alone), "name")
        return f"Nothing is ticked ({names}): {live} are in use, {alone} of them are kept by one name alone"

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the names that free most now, and those that free more than alone."""
        lines = (truncate(self.snapshot.caption(), LINE_SHOWN),)
        frame = pd.DataFrame({"alone": self.alone, "next": self.next})
        top = frame[frame["next"] > 0].sort_values("next", ascending=False, kind="stable")
        last = Section("These free more now than alone", table=frame_table(self.last_keepers, rows=rows))
        return Section("", lines, frame_table(top, rows=rows)), *((last,) if self.now.names.any() else ())

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return who keeps what stays of the ticked names."""
        return (Section("Who keeps what stays", table=frame_table(self.keepers, rows=rows, total=("bytes", "blobs"))),)

    def toggle(self, names: Ints) -> None:
        """Tick these names (places), or untick those that are ticked, as one step that can be undone."""
        if len(names):
            self.now = self.now.toggled(names)
            self._past.append(names)
            self._future.clear()

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return bool(self._future)

    @property
    def tree(self) -> Tree:
        """The places of the store."""
        return tree(self.snapshot)

    @property
    def start(self) -> Owners:
        """The owners while nothing is ticked."""
        return owners_at_first(self.snapshot)

    def first_name(self, node: int) -> int:
        """Return the name with the smallest closure that reaches a node, as a place; NO_PLACE if none does."""
        row = int(first_rows(self.snapshot)[node])
        return NO_PLACE if row < 0 else int(self.tree.place_of[row])

    def owner_name(self, place: int) -> str:
        """Return the name of a place; special places are in brackets."""
        tree = self.tree
        if place < tree.names:
            return str(self.snapshot.pins["name"][int(tree.row[place])])
        if place < tree.first_namespace:
            return tree.repositories[place - tree.names] or NO_REPOSITORY
        if place < tree.nameless:
            return tree.namespaces[place - tree.first_namespace] or NO_NAMESPACE
        return NAMELESS if place == tree.nameless else STORE

    def _named(self, targets: tuple[Targets, ...], groups: Targets) -> Ints:
        repositories = tuple(flattened(groups))
        if not targets and not repositories:
            msg = "no target"
            raise UnknownTargetError(msg, hint=Hint("give names, a mask over tags_frame, or groups=(repository,)", ""))
        return names_of(self.snapshot, targets, repositories)

    def _step(self, done: list[Ints], other: list[Ints]) -> bool:
        if not done:
            return False
        self.now = self.now.toggled(done[-1])
        other.append(done.pop())
        return True

    def _texts(self, names: Ints) -> TextArray[None]:
        text: TextArray[None] = pd.array(self.snapshot.pins["name"].take(self.tree.row[names]), dtype="str")
        return text

    @cached_property
    def _index(self) -> pd.Index[str]:
        index: pd.Index[str] = pd.Index(self._texts(np.flatnonzero(self.tree.holds)), name="tag")
        return index

    def _by_name(self, size: Ints) -> pd.Series:
        return pd.Series(size[: self.tree.names][self.tree.holds], self._index)

    def _levels(self, places: Ints) -> list[str]:
        return [RANKS[rank] for rank in self.tree.rank[places].tolist()]


def what_if(
    x: SupportsSnapshot | Address, *, policy: str | None = None, storage_options: StorageOptions | None = None
) -> WhatIf:
    """Return the names of a store to tick: what dropping them would free, and each other name in addition.

    Nothing is written anywhere. `storage_options` as in `scan`. Errors: as `scan`, UnknownPolicyError. Cost: nodes +
    links.

    >>> what_if = blobkit.what_if(demo.small())
    >>> what_if.tick("shop/web:1.0")
    >>> what_if.last_keepers.to_dict("records")
    [{'tag': 'shop/web:1.1', 'bytes': 3700, 'alone': 1680, 'extra': 2020}]
    """
    return WhatIf(as_snapshot(x, policy, storage_options))
