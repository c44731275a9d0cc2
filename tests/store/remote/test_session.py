"""The order of writes over content with places: every moment at which another process may come, or this one may die."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from blobkit import demo
from blobkit.digest import of
from blobkit.errors import (
    BlobNotFoundError,
    ContentMissingError,
    MediaTypeConflictError,
    StoreBusyError,
    StoreClosedError,
    StoreError,
)
from blobkit.store.remote import session as remote_session
from blobkit.testing.histories import state

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Rig

DATA = b"content"
LEASE = 100.0
BLOB = of(DATA)


class StoppedError(Exception):
    """The process ends here."""


def stop() -> None:
    raise StoppedError


# In


def test_content_that_is_here_is_not_sent_again(rig: Rig) -> None:
    assert rig.store.put(DATA).refcount == 1
    assert len(rig.sent) == 1
    assert rig.other().put(DATA).refcount == 2
    assert rig.store.put_many([DATA, DATA])[1].refcount == 4
    with rig.store.new_writer() as writer:
        writer.write(DATA)
    with rig.store.batch() as batch:
        batch.put(DATA)
    assert (rig.store.get(BLOB).refcount, len(rig.sent)) == (6, 1)
    rig.check()


def test_the_copy_of_two_puts_at_once_that_is_one_too_many_goes(rig: Rig) -> None:
    rig.upload_with(lambda: rig.other().put(DATA))
    assert rig.store.put(DATA).refcount == 2
    assert len(rig.objects()) == 2
    assert rig.store.sweep() == 1
    assert rig.store.get(BLOB).read() == DATA
    rig.check()


@pytest.mark.parametrize("times", [1, 2])
def test_a_put_whose_intent_ran_out_begins_again(rig: Rig, times: int) -> None:
    def late() -> None:
        rig.now += 2 * LEASE
        rig.other().sweep()

    rig.upload_with(late, times=times)
    assert rig.store.put(DATA, tag="t").refcount == 1
    assert len(set(rig.sent)) == times + 1, "no place is used twice"
    assert rig.store.get(BLOB).read() == DATA
    rig.check()
    assert rig.store.get(BLOB).read() == DATA


def test_a_put_whose_intents_always_run_out_gives_up(rig: Rig) -> None:
    rig.upload_with(lambda: (setattr(rig, "now", rig.now + 2 * LEASE), rig.other().sweep()), times=99)
    with pytest.raises(StoreBusyError, match=r"sent 8 times.*a longer lease"):
        rig.store.put(DATA)
    assert rig.store.list() == []
    rig.check()


def test_an_intent_of_many_that_ran_out_takes_the_others_along(rig: Rig) -> None:
    here = rig.store.put(b"0").digest

    def late() -> None:
        place = max(rig.sent)
        rig.index._state._intents[place] = rig.now - 2 * LEASE
        rig.other().sweep()

    rig.upload_with(late)
    rig.sent.clear()
    found = rig.store.put_many([b"%d" % number for number in range(5)])
    assert [one.refcount for one in found] == [2, 1, 1, 1, 1]
    assert len(rig.sent) == 5, "four, and the one whose intent was gone once more"
    assert rig.store.get(here).read() == b"0"
    rig.check()


def test_what_a_put_that_failed_has_sent_goes_with_the_next_sweep(rig: Rig) -> None:
    rig.upload_with(lambda: rig.other().put(DATA, media_type="text/plain"))
    with pytest.raises(MediaTypeConflictError):
        rig.store.put(DATA, media_type="text/html")
    assert len(rig.objects()) == 2
    assert rig.store.sweep() == 1
    assert rig.objects() == rig.places()
    rig.check()


def test_a_service_that_fails_leaves_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    from blobkit.buckets import client  # noqa: PLC0415 (an extra)

    put, left = client.put, [2]

    def failing(*arguments: object) -> None:
        left[0] -= 1
        if not left[0]:
            msg = "status code: 503 <Code>SlowDown</Code> with a secret"
            raise client.BaseError(msg)
        put(*arguments)

    monkeypatch.setattr(client, "put", failing)
    with pytest.raises(StoreError, match="the service answers 503 SlowDown; try again") as caught:
        rig.store.put_many([b"a", b"b", b"c"])
    assert "secret" not in str(caught.value)
    assert rig.store.list() == []
    rig.store.sweep()
    assert rig.objects() == set()
    rig.check()


@pytest.mark.parametrize("many", [False, True])
def test_a_writer_that_dies_leaves_what_the_lease_ends(rig: Rig, *, many: bool) -> None:
    rig.upload_with(stop)
    rig.store._session._abandon = lambda _: None  # a process that dies does nothing more
    with pytest.raises(StoppedError):
        rig.store.put_many([DATA]) if many else rig.store.put(DATA)
    assert len(rig.index._state._intents) == 1
    assert rig.other().sweep() == 0, "its writer may be at work"
    rig._upload({rig.sent[0]: DATA})  # the request lands after its sender died
    rig.check()


def test_a_late_request_is_deleted_once_more(rig: Rig) -> None:
    """Its intent ran out, its place was deleted: then it lands. The tombstone stays for one lease more."""
    rig.upload_with(stop)
    rig.store._session._abandon = lambda _: None
    with pytest.raises(StoppedError):
        rig.store.put(DATA)
    rig.now += 1.5 * LEASE
    assert rig.other().sweep() == 1
    rig._upload({rig.sent[0]: DATA})
    rig.now += 0.5 * LEASE
    assert rig.other().sweep() == 1
    assert rig.objects() == set()
    rig.check()


# Out


def test_a_late_delete_meets_nothing_that_is_needed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace that loses content where a digest has one key: claim, die, put, the DELETE lands."""
    rig.store.put(DATA)
    rig.store.deref(BLOB)
    late: list[str] = []
    with monkeypatch.context() as patched:
        patched.setattr(rig.content, "delete", lambda places: (late.extend(places), stop()))
        with pytest.raises(StoppedError):
            rig.store.sweep()
    rig.other().put(DATA)
    rig.content.delete(late)
    assert rig.store.get(BLOB).read() == DATA
    rig.check()
    assert rig.store.get(BLOB).read() == DATA


def test_what_a_dead_sweeper_claimed_another_one_deletes_after_the_lease(rig: Rig) -> None:
    rig.store.put(DATA)
    rig.store.deref(BLOB)
    rig.index.write(lambda tx: tx.claim(1000, LEASE))
    assert rig.store.sweep() == 0
    rig.now += 1.5 * LEASE
    assert rig.store.sweep() == 1
    assert rig.objects() == set()
    rig.check()


def test_more_than_one_request_deletes_are_swept(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_session, "SWEEP", 3)
    found = rig.store.put_many([b"%d" % number for number in range(10)])
    rig.store.deref_many([one.digest for one in found])
    assert rig.store.sweep() == 10
    assert rig.objects() == set()


def test_one_removing_call_in_16_sweeps(rig: Rig) -> None:
    store = rig.other()
    found = store.put_many([b"%d" % number for number in range(31)])
    left = [len(rig.objects())]
    for one in found:
        store.deref(one.digest)
        left.append(len(rig.objects()))
    sweeps = [at for at in range(1, 32) if left[at] != left[at - 1]]
    assert sweeps == [16]
    assert all(left[at] == 31 - at for at in sweeps)
    rig.check()


def test_a_sweep_that_fails_fails_no_removal(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        msg = "refused"
        raise StoreError(msg)

    rig.store.put(DATA)
    with monkeypatch.context() as patched:
        patched.setattr(remote_session, "ONE_IN", 1)
        patched.setattr(rig.content, "delete", refuse)
        assert rig.store.deref(BLOB).digests == (BLOB,)
    assert rig.store.list() == []
    rig.check()


# Reading


def test_a_row_without_its_object_says_so_until_it_is_put_again(rig: Rig) -> None:
    rig.store.put(DATA)
    blob = rig.store.get(BLOB)
    rig.content.delete(rig.places())
    for read in (blob.read, blob.open, lambda: rig.store.open(BLOB)):
        with pytest.raises(ContentMissingError, match=r"repair=True.* put it again"):
            read()
    assert [one.code for one in rig.store.fsck(repair=True, progress=False).left] == ["content-missing"]
    rig.store.put(DATA)
    assert blob.read() == DATA
    assert not rig.store.fsck(progress=False)
    rig.check()


def test_a_blob_that_went_is_not_found_and_one_that_moved_is_read(rig: Rig) -> None:
    rig.store.put(DATA)
    blob = rig.store.get(BLOB)
    rig.store.deref(BLOB)
    rig.store.sweep()
    for read in (blob.read, blob.open):
        with pytest.raises(BlobNotFoundError):
            read()
    rig.store.put(DATA)
    assert blob.read() == DATA
    with blob.open() as file:
        assert file.read() == DATA


def test_a_place_that_changes_between_the_row_and_the_request_is_asked_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.store.put(DATA)
    read = rig.content.read

    def meanwhile(*asked: object) -> bytes:
        monkeypatch.setattr(rig.content, "read", read)
        rig.store.deref(BLOB)
        rig.store.sweep()
        rig.store.put(DATA)
        return read(*asked)

    monkeypatch.setattr(rig.content, "read", meanwhile)
    assert rig.store.get(BLOB).read() == DATA


@pytest.mark.parametrize("wrong", [b"", b"conten", b"content and more"])
def test_an_object_of_another_size_is_not_read(rig: Rig, wrong: bytes) -> None:
    rig.store.put(DATA)
    rig._upload({next(iter(rig.places())): wrong})
    with pytest.raises(ContentMissingError):
        rig.store.get(BLOB).read()
    with pytest.raises(ContentMissingError):
        rig.store.get(BLOB).open()


def test_large_content_is_sent_in_parts_and_read_in_ranges(rig: Rig, tmp_path: Path) -> None:
    data = os.urandom((19 << 20) + 7)
    (tmp_path / "file").write_bytes(data)
    digest = rig.store.put(tmp_path / "file").digest
    assert rig.store.get(digest).read() == data
    with rig.store.open(digest) as file:
        assert file.seek(-5, os.SEEK_END) == len(data) - 5
        assert file.read() == data[-5:]
        assert file.seek(1000) == 1000
        assert file.read(9 << 20) == data[1000 : 1000 + (9 << 20)]
        assert file.seek(3, os.SEEK_CUR) == file.tell()
        assert file.read(1) == data[1003 + (9 << 20) :][:1]
        with pytest.raises(OSError, match="before the start"):
            file.seek(-1)
        assert file.seek(len(data) + 9)
        assert file.read() == b""
    assert list((tmp_path / "spool/blobkit-spool").iterdir()) == []


@pytest.mark.parametrize("again", [False, True])
def test_large_content_that_goes_while_it_is_read(rig: Rig, *, again: bool) -> None:
    data = os.urandom(17 << 20)
    digest = rig.store.put(data).digest
    with rig.store.open(digest) as file:
        start = file.read(1 << 20)
        rig.store.deref(digest)
        rig.store.sweep()
        if again:
            rig.store.put(data)
            assert start + file.read() == data
        else:
            assert start + file.read(6 << 20) == data[: 7 << 20], "the first 8 MiB are here"
            with pytest.raises(ContentMissingError, match="went while it was read: hold a pin"):
                file.read()


# Batches


def test_the_content_of_a_batch_is_sent_when_no_transaction_is_open(rig: Rig) -> None:
    kept = rig.store.put(b"kept").digest
    with rig.store.batch() as batch:
        first = batch.put(b"first").digest
        batch.link(first, kept)
        second = batch.put(b"second", links=[kept], tag="t").digest
        batch.deref(batch.put(b"brief").digest)
        assert batch.get(second).read() == b"second"
        assert len(rig.sent) == 1
    assert len(rig.sent) == 3
    assert rig.store.get(kept).links == (first,)
    assert rig.store.get(second).read() == b"second"
    assert rig.store.tags() == {"t": second}
    rig.check()


def test_a_batch_of_rows_alone_is_one_transaction(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = rig.store.put(b"1").digest, rig.store.put(b"2").digest
    monkeypatch.setattr(rig.index, "write", lambda *_, **__: pytest.fail("a second transaction"))
    with rig.store.batch() as batch:
        batch.link(one, two)
        batch.tag("t", two)
    monkeypatch.undo()
    assert (rig.store.get(two).links, rig.store.tags()) == ((one,), {"t": two})


@pytest.mark.parametrize("act", ["read", "removal", "refusal", "name"])
def test_a_batch_whose_answers_became_wrong_is_not_done(rig: Rig, act: str) -> None:
    """Others write while its content is sent: nothing of it holds, and nothing is left of it."""
    seen = rig.store.put(b"seen").digest
    other = rig.other()
    acts = {
        "read": (lambda batch: batch.get(seen), lambda: other.ref(seen)),
        "removal": (lambda batch: batch.deref(seen), lambda: other.ref(seen)),
        "refusal": (lambda batch: refused(batch, seen), lambda: other.ref(seen)),
        "name": (lambda batch: batch.tags(), lambda: other.tag("n", seen)),
    }

    def refused(batch: object, digest: str) -> None:
        batch.deref(digest)
        with pytest.raises(BlobNotFoundError):
            batch.get(digest)

    mine, theirs = acts[act]
    rig.upload_with(theirs)
    with (  # noqa: PT012 (the block ends with what raises)
        pytest.raises(StoreBusyError, match="nothing of it was done: begin it again"),
        rig.store.batch() as batch,
    ):
        mine(batch)
        batch.put(b"new", tag="new")
    assert of(b"new") not in rig.store
    assert "new" not in rig.store.tags()
    assert rig.store.get(seen).refcount == 2
    rig.check()


def test_a_batch_whose_answers_still_hold_is_done(rig: Rig) -> None:
    seen = rig.store.put(b"seen").digest
    rig.upload_with(lambda: rig.other().put(b"something else", tag="other"))
    with rig.store.batch() as batch:
        assert batch.get(seen).refcount == 1
        batch.put(b"new", tag="new")
    assert rig.store.tags().keys() == {"new", "other"}
    rig.check()


def test_what_a_batch_relied_on_is_sent_if_it_goes_meanwhile(rig: Rig) -> None:
    rig.store.put(DATA)

    def meanwhile() -> None:
        other = rig.other()
        other.deref(BLOB)
        other.sweep()

    rig.upload_with(meanwhile)
    with rig.store.batch() as batch:
        batch.put(DATA)
        batch.put(b"new")
    assert rig.store.get(BLOB).read() == DATA
    assert rig.store.get(BLOB).refcount == 1
    rig.check()


def test_a_put_that_relied_on_a_blob_that_goes_meanwhile_sends_it(rig: Rig) -> None:
    rig.store.put(DATA)

    def meanwhile() -> None:
        rig.other().deref(BLOB)
        rig.other().sweep()

    rig.upload_with(meanwhile)
    rig.store.put_many([b"new", DATA])
    assert rig.store.get(BLOB).read() == DATA
    rig.check()


# The other parts of a store


def test_another_store_is_taken_in_and_exported(rig: Rig, tmp_path: Path) -> None:
    source = demo.small()
    done = rig.store.import_(source, progress=False)
    assert (done.blobs, done.tags) == (len(source), len(source.tags()))
    assert state(rig.store) == state(source)
    assert not rig.store.import_(source, progress=False).blobs
    assert not rig.store.fsck(progress=False)
    rig.store.export("shop/web:1.0", tmp_path / "web.tar")
    assert rig.store.usage(by="tag").bytes == source.usage(by="tag").bytes
    rig.check()


def test_an_import_goes_on_where_blobs_go_meanwhile(rig: Rig) -> None:
    source = demo.small()
    first = source.list()[0]
    with source.open(first) as file:
        rig.store.put(file)

    def meanwhile() -> None:
        rig.other().deref(first)
        rig.other().sweep()

    rig.upload_with(meanwhile)
    rig.store.import_(source, progress=False)
    assert state(rig.store) == state(source)
    rig.check()


def test_threads_share_a_store(rig: Rig) -> None:
    def work(number: int) -> None:
        for turn in range(6):
            rig.store.put(b"%d" % (turn % 3))
            rig.store.put(b"own %d %d" % (number, turn))
            rig.store.deref(of(b"%d" % (turn % 3)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rig.store) == 24
    assert not rig.store.fsck(progress=False)
    rig.check()


def test_a_forked_process_opens_the_store_again(rig: Rig) -> None:
    rig.store.put(DATA)
    child = os.fork()
    if not child:
        try:
            rig.store.put(b"new")
        except StoreClosedError as error:
            os._exit(0 if "open it again in this process" in str(error) else 3)
        finally:
            os._exit(4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert rig.store.get(BLOB).read() == DATA
