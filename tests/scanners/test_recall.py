"""A second scan with the cache finds the same and reads only what is new, whatever happened to the cache."""

from __future__ import annotations

import logging
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import blobkit
from blobkit.scanners import cachefile, cacheform
from blobkit.scanners.registries import contents, reading
from layouts import DOCKER_LIST, DOCKER_MANIFEST, MANIFEST, Registry, noticed, nowhere, sha

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.snapshot.snapshot import Snapshot

HOUR = 3600 * 10**9


@pytest.fixture
def registry(quick_path: Path) -> Registry:
    """A registry with documents of all forms, written an hour ago."""
    made = Registry(quick_path / "registry")
    one = made.push("a", "1", "base", "one")
    two = made.push("a", "2", "base", "two", annotations={"quoted": 'a "b"'})
    made.revision("b", made.index(one, two))
    made.tag("b", "list", made.revision("b", made.index(one, two, mediaType=DOCKER_LIST)))
    made.push("b", "docker", "base", "three", mediaType=DOCKER_MANIFEST)
    made.revision("b", made.manifest(made.blob("a referrer"), subject=one))
    made.tag("b", "no-type", made.revision("b", made.json({"schemaVersion": 2, "layers": [{"digest": nowhere(4)}]})))
    made.push("c", "odd", "four", config=made.config(rootfs={"diff_ids": ["sha512:" + "0" * 128]}))
    made.manifest(made.blob("garbage"))
    made.blob("{ no document")
    made.blob(os.urandom(100_000))
    return aged(made)


def aged(registry: Registry) -> Registry:
    """Let all blobs and links be an hour old."""
    for path in registry.v2.rglob("*"):
        then = path.stat().st_mtime_ns - HOUR
        os.utime(path, ns=(then, then))
    return registry


def facts(snapshot: Snapshot) -> list[object]:
    return [getattr(snapshot, table).to_pylist() for table in ("nodes", "links", "pins", "notices")]


def scan(registry: Registry, cache: Path | None = None, *, every_file: bool = False, verify: bool = False) -> Snapshot:
    address = f"registry:{registry.root}"
    return blobkit.scan(address, progress=False, cache=cache or False, every_file=every_file, verify=verify)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of the data of blobs that are opened."""
    paths: list[str] = []
    real = os.open

    def counting(path: str, *args: int, dir_fd: int | None = None, **more: int) -> int:
        above = Path() if dir_fd is None else Path(f"/proc/self/fd/{dir_fd}").readlink()
        paths.extend([str(above / path)] * os.fspath(path).endswith("/data"))
        return real(path, *args, dir_fd=dir_fd, **more)

    monkeypatch.setattr(os, "open", counting)
    return paths


def test_each_document_is_read_and_parsed_once(
    quick_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(quick_path)
    images = [registry.push(repo, tag, "base", tag) for repo in "ab" for tag in ("1", "2", "3")]
    parses: list[str] = []
    for module, name in ((reading, "plain_manifest"), (contents, "marked")):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda data, real=real: parses.append(sha(data)) or real(data))
    snapshot = scan(registry)
    assert sorted(parses) == sorted(set(images))
    assert len(opened) == len(set(opened)) == snapshot.blobs


def test_a_second_scan_opens_no_blob(registry: Registry, tmp_path: Path, opened: list[str]) -> None:
    plain = facts(scan(registry))
    first = scan(registry, tmp_path / "cache")
    opened.clear()
    again = scan(registry, tmp_path / "cache")
    assert opened == []
    assert plain == facts(first) == facts(again)
    whole = scan(registry, tmp_path / "cache", every_file=True)
    assert opened == []
    assert facts(whole) == facts(scan(registry, every_file=True))


def test_a_second_scan_opens_what_is_new(registry: Registry, tmp_path: Path, opened: list[str]) -> None:
    scan(registry, tmp_path)
    written = time.time_ns() - HOUR // 2
    registry.push("a", "3", "base", "new")
    registry.drop(sha(b"two"))
    opened.clear()
    again = scan(registry, tmp_path)
    assert {*opened} == {str(path) for path in registry.v2.rglob("data") if path.stat().st_mtime_ns > written}
    assert len(opened) == 4  # a new layer and a manifest; a layer and a config that were written again
    assert facts(again) == facts(scan(registry))
    plain = facts(scan(aged(registry)))
    scan(registry, tmp_path)
    opened.clear()
    assert facts(scan(registry, tmp_path)) == plain
    assert opened == []


def test_a_blob_that_changed_is_checked_again(registry: Registry, tmp_path: Path) -> None:
    scan(registry, tmp_path)
    registry.path(sha(b"one")).write_bytes(b"eno")
    assert ("digest-mismatch", sha(b"one")) in noticed(scan(registry, tmp_path))
    assert ("digest-mismatch", sha(b"one")) in noticed(scan(registry, tmp_path))


def test_a_wrong_blob_is_told_again(registry: Registry, tmp_path: Path) -> None:
    registry.path(sha(b"one")).write_bytes(b"eno")
    aged(registry)
    for _ in range(3):
        assert ("digest-mismatch", sha(b"one")) in noticed(scan(registry, tmp_path))


def test_a_young_blob_is_not_trusted(registry: Registry, tmp_path: Path, opened: list[str]) -> None:
    path = registry.path(sha(b"one"))
    os.utime(path)
    scan(registry, tmp_path)
    opened.clear()
    scan(registry, tmp_path)
    assert opened == [str(path)]


def test_verify_reads_all(registry: Registry, tmp_path: Path, opened: list[str]) -> None:
    scan(registry, tmp_path)
    opened.clear()
    scan(registry, tmp_path, verify=True)
    assert set(opened) == {str(path) for path in registry.v2.rglob("data")}


def test_a_manifest_read_as_another_type_is_read_again(registry: Registry, tmp_path: Path) -> None:
    scan(registry, tmp_path)
    image = registry.push("a", "1", "base", "one")
    registry.tag("b", "odd", registry.revision("b", registry.index(registry.to(image, DOCKER_MANIFEST))))
    registry.tag("b", "odder", registry.revision("b", registry.index(registry.to(image, DOCKER_LIST))))
    assert facts(scan(registry, tmp_path)) == facts(scan(registry))


def only(directory: Path) -> Path:
    (found,) = directory.iterdir()
    return found


def test_only_this_user_may_read_the_cache(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    blobkit.scan(registry.root, progress=False, cache=True)
    directory = tmp_path / "blobkit"
    assert (directory.stat().st_mode & 0o777, only(directory).stat().st_mode & 0o777) == (0o700, 0o600)


def test_nothing_new_is_not_written(registry: Registry, tmp_path: Path) -> None:
    scan(registry, tmp_path)
    inode = only(tmp_path).stat().st_ino
    scan(registry, tmp_path)
    assert only(tmp_path).stat().st_ino == inode


def spoiled(data: bytes) -> Iterator[bytes]:
    """A cache file that was cut, changed, or is another program's."""
    rng = random.Random(1)  # noqa: S311 (no secret)
    yield from (b"", data[:10], data[:-1], data + b"x", b"another file", data.replace(b"version 2", b"version 0"))
    for _ in range(40):
        at = rng.randrange(len(data))
        yield data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


@pytest.mark.slow
def test_a_damaged_cache_is_not_used(registry: Registry, tmp_path: Path, opened: list[str]) -> None:
    plain = facts(scan(registry, tmp_path))
    path = only(tmp_path)
    whole = path.read_bytes()
    for data in spoiled(whole):
        path.write_bytes(data)
        opened.clear()
        assert facts(scan(registry, tmp_path)) == plain
        assert opened
    assert path.read_bytes() == whole  # made anew each time


@pytest.mark.slow
def test_a_cache_that_contradicts_itself_is_not_used(registry: Registry, tmp_path: Path) -> None:
    plain = facts(scan(registry, tmp_path))
    path = only(tmp_path)
    columns = cachefile.read(path)
    assert columns is not None
    places = [name for name in columns.arrays if name not in ("hash", "diff", "raw", *cacheform.BY_KEY)]
    for name in (*places, "hash"):
        array = columns.arrays[name]
        if "created" in name or name == "ref_size":
            bad = [array[:-1]]
        elif name == "hash":
            bad = [array[:-1], np.append(array, array[:1])]
        else:
            bad = [array[:-1], array - 1000, array + 1000, array.astype("<i2"), np.append(array, array[:1])]
        for wrong in bad:
            cachefile.write(path, cachefile.Columns({**columns.arrays, name: wrong}, columns.texts))
            assert facts(scan(registry, tmp_path)) == plain, name
    del columns.arrays["flags"]
    cachefile.write(path, columns)
    assert facts(scan(registry, tmp_path)) == plain


@pytest.mark.parametrize("how", ["file", "directory", "link", "no directory"])
def test_a_cache_that_others_may_write_is_not_used(
    registry: Registry, tmp_path: Path, how: str, opened: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    plain = facts(scan(registry, cache))
    path = only(cache)
    if how == "file":
        path.chmod(0o666)
    elif how == "directory":
        cache.chmod(0o777)
    elif how == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.unlink()
        cache.rmdir()
        cache.write_text("no directory")
    opened.clear()
    with caplog.at_level(logging.WARNING, "blobkit"):
        assert facts(scan(registry, cache)) == plain
    assert opened
    assert "the cache" in caplog.text


def test_several_scans_may_write_at_once(registry: Registry, tmp_path: Path, opened: list[str]) -> None:
    plain = facts(scan(registry))
    with ThreadPoolExecutor(4) as pool:
        assert all(facts(found) == plain for found in pool.map(lambda _: scan(registry, tmp_path), range(8)))
    opened.clear()
    assert facts(scan(registry, tmp_path)) == plain
    assert opened == []


def test_each_store_has_its_own_cache(registry: Registry, quick_path: Path, tmp_path: Path) -> None:
    other = Registry(quick_path / "other")
    other.push("x", "1", "base")
    aged(other)
    scan(registry, tmp_path)
    scan(other, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert facts(scan(other, tmp_path)) == facts(scan(other))
    assert MANIFEST in {row["media_type"] for row in scan(other, tmp_path).nodes.to_pylist()}
