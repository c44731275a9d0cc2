"""The result of an import."""

from __future__ import annotations

from dataclasses import dataclass

from blobkit.render import count, html_card, html_table, human_bytes, printable

__all__ = ["Imported"]

NOTICES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Imported:
    """The additions of an import: `blobs` with `bytes`, anonymous `pins`, `links`, `tags`; 0 of all where none was new.

    `here` blobs were here before, `skipped` ones are damaged or missing in the source. `source` says what was read;
    `notices` what could not be taken over as it is there.

    >>> with blobkit.LocalStore("store") as store:
    ...     print(store.import_(demo.small()).blobs)
    33
    """

    source: str
    blobs: int = 0
    bytes: int = 0
    here: int = 0
    pins: int = 0
    links: int = 0
    tags: int = 0
    skipped: int = 0
    notices: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether anything is here now that was not here before."""
        return any((self.blobs, self.pins, self.links, self.tags))

    def __str__(self) -> str:
        """Return what was done in a line, then the first notices."""
        new = ", ".join(count(number, noun) for number, noun in self._gained() if number)
        skipped = f"; {count(self.skipped, 'blob')} skipped" if self.skipped else ""
        head = (
            f"imported {count(self.blobs, 'blob')}, {human_bytes(self.bytes)} ({new or 'no new reference'}); "
            f"{self.here:,} here before{skipped}"
        )
        return "\n".join([head, *(f"notice: {text}" for text in self._shown())])

    def _repr_html_(self) -> str:
        rows = [
            ("blobs", f"{self.blobs:,}"),
            ("bytes", human_bytes(self.bytes)),
            *((noun + "s", f"{number:,}") for number, noun in self._gained()),
            ("here before", f"{self.here:,}"),
            ("skipped", f"{self.skipped:,}"),
        ]
        table = html_table(("added", "number"), rows, right=frozenset({"number"}))
        return html_card("Imported", [self.source, *self._shown()], table)

    def _gained(self) -> tuple[tuple[int, str], ...]:
        return ((self.pins, "pin"), (self.links, "link"), (self.tags, "tag"))

    def _shown(self) -> list[str]:
        """Return the first notices, and how many more there are."""
        more = len(self.notices) - NOTICES_SHOWN
        last = [f"and {count(more, 'notice')} more"] if more > 0 else []
        return [*map(printable, self.notices[:NOTICES_SHOWN]), *last]
