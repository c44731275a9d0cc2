"""The order of writes of a remote store loses nothing, whenever requests land; the orders that lose are found out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from protocol_model import Order, search

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol_model import Process, Step, World

CASES = {
    "as on one machine, under the lock": (Order(locked=True), ("LEAK",), "LOST"),
    "the same, where nobody dies": (Order(locked=True, crashes=0), (), ""),
    "intents and claims, one key a digest": (Order(once=False), ("LEAK", "STUCK"), "LOST"),
    "every key once, tombstones of intents forgotten at once": (Order(keeps=False, sweepers=1), (), "LEAK"),
    "the same, what it loses": (Order(keeps=False, sweepers=1, crashes=1), ("LEAK",), ""),
}


@pytest.mark.parametrize("case", CASES)
def test_orders_of_writes(case: str) -> None:
    order, ignored, fault = CASES[case]
    found = search(order, ignored)
    print(found.states, *found.steps, sep="\n")  # noqa: T201 (shown where it is another one)
    assert found.fault == fault


def test_the_order_that_loses_is_found_by_its_late_delete() -> None:
    found = search(Order(locked=True), ("LEAK",))
    died, landed = (
        next(i for i, step in enumerate(found.steps) if text in step) for text in ("dies", "DELETE c of 2 takes effect")
    )
    assert died < landed < len(found.steps)


class TrustingOrder(Order):
    """A writer that does not look whether its intent is still there."""

    def _client_sent(self, world: World, who: int, process: Process) -> Iterator[Step]:
        yield from super()._client_sent(world._replace(intents=world.intents | {(process.key, who)}), who, process)


class ForgetfulOrder(Order):
    """A writer that leaves no tombstone of the copy that nobody needs."""

    def _client_sent(self, world: World, who: int, process: Process) -> Iterator[Step]:
        for label, after in super()._client_sent(world, who, process):
            yield label, after._replace(graves=world.graves)


@pytest.mark.parametrize(("order", "fault"), [(TrustingOrder(), "LOST"), (ForgetfulOrder(), "LEAK")])
def test_each_part_of_the_order_is_needed(order: Order, fault: str) -> None:
    assert search(order).fault == fault


@pytest.mark.slow
def test_every_key_once_with_intents_holds() -> None:
    """Two clients, two sweepers, two of them may die: nothing is lost, miscounted, leaked or stuck."""
    found = search(Order())
    assert (found.fault, found.steps) == ("", [])
    assert found.states > 100_000, "this searches next to nothing"


@pytest.mark.slow
def test_it_holds_for_three_clients(more: int) -> None:
    """With BLOBKIT_TORTURE=2, one of them may die."""
    found = search(Order(clients=3, sweepers=1, crashes=min(more - 1, 1)))
    assert (found.fault, found.steps) == ("", [])
