"""What tests of every part share: the real stores beside the repository, and how hypothesis runs."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from effort import TORTURE
from remote_servers.bucket_fixtures import bucket_server, filled_bucket, s3_content, signed  # noqa: F401 (fixtures)
from remote_servers.database_fixtures import database_server, open_index  # noqa: F401 (fixtures)
from remote_servers.fixtures import filled_registry  # noqa: F401 (a fixture)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Dataset = tuple[Path, dict[str, object]]

settings.register_profile(
    "blobkit",
    max_examples=40 * TORTURE,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("blobkit")

MEMORY = Path("/dev/shm")  # noqa: S108 (only private directories are made there)
DISK = Path("/var/tmp")  # noqa: S108 (likewise)


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where the system has one: for many small stores whose disk proves nothing."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else tmp_path) as place:
        yield Path(place)


@pytest.fixture
def disk_path(tmp_path: Path) -> Iterator[Path]:
    """A directory on a disk, where the system has one: `tmp_path` is in memory, if there is room enough."""
    with tempfile.TemporaryDirectory(dir=DISK if os.access(DISK, os.W_OK) else tmp_path) as place:
        yield Path(place)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the test that takes longest, so that no worker is alone with it in the end."""
    items.sort(key=lambda item: item.path.name != "test_notebooks.py")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The directory that holds `data`, real stores and what real tools did with them, and `go-vectors`."""
    data = Path(os.environ.get("BLOBKIT_TESTDATA", Path(__file__).parents[2] / "shared" / "data"))
    if not data.is_dir():
        pytest.skip(f"no real stores: {data} is not here (BLOBKIT_TESTDATA names another place)")
    return data.parent


@pytest.fixture(scope="session")
def dataset(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Dataset]:
    """A function from the name of a dataset to (its unpacked root, its oracle); each is unpacked once a session.

    Whiteouts of overlay file systems are devices 0/0, which only a filter that trusts the archive unpacks.
    """

    @cache
    def unpacked(name: str) -> Dataset:
        oracle = json.loads(_file(shared / "data" / f"{name}.oracle.json").read_bytes())
        root = _unpacked(shared / "data" / f"{name}.tar.gz", tmp_path_factory.mktemp(name))
        return root / oracle["root_in_tar"], oracle

    return unpacked


@pytest.fixture(scope="session")
def go_store(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Dataset]:
    """A function from the name of a store that the Go package wrote to (its root, what Go itself says of it)."""

    @cache
    def unpacked(name: str) -> Dataset:
        said = json.loads(_file(shared / "go-vectors" / f"{name}.expected.json").read_bytes())
        return _unpacked(shared / "go-vectors" / f"{name}.tar.gz", tmp_path_factory.mktemp(name)) / name, said

    return unpacked


_OVERLAYS = ("dev-containers-storage", "dev-docker-root", "dev-containerd-docker")


def _file(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"no real store: {path} is not here")
    return path


def _unpacked(archive: Path, target: Path) -> Path:
    with tarfile.open(_file(archive)) as tar:
        if archive.name.startswith(_OVERLAYS):
            tar.extractall(target, filter="fully_trusted")  # noqa: S202 (our own archives; see `dataset`)
        else:
            tar.extractall(target, filter="data")
    return target
