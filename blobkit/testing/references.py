"""Tests of references in every store: pins, links, cascades (rules 2 to 5). Part of `StoreSuite`."""
# ruff: noqa: D102, PLR2004, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import (
    BlobNotFoundError,
    LinkCycleError,
    NotPinnedError,
)

if TYPE_CHECKING:
    from blobkit.store.store import Store

__all__ = ["ABSENT", "ReferenceRules"]

ABSENT = of(b"never stored")


class ReferenceRules:
    """Tests of the fixture `store`, which `StoreSuite` declares."""

    # Rule 2: deref and its cascade

    def test_deref_drops_one_pin_and_at_none_the_blob_goes(self, store: Store) -> None:
        digest = store.put(b"12345").digest
        assert store.ref(digest).refcount == 2
        assert not store.deref(digest)
        freed = store.deref(digest)
        assert (freed.digests, freed.bytes, freed.levels) == ((digest,), 5, ((1, 5),))
        assert digest not in store
        with pytest.raises(BlobNotFoundError):
            store.get(digest).read()

    def test_the_diamond_goes_once_level_by_level(self, store: Store) -> None:
        bottom = store.put(b"1").digest
        sides = [store.put(side, links=[bottom]).digest for side in (b"22", b"333")]
        top = store.put(b"4444", links=sides).digest
        preview = store.simulate_deref(top)
        freed = store.deref(top)
        assert freed == preview
        assert freed.digests == (top, *sorted(sides), bottom)
        assert freed.levels == ((1, 4), (2, 5), (1, 1))
        assert store.list() == []

    def test_a_blob_that_one_side_of_a_diamond_still_holds_stays(self, store: Store) -> None:
        bottom = store.put(b"bottom").digest
        left, right = (store.put(side, links=[bottom]).digest for side in (b"left", b"right"))
        assert store.get(bottom).refcount == 2
        assert store.deref(left).digests == (left,)
        assert store.get(bottom).refcount == 1
        assert store.deref(right).digests == (right, bottom)

    def test_the_level_of_a_blob_is_behind_its_last_holder(self, store: Store) -> None:
        low = store.put(b"low").digest
        middle = store.put(b"middle", links=[low]).digest
        top = store.put(b"top", links=[low, middle]).digest
        assert store.deref(top).digests == (top, middle, low)

    def test_shared_layers_stay_for_the_other_image(self, store: Store) -> None:
        shared, own = store.put(b"shared").digest, store.put(b"own").digest
        one, two = store.put(b"one", links=[shared, own]).digest, store.put(b"two", links=[shared]).digest
        assert set(store.deref(one).digests) == {one, own}
        assert store.list() == sorted([two, shared])

    # Rules 3, 4 and 5: links

    def test_link_takes_the_callers_pin(self, store: Store) -> None:
        child, parent = store.put(b"child").digest, store.put(b"parent").digest
        store.link(child, parent)
        assert (store.get(child).refcount, store.get(child).pins) == (1, 0)
        assert store.get(parent).links == (child,)

    def test_the_pin_for_a_link_that_exists_is_surplus(self, store: Store) -> None:
        child, parent = store.put(b"child").digest, store.put(b"parent").digest
        store.link(child, parent)
        store.ref(child)
        store.link(child, parent)
        assert (store.get(child).refcount, store.get(child).pins) == (1, 0)

    def test_link_without_transfer_takes_a_reference_of_its_own_once(self, store: Store) -> None:
        child, parent = store.put(b"child").digest, store.put(b"parent").digest
        for _ in range(2):
            store.link(child, parent, transfer=False)
            assert (store.get(child).refcount, store.get(child).pins) == (2, 1)

    def test_unlink_drops_the_reference_and_what_it_held(self, store: Store) -> None:
        low = store.put(b"low").digest
        child = store.put(b"child", links=[low]).digest
        parent = store.put(b"parent", links=[child]).digest
        preview = store.unlink(child, parent, dry_run=True)
        assert store.unlink(child, parent) == preview
        assert preview.digests == (child, low)
        assert store.list() == [parent]

    def test_unlinking_what_is_not_linked_is_nothing(self, store: Store) -> None:
        one, two = store.put(b"1").digest, store.put(b"2").digest
        assert not store.unlink(one, two)
        with pytest.raises(BlobNotFoundError):
            store.unlink(ABSENT, one)
        with pytest.raises(BlobNotFoundError):
            store.unlink(one, ABSENT)

    def test_links_need_both_ends(self, store: Store) -> None:
        one = store.put(b"1").digest
        for to, from_ in ((one, ABSENT), (ABSENT, one)):
            with pytest.raises(BlobNotFoundError) as caught:
                store.link(to, from_)
            assert caught.value.digest == ABSENT
            assert caught.value.is_blob_not_exists()

    def test_deref_without_a_pin_names_the_holder_and_the_way_out(self, store: Store) -> None:
        child = store.put(b"child").digest
        parent = store.put(b"parent", links=[child]).digest
        for verb in (store.deref, store.simulate_deref):
            with pytest.raises(NotPinnedError, match=f'unlink\\("{child}", "{parent}"\\)') as caught:
                verb(child)
            assert caught.value.digest == child
            assert "\n" not in str(caught.value)
        store.tag("v1", child)
        with pytest.raises(NotPinnedError, match=r"held by tag 'v1', a link from .*: use store.untag\('v1'\)"):
            store.deref(child)
        with pytest.raises(NotPinnedError, match=r"transfer=False"):
            store.link(child, store.put(b"another").digest)

    def test_links_that_close_a_cycle_are_refused(self, store: Store) -> None:
        digest = store.put(b"0").digest
        chain = [digest]
        for number in range(1, 6):
            chain.append(store.put(b"%d" % number, links=chain[-1:]).digest)
        store.ref(chain[-1])
        for transfer in (True, False):
            with pytest.raises(LinkCycleError):
                store.link(chain[-1], chain[0], transfer=transfer)
            with pytest.raises(LinkCycleError):
                store.link(chain[-1], chain[-1], transfer=transfer)
        with pytest.raises(LinkCycleError):
            store.put(b"0", links=[chain[3]])
        with pytest.raises(LinkCycleError):
            store.put(b"0", links=[chain[0]])
        assert store.get(chain[0]).refcount == 1
        store.link(chain[0], chain[-1], transfer=False)

    def test_pins_are_accounted_for(self, store: Store) -> None:
        child = store.put(b"child").digest
        parents = [store.put(b"p%d" % number).digest for number in range(3)]
        for parent in parents:
            store.link(child, parent, transfer=False)
        store.tag("t", child)
        store.ref(child)
        found = store.get(child)
        assert (found.refcount, found.pins, found.tags) == (6, 3, ("t",))
        assert not store.deref(child)
        assert not store.deref(child)
        with pytest.raises(NotPinnedError):
            store.deref(child)
        assert not store.untag("t")
        for parent in parents[:2]:
            assert store.deref(parent).digests == (parent,)
        assert store.deref(parents[2]).digests == (parents[2], child)
