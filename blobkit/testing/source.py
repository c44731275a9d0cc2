"""Tests of every source of bytes: subclass `SourceSuite` and give it `make`, which keeps files as a source."""
# ruff: noqa: D102, S101 (the names of the tests say what they prove; a suite asserts)

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blobkit.sources.source import Is, LeavesError, follow
from blobkit.testing.scanner import fingerprint

if TYPE_CHECKING:
    from blobkit.sources.source import Source

__all__ = ["SourceSuite"]

MOMENT = 1_700_000_000
"""Seconds: the time of last change of every file."""
HOSTILE = ("/etc/passwd", "../outside", "a/../file", "a//b", "./file", "file/", "a/.", "a/..", ".", "..", "a\0b", "/")
NAMES = (
    "plain",
    "with blank",
    "naïve-日本",
    os.fsdecode(b"not-utf8-\xff\xfe"),
    "line\nbreak",
    "\x1b[31m",
    "-rf",
    "..hidden",
    "...",
    "50%",
    "n" * 255,
)


class SourceSuite:
    """A source lists, tells and reads what is there, and nothing that is not inside; it neither waits nor writes.

    Set `has_links`, `has_pipes` or `has_empty` (directories) to False for a place that cannot keep these; `names` are
    names that it can keep, `has_times`: it keeps the time of last change.
    """

    has_links = True
    has_pipes = True
    has_empty = True
    has_times = True
    names = NAMES

    def make(self, root: Path) -> Source:
        """Return a source with the files in this directory."""
        raise NotImplementedError

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        """Return an empty directory, with a secret beside it."""
        (tmp_path / "outside").write_bytes(b"secret")
        (tmp_path / "root").mkdir()
        return tmp_path / "root"

    def test_entries_are_sorted_and_have_types(self, root: Path) -> None:
        _write(root, "b/c/file", b"1")
        _write(root, "b.txt", b"2")
        _write(root, "b/z", b"3")
        (root / "empty").mkdir()
        source = self.make(root)
        assert [(entry.name, entry.kind) for entry in source.list("")] == [
            ("b", Is.DIRECTORY),
            ("b.txt", Is.FILE),
            *([("empty", Is.DIRECTORY)] if self.has_empty else []),
        ]
        assert source.list("b") == [("c", Is.DIRECTORY), ("z", Is.FILE)]
        if self.has_empty:
            assert source.list("empty") == []

    @pytest.mark.slow
    def test_a_large_directory(self, root: Path) -> None:
        names = [f"{number:04}" for number in range(400)]
        for name in names:
            _write(root, f"many/{name}", b"")
        source = self.make(root)
        assert [entry.name for entry in source.list("many")] == names
        assert source.list("") == [("many", Is.DIRECTORY)]

    def test_what_is_absent_is_an_error(self, root: Path) -> None:
        _write(root, "a/file", b"x")
        source = self.make(root)
        for path in ("b", "a/b", "a/b/c"):
            for ask in (source.list, source.stat, source.open, source.link, lambda p: source.read(p, 9)):
                with pytest.raises(FileNotFoundError):
                    ask(path)
        for ask in (source.list, source.stat, source.open, lambda p: source.read(p, 9)):
            with pytest.raises(OSError):  # noqa: PT011 (below a file: each source has its own number)
                ask("a/file/below")
        with pytest.raises(OSError):  # noqa: PT011
            source.list("a/file")
        for ask in (source.open, lambda p: source.read(p, 9)):
            with pytest.raises(OSError):  # noqa: PT011
                ask("a")

    def test_size_and_time(self, root: Path) -> None:
        _write(root, "a/file", bytes(1_000))
        source = self.make(root)
        info = source.stat("a/file")
        assert (info.kind, info.size, info.links) == (Is.FILE, 1_000, 1)
        assert info.modified == MOMENT * 1_000_000 or not self.has_times
        assert source.stat("a").kind is source.stat("").kind is Is.DIRECTORY

    @pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 70_000, (3 << 20) + 5])
    def test_reading_up_to_a_limit(self, root: Path, size: int) -> None:
        data = os.urandom(size)
        _write(root, "file", data)
        _write(root, "next", b"other")
        source = self.make(root)
        for limit in (0, 1, size, size + 1, 1 << 40):
            assert source.read("file", limit) == data[:limit]
        with source.open("file") as file:
            assert file.read(7) == data[:7]
            assert file.read() == data[7:]
            assert file.read(1) == b""
        with source.open("file") as file:
            assert hashlib.file_digest(file, "sha256").digest() == hashlib.sha256(data).digest()  # type: ignore[arg-type]

    def test_two_open_files_do_not_disturb_each_other(self, root: Path) -> None:
        contents = {name: os.urandom(100_000) for name in ("a", "b")}
        for name, data in contents.items():
            _write(root, name, data)
        source = self.make(root)
        with source.open("b") as second, source.open("a") as first:
            pieces = [(first.read(1_000), second.read(1_000)) for _ in range(100)]
        assert b"".join(piece for piece, _ in pieces) == contents["a"]
        assert b"".join(piece for _, piece in pieces) == contents["b"]

    def test_reading_many(self, root: Path) -> None:
        contents = {f"a/{number}": os.urandom(number) for number in range(50)}
        for name, data in contents.items():
            _write(root, name, data)
        source = self.make(root)
        asked = [*reversed(contents), "absent", "a", "../outside"]
        found = dict(source.read_many(asked, 40))
        assert set(found) == set(asked)
        assert {name: found[name] for name in contents} == {name: data[:40] for name, data in contents.items()}
        assert all(isinstance(found[path], OSError) for path in ("absent", "a", "../outside"))

    @pytest.mark.parametrize("path", HOSTILE)
    def test_a_path_that_is_none_is_an_error(self, root: Path, path: str) -> None:
        _write(root, "file", b"x")
        _write(root, "a/b", b"y")
        source = self.make(root)
        for ask in (source.list, source.stat, source.open, source.link, lambda p: source.read(p, 9)):
            with pytest.raises(OSError):  # noqa: PT011
                ask(path)

    def test_any_name(self, root: Path) -> None:
        for name in self.names:
            _write(root, f"{name}/{name}", name.encode("utf-8", "surrogateescape"))
        source = self.make(root)
        assert [entry.name for entry in source.list("")] == sorted(self.names)
        for name in self.names:
            assert source.list(name) == [(name, Is.FILE)]
            assert source.read(f"{name}/{name}", 999) == name.encode("utf-8", "surrogateescape")

    def test_links_inside_are_followed_to_read(self, root: Path) -> None:
        self._needs_links()
        _write(root, "a/b/file", b"content")
        _link(root, "a/near", "b/file")
        _link(root, "dir", "a/b")
        _link(root, "a/b/up", "../../dir/file")
        _link(root, "twice", "a/near")
        source = self.make(root)
        for path in ("a/near", "dir/file", "a/b/up", "twice", "dir/up"):
            assert source.read(path, 99) == b"content"
            with source.open(path) as file:
                assert file.read() == b"content"
        assert source.stat("dir").kind is Is.LINK
        assert source.stat("dir/file").kind is Is.FILE
        assert [entry.name for entry in source.list("dir")] == ["file", "up"]
        assert dict(source.list(""))["twice"] is Is.LINK
        assert [source.link(path) for path in ("a/near", "dir", "a/b/up", "dir/up")] == [
            "a/b/file",
            "a/b",
            "a/b/file",
            "a/b/file",
        ]
        assert follow(source, "twice") == "a/b/file"
        with pytest.raises(OSError):  # noqa: PT011
            source.link("a/b/file")

    @pytest.mark.parametrize(
        "target", ["../outside", "/etc/passwd", "a/../../outside", "..", "/", "a/out/passwd", "a/b/../../../outside"]
    )
    def test_no_link_leads_out(self, root: Path, target: str) -> None:
        self._needs_links()
        (root / "a/b").mkdir(parents=True)
        _link(root, "a/out", "/etc")
        _link(root, "link", target)
        _link(root, "second", "link")
        source = self.make(root)
        for path in ("link", "second", "link/passwd", "a/out/passwd", "a/out/absent"):
            for ask in (source.open, source.list, lambda p: source.read(p, 99)):
                with pytest.raises(LeavesError):
                    ask(path)
        with pytest.raises(LeavesError):
            source.stat("a/out/passwd")
        with pytest.raises(LeavesError):
            follow(source, "second")
        with pytest.raises(LeavesError):
            source.link("a/out")
        assert source.stat("link").kind is Is.LINK

    def test_links_that_lead_nowhere(self, root: Path) -> None:
        self._needs_links()
        _link(root, "loop", "loop")
        _link(root, "one", "two")
        _link(root, "two", "one/x")
        _link(root, "dangling", "absent/file")
        source = self.make(root)
        for path in ("loop", "one", "two", "dangling", "loop/x"):
            for ask in (source.open, source.list, lambda p: source.read(p, 99)):
                with pytest.raises(OSError):  # noqa: PT011
                    ask(path)
        assert source.link("dangling") == "absent/file"
        assert source.stat("loop").kind is Is.LINK
        with pytest.raises(OSError):  # noqa: PT011
            follow(source, "loop")

    def test_hard_links(self, root: Path) -> None:
        self._needs_links()
        _write(root, "a/first", b"shared")
        (root / "second").hardlink_to(root / "a/first")
        source = self.make(root)
        assert source.read("a/first", 9) == source.read("second", 9) == b"shared"
        first, second = source.stat("a/first"), source.stat("second")
        assert first == second
        assert (first.links, first.size, first.kind) == (2, 6, Is.FILE)

    def test_a_pipe_is_no_file(self, root: Path) -> None:
        if not self.has_pipes:
            pytest.skip("this place keeps no pipes")
        os.mkfifo(root / "pipe")
        source = self.make(root)
        assert source.list("") == [("pipe", Is.OTHER)]
        assert source.stat("pipe").kind is Is.OTHER
        for ask in (source.open, source.list, lambda p: source.read(p, 99)):
            with pytest.raises(OSError):  # noqa: PT011
                ask("pipe")

    def test_nothing_is_written_and_every_file_is_closed(self, root: Path) -> None:
        _write(root, "a/file", b"x" * 1_000)
        source = self.make(root)
        before = fingerprint(root.parent)
        opened = len(list(Path("/proc/self/fd").iterdir()))
        for path in ("", "a", "a/file", "absent"):
            for ask in (source.list, source.stat, source.link, lambda p: source.read(p, 9), _drained(source)):
                try:
                    ask(path)
                except OSError:
                    continue
        assert len(list(Path("/proc/self/fd").iterdir())) == opened
        assert fingerprint(root.parent) == before

    def _needs_links(self) -> None:
        if not self.has_links:
            pytest.skip("this place keeps no links")


def _drained(source: Source):  # type: ignore[no-untyped-def]  # noqa: ANN202 (a function of a path)
    def drain(path: str) -> None:
        with source.open(path) as file:
            file.read()

    return drain


def _write(root: Path, path: str, data: bytes) -> None:
    place = Path(f"{root}/{path}")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    os.utime(place, (MOMENT, MOMENT))


def _link(root: Path, path: str, target: str) -> None:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
