"""Every kind of damage, found in bulk. Nothing is written, and nobody waits while content is read.

What looks wrong beside living writers may only be in the making. So the index is asked about itself within one
transaction, and whatever is said of files is looked at again under the write lock before it is believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.render import abbreviate, count, join_some, printable
from blobkit.store.fsck import files
from blobkit.store.fsck.subject import NO_BLOB, Seen, Suspect

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from blobkit.digest import Digest
    from blobkit.model import RefCounts
    from blobkit.store.fsck.subject import Subject
    from blobkit.transactions import Reading

__all__ = ["UNREADABLE", "check", "of_index"]

UNREADABLE = frozenset({"index-damaged", "bad-digest"})
"""Faults that leave nothing else to be said of an index."""

MESSAGES = {
    "bad-digest": "the index holds a row that names nothing: {}; all else can be looked at once that is repaired",
    "bad-row": "the index holds a row that cannot be: {}",
    "lookup": "an index of the database is not what its table says: {}",
    "index-damaged": "the database is damaged: {}; close the store, then run blobkit fsck --repair, which rebuilds it",
    "dangling-link": "a link {} a blob that is not here",
    "dangling-expected": "an expected link from a blob that is not here",
    "dangling-tag": "the tag {!r} names a blob that is not here, so that nobody can tell which",
    "media-type": "its media type is none that the index knows",
    "expected-here": "a link to it is recorded as expected, but it is here",
    "buried-alive": "it is a blob and at the same time one that was removed, whose file is to be unlinked",
}


def check(subject: Subject, *, content: bool, progress: bool) -> Seen:
    """Return everything that is wrong; StoreDamagedError where the index cannot be read at all."""
    rows = of_index(subject)
    seen = Seen(rows)
    if any(suspect.code in UNREADABLE for suspect in rows):
        return seen
    seen.suspects += subject.read(_cycles)
    files.look_at_content(subject, seen, hashing=content, progress=progress)
    files.look_around(subject, seen)
    return seen


def of_index(subject: Subject) -> list[Suspect]:
    """Return what the index sees of itself, in one transaction; no writer can make that look wrong."""
    faults, miscounts = subject.read(_asked_of_itself)
    found = [Suspect(code, digest, _said(code, detail), detail) for code, digest, detail in faults]
    return [*found, *(suspect for digest, tally in miscounts.items() for suspect in _miscounted(digest, tally))]


def _asked_of_itself(rows: Reading) -> tuple[list[tuple[str, Digest, str]], Mapping[Digest, RefCounts]]:
    faults = [(fault.code, fault.digest or NO_BLOB, fault.detail) for fault in rows.faults()]
    damaged = any(code in UNREADABLE for code, _, _ in faults)
    return faults, {} if damaged else rows.miscounts()


def _said(code: str, detail: str) -> str:
    return MESSAGES[code].format(printable(detail))


def _miscounted(digest: Digest, tally: RefCounts) -> Iterator[Suspect]:
    if tally.pins < tally.tags or tally.pins < 0:
        yield Suspect("pins", digest, f"it has {count(tally.tags, 'tag')} and {tally.pins:,} as the number of its pins")
    held = tally.pins + tally.links
    if tally.refcount != held or held <= 0:
        links = count(tally.links, "link")
        yield Suspect("refcount", digest, f"it counts {tally.refcount:,}, but is held by {tally.pins:,} pins, {links}")


def _cycles(rows: Reading) -> list[Suspect]:
    """Return the cycles, each with the calls that break it.

    Looked for twice, the second time among what is here: through links of what is gone others could seem to close.
    """
    from blobkit.store.cycles import cycles  # noqa: PLC0415 (it loads scipy)

    seeming = list(cycles(*rows.edges()))
    names = rows.numbered({node for members, _ in seeming for node in members})
    real = [(s, t) for _, links in seeming for s, t in links if s in names and t in names]
    return [_cycle(names, members, links) for members, links in cycles(*zip(*real, strict=True))] if real else []


def _cycle(names: Mapping[int, Digest], members: Sequence[int], links: Sequence[tuple[int, int]]) -> Suspect:
    from blobkit.store.cycles import back_links  # noqa: PLC0415 (it loads scipy)

    calls = [f'store.unlink("{names[target]}", "{names[source]}")' for source, target in back_links(links)]
    message = (
        f"{count(len(members), 'blob')} hold one another, so that nothing frees them "
        f"({join_some([abbreviate(names[node]) for node in members])}): break it with {join_some(calls, 3)}, "
        "after store.ref of what is to stay"
    )
    return Suspect("cycle", names[members[0]], message)
