"""The reader of bbolt databases: what was written is read, one state or none, and no file harms it."""

from __future__ import annotations

import io
import random
import struct
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blobkit.scanners import bolt as reader
from blobkit.scanners.bolt import BoltError, Bucket, BusyError, Tree, read_bolt
from bolts import bolt, meta
from effort import TORTURE

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from blobkit.sources.source import Source
    from bolts import Written


class Memory:
    """A source with one file; `change` is called before each read of it and may give other bytes."""

    address = "memory"

    def __init__(self, data: bytes, change: Callable[[bytes], bytes] = lambda data: data) -> None:
        self.data, self.change = data, change
        self.reads = self.bytes_read = 0

    def open(self, _path: str) -> BinaryIO:
        return cast("BinaryIO", _Changing(self))


class _Changing(io.RawIOBase):
    def __init__(self, memory: Memory) -> None:
        self.memory, self.at = memory, 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.at = offset + (len(self.memory.data) if whence == io.SEEK_END else 0)
        return self.at

    def read(self, size: int = -1, /) -> bytes:
        self.memory.data = self.memory.change(self.memory.data)
        found = self.memory.data[self.at : self.at + size]
        self.at += len(found)
        self.memory.reads += 1
        self.memory.bytes_read += len(found)
        return found


def tree(data: bytes | Memory) -> Tree:
    memory = data if isinstance(data, Memory) else Memory(data)
    return read_bolt(cast("Source", memory), "meta.db", Bucket.tree)


SMALL: Written = {b"v1": {b"ns": {b"images": {b"a": {b"digest": b"x" * 70}}, b"labels": {}}, b"version": b"\4"}}
MANY: Written = {b"b%d" % i: {b"k%d" % j: b"v" * (i * j % 90) for j in range(i % 40)} for i in range(60)}
LARGE: Written = {b"spec": b"s" * 100_000, b"z": {b"spec": b"t" * 50_000, b"a": b""}}


@pytest.mark.parametrize("written", [{}, SMALL, MANY, LARGE, {b"": b""}])
@pytest.mark.parametrize("page_size", [1024, 4096, 16384, 65536])
def test_what_was_written_is_read(written: Written, page_size: int) -> None:
    assert tree(bolt(written, page_size=page_size)) == written


VALUES = st.recursive(
    st.binary(max_size=80) | st.integers(0, 3000).map(lambda size: b"v" * size),
    lambda inner: st.dictionaries(st.binary(max_size=9), inner, max_size=9),
    max_leaves=60,
)


@pytest.mark.slow
@settings(max_examples=20)
@given(st.dictionaries(st.binary(max_size=9), VALUES, max_size=12), st.sampled_from([1024, 4096]))
def test_any_tree_is_read(written: Written, page_size: int) -> None:
    assert tree(bolt(written, page_size=page_size)) == written


@pytest.mark.parametrize("copied", [0, 1 << 30])
def test_items_are_in_order_and_without_the_whole_in_memory(monkeypatch: pytest.MonkeyPatch, copied: int) -> None:
    monkeypatch.setattr(reader, "COPIED", copied)
    memory = Memory(bolt({b"%05d" % i: b"v" * 100 for i in range(3000)}))
    keys = read_bolt(cast("Source", memory), "", lambda top: [key for key, _ in top.items()])
    assert keys == [b"%05d" % i for i in range(3000)]
    assert memory.bytes_read <= len(memory.data) + 1000  # each page once


@pytest.mark.parametrize("sound", [0, 1])
def test_a_torn_meta_page_leaves_the_state_before(sound: int) -> None:
    data = bytearray(bolt(SMALL))
    data[(1 - sound) * 4096 + 30] ^= 1
    assert tree(bytes(data)) == SMALL


@pytest.mark.parametrize("page_size", [1024, 65536])
def test_the_second_meta_page_is_found_if_the_first_is_damaged(page_size: int) -> None:
    data = bytearray(bolt(SMALL, page_size=page_size))
    data[16:80] = bytes(64)
    assert tree(bytes(data)) == SMALL


def newer(data: bytes, written: Written) -> bytes:
    """Return the next state of a database."""
    transaction = max(struct.unpack_from("=Q", data, at + 16 + 48)[0] for at in (0, 4096))
    return bolt(written, transaction=transaction + 1)


@pytest.mark.parametrize("copied", [0, 1 << 30])
@pytest.mark.parametrize("until", range(1, 12))
def test_a_state_that_changes_while_it_is_read_is_read_again(
    monkeypatch: pytest.MonkeyPatch, copied: int, until: int
) -> None:
    monkeypatch.setattr(reader, "COPIED", copied)
    states: list[Written] = [{b"a%d" % n: {b"b": b"%d" % n * 300}} for n in range(until + 1)]
    shown = 0

    def change(data: bytes) -> bytes:
        nonlocal shown
        if shown < until:
            shown += 1
            return newer(data, states[shown])
        return data

    assert tree(Memory(bolt(states[0]), change)) == states[-1]


@pytest.mark.parametrize("copied", [0, 1 << 30])
def test_a_database_that_never_rests_is_an_error(monkeypatch: pytest.MonkeyPatch, copied: int) -> None:
    monkeypatch.setattr(reader, "COPIED", copied)
    memory = Memory(bolt(SMALL), lambda data: newer(data, SMALL))
    with pytest.raises(BusyError, match="changed during each of 50 reads"):
        tree(memory)
    assert memory.reads < 50 * 12


@pytest.mark.slow
def test_a_large_database_that_is_busy_is_copied_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "COPIED", 0)
    reads = 0

    def change(data: bytes) -> bytes:
        nonlocal reads
        reads += 1
        return newer(data, MANY) if reads % 15 == 0 else data

    assert tree(Memory(bolt(MANY), change)) == MANY
    monkeypatch.setattr(reader, "COPIED_IF_BUSY", 0)
    with pytest.raises(BusyError):
        tree(Memory(bolt(MANY), change))


def test_pages_that_a_writer_reuses_are_never_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the pages are of the next state but one, as under a writer that is two states ahead."""
    monkeypatch.setattr(reader, "COPIED", 0)
    old, new = bolt(MANY), bolt({key: {b"new": b"x" * 200} for key in MANY}, transaction=9)
    reads = 0

    def change(data: bytes) -> bytes:
        nonlocal reads
        reads += 1
        return new if reads > 20 else data

    assert tree(Memory(old, change)) == {key: {b"new": b"x" * 200} for key in MANY}


def refused(data: bytes) -> str:
    with pytest.raises(BoltError) as error:
        tree(data)
    return str(error.value)


def test_a_file_that_is_no_database_says_so() -> None:
    assert refused(b"") == "it is shorter than a bbolt database"
    assert refused(b"SQLite format 3\0" * 999) == "it is not a bbolt database"
    both = bytearray(bolt(SMALL))
    for at in (40, 4096 + 40):
        both[at] ^= 1
    assert refused(bytes(both)) == "the checksums of its meta pages are wrong"


def test_a_newer_format_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bolt(SMALL)
    monkeypatch.setattr(reader, "VERSION", 1)
    assert refused(data) == "its format has the version 2, and blobkit reads version 1"


def page(number: int, flag: int, elements: bytes, count: int, overflow: int = 0) -> bytes:
    return (struct.pack("=QHHI", number, flag, count, overflow) + elements).ljust(4096, b"\0")


def database(*pages: bytes, root: int = 2) -> bytes:
    top = 2 + len(pages)
    return b"".join([meta(0, 4096, root, top, 4), meta(1, 4096, root, top, 3), *pages])


def branch(*children: int) -> bytes:
    return b"".join(struct.pack("=IIQ", 16, 0, child) for child in children)


def leaf(flags: int, position: int, key: int, value: int) -> bytes:
    return struct.pack("=IIII", flags, position, key, value)


def bucket(root: int) -> bytes:
    return leaf(1, 16, 1, 16) + b"k" + struct.pack("=QQ", root, 0)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (database(page(2, 1, branch(2), 1)), "page 2 is used twice"),
        (database(page(2, 1, branch(3, 3), 2), page(3, 2, b"", 0)), "page 3 is used twice"),
        (database(page(2, 2, bucket(2), 1)), "page 2 is used twice"),
        (database(page(2, 1, branch(9), 1)), "page 9 is outside of the 3 pages in use"),
        (database(page(2, 1, branch(1), 1)), "page 1 is outside of the 3 pages in use"),
        (database(page(3, 2, b"", 0)), "page 2 has an impossible header"),
        (database(page(2, 2, b"", 0, overflow=1)), "page 2 has an impossible header"),
        (database(page(2, 2, b"", 0))[:-1], "it ends before page 2"),
        (database(page(2, 16, b"", 0)), "a page of it is of the wrong type, or cut short"),
        (database(page(2, 2, b"", 300)), "a page of it is of the wrong type, or cut short"),
        (database(page(2, 2, leaf(0, 16, 5000, 0), 1)), "the elements of a page in it overlap, or end after the page"),
        (database(page(2, 2, leaf(0, 8, 1, 0), 1)), "the elements of a page in it overlap, or end after the page"),
        (
            database(page(2, 2, leaf(0, 32, 1, 100) + leaf(0, 16, 1, 100), 2)),
            "the elements of a page in it overlap, or end after the page",
        ),
        (database(page(2, 2, leaf(1, 16, 1, 15), 1)), "a bucket in it is cut short"),
        (database(page(2, 2, bucket(0), 1)), "a page of it is of the wrong type, or cut short"),
        (database(root=0), "a page of it is of the wrong type, or cut short"),
    ],
)
def test_a_page_that_cannot_be_is_an_error(data: bytes, why: str) -> None:
    assert refused(data) == why


def test_buckets_inside_each_other_have_an_end() -> None:
    pages = [page(2 + i, 2, bucket(3 + i), 1) for i in range(100)]
    assert refused(database(*pages)) == "a bucket in it is too deep"


def test_branches_need_no_recursion() -> None:
    pages = [page(2 + i, 1, branch(3 + i), 1) for i in range(5000)]
    assert tree(database(*pages, page(5002, 2, b"", 0))) == {}


def mutated(data: bytes, random_: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random_.choice((1, 1, 2, 8))):
        at = random_.randrange(len(changed))
        changed[at] = random_.choice((changed[at] ^ 1 << random_.randrange(8), 0, 255))
    if random_.random() < 0.2:
        del changed[random_.randrange(len(changed)) :]
    return bytes(changed)


@pytest.mark.slow
def test_damaged_databases_are_read_or_refused() -> None:
    random_ = random.Random(11)  # noqa: S311 (no secret)
    data = bolt(MANY, page_size=1024)
    read = 0
    for _ in range(200 * TORTURE):
        memory = Memory(mutated(data, random_))
        try:
            tree(memory)
            read += 1
        except BoltError:
            pass
        assert memory.bytes_read <= len(data) * 2 + 10_000
    assert 0 < read < 200 * TORTURE
