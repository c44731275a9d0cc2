"""A second scan with the cache does not list directories that did not change, and misses nothing in those that did."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import blobkit
from layouts import Registry, nowhere, sha

if TYPE_CHECKING:
    from collections.abc import Callable

IS_ROOT = os.geteuid() == 0
HOUR = 3600 * 10**9
ONE = sha(b"repo 1")


@pytest.fixture
def registry(quick_path: Path) -> Registry:
    """A registry with tags, their histories and untagged manifests, written an hour ago."""
    made = Registry(quick_path / "registry")
    for tag in "123":
        digest = made.push("repo", tag, "base", f"repo {tag}")
        made.link(f"repo/_manifests/tags/{tag}/index/{digest.replace(':', '/')}/link", digest)
    old = made.revision("repo", made.manifest(made.blob("old")))
    made.link(f"repo/_manifests/tags/1/index/{old.replace(':', '/')}/link", old)
    return aged(made)


def aged(registry: Registry) -> Registry:
    for path in registry.v2.rglob("*"):
        then = path.stat().st_mtime_ns - HOUR
        os.utime(path, ns=(then, then))
    return registry


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The directories of prefixes and histories that are listed, relative to docker/registry/v2."""
    paths: list[str] = []

    def counting(real: Callable[..., object]) -> Callable[..., object]:
        def count(path: str | int) -> object:
            full = os.fspath(Path(f"/proc/self/fd/{path}").readlink() if isinstance(path, int) else path)
            paths.append(full.partition("/registry/v2/")[2])
            return real(path)

        return count

    monkeypatch.setattr(os, "scandir", counting(os.scandir))
    monkeypatch.setattr(os, "listdir", counting(os.listdir))
    return paths


def scan(registry: Registry, cache: Path | None = None) -> list[object]:
    found = blobkit.scan(f"registry:{registry.root}", progress=False, cache=cache or False, every_file=False)
    return [getattr(found, table).to_pylist() for table in ("nodes", "links", "pins", "notices")]


def many(listed: list[str]) -> int:
    """How many of these are directories of prefixes or histories; of the latter, others than root list all."""
    return len(
        [path for path in listed if (path.count("/") == 2 and "blobs/" in path) or path.endswith("index/sha256")]
    )


def test_a_second_scan_lists_only_what_changed(registry: Registry, tmp_path: Path, listed: list[str]) -> None:
    plain = scan(registry, tmp_path)
    prefixes = len(list((registry.v2 / "blobs/sha256").iterdir()))
    assert many(listed) == prefixes + 3 * IS_ROOT
    listed.clear()
    assert scan(registry, tmp_path) == plain
    assert many(listed) == 0
    new = registry.blob("new")
    registry.link(f"repo/_manifests/tags/1/index/{new.replace(':', '/')}/link", new)
    found = scan(registry, tmp_path)
    assert many(listed) == 1 + IS_ROOT
    assert found == scan(registry) != plain


def linked(registry: Registry) -> None:
    """The directory of a blob is a symbolic link to a copy of it."""
    place = registry.path(ONE).parent
    place.rename(registry.root / "moved")
    place.symlink_to(registry.root / "moved")


def led_out(registry: Registry) -> None:
    """The directory of a prefix is elsewhere."""
    place = registry.path(ONE).parent.parent
    place.rename(registry.root.parent / "outside")
    place.symlink_to(registry.root.parent / "outside")


def looped(registry: Registry) -> None:
    """A look at an untagged manifest in the history of a tag fails."""
    for place in (registry.v2 / "repositories/repo/_manifests/tags/1/index/sha256").iterdir():
        shutil.rmtree(place)
        place.symlink_to(place)


CHANGES = (
    linked,
    led_out,
    looped,
    lambda registry: shutil.rmtree(registry.path(ONE).parent),
    lambda registry: shutil.rmtree(registry.path(ONE).parent.parent),
    lambda registry: registry.path(ONE).unlink(),
    lambda registry: registry.blob("x", nowhere(int(ONE[7:9], 16) << 248)),
    lambda registry: (registry.path(ONE).parent.parent / "beside").write_text("file"),
    lambda registry: registry.path(ONE).parent.rename(registry.path(ONE).parent.with_name(nowhere(0)[7:])),
)


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_missed(registry: Registry, tmp_path: Path, change: Callable[[Registry], object]) -> None:
    scan(registry, tmp_path)
    change(registry)
    for _ in range(2):
        assert scan(registry, tmp_path) == scan(registry)


def test_a_young_blob_in_an_old_directory(registry: Registry, tmp_path: Path) -> None:
    """Its stamps are not remembered, so its directory must be listed the next time."""
    plain = scan(registry, tmp_path)
    os.utime(registry.path(ONE))
    again = [scan(registry, tmp_path) for _ in range(3)]
    os.utime(registry.path(ONE), ns=(0, 0))
    for found in (*again, scan(registry, tmp_path)):
        assert {(row["key"], row["stored"]) for row in found[0]} == {(row["key"], row["stored"]) for row in plain[0]}


def test_a_directory_that_changes_within_the_tick_is_listed_again(
    registry: Registry, tmp_path: Path, listed: list[str]
) -> None:
    os.utime(registry.path(ONE).parent.parent)
    scan(registry, tmp_path)
    listed.clear()
    scan(registry, tmp_path)
    assert many(listed) == 1
