"""The result of an export."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.render import count, html_card, html_table, human_bytes, printable, short

if TYPE_CHECKING:
    from blobkit.digest import Digest

__all__ = ["Exported"]

NOTICES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Exported:
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

    def __str__(self) -> str:
        """Return what was written in a line, then the first notices."""
        return "\n".join([self._title(), *(f"notice: {text}" for text in self._shown())])

    def _repr_html_(self) -> str:
        rows = [("blobs", f"{self.blobs:,}"), ("bytes", human_bytes(self.bytes)), ("there before", f"{self.there:,}")]
        table = html_table(("written", "number"), rows, right=frozenset({"number"}))
        return html_card("Exported", [self._title(), *self._shown()], table)

    def _title(self) -> str:
        what = printable(self.name) if self.name else short(self.digest)
        size = f"{count(self.blobs, 'blob')}, {human_bytes(self.bytes)}"
        return f"exported {what} to {printable(self.target)}: {size}; {self.there:,} there before"

    def _shown(self) -> list[str]:
        """Return the first notices, and how many more there are."""
        more = len(self.notices) - NOTICES_SHOWN
        last = [f"and {count(more, 'notice')} more"] if more > 0 else []
        return [*map(printable, self.notices[:NOTICES_SHOWN]), *last]
