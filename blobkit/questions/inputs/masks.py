"""Masks over `tags_frame` as targets: an array of flags, or a Series of flags with the names as its index."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import pandas as pd

from blobkit.cache import memoized
from blobkit.errors import ChoiceError
from blobkit.render import count
from blobkit.snapshot.pins import tag_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["is_mask", "masked_rows", "tag_index"]


def is_mask(target: object) -> TypeGuard[NDArray[np.bool_] | pd.Series]:
    """Return whether a target is a mask: flags, or objects that are all flags or missing, as masks of text are."""
    if isinstance(target, pd.Series) and target.dtype == object:
        return len(target) > 0 and all(isinstance(one, bool | np.bool_) or pd.isna(one) for one in target.unique())
    return isinstance(target, np.ndarray | pd.Series) and pd.api.types.is_bool_dtype(target.dtype)


def masked_rows(snapshot: Snapshot, mask: NDArray[np.bool_] | pd.Series) -> NDArray[np.int64]:
    """Return the rows of the pin table that a mask over `tags_frame` selects; ChoiceError if it does not fit.

    A Series selects by its index, an array by position. Missing values select nothing. Cost: a pass over the tags; a
    look-up for each if the index is another one than that of `tags_frame`.
    """
    rows, index = tag_rows(snapshot), tag_index(snapshot)
    if isinstance(mask, pd.Series):
        flags: NDArray[np.bool_] = mask.fillna(value=False).to_numpy(np.bool_)
        if not mask.index.equals(index):
            flags = _found(index, mask.index[flags], mask.index)
    else:
        flags = np.asarray(mask, np.bool_)
    if len(flags) != len(rows):
        tags = count(len(rows), "row")
        msg = f"the mask has {len(flags):,} flags, but tags_frame(x) has {tags}: make it from that frame"
        raise ChoiceError(msg)
    return rows[flags]


@memoized
def tag_index(snapshot: Snapshot) -> pd.Index[str]:
    """Return the index of `tags_frame`."""
    names = snapshot.pins["name"].take(tag_rows(snapshot)).to_pandas().astype("str")
    index: pd.Index[str] = pd.Index(names.array, name="tag")
    return index


def _found(index: pd.Index[str], names: pd.Index[str], every: pd.Index[str]) -> NDArray[np.bool_]:
    """Return which tags are among these names; ChoiceError if none of the tags is among all names of the mask."""
    if len(index) and not index.isin(every).any():
        msg = "the mask has none of the store's tags in its index: make it from tags_frame(x)"
        raise ChoiceError(msg)
    found: NDArray[np.bool_] = index.isin(names)
    return found
