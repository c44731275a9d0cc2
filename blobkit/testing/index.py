"""Tests of every index: subclass `IndexSuite` and give it the fixture `index`, an empty one."""
# ruff: noqa: D102, PLR2004, PT012, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import StoreClosedError
from blobkit.model import Change, Freed, Link, NewBlob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from blobkit.digest import Digest
    from blobkit.transactions import Index, Reading, Writing

    T = TypeVar("T")

__all__ = ["IndexSuite", "fill"]

NOW = datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)
LABELS = ("sha256", "sha384", "sha512")


def digest(number: int) -> Digest:
    """Return the digest of a blob of these tests."""
    return of(b"%d" % number, LABELS[number % 3])


def fill(index: Index, count: int, links: Iterable[tuple[int, int]] = ()) -> list[Digest]:
    """Record blobs 0 to count - 1, of as many bytes, with one pin each and these links."""
    blobs = [digest(number) for number in range(count)]
    pairs = [Link(blobs[source], blobs[target], "layer") for source, target in links]
    counts = {target: 1 + sum(link.target == target for link in pairs) for target in {link.target for link in pairs}}
    with index.writing() as tx:
        tx.add([NewBlob(blob, number, f"type/{number % 2}", NOW) for number, blob in enumerate(blobs)])
        tx.apply(Change(linked=pairs, refcounts=counts))
    return blobs


class IndexSuite:
    """Rows written in a transaction are read by the next, in bulk; a failed one leaves nothing."""

    @pytest.fixture
    def index(self) -> Index:
        raise NotImplementedError

    def test_an_empty_index_answers(self, index: Index) -> None:
        absent = [digest(0)]
        assert ask(index, lambda tx: (tx.total(), list(tx.digests()), dict(tx.tags()))) == (0, [], {})
        assert ask(index, lambda tx: (dict(tx.counts(absent)), dict(tx.links(absent)))) == ({}, {})
        assert ask(index, lambda tx: (dict(tx.records([])), dict(tx.targets(absent)))) == ({}, {})
        assert ask(index, lambda tx: (tx.meta("nothing"), list(tx.tombstones(9)))) == (None, [])

    def test_arrivals_have_one_anonymous_pin(self, index: Index) -> None:
        blobs = fill(index, 3)
        record = ask(index, lambda tx: tx.records(blobs))[blobs[1]]
        assert (record.size, record.refcount, record.pins, record.tags, record.anonymous) == (1, 1, 1, 0, 1)
        assert (record.media_type, record.created) == ("type/1", NOW)

    def test_a_plan_is_written_whole_or_not_at_all(self, index: Index) -> None:
        def plan(tx: Writing) -> int:
            tx.add([NewBlob(digest(1), 1, "", NOW)])
            return tx.total()

        def failing(tx: Writing) -> None:
            tx.add([NewBlob(digest(2), 2, "", NOW)])
            raise KeyError

        assert index.write(plan, durable=True) == 1
        with pytest.raises(KeyError):
            index.write(failing)
        assert ask(index, lambda tx: list(tx.digests())) == [digest(1)]

    def test_pins_are_added_and_what_is_absent_is_left_out(self, index: Index) -> None:
        blobs = fill(index, 2, [(1, 0)])
        with index.writing() as tx:
            tx.apply(Change(named={"t": blobs[0]}, pins={blobs[0]: 1}, refcounts={blobs[0]: 3}))
            found = tx.pin({blobs[0]: 2, blobs[1]: 1, digest(9): 1})
            assert dict(found) == dict(tx.records(blobs))
            assert dict(tx.counts(blobs)) == {blobs[0]: 5, blobs[1]: 2}
            assert list(tx.targets(blobs)) == [blobs[1]]
        record = ask(index, lambda tx: tx.records(blobs))[blobs[0]]
        assert (record.refcount, record.pins, record.tags, record.anonymous) == (5, 4, 1, 3)

    def test_the_journal_holds_content_until_it_is_drained(self, index: Index) -> None:
        blobs = fill(index, 2)
        with index.writing() as tx:
            first = tx.journal({blobs[0]: b"", digest(7): b"x" * 10_000})
            last = tx.journal({blobs[0]: b"", blobs[1]: b"\0"})
        found = [*ask(index, lambda tx: tx.journalled(0, 2)), *ask(index, lambda tx: tx.journalled(first, 9))]
        assert [entry[1:] for entry in found] == [
            (blobs[0], 0, True), (digest(7), 10_000, False), (blobs[0], 0, True), (blobs[1], 1, True)
        ]  # fmt: skip
        numbers = [entry.number for entry in found]
        assert numbers == sorted(set(numbers))
        assert (numbers[1], numbers[3]) == (first, last)
        contents = ask(index, lambda tx: [tx.journal_content(number) for number in (*numbers, last + 1)])
        assert contents == [b"", b"x" * 10_000, b"", b"\0", None]
        with index.writing() as tx:
            tx.drain(numbers[2])
            assert [entry.number for entry in tx.journalled(0, 9)] == [last]
            tx.drain(last)
            tx.drain(last)
            assert (tx.journalled(0, 9), tx.journal_content(last)) == ([], None)
            assert tx.journal({digest(0): b"again"}) > last

    def test_digests_are_sorted_and_come_in_pages(self, index: Index) -> None:
        blobs = sorted(fill(index, 20))
        assert ask(index, lambda tx: list(tx.digests())) == blobs
        assert ask(index, lambda tx: list(tx.digests(blobs[4], 3))) == blobs[5:8]
        assert ask(index, lambda tx: tx.total()) == 20

    def test_bulk_questions_beyond_one_statement(self, index: Index) -> None:
        blobs = fill(index, 1201, [(number, 0) for number in range(1, 1201)])
        assert ask(index, lambda tx: len(tx.counts(blobs))) == 1201
        assert ask(index, lambda tx: tx.counts(blobs)[blobs[0]]) == 1201
        assert ask(index, lambda tx: dict(tx.links(blobs))) == {blobs[0]: 1200}
        assert ask(index, lambda tx: len(tx.holders(blobs)[blobs[0]])) == 1200
        assert ask(index, lambda tx: len(tx.holders([blobs[0]], 3)[blobs[0]])) == 3

    def test_links_are_counted_with_multiplicity(self, index: Index) -> None:
        blobs = fill(index, 4, [(0, 2), (1, 2), (0, 3)])
        assert ask(index, lambda tx: dict(tx.links(blobs[:2]))) == {blobs[2]: 2, blobs[3]: 1}
        assert ask(index, lambda tx: {k: list(v) for k, v in tx.targets(blobs).items()}) == {
            blobs[0]: sorted(blobs[2:]),
            blobs[1]: [blobs[2]],
        }

    def test_links_that_exist(self, index: Index) -> None:
        blobs = fill(index, 3, [(0, 1)])
        asked = [Link(blobs[0], blobs[1]), Link(blobs[1], blobs[0]), Link(digest(77), blobs[0])]
        assert list(ask(index, lambda tx: tx.linked(asked))) == asked[:1]

    def test_a_plan_is_applied_as_a_whole(self, index: Index) -> None:
        blobs = fill(index, 4, [(0, 1), (1, 2)])
        with index.writing() as tx:
            tx.apply(
                Change(
                    pins={blobs[3]: 2},
                    refcounts={blobs[3]: 4, blobs[2]: 1},
                    linked=[Link(blobs[2], blobs[3])],
                    named={"a": blobs[3], "b": blobs[3]},
                    freed=Freed((blobs[0], blobs[1]), 1, ((1, 0), (1, 1))),
                )
            )
        assert ask(index, lambda tx: list(tx.digests())) == sorted(blobs[2:])
        assert ask(index, lambda tx: sorted(tx.tombstones(9))) == sorted(blobs[:2])
        assert ask(index, lambda tx: dict(tx.counts(blobs))) == {blobs[2]: 1, blobs[3]: 4}
        assert ask(index, lambda tx: list(tx.holders([blobs[3]])[blobs[3]])) == [blobs[2]]
        record = ask(index, lambda tx: tx.records(blobs))[blobs[3]]
        assert (record.pins, record.tags, record.anonymous) == (3, 2, 1)
        assert ask(index, lambda tx: dict(tx.names(blobs))) == {blobs[3]: ["a", "b"]}
        assert ask(index, lambda tx: dict(tx.tags(["b", "z"]))) == {"b": blobs[3]}

    def test_a_peek_sees_what_has_no_links_and_no_tags_or_nothing(self, index: Index) -> None:
        blobs = fill(index, 4, [(2, 1)])
        with index.writing() as tx:
            tx.apply(Change(refcounts={blobs[3]: 2}, pins={blobs[3]: 1}, named={"latest": blobs[3]}))
        assert [index.peek(blob) for blob in (*blobs[2:], digest(4))] == [None, None, None]
        for number, refcount in ((0, 1), (1, 2)):
            seen = number, refcount, 1, f"type/{number}", NOW
            assert index.peek(blobs[number]) in (seen, None)

    def test_a_peek_has_no_part_in_what_is_written_meanwhile(self, index: Index) -> None:
        blob, other = fill(index, 2)
        before = index.peek(blob)
        with index.writing() as tx:
            tx.apply(Change(linked=[Link(blob, other)], refcounts={other: 2}))
        assert index.peek(blob) is None
        with index.writing() as tx:
            tx.apply(Change(unlinked=[Link(blob, other)], refcounts={other: 1}))
        assert index.peek(blob) == before

    def test_what_a_source_gave_is_recorded_until_the_blob_goes(self, index: Index) -> None:
        blobs = fill(index, 3)
        with index.writing() as tx:
            tx.give("a", {blobs[0]: 2, blobs[1]: 1})
            tx.give("b", {blobs[0]: 7})
            tx.give("a", {blobs[0]: 3})
            tx.apply(Change(freed=Freed((blobs[1],), 1, ((1, 1),))))
            tx.add([NewBlob(blobs[1], 1, "", NOW)])
        assert ask(index, lambda tx: dict(tx.given("a", blobs))) == {blobs[0]: 3}
        assert ask(index, lambda tx: dict(tx.given("b", blobs))) == {blobs[0]: 7}
        assert ask(index, lambda tx: tx.records(blobs)[blobs[0]].pins) == 1

    def test_a_name_moves(self, index: Index) -> None:
        blobs = fill(index, 2)
        with index.writing() as tx:
            tx.apply(Change({blobs[0]: 1}, {blobs[0]: 2}, named={"a": blobs[0]}))
            tx.apply(Change({blobs[0]: -1, blobs[1]: 1}, {blobs[0]: 1, blobs[1]: 2}, named={"a": blobs[1]}))
        assert ask(index, lambda tx: dict(tx.tags())) == {"a": blobs[1]}
        assert ask(index, lambda tx: [tx.records(blobs)[blob].tags for blob in blobs]) == [0, 1]

    def test_names_that_change_are_known_with_what_they_named_first(self, index: Index) -> None:
        blobs = fill(index, 2)
        with index.writing() as tx:
            tx.apply(Change(named={"a": blobs[0], "b": blobs[0]}))
            assert tx.changed_names() == {"a": None, "b": None}
            tx.settle_names()
        with index.writing() as tx:
            tx.apply(Change(named={"a": blobs[1]}))
            tx.apply(Change(unnamed=["a"], named={"c": blobs[1]}))
        assert ask(index, lambda tx: dict(tx.changed_names())) == {"a": blobs[0], "c": None}
        with pytest.raises(ZeroDivisionError), index.writing() as tx:
            tx.settle_names()
            raise ZeroDivisionError
        assert ask(index, lambda tx: dict(tx.changed_names())) == {"a": blobs[0], "c": None}

    def test_the_return_of_a_blob_clears_its_tombstone(self, index: Index) -> None:
        blobs = fill(index, 1)
        with index.writing() as tx:
            tx.apply(Change(freed=Freed((blobs[0],), 0, ((1, 0),))))
        fill(index, 1)
        assert ask(index, lambda tx: list(tx.tombstones(9))) == []

    def test_tombstones_come_in_pages_and_are_forgotten(self, index: Index) -> None:
        blobs = sorted(fill(index, 5))
        with index.writing() as tx:
            tx.apply(Change(freed=Freed(tuple(blobs), 10, ((5, 10),))))
            assert list(tx.tombstones(2)) == blobs[:2]
            assert list(tx.tombstones(2, blobs[1])) == blobs[2:4]
            tx.forget(blobs[:4])
        assert ask(index, lambda tx: list(tx.tombstones(9))) == blobs[4:]

    def test_expected_links_wait_and_go_with_their_source(self, index: Index) -> None:
        blobs = fill(index, 2)
        waiting = [Link(blobs[0], digest(50), "config"), Link(blobs[1], digest(50), "layer")]
        with index.writing() as tx:
            tx.expect(dict.fromkeys(waiting, "type/x"))
            tx.expect({waiting[0]: "type/x"})
        assert sorted(ask(index, lambda tx: tx.expecting([digest(50), digest(51)]))) == sorted(waiting)
        with index.writing() as tx:
            tx.apply(Change(freed=Freed((blobs[0],), 0, ((1, 0),))))
        assert list(ask(index, lambda tx: tx.expecting([digest(50)]))) == waiting[1:]
        with index.writing() as tx:
            tx.unexpect(waiting[1:])
        assert list(ask(index, lambda tx: tx.expecting([digest(50)]))) == []

    def test_expected_links_do_not_pass_to_the_next_blob(self, index: Index) -> None:
        blobs = fill(index, 1)
        with index.writing() as tx:
            tx.expect({Link(blobs[0], digest(50), "config"): ""})
            tx.apply(Change(freed=Freed((blobs[0],), 0, ((1, 0),))))
        fill(index, 1)  # which may get the place of the one that went
        assert list(ask(index, lambda tx: tx.expecting([digest(50)]))) == []

    def test_media_types_and_meta_are_set_and_dropped(self, index: Index) -> None:
        blobs = fill(index, 2)
        with index.writing(durable=True) as tx:
            tx.retype({blobs[0]: "type/new"})
            tx.set_meta("key", "one")
            tx.set_meta("key", "two")
            tx.set_meta("other", None)
        assert ask(index, lambda tx: (tx.records(blobs)[blobs[0]].media_type, tx.meta("key"))) == (
            "type/new",
            "two",
        )
        with index.writing() as tx:
            tx.set_meta("key", None)
        assert ask(index, lambda tx: tx.meta("key")) is None

    def test_a_media_type_is_any_text(self, index: Index) -> None:
        types = dict(zip(map(digest, range(5)), ("a\0b", "\0", "\u202e'\"", "x" * 9_999, "a"), strict=True))
        with index.writing() as tx:
            tx.add([NewBlob(blob, 1, media_type, NOW) for blob, media_type in types.items()])
        held = ask(index, lambda tx: tx.records(list(types)))
        assert {blob: record.media_type for blob, record in held.items()} == types

    def test_an_error_undoes_everything(self, index: Index) -> None:
        blobs = fill(index, 4, [(0, 1), (1, 2)])
        before = ask(index, everything)
        with pytest.raises(KeyboardInterrupt), index.writing() as tx:
            tx.add([NewBlob(digest(60), 1, "type/new", NOW)])
            tx.expect({Link(blobs[3], digest(61)): ""})
            tx.retype({blobs[3]: "type/other"})
            tx.set_meta("key", "value")
            tx.apply(Change({blobs[3]: 1}, {blobs[3]: 2, blobs[2]: 1}, named={"a": blobs[3]}))
            tx.apply(Change(unlinked=[Link(blobs[0], blobs[1])], freed=Freed((blobs[1],), 1, ((1, 1),))))
            raise KeyboardInterrupt
        assert ask(index, everything) == before
        assert ask(index, lambda tx: (tx.meta("key"), list(tx.tombstones(9)))) == (None, [])

    def test_facts_are_everything(self, index: Index) -> None:
        blobs = fill(index, 5, [(0, 1), (0, 2), (3, 2)])
        with index.writing() as tx:
            tx.apply(Change({blobs[2]: 1}, {blobs[2]: 4}, named={"t": blobs[2]}))
            tx.apply(Change(freed=Freed((blobs[4],), 4, ((1, 4),))))
            tx.expect({Link(blobs[0], digest(50), "config"): "type/x"})
        facts = ask(index, lambda tx: tx.facts())
        at = {str(blob, "ascii") if isinstance(blob, bytes) else blob: i for i, blob in enumerate(facts.digests)}
        assert sorted(at) == sorted(blobs[:4])
        assert [facts.sizes[at[blob]] for blob in blobs[:4]] == [0, 1, 2, 3]
        assert [facts.anonymous[at[blob]] for blob in blobs[:4]] == [1, 1, 1, 1]
        assert [facts.media_types[facts.media_type[at[blob]]] for blob in blobs[:2]] == ["type/0", "type/1"]
        assert {facts.created[position] for position in at.values()} == {round(NOW.timestamp() * 1e6)}
        links = zip(facts.sources, facts.targets, facts.kinds, strict=True)
        assert sorted(links) == sorted((at[blobs[s]], at[blobs[t]], 2) for s, t in ((0, 1), (0, 2), (3, 2)))
        assert list(facts.expected) == [(at[blobs[0]], digest(50), "config", "type/x")]
        assert list(facts.tags) == [("t", at[blobs[2]])]

    def test_a_closed_index_says_so(self, index: Index) -> None:
        assert not index.closed
        index.close()
        index.close()
        assert index.closed
        with pytest.raises(StoreClosedError):
            ask(index, lambda tx: tx.total())
        with pytest.raises(StoreClosedError), index.writing():
            pass


def ask(index: Index, question: Callable[[Reading], T]) -> T:
    """Return the answer to a question."""
    return index.read(question)


def everything(tx: Reading) -> tuple[object, ...]:
    """Return all that an index says of its blobs."""
    blobs = tx.digests()
    waiting = tx.expecting([digest(61)])
    return blobs, tx.records(blobs), tx.targets(blobs), tx.names(blobs), tx.tags(), waiting, tx.total()
