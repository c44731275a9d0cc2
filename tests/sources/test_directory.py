"""A directory passes the suite of sources; paths that change while they are opened do not lead out of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from blobkit.sources import directory
from blobkit.sources.directory import Directory
from blobkit.sources.source import Is, LeavesError
from blobkit.testing.source import SourceSuite

if TYPE_CHECKING:
    from pathlib import Path


class TestDirectory(SourceSuite):
    def make(self, root: Path) -> Directory:
        return Directory(root)


class TestDirectoryBehindALink(SourceSuite):
    def make(self, root: Path) -> Directory:
        link = root.with_name("link")
        link.symlink_to("root")
        return Directory(link)


class TestWithoutProc(SourceSuite):
    """As on systems other than Linux."""

    @pytest.fixture(autouse=True)
    def _elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(directory, "_IS_LINUX", False)

    def make(self, root: Path) -> Directory:
        return Directory(root)


def test_sockets_and_devices_are_no_files(tmp_path: Path) -> None:
    import socket  # noqa: PLC0415 (for this test only)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(tmp_path / "socket"))
        source = Directory(tmp_path)
        assert source.list("") == [("socket", Is.OTHER)]
        with pytest.raises(OSError, match="not a regular file"):
            source.read("socket", 1)
    devices = Directory("/dev")
    assert devices.stat("null").kind is Is.OTHER
    for path in ("null", "zero"):
        with pytest.raises(OSError, match="not a regular file"):
            devices.open(path)


def test_a_link_put_in_place_while_a_file_is_opened_is_not_followed_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The directory above becomes a link after any check of the path, and before the file is opened."""
    (tmp_path / "root/a").mkdir(parents=True)
    (tmp_path / "root/a/file").write_bytes(b"inside")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_bytes(b"secret")
    source = Directory(tmp_path / "root")

    class Swapping(directory.FileHandle):
        def __init__(self, path: str, flags: int = os.O_RDONLY) -> None:
            if path.endswith("a/file"):
                (tmp_path / "root/a").rename(tmp_path / "root/aside")
                (tmp_path / "root/a").symlink_to("../secret")
            super().__init__(path, flags)

    monkeypatch.setattr(directory, "FileHandle", Swapping)
    with pytest.raises(LeavesError):
        source.read("a/file", 99)


def test_the_file_that_was_checked_is_the_one_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/file").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"secret")
    source = Directory(tmp_path / "root")
    regular = directory._regular

    def swap(handle: directory.FileHandle, path: str) -> directory.FileHandle:
        (tmp_path / "root/file").unlink()
        (tmp_path / "root/file").symlink_to("../secret")
        return regular(handle, path)

    monkeypatch.setattr(directory, "_regular", swap)
    assert source.read("file", 99) == b"inside"
