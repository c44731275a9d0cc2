"""Scans that are saved while they are made: the facts are in files, and are those of a scan in memory."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import tracemalloc
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.scanners import saving
from blobkit.scanners.spaces import stored
from blobkit.snapshot.parts import sorting
from layouts import Layout, Registry
from saved_scans import check_same_rows, check_same_saved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from remote_servers.fixtures import FilledRegistry

    Dataset = Callable[[str], tuple[Path, dict[str, object]]]

DATASETS = (
    "dev-registry",
    "dev-oci-layout",
    "dev-containerd",
    "dev-containers-storage",
    "dev-docker-root",
    "dev-huggingface-cache",
    "dev-ollama-models",
)


@pytest.mark.parametrize("name", DATASETS)
def test_it_is_the_same_on_real_stores(dataset: Dataset, name: str) -> None:
    root, _ = dataset(name)
    whole = blobkit.scan(root, progress=False)
    for policy in whole.policies:
        check_same_saved(whole.with_policy(policy), os.fspath(root), policy)


def test_it_is_the_same_when_batches_are_small(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, value in ((saving, "ROWS", 7), (sorting, "AT_ONCE", 50), (sorting, "STEP", 16)):
        monkeypatch.setattr(module, name, value)
    for name in ("dev-registry", "dev-oci-layout"):
        root, _ = dataset(name)
        check_same_saved(blobkit.scan(root, progress=False), os.fspath(root))


def test_it_is_the_same_over_http(filled_registry: FilledRegistry) -> None:
    address, options = f"registry+{filled_registry.url}", {"configs": True}
    whole = blobkit.scan(address, progress=False, cache=False, storage_options=options)
    check_same_saved(whole, address, cache=False, storage_options=options)


def test_options_of_a_scan_hold_with_out_as_well(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    image = registry.push("a", "1", "layer")
    registry.path(image).write_bytes(registry.path(image).read_bytes() + b" ")
    for asked in (
        {"verify": True},
        {"every_file": False},
        {"cache": tmp_path / "cache"},
        {"cache": tmp_path / "cache"},
    ):
        whole = blobkit.scan(registry.root, progress=False, **asked)
        check_same_saved(whole, os.fspath(registry.root), **asked)
    assert list((tmp_path / "cache").iterdir())


def test_a_name_that_is_no_text_is_the_same(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("tag\udcff\x01 \N{SNOWMAN}", "layer")
    layout.image("\ud800", "another")
    assert len(layout.scan().tags_frame()) == 2


def test_a_store_without_any_blob(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    assert layout.scan().blobs == 0


@pytest.mark.parametrize("kind", ["registry", "layout"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Each time that a file grows, the disk is full."""
    root = tmp_path / "store"
    Registry(root).push("a", "1", "layer") if kind == "registry" else Layout(root).image("1", "layer")
    grown, real = 0, os.posix_fallocate
    last = 0

    def full(*asked: int) -> None:
        nonlocal grown
        grown += 1
        if grown > last:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*asked)

    monkeypatch.setattr(os, "posix_fallocate", full)
    while True:
        grown = 0
        try:
            blobkit.scan(root, progress=False, out=tmp_path / "out")
            break
        except OSError as error:
            assert error.errno == errno.ENOSPC  # noqa: PT017 (the last turn has no error)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]
        last += 1
    assert last > 20
    check_same_rows(blobkit.scan(root, progress=False), blobkit.Snapshot.load(tmp_path / "out"))


KILLED = """
import os, signal, sys, blobkit
from blobkit.scanners import saving
real = saving.write
def write(directory, *rest):
    real(directory, *rest)
    os.kill(os.getpid(), getattr(signal, sys.argv[3]))
saving.write = write
blobkit.scan(sys.argv[1], progress=False, out=sys.argv[2])
"""


@pytest.mark.parametrize("by", ["SIGINT", "SIGKILL"])
def test_a_scan_that_ends_early_writes_no_snapshot(tmp_path: Path, by: str) -> None:
    layout = Layout(tmp_path / "layout")
    layout.image("1", "layer")
    (tmp_path / "place").mkdir()
    out = tmp_path / "place" / "out"
    done = subprocess.run([sys.executable, "-c", KILLED, layout.root, out, by], stderr=subprocess.PIPE, check=False)
    assert done.returncode in (-getattr(signal, by), 1), done.stderr
    assert not out.exists()
    if by == "SIGINT":
        assert not list(out.parent.iterdir())
    blobkit.scan(layout.root, progress=False, out=out)
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    check_same_rows(layout.scan(), blobkit.Snapshot.load(out))


@pytest.mark.slow
def test_what_grows_with_the_store_is_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From one size to three times as much, a scan with `out` takes less than two thirds of the memory of others."""
    monkeypatch.setattr(stored, "RECENT", 100)
    monkeypatch.setattr(saving, "ROWS", 500)
    sizes = (10, 200, 600)
    whole, saved = ([_peak(tmp_path / str(images), images, out=out) for images in sizes] for out in (False, True))
    assert saved[2] - saved[1] < (whole[2] - whole[1]) * 2 / 3


def _peak(root: Path, images: int, *, out: bool) -> int:
    """Return the most bytes that Python takes during a scan of a registry with so many images of nine layers."""
    if not root.exists():
        registry = Registry(root)
        for number in range(images):
            registry.push(f"a{number % 7}", str(number), *(f"{number} {layer // 2}" for layer in range(18)))
    tracemalloc.start()
    try:
        if out:
            blobkit.scan(root, progress=False, out=root.with_suffix(".out"))
        else:
            blobkit.scan(root, progress=False).save(root.with_suffix(".blobkit"))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
