"""Trees weigh what `find` and `du` say, alone and by several processes, which end whatever happens."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blobkit.sources import helpers, trees, walking
from blobkit.sources.trees import Weight, weigh, weigh_each
from unprivileged import barred, common

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["common"]


@pytest.fixture(params=["alone", "helped"])
def _shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the help of other processes from the first directory on, and without."""
    if request.param == "helped":
        monkeypatch.setattr(trees, "ALONE", 1)
        monkeypatch.setattr(trees, "BATCH", 8)
        monkeypatch.setattr(helpers.os, "sched_getaffinity", lambda _: {0, 1, 2})
    else:
        monkeypatch.setattr(trees, "_started", list)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for number in range(60):
        place = root / f"{number % 7}/{number % 3}/{number}"
        place.mkdir(parents=True)
        for size in range(number % 4):
            (place / f"file-{size}").write_bytes(b"x" * (number * 100 + size))
    (root / "1/link").symlink_to("/etc")
    os.mkfifo(root / "1/pipe")
    (root / os.fsdecode(b"\xff\n")).mkdir()
    (root / os.fsdecode(b"\xff\n") / os.fsdecode(b"\xfe")).write_bytes(b"odd name")
    return root


def by_find(*roots: Path) -> tuple[int, int, int, int]:
    """Size, disk, number and time of the newest file, each inode once."""
    run = subprocess.run(
        ["find", *roots, "-xdev", "-type", "f", "-printf", "%D:%i %s %b %T@\\n"], check=True, capture_output=True
    )
    found = {line.split()[0]: line.split()[1:] for line in run.stdout.decode().splitlines()}
    sizes, blocks, times = zip(*found.values(), strict=True)
    newest = max(int(one.partition(".")[0]) * 10**6 + int(one.partition(".")[2][:6]) for one in times)
    return sum(map(int, sizes)), sum(map(int, blocks)) * 512, len(found), newest


def figures(weight: Weight) -> tuple[int, int, int, int]:
    return weight.size, weight.disk, weight.files, weight.modified


@pytest.mark.usefixtures("_shared")
def test_a_tree_weighs_what_find_says(tree: Path) -> None:
    found = weigh([os.fspath(tree)])
    assert figures(found) == by_find(tree)
    assert (found.unread, found.outside) == ([], {})


@pytest.mark.usefixtures("_shared")
def test_a_file_with_several_names_counts_once_over_all_trees(tree: Path) -> None:
    (tree / "2/first").write_bytes(b"shared" * 1_000)
    (tree / "2/0/second").hardlink_to(tree / "2/first")
    (tree / "4/third").hardlink_to(tree / "2/first")
    inode = (tree / "2/first").stat()
    both = weigh([os.fspath(tree / "2"), os.fspath(tree / "4")])
    assert figures(both) == by_find(tree / "2", tree / "4")
    assert both.outside == {}
    each = weigh_each({"two": [os.fspath(tree / "2")], "four": [os.fspath(tree / "4")], "none": []})
    assert [figures(each[key]) for key in ("two", "four")] == [by_find(tree / "2"), by_find(tree / "4")]
    assert each["none"] == Weight()
    key = inode.st_dev, inode.st_ino
    assert each["two"].outside == each["four"].outside == {key: 6_000}


@pytest.mark.usefixtures("_shared")
def test_paths_that_are_files_links_or_absent(tree: Path) -> None:
    (tree / "file").write_bytes(b"content")
    found = weigh([os.fspath(tree / name) for name in ("file", "absent", "1/link", "1/pipe", "file")])
    assert (found.size, found.files, found.unread) == (7, 1, [])


def test_what_may_not_be_read_is_told(common: Path) -> None:
    """The figures are a lower bound then."""
    (common / "open").write_bytes(b"seen")
    (common / "closed").mkdir()
    (common / "closed/file").write_bytes(b"x")
    with barred(common / "closed"):
        found = weigh([os.fspath(common), os.fspath(common / "closed/file")])
    assert (found.size, found.files) == (4, 1)
    assert [(path, error.errno) for path, error in found.unread] == [
        (os.fspath(common / "closed/file"), errno.EACCES),
        (os.fspath(common / "closed"), errno.EACCES),
    ]


def test_another_file_system_is_not_entered() -> None:
    """/dev has others below it on most systems; `find -xdev` does the same."""
    assert weigh(["/dev"]).size == sum(
        int(size)
        for size in subprocess.run(
            ["find", "/dev", "-xdev", "-type", "f", "-printf", "%s\\n"], capture_output=True, check=False
        ).stdout.split()
    )


def test_what_is_mounted_below_is_not_entered(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a mount changes is the device that the directory below is on."""
    real, inside = os.fstat, (tree / "3").stat().st_ino

    def fstat(fd: int) -> os.stat_result:
        info = real(fd)
        return os.stat_result((*info[:2], info.st_dev + (info.st_ino == inside), *info[3:]))

    monkeypatch.setattr(walking.os, "fstat", fstat)
    assert weigh([os.fspath(tree)]).size == by_find(tree)[0] - by_find(tree / "3")[0]
    assert weigh([os.fspath(tree / "3/0")]).size == by_find(tree / "3/0")[0]


def test_a_helper_that_dies_is_done_without(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "ALONE", 1)
    monkeypatch.setattr(trees, "BATCH", 8)
    begun: list[helpers.Helper] = []

    def doomed(program: list[str]) -> Iterator[helpers.Helper]:
        monkeypatch.setattr(helpers.os, "sched_getaffinity", lambda _: {0, 1, 2})
        begun.extend(helpers.started(program))
        begun[0]._process.kill()
        begun[0]._process.wait()
        return iter(begun)

    monkeypatch.setattr(trees, "started", doomed)
    assert figures(weigh([os.fspath(tree)])) == by_find(tree)
    assert [one.is_alive for one in begun] == [False, True]
    assert all(one._process.poll() is not None for one in begun)


@pytest.mark.parametrize("program", ["yes", "sleep", "false", "no such program"])
def test_an_interpreter_that_is_none(tree: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Programs that embed Python are what `sys.executable` names then: nothing waits for their answer."""
    monkeypatch.setattr(trees, "ALONE", 1)
    monkeypatch.setattr(trees, "BATCH", 8)
    monkeypatch.setattr(helpers.os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(helpers.sys, "executable", shutil.which(program) or program)
    assert figures(weigh([os.fspath(tree)])) == by_find(tree)


@pytest.mark.slow
def test_an_interrupt_leaves_no_process(tmp_path: Path) -> None:
    """The helpers end with the process that asked, also if it is killed."""
    script = (
        "import sys, blobkit.sources.trees as trees, blobkit.sources.helpers as helpers\n"
        "trees.ALONE = 1; helpers.os.sched_getaffinity = lambda _: {0, 1, 2}\n"
        "walk = trees.walk\n"
        "def slowly(todo, limit, found):\n"
        "    walk(todo[:0], limit, found)\n"
        "    print('begun', flush=True)\n"
        "    import time; time.sleep(0.02)\n"
        "trees.walk = slowly\n"
        "trees.weigh([sys.argv[1]])\n"
    )
    for number in (signal.SIGINT, signal.SIGKILL):
        with subprocess.Popen(
            [sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            for _ in range(3):
                assert process.stdout.readline() == b"begun\n"  # type: ignore[union-attr]
            helpers = children(process.pid)
            assert len(helpers) == 2
            process.send_signal(number)
        until = time.monotonic() + 20
        while any(Path(f"/proc/{pid}/cmdline").exists() for pid in helpers) and time.monotonic() < until:
            time.sleep(0.01)
        assert not any(Path(f"/proc/{pid}/cmdline").exists() for pid in helpers)


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
