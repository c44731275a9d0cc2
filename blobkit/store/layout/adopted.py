"""The result of an adoption."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from blobkit.digest import is_digest
from blobkit.present.answer import Answer
from blobkit.present.plain import plain
from blobkit.present.sections import ROWS_SHOWN, Section
from blobkit.render import abbreviate, count, human_bytes, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.digest import Digest

__all__ = ["Adopted"]

MOST = 20
"""Lines of each kind that are shown; the fields have all."""


@dataclass(frozen=True, slots=True, repr=False)
class Adopted(Answer):
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

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:  # noqa: ARG002 (lines, no table)
        """Return a line for each thing that needs a look."""
        return (Section("", tuple(self._lines())),)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    def title(self) -> str:
        """Return what was taken in, in one line."""
        tags, entries, blobs = (
            count(len(x), n) for x, n in zip(self._took_in(), ("tag", "entry", "blob"), strict=True)
        )
        return f"adopted {tags}, {entries} without a tag, {blobs}; {human_bytes(self.bytes)} verified"

    def _took_in(self) -> tuple[tuple[str, ...], ...]:
        return self.tags, self.entries, self.blobs

    def _lines(self) -> Iterator[str]:
        moved = (
            f"moved: {name} from {abbreviate(old)}, which keeps its pin, to {abbreviate(new)}"
            for name, old, new in self.moved
        )
        vanished = (f"vanished: {name} is kept; store.{_dropping(name)} drops it" for name in self.vanished)
        damaged = (f"not taken in: {entry}: {why}" for entry, why in self.damaged)
        for lines in (list(moved), list(vanished), list(damaged), list(self.notices)):
            yield from map(printable, lines[:MOST])
            if len(lines) > MOST:
                yield f"and {len(lines) - MOST:,} more like this"


def _dropping(what: str) -> str:
    return f"{'deref' if is_digest(what) else 'untag'}({what!r})"
