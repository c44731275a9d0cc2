"""Run a coroutine to its end from code that is not asynchronous, also inside of a running loop (as in Jupyter)."""

from __future__ import annotations

import asyncio
import contextvars
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

__all__ = ["run"]

T = TypeVar("T")
SOON = 5.0
"""Seconds in which a thread begins, unless an interrupt came before it could."""


def run(make: Callable[[], Coroutine[object, object, T]]) -> T:
    """Return the result of the coroutine that `make` returns, or raise its error. Its loop runs in a thread of its own.

    An interrupt (Ctrl-C) cancels the coroutine, waits until it has cleaned up, and is raised then. Another interrupt
    meanwhile does not wait.
    """
    running = _Running(make)
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(running.work), name="blobkit-web", daemon=True)
    with _interrupts():
        try:
            thread.start()
            running.done.wait()  # to join the thread would not do: in Python 3.11 it counts as ended once interrupted
        except BaseException:
            running.cancel()
            if running.begun.wait(SOON):
                running.done.wait()
                thread.join()
            raise
        thread.join()
    return running.outcome()


@contextmanager
def _interrupts() -> Iterator[None]:
    """Let Ctrl-C interrupt: `asyncio.run` turns it into a wish that its loop hears of when this is over."""
    if threading.current_thread() is not threading.main_thread() or not _is_in_a_loop():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before or signal.default_int_handler)


class _Running(Generic[T]):
    """A coroutine in its thread, and its end."""

    def __init__(self, make: Callable[[], Coroutine[object, object, T]]) -> None:
        self._make = make
        self.begun, self.done = threading.Event(), threading.Event()
        self._task: asyncio.Task[T] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_cancelled = False
        self._results: list[T] = []
        self._error: BaseException | None = None

    def work(self) -> None:
        self.begun.set()
        try:
            asyncio.run(self._main())
        except BaseException as error:  # noqa: BLE001 (it is raised where the result is asked for)
            self._error = error
        finally:
            self.done.set()

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.ensure_future(self._make())
        if self._is_cancelled:
            self._task.cancel()
        self._results.append(await self._task)

    def cancel(self) -> None:
        """End the coroutine; also one that is just about to begin."""
        self._is_cancelled = True
        loop, task = self._loop, self._task
        if loop is not None and task is not None:
            with suppress(RuntimeError):  # it ended meanwhile
                loop.call_soon_threadsafe(task.cancel)

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._results[0]


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
