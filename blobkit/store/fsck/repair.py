"""Repair what a check found, where nothing is lost by it. Content is moved to quarantine, never deleted.

Pins are the truth about references. Each chunk is looked at again under the write lock, just before it is changed; the
next repair finishes what one that died has begun.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from blobkit.render import printable
from blobkit.store import rules
from blobkit.store.fsck.context import Candidate, in_chunks
from blobkit.store.fsck.files import damaged, removed, unknown
from blobkit.store.journal import restore
from blobkit.store.reachability import reaches
from blobkit.transactions import Repairable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from blobkit.store.fsck.context import FsckContext, Writes
    from blobkit.transactions import Writing

    Done = dict[Candidate, str]
    """What was done about a candidate."""

__all__ = ["BEFORE_ALL", "DAMAGED", "gone", "link_arrived", "recount", "repair_all", "repair_index"]

BEFORE_ALL = frozenset({"lookup", "bad-digest", "bad-row", "bad-name"})
"""Faults of the index that make its answers unsure, so that everything else is asked after their repair."""

CLEARED = {
    "lookup": "the indexes of the database were made anew",
    "bad-digest": "taken out",
    "bad-row": "set to a value that can be",
    "dangling-link": "dropped",
    "dangling-expected": "dropped",
    "bad-name": "dropped: the pin of the tag stays",
    "dangling-tag": "dropped, and with it the name",
    "media-type": "recorded as of unknown type",
    "buried-alive": "it is not to be removed any more",
}
DAMAGED = {"content-corrupt": "corrupt", "content-truncated": "truncated"}


def repair_index(context: Writes, candidates: Sequence[Candidate], codes: Collection[str] = CLEARED) -> Done:
    """Clear faults of single rows, of these kinds; return what was done."""
    found = [candidate for candidate in candidates if candidate.code in CLEARED and candidate.code in codes]
    if found:
        present = {candidate.code for candidate in found}
        with context.writing(durable=True) as tx:
            cast("Repairable", tx).clear([code for code in CLEARED if code in present])
    return {candidate: CLEARED[candidate.code] for candidate in found}


def repair_all(context: FsckContext, candidates: Sequence[Candidate]) -> tuple[Done, list[Candidate]]:
    """Repair what can be; return what was done about each, and the new findings that this leaves."""
    done = repair_index(context, candidates)
    by_code: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        by_code.setdefault(candidate.code, []).append(candidate)
    by_code["orphan"] = _unreached(context, by_code.get("orphan", []))
    for codes, cure in CURES:
        for chunk in in_chunks([one for code in codes for one in by_code.get(code, ())]):
            with context.writing(durable=True) as tx:
                done |= cure(context, tx, chunk)
    if context.layout and (stale := by_code.get("layout-stale")):
        context.layout.show()
        done |= dict.fromkeys(stale, "written anew")
    done |= _sweep(context, by_code.get("tombstone", []))  # which removes nothing while index.json is not as it was
    return done, [gone(candidate) for candidate in done if candidate.code in DAMAGED]


def link_arrived(_context: object, tx: Writing, chunk: list[Candidate]) -> Done:
    """Link what was expected and is here, unless that closes a cycle."""
    for digest in {one.digest for one in chunk}:
        waiting = tx.expecting([digest])
        exist = {link[:2] for link in tx.linked(waiting)}
        fresh = [link for link in waiting if link[:2] not in exist]
        tx.unexpect(waiting)
        tx.apply(rules.arrived(tx, [link for link in fresh if not reaches(tx, [digest], link.source)]))
    return dict.fromkeys(chunk, "linked, or only forgotten where the link would have closed a cycle")


def recount(_context: object, tx: Writing, chunk: list[Candidate]) -> Done:
    """Set pins to no less than the tags, then refcounts to pins plus links; what nothing holds is pinned once."""
    index = cast("Repairable", tx)
    wrong = index.miscounts([one.digest for one in chunk])
    pins = {blob: max(found.pins, found.tags) for blob, found in wrong.items()}
    counts = {blob: (pins[blob] + found.links, pins[blob]) for blob, found in wrong.items()}
    unheld = {blob for blob, (refcount, _) in counts.items() if not refcount}
    index.recount({**counts, **dict.fromkeys(unheld, (1, 1))})
    return {one: "nothing held it: pinned once" if one.digest in unheld else "counted anew" for one in chunk}


def _restore(context: FsckContext, tx: Writing, chunk: list[Candidate]) -> Done:
    return {one: "restored" for one in chunk if restore(context.content, tx, one.digest)}


def _resize(context: FsckContext, tx: Writing, chunk: list[Candidate]) -> Done:
    if not isinstance(tx, Repairable):
        return {}
    true = damaged(context.content, chunk, tx)
    tx.resize({one.digest: one.signature.size for one in true if one.signature})
    return dict.fromkeys(true, "recorded")


def _move_content(context: FsckContext, tx: Writing, chunk: list[Candidate]) -> Done:
    """Move content that is damaged, and is still the content that was read, to quarantine."""
    true = damaged(context.content, chunk, tx)
    moved = (_moved(context, {one.digest: one for one in true if one.code == code}, DAMAGED[code]) for code in DAMAGED)
    return {one: where for done in moved for one, where in done.items()}


def _unreached(context: FsckContext, found: list[Candidate]) -> list[Candidate]:
    """Return the orphans that are old and that index.json does not reach."""
    old = [one for one in found if one.is_old]
    reached = context.layout.reached() if old and context.layout else ()
    return [] if reached is None else [one for one in old if one.digest not in reached]


def _move_orphans(context: FsckContext, tx: Writing, chunk: list[Candidate]) -> Done:
    still = {one.digest for one in unknown(context.content, chunk, tx)}
    return _moved(context, {one.digest: one for one in chunk if one.digest in still}, "orphan")


def _move_strays(context: FsckContext, tx: Writing, chunk: list[Candidate]) -> Done:
    """Move what is no blob from among the blobs, unless another program is at work here."""
    if context.layout and context.layout.is_foreign(tx):
        return {}
    return _moved(context, {one.name: one for one in chunk}, "stray")


def _reclaim(context: FsckContext, _tx: Writing, chunk: list[Candidate]) -> Done:
    context.content.reclaim()
    left = set(context.content.abandoned())
    return {one: "removed" for one in chunk if one.name not in left}


CURES = (
    (("expected-here",), link_arrived),
    (("refcount", "pins"), recount),
    (("unrestored",), _restore),
    (("size",), _resize),
    (tuple(DAMAGED), _move_content),
    (("orphan",), _move_orphans),
    (("stray",), _move_strays),
    (("temp",), _reclaim),
)
"""How findings are repaired, in this order, a chunk in one transaction."""


def _sweep(context: FsckContext, found: list[Candidate]) -> Done:
    if not found or (context.layout and context.index.read(context.layout.is_foreign)):
        return {}
    context.sweep()
    left = context.index.read(removed)
    return {one: "its file is gone, too" for one in found if one.digest not in left}


def _moved(context: FsckContext, found: Mapping[str, Candidate], what: str) -> Done:
    """Move these to quarantine, and say where each is."""
    places = context.content.set_aside(list(found), what)
    return {found[name]: f"moved to {printable(place)}" for name, place in places.items()}


def gone(candidate: Candidate) -> Candidate:
    """Return the finding that the repair of damaged content leaves."""
    message = "its damaged content is in quarantine now: put the same content again to heal it"
    return Candidate("content-missing", candidate.digest, message)
