"""Resolve the choice of names by a user (`where=`) to the pins with these names."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pandas as pd

from blobkit.errors import ChoiceError, Hint, UnknownTargetError
from blobkit.questions.inputs.masks import masked_rows
from blobkit.questions.inputs.patterns import is_pattern, rows_like
from blobkit.questions.inputs.unknown import is_repository, refuse
from blobkit.render import truncate
from blobkit.snapshot.lookups import rows_of
from blobkit.snapshot.pins import count_named, name_numbers, resolve_aliases, rows_named
from blobkit.snapshot.roles import IS_ALIAS
from blobkit.snapshot.sets import unique
from blobkit.snapshot.tables import codes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from blobkit.snapshot.snapshot import Snapshot

    Where = str | pd.Series | pd.Index[str] | NDArray[np.bool_] | Iterable[object]

__all__ = ["Where", "chosen"]

SHOWN = 60


def chosen(snapshot: Snapshot, where: Where) -> NDArray[np.bool_]:
    """Return for each pin whether its name is chosen.

    `where` is a bool mask over `tags_frame` (a Series with its index, or an array of its length), a name or pattern, or
    an Index or list of these. A name on several blobs is chosen if one of its rows is. ChoiceError,
    UnknownTargetError, PatternError. Cost: one pass over the names.
    """
    values = where if isinstance(where, pd.Series) else pd.Series(_listed(where))
    if pd.api.types.is_bool_dtype(values.dtype) or (isinstance(where, pd.Series) and _is_flags(values)):
        mask = values if isinstance(where, pd.Series) else values.fillna(value=False).to_numpy(np.bool_)
        return _with_these(snapshot, masked_rows(snapshot, mask))
    odd = [value for value in values if not isinstance(value, str)]
    if odd:
        msg = f"where must be a mask over tags_frame, or names: it contains {truncate(repr(odd[0]), SHOWN)}"
        raise ChoiceError(msg)
    found = _named(snapshot, set(values))
    held = set(snapshot.pins["name"].take(np.flatnonzero(found)).to_pylist())
    for text in set(values) - held:
        found[_rows(snapshot, text)] = True
    return found


def _listed(where: object) -> object:
    if isinstance(where, str):
        return [where]
    if isinstance(where, np.ndarray | pd.Index) or pd.api.types.is_list_like(where):
        return where if isinstance(where, np.ndarray | pd.Index) else list(where)  # type: ignore[call-overload]
    msg = f"where is a {type(where).__name__}: give a bool mask over tags_frame, or a pattern of names"
    raise ChoiceError(msg)


def _is_flags(values: pd.Series) -> bool:
    """Return whether a column of objects has only True, False and missing values, like masks of text columns."""
    return values.dtype == object and all(isinstance(one, bool | np.bool_) or pd.isna(one) for one in values.unique())


def _rows(snapshot: Snapshot, text: str) -> NDArray[np.integer]:
    """Return the pins behind this alias, else the rows that match the text as a pattern."""
    aliases = rows_named(snapshot, text)
    if aliases:
        return np.array(resolve_aliases(snapshot, list(aliases))[1], np.int64)
    if not is_pattern(text):
        _refuse(snapshot, text)
    return rows_like(snapshot, text)


def _refuse(snapshot: Snapshot, text: str) -> NoReturn:
    if is_repository(snapshot, text):
        msg, pattern = f"{truncate(text, SHOWN)!r} is a repository, not a name", f"{text}:*"
        hint = Hint(f"give the pattern {pattern!r}", f"give the pattern {shlex.quote(pattern)}")
        raise UnknownTargetError(msg, hint=hint)
    refuse(snapshot, text, [])


def _with_these(snapshot: Snapshot, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return for each pin whether it has the name of one of these pins (other names do not count)."""
    found = np.zeros(snapshot.pins.num_rows, np.bool_)
    names = unique(name_numbers(snapshot)[rows]).astype(np.int64)
    found[rows_of(snapshot, names)] = True
    found[IS_ALIAS[codes(snapshot.pins["kind"])]] = False
    return found


def _named(snapshot: Snapshot, names: set[str]) -> NDArray[np.bool_]:
    """Return for each pin whether it has one of these names (aliases do not count)."""
    column = snapshot.pins["name"].slice(0, count_named(snapshot)).to_pandas().astype("str")
    found = np.zeros(snapshot.pins.num_rows, np.bool_)
    found[: len(column)] = column.isin(names).to_numpy() & ~IS_ALIAS[codes(snapshot.pins["kind"])[: len(column)]]
    return found
