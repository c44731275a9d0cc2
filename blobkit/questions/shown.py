"""Rendering of answers: a title, lines and the main table, the same as text and as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.render import html_card, html_table, text_table

if TYPE_CHECKING:
    Cells = tuple[tuple[str, ...], list[tuple[str, ...]], frozenset[str]]
    """Header, rows, and the columns that are aligned to the right."""

__all__ = ["LINE_SHOWN", "NAME_SHOWN", "ROWS_SHOWN", "Shown"]

ROWS_SHOWN = 10
LINE_SHOWN, NAME_SHOWN = 160, 40
"""Characters: what strangers call things must not make an answer long."""


class Shown:
    """An answer that has `title`, `_lines` and `_table` shows itself with them."""

    def title(self) -> str:
        """Return the answer in one line."""
        raise NotImplementedError

    def _lines(self) -> list[str]:
        raise NotImplementedError

    def _table(self) -> Cells:
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the type and the answer in one line."""
        return f"<{type(self).__name__}: {self.title()}>"

    def __str__(self) -> str:
        """Return the answer as text."""
        header, rows, right = self._table()
        table = [text_table(header, rows, right=right)] if rows else []
        return "\n".join([self.title(), *self._lines(), *table])

    def _repr_html_(self) -> str:
        header, rows, right = self._table()
        return html_card(self.title(), self._lines(), html_table(header, rows, right=right) if rows else "")
