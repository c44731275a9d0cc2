"""The recording of what a source has, in one transaction: blobs, links, missing links, pins, tags.

Imports and adoptions use it. The index remembers, by the identity of the source, how many pins each blob was given, so
that only the difference is given again. A blob that nothing holds yet, because what links to it comes in a later
transaction, keeps the pin that it came with; the index records that pin as given by the same source, unfinished, so
that a repeat after a crash finds and drops it.
"""

from __future__ import annotations

from collections import Counter
from copy import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from blobkit.model import Link, NewBlob
from blobkit.render import printable
from blobkit.store import rules
from blobkit.store.reachability import reaches

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from blobkit.digest import Digest
    from blobkit.model import Record
    from blobkit.transactions import Writing

    LinkText = Callable[[Link], str]

__all__ = ["BODY", "Recorder", "Wanted"]

BODY = frozenset({"config", "layer", "child"})
"""Links that the content of a manifest makes: they wait for a target that is absent."""


class Wanted(NamedTuple):
    """One blob as a source has it: `links` that count, `names` that become tags, `pins` that nothing names."""

    digest: Digest
    media_type: str
    pins: int = 0
    names: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()


class Recorder:
    """Records what one source has. `done` counts it, `notices` says what is not here as it is there.

    Of a link whose target is absent, `media_type` returns what the source calls that, and `missing` a notice ("" where
    none is due). Of one that would close a cycle, `cycle` returns the notice that it is left out, or raises.
    `names` are the new tags with their media types; `unfinished` blobs that only the pin holds that they came with.
    """

    def __init__(self, identity: str, media_type: LinkText, missing: LinkText, cycle: LinkText) -> None:
        self._identity = identity
        self._temporary = f"{identity} (unfinished)"
        self._media_type, self._missing, self._cycle = media_type, missing, cycle
        self.done: Counter[str] = Counter()
        self.notices: list[str] = []
        self.names: dict[str, str] = {}
        self.unfinished: set[Digest] = set()

    def copied(self) -> Recorder:
        """Return a recorder that has done what this one has: for a transaction that may be run again."""
        other = copy(self)
        other.done, other.notices = self.done.copy(), self.notices.copy()
        other.names, other.unfinished = self.names.copy(), self.unfinished.copy()
        return other

    def record(
        self, tx: Writing, wanted: Sequence[Wanted], known: Mapping[Digest, Record], sizes: Mapping[Digest, int]
    ) -> bool:
        """Record blobs, of which the ones that are not `known` have these sizes; return whether a tag shows a change.

        The wanted links alone must close no cycle.
        """
        new = [one for one in wanted if one.digest not in known]
        now = datetime.now(UTC)
        tx.add([NewBlob(one.digest, sizes[one.digest], one.media_type, now) for one in new])
        retyped = self._retype(tx, wanted, known)
        unresolved = tx.expecting([one.digest for one in new])
        plain, doubtful = self._links(tx, wanted, known, unresolved)
        names = {name: one.digest for one in wanted for name in one.names}
        pins = self._give(tx, wanted)
        pins.update(names.values())
        tx.apply(rules.referred(tx, pins=pins, linked=[*plain, *unresolved], named=names))
        tx.unexpect(unresolved)
        self._link_one_by_one(tx, doubtful)
        self._release(tx, wanted, new, {link.target for link in (*plain, *doubtful)})
        self.names.update({name: one.media_type for one in wanted for name in one.names})
        self.done.update(blobs=len(new), bytes=sum(sizes[one.digest] for one in new), here=len(known))
        self.done.update(links=len(plain) + len(unresolved), tags=len(names))
        return bool(names) or retyped

    def settle(self, tx: Writing, blobs: Collection[Digest]) -> list[Digest]:
        """Count the temporary pins of these blobs as given, for good; return those that had one."""
        held = sorted(blob for blob, pins in tx.given(self._temporary, blobs).items() if pins)
        given = tx.given(self._identity, held)
        tx.give(self._identity, {blob: given.get(blob, 0) + 1 for blob in held})
        tx.give(self._temporary, dict.fromkeys(held, 0))
        self.done["pins"] += len(held)
        return held

    def _retype(self, tx: Writing, wanted: Sequence[Wanted], known: Mapping[Digest, Record]) -> bool:
        """Fill in media types that were not known here; return whether a tag shows one."""
        types = {one.digest: one.media_type for one in wanted if one.digest in known and one.media_type}
        for digest, media_type in types.items():
            if known[digest].media_type not in ("", media_type):
                ours, theirs = printable(known[digest].media_type), printable(media_type)
                self.notices.append(f"{digest} is here as {ours!r}, not as {theirs!r}: kept as it is")
        filled = {digest: media_type for digest, media_type in types.items() if not known[digest].media_type}
        tx.retype(filled)
        return any(known[digest].tags for digest in filled)

    def _links(
        self, tx: Writing, wanted: Sequence[Wanted], known: Mapping[Digest, Record], unresolved: Collection[Link]
    ) -> tuple[list[Link], list[Link]]:
        """Return the links that are new here: those that close no cycle for sure, and those to look at one by one.

        A cycle needs a link that was here before, and goes on from its target: only new links of blobs that something
        links to already can close one.
        """
        links = [link for one in wanted for link in one.links]
        here = tx.counts({link.target for link in links})
        self._expect(tx, [link for link in links if link.target not in here])
        links = [link for link in links if link.target in here]
        exist = {link[:2] for link in (*tx.linked(links), *unresolved)}
        held = {digest for digest, record in known.items() if record.refcount > record.pins}
        held |= {link.target for link in unresolved}
        new = [link for link in links if link[:2] not in exist]
        return [link for link in new if link.source not in held], [link for link in new if link.source in held]

    def _expect(self, tx: Writing, absent: Sequence[Link]) -> None:
        """Record the links that lead nowhere, as far as a manifest made them: they wait for their target."""
        tx.expect({link: self._media_type(link) for link in absent if link.kind in BODY})
        self.notices += filter(None, map(self._missing, absent))

    def _link_one_by_one(self, tx: Writing, links: Sequence[Link]) -> None:
        """Make those links that close no cycle with what is here."""
        for link in links:
            if reaches(tx, [link.target], link.source):
                self.notices.append(self._cycle(link))
            else:
                tx.apply(rules.referred(tx, linked=[link]))
                self.done["links"] += 1

    def _give(self, tx: Writing, wanted: Sequence[Wanted]) -> Counter[Digest]:
        """Return the pins that the source has more than it has given already, and record them as given."""
        given = tx.given(self._identity, [one.digest for one in wanted])
        more = {one.digest: one.pins - given.get(one.digest, 0) for one in wanted}
        pins = +Counter(more)  # fewer there than were given: no pin is ever dropped
        tx.give(self._identity, {blob: given.get(blob, 0) + number for blob, number in pins.items()})
        self.done["pins"] += pins.total()
        return pins

    def _release(
        self, tx: Writing, wanted: Sequence[Wanted], new: Sequence[Wanted], targets: Collection[Digest]
    ) -> None:
        """Drop the pin that a blob came with, where something else holds it now."""
        held = tx.given(self._temporary, {*targets, *(one.digest for one in wanted)})
        unresolved = {one.digest for one in new} | {blob for blob, pins in held.items() if pins}
        records = tx.records(unresolved)
        free = {blob for blob, record in records.items() if record.refcount > 1 and record.anonymous}
        tx.apply(rules.referred(tx, pins=dict.fromkeys(free, -1)))
        changed = unresolved & ((unresolved - free) | held.keys())
        tx.give(self._temporary, {blob: int(blob not in free) for blob in changed})
        self.unfinished = (self.unfinished | unresolved) - free
