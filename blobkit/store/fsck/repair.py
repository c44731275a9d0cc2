"""Repair: what was found is made right where that loses nothing. Content is moved to quarantine, never deleted.

Pins are the truth about references. Each chunk is looked at again under the write lock, just before it is changed; a
repair that dies half way is done to the end by the next one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.render import count, printable
from blobkit.store import rules
from blobkit.store.fsck.files import buried, is_old, still_damaged, unknown
from blobkit.store.fsck.subject import Suspect, in_chunks
from blobkit.store.journal import restore
from blobkit.store.reachability import reaches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blobkit.model import FileSignature, Link
    from blobkit.store.fsck.subject import Subject
    from blobkit.transactions import Writing

    Done = dict[Suspect, str]
    """What was done about a suspect."""

__all__ = ["BEFORE_ALL", "repair", "repair_index"]

BEFORE_ALL = ("lookup", "bad-digest", "bad-row")
"""Faults of the index that make its answers unsure, so that everything else is asked after their repair."""

CLEARED = {
    "lookup": "the indexes of the database were made anew",
    "bad-digest": "taken out",
    "bad-row": "set to a value that can be",
    "dangling-link": "dropped",
    "dangling-expected": "dropped",
    "dangling-tag": "dropped, and with it the name",
    "media-type": "recorded as of unknown type",
    "buried-alive": "it is not to be removed any more",
}
DAMAGED = {"content-corrupt": "corrupt", "content-truncated": "truncated"}


def repair_index(subject: Subject, suspects: Sequence[Suspect], codes: Sequence[str] = tuple(CLEARED)) -> Done:
    """Clear what the index sees wrong with single rows, of these kinds; return what was done."""
    found = [suspect for suspect in suspects if suspect.code in CLEARED and suspect.code in codes]
    if found:
        with subject.writing(durable=True) as rows:
            rows.clear([code for code in CLEARED if code in {suspect.code for suspect in found}])
    return {suspect: CLEARED[suspect.code] for suspect in found}


def repair(subject: Subject, suspects: Sequence[Suspect]) -> tuple[Done, list[Suspect]]:
    """Repair what can be; return what was done about each, and what is wrong because of that."""
    done = repair_index(subject, suspects)
    by_code: dict[str, list[Suspect]] = {}
    for suspect in suspects:
        by_code.setdefault(suspect.code, []).append(suspect)
    done |= _link_arrived(subject, by_code.get("expected-here", []))
    done |= _recount(subject, [*by_code.get("refcount", []), *by_code.get("pins", [])])
    done |= _restore(subject, by_code.get("unrestored", []))
    done |= _resize(subject, by_code.get("size", []))
    moved = _move_content(subject, [one for code in DAMAGED for one in by_code.get(code, [])])
    done |= moved
    done |= _move_orphans(subject, by_code.get("orphan", []))
    done |= _move_strays(subject, by_code.get("stray", []))
    done |= _reclaim(subject, by_code.get("temp", []))
    done |= _show_tags(subject, by_code.get("layout-stale", []))
    done |= _sweep(subject, by_code.get("tombstone", []))  # which removes nothing while index.json is not as it was
    return done, [_gone(suspect) for suspect in moved]


def _link_arrived(subject: Subject, suspects: list[Suspect]) -> Done:
    """Link what was expected and is here; a link that would close a cycle is only forgotten."""
    done = {}
    for chunk in in_chunks(suspects):
        with subject.writing(durable=True) as rows:
            for digest in {suspect.digest for suspect in chunk}:
                done[digest] = _linked(rows, list(rows.expecting([digest])))
    return {suspect: done[suspect.digest] for suspect in suspects}


def _linked(rows: Writing, waiting: list[Link]) -> str:
    exist = {link[:2] for link in rows.linked(waiting)}
    fresh = [link for link in waiting if link[:2] not in exist]
    good = [link for link in fresh if link.source != link.target and not reaches(rows, [link.target], link.source)]
    rows.unexpect(waiting)
    rows.apply(rules.arrived(rows, good))
    cyclic = len(fresh) - len(good)
    return f"{count(len(good), 'link')} made" + (f", {cyclic:,} would have closed a cycle" if cyclic else "")


def _recount(subject: Subject, suspects: list[Suspect]) -> Done:
    """Set pins to no less than the tags, then refcounts to pins plus links; what nothing holds is pinned once."""
    done: Done = {}
    for chunk in in_chunks(suspects):
        with subject.writing(durable=True) as rows:
            wrong = rows.miscounts([suspect.digest for suspect in chunk])
            pins = {blob: max(tally.pins, tally.tags) for blob, tally in wrong.items()}
            counts = {blob: (pins[blob] + tally.links, pins[blob]) for blob, tally in wrong.items()}
            unheld = {blob for blob, (refcount, _) in counts.items() if not refcount}
            rows.recount({**counts, **dict.fromkeys(unheld, (1, 1))})
        for suspect in chunk:
            what = "nothing held it: pinned once" if suspect.digest in unheld else "counted anew"
            done[suspect] = what
    return done


def _resize(subject: Subject, suspects: list[Suspect]) -> Done:
    for chunk in in_chunks(suspects):
        with subject.writing(durable=True) as rows:
            true = list(still_damaged(subject.content, rows, chunk))
            rows.resize({one.digest: _stamp(one).size for one in true})
    return dict.fromkeys(suspects, "recorded")


def _restore(subject: Subject, suspects: list[Suspect]) -> Done:
    """Restore content from the journal."""
    done: Done = {}
    for chunk in in_chunks(suspects):
        with subject.writing(durable=True) as rows:
            done |= {one: "restored" for one in chunk if restore(subject.content, rows, one.digest)}
    return done


def _move_content(subject: Subject, suspects: list[Suspect]) -> Done:
    """Move content that is damaged, and is still the content that was read, to quarantine."""
    done: Done = {}
    for chunk in in_chunks(suspects):
        with subject.writing(durable=True) as rows:
            true = list(still_damaged(subject.content, rows, chunk))
            for code, what in DAMAGED.items():
                done |= _moved(subject, {one.digest: one for one in true if one.code == code}, what)
    return done


def _move_orphans(subject: Subject, suspects: list[Suspect]) -> Done:
    """Move files that the index does not know, unless they are young or index.json may reach them."""
    old = [suspect for suspect in suspects if is_old(_stamp(suspect))]
    reached = subject.outside.reached() if old else ()
    done: Done = {}
    for chunk in in_chunks([suspect for suspect in old if reached is not None and suspect.digest not in reached]):
        with subject.writing(durable=True) as rows:
            still = {one.digest for one in unknown(subject.content, rows, chunk)}
            done |= _moved(subject, {one.digest: one for one in chunk if one.digest in still}, "orphan")
    return done


def _move_strays(subject: Subject, suspects: list[Suspect]) -> Done:
    """Move what is no blob from among the blobs, unless another program is at work here."""
    done: Done = {}
    for chunk in in_chunks(suspects):
        with subject.writing(durable=True) as rows:
            if subject.outside.is_foreign(rows):
                break
            done |= _moved(subject, {one.name: one for one in chunk}, "stray")
    return done


def _reclaim(subject: Subject, suspects: list[Suspect]) -> Done:
    if suspects:
        subject.content.reclaim()
        with subject.writing(durable=False):
            subject.outside.clear_leftovers()
    left = {*subject.content.abandoned(), *subject.outside.leftovers()} if suspects else ()
    return {suspect: "removed" for suspect in suspects if suspect.name not in left}


def _sweep(subject: Subject, suspects: list[Suspect]) -> Done:
    if not suspects or subject.read(subject.outside.is_foreign):
        return {}
    subject.sweep()
    left = subject.read(buried)
    return {suspect: "its file is gone, too" for suspect in suspects if suspect.digest not in left}


def _show_tags(subject: Subject, suspects: list[Suspect]) -> Done:
    if suspects:
        subject.outside.show()
    return dict.fromkeys(suspects, "written anew")


def _moved(subject: Subject, suspects: Mapping[str, Suspect], what: str) -> Done:
    """Move these to quarantine, and say where each is."""
    places = subject.content.set_aside(list(suspects), what)
    return {suspects[name]: f"moved to {printable(place)}" for name, place in places.items()}


def _gone(suspect: Suspect) -> Suspect:
    message = "its damaged content is in quarantine now: put the same content again to heal it"
    return Suspect("content-missing", suspect.digest, message)


def _stamp(suspect: Suspect) -> FileSignature:
    """Return the stamp of the bytes that were looked at."""
    if suspect.stamp is None:
        msg = f"nothing was looked at for {suspect}"
        raise TypeError(msg)
    return suspect.stamp
