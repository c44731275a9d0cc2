"""Tests of an index with places: subclass `PlacesSuite`, give it the fixture `index`, an empty one."""
# ruff: noqa: D102, PLR2004, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import pytest

from blobkit.digest import of
from blobkit.model import Change, Freed, NewBlob
from blobkit.testing.index import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blobkit.digest import Digest
    from blobkit.transactions import Index, Places, Writing

    T = TypeVar("T")

__all__ = ["PlacesSuite"]

A, B = of(b"a"), of(b"b")
LONG = 3600.0
OVER = -1.0
"""A lease that ran out before it began."""


class PlacesSuite:
    """A place is used once: an intent, then a blob's, then a tombstone; nothing is forgotten in between."""

    @pytest.fixture
    def index(self) -> Index:
        raise NotImplementedError

    def test_an_intent_becomes_the_place_of_a_blob(self, index: Index) -> None:
        do(index, lambda tx: tx.intend(["a/1"]))
        assert known(index, "a/1", "a/2") == {"a/1"}
        put(index, A)
        assert settled(index, {A: "a/1"}) == []
        assert index.read(lambda tx: dict(placed(tx).places([A, B]))) == {A: "a/1"}
        assert claimed(index, LONG) == []
        assert known(index, "a/1") == {"a/1"}

    def test_what_is_settled_stays_settled(self, index: Index) -> None:
        put(index, A, place="a/1")
        assert settled(index, {A: "a/1"}) == []
        assert index.read(lambda tx: dict(placed(tx).places([A]))) == {A: "a/1"}
        assert claimed(index, LONG) == []

    def test_a_second_copy_becomes_a_tombstone(self, index: Index) -> None:
        put(index, A, place="a/1")
        do(index, lambda tx: tx.intend(["a/2"]))
        assert settled(index, {A: "a/2"}) == []
        assert index.read(lambda tx: dict(placed(tx).places([A]))) == {A: "a/1"}
        assert claimed(index, LONG) == ["a/2"]

    def test_a_copy_of_what_is_no_blob_becomes_a_tombstone(self, index: Index) -> None:
        do(index, lambda tx: tx.intend(["a/1"]))
        assert settled(index, {A: "a/1"}) == []
        assert claimed(index, LONG) == ["a/1"]

    def test_a_copy_whose_intent_is_gone_is_told_and_becomes_a_tombstone(self, index: Index) -> None:
        do(index, lambda tx: tx.intend(["a/1"]))
        assert claimed(index, OVER) == ["a/1"]
        do(index, lambda tx: tx.forget_places(["a/1"]))
        put(index, A)
        assert settled(index, {A: "a/1"}) == [A]
        assert index.read(lambda tx: dict(placed(tx).places([A]))) == {}
        assert known(index, "a/1") == {"a/1"}

    def test_removed_blobs_leave_their_places(self, index: Index) -> None:
        put(index, A, place="a/1")
        put(index, B, place="b/1")
        index.write(lambda tx: tx.apply(Change(freed=Freed((A,), 1, ((1, 1),)))))
        assert index.read(lambda tx: list(tx.tombstones(9))) == []
        assert claimed(index, LONG) == ["a/1"]
        put(index, A)
        assert index.read(lambda tx: dict(placed(tx).places([A, B]))) == {B: "b/1"}
        assert known(index, "a/1") == {"a/1"}, "the tombstone of a place outlives the return of its blob"

    def test_a_claim_keeps_others_away_until_its_lease_ends(self, index: Index) -> None:
        for number in range(3):
            put(index, A, place=f"a/{number}")
            index.write(lambda tx: tx.apply(Change(freed=Freed((A,), 1, ((1, 1),)))))
        first = claimed(index, LONG, 2)
        assert len(first) == 2
        assert sorted([*first, *claimed(index, LONG)]) == ["a/0", "a/1", "a/2"]
        assert claimed(index, LONG) == []
        assert sorted(claimed(index, OVER)) == ["a/0", "a/1", "a/2"]
        do(index, lambda tx: tx.forget_places(["a/0", "a/2"]))
        assert claimed(index, OVER) == ["a/1"]

    def test_an_intent_that_ran_out_stays_for_a_late_writer(self, index: Index) -> None:
        do(index, lambda tx: tx.intend(["a/1", "a/2"]))
        assert claimed(index, LONG) == []
        do(index, lambda tx: tx.intend(["a/3"]))
        assert sorted(claimed(index, OVER)) == ["a/1", "a/2", "a/3"]
        do(index, lambda tx: tx.forget_places(["a/1"]))  # its lease more has ended, too: before it began
        assert known(index, "a/1", "a/2") == {"a/2"}

    def test_a_place_is_taken_from_a_blob_that_still_has_it(self, index: Index) -> None:
        put(index, A, place="a/1")
        do(index, lambda tx: tx.unsettle({A: "a/0", B: "b/0"}))
        assert index.read(lambda tx: dict(placed(tx).places([A]))) == {A: "a/1"}
        do(index, lambda tx: tx.unsettle({A: "a/1"}))
        assert index.read(lambda tx: (dict(placed(tx).places([A])), dict(tx.counts([A])))) == ({}, {A: 1})
        assert claimed(index, LONG) == ["a/1"]

    def test_what_failed_leaves_no_trace(self, index: Index) -> None:
        put(index, A, place="a/1")

        def failing(tx: Writing) -> None:
            placed(tx).intend(["b/1"])
            placed(tx).unsettle({A: "a/1"})
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            index.write(failing)
        assert index.read(lambda tx: dict(placed(tx).places([A]))) == {A: "a/1"}
        assert known(index, "b/1") == set()
        assert claimed(index, LONG) == []

    def test_what_failed_in_a_part_leaves_the_rest(self, index: Index) -> None:
        put(index, A, place="a/1")

        def plan(tx: Writing) -> None:
            placed(tx).intend(["b/1"])
            with pytest.raises(ZeroDivisionError), tx.savepoint():
                failing(tx)

        def failing(tx: Writing) -> None:
            tx.add([NewBlob(B, 1, "", NOW)])
            placed(tx).settle({B: "b/1"})
            tx.apply(Change(freed=Freed((A,), 1, ((1, 1),))))
            raise ZeroDivisionError

        index.write(plan)
        assert index.read(lambda tx: dict(placed(tx).places([A, B]))) == {A: "a/1"}
        assert known(index, "b/1") == {"b/1"}
        assert claimed(index, LONG) == []

    def test_many_at_once(self, index: Index) -> None:
        places = {of(b"%d" % number): f"place {number}" for number in range(2500)}
        do(index, lambda tx: tx.intend(list(places.values())))
        index.write(lambda tx: tx.add([NewBlob(blob, 1, "", NOW) for blob in places]))
        assert settled(index, places) == []
        assert index.read(lambda tx: dict(placed(tx).places(places))) == places
        assert known(index, *places.values(), "another") == set(places.values())
        index.write(lambda tx: tx.apply(Change(freed=Freed(tuple(sorted(places)), 2500, ((2500, 2500),)))))
        found = [place for _ in range(3) for place in claimed(index, LONG, 1000)]
        assert sorted(found) == sorted(places.values())
        do(index, lambda tx: tx.forget_places(found))
        assert known(index, *places.values()) == set()


def placed(tx: object) -> Places:
    """Return a transaction as one with places."""
    return cast("Places", tx)


def do(index: Index, act: Callable[[Places], T]) -> T:
    """Do something in a transaction."""
    return index.write(lambda tx: act(placed(tx)))


def put(index: Index, blob: Digest, place: str = "") -> None:
    """Record a blob and, where it is given, its place."""

    def plan(tx: Writing) -> None:
        tx.add([NewBlob(blob, 1, "", NOW)])
        if place:
            placed(tx).intend([place])
            placed(tx).settle({blob: place})

    index.write(plan)


def settled(index: Index, places: dict[Digest, str]) -> list[Digest]:
    """Settle places; return the blobs whose intents are gone."""
    return index.write(lambda tx: list(placed(tx).settle(places)))


def claimed(index: Index, lease: float, limit: int = 99) -> Sequence[str]:
    """Claim tombstones."""
    return index.write(lambda tx: list(placed(tx).claim(limit, lease)))


def known(index: Index, *places: str) -> set[str]:
    """Return which of these places the index knows."""
    return index.read(lambda tx: set(placed(tx).known_places(places)))
