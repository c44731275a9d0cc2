"""The result of an import."""

from __future__ import annotations

from dataclasses import dataclass, fields

from blobkit.present.answer import Answer
from blobkit.present.plain import plain
from blobkit.present.sections import ROWS_SHOWN, Section
from blobkit.render import count, human_bytes, printable

__all__ = ["Imported"]

NOTICES_SHOWN = 10


@dataclass(frozen=True, slots=True, repr=False)
class Imported(Answer):
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

    def title(self) -> str:
        """Return what was done, in one line."""
        new = ", ".join(count(number, noun) for number, noun in self._gained() if number)
        skipped = f"; {count(self.skipped, 'blob')} skipped" if self.skipped else ""
        return (
            f"imported {count(self.blobs, 'blob')}, {human_bytes(self.bytes)} ({new or 'no new reference'}); "
            f"{self.here:,} here before{skipped}"
        )

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:  # noqa: ARG002 (lines, no table)
        """Return the first notices."""
        return (Section("", tuple(f"notice: {text}" for text in self._shown())),)

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:  # noqa: ARG002 (a line, no table)
        """Return what was read."""
        return (Section("Source", (printable(self.source),)),)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    def _gained(self) -> tuple[tuple[int, str], ...]:
        return ((self.pins, "pin"), (self.links, "link"), (self.tags, "tag"))

    def _shown(self) -> list[str]:
        """Return the first notices, and how many more there are."""
        more = len(self.notices) - NOTICES_SHOWN
        last = [f"and {count(more, 'notice')} more"] if more > 0 else []
        return [*map(printable, self.notices[:NOTICES_SHOWN]), *last]
