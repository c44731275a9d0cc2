"""Blobs of another store, taken in with their pins, names and links, as often as one likes.

Chunk by chunk, children first: the content of a chunk is copied and verified outside the lock and made durable in one
go; then one transaction records blobs, pins, names and links (`recording`). So every moment is a sound store.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from blobkit.digest import Digest
from blobkit.errors import Hint, SourceError
from blobkit.oci.index import hidden_images
from blobkit.progress import watched
from blobkit.render import abbreviate, count, join_some, printable
from blobkit.store.transfer.recording import Recorder
from blobkit.store.transfer.results import Imported
from blobkit.store.transfer.verifying import verified
from blobkit.store.transfer.wanted import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blobkit.contents import Area
    from blobkit.model import Link
    from blobkit.protocols import Source
    from blobkit.store.methods import Serving
    from blobkit.store.transfer.recording import Wanted
    from blobkit.store.verbs import Work
    from blobkit.transactions import Reading


__all__ = ["import_from"]

CHUNK = 1_000


def import_from(source: Source, session: Serving, own: str, *, strict: bool, progress: bool) -> Imported:
    """Make everything that the source's policy holds there be here, with as many references; return what was done.

    SourceError, before anything is written, where the source is the store itself, whose identity is `own`, or, if
    `strict`, is not sound.
    """
    snapshot = source.snapshot()
    identity = getattr(source, "identity", "") or snapshot.place
    if identity == own:
        msg = f"{printable(snapshot.address)} cannot be imported into itself: give another store"
        raise SourceError(msg)
    plan = Plan(snapshot, source.open)
    if strict:
        _refuse(plan, source, progress=progress)
    work = _Import(plan, source, session, identity)
    wanted = iter(watched(plan, "importing", show=progress))
    while chunk := list(islice(wanted, CHUNK)):
        work.take(chunk)
    work.settle()
    return work.result()


def _refuse(plan: Plan, source: Source, *, progress: bool) -> None:
    """Check that the source is sound, every hash of it included; SourceError."""
    faults = plan.faults()
    for wanted in watched(plan, "verifying", show=progress) if not faults else ():
        found = verified(source.open, wanted.digest)
        faults += [f"{wanted.digest} {found}"] if isinstance(found, str) else []
    if faults:
        msg = f"{plan.snapshot.address} is not sound, nothing was imported: {join_some(faults, 3)}"
        sound = "take the rest with strict=False", "take the rest without --strict"
        raise SourceError(printable(msg), hint=Hint(*sound))


class _Import:
    """One import under way."""

    def __init__(self, plan: Plan, source: Source, session: Serving, identity: str) -> None:
        self._plan = plan
        self._source = source
        self._session = session
        self._recorder = Recorder(identity, plan.media_type, plan.missing, _cycle_notice)
        self._damaged: dict[Digest, str] = {}

    def result(self) -> Imported:
        """Return what was done."""
        plan, recorder = self._plan, self._recorder
        skipped = [*plan.skipped, *(f"{digest} {why}: skipped" for digest, why in self._damaged.items())]
        hidden = hidden_images(recorder.names.items()) if self._session.shows_tags else ""
        notices = dict.fromkeys([*plan.noticed(), *plan.notices, *skipped, *recorder.notices, hidden])
        shown = tuple(filter(None, notices))
        return Imported(source=plan.snapshot.caption(), skipped=len(skipped), notices=shown, **recorder.done)

    def take(self, chunk: Sequence[Wanted]) -> None:
        """Copy what is not here, then record the chunk; again where blobs that were here went meanwhile."""
        is_recorded = False
        while not is_recorded:
            area = self._session.content.area()
            try:
                staged = self._stage(area, [wanted.digest for wanted in chunk if wanted.digest not in self._damaged])
                taken = [wanted for wanted in chunk if wanted.digest not in self._damaged]
                is_recorded = self._record(taken, staged)
            finally:
                area.discard()

    def settle(self) -> None:
        """Let the pins stay that still are all that holds a blob: what held it in the source was not taken."""
        left, kept = iter(sorted(self._recorder.unfinished)), list[Digest]()
        while chunk := list(islice(left, CHUNK)):
            self._recorder, more = self._session.run(partial(self._settle, chunk))
            kept += more
        if kept:
            some = join_some(list(map(abbreviate, kept)), 3)
            text = f"{count(len(kept), 'blob')} kept by a pin, as nothing that was taken holds it: {some}"
            self._recorder.notices.append(text)

    def _stage(self, area: Area, digests: Sequence[Digest]) -> dict[Digest, tuple[str, int]]:
        """Copy the blobs that are not whole here; return token and size of each. What is damaged is left out."""
        recorded = self._session.index.read(lambda tx: tx.sizes(digests))
        present = self._session.content.sizes(recorded)
        staged: dict[Digest, tuple[str, int]] = {}
        ordered: Callable[[Sequence[Digest]], Sequence[Digest]] = getattr(self._source, "ordered", list)
        for digest in ordered(digests):  # a compressed archive is read best in its own order
            if recorded.get(digest, -1) == present.get(digest, -2):
                continue
            place = area.stage()
            try:
                size = verified(self._source.open, digest, place.write)
                if isinstance(size, int):
                    place.seal()
                    staged[digest] = (place.token, size)
                else:
                    self._damaged[digest] = size
            finally:
                place.discard()
        area.seal()
        return staged

    def _record(self, taken: Sequence[Wanted], staged: dict[Digest, tuple[str, int]]) -> bool:
        """Record a chunk in one transaction; False, and nothing is written, where a blob that was here is gone.

        The transaction is durable where tags come.
        """
        durable = any(wanted.names for wanted in taken)
        recorder = self._session.run(partial(self._take_in, taken, staged), durable=durable)
        self._recorder = recorder or self._recorder
        return recorder is not None

    def _take_in(self, taken: Sequence[Wanted], staged: dict[Digest, tuple[str, int]], work: Work) -> Recorder | None:
        """Record a chunk, unless a blob that was here is gone; return the recorder that did."""
        recorder = self._recorder.copied()
        known = work.tx.records([wanted.digest for wanted in taken])
        if any(wanted.digest not in known and wanted.digest not in staged for wanted in taken):
            return None
        sizes = {digest: size for digest, (_, size) in staged.items()}
        work.is_shown = recorder.record(work.tx, _with_free_names(work.tx, taken, recorder.notices), known, sizes)
        work.staged = {digest: token for digest, (token, _) in staged.items()}
        return recorder

    def _settle(self, chunk: Sequence[Digest], work: Work) -> tuple[Recorder, list[Digest]]:
        recorder = self._recorder.copied()
        return recorder, recorder.settle(work.tx, chunk)


def _with_free_names(tx: Reading, taken: Sequence[Wanted], notices: list[str]) -> list[Wanted]:
    """Return the blobs with the names that are free here; a name of another blob here becomes a pin, and a notice."""
    names = tx.tags([name for wanted in taken for name in wanted.names])
    found = []
    for wanted in taken:
        lost = [name for name in wanted.names if names.get(name, wanted.digest) != wanted.digest]
        for name in lost:
            here, there = abbreviate(names[name]), abbreviate(wanted.digest)
            notices.append(f"{name} names {here} here: {there} has a pin without a name")
        free = tuple(name for name in wanted.names if name not in names)
        found.append(wanted._replace(pins=wanted.pins + len(lost), names=free))
    return found


def _cycle_notice(link: Link) -> str:
    return f"the link from {link.source} to {link.target} closes a cycle here: dropped"
