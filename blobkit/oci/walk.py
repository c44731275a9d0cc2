"""Walk over all that manifests and indexes reach, level by level; all documents of a level are read at once.

The media type in the descriptor decides whether it is followed. Each document is read once for each media type that
descriptors give it. The walk reports an absent or damaged document and continues; the caller decides what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from blobkit.oci.documents import Document, Reference, read_document
from blobkit.oci.untrusted import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, MutableMapping, Sequence

    from blobkit.digest import Digest

    Key = tuple[Digest, str]
    """A document read as one media type: two descriptors may give the same bytes two types."""
    Read = Callable[[Sequence[Digest]], Iterable[tuple[Digest, bytes | str]]]
    """Return the content of each digest, or why it cannot be read, as a text; in any order, without absent ones."""

__all__ = ["ABSENT", "UNPARSEABLE", "UNREAD", "Fault", "Step", "Walk", "followed_type", "levels"]

T = TypeVar("T")

ABSENT = "absent"
UNREAD = "unread"
UNPARSEABLE = "unparseable"


class Fault(NamedTuple):
    """The reason why there is no document: `code` is "absent", "unread" or "unparseable", `why` says more."""

    code: str
    why: str = ""


UNSEEN = Fault("unseen")


class Step(NamedTuple):
    """One descriptor that the walk reached, and its document.

    `document` is None for a leaf, for a document that an earlier step has, and if there is a `fault`.
    """

    reference: Reference
    document: Document | None = None
    fault: Fault | None = None


def followed_type(reference: Reference) -> str | None:
    """Return the media type to read a descriptor's content as, None if it is a leaf: the rule that tools follow."""
    return reference.media_type if reference.followed else None


def levels(
    start: Iterable[T], after: Callable[[list[T]], Iterable[T]], key: Callable[[T], Hashable] = lambda item: item
) -> Iterator[list[T]]:
    """Yield `start`, then each next level that `after` returns; of items with the same key, only the first."""
    seen: set[Hashable] = set()
    level = _unseen(start, key, seen)
    while level:
        yield level
        level = _unseen(after(level), key, seen)


def _unseen(items: Iterable[T], key: Callable[[T], Hashable], seen: set[Hashable]) -> list[T]:
    fresh = []
    for item in items:
        if key(item) not in seen:
            seen.add(key(item))
            fresh.append(item)
    return fresh


@dataclass
class Walk:
    """Walks from descriptors to all that they reach; a second walk skips documents that an earlier one has read.

    `read` returns the content of many documents at once. `read_as` returns the media type to follow a descriptor as.
    With `inline`, the walk takes an absent document from its descriptor if that contains it. With `subjects`, it
    follows subjects too. It does not read documents in `remembered` again, and adds those that it reads.
    """

    read: Read
    read_as: Callable[[Reference], str | None] = followed_type
    inline: bool = True
    subjects: bool = False
    remembered: MutableMapping[Key, Document] | None = None

    def __post_init__(self) -> None:
        """Start with nothing seen."""
        self._seen: dict[Key, Fault | None] = {}

    def levels(self, start: Iterable[Reference]) -> Iterator[list[Step]]:
        """Yield a step for each descriptor, level by level; a repeated one has a step too, but is not read again.

        Cost: one call of `read` for each level; memory for the descriptors of one level and the keys of all documents.
        """
        level = list(start)
        while level:
            steps = self.steps(level)
            yield steps
            level = [named for step in steps if step.document for named in self.named(step.document)]

    def mark_read(self, digest: Digest, document: Document) -> list[Reference]:
        """Mark a document as read by the caller, and return the descriptors in it."""
        self._mark((digest, document.media_type), document)
        return self.named(document)

    def has_read(self, digest: Digest, media_type: str = "") -> bool:
        """Return whether the walk has read this document as this type; "" is the document's own type."""
        return self._seen.get((digest, media_type), UNSEEN) is None

    def has_seen(self, digest: Digest, media_type: str) -> bool:
        """Return whether the walk has tried to read this document as this type."""
        return (digest, media_type) in self._seen

    def named(self, document: Document) -> list[Reference]:
        """Return the descriptors in a document that the walk goes on with."""
        subject = [document.subject] if self.subjects and document.subject is not None else []
        return [*document.references, *subject]

    def steps(self, level: Sequence[Reference]) -> list[Step]:
        """Return a step for each descriptor of a level, or of a part of one; `named` has those of the next level."""
        fresh: dict[Key, Document] = {}
        wanted: dict[Digest, list[str]] = {}
        for reference in level:
            key = self._key(reference)
            if key is not None and key not in self._seen and not self._recall(key, fresh):
                wanted.setdefault(key[0], []).append(key[1])
        for digest, content in self.read(list(wanted)) if wanted else ():
            for media_type in wanted[digest]:
                self._parse((digest, media_type), content, fresh)
        return [self._step(reference, fresh) for reference in level]

    def _step(self, reference: Reference, fresh: dict[Key, Document]) -> Step:
        """Return the step of one descriptor; the first step that reaches a document gets it."""
        key = self._key(reference)
        if key is None:
            return Step(reference)
        fault = self._seen.setdefault(key, Fault(ABSENT))
        if fault is not None and fault.code == ABSENT and self.inline and reference.inline is not None:
            self._parse(key, reference.inline, fresh)
        return Step(reference, fresh.pop(key, None), self._seen[key])

    def _key(self, reference: Reference) -> Key | None:
        media_type = self.read_as(reference)
        return None if media_type is None else (reference.digest, media_type)

    def _recall(self, key: Key, fresh: dict[Key, Document]) -> bool:
        """Return whether `remembered` has this document, and take it from there."""
        document = self.remembered.get(key) if self.remembered else None
        if document is not None:
            self._mark(key, document)
            fresh[key] = document
        return document is not None

    def _parse(self, key: Key, content: bytes | str, fresh: dict[Key, Document]) -> None:
        """Parse one document as one type, unless it was parsed already as an equivalent type."""
        if self._seen.get(key, UNSEEN) is None:
            return
        if isinstance(content, str):
            self._seen[key] = Fault(UNREAD, content)
            return
        try:
            fresh[key] = read_document(content, key[1])
        except DocumentError as error:
            self._seen[key] = Fault(UNPARSEABLE, str(error))
        else:
            self._mark(key, fresh[key])

    def _mark(self, key: Key, document: Document) -> None:
        """Mark a document as read as this type, and as the equivalent types."""
        digest = key[0]
        keys = [key, (digest, document.media_type)]
        keys += [(digest, "")] if document.media_type == document.own_type else []
        self._seen.update(dict.fromkeys(keys))
        if self.remembered is not None:
            self.remembered.update(dict.fromkeys(keys, document))
