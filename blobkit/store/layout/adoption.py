"""Taking in what another program wrote into index.json: no pin is dropped because of it, nothing in it is lost.

Reading and hashing happen without a lock. Then one durable transaction looks again whether index.json and the store
are still what was read, else all is tried again, and records blobs, links, tags and pins at once; after its commit
index.json is blobkit's own again and is rewritten. So a crash at any moment leaves the change as it was, or taken in.

What an entry becomes:
- A name is a tag. One that moved names the new blob; the old one keeps the pin, as an entry without a name.
- An entry without a name, or with one that is no tag here, is one anonymous pin that is recorded as given by
  index.json, so that a repeat gives no other; index.json shows it for as long as the blob has such a pin.
- A tag that the file does not show is kept, and shown again: programs that write at once lose one another's tags.
- An entry whose blob is missing, damaged or cannot be understood is not taken in, and stays in index.json as it is:
  refusing all for its sake would leave the store unusable, dropping it would lose what another program may still heal.
What entries reach is linked as `put` links it. What is absent or damaged below them is recorded as missing.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from blobkit.errors import LinkCycleError, StoreBusyError
from blobkit.model import Arrival, Link
from blobkit.oci.documents import annotations_of
from blobkit.oci.index import entry_for, hidden_images, name_of, without_name
from blobkit.oci.names import REF_NAME
from blobkit.render import abbreviate
from blobkit.store import rules
from blobkit.store.cycles import reaches
from blobkit.store.layout.adopted import Adopted
from blobkit.store.layout.demand import demand
from blobkit.store.layout.projection import SOURCE, Kept, digest_of
from blobkit.store.transfer.closure import Closure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.model import Record
    from blobkit.oci.documents import Reference
    from blobkit.oci.index import Entry, IndexFile
    from blobkit.oci.untrusted import Json
    from blobkit.protocols import Content
    from blobkit.store.layout.demand import Demand
    from blobkit.store.layout.layout import Layout
    from blobkit.transactions import Index, Transaction, Writing


__all__ = ["Onto", "adopt_into"]

ATTEMPTS = 100
PAUSE = 0.02
PLAIN = {"mediaType", "digest", "size", "annotations"}


@dataclass(frozen=True)
class Onto:
    """The store that an index.json is taken into; `sync` makes all content durable, where it promises that."""

    root: Path
    layout: Layout
    content: Content
    index: Index
    committing: Transaction
    sync: Callable[[], None] | None


def adopt_into(store: Onto, *, progress: bool) -> Adopted:
    """Take in what index.json holds; return what was done. UnreadableStoreError, LinkCycleError, StoreBusyError."""
    closure = Closure(store.root, lambda digests: store.index.read(lambda rows: rows.counts(digests)))
    for _ in range(ATTEMPTS):
        file = store.layout.load()
        if file is None:
            return Adopted()
        wanted = store.index.read(lambda rows, file=file: demand(rows, file))  # type: ignore[misc]  # bound at once
        closure.walk([target for _, target in wanted.open], progress=progress)
        if store.sync and closure.sizes:
            store.sync()  # whoever wrote them may not have
        with store.committing(durable=True) as rows:
            if store.layout.hash() == file.hash:
                work = _Adoption(rows, file, demand(rows, file), closure)
                if work.is_current(store.content):
                    work.take_in()
                    store.layout.take_over(rows, file.hash)
                    return work.result()
        time.sleep(PAUSE)
    msg = f"{store.layout.path} changes all the time: wait until the program that writes it is done, then try again"
    raise StoreBusyError(msg)


@dataclass
class _Adoption:
    """One adoption, inside its transaction."""

    rows: Writing
    file: IndexFile
    demand: Demand
    closure: Closure
    reached: list[Reference] = field(default_factory=list)
    known: Mapping[Digest, Record] = field(default_factory=dict)
    new: dict[Digest, int] = field(default_factory=dict)
    taken: list[tuple[Entry, Reference]] = field(default_factory=list)
    moved: list[tuple[str, Digest, Digest]] = field(default_factory=list)
    entries: tuple[Digest, ...] = ()
    left: list[Digest] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def is_current(self, content: Content) -> bool:
        """Return whether what was read without the lock is still so; what is not is read again next time."""
        self.taken = [(entry, target) for entry, target in self.demand.open if self.closure.is_read(target)]
        self.reached = self.closure.reached([target for _, target in self.taken])
        digests = {target.digest for target in self.reached} | {target.digest for _, target in self.demand.open}
        self.known = self.rows.records(digests)
        sizes = self.closure.sizes
        self.new = {digest: sizes[digest] for digest in digests if digest in sizes and digest not in self.known}
        stored = content.sizes(self.new)
        changed = [digest for digest, size in self.new.items() if stored.get(digest) != size]
        self.closure.forget(changed)
        return not changed and digests <= self.known.keys() | self.new.keys() | self.closure.bad.keys()

    def take_in(self) -> None:
        """Record everything."""
        now = datetime.now(UTC)
        types = self.closure.types
        self.rows.add([Arrival(digest, size, types[digest], now) for digest, size in self.new.items()])
        self._learn()
        self._link()
        self._pin()
        self._keep()

    def result(self) -> Adopted:
        """Return what was done."""
        names = {name for name, _ in self._named()} - {name for name, _, _ in self.moved}
        damaged = [(entry.name or target.digest, self.closure.bad[target.digest]) for entry, target in self._damaged()]
        taken = {target.digest for _, target in self.taken}
        odd_names = [text for digest, text in self.demand.notices if digest in taken]
        odd_names += [self._untyped(target) for _, target in self.taken if not target.media_type]
        hidden = hidden_images((name, self.closure.types.get(target.digest, "")) for name, target in self._named())
        odd = [(f"an entry of index.json ({str(entry.raw)[:80]})", "it names no blob") for entry in self.demand.odd]
        return Adopted(
            tags=tuple(sorted(names)),
            entries=self.entries,
            moved=tuple(self.moved),
            vanished=(*self.demand.vanished, *self.left),
            damaged=(*damaged, *odd),
            blobs=tuple(sorted(self.new)),
            bytes=self.closure.bytes,
            notices=tuple(dict.fromkeys((*odd_names, *self.notices, *([hidden] if hidden else ())))),
        )

    def _untyped(self, target: Reference) -> str:
        """Return as what an entry without a media type was taken in."""
        found = self.closure.types.get(target.digest, "")
        read = f"read as {found}, as its content says" if found else "held as bytes that name nothing"
        return f"{abbreviate(target.digest)} has no media type in index.json: {read}"

    def _named(self) -> list[tuple[str, Reference]]:
        """Return the new tags, each with what it names."""
        return [(entry.name, target) for entry, target in self.taken if self._is_name(entry)]

    def _is_name(self, entry: Entry) -> bool:
        return self.demand.names.get(entry.name) is entry

    def _damaged(self) -> list[tuple[Entry, Reference]]:
        return [(entry, target) for entry, target in self.demand.open if not self.closure.is_read(target)]

    def _learn(self) -> None:
        """Fill in media types that were unknown; another one than is known changes nothing."""
        claimed = {digest: self.closure.types.get(digest, "") for digest in self.known}
        self.rows.retype({d: new for d, new in claimed.items() if new and not self.known[d].media_type})
        for digest, media_type in claimed.items():
            if media_type and self.known[digest].media_type not in ("", media_type):
                self.notices.append(f"{digest} is here as {self.known[digest].media_type}, not as {media_type}")

    def _link(self) -> None:
        """Link what was read to what it names; every link takes a reference of its own.

        Links that digests imply close no circle, but with one that was made by hand they can: through a blob that
        something linked to before. So those are looked at one by one, after all others.
        """
        waiting = self.rows.expecting(list(self.new))
        self.rows.apply(rules.arrived(self.rows, waiting))
        self.rows.unexpect(waiting)
        links: dict[tuple[Digest, Digest], Reference] = {}
        for source in self.reached:
            for named in self.closure.named(source):
                links.setdefault((source.digest, named.digest), named)
        here = self.known.keys() | self.new.keys()
        self._expect({pair: named for pair, named in links.items() if pair[1] not in here})
        wanted = [Link(source, target, named.kind) for (source, target), named in links.items() if target in here]
        exist = set(self.rows.linked(wanted))
        held = self.known.keys() | {link.target for link in waiting}
        missing = [link for link in wanted if link not in exist]
        self.rows.apply(rules.referred(self.rows, linked=[link for link in missing if link.source not in held]))
        for link in missing:
            if link.source in held:
                self._link_one(link)

    def _link_one(self, link: Link) -> None:
        if reaches(self.rows, [link.target], link.source):
            msg = (
                f"{link.source} names {link.target}, which holds it by links that were made by hand: "
                f"unlink one of them first, then adopt again"
            )
            raise LinkCycleError(msg, digest=link.source)
        self.rows.apply(rules.referred(self.rows, linked=[link]))

    def _expect(self, absent: Mapping[tuple[Digest, Digest], Reference]) -> None:
        self.rows.expect({Link(s, t, named.kind): named.media_type for (s, t), named in absent.items()})
        for (source, target), named in absent.items():
            why = self.closure.fault(named)
            if why:
                self.notices.append(f"{abbreviate(source)} names {target}: {why}")

    def _pin(self) -> None:
        """Give tags and recorded pins; new blobs that something holds then lose the pin that they came with."""
        names = {name: target.digest for name, target in self._named()}
        before = self.demand.before
        self.moved = [(name, before[name], blob) for name, blob in names.items() if name in before]
        old = Counter(blob for _, blob, _ in self.moved)  # their tags' pins are anonymous ones from now on
        loose = dict.fromkeys(target.digest for entry, target in self.taken if not self._is_name(entry))
        self.entries = tuple(blob for blob in loose if blob not in old)
        pins = Counter([*names.values(), *self.entries])
        counts = self.rows.counts(self.new)
        pins.subtract(blob for blob in self.new if counts[blob] + pins[blob] > 1)
        changes = {blob: number for blob, number in pins.items() if number}
        self.rows.apply(rules.referred(self.rows, pins=changes, named=names))
        given = self.rows.given(SOURCE, old)
        self.rows.give(SOURCE, {blob: given.get(blob, 0) + number for blob, number in old.items()})
        self.rows.give(SOURCE, dict.fromkeys(self.entries, 1))

    def _keep(self) -> None:
        """Remember what index.json shows beside the tags; what could not be taken in is left alone on disk too."""
        kept = Kept.of(self.rows)
        damaged = self._damaged()
        unread = {id(entry) for entry, _ in damaged}
        named = {**kept.named, **_dicts({e.name: e.raw for e in self.demand.names.values() if id(e) not in unread})}
        held = [entry.raw for entry in self.demand.loose if id(entry) not in unread]
        shown = {raw["digest"] for raw in held if isinstance(raw, dict)}
        left = self._left([raw for raw in kept.held if raw["digest"] not in shown])
        unnamed = [self._unnamed(blob, kept.named.get(name)) for name, blob, _ in self.moved if blob not in shown]
        unheld = [entry.raw for entry in (*(entry for entry, _ in damaged), *self.demand.odd)]
        self.rows.forget([target.digest for _, target in damaged])
        records = self.rows.records({digest_of(raw) for raw in named.values()})
        plain = {name for name, raw in named.items() if _is_plain(raw, records.get(digest_of(raw)))}
        Kept(
            dict(self.file.rest),
            {name: raw for name, raw in named.items() if name not in plain},
            tuple(_distinct([*held, *left, *unnamed])),
            tuple(unheld),
        ).save(self.rows)

    def _left(self, entries: list[Json]) -> list[object]:
        """Return those entries without a tag whose pin is still there although the file does not show them any more."""
        records = self.rows.records({digest_of(raw) for raw in entries})
        pinned = [raw for raw in entries if digest_of(raw) in records and records[digest_of(raw)].anonymous]
        self.left = list(dict.fromkeys(map(digest_of, pinned)))
        return [without_name(raw) for raw in pinned]

    def _unnamed(self, blob: Digest, raw: Json | None) -> object:
        """Return the entry of a blob whose name moved away."""
        if raw is not None and raw.get("digest") == blob:
            return without_name(raw)
        record = self.rows.records([blob])[blob]
        return entry_for("", blob, record.size, record.media_type)


def _dicts(entries: Mapping[str, object]) -> dict[str, Json]:
    return {name: raw for name, raw in entries.items() if isinstance(raw, dict)}


def _is_plain(raw: Json, record: Record | None) -> bool:
    """Return whether an entry says no more than blobkit would."""
    if record is None or raw.get("mediaType") != record.media_type:
        return False
    return raw.keys() <= PLAIN and annotations_of(raw) == {REF_NAME: name_of(raw)}


def _distinct(entries: Iterable[object]) -> list[Json]:
    """Return these, each once."""
    found: list[Json] = []
    seen: set[str] = set()
    for raw in entries:
        text = repr(raw)
        if isinstance(raw, dict) and text not in seen:
            seen.add(text)
            found.append(raw)
    return found
