"""The order of writes: killed at any point, a store holds what it acknowledged and nothing that it cannot read."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.store.local import LocalStore
from blobkit.testing.histories import state
from workload import forked

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).parents[2]


def work(root: Path, durability: str, last: int, said: Callable[..., None]) -> None:
    """Do this and that, and say so; die just before the last of what changes files or ends transactions."""
    events = itertools.count(1)

    def passed() -> None:
        if next(events) == last:
            os._exit(9)

    changes = ("os.rename", "os.link", "os.remove", "os.mkdir")
    sys.addaudithook(lambda event, _: passed() if event in changes else None)
    store = LocalStore(root, durability=durability)
    connection = store._index._pool._idle[0]
    connection.set_trace_callback(lambda sql: passed() if sql in ("COMMIT", "BEGIN IMMEDIATE") else None)
    layer = store.put(b"layer").digest
    said("has", layer)
    image = store.put(b"image", links=[layer], tag="app:v1").digest
    said("tag", "app:v1", image)
    other = store.put(b"other", links=[layer]).digest
    said("has", other)
    newer = store.put(b"newer").digest
    said("has", newer)
    said("untag", "app:v1", image)
    store.tag("app:v1", newer, move=True, transfer=True)
    said("tag", "app:v1", newer)
    said("gone", image)
    said("lose", other, layer)
    store.deref(other)
    said("gone", other, layer)
    said("come", layer)
    store.put(b"layer", tag="again")
    said("tag", "again", layer)
    said("untag", "again", layer)
    store.untag("again")
    said("gone", layer)
    store.close()
    said("end")


def killed(root: Path, durability: str, point: int) -> list[list[str]]:
    """Work in a child until that point; return what it acknowledged."""
    log, trouble = root.with_suffix(".log"), root.with_suffix(".trouble")

    def act() -> None:
        told = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        work(root, durability, point, lambda *words: os.write(told, f"{' '.join(words)}\n".encode()))

    code = os.waitstatus_to_exitcode(os.waitpid(forked(act, trouble), 0)[1])
    assert code in (0, 9), trouble.read_text()
    return [line.split() for line in log.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["off", "full"])
def test_killed_at_any_point_nothing_acknowledged_is_lost(quick_path: Path, durability: str) -> None:
    points = 0
    for point in range(1, 200):
        root = quick_path / str(point)
        said = killed(root, durability, point)
        check(root, said)
        shutil.rmtree(root, ignore_errors=True)
        if ["end"] in said:
            break
        points += 1
    assert 40 < points < 180


def check(root: Path, said: list[list[str]]) -> None:
    """Open what a dead process left: everything agrees, and what was acknowledged is there."""
    has, tags, gone = set(), {}, set()
    for verb, *words in said:
        if verb in ("has", "tag"):
            has.add(words[-1])
        if verb == "tag":
            tags[words[0]] = words[1]
        elif verb == "untag":
            del tags[words[0]]
            has.remove(words[1])
        elif verb == "lose":
            has -= set(words)
        elif verb in ("gone", "come"):
            gone = (gone | set(words)) if verb == "gone" else (gone - set(words))
    with LocalStore(root, durability="off") as store:
        known = state(store)
        contents = {f"{path.parent.name}:{path.name}": path.read_bytes() for path in (root / "blobs").glob("*/*")}
        assert has <= known.keys()
        assert known.keys() <= contents.keys(), "a blob without its content"
        assert all(of(data) == digest for digest, data in contents.items())
        links = [target for _, _, targets, _, _ in known.values() for target in targets]
        assert all(refs == pins + links.count(d) for d, (refs, pins, _, _, _) in known.items())
        assert tags.items() <= store.tags().items()
        assert shown(root) == set(store.tags().values())
        assert not store._index.read(lambda rows: rows.tombstones(9))
        assert list((root / ".blobkit/tmp").iterdir()) == []
        assert not gone & known.keys()
        assert not gone & contents.keys()
        assert len(contents.keys() - known.keys()) <= 1, "only what was being put may be left over"


def shown(root: Path) -> set[str]:
    return set(re.findall(r'"digest": "([^"]+)"', (root / "index.json").read_text()))


# The order of system calls, where strace can show it

TRACED = """
import sys
from blobkit.store.local import LocalStore
store = LocalStore(sys.argv[1], durability=sys.argv[2])
with open("/dev/null", "w") as mark:
    mark.write("put"); mark.flush()
    digest = store.put(b"content").digest
    mark.write("large"); mark.flush()
    store.put(b"content" * 10_000)
    mark.write("deref"); mark.flush()
    store.deref(digest)
    mark.write("end"); mark.flush()
store.close()
"""


def traced(root: Path, tmp_path: Path, durability: str) -> dict[str, list[str]]:
    """Return the calls between the marks, each as a word: what was called, on what."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not here: apt install strace")
    trace = tmp_path / "trace"
    calls = "trace=write,fsync,fdatasync,syncfs,rename,renameat2,linkat,unlink,unlinkat,pwrite64"
    command = ["strace", "-f", "-y", "-e", calls, "-o", trace, sys.executable, "-c", TRACED, str(root), durability]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    if subprocess.run(command, env=environment, check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("strace may not trace here: allow ptrace")
    found = {"put": [], "large": [], "deref": [], "end": [], "": []}
    mark = ""
    for line in trace.read_text().splitlines():
        if "/dev/null" in line:
            mark = re.search(r'"(\w*)"', line)[1]
        elif word := named(line):
            found[mark].append(word)
    return found


def named(line: str) -> str:
    """Return `call:where`, for the calls that matter."""
    call = re.match(r"\d+ +(\w+)\(", line)
    where = next(
        (w for w in ("-wal", ".blobkit/tmp/", "blobs/sha256/", "blobs/sha256", "index.sqlite", "store") if w in line),
        "",
    )
    return f"{call[1].replace('fdatasync', 'fsync').replace('pwrite64', 'write')}:{where}" if call and where else ""


def in_order(calls: list[str], *wanted: str) -> None:
    """Hold that the wanted calls happen in this order, whatever is between."""
    rest = iter(calls)
    assert all(word in rest for word in wanted), (wanted, calls)


@pytest.mark.slow
def test_content_is_durable_before_its_name_and_its_name_before_the_commit(tmp_path: Path) -> None:
    calls = traced(tmp_path / "store", tmp_path, "full")
    in_order(
        calls["large"],
        "write:.blobkit/tmp/",
        "fsync:.blobkit/tmp/",
        "rename:.blobkit/tmp/",
        "fsync:blobs/sha256",
        "write:-wal",
        "fsync:-wal",
    )
    in_order(calls["deref"], "write:-wal", "fsync:-wal", "unlink:blobs/sha256/")


@pytest.mark.slow
@pytest.mark.parametrize("durability", ["full", "normal"])
def test_small_content_is_durable_in_the_journal_before_it_has_a_name(tmp_path: Path, durability: str) -> None:
    calls = traced(tmp_path / "store", tmp_path, durability)
    in_order(calls["put"], "write:-wal", "fsync:-wal", "write:.blobkit/tmp/", "linkat:.blobkit/tmp/")
    assert sum("sync" in call for call in calls["put"]) == 1
    in_order(calls["end"], "syncfs:store", "write:-wal")


@pytest.mark.slow
def test_a_removal_is_durable_before_the_file_goes_at_every_level(tmp_path: Path) -> None:
    for durability in ("normal", "off"):
        calls = traced(tmp_path / durability, tmp_path, durability)
        in_order(calls["deref"], "write:-wal", "fsync:-wal", "unlink:blobs/sha256/")
        assert "fsync:-wal" not in calls["large"]
        assert ("fsync:.blobkit/tmp/" in calls["large"]) == (durability == "normal")
        assert ("fsync:blobs/sha256" in calls["large"]) == (durability == "normal")
        assert durability == "normal" or not any("sync" in call for call in calls["put"])
