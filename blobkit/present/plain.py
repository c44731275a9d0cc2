"""Values of frames and answers as plain values that JSON can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.present.cells import in_iso, is_none

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from blobkit.present.sections import Section

__all__ = ["plain", "plain_section", "records"]


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Return a frame as plain dicts, one for each row, its index first if that has a name; unknown values are None.

    Cost: rows * columns in Python.
    """
    whole = frame.reset_index() if frame.index.name is not None else frame
    names = [str(name) for name in whole.columns]
    columns = [list(map(plain, whole[name].tolist())) for name in whole.columns]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def plain(value: object) -> object:
    """Return a value for JSON: times as ISO 8601, tuples as lists, unknown values as None.

    >>> plain((1, float("nan"))), plain({"tags": ("a", "b")})
    ([1, None], {'tags': ['a', 'b']})
    """
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        found: Mapping[object, object] = value
        return {str(name): plain(item) for name, item in found.items()}
    if is_none(value):
        return None
    return value if isinstance(value, str | int | float) else in_iso(value)


def plain_section(section: Section) -> dict[str, object]:
    """Return a section as plain values: its title and lines; of a table the units, the rows, and how many `more`.

    >>> from blobkit.present.sections import Section, columns_table
    >>> plain_section(Section("Biggest", table=columns_table({"kind": ["layer"], "size": [7]})))["rows"]
    [{'kind': 'layer', 'size': 7}]
    """
    found: dict[str, object] = {"title": section.title, "lines": list(section.lines)}
    if section.table is not None:
        columns = section.table.columns
        names = [column.name for column in columns]
        values: list[list[object]] = [list(map(plain, column.values)) for column in columns]
        rows = zip(*values, strict=True)
        found["units"] = {column.name: column.unit.value for column in columns}
        found["rows"] = [dict(zip(names, row, strict=True)) for row in rows]
        found["more"] = section.table.more
    return found
