"""Tests of every index with places: subclass `PlacesSuite` and give it the fixture `index`, an empty one.

Leases are 0 or for ever: nothing waits for a clock.
"""
# ruff: noqa: D102, PLR2004, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from blobkit.digest import of
from blobkit.model import Change, Freed, NewBlob

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from blobkit.digest import Digest
    from blobkit.places import Places
    from blobkit.transactions import Index, Writing

__all__ = ["PlacesSuite"]

NOW = datetime(2024, 2, 29, tzinfo=UTC)
EVER, OVER = 1e6, 0.0
A, B, C = (of(data) for data in (b"a", b"b", b"c"))


class PlacesSuite:
    """An intent becomes the place of one blob, or a tombstone; a place goes only with its blob."""

    @pytest.fixture
    def index(self) -> Index:
        raise NotImplementedError

    def test_an_intent_becomes_the_place_of_its_blob(self, index: Index) -> None:
        intend(index, "x", "y")
        assert known(index, "x", "y", "z") == {"x", "y"}
        assert places(index, A) == {}
        assert put(index, {A: "x", B: "y"}) == []
        assert places(index, A, B, C) == {A: "x", B: "y"}
        assert known(index, "x", "y") == {"x", "y"}
        assert claim(index) == []

    def test_a_place_without_an_intent_is_none(self, index: Index) -> None:
        intend(index, "x")
        assert put(index, {A: "x", B: "y"}) == [B]
        assert places(index, A, B) == {A: "x"}
        assert known(index, "y") == {"y"}
        assert claim(index) == ["y"]

    def test_a_second_copy_is_a_tombstone(self, index: Index) -> None:
        intend(index, "x", "y")
        put(index, {A: "x"})
        assert settle(index, {A: "y"}) == []
        assert places(index, A) == {A: "x"}
        assert claim(index) == ["y"]

    def test_the_copy_of_a_blob_that_is_not_recorded_is_a_tombstone(self, index: Index) -> None:
        intend(index, "x")
        assert settle(index, {A: "x"}) == []
        assert places(index, A) == {}
        assert claim(index) == ["x"]

    def test_intents_of_blobs_that_have_a_place_are_not_written(self, index: Index) -> None:
        intend(index, "x")
        put(index, {A: "x"})
        index.write(lambda tx: tx.add([NewBlob(B, 1, "", NOW)]))
        wanted = {A: "y", B: "z", C: "w"}
        assert set(index.write(lambda tx: list(placed(tx).intend_absent(wanted)))) == {B, C}
        assert known(index, "x", "y", "z", "w") == {"x", "z", "w"}
        assert settle(index, {B: "z", C: "w"}) == []
        assert places(index, A, B, C) == {A: "x", B: "z"}

    def test_what_is_settled_stays_so(self, index: Index) -> None:
        intend(index, "x")
        put(index, {A: "x"})
        assert settle(index, {A: "x"}) == []
        assert places(index, A) == {A: "x"}
        assert claim(index) == []

    def test_the_place_of_a_blob_that_goes_is_a_tombstone_and_the_blob_may_come_back(self, index: Index) -> None:
        intend(index, "x")
        put(index, {A: "x"})
        free(index, A)
        assert places(index, A) == {}
        intend(index, "y")
        put(index, {A: "y"})
        assert places(index, A) == {A: "y"}
        assert claim(index) == ["x"]
        assert places(index, A) == {A: "y"}

    def test_what_was_claimed_is_not_claimed_again_before_the_lease_ends(self, index: Index) -> None:
        bury(index, "u", "v", "w", "x")
        first = claim(index, 3)
        assert len(first) == 3
        rest = claim(index)
        assert sorted([*first, *rest]) == ["u", "v", "w", "x"]
        assert claim(index) == []
        assert sorted(claim(index, lease=OVER)) == ["u", "v", "w", "x"]

    def test_tombstones_are_forgotten_when_that_is_said(self, index: Index) -> None:
        bury(index, "x", "y")
        claim(index)
        assert known(index, "x", "y") == {"x", "y"}
        index.write(lambda tx: placed(tx).forget_places(["x", "never there"]))
        assert known(index, "x", "y") == {"y"}
        assert claim(index, lease=OVER) == ["y"]

    def test_an_intent_whose_lease_ran_out_is_a_tombstone(self, index: Index) -> None:
        intend(index, "x")
        assert claim(index) == []
        assert claim(index, lease=OVER) == ["x"]
        assert put(index, {A: "x"}) == [A]
        assert places(index, A) == {}
        assert known(index, "x") == {"x"}

    def test_what_stays_for_a_late_writer_is_claimed_last(self, index: Index) -> None:
        intend(index, "x")
        assert claim(index, lease=OVER) == ["x"]
        bury(index, "y")
        assert claim(index, 1, lease=OVER) == ["y"]

    def test_a_place_is_taken_only_from_the_blob_that_has_it(self, index: Index) -> None:
        intend(index, "x", "y")
        put(index, {A: "x", B: "y"})
        index.write(lambda tx: placed(tx).unsettle({A: "y", B: "y", C: "x"}))
        assert places(index, A, B) == {A: "x"}
        assert claim(index) == ["y"]
        intend(index, "z")
        assert settle(index, {B: "z"}) == []
        assert places(index, B) == {B: "z"}

    @pytest.mark.parametrize("part", [False, True])
    def test_what_is_undone_was_not_there(self, index: Index, *, part: bool) -> None:
        intend(index, "x", "y", "z")
        put(index, {A: "x", B: "y"})
        bury(index, "w")

        def plan(tx: Writing) -> None:
            tx.add([NewBlob(C, 1, "", NOW)])
            placed(tx).settle({C: "z"})
            placed(tx).unsettle({A: "x"})
            tx.apply(Change(freed=Freed((B,))))
            placed(tx).claim(9, EVER)
            placed(tx).intend(["new"])
            raise KeyError

        def in_part(tx: Writing) -> None:
            with pytest.raises(KeyError), tx.savepoint():
                plan(tx)

        if part:
            index.write(in_part)
        else:
            with pytest.raises(KeyError):
                index.write(plan)
        assert places(index, A, B, C) == {A: "x", B: "y"}
        assert known(index, "z", "new") == {"z"}
        assert claim(index) == ["w"]

    def test_many_at_once(self, index: Index) -> None:
        wanted = {of(b"%d" % number): f"place {number}" for number in range(2500)}
        intend(index, *wanted.values())
        assert put(index, wanted) == []
        assert places(index, *wanted) == wanted
        assert known(index, *wanted.values(), "other") == set(wanted.values())
        free(index, *wanted)
        first = claim(index, 1000)
        assert len({*first, *claim(index, 1000), *claim(index, 1000)}) == 2500
        index.write(lambda tx: placed(tx).forget_places(list(wanted.values())))
        assert known(index, *wanted.values()) == set()


def placed(tx: object) -> Places:
    """Return a transaction, or a state, as one that has places."""
    return cast("Places", tx)


def places(index: Index, *blobs: Digest) -> Mapping[Digest, str]:
    return dict(index.read(lambda tx: placed(tx).places(blobs)))


def known(index: Index, *names: str) -> set[str]:
    return set(index.read(lambda tx: placed(tx).known_places(names)))


def intend(index: Index, *names: str) -> None:
    index.write(lambda tx: placed(tx).intend(names))


def settle(index: Index, wanted: Mapping[Digest, str]) -> Collection[Digest]:
    return list(index.write(lambda tx: placed(tx).settle(wanted)))


def put(index: Index, wanted: Mapping[Digest, str]) -> Collection[Digest]:
    """Record these blobs with their places; return those whose intents are gone."""

    def plan(tx: Writing) -> Collection[Digest]:
        tx.add([NewBlob(digest, 1, "", NOW) for digest in wanted])
        return list(placed(tx).settle(wanted))

    return index.write(plan)


def free(index: Index, *blobs: Digest) -> None:
    index.write(lambda tx: tx.apply(Change(freed=Freed(blobs))))


def bury(index: Index, *names: str) -> None:
    """Make tombstones of these places."""
    intend(index, *names)
    for name in names:
        settle(index, {of(name.encode()): name})


def claim(index: Index, limit: int = 99, lease: float = EVER) -> Sequence[str]:
    return index.write(lambda tx: list(placed(tx).claim(limit, lease)))
