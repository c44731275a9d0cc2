"""A coroutine runs to its end wherever it is called from, and an interrupt cleans up."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading

import pytest

from blobkit.sources.web import waiting
from blobkit.sources.web.waiting import run
from patience import until


async def doubled(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_the_result_comes_back() -> None:
    assert run(lambda: doubled(21)) == 42


def test_an_error_comes_back() -> None:
    async def main() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        run(main)


def test_it_runs_inside_of_a_running_loop() -> None:
    async def main() -> int:
        return run(lambda: doubled(21))

    assert asyncio.run(main()) == 42


def test_it_runs_in_several_threads_at_once() -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda n=n: found.append(run(lambda: doubled(n)))) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 2, 4, 6, 8]


def test_context_goes_along() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")

    async def main() -> str:
        return variable.get()

    variable.set("here")
    assert run(main) == "here"


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    run(lambda: doubled(1))
    assert threading.active_count() == before


INTERRUPTED = """
import asyncio, signal, threading
from blobkit.sources.web.waiting import run

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background of a shell ignores it


async def main():
    print("running", flush=True)
    try:
        await asyncio.sleep(1000)
    finally:
        await asyncio.sleep(0.01)
        print("clean", flush=True)

try:
    run(main)
except KeyboardInterrupt:
    print("interrupted", threading.active_count(), flush=True)
"""
IN_A_LOOP = INTERRUPTED.replace("    run(main)\n", "    async def outer(): run(main)\n    asyncio.run(outer())\n")


@pytest.mark.parametrize("program", [INTERRUPTED, IN_A_LOOP])
def test_an_interrupt_cancels_waits_and_is_raised(program: str) -> None:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout.read() == "clean\ninterrupted 1\n"


@pytest.mark.parametrize("number", [1, 2])
def test_an_interrupt_before_the_coroutine_began_cancels_it(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first wait is for the thread to begin, the second for its end."""
    begun: list[bool] = []

    async def main() -> None:
        begun.append(True)
        await asyncio.sleep(1000)

    wait = threading.Event.wait
    waits: list[int] = []

    def interrupted(event: threading.Event, timeout: float | None = None) -> bool:
        waits.append(1)
        if len(waits) == number:
            raise KeyboardInterrupt
        return wait(event, timeout)

    monkeypatch.setattr(threading.Event, "wait", interrupted)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert len(begun) <= 1
    until(lambda: threading.active_count() == before)


def test_an_interrupt_before_the_thread_began_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: threading.Thread) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    monkeypatch.setattr(waiting, "SOON", 0.01)
    with pytest.raises(KeyboardInterrupt):
        run(lambda: doubled(1))
