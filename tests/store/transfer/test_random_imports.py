"""Imports of random stores, sound and unsound, into stores that hold something already: what must hold of all."""

from __future__ import annotations

import hashlib
from collections import Counter
from io import BytesIO
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobkit.content.memory import MemoryContent
from blobkit.index.memory import MemoryIndex
from blobkit.snapshot.snapshot import build
from blobkit.store.store import Store
from blobkit.store.transfer import importing
from effort import TORTURE

if TYPE_CHECKING:
    from typing import BinaryIO

    from blobkit.digest import Digest
    from blobkit.snapshot.snapshot import Snapshot

BLOBS = [b"%d" % number for number in range(8)]
KEYS = [f"sha256:{hashlib.sha256(blob).hexdigest()}" for blob in BLOBS]
nodes = st.integers(0, len(BLOBS) - 1)
pairs = st.lists(st.tuples(nodes, nodes), max_size=20)
pinned = st.dictionaries(nodes, st.integers(1, 3), max_size=4)
named = st.dictionaries(st.sampled_from(["a", "b", "c"]), nodes, max_size=3)


class Foreign:
    """A store that links as it likes; `damaged` blobs have other content, `absent` ones none."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.links, self.pins, self.names = set(draw(pairs)), draw(pinned), draw(named)
        self.damaged, self.absent = draw(st.sets(nodes, max_size=2)), draw(st.sets(nodes, max_size=2))
        self.opaque = draw(st.sets(nodes, max_size=1))

    def snapshot(self) -> Snapshot:
        rows = [(node, None, number) for node, number in self.pins.items()]
        rows += [(node, name, 1) for name, node in self.names.items()]
        node, name, number = ([row[i] for row in rows] for i in range(3))
        return build(
            "blobkit",
            "foreign",
            nodes={
                "key": KEYS,
                "size": [0 if i in self.absent else 1 for i in range(len(BLOBS))],
                "stored": ["missing" if i in self.absent else "yes" for i in range(len(BLOBS))],
                "opaque": [i in self.opaque for i in range(len(BLOBS))],
            },
            links={"source": [s for s, _ in self.links], "target": [t for _, t in self.links]},
            pins={"node": node, "name": name, "kind": ["pin" if n is None else "tag" for n in name], "count": number},
        )

    def open(self, digest: Digest) -> BinaryIO:
        node = KEYS.index(digest)
        if node in self.absent:
            raise FileNotFoundError
        return BytesIO(b"other" if node in self.damaged else BLOBS[node])

    def reached(self) -> set[int]:
        """What the pins reach, and all that is stored where something that they reach is opaque."""
        found = {*self.pins, *self.names.values()}
        while more := {t for s, t in self.links if s in found} - found:
            found |= more
        return set(range(len(BLOBS))) if found & self.opaque else found

    def good(self, node: int) -> bool:
        return node not in self.damaged | self.absent

    def is_sound(self) -> bool:
        """Whether nothing is to be dropped: no cycle is reached, nothing that is reached is damaged or absent."""
        found = self.reached()
        left = {pair for pair in self.links if pair[0] in found}
        while leaving := {t for _, t in left} - {s for s, _ in left}:
            left = {pair for pair in left if pair[1] not in leaving}
        return not left and all(map(self.good, found)) and not self.opaque & found


foreign = st.composite(Foreign)()


@st.composite
def mine(draw: st.DrawFn) -> Store:
    """A store with some of the same blobs, which link to blobs of smaller numbers."""
    links, pins, names = set(draw(pairs)), draw(pinned), draw(named)
    store = Store(MemoryContent(), MemoryIndex())
    for node in sorted({*pins, *names.values(), *(node for pair in links for node in pair)}):
        store.put(BLOBS[node])
    for source, target in links:
        if source > target:
            store.link(KEYS[target], KEYS[source], transfer=False)
    for name, node in names.items():
        store.tag(name, KEYS[node])
    return store


def state(store: Store) -> dict[str, tuple[int, int, tuple[str, ...], tuple[str, ...]]]:
    """What is known of every blob, after a recount."""
    blobs = {digest: store.get(digest) for digest in store.list()}
    held = Counter(target for blob in blobs.values() for target in blob.links)
    left = {(digest, target) for digest, blob in blobs.items() for target in blob.links}
    while leaving := {t for _, t in left} - {s for s, _ in left}:
        left = {pair for pair in left if pair[1] not in leaving}
    assert not left, "a cycle"
    for digest, blob in blobs.items():
        assert blob.refcount == blob.pins + held[digest] > 0
        assert blob.read() == BLOBS[KEYS.index(digest)]
    return {digest: (b.refcount, b.pins, tuple(b.links), b.tags) for digest, b in blobs.items()}


@pytest.mark.slow
@settings(max_examples=120 * TORTURE)
@given(foreign, mine(), st.integers(1, 5))
def test_whatever_is_imported_the_store_is_sound_and_holds_what_it_can(
    source: Foreign, store: Store, chunk: int
) -> None:
    before = state(store)
    with patch.object(importing, "CHUNK", chunk):
        done = store.import_(source, progress=False)
        after = state(store)
        again = store.import_(source, progress=False)
    assert state(store) == after
    assert (again.blobs, again.pins, again.links, again.tags) == (0, 0, 0, 0)
    wanted = {KEYS[node] for node in source.reached() if source.good(node)}
    assert after.keys() == before.keys() | wanted
    assert done.blobs == len(after.keys() - before.keys())
    for digest, (_, held, linked, tags) in before.items():
        assert after[digest][1] >= held
        assert set(after[digest][2]) >= set(linked)
        assert set(after[digest][3]) >= set(tags)
    for node, number in source.pins.items():
        if source.good(node):
            assert after[KEYS[node]][1] >= number + (before[KEYS[node]][1] if KEYS[node] in before else 0)


@pytest.mark.slow
@settings(max_examples=80 * TORTURE)
@given(foreign.filter(Foreign.is_sound), st.integers(1, 5))
def test_a_sound_source_is_the_same_afterwards(source: Foreign, chunk: int) -> None:
    store = Store(MemoryContent(), MemoryIndex())
    with patch.object(importing, "CHUNK", chunk):
        done = store.import_(source, strict=True, progress=False)
    found, links = source.reached(), {pair for pair in source.links if pair[0] in source.reached()}
    names = {node: tuple(sorted(n for n, named in source.names.items() if named == node)) for node in found}
    pins = {node: source.pins.get(node, 0) + len(names[node]) for node in found}
    assert state(store) == {
        KEYS[node]: (
            pins[node] + sum(target == node for _, target in links),
            pins[node],
            tuple(sorted(KEYS[target] for s, target in links if s == node)),
            names[node],
        )
        for node in found
    }
    assert done.links == len(links)
    assert done.tags == len(source.names)


@pytest.mark.slow
@settings(max_examples=40 * TORTURE)
@given(foreign, st.integers(1, 5))
def test_an_import_that_was_cut_short_is_completed(source: Foreign, chunk: int) -> None:
    """As after a kill between two transactions: the next import ends where an unbroken one ends."""
    whole, broken = (Store(MemoryContent(), MemoryIndex()) for _ in range(2))
    with patch.object(importing, "CHUNK", chunk):
        whole.import_(source, progress=False)
        for stop in range(3):
            seen: list[Digest] = []

            def opener(digest: Digest, seen: list[Digest] = seen, stop: int = stop) -> BinaryIO:
                seen.append(digest)
                if len(seen) > stop:
                    raise KeyboardInterrupt
                return source.open(digest)

            cut = type("Cut", (), {"snapshot": source.snapshot, "open": staticmethod(opener)})()
            try:
                broken.import_(cut, progress=False)
            except KeyboardInterrupt:
                state(broken)
        broken.import_(source, progress=False)
    assert state(broken) == state(whole)
