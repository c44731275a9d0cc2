"""An interrupt between any two steps of the interpreter leaves no open descriptor, no temporary file and no thread."""

from __future__ import annotations

import gc
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.content.temporary import StagedFile, StagingArea

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # a file that an interrupt closes says so
    pytest.mark.usefixtures("frozen"),
]

HERE = os.path.dirname(blobkit.__file__)  # noqa: PTH120 (as the file names of frames)
LARGE = bytes(range(256)) * 8_193
"""More than what is hashed without a thread of its own."""


class StopError(BaseException):
    """What Ctrl-C raises, but nothing else does."""


def is_final(frame: FrameType | None) -> bool:
    """Whether a frame is one of a finalizer, or was called by one."""
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def interrupting(at: int, places: tuple[str, ...]) -> Callable[[FrameType, str, Any], Any]:
    """Return a tracer that raises before the step `at` in these files of blobkit, but for finalizers: they hide it."""
    left = at

    def trace(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401 (a tracer)
        nonlocal left
        if event == "call":
            path = frame.f_code.co_filename
            if not path.startswith(HERE) or not path.endswith(places) or is_final(frame):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            return trace
        if event == "opcode":
            if not left:
                left -= 1
                raise StopError
            left -= 1
        return trace

    return trace


def held() -> tuple[int, int]:
    """How many descriptors and threads this process has."""
    return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))  # noqa: PTH208 (only their number)


def wait_for(before: tuple[int, int], step: int) -> None:
    """Wait for a thread that is about to end; what is held longer is lost."""
    for _ in range(1000):
        if held() == before:
            return
        time.sleep(0.01)
    pytest.fail(f"at step {step}: descriptors and threads {held()}, before {before}")


def interrupted_everywhere(
    work: Callable[[], object], places: tuple[str, ...], temporaries: Path, *, every: int = 1
) -> int:
    """Interrupt work at every step; return how many there were. What it left is what was there before."""
    threads = held()[1]
    work()
    before = held()[0], threads
    step = 0
    while True:
        sys.settrace(interrupting(step, places))
        try:
            work()
        except StopError:
            step += every
        else:
            return step
        finally:
            sys.settrace(None)
        if held() != before:
            gc.collect()
            wait_for(before, step)
        assert os.listdir(temporaries) == [], f"at step {step}"  # noqa: PTH208 (names)


def stage(directory: Path) -> None:
    staged = StagedFile(str(directory), sync=True)
    try:
        staged.write(memoryview(b"content"))
        staged.seal()
    finally:
        staged.discard()


def stage_many(directory: Path) -> None:
    area = StagingArea(str(directory), sync=False)
    try:
        file = area.stage()
        file.write(memoryview(b"content"))
        file.seal()
        area.seal()
    finally:
        area.discard()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux counts descriptors in /proc")
@pytest.mark.parametrize("work", [stage, stage_many])
def test_an_interrupt_while_something_is_staged(quick_path: Path, work: Callable[[Path], None]) -> None:
    places = ("temporary.py", "descriptors.py", "appending.py")
    assert interrupted_everywhere(lambda: work(quick_path), places, quick_path) > 100


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux counts descriptors in /proc")
@pytest.mark.parametrize("verb", [pytest.param("put", marks=pytest.mark.slow), "put_many", "read", "open", "tag"])
def test_an_interrupt_while_content_is_written_or_read(quick_path: Path, verb: str) -> None:
    with blobkit.LocalStore(quick_path / "store", durability="off") as store:
        digest = store.put(b"content", tag="x").digest
        work = {
            "put": lambda: store.put(b"more", tag="y"),
            "put_many": lambda: store.put_many([b"more"]),
            "read": lambda: store.get(digest).read(),
            "open": lambda: store.open(digest).close(),
            "tag": lambda: store.tag("y", digest),
        }[verb]
        places = ("temporary.py", "descriptors.py", "directory.py", "layout.py")
        assert interrupted_everywhere(work, places, quick_path / "store" / ".blobkit" / "tmp") > 20
        store.put(b"still works")
        assert not store.fsck(progress=False).left


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="only Linux counts threads in /proc")
def test_an_interrupt_while_a_thread_hashes(quick_path: Path) -> None:
    with blobkit.LocalStore(quick_path / "store", durability="off") as store:

        def discard() -> None:
            with store.new_writer() as writer:
                writer.write(LARGE)
                writer.cancel()

        temporaries = quick_path / "store" / ".blobkit" / "tmp"
        assert interrupted_everywhere(discard, ("hashing.py",), temporaries, every=7) > 100
