"""Tests of two writers at once: subclass `ConcurrentSuite`, give it the fixture `handles`, two on one empty index.

Each writer has asked its questions when the other begins to write. An index with one write lock makes the second wait;
one that lets both in must refuse or repeat what would not be true of any order of the two.
"""
# ruff: noqa: D102, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from blobkit.digest import of
from blobkit.errors import BlobkitError
from blobkit.model import Link, NewBlob
from blobkit.store import rules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blobkit.digest import Digest
    from blobkit.transactions import Index, Reading, Writing

    Handles = tuple[Index, Index]
    Plan = Callable[[Writing], object]

__all__ = ["ConcurrentSuite"]

A, B, C, D, TOP, LAYER = (of(b"%d" % number) for number in range(6))
NOW = datetime(2024, 2, 29, tzinfo=UTC)
MEETING = 0.1
"""Seconds for which a writer waits for the other one to have asked its questions, too; behind a lock it never has."""


class _Meeting:
    """A transaction that waits before its first write until the other one is as far."""

    def __init__(self, tx: Writing, gate: threading.Barrier) -> None:
        self._tx = tx
        self._gate = gate

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (any method of a transaction)
        act = getattr(self._tx, name)
        return partial(self._meet, act) if name in {"add", "apply", "expect", "pin", "unexpect"} else act

    def _meet(self, act: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401 (the same)
        with suppress(threading.BrokenBarrierError):
            self._gate.wait(MEETING)
        return act(*arguments)


def both(handles: Handles, *plans: Plan) -> list[str]:
    """Run two plans at once; return what each raised, "" for nothing."""
    gate = threading.Barrier(2)
    raised = ["", ""]

    def run(number: int) -> None:
        try:
            handles[number].write(lambda tx: plans[number](_Meeting(tx, gate)))
        except BlobkitError as error:
            raised[number] = type(error).__name__

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def put(*blobs: Digest, links: Sequence[Digest] = ()) -> Plan:
    """Return the plan of a put of each blob: new, or one pin more; the first of them links to `links`."""

    def plan(tx: Writing) -> None:
        known = tx.records(blobs)
        tx.pin({blob: 1 for blob in blobs if blob in known})
        new = [blob for blob in blobs if blob not in known]
        waiting = tx.expecting(new)
        here = tx.counts(links)
        tx.add([NewBlob(blob, 1, "", NOW) for blob in new])
        tx.apply(rules.arrived(tx, waiting))
        tx.unexpect(waiting)
        wanted = [Link(blobs[0], target, "layer") for target in links]
        tx.apply(rules.links_of_put(tx, blobs[0], [link for link in wanted if link.target in here]))
        tx.expect({link: "" for link in wanted if link.target not in here})

    return plan


def link(to: Digest, from_: Digest) -> Plan:
    """Return the plan of a link that takes a reference of its own."""
    return lambda tx: tx.apply(rules.link(tx, to, from_, transfer=False))


def deref(*blobs: Digest) -> Plan:
    """Return the plan of dropping a pin of each."""
    return lambda tx: tx.apply(rules.deref(tx, blobs))


def tag(name: str, blob: Digest) -> Plan:
    """Return the plan of a new name with a pin of its own."""
    return lambda tx: tx.apply(rules.tag(tx, name, blob, move=False, transfer=False))


class ConcurrentSuite:
    """Two writers at once leave what they would have left one after the other."""

    @pytest.fixture
    def handles(self) -> Handles:
        raise NotImplementedError

    def test_crossing_links_close_no_cycle(self, handles: Handles) -> None:
        handles[0].write(put(A, B, C, D))
        handles[0].write(link(B, A))
        handles[0].write(link(D, C))
        assert sorted(both(handles, link(C, B), link(A, D))) == ["", "LinkCycleError"]
        check(handles)

    def test_a_manifest_and_its_layer_that_arrive_together_are_linked(self, handles: Handles) -> None:
        assert both(handles, put(TOP, links=[LAYER]), put(LAYER)) == ["", ""]
        assert handles[1].read(lambda tx: dict(tx.targets([TOP]))) == {TOP: [LAYER]}
        assert handles[1].read(lambda tx: list(tx.expecting([LAYER]))) == []
        check(handles)

    def test_two_puts_of_one_content_are_two_pins(self, handles: Handles) -> None:
        assert both(handles, put(A), put(A)) == ["", ""]
        assert handles[0].read(lambda tx: dict(tx.counts([A]))) == {A: 2}
        check(handles)

    def test_a_new_name_is_given_once(self, handles: Handles) -> None:
        handles[0].write(put(A, B))
        assert sorted(both(handles, tag("t", A), tag("t", B))) == ["", "TagExistsError"]
        records = handles[0].read(lambda tx: tx.records([A, B]))
        assert sorted((record.pins, record.tags) for record in records.values()) == [(1, 0), (2, 1)]
        check(handles)

    def test_removals_that_share_blobs_free_each_once(self, handles: Handles) -> None:
        for top in (A, B):
            handles[0].write(put(top, C, D))
            for to in (C, D):
                handles[0].write(link(to, top))
        handles[0].write(deref(C, C, D, D))
        assert both(handles, deref(A), deref(B)) == ["", ""]
        assert handles[1].read(lambda tx: (tx.total(), sorted(tx.tombstones(9)))) == (0, sorted([A, B, C, D]))

    def test_a_put_and_a_removal_of_the_last_reference(self, handles: Handles) -> None:
        handles[0].write(put(A))
        assert both(handles, put(A), deref(A)) == ["", ""]
        assert handles[1].read(lambda tx: dict(tx.counts([A]))) == {A: 1}
        assert handles[1].read(lambda tx: list(tx.tombstones(9))) == []
        check(handles)

    def test_a_last_pin_is_dropped_once(self, handles: Handles) -> None:
        handles[0].write(put(A))
        assert sorted(both(handles, deref(A), deref(A))) in (["", "BlobNotFoundError"], ["", "NotPinnedError"])


def check(handles: Handles) -> None:
    """Check that all counts add up, seen through either handle."""
    for index in handles:
        assert index.read(_wrong) == []


def _wrong(tx: Reading) -> list[object]:
    """Return the blobs whose count is not pins plus links, and links that are expected though their target is here."""
    blobs = tx.digests()
    held = {blob: len(holders) for blob, holders in tx.holders(blobs).items()}
    counts = {blob: (one.refcount, one.pins + held.get(blob, 0)) for blob, one in tx.records(blobs).items()}
    return [*(blob for blob, (refcount, true) in counts.items() if refcount != true), *tx.expecting(blobs)]
