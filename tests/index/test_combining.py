"""Threads that put at once share transactions, and with them syncs; each of them is told of its own put."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import StoreError
from blobkit.index.pool import Lease
from blobkit.store.local import LocalStore
from patience import HANG, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from blobkit.model import Descriptor

CREW = 8


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore(tmp_path / "store") as store:
        store.put(b"settled")
        store.put(b"looked at")
        yield store


def together(store: LocalStore, contents: list[bytes], before: Callable[[Lease], None]) -> list[Descriptor | Exception]:
    """Let a thread put each content while another one holds the lock; return what became of each."""
    found: list[Descriptor | Exception] = []

    def put(content: bytes) -> None:
        try:
            found.append(store.put(content))
        except StoreError as error:
            found.append(error)

    lease = Lease(store._index._pool, writes=True)
    crew = [threading.Thread(target=put, args=(content,)) for content in contents]
    for thread in crew:
        thread.start()
    until(lambda: len(store._index._combining._queue) == len(contents))
    before(lease)
    lease.end()
    for thread in crew:
        thread.join(HANG)
    return found


def test_those_who_wait_are_committed_at_once(store: LocalStore) -> None:
    statements: list[str] = []
    contents = [b"%d" % number for number in range(CREW)]
    found = together(store, contents, lambda lease: lease.db.set_trace_callback(statements.append))
    assert Counter(statements)["COMMIT"] == 1
    assert sorted(blob.digest for blob in found) == sorted(map(of, contents))
    assert all((blob.refcount, blob.pins) == (1, 1) for blob in found)
    assert all(store.get(of(content)).read() == content for content in contents)
    assert len(store) == CREW + 2
    assert not store.fsck(progress=False)


def test_each_of_those_who_put_the_same_has_a_pin(store: LocalStore) -> None:
    found = together(store, [b"same"] * CREW + [b"settled"], lambda _: None)
    assert sorted(blob.refcount for blob in found if blob.digest == of(b"same")) == list(range(1, CREW + 1))
    assert store.get(of(b"same")).refcount == CREW
    assert store.get(of(b"settled")).refcount == 2
    assert not store.fsck(progress=False)


def test_what_fails_is_raised_to_each_and_nothing_is_recorded(store: LocalStore) -> None:
    def fill(lease: Lease) -> None:
        (pages,) = lease.db.execute("PRAGMA page_count").fetchone()
        lease.db.execute(f"PRAGMA max_page_count = {pages}")

    found = together(store, [bytes([number]) * 60_000 for number in range(CREW)], fill)
    assert all(isinstance(error, StoreError) and "full" in str(error) for error in found)
    store._index._pool._idle[0].execute("PRAGMA max_page_count = 1000000")
    assert len(store) == 2
    assert store.put(b"goes on").pins == 1
    assert not store.fsck(progress=False)
