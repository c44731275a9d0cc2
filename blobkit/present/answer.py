"""The way in which every answer shows itself: in one line, as text, as HTML."""

from __future__ import annotations

from blobkit.present.sections import ROWS_SHOWN, Section
from blobkit.present.text import HUMAN, answer_text

__all__ = ["Answer"]


class Answer:
    """An answer that has a title and sections shows itself with them."""

    __slots__ = ()

    def title(self) -> str:
        """Return the answer in one line."""
        raise NotImplementedError

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return what the answer says, as lines and tables of at most `rows` rows; text and HTML are made of it."""
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
