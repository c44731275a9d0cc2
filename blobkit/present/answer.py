"""The base class of answers: shown in one line, as text, as HTML."""

from __future__ import annotations

from blobkit.present.sections import ROWS_SHOWN, Section
from blobkit.present.text import HUMAN, answer_text

__all__ = ["Answer"]


class Answer:
    """An answer with a title and sections, which its text and HTML are made of."""

    __slots__ = ()

    def title(self) -> str:
        """Return the answer in one line."""
        raise NotImplementedError

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the answer as sections of lines and tables, with at most `rows` rows in each table."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return the type and the answer in one line."""
        return f"<{type(self).__name__}: {self.title()}>"

    def __str__(self) -> str:
        """Return the answer as text."""
        return answer_text(self, HUMAN)

    def _repr_html_(self) -> str:
        from blobkit.present.page import answer_html  # noqa: PLC0415 (the shell shows none)

        return answer_html(self)
