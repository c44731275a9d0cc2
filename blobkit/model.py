"""Values of the store: what is known of a blob, and what a removal freed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from blobkit.present.answer import Answer
from blobkit.present.plain import plain
from blobkit.present.sections import ROWS_SHOWN, Section, Table, columns_table
from blobkit.render import abbreviate, count, human_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from blobkit.digest import Digest

    Column = Sequence[int] | NDArray[np.integer]
    Texts = Sequence[Digest] | NDArray[np.bytes_]
    """Digests as text, or in bulk as ASCII."""

__all__ = [
    "LINK_KINDS",
    "Change",
    "Descriptor",
    "Facts",
    "FileSignature",
    "Freed",
    "IndexFault",
    "JournalEntry",
    "Level",
    "Link",
    "NewBlob",
    "PendingWork",
    "PlacedObject",
    "Record",
    "RefCounts",
]

LINK_KINDS = ("link", "config", "layer", "child")
"""Why a blob links to another: by hand, or by its position in a manifest. Indexes store the place in this tuple."""

Level = tuple[int, int]
"""One level of a cascade: (blobs, bytes)."""


@dataclass(frozen=True, slots=True, repr=False)
class Descriptor(Answer):
    """The facts that a store has of a blob; `refcount` is always `pins` plus the number of links to it.

    `size` in bytes; `pins` counts anonymous pins and tags; `links` and `tags` are sorted;
    `media_type` is "" where unknown; `created` is the moment (UTC) of the first commit here.

    >>> demo.small().put(b"hello").size
    5
    """

    digest: Digest
    size: int
    refcount: int
    pins: int
    links: tuple[Digest, ...]
    media_type: str
    created: datetime
    tags: tuple[str, ...]

    def title(self) -> str:
        """Return the blob in one line: its digest, its size, what holds it."""
        holds = f"{count(self.pins, 'pin')} and {count(self.refcount - self.pins, 'link')} hold it"
        return f"{abbreviate(self.digest)}, {human_bytes(self.size)}: {holds}"

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:  # noqa: ARG002 (lines, no table)
        """Return the media type and the time."""
        kind = self.media_type or "media type unknown"
        about = (f"{kind}, here since {self.created:%Y-%m-%d %H:%M:%S} UTC", f"digest: {self.digest}")
        return (Section("", about),)

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the tags and the links."""
        return _part("Tags", "tag", self.tags, rows), _part("Links to", "digest", self.links, rows)

    def to_dict(self) -> dict[str, object]:
        """Return the facts as plain values that JSON can hold."""
        names = ("digest", "size", "refcount", "pins", "links", "media_type", "created", "tags")
        return {name: plain(getattr(self, name)) for name in names}


@dataclass(frozen=True, slots=True, repr=False)
class Freed(Answer):
    """The blobs that a removal freed, or a dry run would free: falsy when nothing went.

    `digests` are ordered by level of the cascade, then by digest; `bytes` is their total size;
    `levels` has (blobs, bytes) for each level.

    >>> freed = demo.small().untag("shop/web:1.0", dry_run=True)
    >>> len(freed), freed.bytes
    (3, 1669)
    """

    digests: tuple[Digest, ...] = ()
    bytes: int = 0
    levels: tuple[Level, ...] = ()

    @classmethod
    def joined(cls, parts: Sequence[Freed]) -> Freed:
        """Return what removals one after the other freed, as if they had been one: each level is the sum of levels."""
        depth = max((len(part.levels) for part in parts), default=0)
        digests: list[Digest] = []
        levels: list[Level] = []
        for level in range(depth):
            deep = [part for part in parts if level < len(part.levels)]
            digests += sorted(digest for part in deep for digest in part.at(level))
            levels.append((sum(p.levels[level][0] for p in deep), sum(p.levels[level][1] for p in deep)))
        return cls(tuple(digests), sum(part.bytes for part in parts), tuple(levels))

    def at(self, level: int) -> tuple[Digest, ...]:
        """Return the digests of one level."""
        start = sum(blobs for blobs, _ in self.levels[:level])
        return self.digests[start : start + self.levels[level][0]]

    def __len__(self) -> int:
        """Return the number of freed blobs."""
        return len(self.digests)

    def title(self) -> str:
        """Return one line: how many blobs, how many bytes."""
        return f"freed {count(len(self), 'blob')}, {human_bytes(self.bytes)}"

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the levels of the cascade."""
        shown = self.levels[:rows]
        levels = columns_table(
            {
                "level": list(range(len(shown))),
                "blobs": [blobs for blobs, _ in shown],
                "bytes": [size for _, size in shown],
            }
        )
        return (Section("", table=levels),)

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the digests."""
        return (_part("Blobs", "digest", self.digests, rows),)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        levels = [{"blobs": blobs, "bytes": size} for blobs, size in self.levels]
        return {"blobs": len(self), "bytes": self.bytes, "digests": list(self.digests), "levels": levels}

    def __str__(self) -> str:
        """Return one line: how many blobs, how many bytes."""
        return self.title()


def _part(title: str, column: str, values: Sequence[str], rows: int) -> Section:
    """Return the first of these values as a section of one column."""
    shown = columns_table({column: list(values[:rows])})
    return Section(title, table=Table(shown.columns, max(len(values) - rows, 0)))


class Link(NamedTuple):
    """The blob `source` needs `target` and holds one reference on it."""

    source: Digest
    target: Digest
    kind: str = "link"


class IndexFault(NamedTuple):
    """A fault that an index finds in itself: its kind, the blob concerned if any, a word about it."""

    code: str
    digest: Digest | None
    detail: str


class JournalEntry(NamedTuple):
    """The entry with this number says what the content of a digest is: `size` bytes. `is_blob`: it is a blob now."""

    number: int
    digest: Digest
    size: int
    is_blob: bool


class RefCounts(NamedTuple):
    """The recorded references to a blob (refcount, pins), and those that are really there (links, tags)."""

    refcount: int
    pins: int
    links: int
    tags: int


class FileSignature(NamedTuple):
    """The signature of a file, which changes with its content: size, time of arrival (seconds since 1970), identity.

    `regular` says whether these are plain bytes (no symlink, no directory), `mode` who may do what with them.
    """

    size: int
    since: float
    identity: object
    regular: bool = True
    mode: int = 0o444


class PlacedObject(NamedTuple):
    """An object in a bucket: its place, its size, its time (seconds since 1970), and what names it to the service.

    `digest` is the blob that the place was made for, None where nobody makes such a place.
    """

    place: str
    size: int
    since: float
    identity: str
    digest: Digest | None


class PendingWork(NamedTuple):
    """Work that is left to do in a store: the flags `unsynced` and `layout_dirty`, tombstones, expected links.

    `given`: pins are recorded by source; `kept`: index.json shows entries beside the tags.
    """

    unsynced: str | None = None
    dirty: str | None = None
    buried: bool = False
    unresolved: bool = False
    given: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True)
class NewBlob:
    """New content as the index is told of it."""

    digest: Digest
    size: int
    media_type: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """The row of one blob in an index, without its links and names; `tags` is the number of pins that are tags."""

    size: int
    refcount: int
    pins: int
    tags: int
    media_type: str
    created: datetime

    @property
    def anonymous(self) -> int:
        """The pins that no tag stands for: those that a `deref` may drop."""
        return self.pins - self.tags


@dataclass(frozen=True, slots=True)
class Change:
    """The plan of one verb, computed before anything is written; a dry run computes it and stops.

    `pins` is what each blob's pins gain or lose; `refcounts` is the new count of every blob that is touched and
    stays; `freed` goes, and with it the links from it.
    """

    pins: Mapping[Digest, int] = field(default_factory=dict)
    refcounts: Mapping[Digest, int] = field(default_factory=dict)
    linked: Collection[Link] = ()
    unlinked: Collection[Link] = ()
    named: Mapping[str, Digest] = field(default_factory=dict)
    unnamed: Collection[str] = ()
    freed: Freed = field(default_factory=Freed)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that an index holds at one moment, as columns; a blob is its position in `digests`.

    `media_type` holds positions in `media_types`, `kinds` those in LINK_KINDS, `created` microseconds since 1970.
    `expected` are links to absent blobs: (source, digest, kind, media type).
    """

    digests: Texts
    sizes: Column
    created: Column
    media_types: Sequence[str]
    media_type: Column
    anonymous: Column
    sources: Column
    targets: Column
    kinds: Column
    expected: Sequence[tuple[int, Digest, str, str]]
    tags: Sequence[tuple[str, int]]
