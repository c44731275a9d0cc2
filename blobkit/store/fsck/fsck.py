"""Check an open store and repair it, in order.

An index is checked by its own questions, within one transaction: no writer can make that look wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.digest import Digest
from blobkit.render import abbreviate, count, join_some, printable
from blobkit.store.fsck.context import Candidate, FsckResult
from blobkit.store.fsck.files import check_content, check_surroundings
from blobkit.store.fsck.repair import BEFORE_ALL, repair_all, repair_index
from blobkit.store.fsck.report import Finding, Fsck
from blobkit.transactions import Checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from blobkit.model import RefCounts
    from blobkit.store.fsck.context import FsckContext
    from blobkit.transactions import Reading

__all__ = ["NO_CHECKS", "UNREADABLE", "check", "check_index", "findings_of", "fsck"]

BESIDE = (
    "another process has the store open, or died with it: findings about files may be its work in the making; look "
    "again when it is done, or with --repair, which looks under the write lock"
)
UNFINISHED = "{:,} unfinished (removals, new files, index.json): left to the writer, or to the next to open the store"
NO_CHECKS = "the index of this store has no checks: only its content was checked"
UNREADABLE = frozenset({"index-damaged", "bad-digest"})
"""Faults that leave nothing else to be said of an index."""
MESSAGES = {
    "bad-digest": "the index holds a row that names nothing: {}; all else can be looked at once that is repaired",
    "bad-row": "the index holds a row that cannot be: {}",
    "lookup": "an index of the database is not what its table says: {}",
    "index-damaged": "the database is damaged: {}; close the store, then run blobkit fsck --repair, which rebuilds it",
    "dangling-link": "a link {} a blob that is not here",
    "dangling-expected": "an expected link from a blob that is not here",
    "bad-name": "the name of one of its tags is empty or no text",
    "dangling-tag": "the tag {!r} names a blob that is not here, so that nobody can tell which",
    "media-type": "its media type is none that the index knows",
    "expected-here": "a link to it is recorded as expected, but it is here",
    "buried-alive": "it is a blob and at the same time one that was removed, whose file is to be unlinked",
}


def fsck(context: FsckContext, *, repair: bool, content: bool, progress: bool) -> Fsck:
    """Return what is wrong with a store and, with `repair`, what was done about it.

    Faults that make the answers of the index unsure are repaired before anything else is asked.
    """
    found = context.index.read(check_index)
    before = repair_index(context, found or [], BEFORE_ALL) if repair else {}
    result = check(context, context.index.read(check_index) if before else found, content=content, progress=progress)
    done, more = repair_all(context, result.candidates) if repair else ({}, [])
    if not repair and context.is_live:
        _leave_out_pending(context, result)
    found_in_all = [*findings_of(before, before), *findings_of(result.candidates, done), *findings_of(more, {})]
    return Fsck(tuple(found_in_all), result.extent, tuple(result.notes), context.address)


def check(context: FsckContext, found: list[Candidate] | None, *, content: bool, progress: bool) -> FsckResult:
    """Return everything that is wrong beside what `check_index` found; nobody waits while content is read."""
    result = FsckResult(found or [], [NO_CHECKS] if found is None else [])
    if not any(one.code in UNREADABLE for one in result.candidates):
        check_content(context, result, hashing=content, progress=progress)
        check_surroundings(context, result)
    return result


def _leave_out_pending(context: FsckContext, result: FsckResult) -> None:
    """Leave out what living writers may be about to finish, and say so."""
    sure = [candidate for candidate in result.candidates if not candidate.is_pending]
    pending = len(result.candidates) - len(sure)
    result.notes += [UNFINISHED.format(pending)] if pending else []
    result.notes += [BESIDE] if context.is_read_only and result.candidates else []
    result.candidates = sure


def findings_of(candidates: Iterable[Candidate], done: Mapping[Candidate, str]) -> Iterable[Finding]:
    """Return what was found, with what was done about it."""
    return (Finding(one.code, one.digest, one.message, done.get(one, "")) for one in candidates)


def check_index(tx: Reading) -> list[Candidate] | None:
    """Return everything that is wrong with the rows, None for an index without checks."""
    if not isinstance(tx, Checked):
        return None
    found = [
        Candidate(code, digest or Digest(""), MESSAGES[code].format(printable(detail)), detail)
        for code, digest, detail in tx.faults()
    ]
    if any(one.code in UNREADABLE for one in found):
        return found
    miscounts = (one for digest, counts in tx.miscounts().items() for one in _miscounted(digest, counts))
    return [*found, *miscounts, *_cycles(tx)]


def _miscounted(digest: Digest, counts: RefCounts) -> Iterator[Candidate]:
    refcount, pins, links, tags = counts
    if pins < tags or pins < 0:
        yield Candidate("pins", digest, f"it has {count(tags, 'tag')} and {pins:,} as the number of its pins")
    if refcount != pins + links or refcount <= 0:
        held = f"{pins:,} pins, {count(links, 'link')}"
        yield Candidate("refcount", digest, f"it counts {refcount:,}, but is held by {held}")


def _cycles(tx: Checked) -> list[Candidate]:
    """Return the cycles, each with the calls that break it.

    Found in two passes: links of deleted blobs can fake a cycle, so the second ignores them.
    """
    from blobkit.store.cycles import cycles  # noqa: PLC0415 (it loads scipy)

    seeming = list(cycles(*tx.edges()))
    names = tx.numbered({node for members, _ in seeming for node in members})
    real = [(s, t) for _, links in seeming for s, t in links if s in names and t in names]
    return [_cycle(names, members, links) for members, links in cycles(*zip(*real, strict=True))] if real else []


def _cycle(names: Mapping[int, Digest], members: Sequence[int], links: Sequence[tuple[int, int]]) -> Candidate:
    from blobkit.store.cycles import back_links  # noqa: PLC0415 (it loads scipy)

    calls = [f'store.unlink("{names[target]}", "{names[source]}")' for source, target in back_links(links)]
    if len(members) == 1:
        message = (
            f"it links to itself, so that nothing frees it: break it with {calls[0]}, after store.ref if it is to stay"
        )
    else:
        message = (
            f"{count(len(members), 'blob')} hold one another, so that nothing frees them "
            f"({join_some([abbreviate(names[node]) for node in members])}): break it with {join_some(calls, 3)}, "
            "after store.ref of what is to stay"
        )
    return Candidate("cycle", names[members[0]], message)
