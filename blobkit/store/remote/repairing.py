"""Repair what a check of a remote store found, where nothing is lost by it.

An object is copied to quarantine before it is deleted. Where the content of a blob is damaged, its place is taken from
its row: it becomes a tombstone, which the sweep at the end deletes, and the next put of the blob sends it anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from blobkit.model import PlacedObject
from blobkit.render import printable
from blobkit.store.fsck.context import in_chunks
from blobkit.store.fsck.repair import DAMAGED, gone, link_arrived, recount, repair_index
from blobkit.store.remote.shelf import placed
from blobkit.transactions import Repairable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from blobkit.store.fsck.context import Candidate
    from blobkit.store.fsck.repair import Done
    from blobkit.store.remote.session import RemoteSession
    from blobkit.transactions import Writing

    Cure = Callable[[RemoteSession, list[Candidate]], Done]

__all__ = ["repair_all"]


def repair_all(session: RemoteSession, candidates: Sequence[Candidate]) -> tuple[Done, list[Candidate]]:
    """Repair what can be; return what was done about each, and the new findings that this leaves."""
    done = repair_index(session, candidates)
    for codes, cure in CURES:
        for chunk in in_chunks([one for one in candidates if one.code in codes]):
            done |= cure(session, chunk)
    graves = [one for one in candidates if one.code == "tombstone"]
    if graves or any(one.code in DAMAGED for one in done):
        session.sweep()
    left = session.placed_content.look([one.name for one in graves])
    done |= {one: "the object is gone, too" for one in graves if one.name not in left}
    return done, [gone(one) for one in done if one.code in DAMAGED]


def _link(session: RemoteSession, chunk: list[Candidate]) -> Done:
    return session.index.write(lambda tx: link_arrived(session, tx, chunk), durable=True)


def _count(session: RemoteSession, chunk: list[Candidate]) -> Done:
    return session.index.write(lambda tx: recount(session, tx, chunk), durable=True)


def _resize(session: RemoteSession, chunk: list[Candidate]) -> Done:
    """Record the true size of content that is right."""

    def plan(tx: Writing) -> list[Candidate]:
        true = _still(tx, chunk) if isinstance(tx, Repairable) else []
        cast("Repairable", tx).resize({one.digest: one.signature.size for one in true if one.signature})
        return true

    return dict.fromkeys(session.index.write(plan, durable=True), "recorded")


def _move_content(session: RemoteSession, chunk: list[Candidate]) -> Done:
    """Copy damaged content to quarantine, then take its place from its blob."""
    moved = _copied(session, chunk, {one.name: DAMAGED[one.code] for one in chunk})
    true = _unsettle(session, list(moved))
    return {one: moved[one] for one in true}


def _note_missing(session: RemoteSession, chunk: list[Candidate]) -> Done:
    """Take the place, where nothing is, from each blob: this cures nothing, but the next put does."""
    _unsettle(session, chunk)
    return {}


def _move_unknown(session: RemoteSession, chunk: list[Candidate]) -> Done:
    """Move what nobody knows, and is old, to quarantine."""
    old = [one for one in chunk if one.is_old]
    known = session.index.read(lambda tx: set(placed(tx).known_places([one.name for one in old])))
    moved = _copied(session, [one for one in old if one.name not in known], {one.name: one.code for one in old})
    session.placed_content.delete([one.name for one in moved])
    return moved


def _abort(session: RemoteSession, chunk: list[Candidate]) -> Done:
    """Drop unfinished uploads to places that nobody knows, if they are old."""
    known = session.index.read(lambda tx: set(placed(tx).known_places([one.name for one in chunk])))
    old = [(one, one.signature) for one in chunk if one.is_old and one.name not in known and one.signature]
    uploads = [PlacedObject(one.name, file.size, file.since, str(file.identity), one.digest) for one, file in old]
    session.placed_content.abort(uploads)
    return {one: "dropped" for one, _ in old}


CURES: tuple[tuple[tuple[str, ...], Cure], ...] = (
    (("expected-here",), _link),
    (("refcount", "pins"), _count),
    (("size",), _resize),
    (tuple(DAMAGED), _move_content),
    (("content-missing",), _note_missing),
    (("orphan", "stray"), _move_unknown),
    (("upload",), _abort),
)
"""How findings are repaired, in this order."""


def _copied(session: RemoteSession, chunk: list[Candidate], what: Mapping[str, str]) -> Done:
    """Copy objects to quarantine; return where each copy is."""
    done: Done = {}
    for kind in set(what.values()):
        of_kind = {one.name: one for one in chunk if what[one.name] == kind}
        places = session.placed_content.set_aside(of_kind, kind)
        done |= {of_kind[name]: f"moved to {printable(target)}" for name, target in places.items()}
    return done


def _unsettle(session: RemoteSession, chunk: list[Candidate]) -> list[Candidate]:
    """Take their places from the blobs that still have them; return these."""

    def plan(tx: Writing) -> list[Candidate]:
        true = _still(tx, chunk)
        placed(tx).unsettle({one.digest: one.name for one in true})
        return true

    return session.index.write(plan, durable=True)


def _still(tx: Writing, chunk: list[Candidate]) -> list[Candidate]:
    """Return those whose blob still has the place that was looked at."""
    places = placed(tx).places([one.digest for one in chunk])
    return [one for one in chunk if places.get(one.digest) == one.name]
