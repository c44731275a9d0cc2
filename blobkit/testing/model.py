"""The reference rules once more, as slowly and plainly as they can be written: an oracle for stores.

It shares no code with them. A reference count is a recount, a removal looks at all blobs until nothing changes,
a cycle is looked for along every path.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Broken", "Model"]

Gone = tuple[tuple[str, ...], ...]
"""What a removal freed: the digests of each level, sorted."""


class Broken(Exception):  # noqa: N818 (no error of this model: it names the one that a store must raise)
    """A rule forbids the verb; the argument is the name of the error."""


BLOB_NOT_FOUND = "BlobNotFoundError"
LINK_CYCLE = "LinkCycleError"
MEDIA_TYPE_CONFLICT = "MediaTypeConflictError"
NOT_PINNED = "NotPinnedError"
TAG_EXISTS = "TagExistsError"
TAG_NOT_FOUND = "TagNotFoundError"


@dataclass
class Model:
    """A model of a store: blobs with their anonymous pins, links, tags, and links to blobs that are absent."""

    anonymous: dict[str, int] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    links: set[tuple[str, str]] = field(default_factory=set)
    tags: dict[str, str] = field(default_factory=dict)
    waiting: set[tuple[str, str]] = field(default_factory=set)

    def copy(self) -> Model:
        """Return a model that changes by itself."""
        return Model(dict(self.anonymous), dict(self.types), set(self.links), dict(self.tags), set(self.waiting))

    def pins(self, blob: str) -> int:
        """Return the anonymous pins and the tags of a blob."""
        return self.anonymous[blob] + sum(named == blob for named in self.tags.values())

    def refcount(self, blob: str) -> int:
        """Return the references on a blob, counted anew."""
        return self.pins(blob) + sum(to == blob for _, to in self.links)

    def state(self) -> dict[str, tuple[int, int, tuple[str, ...], tuple[str, ...], str]]:
        """Return refcount, pins, links, tags and media type of every blob."""
        return {
            blob: (
                self.refcount(blob),
                self.pins(blob),
                tuple(sorted(to for from_, to in self.links if from_ == blob)),
                tuple(sorted(name for name, named in self.tags.items() if named == blob)),
                self.types[blob],
            )
            for blob in self.anonymous
        }

    def put(  # noqa: PLR0913 (the same as of a store)
        self,
        blob: str,
        media_type: str = "",
        *,
        given: frozenset[str] = frozenset(),
        named: frozenset[str] = frozenset(),
        tag: str | None = None,
        move: bool = False,
    ) -> Gone:
        """Commit content, link it to what is given (must be here) or to what it names (may be absent), tag it."""
        if blob not in self.anonymous:
            self.anonymous[blob] = 0
            self.types[blob] = media_type
            self.links |= {(from_, to) for from_, to in self.waiting if to == blob}
            self.waiting = {(from_, to) for from_, to in self.waiting if to != blob}
        elif media_type and self.types[blob] not in ("", media_type):
            raise Broken(MEDIA_TYPE_CONFLICT)
        self.types[blob] = self.types[blob] or media_type
        self.anonymous[blob] += 1
        if not given <= self.anonymous.keys():
            raise Broken(BLOB_NOT_FOUND)
        for to in given | named:
            if to not in self.anonymous:
                self.waiting.add((blob, to))
            else:
                self._join(blob, to)
                self.anonymous[to] -= self.anonymous[to] > 0
        return self.tag(tag, blob, move=move, transfer=True) if tag is not None else ()

    def ref(self, blob: str) -> None:
        """Add an anonymous pin."""
        self._here(blob)
        self.anonymous[blob] += 1

    def deref(self, blob: str) -> Gone:
        """Drop an anonymous pin."""
        self._here(blob)
        self._give_up_pin(blob)
        return self._collect()

    def link(self, to: str, from_: str, *, transfer: bool) -> None:
        """Link, for the caller's pin or for a reference of its own."""
        self._here(to, from_)
        if to == from_:
            raise Broken(LINK_CYCLE)
        if transfer:
            self._give_up_pin(to)
        self._join(from_, to)

    def unlink(self, to: str, from_: str) -> Gone:
        """Drop a link, if it is there."""
        self._here(to, from_)
        self.links.discard((from_, to))
        return self._collect()

    def tag(self, name: str, blob: str, *, move: bool, transfer: bool) -> Gone:
        """Name a blob; the name is a pin."""
        self._here(blob)
        if transfer:
            self._give_up_pin(blob)
        if self.tags.get(name, blob) != blob and not move:
            raise Broken(TAG_EXISTS)
        self.tags[name] = blob
        return self._collect()

    def untag(self, name: str) -> Gone:
        """Drop a name."""
        if name not in self.tags:
            raise Broken(TAG_NOT_FOUND)
        del self.tags[name]
        return self._collect()

    def _here(self, *blobs: str) -> None:
        if not set(blobs) <= self.anonymous.keys():
            raise Broken(BLOB_NOT_FOUND)

    def _give_up_pin(self, blob: str) -> None:
        if self.anonymous[blob] == 0:
            raise Broken(NOT_PINNED)
        self.anonymous[blob] -= 1

    def _join(self, from_: str, to: str) -> None:
        if from_ in self._below(to):
            raise Broken(LINK_CYCLE)
        self.links.add((from_, to))

    def _below(self, blob: str) -> set[str]:
        """Return a blob and all that it reaches."""
        return {blob}.union(*(self._below(to) for from_, to in self.links if from_ == blob))

    def _collect(self) -> Gone:
        """Remove whatever has no reference, one blob at a time, until every blob has one."""
        level: dict[str, int] = {}
        before = set(self.links)
        while free := [blob for blob in self.anonymous if self.refcount(blob) == 0]:
            blob = free[0]
            holders = [level[from_] for from_, to in before if to == blob and from_ in level]
            level[blob] = 1 + max(holders, default=-1)
            del self.anonymous[blob], self.types[blob]
            self.links = {link for link in self.links if link[0] != blob}
            self.waiting = {link for link in self.waiting if link[0] != blob}
        depth = 1 + max(level.values(), default=-1)
        return tuple(tuple(sorted(blob for blob in level if level[blob] == i)) for i in range(depth))
