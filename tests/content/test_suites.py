"""Every content passes the shipped suites."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

import pytest

from blobkit.content import syncing
from blobkit.content.directory import DirectoryContent
from blobkit.content.memory import MemoryContent
from blobkit.digest import of
from blobkit.testing.content import ContentSuite, staged

if TYPE_CHECKING:
    from pathlib import Path


def failing(_fd: int) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


class TestMemoryContent(ContentSuite):
    @pytest.fixture
    def content(self) -> MemoryContent:
        return MemoryContent()


class TestDirectoryContent(ContentSuite):
    @pytest.fixture
    def content(self, tmp_path: Path) -> DirectoryContent:
        content = DirectoryContent(tmp_path)
        content.lay_out()
        return content

    def test_files_are_named_by_their_hash_and_may_only_be_read(
        self, content: DirectoryContent, tmp_path: Path
    ) -> None:
        self.test_every_algorithm_and_the_empty_content(content)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) == 6
        assert {path.parent.parent.name for path in files} == {"blobs"}
        assert {path.stat().st_mode & 0o777 for path in files} == {0o444}

    def test_temporary_files_of_the_dead_are_reclaimed_those_of_the_living_are_not(
        self, content: DirectoryContent, tmp_path: Path
    ) -> None:
        tmp = tmp_path / ".blobkit" / "tmp"
        alive, area = content.stage(), content.area()
        staged(area, b"alive").seal()
        (tmp / "1-dead").write_bytes(b"left behind")
        (tmp / "2-dead").mkdir()
        (tmp / "2-dead" / "0").write_bytes(b"left behind")
        assert content.reclaim() == 2
        alive.write(memoryview(b"x"))
        assert [path.read_bytes() for path in tmp.glob("*/*")] == [b"alive"]
        alive.discard()
        area.discard()
        assert list(tmp.iterdir()) == []

    def test_what_is_no_work_of_ours_stays_when_the_dead_are_reclaimed(
        self, content: DirectoryContent, tmp_path: Path
    ) -> None:
        tmp = tmp_path / ".blobkit" / "tmp"
        (tmp / "link").symlink_to(tmp_path)
        (tmp / "area" / "directory").mkdir(parents=True)
        os.mkfifo(tmp / "pipe")
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(tmp / "socket"))
            assert content.reclaim() == 0
        assert {path.name for path in tmp.iterdir()} == {"link", "area", "pipe", "socket"}

    @pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
    def test_modes_do_not_depend_on_the_umask(self, content: DirectoryContent, tmp_path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            area, single = content.area(), content.stage()
            many = [staged(area, data) for data in (b"a", b"b")]
        finally:
            os.umask(before)
        for one in [*many, single]:
            one.seal()
        content.publish({of(b"a"): many[0].token, of(b"b"): many[1].token, of(b""): single.token})
        single.discard()
        area.discard()
        assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("blobs/*/*")} == {0o444}
        assert list((tmp_path / ".blobkit/tmp").iterdir()) == []

    @pytest.mark.parametrize("has_syncfs", [True, False])
    def test_a_failed_sync_of_an_area_is_not_tried_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_syncfs: bool
    ) -> None:
        monkeypatch.setattr(syncing, "_syncfs", lambda: (lambda _: errno.EIO) if has_syncfs else None)
        content = DirectoryContent(tmp_path)
        content.lay_out()
        area = content.area()
        one = staged(area, b"x")
        one.seal()
        if not has_syncfs:
            monkeypatch.setattr(os, "fsync", failing)
        with pytest.raises(OSError, match="Input/output error"):
            area.seal()
        monkeypatch.undo()
        with pytest.raises(OSError, match="No such file"):
            content.publish({of(b"x"): one.token})
        with pytest.raises(OSError, match="No such file"):
            area.stage()
        assert list((tmp_path / ".blobkit/tmp").iterdir()) == []

    def test_a_failed_sync_of_one_file_is_not_tried_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = DirectoryContent(tmp_path)
        content.lay_out()
        one = content.stage()
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", failing)
            with pytest.raises(OSError, match="Input/output error"):
                one.seal()
        with pytest.raises(OSError, match="Bad file descriptor"):
            one.seal()
        assert list((tmp_path / ".blobkit/tmp").iterdir()) == []

    def test_an_area_is_synced_file_by_file_where_there_is_no_syncfs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced, fsync = [], os.fsync
        monkeypatch.setattr(syncing, "_syncfs", lambda: None)
        monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(os.fstat(fd).st_size), fsync(fd)))
        content = DirectoryContent(tmp_path / "store")
        content.lay_out()
        area = content.area()
        for size in (10_000, 20_000):
            staged(area, b"x" * size).seal()
        synced.clear()
        area.seal()
        area.discard()
        assert sorted(synced) == [10_000, 20_000]

    def test_what_cannot_be_unlinked_is_left_out(self, content: DirectoryContent, tmp_path: Path) -> None:
        digest = next(iter(["sha256:" + "0" * 64]))
        (tmp_path / "blobs" / "sha256" / ("0" * 64)).mkdir()
        assert list(content.delete([digest])) == []
