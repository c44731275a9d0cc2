"""Resolve targets to whole names, for a choice that is made name by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.tree import tree
from blobkit.cache import memoized
from blobkit.errors import AmbiguousTargetError, NotPinnedError
from blobkit.questions.inputs.many import in_turn
from blobkit.questions.inputs.targets import selected
from blobkit.render import abbreviate, printable
from blobkit.snapshot.lookups import dropped_with_revisions, dropped_with_second_names, rows_of
from blobkit.snapshot.pins import count_named
from blobkit.snapshot.roles import IS_ALIAS, IS_REVISION
from blobkit.snapshot.sets import union, unique
from blobkit.snapshot.tables import codes, ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.questions.inputs.selection import PinSelection
    from blobkit.questions.inputs.targets import Targets
    from blobkit.snapshot.snapshot import Snapshot

    Ints = NDArray[np.int64]

__all__ = ["names_of", "pins_dropped"]


def names_of(snapshot: Snapshot, targets: tuple[Targets, ...], groups: Targets) -> Ints:
    """Return the names of these targets, as places of `blobkit.analysis.tree`, sorted.

    NotPinnedError for a pin without a name, AmbiguousTargetError for a digest that shares a name with another digest:
    names can only be ticked whole. Else the errors of `resolve`. Cost: as `in_turn`.
    """
    runs = list(in_turn(snapshot, targets))
    plain = [run.names for run in runs]
    others = [text for run in runs for text in run.texts]
    found = unique(np.concatenate((*plain, _names_of_pins(snapshot, selected(snapshot, others, groups=groups)))))
    meant = dropped_with_second_names(snapshot, rows_of(snapshot, found))
    return union(found, tree(snapshot).place_of[meant[snapshot.holding[meant]]].astype(np.int64))


def _names_of_pins(snapshot: Snapshot, found: PinSelection) -> Ints:
    """Return the names of these pins, checked to be whole."""
    rows = found.row
    rows = rows[~IS_ALIAS[codes(snapshot.pins["kind"])[rows]]]
    places = tree(snapshot).place_of[rows]
    _check_named(snapshot, rows[places == tree(snapshot).nameless])
    _check_whole(snapshot, places[snapshot.holding[rows]])
    return unique(places.astype(np.int64))


def pins_dropped(snapshot: Snapshot, ticked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pins are dropped with these names (flags by place): theirs, and the tags that go along."""
    end = count_named(snapshot)
    dropped = np.zeros(snapshot.pins.num_rows, np.bool_)
    dropped[:end] = ticked[tree(snapshot).place_of[:end]]
    revisions = np.flatnonzero(dropped & IS_REVISION[codes(snapshot.pins["kind"])])
    dropped[dropped_with_revisions(snapshot, revisions)] = True
    dropped[dropped_with_second_names(snapshot, np.flatnonzero(dropped))] = True
    return dropped


def _check_named(snapshot: Snapshot, rows: NDArray[np.int64]) -> None:
    if len(rows):
        key = snapshot.key(ids(snapshot.pins["node"])[rows[0]])
        msg = f"{abbreviate(key)} is held by a pin without a name, and only names can be ticked"
        raise NotPinnedError(msg, hint=f"use simulate_deref(x, {key!r})", digest=key)


def _check_whole(snapshot: Snapshot, places: NDArray[np.int32]) -> None:
    """Check that these pins that hold, by place, are all that hold of their names."""
    chosen = np.bincount(places, minlength=tree(snapshot).names)
    lacking = np.flatnonzero((chosen > 0) & (chosen < _pins_of_names(snapshot)))
    if len(lacking):
        name = str(snapshot.pins["name"][int(tree(snapshot).row[lacking[0]])])
        msg = f"{printable(name)} is on several blobs: it can be ticked as a whole, not for one of these blobs"
        raise AmbiguousTargetError(msg, hint=f"tick {name!r}, or use simulate_deref with the digest")


@memoized
def _pins_of_names(snapshot: Snapshot) -> NDArray[np.int64]:
    """Return the number of pins that hold of each name."""
    end = count_named(snapshot)
    return np.bincount(tree(snapshot).place_of[:end][snapshot.holding[:end]], minlength=tree(snapshot).names)
