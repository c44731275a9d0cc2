"""Record what `umoci gc` marks in a layout, and where it stops: the rules of umoci 0.4.7, seen in real runs.

umoci follows the media types of `blobkit.oci.spec.PARSED` only, as descriptors give them, and checks each descriptor
that it reaches. Below one entry of index.json it visits each digest once, depth first: the first mention decides. In
most layouts the marked blobs are those that the links of documents reach, and only the stops have to be recorded.
Otherwise (descriptors give one blob two media types, a field is repeated), each entry above such a blob gets a virtual
node, with links to all that umoci marks from there.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from blobkit.digest import Digest, is_digest
from blobkit.oci.documents import OCI_INDEX, repository
from blobkit.oci.spec import PARSED, children_of, size_of, text_field
from blobkit.oci.untrusted import DocumentError, TooManyElementsError
from blobkit.render import abbreviate
from blobkit.scanners.spaces.space import sequence
from blobkit.snapshot.sets import unique
from blobkit.snapshot.stores.oci import OCI, UMOCI

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from blobkit.oci.spec import Descriptor
    from blobkit.scanners.facts import Facts
    from blobkit.scanners.files import Files

__all__ = ["Marking"]

ALGORITHM = "sha256:"
CONFIG = "application/vnd.oci.image.config.v1+json"
ABSENT = frozenset({"missing", "foreign", "inline", "dangling-subject", "behind-link"})
"""Notices that already say that a blob is not stored here."""
STOPS = frozenset(rule.code for rule in UMOCI.stops)
MARKED = 5_000_000
"""Digests: the marked blobs are computed entry by entry up to this number."""


_SEEN = {(called, is_wrong): (called, is_wrong) for called in (*PARSED, "") for is_wrong in (False, True)}
"""One shared tuple for each value of `Marking.seen_as`."""


class Mention(NamedTuple):
    """A descriptor as umoci sees it: `called` is its media type if that is in PARSED, else ""."""

    digest: str
    called: str
    size: int


class Stop(NamedTuple):
    """A reason why umoci stops: the code of the rule, a sentence, and the blob that it must reach ("" for none)."""

    code: str
    message: str
    key: str


class Marking:
    """Follows the entries of an index.json as umoci does; `is_swept`: whether umoci removes unmarked blobs."""

    def __init__(self, facts: Facts, files: Files, *, is_swept: bool) -> None:
        self.facts, self.files, self.is_swept = facts, files, is_swept
        self.readings: set[Mention] = set()
        self.seen_as: dict[int, tuple[str, bool]] = {}
        self.unclear: set[str] = set()
        self.stops: dict[tuple[str, str], Stop] = {}
        self._known: dict[Mention, list[Mention] | None] = {}
        self._absent = {key for code, key, _, _ in facts.notices if code in ABSENT}

    def record(self, entries: list[tuple[Descriptor, str]]) -> None:
        """Record the stops of umoci, and virtual nodes if needed; `entries` of index.json with their names.

        Cost: a read of each document; for blobs with two media types, as many reads as umoci makes.
        """
        _mark_index_subjects(self.facts)
        links = _Links(self.facts)
        mentions = [_mention(entry) for entry, _ in entries]
        self._look_at(mentions, links)
        self._find_bad_configs(mentions)
        read = {reading.digest for reading in self.readings}
        self.unclear |= {key for node, key in links.sources() if node in self.seen_as and key not in read}
        if not self.is_swept:
            self.unclear |= {key for code, key, _, _ in self.facts.notices if code in STOPS}
            self.unclear |= {stop.key for stop in self.stops.values()}
        apart = self._above() if self.unclear else set()
        for stop in self.stops.values():
            is_told = stop.key in self._absent and stop.code == "unopened"
            if stop.key not in apart and not is_told:
                self.facts.notice(stop.code, stop.message, stop.key)
        self._record_apart([(one, name) for one, (_, name) in zip(mentions, entries, strict=True)], apart)

    def _look_at(self, mentions: Iterable[Mention], links: _Links) -> None:
        """Visit all that the entries reach: each document once for each media type that it is given."""
        todo = [("", mention) for mention in mentions]
        while todo:
            source, mention = todo.pop()
            stop = self._fault(source, mention)
            if stop is not None and stop.key:
                self.stops.setdefault((stop.key, stop.code), stop)
            elif stop is not None:
                self.unclear.add(mention.digest)  # only this entry stops umoci; others may name the blob too
            self._compare(mention, is_wrong=stop is not None and stop.code == "other-size")
            if mention.called and (stop is None or stop.code == "other-size"):
                reading = mention._replace(size=0)
                if reading not in self.readings:
                    self.readings.add(reading)
                    todo += [(mention.digest, child) for child in self._first_read(reading, links)]

    def _find_bad_configs(self, mentions: list[Mention]) -> None:
        """Find configs that cannot be decoded and have another media type elsewhere: umoci stops only at the config."""
        bad = {digest for digest, code in self.stops if code == "undecoded"}
        bad &= {reading.digest for reading in self.readings if reading.called == CONFIG}
        if bad:
            inside = (child for reading in self.readings for child in self._children(reading) or ())
            self.unclear |= {one.digest for one in (*mentions, *inside) if one.digest in bad and one.called != CONFIG}

    def _compare(self, mention: Mention, *, is_wrong: bool) -> None:
        """Remember the media type of a blob; the blob is unclear if another descriptor gives a different one."""
        if is_digest(mention.digest):
            now = _SEEN["" if mention.called == CONFIG else mention.called, is_wrong]  # a config has no links
            if self.seen_as.setdefault(self.facts.node(mention.digest), now) != now:
                self.unclear.add(mention.digest)

    def _first_read(self, reading: Mention, links: _Links) -> list[Mention]:
        """Return the descriptors in a document; the document is unclear if its links differ from them."""
        children = self._decoded(reading)
        if children is None:
            return []
        node = self.facts.ids[reading.digest]
        targets = {self.facts.node(child.digest) for child in children if is_digest(child.digest)}
        if self.facts.opaque[node] or links.of(node) != sorted(targets):
            self.unclear.add(reading.digest)
        return children

    def _fault(self, source: str, mention: Mention) -> Stop | None:
        """Return why umoci stops at a descriptor in this document (or index.json), None if it does not."""
        digest, _, size = mention
        where = abbreviate(source) or "index.json"
        if not is_digest(digest):
            return Stop("no-digest", f"{where} has a descriptor without a valid digest ({digest[:80]!r})", source)
        if not digest.startswith(ALGORITHM):
            return Stop("other-algorithm", f"{where} names {abbreviate(digest)}: umoci supports sha256 only", source)
        if not self.facts.is_stored(digest) or not self.files.opens(Digest(digest)):
            if self.facts.is_behind_link(digest):
                return Stop("behind-link", f"{digest} lies behind a symbolic link that leaves the store", digest)
            return Stop("unopened", f"{digest} is not a readable file", digest)
        stored = self.facts.size[self.facts.ids[digest]]
        if size not in (stored, -1) and size >= 0:
            return Stop(
                "other-size", f"{where} says that {abbreviate(digest)} has {size:,} bytes: it has {stored:,}", source
            )
        return None

    def _decoded(self, reading: Mention) -> list[Mention] | None:
        """Return the descriptors in a document, None if it cannot be read or decoded."""
        data = self.files.whole(Digest(reading.digest))
        if data is None:
            return None
        try:
            return [_mention(child) for child in children_of(data, reading.called)]
        except DocumentError as error:
            code = "too-large" if isinstance(error, TooManyElementsError) else "undecoded"
            message = f"{reading.digest} is called {reading.called}: {error}"
            self.stops.setdefault((reading.digest, code), Stop(code, message, reading.digest))
            return None

    def _children(self, reading: Mention) -> list[Mention] | None:
        """Return the same, memoized."""
        if reading not in self._known:
            self._known[reading] = self._decoded(reading)
        return self._known[reading]

    def _above(self) -> set[str]:
        """Return the unclear blobs, and all documents that reach them."""
        parents: defaultdict[str, set[str]] = defaultdict(set)
        for reading in self.readings:
            for child in self._children(reading) or ():
                parents[child.digest].add(reading.digest)
        found, todo = set(self.unclear), list(self.unclear)
        while todo:
            new = parents[todo.pop()] - found
            found |= new
            todo += new
        return found

    def _record_apart(self, entries: list[tuple[Mention, str]], apart: set[str]) -> None:
        """Record a virtual node for each entry above an unclear blob, with links to all that umoci marks from it."""
        facts, room = self.facts, MARKED
        for digest in sorted(apart & facts.ids.keys()):
            facts.pin(facts.ids[digest], None, "unread", count=0)
        for number, (mention, name) in enumerate(entries):
            if mention.digest in apart:
                key = f"entry-{number}@{mention.digest}" if is_digest(mention.digest) else f"entry-{number}"
                virtual = facts.virtual_node(key, -1)
                facts.pin(virtual, name or None, "read-entry", repository(name))
                if is_digest(mention.digest):
                    facts.link(virtual, facts.node(mention.digest), "revision")
                marked, stop = self._marked(mention, room)
                room -= len(marked)
                for digest in marked:
                    facts.link(virtual, facts.node(digest), "mark")
                if stop is not None:
                    facts.notice(stop.code, stop.message, key)

    def _marked(self, entry: Mention, room: int) -> tuple[set[str], Stop | None]:
        """Return the digests that umoci marks from one entry, in its own order, and why it stops there."""
        seen: set[str] = set()
        todo = [("", entry)]
        while todo:
            source, mention = todo.pop()
            if mention.digest in seen:
                continue
            stop = self._fault(source, mention)
            if stop is not None:
                return seen, stop
            seen.add(mention.digest)
            if len(seen) > room:
                return seen, Stop("too-large", "too many blobs with several media types: marked blobs are unknown", "")
            if mention.called:
                children = self._children(mention._replace(size=0))
                if children is None:
                    found = (self.stops.get((mention.digest, code)) for code in ("undecoded", "too-large"))
                    return seen, next(filter(None, found), None)
                todo += [(mention.digest, child) for child in reversed(children)]
        return seen, None


def _mention(descriptor: Descriptor) -> Mention:
    called = text_field(descriptor, "mediaType")
    return Mention(text_field(descriptor, "digest"), called if called in PARSED else "", size_of(descriptor))


def _mark_index_subjects(facts: Facts) -> None:
    """Give the link from an index to its subject another kind, because umoci ignores it."""
    source, _, kind = facts.links
    for row, name in enumerate(kind):
        if name == "subject" and facts.media_type[source[row]] == OCI_INDEX:
            kind[row] = "index-subject"


class _Links:
    """The links of documents that count for umoci, by source."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        policy = OCI.policy_for("umoci")
        kinds, types = (policy.links, policy.sources) if policy else (frozenset(), frozenset())
        pairs = [
            source << 32 | target
            for source, target, kind in zip(*facts.links, strict=True)
            if kind in kinds and facts.media_type[source] in types
        ]
        found: NDArray[np.int64] = unique(np.array(pairs, np.int64))
        self.source, self.target = found >> 32, found & ((1 << 32) - 1)

    def of(self, node: int) -> list[int]:
        """Return the nodes that a node links to, sorted."""
        found: list[int] = self.target[slice(*np.searchsorted(self.source, [node, node + 1]))].tolist()
        return found

    def sources(self) -> Iterator[tuple[int, str]]:
        """Yield the nodes that have links, with their keys."""
        keys = sequence(self.facts.ids)
        return ((node, keys[node]) for node in unique(self.source).tolist())
