"""System calls that fail: a verb holds as a whole or not at all, says what is wrong, and the store goes on."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import failing
import independent_reader as reader
from blobkit.store.local import LocalStore
from workload import fsck

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TORTURE = Path(__file__).parent
Picture = tuple[object, ...]


def picture(root: Path) -> Picture:
    seen = reader.look(root)
    assert not reader.faults(root, seen)
    return seen.blobs, seen.links, seen.tags


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place with the store that all verbs work on, and a file."""
    place = tmp_path_factory.mktemp("before")
    with LocalStore(place / "s", durability="off") as store:
        failing.prepare(store)
    LocalStore(place / "s").close()  # durable: nothing is left to be synced
    (place / "file").write_bytes(b"a file" * 20_000)
    return place


@pytest.fixture(scope="module")
def pictures(before: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Picture]]:
    """What the store is before and after each verb, where nothing fails."""
    found = {}
    for verb, act in failing.VERBS.items():
        place = tmp_path_factory.mktemp("clean") / "p"
        shutil.copytree(before, place)
        with LocalStore(place / "s") as store:
            act(store)
        found[verb] = [picture(before / "s"), picture(place / "s")]
    return found


def traced(before: Path, place: Path, verbs: Iterable[str], *options: str) -> dict[str, dict[str, object]]:
    """Do verbs on stores of their own under strace; return what each raised where, and in which process."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not here: apt install strace")
    for verb in verbs:
        shutil.copytree(before, place / verb)
    script = [sys.executable, "-B", "-W", "error", TORTURE / "failing.py", place, *verbs]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["strace", "-f", "-qq", "--seccomp-bpf", *options, "-o", place / "trace", *script]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here: allow ptrace")
    for verb in verbs:
        assert (place / verb / "raised").exists(), (verb, done.stderr)
    return {verb: json.loads((place / verb / "raised").read_bytes()) for verb in verbs}


@pytest.fixture(scope="module")
def made(before: Path, tmp_path_factory: pytest.TempPathFactory) -> Counter[tuple[str, str]]:
    """How often each verb makes each call, where nothing fails."""
    place = tmp_path_factory.mktemp("made")
    calls = ",".join({call for call, _, _ in CALLS})
    verbs = {
        str(said["pid"]): verb for verb, said in traced(before, place, failing.VERBS, "-e", f"trace={calls}").items()
    }
    lines = re.findall(r"^(\d+) +(\w+)\(", (place / "trace").read_text(), re.MULTILINE)
    return Counter((verbs[pid], call) for pid, call in lines if pid in verbs)


def injected(
    made: Counter[tuple[str, str]], before: Path, place: Path, failure: tuple[str, str, int]
) -> Iterator[tuple[str, Path, dict[str, str]]]:
    """Let the call fail once in each verb that makes it so often; yield the verb, its store, what was raised where."""
    call, error, when = failure
    verbs = [verb for verb in failing.VERBS if made[verb, call] >= when]
    assert verbs, f"there are fewer than {when} {call}"
    options = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]
    for verb, said in traced(before, place, verbs, *options).items():
        yield verb, place / verb / "s", said["raised"]
    assert (place / "trace").read_text().count("INJECTED") >= len(verbs) / 2


CALLS = [
    *(("fsync", "EIO", when) for when in (1, 2, 3)),
    *(("fdatasync", "EIO", when) for when in (1, 2, 3, 4)),
    *(("rename", "ENOSPC", when) for when in (1, 2)),
    *(("unlink", "EIO", when) for when in (1, 2, 3)),
    *(("write", "ENOSPC", when) for when in (1, 2)),
    *(("pwrite64", "ENOSPC", when) for when in (1, 2, 3, 6, 9)),
    *(("pwrite64", "EIO", when) for when in (1, 4, 8)),
    *(("copy_file_range", "ENOSPC", when) for when in (1,)),
    *(("mkdir", "ENOSPC", when) for when in (1,)),
    *(("syncfs", "EIO", when) for when in (1, 2)),
    *(("linkat", "ENOSPC", when) for when in (1, 2)),
]


FAST = {
    ("fsync", "EIO", 1),
    ("linkat", "ENOSPC", 1),
    ("rename", "ENOSPC", 1),
    ("unlink", "EIO", 1),
    ("pwrite64", "ENOSPC", 3),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "failure", [pytest.param(call, marks=[] if call in FAST else pytest.mark.slow, id=str(call)) for call in CALLS]
)
def test_one_failure_is_one_error_and_nothing_is_half_done(
    made: Counter[tuple[str, str]],
    before: Path,
    pictures: dict[str, list[Picture]],
    tmp_path: Path,
    failure: tuple[str, str, int],
) -> None:
    for verb, root, raised in injected(made, before, tmp_path, failure):
        told = (verb, raised)
        assert len(raised) <= (failure[0] != "unlink"), told  # what cannot be unlinked stays for the next time
        assert all("\n" not in text for text in raised.values()), told
        assert picture(root) == pictures[verb][not raised.keys() & {"open", "verb"}], told
        found = fsck(root)
        seen = reader.look(root)
        assert set(found) == {f"orphan: {digest}" for digest in seen.orphans}, told
        assert not reader.faults(root, seen) + reader.leftovers(root, seen), told
