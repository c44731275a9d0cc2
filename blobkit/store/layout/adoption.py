"""Taking in what another program wrote into index.json: no pin is dropped because of it, nothing in it is lost.

An adoption is an import of the store's own directory: the entries are the source, what they reach is recorded as an
import records it (`recording`), linked as `put` links it. What is absent or damaged below an entry is recorded as
missing. Reading and hashing happen without a lock. Then one durable transaction looks again whether index.json and the
store are still what was read, else all is tried again, and records everything at once; after its commit index.json is
blobkit's own again and is rewritten. So a crash at any moment leaves the change as it was, or taken in.

What an entry becomes:
- A name is a tag. One that moved names the new blob; the old one keeps the pin, as an entry without a name.
- An entry without a name, or with one that is no tag here, is one anonymous pin that is recorded as given by
  index.json, so that a repeat gives no other; index.json shows it for as long as the blob has such a pin.
- A tag that the file does not show is kept, and shown again: programs that write at once lose one another's tags.
- An entry whose blob is missing, damaged or cannot be understood is not taken in, and stays in index.json as it is:
  refusing all for its sake would leave the store unusable, dropping it would lose what another program may still heal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from blobkit.errors import LinkCycleError, StoreBusyError
from blobkit.model import Link
from blobkit.oci.index import entry_for, hidden_images, without_name
from blobkit.render import abbreviate
from blobkit.store.layout.closure import Closure
from blobkit.store.layout.indexdiff import compare
from blobkit.store.layout.preserved import SOURCE, PreservedEntries, digest_of
from blobkit.store.transfer.recording import Recorder, Wanted
from blobkit.store.transfer.results import Adopted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from blobkit.contents import Inspected
    from blobkit.digest import Digest
    from blobkit.model import FileSignature
    from blobkit.oci.index import IndexFile
    from blobkit.store.layout.indexdiff import Claim, IndexDiff
    from blobkit.store.layout.layout import Layout
    from blobkit.transactions import Index, Reading, Transaction, Writing


__all__ = ["Target", "adopt_into"]

ATTEMPTS = 100
PAUSE = 0.02


@dataclass(frozen=True)
class Target:
    """The store that an index.json is taken into; `sync` makes all content durable, where it promises that."""

    layout: Layout
    content: Inspected
    index: Index
    committing: Transaction
    sync: Callable[[], None] | None


def adopt_into(target: Target, *, progress: bool) -> Adopted:
    """Take in what index.json holds; return what was done. UnreadableStoreError, LinkCycleError, StoreBusyError."""
    verified: dict[Digest, FileSignature] = {}
    for _ in range(ATTEMPTS):
        file = target.layout.load()
        if file is None:
            return Adopted()
        diff = target.index.read(partial(compare, file=file))
        closure = Closure(target.content, target.index, verified)
        closure.walk([claim.target for claim in diff.open], progress=progress)
        verified |= closure.verified
        if target.sync and closure.verified:
            target.sync()  # whoever wrote them may not have
        with target.committing(durable=True) as tx:
            if target.layout.hash() == file.hash:
                work = _Adoption(closure, compare(tx, file))
                if work.is_current(tx, target.content):
                    done = work.take_in(tx, file)
                    target.layout.take_over(tx, file.hash)
                    return done
        time.sleep(PAUSE)
    msg = f"{target.layout.path} changes all the time: wait until the program that writes it is done, then try again"
    raise StoreBusyError(msg)


class _Adoption:
    """One adoption, inside its transaction."""

    def __init__(self, closure: Closure, diff: IndexDiff) -> None:
        self._closure = closure
        self._diff = diff
        self._taken = [claim for claim in diff.open if closure.is_read(claim.target)]
        self._damaged = [claim for claim in diff.open if not closure.is_read(claim.target)]
        names = {claim.tag: claim.target.digest for claim in self._taken if claim.tag}
        self._moved = [(name, diff.tags[name], blob) for name, blob in names.items() if name in diff.tags]
        named = (target for links in closure.links.values() for target in links)
        self._reached = dict.fromkeys([*(claim.target.digest for claim in self._taken), *closure.links, *named])

    def is_current(self, tx: Reading, content: Inspected) -> bool:
        """Return whether what was read without the lock is still so; what is not is read again next time."""
        closure = self._closure
        new = self._reached.keys() - tx.counts(self._reached).keys()
        found = {digest: closure.verified[digest] for digest in new if digest in closure.verified}
        damaged = {claim.target.digest for claim in self._damaged}
        return content.signatures(found) == found and (new - found.keys()) | damaged <= closure.bad.keys()

    def take_in(self, tx: Writing, file: IndexFile) -> Adopted:
        """Record everything; return what was done."""
        closure, diff, moved = self._closure, self._diff, self._moved
        recorder = Recorder(SOURCE, closure.media_type, closure.missing, _refuse_cycle)
        known = tx.records(self._reached)
        here = [digest for digest in self._reached if digest in known or digest in closure.verified]
        untagged = self._count_as_given(tx)
        sizes = {digest: stamp.size for digest, stamp in closure.verified.items()}
        recorder.record(tx, self._wanted(here, untagged), known, sizes)
        left = self._preserve(tx, file)
        hidden = hidden_images(recorder.names.items())
        notices = [
            *(claim.notice for claim in self._taken),
            *map(self._untyped, self._taken),
            *recorder.notices,
            hidden,
        ]
        invalid = [(f"an entry of index.json ({str(raw)[:80]})", "it names no blob") for raw in diff.invalid]
        return Adopted(
            tags=tuple(sorted(recorder.names.keys() - {name for name, _, _ in moved})),
            entries=tuple(untagged),
            moved=tuple(moved),
            vanished=(*diff.vanished, *left),
            damaged=(*((claim.label, closure.bad[claim.target.digest]) for claim in self._damaged), *invalid),
            blobs=tuple(sorted(digest for digest in here if digest not in known)),
            bytes=sum(sizes.values()),
            notices=tuple(dict.fromkeys(filter(None, notices))),
        )

    def _wanted(self, here: Iterable[Digest], untagged: Iterable[Digest]) -> list[Wanted]:
        """Return what is to be recorded of each blob."""
        names: dict[Digest, list[str]] = {}
        for claim in self._taken:
            if claim.tag:
                names.setdefault(claim.target.digest, []).append(claim.tag)
        links, types, pinned = self._closure.links, self._closure.types, set(untagged)
        return [
            Wanted(
                digest,
                types.get(digest, ""),
                int(digest in pinned),
                tuple(names.get(digest, ())),
                tuple(Link(digest, target, named.kind) for target, named in links.get(digest, {}).items()),
            )
            for digest in here
        ]

    def _count_as_given(self, tx: Writing) -> list[Digest]:
        """Record the pins of tags that moved away, anonymous now, as given; return the blobs to be pinned untagged.

        None of these has a pin that was given: where one was recorded, it is gone.
        """
        old = {blob for _, blob, _ in self._moved}
        targets = dict.fromkeys(claim.target.digest for claim in self._taken if not claim.tag)
        untagged = [blob for blob in targets if blob not in old]
        tx.give(SOURCE, {**dict.fromkeys(tx.given(SOURCE, untagged), 0), **dict.fromkeys(old, 1)})
        return untagged

    def _preserve(self, tx: Writing, file: IndexFile) -> list[Digest]:
        """Remember what index.json shows beside the tags; return the blobs of entries that the file does not show.

        Such an entry stays where its pin is still there. What could not be taken in is left alone on disk too.
        """
        kept, here = PreservedEntries.load(tx), [*self._diff.settled, *self._taken]
        tagged = {**kept.tagged, **{claim.tag: claim.raw for claim in here if claim.tag}}
        untagged = [claim.raw for claim in here if not claim.tag]
        shown = set(map(digest_of, untagged))
        records = tx.records([*map(digest_of, kept.pinned), *(blob for _, blob, _ in self._moved)])
        pinned = {digest for digest, record in records.items() if record.anonymous and digest not in shown}
        left = [without_name(raw) for raw in kept.pinned if digest_of(raw) in pinned]
        old = [
            entry_for("", blob, records[blob].size, records[blob].media_type, without_name(kept.tagged.get(name)))
            for name, blob, _ in self._moved
            if blob in pinned
        ]
        unresolved = [*(claim.raw for claim in self._damaged), *self._diff.invalid]
        tx.forget([claim.target.digest for claim in self._damaged])
        distinct = {repr(raw): raw for raw in (*untagged, *left, *old)}
        PreservedEntries(dict(file.rest), tagged, tuple(distinct.values()), tuple(unresolved)).save(tx)
        return list(dict.fromkeys(map(digest_of, left)))

    def _untyped(self, claim: Claim) -> str:
        """Return as what an entry without a media type was taken in, "" for others."""
        if claim.target.media_type:
            return ""
        found = self._closure.types.get(claim.target.digest, "")
        read = f"read as {found}, as its content says" if found else "held as bytes that name nothing"
        return f"{abbreviate(claim.target.digest)} has no media type in index.json: {read}"


def _refuse_cycle(link: Link) -> str:
    """Raise LinkCycleError: links that digests imply close a cycle only with one that was made by hand."""
    msg = (
        f"{link.source} names {link.target}, which holds it by links that were made by hand: "
        f"unlink one of them first, then adopt again"
    )
    raise LinkCycleError(msg, digest=link.source)
