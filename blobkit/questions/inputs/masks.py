"""Masks over `tags_frame` as targets: an array, Index or list of flags, or a Series with the names as its index."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from blobkit.cache import memoized
from blobkit.errors import ChoiceError
from blobkit.render import count
from blobkit.snapshot.pins import tag_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Mask = NDArray[np.bool_] | pd.Series | pd.Index[bool] | ExtensionArray | list[bool]

__all__ = ["is_mask", "masked_rows", "tag_index"]


def is_mask(target: object) -> TypeGuard[Mask]:
    """Return whether a target is a mask: flags, or objects that are all flags or missing, as masks of text are."""
    if isinstance(target, list):
        return any(isinstance(one, bool | np.bool_) for one in target[:1]) and all(map(_is_flag, target))
    if not isinstance(target, np.ndarray | pd.Series | pd.Index | ExtensionArray):
        return False
    if target.dtype != object:
        return pd.api.types.is_bool_dtype(target.dtype)
    return len(target) > 0 and all(map(_is_flag, target.tolist()))


def _is_flag(value: object) -> bool:
    """Return whether an object is True, False or missing."""
    is_missing = value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))
    return is_missing or isinstance(value, bool | np.bool_)


def masked_rows(snapshot: Snapshot, mask: Mask) -> NDArray[np.int64]:
    """Return the rows of the pin table that a mask over `tags_frame` selects; ChoiceError if it does not fit.

    A Series selects by its index, other masks by position. Missing values select nothing. Cost: a pass over the tags; a
    look-up for each if the index is another one than that of `tags_frame`.
    """
    rows, index = tag_rows(snapshot), tag_index(snapshot)
    if isinstance(mask, pd.Series):
        flags: NDArray[np.bool_] = mask.fillna(value=False).to_numpy(np.bool_)
        if not mask.index.equals(index):
            flags = _found(index, mask.index[flags], mask.index)
    else:
        values = mask if isinstance(mask, np.ndarray) else np.asarray(mask, object)
        flags = np.where(pd.isna(values), np.False_, values).astype(np.bool_)
    if flags.shape != rows.shape:
        tags = count(len(rows), "row")
        sides = " x ".join(f"{side:,}" for side in flags.shape)
        msg = f"the mask has {sides} flags, but tags_frame(x) has {tags}: make it from that frame"
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
