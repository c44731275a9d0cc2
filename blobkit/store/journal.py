"""The journal: small content is kept in the index, in the commit of its row, until its file is durable.

So a put of small content takes one sync, that of its commit. Its file is put in its place right after, without a
sync: before the commit nobody may see it, or a loss of power could leave half a file under a digest that no row knows.
Every so often the files are made durable in one go (`drain`); the next transaction then drops their entries (`drop`).
Whoever opens a store compares what the journal still holds with the files, and puts right what a crash left absent or
torn (`recover`). Where that fails, and where a file is absent, the content is read from the journal.

An entry says what the content of a digest is, which never becomes wrong: it may outlive its blob, and blobs may come
back. Entries are numbered, no number is given twice, and an entry goes only once its file was seen whole before a sync
that did not fail. After a sync that failed, another one proves nothing: every file is written anew then.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from blobkit.digest import matches
from blobkit.model import Descriptor
from blobkit.transactions import Plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from blobkit.contents import Content
    from blobkit.digest import Digest
    from blobkit.model import JournalEntry
    from blobkit.transactions import Index, Reading, Writing

__all__ = ["LIMIT", "PUTS", "Journal", "content_of", "entries", "restore"]

LIMIT = 1 << 16
"""The size in bytes up to which content is kept in the journal."""
PUTS = 2048
"""Entries after which the journal is drained: fewer cost more syncs, more a longer opening after a crash.

Puts of 4 KiB on a disk, relative to two fsync each: .62 with 256 entries, .75 with 1,024, .95 with 2,048.
"""
BYTES = 16 << 20
"""Content after which a process drains it: the database does not shrink again below what the journal has held."""
PAGE = 256
DOUBT = "journal_doubt"


class _Drained(NamedTuple):
    """Entries that may go: up to `number`, without those `kept`.

    `settled` are the doubts that are settled because every file was written anew: this process's own, and the one that
    the index had.
    """

    number: int
    kept: frozenset[int]
    settled: tuple[str | None, str | None] | None


class Journal:
    """Small content on its way into a content. Where `durability` is "off", files are placed, and that is all."""

    def __init__(self, content: Content, index: Index, *, durability: str = "off") -> None:
        self._content = content
        self._index = index
        self._durability = durability
        self._bytes = 0
        self._placed: set[int] = set()
        self._shown = 0
        self._drained: _Drained | None = None
        self._draining = threading.Lock()
        self._doubt: str | None = None
        self.odd: set[Digest] = set()
        """The blobs whose files were not as the journal has them, and could not be put right."""

    def wants_durable(self, digest: Digest, size: int) -> bool:
        """Return whether a put of this content should ask for a durable commit, where commits are not durable anyway.

        Else the loss of a commit could leave half a file. Cost: one look at the file.
        """
        return self._durability == "normal" and self._content.sizes([digest]).get(digest) != size

    def put_plain(self, digest: Digest, content: bytes, media_type: str) -> Descriptor | None:
        """Put small content, and nothing else: the straight path of `enter` and `place`. None where it does not do."""
        size, durability = len(content), self._durability
        if durability == "normal" or self._drained is not None or self._doubt is not None:
            return None

        def put(is_new: bool) -> bool:  # noqa: FBT001 (a protocol's parameter)
            if not is_new:
                return self._content.sizes([digest]).get(digest) == size
            if durability == "off" or self._content.sizes([digest]):
                self._content.place(digest, content)  # what is there already may be anything
            return True

        kept, unsynced = (content, False) if durability == "full" else (None, True)
        found = self._index.put_plain(Plain(digest, size, media_type, kept, unsynced), put)
        if found is None:
            return None
        refcount, pins, created, number = found
        if number:
            self.place({digest: content}, number)
        return Descriptor(digest, size, refcount, pins, (), media_type, created, ())

    def enter(self, tx: Writing, blobs: Mapping[Digest, bytes], *, durable: bool) -> int:
        """Take in small content in the transaction that records it; return the number of its entry, 0 for none.

        What no durable commit will hold is made durable itself; what nothing makes durable is placed at once.
        """
        if self._durability == "full" or (self._durability == "normal" and durable):
            for digest in self._content.sizes(blobs):
                self._content.place(digest, blobs[digest])  # it may be anything
            return tx.journal(blobs)
        for digest, content in blobs.items():
            self._content.place(digest, content, durable=self._durability == "normal")
        return 0

    def place(self, blobs: Mapping[Digest, bytes], number: int) -> None:
        """Put in its place what was entered, once that is committed. What fails now, the journal has."""
        with suppress(OSError):
            for entry, (digest, content) in enumerate(blobs.items(), number - len(blobs) + 1):
                self._content.place(digest, content)
                self._placed.add(entry)
            self._bytes += sum(map(len, blobs.values()))  # about: threads may add at once
            if number % PUTS < len(blobs) or self._bytes > BYTES:
                self.drain()

    def drain(self) -> None:
        """Make durable in its place what the journal holds; OSError where that fails. One thread at a time does it.

        It needs no write lock: `drop`, in the next transaction, lets the entries go.
        """
        if not self._draining.locked():  # two threads may pass here at once: then there are two drains
            with self._draining:
                self._bytes = 0
                self._drain()

    def _drain(self) -> None:
        mine = self._doubt
        found, odd, noted = self._index.read(self._look)
        if not found:
            return
        anew = mine is not None or noted is not None
        kept = self._put_right(found if anew else odd, anew=anew)
        try:
            self.sync()
        except OSError:
            with suppress(OSError), self._index.writing(durable=True) as tx:
                self.drop(tx)  # others are to know of it, too
            raise
        if self._doubt == mine:  # else the sync of another thread failed meanwhile
            last = found[-1].number
            self._drained = _Drained(last, kept, (mine, noted) if anew and not kept else None)
            self._placed.difference_update([number for number in self._placed.copy() if number <= last])

    def drop(self, tx: Writing) -> None:
        """Let go, in a transaction, of entries whose files are durable; keep in mind that a sync failed."""
        drained, self._drained = self._drained, None
        if drained is not None:
            tx.drain(drained.number, drained.kept)
            if drained.settled is not None:
                mine, noted = drained.settled
                if self._doubt == mine:
                    self._doubt = None
                if tx.meta(DOUBT) in (mine, noted):
                    tx.set_meta(DOUBT, None)
        if self._doubt is not None:
            tx.set_meta(DOUBT, self._doubt)

    @property
    def is_doubted(self) -> bool:
        """Whether a sync failed, after which another one proves nothing."""
        return self._doubt is not None

    @property
    def has_drained(self) -> bool:
        """Whether there are entries to drop."""
        return self._drained is not None

    def sync(self) -> None:
        """Make all content durable. Where that fails, nobody knows of which: the journal writes its own anew."""
        try:
            self._content.sync()
        except OSError:
            self._doubt = secrets.token_hex(8)
            raise

    def recover(self) -> None:
        """Put right what a crash left absent or torn, so far as the journal knows its content; see `odd`."""
        _, odd, _ = self._index.read(self._look)
        kept = self._put_right(odd, anew=False)
        self.odd.update(entry.digest for entry in odd if entry.number in kept)

    def find_odd(self) -> None:
        """Set `odd` for one who must not write: the blobs that are to be read from the journal."""
        _, odd, _ = self._index.read(self._look)
        self.odd.update(entry.digest for entry in odd)

    def show(self, tx: Reading) -> None:
        """Put in its place what other processes did not come to, before index.json names it. OSError.

        Cost: the entries since the last call.
        """
        listed = list(entries(tx, self._shown))
        found = [entry.digest for entry in listed if entry.is_blob and entry.number not in self._placed]
        stored = self._content.sizes(found)
        for digest in found:
            if digest not in stored:
                restore(self._content, tx, digest)
        if listed:
            self._shown = listed[-1].number

    def _look(self, tx: Reading) -> tuple[list[JournalEntry], list[JournalEntry], str | None]:
        """Return all entries, those whose files are not as they should be, and the doubt that the index has.

        The files that this process has placed are as they should be.
        """
        found = list(entries(tx))
        odd = [entry for entry in found if entry.number not in self._placed and not self._is_whole(tx, entry)]
        return found, odd, tx.meta(DOUBT)

    def _is_whole(self, tx: Reading, entry: JournalEntry) -> bool:
        """Return whether the file of an entry is there, with these bytes. That of no blob need not be there."""
        if not entry.is_blob and not self._content.sizes([entry.digest]):
            return True
        content = tx.journal_content(entry.number)
        return content is None or self._content.read(entry.digest, len(content)) == content

    def _put_right(self, found: Collection[JournalEntry], *, anew: bool) -> frozenset[int]:
        """Place what these entries hold, where it belongs to a blob or there is a file; return those that failed.

        Under the write lock: else a file could come back that is removed meanwhile, and nobody would know of it.
        """
        failed = {entry.number for entry in found}
        with suppress(OSError):
            if failed:
                with self._index.writing() as tx:
                    failed = {entry.number for entry in found if not self._is_placed(tx, entry, anew=anew)}
        return frozenset(failed)

    def _is_placed(self, tx: Reading, entry: JournalEntry, *, anew: bool) -> bool:
        """Place what an entry holds; return False where that fails."""
        content = tx.journal_content(entry.number)
        if content is not None and matches(content, entry.digest):
            try:
                if tx.counts([entry.digest]) or self._content.sizes([entry.digest]):
                    self._content.place(entry.digest, content, durable=anew)
            except OSError:
                return False
        return True


def content_of(tx: Reading, digest: Digest) -> bytes | None:
    """Return the content that the journal has of a digest, None where it has none. Cost: all entries."""
    for entry in entries(tx):
        if entry.digest == digest:
            content = tx.journal_content(entry.number)
            if content is not None and matches(content, digest):
                return content
    return None


def restore(content: Content, tx: Reading, digest: Digest) -> bool:
    """Put the content that the journal has of a digest in its place, durably; return whether it has.

    The write lock is held: else what is restored could be removed meanwhile.
    """
    found = content_of(tx, digest)
    if found is not None:
        content.place(digest, found, durable=True)
    return found is not None


def entries(tx: Reading, after: int = 0) -> Iterator[JournalEntry]:
    """Yield the entries behind a number, by number."""
    while page := tx.journalled(after, PAGE):
        yield from page
        after = page[-1].number
