"""Batches in which something fails that the caller catches, and goes on."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from blobkit.errors import BatchError, StoreError
from blobkit.store.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore(tmp_path / "store") as store:
        store.put(b"old", tag="keep:1")
        yield store


@pytest.mark.parametrize("is_raised", [True, False])
def test_a_disk_that_is_full_in_a_batch_undoes_all_of_it(store: LocalStore, *, is_raised: bool) -> None:
    """SQLite ends the whole transaction then: what comes after it must not commit by itself."""

    def go_on() -> None:
        with store.batch() as batch:
            db = batch._session.index.begin()._db
            (pages,) = db.execute("PRAGMA page_count").fetchone()
            db.execute(f"PRAGMA max_page_count = {pages}")
            names = (f"long/{'n' * 200}:{number}" for number in range(2000))
            with pytest.raises(StoreError, match="full"):
                _ = [batch.put(b"many", tag=name) for name in names]
            db.execute("PRAGMA max_page_count = 1000000")
            for verb in (partial(batch.untag, "keep:1"), partial(batch.put, b"second", tag="second:1")):
                with pytest.raises(StoreError, match="begin it again"):
                    verb()
            if is_raised:
                raise RuntimeError

    before = store.tags(), store.list()
    with pytest.raises((StoreError, RuntimeError)):
        go_on()
    assert (store.tags(), store.list()) == before
    assert not store.fsck(progress=False)


def test_an_interrupt_after_the_lock_is_taken_ends_the_batch(store: LocalStore) -> None:
    """What was put before waits for the lock: where that is not recorded, nothing may be committed."""
    (kept,) = store.list()

    def go_on() -> None:
        with store.batch() as batch:
            batch.put(b"waits")
            sys.settrace(_after_the_lock())
            try:
                with pytest.raises(KeyboardInterrupt):
                    batch.ref(kept)
            finally:
                sys.settrace(None)
            batch.tag("later:1", kept)

    with pytest.raises(BatchError):
        go_on()
    assert store.list() == [kept]
    assert list(store.tags()) == ["keep:1"]


def _after_the_lock() -> Callable[..., object]:
    """Return a trace function that interrupts the batch right after it has taken the lock."""

    def trace(frame: FrameType, event: str, _: object) -> object:
        if frame.f_code.co_name == "begin" and event == "line" and frame.f_locals.get("tx") is not None:
            raise KeyboardInterrupt
        return trace

    return trace


def test_a_blob_of_a_batch_is_read_after_its_end(store: LocalStore) -> None:
    contents = [b"small", b"large" * 20_000]
    with store.batch() as batch:
        found = [batch.get(batch.put(content).digest) for content in contents]
        assert [blob.read() for blob in found] == contents
    assert [blob.read() for blob in found] == contents
    for blob, content in zip(found, contents, strict=True):
        with blob.open() as file:
            assert file.read() == content


def test_a_store_is_not_closed_inside_its_batch(store: LocalStore) -> None:
    with store.batch() as batch:
        batch.put(b"new", tag="new:1")
        for verb in (store.close, store.sweep):
            with pytest.raises(BatchError, match="a batch open"):
                verb()
    assert "new:1" in store.tags()
