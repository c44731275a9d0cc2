"""Look up many targets at once: names of one thing each are found together, in one pass, or by a mask without one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

import numpy as np
import pandas as pd

from blobkit.cache import memoized
from blobkit.digest import ALGORITHMS
from blobkit.errors import UnknownTargetError
from blobkit.questions.inputs.masks import is_mask, masked_rows
from blobkit.snapshot.lookups import is_unambiguous, matching_names, numbers_of, texts_of
from blobkit.snapshot.pins import count_named, name_numbers
from blobkit.snapshot.sets import unique

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from blobkit.questions.inputs.targets import Targets
    from blobkit.snapshot.snapshot import Snapshot

    Ints = NDArray[np.int64]

__all__ = ["PinName", "Run", "flattened", "in_turn", "named_in_turn"]

MANY, SHARE = 100, 100
"""The fewest targets to look up together, and the share of all names that they must be (one in a hundred).

For fewer targets single searches are faster than hashing all names.
"""
_ODD = rf"(?s)\A(?:(?:tag|digest):.*|(?:(?:{'|'.join(ALGORITHMS)}):)?[0-9a-f]+)\z"
"""Texts that may mean something else than a name."""
_NONE = np.empty(0, np.int64)


class PinName(str):
    """A name of a pin in an answer: as a target it is always a name, even if it looks like a digest."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Run:
    """Targets in order: either numbers of plain names (see `is_plain`), or other texts."""

    names: Ints
    texts: tuple[str, ...]

    def all_texts(self, snapshot: Snapshot) -> Sequence[str]:
        """Return the targets as text."""
        return texts_of(snapshot, self.names) if len(self.names) else self.texts


def in_turn(snapshot: Snapshot, targets: Targets) -> Iterator[Run]:
    """Yield all targets, in order; those of a mask, and of a long list or column of text, are found together.

    Texts that are not plain names are checked by `flattened`, and each is yielded once.
    """
    seen: dict[str, None] = {}
    for part in _parts(targets):
        for run in _runs(snapshot, part):
            new = tuple([text for text in run.texts if text not in seen])
            seen |= dict.fromkeys(new)
            yield Run(run.names, new)


@memoized
def is_plain(snapshot: Snapshot) -> NDArray[np.bool_]:
    """Return which names, by number, are plain: names of one thing, neither digests nor like the start of one."""
    return is_unambiguous(snapshot) & ~matching_names(snapshot, _ODD)


def flattened(targets: Targets) -> Iterable[str]:
    """Yield every text in nested lists, tuples, sets, Indexes or Series, each once, in order."""
    seen: set[str] = set()
    todo: list[object] = [targets]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            if item not in seen:
                seen.add(item)
                yield item
        elif isinstance(item, pd.DataFrame):  # iterating gives the names of its columns
            msg = "a DataFrame is not a target: give its index, or the column that has the names or digests"
            raise UnknownTargetError(msg)
        elif isinstance(item, Iterable):
            items = item.tolist() if isinstance(item, pd.Index | pd.Series | np.ndarray) else list(item)
            if all(isinstance(one, str) for one in items):
                new = [text for text in dict.fromkeys(items) if text not in seen]
                seen.update(new)
                yield from new
            else:
                todo += items[::-1]
        else:
            msg = f"{item!r} is not a target: give names, digests or patterns (text), or lists of them"
            raise UnknownTargetError(msg)


def _parts(targets: Targets) -> Iterator[object]:
    """Yield masks and columns of text by themselves, and the targets between them as lists."""
    between: list[object] = []
    for part in targets if isinstance(targets, tuple) else (targets,):
        if is_mask(part) or _is_column(part):
            yield from (between, part) if between else (part,)
            between = []
        else:
            between.append(part)
    if between:
        yield between


def _runs(snapshot: Snapshot, part: object) -> Iterator[Run]:
    """Yield the runs of one mask, column or list."""
    if is_mask(part):
        yield from named_in_turn(snapshot, unique(name_numbers(snapshot)[masked_rows(snapshot, part)]))
        return
    texts = part.array if _is_column(part) else list(flattened(part))  # type: ignore[arg-type]
    if len(texts) < max(MANY, count_named(snapshot) // SHARE):
        yield Run(_NONE, tuple(flattened(texts)))
        return
    for first, last, numbers in _split(snapshot, numbers_of(snapshot, texts)):
        yield Run(numbers, () if len(numbers) else tuple(flattened(texts[first:last])))


def named_in_turn(snapshot: Snapshot, numbers: NDArray[np.integer]) -> Iterator[Run]:
    """Yield the names with these numbers as targets: those that are not plain as texts that are always names."""
    for first, last, plain in _split(snapshot, numbers.astype(np.int64)):
        texts = () if len(plain) else texts_of(snapshot, numbers[first:last].astype(np.int64))
        yield Run(plain, tuple(map(PinName, texts)))


def _split(snapshot: Snapshot, numbers: Ints) -> Iterator[tuple[int, int, Ints]]:
    """Yield (first, last, numbers) for each run of plain names, and for each run of others, without their numbers."""
    plain = np.append(is_plain(snapshot), False)[numbers]
    ends = [*(np.flatnonzero(plain[1:] != plain[:-1]) + 1).tolist(), len(numbers)]
    for first, last in zip([0, *ends], ends, strict=False):
        if first < last:
            yield first, last, numbers[first:last] if plain[first] else _NONE


def _is_column(part: object) -> TypeGuard[pd.Series | pd.Index[str]]:
    """Return whether a target is a column of text of pandas."""
    return isinstance(part, pd.Series | pd.Index) and isinstance(part.dtype, pd.StringDtype)
