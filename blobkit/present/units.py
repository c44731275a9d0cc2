"""The unit of every column that blobkit shows: the only place that defines which columns are bytes."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Unit", "unit_of"]


class Unit(Enum):
    """The meaning of the values of a column; renderings choose the format by it."""

    BYTES = "bytes"
    """An int, shown as KiB, MiB, GiB."""
    NET = "net"
    """A change in bytes, shown with its sign."""
    COUNT = "count"
    """A number of things, shown as 12,345."""
    DIGEST = "digest"
    """A digest or another key of a node, shown short."""
    NAME = "name"
    """An untrusted name."""
    NAMES = "names"
    """A tuple of names or digests; the first ones are shown."""
    TIME = "time"
    """A time, shown as its day."""
    WORD = "word"
    """One of a few words of blobkit, such as a kind or a severity."""
    PROSE = "prose"
    """A sentence, shown below its row if the line is too narrow."""
    COMMAND = "command"
    """A command for a shell, always shown whole."""


_NAMES_OF = {
    Unit.BYTES: """
        size disk retained frees closure exclusive shared split together alone extra bytes certain_bytes garbage_bytes
        saved new total unknown next
    """,
    Unit.NET: "net",
    Unit.COUNT: """
        blobs pins links links_in links_out refcount depth level same_digest unlinked number cost count
        groups_before groups_after
    """,
    Unit.DIGEST: "digest source target before after",
    Unit.NAME: "tag name version repo group first_tag path such_as owner",
    Unit.NAMES: """
        tags tags_before tags_after names groups holders still_needed_by held_by also_untagged platforms digests
    """,
    Unit.TIME: "created modified oldest",
    Unit.WORD: """
        kind status severity code finding change cause pin state stored reachable beside platform media_type place
    """,
    Unit.PROSE: "advice reason why needed_by message",
    Unit.COMMAND: "command",
}
_UNITS = {name: unit for unit, names in _NAMES_OF.items() for name in names.split()}


def unit_of(name: Hashable) -> Unit:
    """Return the unit of a column by its name; for a column with several levels, by the first level with a unit.

    >>> unit_of("closure"), unit_of(("closure", "library/base"))
    (<Unit.BYTES: 'bytes'>, <Unit.BYTES: 'bytes'>)
    """
    words = name if isinstance(name, tuple) else (name,)
    return next((_UNITS[word] for word in words if word in _UNITS), Unit.NAME)
