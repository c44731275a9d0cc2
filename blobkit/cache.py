"""Memoise an analysis for the lifetime of the graph, snapshot or preview that it is computed from."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["memoized"]

K = TypeVar("K")
T = TypeVar("T")


def memoized(analysis: Callable[[K], T]) -> Callable[[K], T]:
    """Return the analysis with a cache: for each graph, snapshot or preview it is computed once."""
    found: WeakKeyDictionary[K, T] = WeakKeyDictionary()

    @wraps(analysis)
    def answer(subject: K) -> T:
        if subject not in found:
            found[subject] = analysis(subject)
        return found[subject]

    return answer
