"""The seams: what a reader asks of a store, and how an address becomes a snapshot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.snapshot import Snapshot

    Address = str | os.PathLike[str]

__all__ = ["SupportsSnapshot", "as_snapshot", "open_addresses_with"]


@runtime_checkable
class SupportsSnapshot(Protocol):
    """Anything that can be audited: a store, a scanner, a snapshot itself."""

    def snapshot(self) -> Snapshot:
        """Return an immutable picture of the facts at one moment."""
        ...


_openers: list[Callable[[Address], Snapshot]] = []


def open_addresses_with(opener: Callable[[Address], Snapshot]) -> None:
    """Make `opener` what turns an address into a snapshot; readers know no other way to a store."""
    _openers[:] = [opener]


def as_snapshot(x: SupportsSnapshot | Address) -> Snapshot:
    """Return the snapshot of `x`: a snapshot itself, anything with `.snapshot()`, or an address.

    TypeError for anything else; what opening an address raises is passed on.
    """
    if isinstance(x, str | os.PathLike):
        return _openers[0](x)
    if isinstance(x, SupportsSnapshot):
        return x.snapshot()
    msg = f"a {type(x).__name__} cannot be audited: give a store, a snapshot or an address (a path, or kind:path)"
    raise TypeError(msg)
