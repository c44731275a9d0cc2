"""Check files: content against its digest, and what the index does not know.

Candidates are found without a lock; each is looked at again before it is believed (`FsckContext.confirm`).
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from blobkit.digest import read_through
from blobkit.progress import counted
from blobkit.render import count
from blobkit.store.fsck.context import Candidate
from blobkit.store.fsck.report import Extent
from blobkit.store.journal import content_of, entries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from blobkit.contents import Content, Inspected
    from blobkit.digest import Digest
    from blobkit.model import FileSignature
    from blobkit.store.fsck.context import FsckContext, FsckResult
    from blobkit.store.transfer.verifying import Open
    from blobkit.transactions import Index, Reading

    Advance = Callable[[int], object]

__all__ = [
    "check_content",
    "check_surroundings",
    "damaged",
    "orphans",
    "removed",
    "unknown",
    "unknown_pages",
    "verdict",
]

PAGE = 100_000
"""Blobs asked for at once: beside living writers a read-only index may copy its database for each question."""
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


def check_content(context: FsckContext, result: FsckResult, *, hashing: bool, progress: bool) -> None:
    """Find content that is absent, of another length or, if `hashing`, of another hash."""
    blobs = read = odd = 0
    found: list[Candidate] = []
    total = sum(sum(sizes.values()) for sizes in _pages(context)) if hashing and progress else 0
    with counted(total, "hashing", show=hashing and progress) as advance:
        for sizes in _pages(context):
            signatures = context.content.signatures(sizes)
            for blob, size in sizes.items():
                file = signatures.get(blob)
                code, hashed = verdict(context.content.open, blob, size, file, hashing=hashing, advance=advance)
                found += [Candidate(code, blob, MESSAGES[code], signature=file)] if code else []
                read += hashed
            blobs += len(sizes)
            odd += sum(file.regular and file.mode != PLAIN for file in signatures.values())
    result.extent = Extent(blobs, read)
    result.candidates += context.confirm(found, damaged)
    if odd:
        result.notes.append(f"{count(odd, 'file')} of content can be written to, or not read by all: not of mode 0444")


def check_surroundings(context: FsckContext, result: FsckResult) -> None:
    """Find files that the index does not know, and what dead processes left undone."""
    temps = context.content.abandoned()
    graves = sorted(context.index.read(removed))
    result.candidates += orphans(context)
    result.candidates += [Candidate("temp", message=f"{name}: {MESSAGES['temp']}", name=name) for name in temps]
    result.candidates += [Candidate("tombstone", one, MESSAGES["tombstone"], is_pending=True) for one in graves]
    result.candidates += context.layout.faults(context) if context.layout else []
    strays = context.content.strays()
    result.candidates += [Candidate("stray", message=f"{name}: {MESSAGES['stray']}", name=name) for name in strays]


def verdict(  # noqa: PLR0913 (what there is to know of one blob)
    opened: Open, blob: Digest, size: int, file: FileSignature | None, *, hashing: bool, advance: Advance
) -> tuple[str, int]:
    """Return what is wrong with the content of one blob, "" if nothing, and the number of bytes read to see that.

    Content of another length is read in any case: the index may be wrong.
    """
    if file is None or not file.regular:
        return "content-missing", 0
    if file.size == size and not hashing:
        return "", 0
    try:
        with opened(blob) as content:
            good = read_through(content, blob, lambda piece: advance(len(piece)))
    except FileNotFoundError:
        return "content-missing", 0
    except OSError:
        return "content-unreadable", 0
    if file.size == size:
        return "" if good else "content-corrupt", file.size
    return "size" if good else "content-truncated", file.size


def damaged(content: Inspected, candidates: Sequence[Candidate], tx: Reading) -> list[Candidate]:
    """Return those whose blob is recorded and whose file is as it was; as `unrestored` where the journal has it."""
    blobs = [candidate.digest for candidate in candidates]
    sizes, signatures = tx.sizes(blobs), content.signatures(blobs)
    found = []
    for candidate in candidates:
        code, size, file = candidate.code, sizes.get(candidate.digest), signatures.get(candidate.digest)
        is_gone = file is None or not file.regular
        is_so = is_gone if code == "content-missing" else file == candidate.signature and not is_gone
        if size is None or not is_so or (code == "size" and file and file.size == size):
            continue
        is_journalled = code in RESTORABLE and content_of(tx, candidate.digest) is not None
        restorable = candidate._replace(code="unrestored", message=MESSAGES["unrestored"], is_pending=file is None)
        found.append(restorable if is_journalled else candidate)
    return found


def orphans(context: FsckContext) -> list[Candidate]:
    """Return the files that the index does not know. Cost: asks the index for every digest.

    Without the lock, a writer may be about to record a young one.
    """
    pages = unknown_pages(context.content, context.index)
    found = (Candidate("orphan", digest, MESSAGES["orphan"]) for page in pages for digest in page)
    sure = context.confirm(found, unknown)
    return [orphan._replace(is_pending=context.is_read_only and not orphan.is_old) for orphan in sure]


def unknown(content: Inspected, candidates: Sequence[Candidate], tx: Reading) -> list[Candidate]:
    """Return those whose file is still there without a blob, a tombstone or an entry of the journal."""
    digests = [candidate.digest for candidate in candidates]
    known = {*tx.counts(digests), *_tombstones(tx), *(entry.digest for entry in entries(tx))}
    files = {digest: file for digest, file in content.signatures(set(digests) - known).items() if file.regular}
    return [one._replace(signature=files[one.digest]) for one in candidates if one.digest in files]


def removed(tx: Reading) -> set[Digest]:
    """Return the tombstones of what is no blob again and is not in the journal: what that holds may still be placed."""
    graves = _tombstones(tx)
    return graves.difference(tx.counts(graves), (entry.digest for entry in entries(tx)))


def _tombstones(tx: Reading) -> set[Digest]:
    """Return all tombstones; mostly there are none."""
    found: set[Digest] = set()
    after = None
    while page := tx.tombstones(PAGE, after):
        found.update(page)
        after = page[-1]
    return found


def _pages(context: FsckContext) -> Iterator[Mapping[Digest, int]]:
    """Yield all blobs with their sizes, in pieces."""
    after = None
    while page := context.index.read(partial(_page, after=after)):
        yield page
        after = max(page)


def _page(tx: Reading, *, after: Digest | None) -> Mapping[Digest, int]:
    return tx.sizes(tx.digests(after, PAGE))


def unknown_pages(content: Content, index: Index) -> Iterator[list[Digest]]:
    """Yield, in pages, the digests that have content and are no blob, or were none a moment ago."""
    digests = content.digests()
    while page := list(islice(digests, PAGE)):
        known = index.read(partial(_counts, page))
        yield [digest for digest in page if digest not in known]


def _counts(digests: Sequence[Digest], tx: Reading) -> Mapping[Digest, int]:
    return tx.counts(digests)
