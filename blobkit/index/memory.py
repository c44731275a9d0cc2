"""An index in plain dicts: for tests, and for what need not stay. Every write can be undone."""

from __future__ import annotations

import bisect
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from blobkit.errors import BatchError, StoreClosedError
from blobkit.index.memory_facts import facts
from blobkit.model import Facts, JournalEntry, Link, PendingWork, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from blobkit.digest import Digest
    from blobkit.model import Change, NewBlob
    from blobkit.transactions import Plain, Reading, Writing

__all__ = ["MemoryIndex"]

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class MemoryIndex:
    """Counts, links and tags in memory; one lock for readers and writers."""

    def __init__(self, state: _State | None = None) -> None:
        self._state = _State() if state is None else state
        self._lock = threading.RLock()
        self._owner = 0
        self.closed = False

    def read(self, question: Callable[[Reading], T]) -> T:
        """Return the answer to a question; nobody writes meanwhile."""
        with self._opened():
            return question(self._state)

    def peek(self, blob: Digest) -> None:
        """Return None: `read` is as cheap."""

    def put_plain(self, new: Plain, put: Callable[[bool], bool]) -> None:
        """Return None: `writing` is as cheap."""

    def write(self, plan: Callable[[Writing], T], *, durable: bool = False) -> T:
        """Return what a plan returns; it is run once."""
        with self.writing(durable=durable) as tx:
            return plan(tx)

    @contextmanager
    def writing(self, *, durable: bool = False, later: bool = False) -> Iterator[_State]:  # noqa: ARG002 (memory promises nothing)
        """Hold the lock; on an error every write is undone, the last one first."""
        if self._owner == threading.get_ident():
            msg = "this thread has a transaction open on this store: end it, or use its verbs"
            raise BatchError(msg)
        with self._opened():
            self._owner = threading.get_ident()
            try:
                yield self._state
            except BaseException:
                self._state.undo()
                raise
            finally:
                self._state.keep()
                self._owner = 0

    def close(self) -> None:
        """Refuse every further question."""
        self.closed = True

    @contextmanager
    def _opened(self) -> Iterator[None]:
        with self._lock:
            if self.closed:
                msg = "this store was closed, and with it went what it held"
                raise StoreClosedError(msg)
            yield


class _State:
    """The dicts, and how to undo what was done to them since the last `keep`. Its methods are those of `Writing`."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, Record] = {}
        self._targets: dict[Digest, dict[Digest, str]] = {}
        self._holders: dict[Digest, dict[Digest, None]] = {}
        self._expected: dict[Digest, dict[Link, str]] = {}
        self._tags: dict[str, Digest] = {}
        self._given: dict[Digest, dict[str, int]] = {}
        self._changed: dict[str, Digest | None] = {}
        self._tombstones: dict[Digest, None] = {}
        self._meta: dict[str, str] = {}
        self._journal: dict[int, tuple[Digest, bytes]] = {}
        self._number = 0
        self._undo: list[Callable[[], object]] = []

    def counts(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        return {blob: record.refcount for blob, record in self.records(blobs).items()}

    def links(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        return Counter(target for blob in blobs for target in self._targets.get(blob, ()))

    def sizes(self, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        return {blob: record.size for blob, record in self.records(blobs).items()}

    def records(self, blobs: Collection[Digest]) -> Mapping[Digest, Record]:
        return {blob: self._blobs[blob] for blob in blobs if blob in self._blobs}

    def targets(self, blobs: Collection[Digest]) -> Mapping[Digest, Sequence[Digest]]:
        return {blob: sorted(found) for blob in blobs if (found := self._targets.get(blob))}

    def holders(self, blobs: Collection[Digest], limit: int = -1) -> Mapping[Digest, Sequence[Digest]]:
        pairs = ((blob, holder) for blob in blobs for holder in self._holders.get(blob, ()))
        found: dict[Digest, list[Digest]] = {}
        for blob, holder in islice(pairs, None if limit < 0 else limit):
            found.setdefault(blob, []).append(holder)
        return found

    def linked(self, links: Collection[Link]) -> Collection[Link]:
        return [link for link in links if link.target in self._targets.get(link.source, ())]

    def expecting(self, digests: Collection[Digest]) -> Sequence[Link]:
        return [link for digest in digests for link in self._expected.get(digest, ())]

    def names(self, blobs: Collection[Digest]) -> Mapping[Digest, Sequence[str]]:
        found: dict[Digest, list[str]] = {}
        for name, blob in sorted(self._tags.items()):
            if blob in blobs:
                found.setdefault(blob, []).append(name)
        return found

    def tags(self, names: Collection[str] | None = None) -> Mapping[str, Digest]:
        return {name: self._tags[name] for name in sorted(self._tags if names is None else names) if name in self._tags}

    def digests(self, after: Digest | None = None, limit: int = -1) -> Sequence[Digest]:
        return _page(self._blobs, after, limit)

    def total(self) -> int:
        return len(self._blobs)

    def tombstones(self, limit: int, after: Digest | None = None) -> Sequence[Digest]:
        return _page(self._tombstones, after, limit)

    def given(self, source: str, blobs: Collection[Digest]) -> Mapping[Digest, int]:
        return {blob: self._given[blob][source] for blob in blobs if source in self._given.get(blob, {})}

    def changed_names(self) -> Mapping[str, Digest | None]:
        return dict(self._changed)

    def journalled(self, after: int, limit: int) -> Sequence[JournalEntry]:
        numbers = [number for number in sorted(self._journal) if number > after][:limit]
        found = ((number, *self._journal[number]) for number in numbers)
        return [JournalEntry(n, digest, len(content), digest in self._blobs) for n, digest, content in found]

    def journal_content(self, number: int) -> bytes | None:
        return self._journal[number][1] if number in self._journal else None

    def pending(self) -> PendingWork:
        unresolved = any(self._expected.values())
        given, kept = any(self._given.values()), "layout_kept" in self._meta
        return PendingWork(
            self.meta("unsynced"), self.meta("layout_dirty"), bool(self._tombstones), unresolved, given, kept
        )

    def meta(self, key: str) -> str | None:
        return self._meta.get(key)

    def facts(self) -> Facts:
        return facts(self._blobs, self._targets, self._expected, self._tags)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        before = len(self._undo)
        try:
            yield
        except BaseException:
            self.undo(before)
            raise

    def add(self, arrivals: Collection[NewBlob]) -> None:
        for new in arrivals:
            self._put(self._blobs, new.digest, Record(new.size, 1, 1, 0, new.media_type, new.created))
            self._pop(self._tombstones, new.digest)

    def pin(self, pins: Mapping[Digest, int]) -> Mapping[Digest, Record]:
        for blob, known in self.records(pins).items():
            more = replace(known, refcount=known.refcount + pins[blob], pins=known.pins + pins[blob])
            self._put(self._blobs, blob, more)
        return self.records(pins)

    def apply(self, change: Change) -> None:
        for link in change.linked:
            self._put(self._targets.setdefault(link.source, {}), link.target, link.kind)
            self._put(self._holders.setdefault(link.target, {}), link.source, None)
        for link in change.unlinked:
            self._unlink(link.source, link.target)
        for name in {*change.unnamed, *change.named} - self._changed.keys():
            self._put(self._changed, name, self._tags.get(name))
        for name in change.unnamed:
            self._name(name, None)
        for name, blob in change.named.items():
            self._name(name, blob)
        for blob, refcount in change.refcounts.items():
            pins = self._blobs[blob].pins + change.pins.get(blob, 0)
            self._put(self._blobs, blob, replace(self._blobs[blob], refcount=refcount, pins=pins))
        for blob in change.freed.digests:
            self._remove(blob)

    def journal(self, contents: Mapping[Digest, bytes]) -> int:
        for entry in contents.items():
            self._number += 1  # given once, also where it is undone
            self._put(self._journal, self._number, entry)
        return self._number

    def drain(self, number: int, kept: Collection[int] = ()) -> None:
        for entry in [entry for entry in self._journal if entry <= number and entry not in kept]:
            self._pop(self._journal, entry)

    def expect(self, links: Mapping[Link, str]) -> None:
        for link, media_type in links.items():
            self._put(self._expected.setdefault(link.target, {}), link, media_type)

    def unexpect(self, links: Collection[Link]) -> None:
        for link in links:
            self._pop(self._expected.get(link.target, {}), link)

    def give(self, source: str, pins: Mapping[Digest, int]) -> None:
        for blob, number in pins.items():
            self._put(self._given.setdefault(blob, {}), source, number)

    def retype(self, media_types: Mapping[Digest, str]) -> None:
        for blob, media_type in media_types.items():
            self._put(self._blobs, blob, replace(self._blobs[blob], media_type=media_type))

    def forget(self, tombstones: Collection[Digest]) -> None:
        for digest in tombstones:
            self._pop(self._tombstones, digest)

    def settle_names(self) -> None:
        for name in list(self._changed):
            self._pop(self._changed, name)

    def set_meta(self, key: str, value: str | None) -> None:
        if value is None:
            self._pop(self._meta, key)
        else:
            self._put(self._meta, key, value)

    def undo(self, keep: int = 0) -> None:
        """Take back every write since the last `keep` but the first `keep`."""
        while len(self._undo) > keep:
            self._undo.pop()()

    def keep(self) -> None:
        """Make the writes so far final."""
        self._undo.clear()

    def _unlink(self, source: Digest, target: Digest) -> None:
        self._pop(self._targets[source], target)
        self._pop(self._holders[target], source)

    def _name(self, name: str, blob: Digest | None) -> None:
        """Make `name` name `blob`, or nothing; both records know how many tags they have."""
        old = self._pop(self._tags, name)
        if old is not None:
            self._put(self._blobs, old, replace(self._blobs[old], tags=self._blobs[old].tags - 1))
        if blob is not None:
            self._put(self._tags, name, blob)
            self._put(self._blobs, blob, replace(self._blobs[blob], tags=self._blobs[blob].tags + 1))

    def _remove(self, blob: Digest) -> None:
        for target in list(self._targets.get(blob, ())):
            self._unlink(blob, target)
        self.unexpect([link for found in self._expected.values() for link in found if link.source == blob])
        self._pop(self._given, blob)
        self._pop(self._blobs, blob)
        self._put(self._tombstones, blob, None)

    def _put(self, mapping: dict[K, V], key: K, value: V) -> None:
        self._remember(mapping, key)
        mapping[key] = value

    def _pop(self, mapping: dict[K, V], key: K) -> V | None:
        self._remember(mapping, key)
        return mapping.pop(key, None)

    def _remember(self, mapping: dict[K, V], key: K) -> None:
        is_new = key not in mapping
        self._undo.append(
            partial(mapping.pop, key, None) if is_new else partial(mapping.__setitem__, key, mapping[key])
        )


def _page(found: Collection[Digest], after: Digest | None, limit: int) -> Sequence[Digest]:
    """Return the digests behind `after`, sorted, at most `limit`."""
    ordered = sorted(found)
    start = bisect.bisect_right(ordered, after) if after else 0
    return ordered[start:] if limit < 0 else ordered[start : start + limit]
