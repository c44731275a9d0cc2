"""The blobs of an archive as a scanner reads them, and the account of all its members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.render import to_utf8
from blobkit.scanners.facts import Facts
from blobkit.scanners.layouts.entries import KeptFiles
from blobkit.scanners.leftovers import Ledger
from blobkit.snapshot.notices import leftover
from blobkit.sources.compression import inflated
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.scanners.places import Place
    from blobkit.sources.archive import Archive
    from blobkit.sources.source import Info

__all__ = ["Members", "facts_of"]

UNREAD = "the rest of the archive"


class Members(KeptFiles):
    """The blobs in the members of an archive; `places` has the member of each digest.

    `inflates`: digests are those of uncompressed content, so members that are compressed are decompressed.
    """

    def __init__(self, facts: Facts, archive: Archive, *, inflates: bool) -> None:
        super().__init__(facts, archive.address, lambda digest: f"{archive.address}/{self.places[digest]}")
        self.archive, self.inflates = archive, inflates
        self.places: dict[str, str] = {}

    def found(self, digest: Digest, path: str, info: Info) -> None:
        """Record the blob in a member, with the bytes that the archive has of it."""
        self.places[digest] = path
        self.facts.blob(digest, info.size, info.modified)

    def bring(self, digests: Iterable[Digest]) -> None:
        """Read these documents in one pass, if the archive is compressed and does not keep them."""
        if self.archive.compression:
            for digest in self.ordered([digest for digest in digests if digest not in self.kept]):
                self.whole(digest)

    def read(self, digest: Digest, limit: int) -> bytes:
        """Return up to `limit` bytes of a stored blob; OSError if it cannot be read."""
        return self.archive.read(self.places[digest], limit)

    def open(self, digest: Digest) -> BinaryIO:
        """Return a stored blob to read; OSError if it cannot be opened."""
        file = self.archive.open(self.places[digest])
        return inflated(file) if self.inflates else file

    def opens(self, digest: Digest) -> bool:
        """Return whether a stored blob can be opened: every member can."""
        return digest in self.places

    def ordered(self, digests: Iterable[Digest]) -> list[Digest]:
        """Return blobs in the order of the archive, in which one pass reads them all."""
        found = list(digests)
        paths = self.archive.ordered([self.places[digest] for digest in found])
        place = {path: at for at, path in enumerate(paths)}
        return sorted(found, key=lambda digest: place[self.places[digest]])


def facts_of(archive: Archive, place: Place, *, inflates: bool = False) -> tuple[Facts, Members]:
    """Return empty facts about an archive, with notices about what is odd in it, and its blobs.

    At the end each member is counted: as a blob, as metadata by its `place`, or as a leftover.
    """
    index = archive.index
    files: Members

    def members() -> Iterator[tuple[str, str, int, int]]:
        if archive.has_changed():
            facts.notice("unreadable", f"{archive.address} was changed while it was read: scan it again")
        blobs = {archive.row_of(path) for path in files.places.values()}
        counted: set[int] = set()
        for name, row in index.rows.items():
            if index.kind(row) is Is.FILE and row not in counted:
                counted.update([row] if row in index.links else ())
                yield "blob" if row in blobs else "", name, index.size[row], index.modified[row]
        for _, why, size, modified in index.others:
            if size:
                yield "blob", why, size, modified
        if index.extra:
            yield "blob", "", index.extra, -1

    facts = Facts(Ledger(archive.address, place, members=members))
    files = Members(facts, archive, inflates=inflates)
    _note_odd(archive, facts, place)
    return facts, files


def _note_odd(archive: Archive, facts: Facts, place: Place) -> None:
    """Record the members that no path leads to, and why the rest of the archive is unknown."""
    index = archive.index
    for name, why, size, modified in index.others:
        what = f"{to_utf8(name)[:500]} ({why})"
        facts.notice("leftover" if size else "odd", leftover(what, size, modified) if size else what, "", name)
    if index.extra:
        facts.notice("leftover", leftover("more members that are replaced or have no path", index.extra, -1))
    if index.ends:
        facts.notice("unreadable", f"{archive.address} cannot be read to its end: {index.ends}", "", archive.address)
        if place.holders:
            facts.mark_unknown(UNREAD, place.holders)
