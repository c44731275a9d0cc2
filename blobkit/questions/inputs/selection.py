"""The pins that targets select, in columns: a store may have very many."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Names = tuple[str, ...] | Callable[[], tuple[str, ...]]

__all__ = ["PinSelection"]


class PinSelection:
    """The pins selected by targets (`names`) and `groups`: rows of the pin table, with the number to drop.

    `also_untagged`: names that are deleted too; `notices`: the chosen meaning of ambiguous targets; `noun`: the word to
    count the names by, if they are not listed. `names` may be given as a function, called if somebody reads them.
    """

    def __init__(
        self, names: Names = (), groups: tuple[str, ...] = (), rows: Mapping[int, int] | None = None, noun: str = ""
    ) -> None:
        self.groups, self.noun = groups, noun
        self.also_untagged: set[str] = set()
        self.notices: list[str] = []
        self._names: Names = names
        self._parts: list[tuple[Ints, Ints]] = []
        self._merged = (np.empty(0, np.int64), np.empty(0, np.int64))
        if rows:
            self.add(np.fromiter(rows, np.int64, len(rows)), np.fromiter(rows.values(), np.int64, len(rows)))

    @property
    def names(self) -> tuple[str, ...]:
        """The selecting names, each once."""
        if callable(self._names):
            self._names = self._names()
        return self._names

    @property
    def shown(self) -> tuple[str, ...]:
        """The names, and the groups as patterns."""
        whole = [f"{group}/*" for group in self.groups]
        return tuple(dict.fromkeys((*self.names, *whole))) if whole else self.names

    @property
    def row(self) -> Ints:
        """The selected rows of the pin table, each once, in the order of selection."""
        return self._columns[0]

    @property
    def number(self) -> Ints:
        """The number to drop of each row."""
        return self._columns[1]

    @property
    def rows(self) -> dict[int, int]:
        """The number to drop by row."""
        return dict(zip(self.row.tolist(), self.number.tolist(), strict=True))

    def add(self, rows: Ints, number: Ints) -> None:
        """Add rows, with a number to drop for each; of two numbers for a row, the larger one."""
        if len(rows):
            self._parts.append((rows, number))

    @property
    def _columns(self) -> tuple[Ints, Ints]:
        """The rows and their numbers; what was added since they were last asked for is merged first."""
        if self._parts:
            rows, numbers = zip(self._merged, *self._parts, strict=True)
            self._merged = _once(np.concatenate(rows), np.concatenate(numbers))
            self._parts.clear()
        return self._merged


def _once(row: Ints, number: Ints) -> tuple[Ints, Ints]:
    """Return each row once, where it is first, with the largest of its numbers."""
    if (row[1:] > row[:-1]).all():
        return row, number
    different, first, back = np.unique(row, return_index=True, return_inverse=True)
    most = np.zeros(len(different), np.int64)
    np.maximum.at(most, back, number)
    order = np.argsort(first)
    return different[order], most[order]
