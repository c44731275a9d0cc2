"""The base class of answers: shown in one line, as text, as HTML."""

from __future__ import annotations

from typing import ClassVar

from blobkit.present.sections import ROWS_SHOWN, Section
from blobkit.present.text import HUMAN, answer_text

__all__ = ["Answer"]


class Answer:
    """An answer with a title and sections, which its text and HTML are made of."""

    __slots__ = ()
    _internal: ClassVar[frozenset[str]] = frozenset()
    """Names that other files of blobkit need, such as node ids, and no user: `dir` and TAB leave them out."""

    def __dir__(self) -> list[str]:
        """Return the names that a user needs."""
        return sorted({*super().__dir__()} - self._internal)

    def title(self) -> str:
        """Return the answer in one line."""
        raise NotImplementedError

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the answer as sections of lines and tables, with at most `rows` rows in each table."""
        raise NotImplementedError

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:  # noqa: ARG002 (most answers have none)
        """Return further sections, which HTML folds and text omits."""
        return ()

    def __repr__(self) -> str:
        """Return the type and the answer in one line."""
        return f"<{type(self).__name__}: {self.title()}>"

    def __str__(self) -> str:
        """Return the answer as text."""
        return answer_text(self, HUMAN)

    def _repr_html_(self) -> str:
        from blobkit.present.page import answer_html  # noqa: PLC0415 (the shell shows none)

        return answer_html(self)
