"""A second scan with the cache reads the link files that changed, whatever the change leaves as it was."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import blobkit
from layouts import Registry, nowhere

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600 * 10**9
ONE, TWO = "repo/_manifests/tags/1/current/link", "repo/_manifests/tags/2/current/link"


@pytest.fixture
def registry(quick_path: Path) -> Registry:
    """A registry with tags and revisions, written an hour ago."""
    made = Registry(quick_path / "registry")
    for repository in ("repo", "other"):
        for tag in "123":
            made.push(repository, tag, "base", f"{repository} {tag}")
    for path in made.v2.rglob("*"):
        then = path.stat().st_mtime_ns - HOUR
        os.utime(path, ns=(then, then))
    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The link files that are opened, relative to repositories/."""
    paths: list[str] = []
    real = os.open

    def counting(path: str, *args: int, dir_fd: int | None = None, **more: int) -> int:
        above = Path() if dir_fd is None else Path(f"/proc/self/fd/{dir_fd}").readlink()
        if os.fspath(path).endswith("/link"):
            paths.append(str(above / path).partition("/repositories/")[2])
        return real(path, *args, dir_fd=dir_fd, **more)

    monkeypatch.setattr(os, "open", counting)
    return paths


def scan(registry: Registry, cache: Path | None = None, *, verify: bool = False) -> list[object]:
    found = blobkit.scan(
        f"registry:{registry.root}", progress=False, cache=cache or False, every_file=False, verify=verify
    )
    return [getattr(found, table).to_pylist() for table in ("nodes", "links", "pins", "notices")]


def test_a_second_scan_reads_no_link(registry: Registry, tmp_path: Path, read: list[str]) -> None:
    plain = scan(registry, tmp_path)
    assert len(read) == 12
    read.clear()
    assert scan(registry, tmp_path) == plain
    assert read == []
    assert scan(registry, tmp_path, verify=True) == plain
    assert len(read) == 12


def test_a_moved_tag_is_read_alone(registry: Registry, tmp_path: Path, read: list[str]) -> None:
    before = scan(registry, tmp_path)
    repositories = registry.v2 / "repositories"
    (repositories / ONE).write_bytes((repositories / TWO).read_bytes())
    for _ in range(2):  # a link that was just written is not trusted the next time
        read.clear()
        found = scan(registry, tmp_path)
        assert read == [ONE]
        assert found == scan(registry) != before


def test_a_new_tag_is_read_alone(registry: Registry, tmp_path: Path, read: list[str]) -> None:
    scan(registry, tmp_path)
    registry.tag("repo", "0", nowhere(1))
    read.clear()
    found = scan(registry, tmp_path)
    assert read == [ONE.replace("1", "0")]
    assert found == scan(registry)


def rewritten(one: Path, two: Path) -> None:
    """Other content, and the time that it had."""
    info = one.stat()
    one.write_bytes(two.read_bytes())
    os.utime(one, ns=(info.st_atime_ns, info.st_mtime_ns))


def replaced(one: Path, two: Path) -> None:
    """Another file of the same size and time."""
    info = one.stat()
    shutil.copy(two, one.with_name("new"))
    os.utime(one.with_name("new"), ns=(info.st_atime_ns, info.st_mtime_ns))
    one.with_name("new").rename(one)


def swapped(one: Path, two: Path) -> None:
    """Each in the place of the other."""
    one.rename(one.with_name("old"))
    two.rename(one)
    one.with_name("old").rename(two)


def directories_swapped(one: Path, two: Path) -> None:
    """The directories of the link files, with the same files in them."""
    swapped(one.parent, two.parent)


def led_out(one: Path, _: Path) -> None:
    """The same file, behind a link out of the registry."""
    outside = Path(str(one).partition("/registry/")[0]) / "outside"
    one.parent.rename(outside)
    one.parent.symlink_to(outside)


def linked(one: Path, two: Path) -> None:
    """A symbolic link to another one."""
    one.unlink()
    one.symlink_to(two)


def with_another(one: Path, _: Path) -> None:
    """One more link below it."""
    (one.parent / "deeper").mkdir()
    (one.parent / "deeper" / "link").write_text(nowhere(9))


CHANGES = (
    rewritten,
    replaced,
    swapped,
    directories_swapped,
    led_out,
    linked,
    with_another,
    lambda one, _: one.unlink(),
    lambda one, _: shutil.rmtree(one.parent),
    lambda one, _: shutil.rmtree(one.parents[2]),
    lambda one, _: one.write_text("no digest"),
    lambda one, _: one.parent.parent.rename(one.parent.parent.with_name("renamed")),
    lambda one, _: (one.parent.parent / "beside").write_text("file"),
)


@pytest.mark.parametrize("part", ["tags", "revisions"])
@pytest.mark.parametrize("change", CHANGES)
def test_no_changed_link_is_believed(
    registry: Registry, tmp_path: Path, change: Callable[[Path, Path], object], part: str
) -> None:
    scan(registry, tmp_path)
    one, two, *_ = sorted((registry.v2 / "repositories/repo/_manifests" / part).rglob("link"))
    change(one, two)
    for _ in range(2):
        assert scan(registry, tmp_path) == scan(registry)


def test_a_link_that_changes_within_the_tick_is_read_again(registry: Registry, tmp_path: Path, read: list[str]) -> None:
    """Its stamps may be the same then, so the scan before must not have remembered it."""
    one = registry.v2 / "repositories" / ONE
    os.utime(one)
    scan(registry, tmp_path)
    read.clear()
    scan(registry, tmp_path)
    assert read == [ONE]


def test_a_repository_in_the_place_of_another(registry: Registry, tmp_path: Path) -> None:
    scan(registry, tmp_path)
    swapped(registry.v2 / "repositories/repo", registry.v2 / "repositories/other")
    assert scan(registry, tmp_path) == scan(registry)
