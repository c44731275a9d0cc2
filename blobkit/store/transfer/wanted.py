"""The part of a snapshot that an import wants: blobs, children first, with pins, names and links.

Imported at the first import only: it reads a snapshot, which needs numpy.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import Digest, is_digest
from blobkit.model import LINK_KINDS, Link
from blobkit.oci.documents import Reference
from blobkit.oci.walk import Walk
from blobkit.render import count, printable
from blobkit.snapshot.graph import link_rows, of_kinds
from blobkit.snapshot.references import LINK_KINDS as ALL_LINK_KINDS
from blobkit.snapshot.tables import STORED, codes, ids
from blobkit.store.layout.names import is_legal
from blobkit.store.transfer.recording import BODY, Wanted
from blobkit.store.transfer.verifying import documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from blobkit.oci.documents import Document
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Plan"]

DAMAGED = {"damaged", "damaged-revision", "damaged-tag", "digest-mismatch", "missing", "size-mismatch", "symlink"}
UNREAD = {"odd", "opaque", "opaque-revision", "too-large", "unparseable", "unreadable"}
UNSOUND = frozenset({"dangling", "negative-pins"} | DAMAGED | UNREAD)
"""Codes of notices that say that a source is not what it claims."""
ELSEWHERE = frozenset({"foreign", "inline"})
"""What need not be stored, so that a link to it is no fault."""

LATER = "later-entry"
"""The kind of pin of an entry whose name an earlier entry has: that one is the tag."""

OPEN, DONE = 1, 2


class Plan:
    """The blobs of a snapshot that its policy holds, in an order in which a blob comes after those that it links to.

    Where something that holds cannot be read, blobs that nothing is known to hold are wanted as well. A pinned blob
    without a media type is `opened`, and links to what it names where it is a manifest or an index. `dropped` are
    links that would close a cycle; `skipped` says which blobs have a pin and no content, `notices` what else will
    differ from the source. Cost: the links that count; memory a few bytes for each, and the keys.
    """

    def __init__(self, snapshot: Snapshot, opened: Callable[[Digest], BinaryIO]) -> None:
        self.snapshot = snapshot
        self.stored = [STORED[code] for code in codes(snapshot.nodes["stored"]).tolist()]
        self.notices: list[str] = []
        self.dropped: set[tuple[int, int]] = set()
        self._key: list[str] = snapshot.nodes["key"].to_pylist()
        self._is_blob = list(map(is_digest, self._key))
        self._type: list[str] = snapshot.nodes["media_type"].to_pylist()
        self._read = self._read_untyped(opened)
        self._pins: Counter[int] = Counter()
        self._names: defaultdict[int, list[str]] = defaultdict(list)
        self._read_pins()
        self.order = self._ordered()
        lost = [self._key[node] for node in sorted({*self._pins, *self._names}) if self.stored[node] == "missing"]
        self.skipped = [f"{key} is pinned there, and has no content: skipped" for key in lost]
        self.notices += map(self._cycle, sorted(self.dropped))

    def __len__(self) -> int:
        """Return the number of blobs that are wanted."""
        return len(self.order)

    def __iter__(self) -> Iterator[Wanted]:
        """Yield what is wanted, each blob after those that it links to."""
        return map(self._wanted, self.order)

    def faults(self) -> list[str]:
        """Return why the source is not sound: what was noticed of it, and links that would close a cycle."""
        return [*self.noticed(), *map(self._cycle, sorted(self.dropped))]

    def noticed(self) -> list[str]:
        """Return what the source itself is reported to have wrong."""
        notices = self.snapshot.notices.to_pydict()
        pairs = zip(notices["code"], notices["message"], strict=True)
        return [str(message) for code, message in pairs if code in UNSOUND]

    def media_type(self, link: Link) -> str:
        """Return what the source calls the target of a link, "" where it does not know it."""
        node = self.snapshot.find(link.target)
        return self._type[node] if node >= 0 else ""

    def missing(self, link: Link) -> str:
        """Return that the target of a link is absent, "" where it need not be stored in the source."""
        node = self.snapshot.find(link.target)
        if node >= 0 and self.stored[node] in ELSEWHERE:
            return ""
        then = "made when that arrives" if link.kind in BODY else "dropped"
        return f"the link from {link.source} to {link.target} leads nowhere: {then}"

    def _wanted(self, node: int) -> Wanted:
        source = Digest(self._key[node])
        links = tuple(
            Link(source, Digest(self._key[target]), kind if kind in LINK_KINDS else "link")
            for target, kind in self._links(node).items()
            if self._is_blob[target] and self.stored[target] != "virtual" and (node, target) not in self.dropped
        )
        unseen = (Link(source, r.digest, r.kind) for r in self._named(node) if self.snapshot.find(r.digest) < 0)
        return Wanted(source, self._type[node], self._pins[node], tuple(self._names[node]), (*links, *unseen))

    def _read_untyped(self, opened: Callable[[Digest], BinaryIO]) -> dict[int, Document]:
        """Return the documents among the pinned blobs of which no descriptor says a media type, by their content."""
        opaque = np.flatnonzero(self.snapshot.graph.opaque & (self.snapshot.graph.pins > 0)).tolist()
        nodes = {self._key[node]: node for node in opaque if not self._type[node] and self.stored[node] == "yes"}
        walk = Walk(lambda digests: documents(opened, digests), lambda _: "")
        steps = next(walk.levels(Reference(Digest(key), "entry") for key in nodes), [])
        found = {nodes[step.reference.digest]: step.document for step in steps if step.document}
        for node, document in found.items():
            self._type[node] = document.media_type
            self.notices.append(f"{self._key[node]} has no media type there: read as {document.media_type}")
        return found

    def _named(self, node: int) -> tuple[Reference, ...]:
        return self._read[node].references if node in self._read else ()

    @cached_property
    def _counted(self) -> tuple[list[int], list[int], list[int]]:
        """The links that count, and those of documents, which whoever reads an image needs.

        Those of node i are `target[start[i]:start[i + 1]]`, with their kinds.
        """
        table = self.snapshot.links
        kind = codes(table["kind"])
        counts = self.snapshot.counted | of_kinds(kind, BODY, ALL_LINK_KINDS)
        start, target = link_rows(ids(table["source"]), ids(table["target"]), counts, len(self._key))
        return start.tolist(), target.tolist(), kind[counts].tolist()

    def _links(self, node: int) -> dict[int, str]:
        """Return what a node links to, and as what."""
        start, target, kind = self._counted
        rows = range(start[node], start[node + 1])
        found = {target[row]: ALL_LINK_KINDS[kind[row]] for row in rows}
        for reference in self._named(node):
            seen = self.snapshot.find(reference.digest)
            if seen >= 0:
                found.setdefault(seen, reference.kind)
        return found

    def _read_pins(self) -> None:
        """Count the pins that hold, by blob: those on a virtual node are on what it stands for."""
        pins = self.snapshot.pins
        taken: set[str] = set()
        columns = (pins[name].to_pylist() for name in ("kind", "node", "name", "count"))
        rows = sorted(zip(*columns, self.snapshot.holding.tolist(), strict=True), key=lambda row: row[0] == LATER)
        for _, node, name, number, holds in rows:
            if holds:
                targets = list(self._links(node)) if self.stored[node] == "virtual" else [node]
                targets = [at for at in targets if self._is_blob[at] and self.stored[at] != "virtual"]
                if name is not None and len(targets) == 1 and self._is_free(name, taken):
                    taken.add(name)
                    self._names[targets[0]].append(name)
                else:
                    self._pins.update(dict.fromkeys(targets, number))

    def _is_free(self, name: str, taken: set[str]) -> bool:
        """Return whether a name of the source can be a tag."""
        if not is_legal(name):
            self.notices.append(f"{printable(name)} cannot be a tag here: the blob has a pin without a name")
            return False
        if name in taken:
            self.notices.append(f"{name} names two blobs: the second one has a pin without a name")
        return name not in taken

    def _ordered(self) -> list[int]:
        """Return the stored nodes that are wanted, children first.

        Depth first from what is pinned, so that a link that is dropped is never the one by which a blob is reached.
        """
        graph = self.snapshot.graph
        state = bytearray(len(self._key))
        order: list[int] = []
        self._descend(sorted({*self._pins, *self._names}), state, order)
        opaque = graph.opaque.copy()
        opaque[list(self._read)] = False
        hidden = np.flatnonzero(opaque & ((np.frombuffer(state, np.uint8) > 0) | (graph.pins > 0)))
        here = [stored == "yes" and is_blob for stored, is_blob in zip(self.stored, self._is_blob, strict=True)]
        unreferenced = [node for node, is_here in enumerate(here) if is_here and not state[node]]
        if len(hidden) and unreferenced:
            key = printable(self._key[hidden[0]])
            self.notices.append(
                f"what {key} links to is unknown: {count(len(unreferenced), 'blob')} that it may hold, too"
            )
            self._descend(unreferenced, state, order)
        elif unreferenced:
            self.notices.append(f"{count(len(unreferenced), 'blob')} left out that nothing holds there (garbage)")
        return [node for node in order if here[node]]

    def _descend(self, roots: list[int], state: bytearray, order: list[int]) -> None:
        """Append to `order` what these reach, children first; remember the links to a blob that is on the way."""
        for root in roots:
            way = [] if state[root] else [(root, iter(self._links(root)))]
            state[root] = state[root] or OPEN
            while way:
                node, rest = way[-1]
                for target in rest:
                    if not state[target]:
                        state[target] = OPEN
                        way.append((target, iter(self._links(target))))
                        break
                    if state[target] == OPEN:
                        self.dropped.add((node, target))
                else:
                    state[node] = DONE
                    order.append(node)
                    way.pop()

    def _cycle(self, link: tuple[int, int]) -> str:
        source, target = (self._key[node] for node in link)
        return f"the link from {source} to {target} closes a cycle: dropped"
