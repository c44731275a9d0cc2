"""The journal: small content is kept in the index, in the commit of its row, until its file is durable.

So a put of small content takes one sync, that of its commit. Its file is put in its place right after, without a
sync: before the commit nobody may see it, or a loss of power could leave half a file under a digest that no row knows.
Every so often the files are made durable in one go, and only then their journal entries go (`drain`). Whoever opens a
store compares what the journal still holds with the files, and puts right what a crash left absent or torn
(`recover`); reading a blob whose file is not whole takes its content from the journal.

An entry says what the content of a digest is, which never becomes wrong: it may outlive its blob, and blobs may come
back. Entries are numbered, no number is given twice, and only `drain` takes entries out: what it has seen in place
before its sync, it may drop after it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from blobkit.digest import matches
from blobkit.model import Descriptor
from blobkit.transactions import Plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blobkit.digest import Digest
    from blobkit.model import JournalEntry
    from blobkit.protocols import Content
    from blobkit.transactions import Index, Reading, Transaction, Writing

__all__ = ["LIMIT", "PUTS", "Journal", "content_of", "entries", "restore"]

LIMIT = 1 << 16
"""The size in bytes up to which content is kept in the journal."""
PUTS = 256
"""Entries after which the journal is drained."""
BYTES = 4 << 20
"""Content after which a process drains it: the database does not shrink again below what the journal has held."""
PAGE = 64
DOUBT = "journal_doubt"


class Journal:
    """Small content on its way into a content. Where `durability` is "off", files are placed, and that is all."""

    def __init__(self, content: Content, index: Index, transaction: Transaction, *, durability: str = "off") -> None:
        self._content = content
        self._index = index
        self._transaction = transaction
        self._durability = durability
        self._bytes = 0

    def wants_durable(self, digest: Digest, size: int) -> bool:
        """Return whether a put of this content should ask for a durable commit, where commits are not durable anyway.

        Else the loss of a commit could leave half a file. Cost: one look at the file.
        """
        return self._durability == "normal" and self._content.sizes([digest]).get(digest) != size

    def put_plain(self, digest: Digest, content: bytes, media_type: str) -> Descriptor | None:
        """Put small content, and nothing else: the straight path of `enter` and `place`. None where it does not do."""
        size, durability = len(content), self._durability
        if durability == "normal":
            return None

        def put(is_new: bool) -> bool:  # noqa: FBT001 (a protocol's parameter)
            if not is_new:
                return self._content.sizes([digest]).get(digest) == size
            if durability == "off":
                self._content.place(digest, content)
            return True

        kept, unsynced = (content, False) if durability == "full" else (None, True)
        found = self._index.put_plain(Plain(digest, size, media_type, kept, unsynced), put)
        if found is None:
            return None
        refcount, pins, created, number = found
        if number:
            self.place({digest: content}, number)
        return Descriptor(digest, size, refcount, pins, (), media_type, created, ())

    def enter(self, rows: Writing, blobs: Mapping[Digest, bytes], *, durable: bool) -> int:
        """Take in small content in the transaction that records it; return the number of its entry, 0 for none.

        What no durable commit will hold is made durable itself; what nothing makes durable is placed at once.
        """
        if self._durability == "full" or (self._durability == "normal" and durable):
            return rows.journal(blobs)
        for digest, content in blobs.items():
            self._content.place(digest, content, durable=self._durability == "normal")
        return 0

    def place(self, blobs: Mapping[Digest, bytes], number: int) -> None:
        """Put in its place what was entered, once that is committed. What fails now, whoever opens the store does."""
        if not number:
            return
        with suppress(OSError):
            for digest, content in blobs.items():
                self._content.place(digest, content)
            self._bytes += sum(map(len, blobs.values()))  # about: threads may add at once
            if number % PUTS < len(blobs) or self._bytes > BYTES:
                self.drain()

    def drain(self) -> None:
        """Make what the journal holds durable in its place, then drop its entries. OSError leaves them."""
        self._bytes = 0
        found, doubt = self._index.read(lambda rows: (list(entries(rows)), rows.meta(DOUBT)))
        if not found:
            return
        for entry in found:
            self._settle(entry, durable=doubt is not None)
        try:
            self._content.sync()
        except OSError:
            self._doubt()
            raise
        with self._transaction(durable=False, later=True) as rows:
            rows.drain(found[-1].number)
            if doubt is not None:
                rows.set_meta(DOUBT, None)

    def recover(self) -> None:
        """Put right what a crash left absent or torn, so far as the journal knows its content."""
        odd = self._index.read(lambda rows: [entry.digest for entry in entries(rows) if self._is_odd(rows, entry)])
        if odd:
            with self._index.writing() as rows:
                for digest in odd:
                    restore(self._content, rows, digest)

    def _settle(self, entry: JournalEntry, *, durable: bool) -> None:
        """Put the file of a blob in its place, where it is not there: its writer may be about to, or has died."""
        is_whole = self._content.sizes([entry.digest]).get(entry.digest) == entry.size
        if not entry.is_blob or (is_whole and not durable):
            return
        content = self._index.read(lambda rows: rows.journal_content(entry.number))
        if content is not None:
            self._content.place(entry.digest, content, durable=durable)

    def _is_odd(self, rows: Reading, entry: JournalEntry) -> bool:
        """Return whether the file of an entry is not as it should be. That of no blob need not be there."""
        if not entry.is_blob and not self._content.sizes([entry.digest]):
            return False
        content = rows.journal_content(entry.number)
        return content is not None and self._content.read(entry.digest, len(content)) != content

    def _doubt(self) -> None:
        """Let whoever drains next write every file anew: after a sync that failed, another one proves nothing."""
        with suppress(OSError), self._transaction(durable=True, later=False) as rows:
            rows.set_meta(DOUBT, "1")


def content_of(rows: Reading, digest: Digest) -> bytes | None:
    """Return the content that the journal has of a digest, None where it has none. Cost: all entries."""
    for entry in entries(rows):
        if entry.digest == digest:
            content = rows.journal_content(entry.number)
            if content is not None and matches(content, digest):
                return content
    return None


def restore(content: Content, rows: Reading, digest: Digest) -> bool:
    """Put the content that the journal has of a digest in its place, durably; return whether it has.

    The write lock is held: else what is restored could be removed meanwhile.
    """
    found = content_of(rows, digest)
    if found is not None:
        content.place(digest, found, durable=True)
    return found is not None


def entries(rows: Reading) -> Iterator[JournalEntry]:
    """Yield all entries, by number."""
    after = 0
    while page := rows.journalled(after, PAGE):
        yield from page
        after = page[-1].number
