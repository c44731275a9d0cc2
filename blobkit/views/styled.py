"""Data frames for people: bytes with units, short digests, everything escaped."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pandas as pd

from blobkit.present.units import Unit, unit_of
from blobkit.render import abbreviate, human_bytes, join_some, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pandas.io.formats.style import Styler
    from pandas.io.formats.style_render import CSSDict

    CSS = list[tuple[str, str | float]]

__all__ = ["human"]

NAMES_SHOWN, NAMES_IN_TITLE = 3, 20
_RIGHT: CSS = [("text-align", "right"), ("font-variant-numeric", "tabular-nums"), ("white-space", "nowrap")]
_LEFT: CSS = [("text-align", "left")]
_TIME: CSS = [("text-align", "left"), ("white-space", "nowrap")]


def human(frame: pd.DataFrame) -> Styler:
    """Return the frame as a Styler for people: bytes as KiB, MiB, GiB, digests with 12 digits, counts as 12,345.

    A shortened cell has the full value as its title (hover). Text is escaped: names are untrusted. The data are not
    changed: `.data` is the frame. Cost: rows * columns; for a large frame, `human(frame.head(100))`.

    >>> tags = blobkit.tags_frame(demo.small())
    >>> print(blobkit.human(tags[["closure", "exclusive"]].head(2)).to_string())
     closure exclusive
    tag
    base/debian:12 3.8 KiB 712 B
    base/python:3.12 5.7 KiB 966 B
    """
    styles: dict[str, list[CSSDict]] = {
        label: [{"selector": "", "props": _props(frame.iloc[:, i])}] for i, label in enumerate(frame.columns)
    }
    styler = frame.style.format({label: _cell(frame, i) for i, label in enumerate(frame.columns)})
    for axis in (0, 1):
        styler.format_index(_text, axis=axis)
        styler.format_index_names(_text, axis=axis)
    return styler.set_table_styles([{"selector": "th", "props": _LEFT}]).set_table_styles(styles, overwrite=False)


def _props(column: pd.Series) -> CSS:
    return _RIGHT if _is_number(column) else _TIME if _is_time(column) else _LEFT


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _is_time(column: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(column)


def _cell(frame: pd.DataFrame, at: int) -> Callable[[object], str]:
    """Return the formatter for the cells of one column, by its type and name."""
    column, label = frame.iloc[:, at], frame.columns[at]
    if _is_number(column):
        return _bytes if unit_of(label) in {Unit.BYTES, Unit.NET} else _number
    return _time if _is_time(column) else _text


def _bytes(number: object) -> str:
    return "" if pd.isna(number) else human_bytes(int(number))  # type: ignore[call-overload]


def _number(number: object) -> str:
    if pd.isna(number):  # type: ignore[call-overload]
        return ""
    return f"{number:,.3f}" if isinstance(number, float) else f"{number:,}"


def _time(time: object) -> str:
    """Return a time to the minute, "" where unknown; the exact one as title."""
    if not isinstance(time, pd.Timestamp) or pd.isna(time):
        return ""
    return _titled(f"{time:%Y-%m-%d %H:%M}", time.isoformat())


def _text(value: object) -> str:
    """Return text, or a tuple of names, escaped and shortened; "" if there is none."""
    if isinstance(value, tuple | list):
        whole = [printable(str(item)) for item in value]
        return _titled(join_some([abbreviate(item) for item in whole], NAMES_SHOWN), join_some(whole, NAMES_IN_TITLE))
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):  # noqa: PLR0124 (nan)
        return ""
    whole_text = printable(str(value))
    return _titled(abbreviate(whole_text), whole_text)


def _titled(brief: str, whole: str) -> str:
    shown = html.escape(brief)
    return shown if brief == whole else f'<span title="{html.escape(whole)}">{shown}</span>'
