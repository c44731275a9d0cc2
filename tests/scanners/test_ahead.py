"""A large registry is read with the help of other processes: they find the same, and nothing waits for dead ones."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.scanners.registries import ahead, listing
from blobkit.sources import helpers
from layouts import DOCKER_LIST, Registry, nowhere, sha

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot


@pytest.fixture
def registry(quick_path: Path) -> Registry:
    """A registry with blobs of all forms in many prefixes, and with other things beside them."""
    made = Registry(quick_path / "registry")
    for number in range(40):
        made.push(f"a/{number % 3}", str(number), "base", f"layer {number}")
    one = made.push("b", "1", "base", annotations={"quoted": 'a "b"'})
    made.tag("b", "list", made.revision("b", made.index(one, nowhere(7), mediaType=DOCKER_LIST)))
    made.blob("garbage", label="sha512")
    made.blob("{ no document")
    made.blob(b"")
    made.path(sha(b"layer 3")).write_bytes(b"other content")
    made.path(sha(b"layer 4")).unlink()
    (made.path(sha(b"layer 5")).parent / "beside").mkdir()
    os.link(made.path(sha(b"layer 6")), made.root / "second name")
    (made.v2 / "blobs/sha256/0").mkdir()
    return made


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[helpers.Helper]:
    """The helpers of scans, two from the first prefix on."""
    found: list[helpers.Helper] = []
    real = helpers.started

    def counting(program: list[str]) -> list[helpers.Helper]:
        found.extend(real(program))
        return found

    monkeypatch.setattr(listing, "MANY", 1)
    monkeypatch.setattr(helpers.os, "sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(ahead, "started", counting)
    return found


def facts(snapshot: Snapshot) -> list[object]:
    tables = [getattr(snapshot, table).to_pylist() for table in ("nodes", "links", "pins", "notices")]
    return [*tables, snapshot.disk]


def scan(registry: Registry, *, every_file: bool = True, cache: Path | None = None) -> list[object]:
    address = f"registry:{registry.root}"
    return facts(blobkit.scan(address, progress=False, every_file=every_file, cache=cache or False))


def wait_for(helpers: list[helpers.Helper]) -> None:
    """Let helpers greet before the first prefix is read, so that they are given something to do."""
    while not all(helper.is_idle() for helper in helpers):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("every_file", [True, False])
def test_helpers_find_the_same(
    registry: Registry,
    begun: list[helpers.Helper],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    every_file: bool,
) -> None:
    with monkeypatch.context() as alone:
        alone.setattr(ahead, "started", lambda _: [])
        plain = scan(registry, every_file=every_file)
    start = ahead.Ahead.start
    monkeypatch.setattr(ahead.Ahead, "start", lambda self: (start(self), wait_for(begun)))
    assert scan(registry, every_file=every_file, cache=tmp_path) == plain
    assert [helper.given is not None and helper.is_alive for helper in begun] == [True, True]
    assert all(helper._process.poll() is not None for helper in begun)
    begun.clear()
    assert scan(registry, every_file=every_file, cache=tmp_path) == plain
    assert begun == []  # a second scan has little to read


@pytest.mark.slow
def test_what_a_dead_helper_was_given_is_read_here(
    registry: Registry, begun: list[helpers.Helper], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = helpers.Helper.ask

    def doomed(self: helpers.Helper, request: object) -> None:
        self._process.kill()
        self._process.wait()
        ask(self, request)

    start = ahead.Ahead.start
    plain = scan(registry)
    begun.clear()
    monkeypatch.setattr(ahead.Ahead, "start", lambda self: (start(self), wait_for(begun)))
    monkeypatch.setattr(helpers.Helper, "ask", doomed)
    assert scan(registry) == plain
    assert [helper.is_alive for helper in begun] == [False, False]


@pytest.mark.parametrize("program", ["yes", "sleep", "false", "no such program"])
def test_an_interpreter_that_is_none(
    registry: Registry, begun: list[helpers.Helper], monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    plain = scan(registry)
    begun.clear()
    monkeypatch.setattr(sys, "executable", shutil.which(program) or program)
    assert scan(registry) == plain
    assert not any(helper.given for helper in begun)


def test_a_small_registry_starts_no_process(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "started", lambda _: pytest.fail("a process is started"))
    scan(registry)
