"""Blobs of another store, taken in with their pins, names and links, as often as one likes.

Chunk by chunk, children first: the content of a chunk is copied and verified outside the lock and made durable in one
go; then one transaction records blobs, pins, names and links. So every moment is a sound store. A blob that nothing
holds yet, because what links to it comes later, is held by one anonymous pin until then; the index records that pin
as given by the same source, unfinished, so that a repeat after a crash finds and drops it.

What a source has given is recorded by its identity, and only the difference is given again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from blobkit.digest import read_through
from blobkit.errors import BlobNotFoundError, Hint, SourceError
from blobkit.model import Arrival
from blobkit.oci.index import hidden_images
from blobkit.progress import watched
from blobkit.render import abbreviate, count, join_some, printable
from blobkit.store import rules
from blobkit.store.cycles import reaches
from blobkit.store.transfer.imported import Imported
from blobkit.store.transfer.wanted import BODY, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from blobkit.digest import Digest
    from blobkit.model import Link, Record
    from blobkit.protocols import Area, Content, Source
    from blobkit.store.transfer.wanted import Wanted
    from blobkit.transactions import Index, Retagged, Transaction, Writing


__all__ = ["Into", "import_from"]

CHUNK = 1_000


@dataclass(frozen=True)
class Into:
    """The store that an import writes to; `shows_tags` where other programs see its tags in index.json."""

    content: Content
    index: Index
    changing: Transaction
    retagged: Retagged
    identity: str
    shows_tags: bool = False


def import_from(source: Source, into: Into, *, strict: bool, progress: bool) -> Imported:
    """Make everything that the source's policy holds there be here, with as many references; return what was done.

    SourceError, before anything is written, where the source is the store itself or, if `strict`, is not sound.
    """
    snapshot = source.snapshot()
    identity = getattr(source, "identity", "") or snapshot.place
    if identity == into.identity:
        msg = f"{printable(snapshot.address)} cannot be imported into itself: give another store"
        raise SourceError(msg)
    plan = Plan(snapshot, source.open)
    if strict:
        _refuse(plan, source, progress=progress)
    work = _Import(plan, source, into, identity)
    wanted = iter(watched(plan, "importing", show=progress))
    while chunk := list(islice(wanted, CHUNK)):
        work.take(chunk)
    work.settle()
    return work.result()


def _refuse(plan: Plan, source: Source, *, progress: bool) -> None:
    """Check that the source is sound, every hash of it included; SourceError."""
    faults = plan.faults()
    for wanted in watched(plan, "verifying", show=progress) if not faults else ():
        faults += [fault for fault in [_copied(source, wanted.digest, _nowhere)] if isinstance(fault, str)]
    if faults:
        msg = f"{plan.snapshot.address} is not sound, nothing was imported: {join_some(faults, 3)}"
        sound = "take the rest with strict=False", "take the rest without --strict"
        raise SourceError(printable(msg), hint=Hint(*sound))


def _copied(source: Source, digest: Digest, write: Callable[[memoryview], None]) -> int | str:
    """Write the content of a blob, and return its size; why it is not that content, where it is not."""
    size = 0

    def take(piece: bytes) -> None:
        nonlocal size
        write(memoryview(piece))
        size += len(piece)

    try:
        with source.open(digest) as file:
            good = read_through(file, digest, take)
    except (BlobNotFoundError, OSError) as error:
        return f"{digest} cannot be read ({printable(str(getattr(error, 'strerror', None) or error))})"
    return size if good else f"{digest} has other content than its digest says"


def _arranged(source: Source, digests: Sequence[Digest]) -> Sequence[Digest]:
    """Return the blobs in the order in which the source reads them best: a compressed archive in its own order."""
    arranged: Callable[[Sequence[Digest]], Sequence[Digest]] = getattr(source, "ordered", list)
    return arranged(digests)


def _nowhere(_: memoryview) -> None:
    pass


@dataclass
class _Import:
    """One import under way."""

    plan: Plan
    source: Source
    into: Into
    identity: str
    done: Counter[str] = field(default_factory=Counter)
    notices: list[str] = field(default_factory=list)
    unheld: set[Digest] = field(default_factory=set)
    named: dict[str, str] = field(default_factory=dict)

    @property
    def unfinished(self) -> str:
        """The name under which pins are recorded that hold a blob until something else does."""
        return f"{self.identity} (unfinished)"

    def result(self) -> Imported:
        """Return what was done."""
        missing = [f"{self.plan.key(node)} is pinned there, and has no content: skipped" for node in self.plan.missing]
        self.done["skipped"] += len(missing)
        hidden = hidden_images(self.named.items()) if self.into.shows_tags else ""
        hidden_ones = [hidden] if hidden else []
        notices = dict.fromkeys([*self.plan.noticed(), *self.plan.notices, *missing, *self.notices, *hidden_ones])
        return Imported(source=self.plan.snapshot.caption(), notices=tuple(notices), **self.done)

    def take(self, chunk: Sequence[Wanted]) -> None:
        """Copy what is not here, then record the chunk; again where blobs that were here went meanwhile."""
        skipped: set[Digest] = set()
        while True:
            area = self.into.content.area()
            try:
                staged = self._stage(area, [w for w in chunk if w.digest not in skipped], skipped)
                taken = [wanted for wanted in chunk if wanted.digest not in skipped]
                durable = any(wanted.names for wanted in taken)
                with self.into.changing(durable=durable) as rows:
                    if _Chunk(self, rows, taken, staged).record(durable=durable):
                        return
            finally:
                area.discard()

    def _stage(self, area: Area, chunk: Sequence[Wanted], skipped: set[Digest]) -> dict[Digest, tuple[str, int]]:
        """Copy the blobs that are not whole here; return token and size of each. What is damaged is skipped."""
        digests = [wanted.digest for wanted in chunk]
        recorded = self.into.index.read(lambda rows: rows.sizes(digests))
        present = self.into.content.sizes(recorded)
        staged: dict[Digest, tuple[str, int]] = {}
        for digest in _arranged(self.source, digests):
            if recorded.get(digest, -1) == present.get(digest, -2):
                continue
            place = area.stage()
            try:
                size = _copied(self.source, digest, place.write)
                if isinstance(size, int):
                    place.seal()
                    staged[digest] = (place.token, size)
                else:
                    skipped.add(digest)
                    self.done["skipped"] += 1
                    self.notices.append(f"{size}: skipped")
            finally:
                place.discard()
        area.seal()
        return staged

    def settle(self) -> None:
        """Let the pins stay that still are all that holds a blob: what held it in the source was not taken."""
        left, kept = iter(sorted(self.unheld)), list[str]()
        while chunk := list(islice(left, CHUNK)):
            with self.into.changing(durable=False) as rows:
                held = {digest for digest, pins in rows.given(self.unfinished, chunk).items() if pins}
                given = rows.given(self.identity, held)
                rows.give(self.identity, {digest: given.get(digest, 0) + 1 for digest in held})
                rows.give(self.unfinished, dict.fromkeys(held, 0))
            kept += map(abbreviate, sorted(held))
        self.done["pins"] += len(kept)
        if kept:
            text = f"{count(len(kept), 'blob')} kept by a pin, as nothing that was taken holds it: {join_some(kept, 3)}"
            self.notices.append(text)


@dataclass
class _Chunk:
    """The one transaction of a chunk: what it finds, and what it writes."""

    run: _Import
    rows: Writing
    taken: Sequence[Wanted]
    staged: Mapping[Digest, tuple[str, int]]

    def record(self, *, durable: bool) -> bool:
        """Make the chunk true; False, and nothing is written, where a blob that was here is gone.

        `durable` says whether this transaction is, as it must be where tags come.
        """
        rows, run = self.rows, self.run
        known = rows.records([wanted.digest for wanted in self.taken])
        if any(wanted.digest not in known and wanted.digest not in self.staged for wanted in self.taken):
            return False
        new = [wanted for wanted in self.taken if wanted.digest not in known]
        now = datetime.now(UTC)
        rows.add([Arrival(w.digest, self.staged[w.digest][1], w.media_type, now) for w in new])
        retyped = self._retype(known)
        waiting = rows.expecting([wanted.digest for wanted in new])
        plain, doubtful = self._links(known, waiting)
        pins, named = self._pins()
        rows.apply(rules.referred(rows, pins=pins, linked=[*plain, *waiting], named=named))
        rows.unexpect(waiting)
        self._link_one_by_one(doubtful)
        self._release(new, {link.target for link in (*plain, *doubtful)})
        if named or retyped:
            run.into.retagged(rows, durable=durable)
        types = {wanted.digest: wanted.media_type for wanted in self.taken}
        run.named.update({name: types[digest] for name, digest in named.items()})
        run.into.content.publish({digest: token for digest, (token, _) in self.staged.items()})
        run.done.update(
            blobs=len(new),
            bytes=sum(self.staged[w.digest][1] for w in new),
            here=len(known),
            links=len(plain) + len(waiting),
            tags=len(named),
        )
        return True

    def _retype(self, known: Mapping[Digest, Record]) -> bool:
        """Fill in media types that were not known here; return whether a tag shows one."""
        types = {w.digest: w.media_type for w in self.taken if w.digest in known and w.media_type}
        for digest, media_type in types.items():
            if known[digest].media_type not in ("", media_type):
                ours, theirs = printable(known[digest].media_type), printable(media_type)
                self.run.notices.append(f"{digest} is here as {ours!r}, not as {theirs!r}: kept as it is")
        filled = {digest: media_type for digest, media_type in types.items() if not known[digest].media_type}
        self.rows.retype(filled)
        return any(known[digest].tags for digest in filled)

    def _links(self, known: Mapping[Digest, Record], waiting: Collection[Link]) -> tuple[list[Link], list[Link]]:
        """Return the links that are new here: those that close no cycle for sure, and those to look at one by one.

        New blobs come after what they link to, so only a blob that something links to already can close one.
        """
        links = [link for wanted in self.taken for link in wanted.links]
        here = self.rows.counts({link.target for link in links})
        self._absent([link for link in links if link.target not in here])
        links = [link for link in links if link.target in here]
        exist = {link[:2] for link in (*self.rows.linked(links), *waiting)}
        held = {digest for digest, record in known.items() if record.refcount > record.pins}
        held |= {link.target for link in waiting}
        new = [link for link in links if link[:2] not in exist]
        return [link for link in new if link.source not in held], [link for link in new if link.source in held]

    def _absent(self, links: Sequence[Link]) -> None:
        """Record the links that lead nowhere; those that a manifest made wait for their target to arrive."""
        plan = self.run.plan
        wait = [link for link in links if link.kind in BODY]
        self.rows.expect({link: plan.media_type(link.target) for link in wait})
        for link in links:
            if not plan.is_elsewhere(link.target):
                then = "made when that arrives" if link.kind in BODY else "dropped"
                self.run.notices.append(f"the link from {link.source} to {link.target} leads nowhere: {then}")

    def _pins(self) -> tuple[Counter[Digest], dict[str, Digest]]:
        """Return the pins to add, and the names: what the source has more than it has given already."""
        rows, run = self.rows, self.run
        names = rows.tags([name for wanted in self.taken for name in wanted.names])
        given = rows.given(run.identity, [wanted.digest for wanted in self.taken])
        pins: Counter[Digest] = Counter()
        named: dict[str, Digest] = {}
        for wanted in self.taken:
            named.update({name: wanted.digest for name in wanted.names if name not in names})
            lost = [name for name in wanted.names if names.get(name, wanted.digest) != wanted.digest]
            for name in lost:
                text = (
                    f"{name} names {abbreviate(names[name])} here: {abbreviate(wanted.digest)} has a pin without a name"
                )
                run.notices.append(text)
            pins[wanted.digest] = wanted.pins + len(lost) - given.get(wanted.digest, 0)
        pins = +pins  # fewer there than were given: no pin is ever dropped
        rows.give(run.identity, {digest: given.get(digest, 0) + number for digest, number in pins.items()})
        run.done["pins"] += pins.total()
        pins.update(named.values())
        return pins, named

    def _link_one_by_one(self, links: Sequence[Link]) -> None:
        """Make those links that close no cycle with what is here."""
        for link in links:
            if reaches(self.rows, [link.target], link.source):
                self.run.notices.append(f"the link from {link.source} to {link.target} closes a cycle here: dropped")
            else:
                self.rows.apply(rules.referred(self.rows, linked=[link]))
                self.run.done["links"] += 1

    def _release(self, new: Sequence[Wanted], targets: Collection[Digest]) -> None:
        """Drop the pin that held a blob for the time being, where something else holds it now."""
        rows, run = self.rows, self.run
        held = rows.given(run.unfinished, {*targets, *(wanted.digest for wanted in self.taken)})
        waiting = {wanted.digest for wanted in new} | {digest for digest, pins in held.items() if pins}
        records = rows.records(waiting)
        free = {digest for digest, record in records.items() if record.refcount > 1 and record.anonymous}
        rows.apply(rules.referred(rows, pins=dict.fromkeys(free, -1)))
        rows.give(run.unfinished, {digest: int(digest not in free) for digest in waiting})
        run.unheld = (run.unheld | waiting) - free
