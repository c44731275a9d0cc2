"""The result of an export."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from blobkit.present.answer import Answer
from blobkit.present.plain import plain
from blobkit.present.sections import ROWS_SHOWN, Section
from blobkit.render import abbreviate, count, human_bytes, printable

if TYPE_CHECKING:
    from blobkit.digest import Digest

__all__ = ["Exported"]

NOTICES_SHOWN = 10


@dataclass(frozen=True, slots=True, repr=False)
class Exported(Answer):
    """The blobs that an export wrote into `target`, a layout or archive: `digest`, under `name` ("" for none).

    `blobs` with `bytes` are new there, `there` blobs were there before; `notices` names what was not here to export.

    >>> demo.small().export("shop/web:1.0", "web.tar").blobs
    5
    """

    target: str
    digest: Digest
    name: str
    blobs: int = 0
    bytes: int = 0
    there: int = 0
    notices: tuple[str, ...] = ()

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:  # noqa: ARG002 (lines, no table)
        """Return the first notices."""
        return (Section("", tuple(f"notice: {text}" for text in self._shown())),)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    def title(self) -> str:
        """Return what was written, in one line."""
        what = printable(self.name) if self.name else abbreviate(self.digest)
        size = f"{count(self.blobs, 'blob')}, {human_bytes(self.bytes)}"
        return f"exported {what} to {printable(self.target)}: {size}; {self.there:,} there before"

    def _shown(self) -> list[str]:
        """Return the first notices, and how many more there are."""
        more = len(self.notices) - NOTICES_SHOWN
        last = [f"and {count(more, 'notice')} more"] if more > 0 else []
        return [*map(printable, self.notices[:NOTICES_SHOWN]), *last]
