"""Check a remote store: one listing of the bucket against the rows, page by page, both in the order of digests.

Nothing is asked of the bucket while a transaction is open. A candidate is looked at again before it is believed: the
object first, then the row, so that a blob that went meanwhile is no finding. What an intent or a tombstone knows is
somebody's work in the making; what nobody knows can never become content, because a place is used once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import Digest
from blobkit.model import FileSignature
from blobkit.progress import counted
from blobkit.store.fsck.context import Candidate, FsckResult, in_chunks
from blobkit.store.fsck.files import verdict
from blobkit.store.fsck.fsck import NO_CHECKS, UNREADABLE, check_index, findings_of
from blobkit.store.fsck.repair import BEFORE_ALL, repair_index
from blobkit.store.fsck.report import Extent, Fsck
from blobkit.store.remote.repairing import repair_all
from blobkit.store.remote.shelf import placed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from blobkit.model import PlacedObject
    from blobkit.places import PlacedContent
    from blobkit.store.remote.session import RemoteSession
    from blobkit.transactions import Index, Reading

__all__ = ["fsck", "orphans"]

PAGE = 10_000
"""Blobs compared with the listing at once."""
THREADS = 16
"""Objects read at once."""
HEAL = "let a repair note that, then put the same content again to heal it"
MESSAGES = {
    "content-missing": f"its object is gone: {HEAL}",
    "content-corrupt": f"its object has another hash: {HEAL}",
    "content-truncated": f"its object is of another size and has another hash: {HEAL}",
    "content-unreadable": "its object cannot be read: look at the bucket",
    "size": "its content is right, but the index records another size",
    "orphan": "an object that the index does not know",
    "stray": "nothing of a blob, where only blobs belong",
    "tombstone": "an object that belongs to no blob now: it was removed, or is on its way in",
    "upload": "an upload in parts that nobody can complete",
}
UNFINISHED = "{:,} unfinished (removals, new objects): left to their writers, or to the next sweep"


class _Blob(NamedTuple):
    """The row of a blob, and the object at its place."""

    digest: Digest
    size: int
    place: str
    signature: FileSignature | None


def fsck(session: RemoteSession, *, repair: bool, content: bool, progress: bool) -> Fsck:
    """Return what is wrong with a store and, with `repair`, what was done about it."""
    index = session.index
    found = index.read(check_index)
    before = repair_index(session, found or [], BEFORE_ALL) if repair else {}
    found = index.read(check_index) if before else found
    result = FsckResult(found or [], [NO_CHECKS] if found is None else [])
    if not any(one.code in UNREADABLE for one in result.candidates):
        _check_objects(session.placed_content, index, result, hashing=content, progress=progress)
    done, more = repair_all(session, result.candidates) if repair else ({}, [])
    sure = [one for one in result.candidates if not one.is_pending or one in done]
    pending = len(result.candidates) - len(sure)
    notes = [*result.notes, *([UNFINISHED.format(pending)] if pending else [])]
    findings = [*findings_of(before, before), *findings_of(sure, done), *findings_of(more, {})]
    return Fsck(tuple(findings), result.extent, tuple(notes), session.address)


def orphans(content: PlacedContent, index: Index) -> Mapping[Digest, FileSignature]:
    """Return the objects of digests that the index does not know."""
    found = (one for page in _compared(content, index) for one in _unknown(content, index, page[1]))
    return {one.digest: one.signature for one in found if one.code == "orphan" and one.signature}


def _check_objects(content: PlacedContent, index: Index, result: FsckResult, *, hashing: bool, progress: bool) -> None:
    """Find objects that are absent, wrong or unknown, and uploads that did not end."""
    blobs = read = 0
    found: list[Candidate] = []
    with counted(0, "hashing", show=hashing and progress) as advance, ThreadPoolExecutor(THREADS) as threads:
        look = partial(_judged, content, hashing=hashing, advance=advance)
        for rows, others in _compared(content, index):
            judged = list(threads.map(look, rows))
            found += [candidate for candidate, _ in judged if candidate is not None]
            read += sum(hashed for _, hashed in judged)
            blobs += len(rows)
            result.candidates += _unknown(content, index, others)
    result.extent = Extent(blobs, read)
    for chunk in in_chunks(found):
        result.candidates += _confirmed(content, index, chunk)
    result.candidates += _uploads(content, index)


def _compared(content: PlacedContent, index: Index) -> Iterator[tuple[list[_Blob], list[PlacedObject]]]:
    """Yield the rows, in pages, each with the object at its place, and the objects up to there that are at none."""
    objects = content.listed()
    ahead = next(objects, None)
    after: Digest | None = None
    while page := index.read(partial(_rows, after)):
        after = max(page)
        end = f"blobs/{after.replace(':', '/')}/~"
        here: dict[str, PlacedObject] = {}
        while ahead is not None and ahead.place <= end:
            here[ahead.place] = ahead
            ahead = next(objects, None)
        rows = [_Blob(digest, size, place, _signature(here.pop(place, None))) for digest, (size, place) in page.items()]
        yield rows, list(here.values())
    rest = list(objects) if ahead is None else [ahead, *objects]
    for start in range(0, len(rest), PAGE):
        yield [], rest[start : start + PAGE]


def _rows(after: Digest | None, tx: Reading) -> dict[Digest, tuple[int, str]]:
    """Return the sizes and places of a page of blobs; the place is "" where there is none."""
    sizes = tx.sizes(tx.digests(after, PAGE))
    places = placed(tx).places(sizes)
    return {digest: (size, places.get(digest, "")) for digest, size in sizes.items()}


def _judged(
    content: PlacedContent, row: _Blob, *, hashing: bool, advance: Callable[[int], object]
) -> tuple[Candidate | None, int]:
    """Return what is wrong with the object of a blob, if anything, and the bytes that were read to see it."""
    digest, size, place, file = row
    code, read = verdict(lambda _: content.stream(place), digest, size, file, hashing=hashing, advance=advance)
    return (Candidate(code, digest, MESSAGES[code], place, file) if code else None), read


def _confirmed(content: PlacedContent, index: Index, chunk: list[Candidate]) -> list[Candidate]:
    """Return those whose object is as it was, and whose row is, after that, at the same place."""
    seen = content.look([one.name for one in chunk if one.name])
    rows = index.read(lambda tx: placed(tx).places([one.digest for one in chunk]))
    alive = index.read(lambda tx: tx.counts([one.digest for one in chunk]))
    return [
        one
        for one in chunk
        if one.digest in alive
        and rows.get(one.digest, "") == one.name
        and _signature(seen.get(one.name)) == one.signature
    ]


def _unknown(content: PlacedContent, index: Index, objects: Collection[PlacedObject]) -> list[Candidate]:
    """Return the objects that belong to no blob: unknown to everybody or, pending, to an intent or a tombstone.

    What is unknown is looked at again: it may have been deleted, and forgotten, since it was listed.
    """
    if not objects:
        return []

    def question(tx: Reading) -> tuple[set[str], set[str]]:
        digests = {one.digest for one in objects if one.digest is not None}
        return set(placed(tx).known_places([one.place for one in objects])), {*placed(tx).places(digests).values()}

    known, owned = index.read(question)
    left = [one for one in objects if one.place not in owned]
    there = content.look([one.place for one in left if one.place not in known])
    return [_stranger(one, is_known=one.place in known) for one in left if one.place in known or one.place in there]


def _stranger(one: PlacedObject, *, is_known: bool) -> Candidate:
    code = "tombstone" if is_known else "orphan" if one.digest else "stray"
    message = MESSAGES[code] if one.digest else f"{one.place}: {MESSAGES[code]}"
    return Candidate(code, one.digest or Digest(""), message, one.place, _signature(one), is_known)


def _uploads(content: PlacedContent, index: Index) -> list[Candidate]:
    """Return the unfinished uploads; pending, where an intent or a tombstone knows their place."""
    begun = content.unfinished()
    known = index.read(lambda tx: set(placed(tx).known_places([one.place for one in begun]))) if begun else set()
    return [
        Candidate(
            "upload", one.digest or Digest(""), MESSAGES["upload"], one.place, _signature(one), one.place in known
        )
        for one in begun
    ]


def _signature(one: PlacedObject | None) -> FileSignature | None:
    return FileSignature(one.size, one.since, one.identity) if one else None
