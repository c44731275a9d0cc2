"""Tests of every scanner: subclass `ScannerSuite` and give it the fixture `address`, that of a small real store."""
# ruff: noqa: D102, PLR2004, S101, S311 (the names of the tests say what they prove; a suite asserts, and tries by chance)

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import BlobkitError
from blobkit.testing.damage import damaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["MUTATIONS", "ScannerSuite", "fingerprint"]

MUTATIONS = 200 * int(os.environ.get("BLOBKIT_TORTURE", "1"))
"""Damages of each kind of file; `BLOBKIT_TORTURE=10` tries ten times as many."""
SECONDS = 300
"""A scan of a small store that takes longer hangs."""


class ScannerSuite:
    """A scanner answers, or says clearly why it cannot; it writes nothing, follows nothing out, and never hangs."""

    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        """Return `kind:path` of a store below `tmp_path` that no other test uses."""
        raise NotImplementedError

    def metadata(self, root: Path) -> dict[str, list[Path]]:
        """Return the files that the scanner reads, by kind of file; override it where a content is read, too."""
        return {"files": [path for path in _files(root) if path.stat().st_size <= 1 << 20]}

    def test_the_scan_changes_nothing(self, address: str) -> None:
        before = fingerprint(root_of(address))
        answered(address)
        assert fingerprint(root_of(address)) == before

    def test_every_stored_byte_is_in_one_row(self, address: str) -> None:
        snapshot = blobkit.scan(address, progress=False)
        frame = snapshot.to_frame()
        assert int(frame["size"].sum()) == snapshot.bytes
        assert frame.index.is_unique
        assert set(frame["status"]) <= {"live", "garbage", "unknown"}

    def test_a_saved_snapshot_is_the_same(self, address: str, tmp_path: Path) -> None:
        snapshot = blobkit.scan(address, progress=False)
        snapshot.save(tmp_path / "saved.blobkit")
        again = blobkit.Snapshot.load(tmp_path / "saved.blobkit")
        assert again.to_frame().equals(snapshot.to_frame())
        assert again.tags_frame().equals(snapshot.tags_frame())

    def test_a_scan_that_is_saved_while_it_is_made_is_the_same(self, address: str, tmp_path: Path) -> None:
        snapshot = blobkit.scan(address, progress=False)
        saved = blobkit.scan(address, progress=False, out=tmp_path / "saved")
        again = saved.snapshot()
        assert (saved.blobs, saved.bytes) == (snapshot.blobs, snapshot.bytes)
        assert again.to_frame().equals(snapshot.to_frame())
        assert again.tags_frame().equals(snapshot.tags_frame())
        assert again.notices.equals(snapshot.notices)
        assert again.disk == snapshot.disk

    def test_every_name_and_key_is_a_target(self, address: str) -> None:
        snapshot = blobkit.scan(address, progress=False)
        for name in snapshot.tags_frame().index[:50]:
            assert snapshot.simulate_deref(f"tag:{name}").bytes >= 0
        for key in snapshot.to_frame().index[:50]:
            assert snapshot.why(key) is not None

    def test_two_scans_are_equal(self, address: str) -> None:
        first, second = (blobkit.scan(address, progress=False) for _ in range(2))
        assert first.to_frame().equals(second.to_frame())
        assert first.notices.equals(second.notices)

    @pytest.mark.slow
    def test_damaged_files(self, address: str) -> None:
        root = root_of(address)
        for kind, paths in self.metadata(root).items():
            random = Random(kind)
            for _ in range(MUTATIONS):
                path = random.choice(paths)
                with changed(path, lambda data, random=random: damaged(data, random)):  # type: ignore[misc]
                    _check(address, root, all_answers=random.random() < 0.05)

    @pytest.mark.slow
    def test_absent_files(self, address: str) -> None:
        root = root_of(address)
        for paths in self.metadata(root).values():
            for path in paths[:40]:
                aside = root.with_name("aside")
                path.rename(aside)
                try:
                    _check(address, root)
                finally:
                    aside.rename(path)

    @pytest.mark.slow
    def test_other_things_in_the_place_of_files(self, address: str, tmp_path: Path) -> None:
        root, outside = root_of(address), tmp_path / "outside"
        outside.write_bytes(b'{"secret": "never shown"}')
        makers: list[Callable[[Path], None]] = [
            lambda path: path.symlink_to(outside),
            lambda path: path.symlink_to(path.name),
            lambda path: path.symlink_to("absent"),
            lambda path: path.symlink_to("/dev/zero"),
            os.mkfifo,
            lambda path: path.mkdir(),
            lambda path: path.touch(),
            _sparse,
        ]
        for paths in self.metadata(root).values():
            for path in paths[:10]:
                for make in makers:
                    with replaced(path, make):
                        _check(address, root)

    @pytest.mark.slow
    def test_files_that_vanish_while_they_are_read(self, address: str, tmp_path: Path) -> None:
        root = root_of(address)
        kept = tmp_path / "kept"
        _copy(root, kept)
        for turn in range(20):
            with vanishing(root, Random(turn)):
                answered(address)
            _remove(root)
            _copy(kept, root)


def root_of(address: str) -> Path:
    """Return the path in an address `kind:path`."""
    return Path(address.partition(":")[2])


def answered(address: str, *, all_answers: bool = True) -> Snapshot | None:
    """Scan a store and ask some questions; return None if it was refused with an error that says why."""
    with _limited():
        try:
            snapshot = blobkit.scan(address, progress=False)
        except BlobkitError as error:
            assert str(error)  # noqa: PT017 (any error of blobkit is an answer, if it says something)
            return None
        frame = snapshot.to_frame()
        assert (frame["size"] >= 0).all()
        if all_answers:
            str(snapshot.audit())
            snapshot.audit()._repr_html_()
            for name in snapshot.tags_frame().index[:3]:
                str(snapshot.simulate_deref(f"tag:{name}"))
        return snapshot


def _check(address: str, root: Path, *, all_answers: bool = False) -> None:
    before = fingerprint(root)
    answered(address, all_answers=all_answers)
    assert fingerprint(root) == before


def fingerprint(root: Path) -> dict[str, tuple[object, ...]]:
    """Return path, type, size, time and content (small files) of all below a path, to see whether a byte changed."""
    found: dict[str, tuple[object, ...]] = {}
    for path in [root, *sorted(root.rglob("*"))] if os.path.lexists(root) else []:
        info = path.lstat()
        content = b""
        if stat.S_ISREG(info.st_mode) and info.st_size <= 1 << 16:
            content = hashlib.blake2b(path.read_bytes()).digest()
        found[os.fspath(path)] = info.st_mode, info.st_size, info.st_mtime_ns, info.st_ino, content
    return found


@contextmanager
def changed(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """Change the content of a file until the end of the block."""
    data, info = path.read_bytes(), path.stat()
    path.chmod(info.st_mode | stat.S_IWUSR)
    path.write_bytes(change(data))
    try:
        yield
    finally:
        path.write_bytes(data)
        path.chmod(info.st_mode)
        os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))


@contextmanager
def replaced(path: Path, make: Callable[[Path], None]) -> Iterator[None]:
    """Put something else in the place of a file until the end of the block."""
    aside = path.with_name("aside")
    path.rename(aside)
    try:
        make(path)
        yield
    finally:
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        aside.rename(path)


_vanish: list[Callable[[str], None]] = []
_hooked: list[bool] = []


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    if _vanish and event in ("open", "os.scandir", "os.listdir"):
        _vanish[-1](str(arguments[0]))


@contextmanager
def vanishing(root: Path, random: Random) -> Iterator[None]:
    """Remove files and directories below a root while they are opened and listed, each with a chance of 1 in 10."""
    inside = os.fspath(root) + "/"

    def vanish(path: str) -> None:
        if path.startswith(inside) and random.random() < 0.1:
            taken = _vanish.pop()
            try:
                _remove(Path(path))
            finally:
                _vanish.append(taken)

    if not _hooked:  # a hook stays for the life of the process
        sys.addaudithook(_on_event)
        _hooked.append(True)
    _vanish.append(vanish)
    try:
        yield
    finally:
        _vanish.clear()


def _files(root: Path) -> list[Path]:
    found = [root] if root.is_file() else sorted(path for path in root.rglob("*") if not path.is_symlink())
    return [path for path in found if path.is_file()]


def _sparse(path: Path) -> None:
    """Make a file of 8 GiB that takes no space: reading it whole would take the memory."""
    with path.open("wb") as file:
        file.truncate(8 << 30)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=shutil.copy2)
    else:
        shutil.copy2(source, target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _limited() -> Iterator[None]:
    """Fail if the block takes longer than a scan of a small store ever does."""

    def hangs(*_: object) -> None:
        msg = f"no answer within {SECONDS} seconds"
        raise AssertionError(msg)

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
