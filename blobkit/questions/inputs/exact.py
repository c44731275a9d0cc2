"""Exact names as places: no patterns, no digests, nothing guessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.errors import UnknownTargetError
from blobkit.questions.inputs.unknown import NAMES_COMPARED, nearest
from blobkit.render import truncate
from blobkit.snapshot.lookups import numbers_of, texts_of
from blobkit.snapshot.pins import name_starts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["places_named"]

SHOWN = 200


def places_named(snapshot: Snapshot, names: Iterable[str]) -> NDArray[np.bool_]:
    """Return which places of `blobkit.analysis.tree` these names are; UnknownTargetError, with the nearest, for a typo.

    Cost: a look-up for each name.
    """
    wanted, number = list(names), len(name_starts(snapshot))
    found = numbers_of(snapshot, wanted)
    if (found < 0).any():
        name = wanted[int(np.argmax(found < 0))]
        near = nearest(name, texts_of(snapshot, np.arange(min(number, NAMES_COMPARED))))
        msg = f"nothing here is named {truncate(name, SHOWN)!r}{near}"
        raise UnknownTargetError(msg)
    chosen = np.zeros(number, np.bool_)
    chosen[found] = True
    return chosen
