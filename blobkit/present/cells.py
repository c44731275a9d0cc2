"""Values of cells as text, by their unit: short for people, or exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.present.units import Unit
from blobkit.render import abbreviate, human_bytes, join_some, printable, signed_bytes, truncate

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["NAME_SHOWN", "RIGHT", "exact", "human", "in_iso", "is_none"]

NAME_SHOWN = 40
NAMES_SHOWN = 3
PROSE_SHOWN = 400
RIGHT = frozenset({Unit.BYTES, Unit.NET, Unit.COUNT})
"""The units whose columns are aligned to the right."""


def human(value: object, unit: Unit, most: int = NAME_SHOWN) -> str:
    """Return a value for people: bytes in KiB, MiB, digests with 12 digits, times as days.

    Names longer than `most` characters are truncated, commands never.
    """
    if is_none(value):
        return ""
    if isinstance(value, tuple | list):
        return join_some([_brief(str(name), most) for name in value], NAMES_SHOWN)
    if unit is Unit.COMMAND:
        return printable(str(value))
    if isinstance(value, str) or unit not in _SHOWN:
        return _brief(str(value), PROSE_SHOWN if unit is Unit.PROSE else most)
    return _SHOWN[unit](value)


def exact(value: object) -> str:
    """Return a value in full: bytes and counts as plain digits, full digests, times as ISO 8601, all names."""
    if is_none(value):
        return ""
    if isinstance(value, tuple | list):
        return ", ".join(printable(str(name)) for name in value)
    return printable(in_iso(value))


def in_iso(value: object) -> str:
    """Return a time as ISO 8601, any other value as text."""
    moment = getattr(value, "isoformat", None)
    return str(moment() if moment else value)


def is_none(value: object) -> bool:
    """Return whether a cell is empty: None, NaN or NaT."""
    return value is None or (not isinstance(value, tuple | list) and value != value)  # noqa: PLR0124 (NaN and NaT)


def _brief(text: str, most: int) -> str:
    return truncate(abbreviate(text), most)


def _number(value: object) -> str:
    return f"{value:,.10g}" if isinstance(value, float) else f"{int(str(value)):,}"


def _day(value: object) -> str:
    moment = getattr(value, "isoformat", None)
    return str(moment())[:10] if moment else printable(str(value))


_SHOWN: dict[Unit, Callable[[object], str]] = {
    Unit.BYTES: lambda value: human_bytes(int(str(value))),
    Unit.NET: lambda value: signed_bytes(int(str(value))),
    Unit.COUNT: _number,
    Unit.TIME: _day,
}
