"""Stores on which something fails on purpose: what tests of faults share."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from blobkit.index.pool import Lease
from blobkit.store.journal import entries
from patience import HANG, until
from workload import forked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import NoReturn

    from blobkit.store.local import LocalStore

__all__ = ["at_once", "die", "died", "file", "full_disk", "held", "journal_of", "killed_in", "pins_of", "run", "shown"]


def file(root: Path, digest: str) -> Path:
    """The file of a digest."""
    return root / "blobs" / digest.replace(":", "/")


def held(store: LocalStore) -> list[str]:
    """The digests of the entries of the journal."""
    return [entry.digest for entry in store._index.read(lambda rows: list(entries(rows)))]


def journal_of(store: LocalStore) -> object:
    return store._session.journal


def pins_of(store: LocalStore, digests: Sequence[str]) -> list[int]:
    return [store.get(digest).pins for digest in digests]


def shown(root: Path) -> list[str]:
    """The digests that index.json names."""
    return [entry["digest"] for entry in json.loads((root / "index.json").read_bytes())["manifests"]]


def full_disk(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def died(store: LocalStore) -> None:
    """Let the store go as a process does that is killed."""
    store._index.close()


def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_in(act: Callable[[], object], trouble: Path) -> None:
    """Do something in a child, which is killed while it does it."""
    _, status = os.waitpid(forked(act, trouble), 0)
    assert os.WIFSIGNALED(status), trouble.read_text() if trouble.exists() else "it was not killed"


def at_once(
    store: LocalStore, acts: Sequence[Callable[[], object]], before: Callable[[], object] = bool
) -> list[object]:
    """Let a thread do each of these while another one has the turn to write; return what they returned or raised.

    Each of them puts, so that all of them wait in the queue; then `before` is called, and the turn is given up.
    """
    found: list[object] = [None] * len(acts)

    def do(number: int) -> None:
        try:
            found[number] = acts[number]()
        except BaseException as error:  # noqa: BLE001 (an interrupt, too, is what the test wants to see)
            found[number] = error

    lease = Lease(store._index._pool, writes=True)
    crew = [threading.Thread(target=do, args=(number,)) for number in range(len(acts))]
    for waiting, thread in enumerate(crew, 1):
        thread.start()
        until(lambda waiting=waiting: len(store._index._combining._queue) == waiting)
    before()
    lease.end()
    for thread in crew:
        thread.join(HANG)
    return found


def run(*command: object, **environment: str) -> dict[str, object]:
    """Run a program of the tests; return what it printed, as JSON."""
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    done = subprocess.run([*map(str, command)], env=found, capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
