"""The gate never lets too many in, loses no place, and learns slowly."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.sources.web.gate import Gate
from remote_servers.played import Time

if TYPE_CHECKING:
    from collections.abc import Coroutine


def run(main: Coroutine[object, object, None]) -> None:
    asyncio.run(main)


ACTS = st.sampled_from(["good", "refused", "cancelled", "failed"])


@given(st.integers(1, 6), st.lists(st.tuples(ACTS, st.integers(0, 3)), min_size=1, max_size=40))
def test_never_too_many_inside_and_all_get_their_turn(at_once: int, visitors: list[tuple[str, int]]) -> None:
    time = Time()
    gate = Gate(at_once, time.timing())
    inside, done = 0, 0

    async def visit(act: str, turns: int) -> None:
        nonlocal inside, done
        era = await gate.enter()
        try:
            inside += 1
            assert inside <= at_once
            for _ in range(turns):
                await asyncio.sleep(0)
            if act == "good":
                gate.grow()
            if act == "refused":
                gate.shrink(era)
                gate.pause(turns)
            if act == "failed":
                raise OSError
        finally:
            inside -= 1
            gate.leave()
            done += 1

    async def main() -> None:
        tasks = [asyncio.create_task(visit(*visitor)) for visitor in visitors]
        for task, (act, turns) in zip(tasks, visitors, strict=True):
            if act == "cancelled":
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        await asyncio.wait_for(gate.enter(), 60)
        gate.leave()

    run(main())
    assert inside == 0
    assert done >= sum(act != "cancelled" for act, _ in visitors)


def test_a_turn_that_is_given_to_one_who_left_goes_to_the_next() -> None:
    async def main() -> None:
        gate = Gate(1, Time().timing())
        await gate.enter()
        first, second = asyncio.create_task(gate.enter()), asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        gate.leave()  # wakes the first
        first.cancel()
        await asyncio.wait_for(second, 60)

    run(main())


def test_cancelled_in_a_pause_gives_the_place_back() -> None:
    async def main() -> None:
        time = Time()
        gate = Gate(1, time.timing())
        gate.pause(5)
        waiting = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.wait_for(gate.enter(), 60)
        assert time.clock >= 5

    run(main())


def test_the_limit_halves_once_an_era_and_grows_by_one_in_eight_rounds() -> None:
    async def main() -> None:
        gate = Gate(16, Time().timing())
        eras = [await gate.enter() for _ in range(16)]
        for era in eras:
            gate.shrink(era)
        assert gate.limit == 8
        for _ in range(16):
            gate.leave()
        answers = 0
        while gate.limit == 8:
            gate.grow()
            answers += 1
        assert 64 <= answers <= 72
        for _ in range(9):
            gate.shrink(await gate.enter())
            gate.leave()
        assert gate.limit == 1
        for _ in range(10_000):
            gate.grow()
        assert gate.limit == 16

    run(main())
