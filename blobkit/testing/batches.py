"""Tests of batches and bulk verbs in every store."""
# ruff: noqa: D102, PLR2004, PT012, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

import copy
import json
import pickle
import threading
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import (
    BatchError,
    BlobNotFoundError,
    HashNotSupportedError,
    LinkCycleError,
    MediaTypeConflictError,
    NotPinnedError,
    TagExistsError,
)
from blobkit.testing.histories import state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.store.store import Store

__all__ = ["BatchRules"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class BatchRules:
    """A batch is all or nothing; the verbs in bulk are whole chunk by chunk."""

    def test_a_batch_is_true_at_its_end(self, store: Store) -> None:
        kept = store.put(b"kept").digest
        with store.batch() as batch:
            child = batch.put(b"child")
            with batch.new_writer(media_type="text/plain") as writer:
                writer.write(b"parent")
            batch.link(child.digest, writer.digest)
            batch.tag("v1", writer.digest, transfer=True)
            batch.ref(kept)
            assert batch.get(child.digest).read() == b"child"
            assert batch.tags() == {"v1": writer.digest}
            assert child.digest in batch
            assert len(batch) == 3
        assert (child.refcount, child.pins, child.size) == (1, 1, 5)
        found = store.get(writer.digest)
        assert (found.links, found.tags, found.pins, found.media_type) == ((child.digest,), ("v1",), 1, "text/plain")
        assert store.get(kept).pins == 2
        assert store.get(child.digest).read() == b"child"
        assert store.untag("v1").digests == (writer.digest, child.digest)

    def test_an_error_undoes_a_whole_batch(self, store: Store) -> None:
        kept = store.put(b"kept", tag="kept").digest
        before = state(store)
        with pytest.raises(ZeroDivisionError), store.batch() as batch:
            batch.put(b"new")
            batch.put(b"tagged", tag="new", links=[kept])
            batch.untag("kept")
            raise ZeroDivisionError
        assert state(store) == before
        assert store.get(kept).read() == b"kept"
        assert of(b"new") not in store

    def test_an_error_before_anything_needs_the_index_undoes_it_too(self, store: Store) -> None:
        with pytest.raises(ZeroDivisionError), store.batch() as batch:
            batch.put(b"new")
            raise ZeroDivisionError
        assert store.list() == []

    def test_a_verb_that_fails_in_a_batch_leaves_nothing_of_itself(self, store: Store) -> None:
        taken = store.put(b"taken", media_type="text/plain", tag="name").digest
        child = store.put(b"child").digest
        with store.batch() as batch:
            batch.put(b"new")
            with pytest.raises(TagExistsError):
                batch.put(b"other", tag="name", links=[child])
            with pytest.raises(MediaTypeConflictError):
                batch.put(b"taken", media_type="text/html", links=[child])
            with pytest.raises(NotPinnedError):
                batch.deref(taken)
        assert sorted(store.list()) == sorted([taken, child, of(b"new")])
        assert (store.get(taken).refcount, store.get(taken).links, store.get(child).pins) == (1, (), 1)

    def test_a_conflict_of_what_waits_for_the_lock_is_found_at_once(self, store: Store) -> None:
        store.put(b"x", media_type="text/plain")
        with store.batch() as batch:
            with pytest.raises(MediaTypeConflictError):
                batch.put(b"x", media_type="text/html")
            assert batch.put(b"x").pins == 2
            assert batch.put(b"x", media_type="text/plain").pins == 3
        assert store.get(of(b"x")).pins == 3

    def test_a_conflict_among_what_waits_for_the_lock_is_found_at_once(self, store: Store) -> None:
        with store.batch() as batch:
            assert batch.put(b"k", media_type="a/b").pins == 1
            with pytest.raises(MediaTypeConflictError):
                batch.put(b"k", media_type="c/d")
            assert batch.put(b"k").pins == 2
        assert (store.get(of(b"k")).pins, store.get(of(b"k")).media_type) == (2, "a/b")

    def test_a_store_is_not_pickled_or_copied(self, store: Store) -> None:
        with pytest.raises(TypeError, match="pass its path"):
            pickle.dumps(store)
        with pytest.raises(TypeError, match="pass its path"):
            copy.copy(store)

    def test_what_is_put_and_dropped_in_a_batch_is_gone(self, store: Store) -> None:
        with store.batch() as batch:
            digest = batch.put(b"brief").digest
            assert batch.deref(digest).digests == (digest,)
            other = batch.put(b"again").digest
            batch.deref(other)
            batch.put(b"again")
        assert store.list() == [other]
        assert store.get(other).read() == b"again"
        assert store.sweep() == 0

    def test_what_is_dropped_and_put_again_in_a_batch_is_whole(self, store: Store) -> None:
        digest = store.put(b"phoenix").digest
        with store.batch() as batch:
            batch.deref(digest)
            batch.put(b"phoenix")
        assert store.get(digest).read() == b"phoenix"
        assert store.get(digest).refcount == 1

    def test_a_batch_links_what_manifests_name(self, store: Store) -> None:
        layer = b"layer"
        body = {"schemaVersion": 2, "config": _descriptor(b"{}"), "layers": [_descriptor(layer)]}
        with store.batch() as batch:
            batch.put(layer)
            manifest = batch.put(json.dumps(body).encode(), media_type=MANIFEST, tag="app:1").digest
            batch.put(b"{}")
        assert set(store.get(manifest).links) == {of(layer), of(b"{}")}
        assert store.get(of(layer)).pins == 0
        assert store.get(of(b"{}")).refcount == 2

    def test_no_batch_in_a_batch(self, store: Store) -> None:
        with store.batch() as batch:
            batch.put(b"x")
            with pytest.raises(BatchError, match="batch"), store.batch():
                pass
            with pytest.raises(BatchError, match="batch"):
                store.put(b"y")
            with pytest.raises(BatchError, match="batch"):
                store.put_many([b"y"])
            batch.ref(of(b"x"))
            with pytest.raises(BatchError):
                store.sweep()
        assert store.list() == [of(b"x")]
        assert store.put(b"y").pins == 1

    def test_a_batch_that_has_ended_or_is_another_threads_refuses(self, store: Store) -> None:
        errors: list[BaseException] = []

        def use() -> None:
            try:
                batch.put(b"y")
            except BatchError as error:
                errors.append(error)

        with store.batch() as batch:
            thread = threading.Thread(target=use)
            thread.start()
            thread.join()
        assert len(errors) == 1
        with pytest.raises(BatchError, match="ended"):
            batch.put(b"x")
        with pytest.raises(BatchError, match="ended"):
            batch.list()

    def test_an_empty_batch_is_nothing(self, store: Store) -> None:
        with store.batch():
            pass
        assert store.list() == []

    def test_many_are_put(self, store: Store) -> None:
        here = store.put(b"7", media_type="text/plain").digest
        items = [b"%d" % (number % 2100) for number in range(2200)]
        found = store.put_many(items)
        assert [blob.digest for blob in found] == [of(item) for item in items]
        assert (len(store), store.get(here).pins, store.get(of(b"2099")).pins) == (2100, 3, 1)
        assert store.get(of(b"50")).read() == b"50"
        assert found[7].media_type == "text/plain"

    def test_many_say_how_far_they_got(self, store: Store) -> None:
        def items() -> Iterator[bytes]:
            yield from (b"%d" % number for number in range(1500))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError) as caught:
            store.put_many(items())
        assert caught.value.done == 1000  # type: ignore[attr-defined]
        assert caught.value.__notes__ == ["1,000 items were done; of the chunk of up to 1,000 that failed, none was."]
        assert len(store) == 1000
        digests = store.list()
        with pytest.raises(BlobNotFoundError) as missed:
            store.ref_many([*digests, of(b"nobody")])
        assert missed.value.done == 1000
        assert {store.get(digest).pins for digest in digests} == {2}

    def test_many_are_dropped_together(self, store: Store) -> None:
        child = store.put(b"child").digest
        parents = [store.put(b"p%d" % number).digest for number in range(3)]
        assert store.link_many([(child, parent) for parent in parents], transfer=False) == 3
        store.deref(child)
        assert store.get(child).refcount == 3
        freed = store.deref_many(parents)
        assert (freed.digests, freed.bytes) == ((*sorted(parents), child), 11)
        assert freed.levels == ((3, 6), (1, 5))
        assert store.list() == []

    def test_as_many_pins_are_dropped_as_are_named(self, store: Store) -> None:
        digest = store.put(b"x").digest
        store.ref_many([digest, digest])
        with pytest.raises(NotPinnedError, match=r"3 anonymous pins and not 4 to drop, nothing .* 3 times at most"):
            store.deref_many([digest] * 4)
        assert store.get(digest).pins == 3
        assert store.deref_many([digest] * 2).digests == ()
        assert store.deref_many([digest]).digests == (digest,)

    def test_who_holds_the_rest_is_named_where_pins_are_too_few(self, store: Store) -> None:
        digest, parent = store.put(b"x", tag="x").digest, store.put(b"parent").digest
        store.ref(digest)
        with pytest.raises(NotPinnedError) as caught:
            store.deref_many([digest] * 5)
        assert str(caught.value) == (
            f"{digest} has 1 anonymous pin and not 5 to drop, it is also held by tag 'x': "
            "give it 1 time at most, and use store.untag('x')"
        )
        with pytest.raises(NotPinnedError) as caught:
            store.link_many([(digest, parent)] * 4)
        assert str(caught.value).endswith(f': use store.ref("{digest}") 3 times or transfer=False')
        assert state(store)[digest][:2] == (2, 2)

    def test_links_in_bulk_obey_the_rules(self, store: Store) -> None:
        first, second, third = (store.put(b"%d" % number).digest for number in range(3))
        with pytest.raises(LinkCycleError):
            store.link_many([(first, second), (second, first)])
        assert store.get(first).refcount == 1
        with pytest.raises(NotPinnedError):
            store.link_many([(first, second), (first, third)])
        assert store.get(second).links == ()
        assert store.link_many([(first, second), (second, third)]) == 2
        assert (store.get(second).links, store.get(third).links) == ((first,), (second,))
        with pytest.raises(LinkCycleError):
            store.link_many([(third, first)])

    def test_one_text_is_not_many(self, store: Store) -> None:
        digest = store.put(b"x").digest
        for bulk in (store.ref_many, store.deref_many, store.put_many, store.link_many):
            with pytest.raises(TypeError, match="one"):
                bulk(digest)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="list"):
            store.put(b"y", links=digest)
        with pytest.raises(TypeError, match="links are given as None: give a list of digests, or leave links out"):
            store.put(b"y", links=None)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="no pair"):
            store.link_many([digest])  # type: ignore[list-item]
        with pytest.raises(TypeError, match="no text"):
            store.put_many([b"y"], media_type=3)  # type: ignore[arg-type]
        with pytest.raises(HashNotSupportedError):
            store.put_many([], algorithm="md5")
        assert state(store) == {digest: (1, 1, (), (), "")}


def _descriptor(data: bytes) -> dict[str, object]:
    return {"mediaType": "application/octet-stream", "digest": of(data), "size": len(data)}
