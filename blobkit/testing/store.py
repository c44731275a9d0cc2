"""Tests of every store: subclass `StoreSuite` and give it the fixture `store`, an empty one."""
# ruff: noqa: D102, PLR2004, PT012, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import (
    BlobNotFoundError,
    HashNotSupportedError,
    InvalidDigestError,
    MediaTypeConflictError,
    StoreClosedError,
    WriterClosedError,
)
from blobkit.testing.arrivals import ArrivalRules
from blobkit.testing.batches import BatchRules
from blobkit.testing.references import ABSENT, ReferenceRules

if TYPE_CHECKING:
    from blobkit.store.store import Store

__all__ = ["StoreSuite"]

BAD_DIGESTS = (
    "",
    "sha256:",
    "md5:" + "0" * 32,
    "sha256:" + "0" * 63,
    "sha256:" + "0" * 65,
    "sha256:" + "A" * 64,
    "SHA256:" + "0" * 64,
    "0" * 64,
    "sha256:" + "/../" * 16,
    "../../etc/passwd",
    "sha256:" + "0" * 63 + "\n",
    "sha256:" + "0" * 64 + "\n",
    "sha256:" + "\N{ARABIC-INDIC DIGIT ZERO}" * 64,
)


class StoreSuite(ReferenceRules, ArrivalRules, BatchRules):
    """The rules of the store, one by one, and their hard cases."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    # Rule 1: commit

    @pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
    def test_new_content_has_one_pin(self, store: Store, algorithm: str) -> None:
        before = datetime.now(UTC)
        with store.new_writer(algorithm) as writer:
            assert writer.write(b"hel") == 3
            assert writer.write(memoryview(bytearray(b"lo"))) == 2
            assert writer.digest == of(b"hello", algorithm)
            found = writer.commit()
        assert (found.digest, found.size) == (of(b"hello", algorithm), 5)
        assert (found.refcount, found.pins, found.links, found.tags, found.media_type) == (1, 1, (), (), "")
        assert before <= found.created <= datetime.now(UTC)
        assert store.get(found.digest).read() == b"hello"

    def test_commit_of_what_is_here_is_a_ref_that_keeps_links_and_fills_in_the_media_type(self, store: Store) -> None:
        child = store.put(b"child").digest
        first = store.put(b"parent", links=[child])
        with store.new_writer(media_type="text/plain") as writer:
            writer.write(b"parent")
        again = store.get(first.digest)
        assert (again.refcount, again.pins, again.links, again.media_type) == (2, 2, (child,), "text/plain")
        assert again.created == first.created
        assert store.put(b"parent").media_type == "text/plain"

    def test_another_media_type_is_a_conflict_and_changes_nothing(self, store: Store) -> None:
        digest = store.put(b"x", media_type="text/plain").digest
        with pytest.raises(MediaTypeConflictError, match="text/html"):
            store.put(b"x", media_type="text/html")
        assert (store.get(digest).refcount, store.get(digest).media_type) == (1, "text/plain")

    def test_a_cancelled_or_failed_writer_leaves_nothing(self, store: Store) -> None:
        writer = store.new_writer()
        writer.write(b"x")
        writer.cancel()
        writer.cancel()
        with pytest.raises(KeyError, match="stop"), store.new_writer() as failing:
            failing.write(b"y")
            raise KeyError("stop")  # noqa: EM101
        assert store.list() == []

    def test_a_closed_writer_says_so_and_leaving_with_after_commit_does_nothing(self, store: Store) -> None:
        with store.new_writer() as writer:
            writer.write(b"x")
            digest = writer.commit().digest
        assert store.get(digest).refcount == 1
        with pytest.raises(WriterClosedError):
            writer.commit()
        with pytest.raises(WriterClosedError):
            writer.write(b"more")
        with store.new_writer() as writer:
            writer.cancel()
        assert len(store) == 1

    # Rule 6: what is refused, and how

    @pytest.mark.parametrize("bad", BAD_DIGESTS)
    def test_what_is_no_digest_is_refused_by_every_verb(self, store: Store, bad: str) -> None:
        good = store.put(b"x").digest
        for verb in (store.get, store.ref, store.deref, store.simulate_deref):
            with pytest.raises(InvalidDigestError) as caught:
                verb(bad)
            assert isinstance(caught.value, ValueError)
        for call in (
            lambda: store.link(bad, good),
            lambda: store.link(good, bad),
            lambda: store.unlink(bad, good),
            lambda: store.unlink(good, bad),
            lambda: store.tag("t", bad),
            lambda: store.put(b"y", links=[bad]),
        ):
            with pytest.raises(InvalidDigestError):
                call()
        assert bad not in store
        assert store.list() == [good]

    @pytest.mark.parametrize("label", ["md5", "sha1", "SHA256", "sha-256", "", "sha512/256"])
    def test_other_algorithms_are_not_supported(self, store: Store, label: str) -> None:
        with pytest.raises(HashNotSupportedError):
            store.new_writer(label)
        with pytest.raises(HashNotSupportedError):
            store.put(b"", algorithm=label)

    def test_the_absent_is_not_found(self, store: Store) -> None:
        for verb in (store.get, store.ref, store.deref, store.simulate_deref):
            with pytest.raises(BlobNotFoundError) as caught:
                verb(ABSENT)
            assert isinstance(caught.value, KeyError)
        assert ABSENT not in store
        assert object() not in store

    def test_listing_is_sorted_over_all_algorithms(self, store: Store) -> None:
        labels = ("sha512", "sha256", "sha384")
        digests = [store.put(b"%d" % i, algorithm=label).digest for i in range(4) for label in labels]
        assert store.list() == sorted(digests) == list(store)
        assert len(store) == 12
        assert bool(store)

    def test_a_closed_store_says_so(self, store: Store) -> None:
        digest = store.put(b"x").digest
        store.close()
        store.close()
        for call in (store.list, lambda: store.put(b"y"), lambda: store.deref(digest), lambda: digest in store):
            with pytest.raises(StoreClosedError):
                call()
        with pytest.raises(StoreClosedError):
            store.new_writer()
        with pytest.raises(StoreClosedError), store.batch():
            pytest.fail("there is nothing to begin")
