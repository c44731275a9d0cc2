"""Large content: hashed beside the writing, in little memory, whole or not at all, whatever interrupts it."""

from __future__ import annotations

import _thread
import array
import ctypes
import errno
import gc
import hashlib
import io
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from blobkit.digest import of
from blobkit.errors import WriterClosedError
from blobkit.store import hashing
from blobkit.store.hashing import BEHIND, CHUNK, Hasher
from blobkit.store.local import LocalStore
from blobkit.store.writer import SMALL
from patience import HANG, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from blobkit.store.ingest import Data

REPOSITORY = Path(__file__).parents[2]
LARGE = random.Random(1).randbytes(11 * CHUNK + 12345)  # noqa: S311 (content, not a secret)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore(tmp_path / "store", durability="off") as store, no_thread_more():
        yield store
        assert temporaries(store) == []


def temporaries(store: LocalStore) -> list[Path]:
    return list((store.root / ".blobkit" / "tmp").iterdir())


@contextmanager
def no_thread_more() -> Iterator[None]:
    """Hold that there are no more threads afterwards than before; those that were told to end are waited for."""
    before = _thread._count()
    yield
    until(lambda: _thread._count() <= before)


def in_pieces(store: LocalStore, data: bytes, size: int) -> str:
    with store.new_writer() as writer:
        for start in range(0, len(data), size):
            assert writer.write(data[start : start + size]) == len(data[start : start + size])
        return writer.commit().digest


SIZES = [0, 1, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, SMALL, SMALL + 1, SMALL + CHUNK, 6 * CHUNK, len(LARGE)]


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_every_way_in_stores_the_same_bytes(store: LocalStore, tmp_path: Path, size: int) -> None:
    data = LARGE[:size]
    path = tmp_path / "data"
    path.write_bytes(data)
    ways: list[Callable[[], str]] = [
        lambda: store.put(data).digest,
        lambda: store.put(bytearray(data)).digest,
        lambda: store.put(path).digest,
        lambda: store.put(io.BytesIO(data)).digest,
        lambda: store.put(Reader(data)).digest,
        lambda: in_pieces(store, data, 7_777),
        lambda: in_pieces(store, data, 1 << 16),
        lambda: in_pieces(store, data, CHUNK),
        lambda: in_pieces(store, data, 3 * CHUNK + 1),
    ]
    for way in ways:
        assert way() == of(data)
        assert store.get(of(data)).read() == data
        (store.root / "blobs/sha256" / of(data)[7:]).unlink()


class Reader:
    """A file that can only `read`, and gives less than it is asked for."""

    def __init__(self, data: bytes, end: Callable[[], bytes] = bytes) -> None:
        self._file, self._end = io.BytesIO(data), end

    def read(self, size: int) -> bytes:
        return self._file.read(size // 3) or self._end()


def test_an_open_file_gives_what_it_still_has(store: LocalStore, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(LARGE)
    for buffering in (0, -1):
        with path.open("rb", buffering=buffering) as file:
            file.read(1000)
            assert store.put(file).digest == of(LARGE[1000:])
            assert file.read() == b""
            assert store.put(file).digest == of(b"")


def test_the_digest_is_right_at_any_moment(store: LocalStore) -> None:
    chance, expected = random.Random(2), hashlib.sha512()  # noqa: S311 (sizes, not a secret)
    with store.new_writer("sha512") as writer:
        left = memoryview(LARGE)
        while left:
            size = chance.choice([1, 1000, 1 << 16, CHUNK, CHUNK + 1, 5 * CHUNK])
            writer.write(left[:size])
            expected.update(left[:size])
            left = left[size:]
            assert writer.digest == f"sha512:{expected.hexdigest()}"
    assert writer.digest == f"sha512:{expected.hexdigest()}"
    with store.new_writer() as writer:
        writer.write(LARGE)
        writer.cancel()
    assert writer.digest == of(LARGE)


@pytest.mark.slow
@pytest.mark.parametrize("size", [1000, 1 << 16, CHUNK, CHUNK + 1, 6 * CHUNK])
def test_a_buffer_may_change_as_soon_as_it_is_written(store: LocalStore, size: int) -> None:
    expected, buffer = hashlib.sha256(), bytearray(size)
    with store.new_writer() as writer:
        for number in range(max(12, 4 * CHUNK // size)):
            buffer[:] = bytes([number % 251]) * size
            expected.update(buffer)
            writer.write(buffer)
            buffer[:] = bytes(size)
            buffer.append(0)  # nobody holds it any more
            buffer.pop()
    digest = writer.digest
    assert digest == f"sha256:{expected.hexdigest()}"
    assert of(store.get(digest).read()) == digest


def test_any_contiguous_buffer_is_taken_and_others_are_named(store: LocalStore) -> None:
    table = np.zeros(3, [("a", "<u4"), ("b", "S3")])
    good = [array.array("I", [1, 2]), memoryview(bytes(6)).cast("B", (2, 3)), np.arange(12).reshape(3, 4), table]
    good += [ctypes.c_int(7), np.empty((0, 3)), memoryview(b"")]
    for data in good:
        with store.new_writer() as writer:
            assert writer.write(data) == memoryview(data).nbytes
        assert store.get(writer.digest).read() == bytes(memoryview(data))
    with store.new_writer() as writer:
        writer.write(b"before ")
        for bad, words in (
            (memoryview(bytes(9))[::2], "C-contiguous"),
            ("text", "str"),
            (7, "int"),
            (None, "NoneType"),
        ):
            with pytest.raises(TypeError, match=words):
                writer.write(bad)
        writer.write(b"after")  # what was refused leaves the writer as it was
    assert writer.digest == of(b"before after")


def test_files_that_give_no_bytes_are_refused(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    with (tmp_path / "text").open() as text, pytest.raises(TypeError, match="'rb'"):
        store.put(text)
    receive, send = os.pipe()
    os.set_blocking(receive, False)
    with os.fdopen(receive, "rb", buffering=0) as file, pytest.raises(BlockingIOError, match="make it blocking"):
        store.put(file)
    os.close(send)
    assert store.list() == []


# Errors: once, and nothing is left


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let the system refuse longer files, as a full disk does (EFBIG)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [1 << 16, CHUNK, 6 * CHUNK])
def test_an_error_of_writing_is_raised_once_and_nothing_is_kept(store: LocalStore, size: int) -> None:
    writer = store.new_writer()
    pieces = (LARGE[start : start + size] for start in range(0, len(LARGE), size))
    with files_up_to(5 * CHUNK + 5), pytest.raises(OSError, match="too large") as caught:
        list(map(writer.write, pieces))
    assert caught.value.errno == errno.EFBIG
    assert temporaries(store) == []
    for verb in (lambda: writer.write(b"x"), writer.commit, lambda: writer.digest):
        with pytest.raises(WriterClosedError, match="stopped by an error"):
            verb()
    writer.cancel()
    assert store.list() == []


def test_an_error_of_copying_a_path_is_the_one_of_writing(store: LocalStore, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(LARGE)
    with files_up_to(5 * CHUNK + 5), pytest.raises(OSError, match="too large"):
        store.put(path)
    assert store.list() == []


class BrokenError(Exception):
    pass


@pytest.mark.parametrize("error", [BrokenError, KeyboardInterrupt])
@pytest.mark.parametrize("size", [1000, len(LARGE)])
def test_a_source_that_breaks_leaves_nothing(store: LocalStore, error: type[BaseException], size: int) -> None:
    def end() -> bytes:
        raise error

    with pytest.raises(error):
        store.put(Reader(LARGE[:size], end))
    assert temporaries(store) == []
    assert store.list() == []


HITS = 10 * int(os.environ.get("BLOBKIT_TORTURE", "1"))


@pytest.mark.slow
@pytest.mark.usefixtures("frozen")
def test_an_interrupt_at_any_moment_leaves_nothing_and_stops_nothing(store: LocalStore, tmp_path: Path) -> None:
    path, chance, hits = tmp_path / "data", random.Random(3), 0  # noqa: S311 (moments, not a secret)
    path.write_bytes(LARGE)
    begun = time.perf_counter()
    for _ in range(3):
        discard(store, LARGE)
    once = (time.perf_counter() - begun) / 3  # moments are parts of the work, however long that takes here
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        while hits < HITS:
            put = chance.choice([path, LARGE, bytearray(LARGE), io.BytesIO(LARGE)])
            with no_thread_more():
                try:
                    signal.setitimer(signal.ITIMER_REAL, once * chance.uniform(0.02, 1))
                    discard(store, put)
                except BrokenError:
                    hits += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
                gc.collect()
            assert temporaries(store) == []
    finally:
        signal.signal(signal.SIGALRM, before)
    assert store.put(path).digest == of(LARGE)


def discard(store: LocalStore, data: Data) -> None:
    with store.new_writer() as writer:
        writer.draw(data)
        writer.cancel()


def interrupt(_signal: int, frame: FrameType | None) -> None:
    """Raise, but not where nobody could catch it: before and after the writer's work, and in a finalizer."""
    names = []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    if {"draw", "cancel", "__exit__"} & set(names) and "__del__" not in names:
        raise BrokenError


def test_a_writer_that_is_dropped_ends_its_thread_and_its_file(store: LocalStore) -> None:
    with no_thread_more():
        threads = _thread._count()
        writer = store.new_writer()
        writer.write(LARGE)
        assert (_thread._count(), len(temporaries(store))) == (threads + 1, 1)
        del writer
        gc.collect()
    assert temporaries(store) == []


def test_the_interpreter_ends_with_a_writer_that_was_left_open(tmp_path: Path) -> None:
    script = (
        "import sys, blobkit\n"
        "store = blobkit.LocalStore(sys.argv[1], durability='off')\n"
        "writer = store.new_writer()\n"
        "for _ in range(5): writer.write(bytes(1 << 20))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, tmp_path / "store"],
        env=environment,
        timeout=HANG,
        check=True,
        capture_output=True,
    )
    assert done.stderr == b""
    with LocalStore(tmp_path / "store", durability="off") as store:
        assert temporaries(store) == store.list() == []


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_writer_is_refused_in_the_middle_of_large_content(store: LocalStore) -> None:
    writer = store.new_writer()
    writer.write(LARGE)
    child = os.fork()
    if not child:
        signal.alarm(int(HANG))
        refused = 0
        for verb in (lambda: writer.write(LARGE), lambda: writer.draw(LARGE), writer.commit, lambda: writer.digest):
            try:
                verb()
            except WriterClosedError:
                refused += 1
        writer.cancel()
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
    writer.write(b"more")
    assert writer.commit().digest == of(LARGE + b"more")
    assert of(store.get(writer.digest).read()) == writer.digest


def test_where_no_thread_can_be_started_the_writer_hashes_itself(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        msg = "can't start new thread"
        raise RuntimeError(msg)

    monkeypatch.setattr(hashing, "start_new_thread", refuse)
    assert store.put(LARGE).digest == of(LARGE)
    assert store.put(io.BytesIO(LARGE[1:])).digest == of(LARGE[1:])
    assert in_pieces(store, LARGE[2:], 1000) == of(LARGE[2:])


def test_an_error_in_the_thread_is_raised_where_its_work_is_awaited() -> None:
    def update(piece: memoryview) -> None:
        raise BrokenError(len(piece))

    with no_thread_more():
        hasher = Hasher(update)
        hasher.hand(memoryview(b"abc"))
        with pytest.raises(BrokenError, match="3"):
            hasher.settle()
        hasher.stop()


def test_only_a_few_pieces_wait_to_be_hashed() -> None:
    gate, handed = threading.Event(), []
    hasher = Hasher(lambda _: gate.wait(HANG))

    def hand() -> None:
        for number in range(20):
            hasher.hand(memoryview(b"x"))
            handed.append(number)

    thread = threading.Thread(target=hand)
    thread.start()
    until(lambda: len(handed) >= BEHIND)
    time.sleep(0.2)  # it would hand over more, if it did not wait
    waiting = len(handed)
    gate.set()
    thread.join()
    hasher.settle()
    assert (waiting, len(handed)) == (BEHIND, 20)


@pytest.mark.slow
def test_memory_stays_flat(tmp_path: Path) -> None:
    script = (
        "import resource, sys, blobkit\n"
        "store = blobkit.LocalStore(sys.argv[1], durability='off')\n"
        "store.put(bytes(1 << 22))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "with open(sys.argv[2], 'rb') as file: store.put(file)\n"
        "store.put(sys.argv[2])\n"
        "with store.new_writer() as writer:\n"
        "    for _ in range(4096): writer.write(bytearray(1 << 16))\n"
        "    for _ in range(256): writer.write(b'x' * (1 << 20))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    with (tmp_path / "data").open("wb") as file:
        file.truncate(256 << 20)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", script, tmp_path / "store", tmp_path / "data"]
    grown = int(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)
    assert grown < 32 << 10
