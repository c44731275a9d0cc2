"""The results of imports, exports and adoptions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from blobkit.digest import is_digest
from blobkit.present.answer import Answer
from blobkit.present.plain import plain
from blobkit.present.sections import ROWS_SHOWN, Section
from blobkit.render import abbreviate, count, human_bytes, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from blobkit.digest import Digest

__all__ = ["Adopted", "Exported", "Imported"]

LINES_SHOWN = 20
"""Lines of each kind of an adoption that are shown; the fields have all."""
NOTICES_SHOWN = 10


class _Result(Answer):
    """An answer of a dataclass of plain values; `_lines` are what needs a look."""

    __slots__ = ()
    notices: tuple[str, ...]

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:  # noqa: ARG002 (lines, no table)
        """Return a line for each thing that needs a look."""
        return (Section("", tuple(self._lines())),)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]

    def _lines(self) -> Iterator[str]:
        """Return the first notices, and how many more there are."""
        lines = [f"notice: {text}" for text in self.notices]
        return _some(lines, NOTICES_SHOWN, lambda more: f"notice: and {count(more, 'notice')} more")


@dataclass(frozen=True, slots=True, repr=False)
class Imported(_Result):
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
        gained = ((self.pins, "pin"), (self.links, "link"), (self.tags, "tag"))
        new = ", ".join(count(number, noun) for number, noun in gained if number)
        skipped = f"; {count(self.skipped, 'blob')} skipped" if self.skipped else ""
        return (
            f"imported {count(self.blobs, 'blob')}, {human_bytes(self.bytes)} ({new or 'no new reference'}); "
            f"{self.here:,} here before{skipped}"
        )

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:  # noqa: ARG002 (a line, no table)
        """Return what was read."""
        return (Section("Source", (printable(self.source),)),)


@dataclass(frozen=True, slots=True, repr=False)
class Exported(_Result):
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

    def title(self) -> str:
        """Return what was written, in one line."""
        what = printable(self.name) if self.name else abbreviate(self.digest)
        size = f"{count(self.blobs, 'blob')}, {human_bytes(self.bytes)}"
        return f"exported {what} to {printable(self.target)}: {size}; {self.there:,} there before"


@dataclass(frozen=True, slots=True, repr=False)
class Adopted(_Result):
    """The entries that `adopt` took in of another program's index.json, and those that it could not.

    `tags` are new names; `entries` blobs pinned for an entry that is no tag; `blobs` were added, `bytes` read to verify
    them. `moved` has (name, from, to): `from` keeps the pin, without a name. `vanished` are names, and blobs of entries
    without one, that index.json did not show: they are kept. `damaged` has (entry, why): nothing is pinned for it,
    index.json shows it as before.

    >>> image = demo.small().export("shop/web:1.0", "layout")
    >>> with blobkit.LocalStore("layout", create=False, adopt=True) as store:
    ...     print(len(store.adopted.blobs))
    5
    """

    tags: tuple[str, ...] = ()
    entries: tuple[Digest, ...] = ()
    moved: tuple[tuple[str, Digest, Digest], ...] = ()
    vanished: tuple[str, ...] = ()
    damaged: tuple[tuple[str, str], ...] = ()
    blobs: tuple[Digest, ...] = ()
    bytes: int = 0
    notices: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether the store changed."""
        return bool(self.tags or self.entries or self.moved or self.blobs)

    def title(self) -> str:
        """Return what was taken in, in one line."""
        tags, entries, blobs = count(len(self.tags), "tag"), count(len(self.entries), "entry"), len(self.blobs)
        size = human_bytes(self.bytes)
        return f"adopted {tags}, {entries} without a tag, {count(blobs, 'blob')}; {size} verified"

    def _lines(self) -> Iterator[str]:
        moved = [
            f"moved: {name} from {abbreviate(old)}, which keeps its pin, to {abbreviate(new)}"
            for name, old, new in self.moved
        ]
        drops = [(name, f"{'deref' if is_digest(name) else 'untag'}({name!r})") for name in self.vanished]
        vanished = [f"vanished: {name} is kept; store.{drop} drops it" for name, drop in drops]
        damaged = [f"not taken in: {entry}: {why}" for entry, why in self.damaged]
        for lines in (moved, vanished, damaged, self.notices):
            yield from _some(lines, LINES_SHOWN, lambda more: f"and {more:,} more like this")


def _some(lines: Sequence[str], most: int, rest: Callable[[int], str]) -> Iterator[str]:
    """Yield the first lines, and the line that `rest` makes of the number of others."""
    yield from map(printable, lines[:most])
    if len(lines) > most:
        yield rest(len(lines) - most)
