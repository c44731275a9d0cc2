"""Damage that shows in files: content that is not what its digest says, and what nobody knows of."""

from __future__ import annotations

import time
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from blobkit.digest import read_through
from blobkit.progress import counted
from blobkit.render import count
from blobkit.store.fsck import subject as settings
from blobkit.store.fsck.report import Checked
from blobkit.store.fsck.subject import Suspect
from blobkit.store.journal import content_of, entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from blobkit.digest import Digest
    from blobkit.model import FileSignature
    from blobkit.protocols import Inspected
    from blobkit.store.fsck.subject import Seen, Subject
    from blobkit.transactions import Reading

    Advance = Callable[[int], object]

__all__ = ["buried", "is_old", "look_around", "look_at_content", "matches", "orphans", "still_damaged", "unknown"]

PAGE = 10_000
PLAIN = 0o444

HEAL = "put the same content again to heal it"
MESSAGES = {
    "content-missing": f"its content is gone: {HEAL}",
    "content-corrupt": f"its content has another hash: let a repair move it away, then {HEAL}",
    "content-truncated": f"its content is of another size and has another hash: {HEAL}",
    "content-unreadable": "its content cannot be read: look at the disk and at the mode of the file",
    "unrestored": "its file is gone or damaged, but the journal has its content: opening the store restores it",
    "size": "its content is right, but the index records another size",
    "orphan": "a file that the index does not know",
    "stray": "nothing of a blob, where only blobs belong",
    "temp": "what a dead process had staged",
    "tombstone": "it was removed, but its file may be there still",
}


RESTORABLE = frozenset({"content-missing", "content-corrupt", "content-truncated"})


def is_old(stamp: FileSignature) -> bool:
    """Return whether bytes are there for so long that nobody can be about to record them."""
    return time.time() - stamp.since > settings.GRACE


def look_at_content(subject: Subject, seen: Seen, *, hashing: bool, progress: bool) -> None:
    """Look at the content of every blob: is it there, of the right length and, if `hashing`, of the right hash."""
    blobs = read = odd = 0
    doubtful: list[Suspect] = []
    total = sum(sum(sizes.values()) for sizes in _pages(subject)) if hashing and progress else 0
    with counted(total, "hashing", show=hashing and progress) as advance:
        for sizes in _pages(subject):
            stamps = subject.content.signatures(sizes)
            for blob, size in sizes.items():
                stamp = stamps.get(blob)
                code, hashed = _verdict(subject.content, blob, size, stamp, hashing=hashing, advance=advance)
                doubtful += [_suspect(code, blob, stamp)] if code else []
                read += hashed
            blobs += len(sizes)
            odd += sum(stamp.regular and stamp.mode != PLAIN for stamp in stamps.values())
    seen.checked = Checked(blobs, read)
    damaged = subject.confirmed(doubtful, partial(still_damaged, subject.content), exact=True)
    seen.suspects += subject.read(partial(_told_by_journal, damaged)) if damaged else []
    if odd:
        seen.notes.append(f"{count(odd, 'file')} of content may be written to, or not be read by all: mode is not 0444")


def look_around(subject: Subject, seen: Seen) -> None:
    """Look for what nobody knows of, and for what dead processes left undone."""
    content, outside = subject.content, subject.outside
    orphans = subject.confirmed(_orphans(subject), partial(unknown, content), exact=True)
    temps = [Suspect("temp", message=f"{name}: {MESSAGES['temp']}", name=name) for name in _temps(subject)]
    graves = [_suspect("tombstone", digest, None) for digest in subject.read(_left_behind)]
    undone = subject.confirmed([*temps, *graves, *subject.read(outside.faults)], partial(_undone, subject))
    if sum(suspect.code == "tombstone" for suspect in undone) < len(graves):  # somebody sweeps just now
        undone = [suspect for suspect in undone if suspect.code != "tombstone"]
    sure = [suspect for suspect in (*orphans, *undone) if subject.quiet or not _in_the_making(suspect)]
    seen.suspects += sure
    seen.suspects += [Suspect("stray", message=f"{name}: {MESSAGES['stray']}", name=name) for name in content.strays()]
    if len(sure) < len(orphans) + len(undone):
        seen.notes.append(
            "another process has the store open or died with it: files that are not recorded yet, removals and tags "
            "that are not shown yet may be its work in the making; look again when it is done"
        )


def _in_the_making(suspect: Suspect) -> bool:
    """Return whether this may be the work of a writer who cannot be asked to wait."""
    if suspect.code == "orphan":
        return suspect.stamp is not None and not is_old(suspect.stamp)
    return suspect.code in {"tombstone", "layout-stale"}


def _told_by_journal(damaged: Sequence[Suspect], rows: Reading) -> list[Suspect]:
    """Return the same damages, but those that the journal has the content of as what is only to be restored."""
    return [
        _suspect("unrestored", one.digest, one.stamp)
        if one.code in RESTORABLE and content_of(rows, one.digest) is not None
        else one
        for one in damaged
    ]


def still_damaged(content: Inspected, rows: Reading, suspects: Sequence[Suspect]) -> Iterator[Suspect]:
    """Yield those whose blob is recorded still, and whose content was not replaced."""
    blobs = [suspect.digest for suspect in suspects]
    sizes, stamps = rows.sizes(blobs), content.signatures(blobs)
    for suspect in suspects:
        stamp = stamps.get(suspect.digest)
        if suspect.digest not in sizes:
            continue
        if suspect.code == "content-missing":
            if stamp is None or not stamp.regular:
                yield suspect
        elif stamp and stamp == suspect.stamp and (suspect.code != "size" or stamp.size != sizes[suspect.digest]):
            yield suspect


def orphans(subject: Subject) -> Mapping[Digest, FileSignature]:
    """Return the content that neither a blob nor a removal accounts for. Cost: asks the index for every digest."""
    found = subject.confirmed(_orphans(subject), partial(unknown, subject.content), exact=True)
    return {suspect.digest: suspect.stamp for suspect in found if suspect.stamp}


def unknown(content: Inspected, rows: Reading, suspects: Sequence[Suspect]) -> Iterator[Suspect]:
    """Yield those whose file is there still while neither a blob nor a tombstone is."""
    digests = [suspect.digest for suspect in suspects]
    known, graves, stamps = rows.counts(digests), buried(rows), content.signatures(digests)
    for suspect in suspects:
        stamp = stamps.get(suspect.digest)
        if stamp and stamp.regular and suspect.digest not in known and suspect.digest not in graves:
            yield suspect._replace(stamp=stamp)


def buried(rows: Reading) -> set[Digest]:
    """Return all tombstones of what is not a blob again. Cost: all of them; mostly there are none."""
    found: set[Digest] = set()
    after = None
    while page := rows.tombstones(PAGE, after):
        found.update(page)
        after = page[-1]
    return found - set(rows.counts(found))


def _left_behind(rows: Reading) -> set[Digest]:
    """Return those tombstones whose file nobody is about to place: what the journal holds may still come."""
    return buried(rows).difference(entry.digest for entry in entries(rows))


def matches(content: Inspected, blob: Digest, advance: Advance) -> bool:
    """Return whether the bytes of a blob have its hash. Cost: reads them, a piece at a time."""
    with content.open(blob) as file:
        return read_through(file, blob, lambda piece: advance(len(piece)))


def _verdict(  # noqa: PLR0913 (what there is to know of one blob)
    content: Inspected, blob: Digest, size: int, stamp: FileSignature | None, *, hashing: bool, advance: Advance
) -> tuple[str, int]:
    """Return what is wrong with the content of one blob, "" if nothing, and how many bytes were read for that.

    What has another length is read in any case: it may be the index that is wrong.
    """
    if stamp is None or not stamp.regular:
        return "content-missing", 0
    if stamp.size == size and not hashing:
        return "", 0
    try:
        good = matches(content, blob, advance)
    except FileNotFoundError:
        return "content-missing", 0
    except OSError:
        return "content-unreadable", 0
    if stamp.size == size:
        return "" if good else "content-corrupt", stamp.size
    return "size" if good else "content-truncated", stamp.size


def _suspect(code: str, blob: Digest, stamp: FileSignature | None) -> Suspect:
    return Suspect(code, blob, MESSAGES[code], stamp=stamp)


def _pages(subject: Subject) -> Iterator[Mapping[Digest, int]]:
    """Yield all blobs with their sizes, in pieces."""
    after = None
    while page := subject.read(partial(_page, after=after)):
        yield page
        after = max(page)


def _page(rows: Reading, *, after: Digest | None) -> Mapping[Digest, int]:
    return rows.sizes(rows.digests(after, PAGE))


def _orphans(subject: Subject) -> Iterator[Suspect]:
    """Yield the digests that have content and are no blob, or were none a moment ago."""
    digests = subject.content.digests()
    while page := list(islice(digests, PAGE)):
        known = subject.read(partial(_known, page))
        yield from (_suspect("orphan", digest, None) for digest in page if digest not in known)


def _known(digests: Sequence[Digest], rows: Reading) -> Mapping[Digest, int]:
    return rows.counts(digests)


def _temps(subject: Subject) -> list[str]:
    return [*subject.content.abandoned(), *subject.outside.leftovers()]


def _undone(subject: Subject, rows: Reading, suspects: Sequence[Suspect]) -> Iterable[Suspect]:
    """Return those that are there still."""
    graves, temps = buried(rows), set(_temps(subject))
    faults = set(subject.outside.faults(rows))
    for suspect in suspects:
        there = {"tombstone": suspect.digest in graves, "temp": suspect.name in temps}
        if there.get(suspect.code, suspect in faults):
            yield suspect
