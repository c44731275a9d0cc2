"""The members of tar archives, as `tarfile` sees them; and archives that nobody should write."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import tarfile
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobkit.sources.archive import Archive, is_tar
from blobkit.sources.members import plain_path
from blobkit.sources.source import Is, LeavesError
from blobkit.testing.damage import damaged
from blobkit.testing.scanner import MUTATIONS

if TYPE_CHECKING:
    from pathlib import Path

TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE)
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
TEXT = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=60)
KEYS = TEXT.filter(lambda key: "=" not in key)
"""tarfile does not read on behind a key that begins with `=`; GNU tar does."""
PATHS = st.lists(TEXT, min_size=1, max_size=5).map("/".join).filter(lambda path: plain_path(path) == path)


@st.composite
def infos(draw: st.DrawFn) -> tarfile.TarInfo:
    info = tarfile.TarInfo(draw(PATHS))
    info.type = draw(st.sampled_from(TYPES))
    info.size = draw(st.sampled_from([0, 1, 511, 512, 513, 5_000])) if info.isreg() else 0
    info.mtime = draw(st.sampled_from([0, 1, 1_700_000_000, 1_700_000_000.25, 1 << 33]))
    info.linkname = draw(PATHS) if info.issym() else ""
    info.pax_headers = draw(st.dictionaries(KEYS, TEXT, max_size=2))
    return info


@pytest.mark.slow
@given(st.lists(infos(), max_size=6), st.sampled_from(FORMATS))
def test_the_same_members_as_tarfile(tmp_path_factory: pytest.TempPathFactory, members: list, tar_format: int) -> None:
    path = tmp_path_factory.getbasetemp() / "any.tar"
    with tarfile.open(path, "w", format=tar_format) as tar:
        for member in members:
            try:
                tar.addfile(member, io.BytesIO(os.urandom(member.size)))
            except ValueError:  # a name that the format cannot express
                continue
    archive = Archive(path)
    with tarfile.open(path) as tar:
        wanted = {member.name: member for member in tar}  # the last one wins
        assert len(archive.index) == len(tar.getmembers())
        for name, member in wanted.items():
            index, row = archive.index, archive.index.rows[name]
            assert (index.kind(row) is Is.FILE, index.kind(row) is Is.DIRECTORY) == (member.isreg(), member.isdir())
            assert (index.size[row], index.modified[row]) == (member.size, int(member.mtime * 1_000_000) or -1)
            assert archive.index.targets.get(row, "") == (member.linkname if member.issym() else "")
            if member.isreg() and not archive.index.targets:
                assert archive.read(name, 9_999) == tar.extractfile(member).read()  # type: ignore[union-attr]
    assert (archive.index.ends, archive.index.others) == ("", []) or len(wanted) < len(archive.index)


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_tar_writes(tmp_path: Path, form: str) -> None:
    """Names of every length that the format can have, links, times before 1970 and far away, a sparse file."""
    root = tmp_path / "root"
    root.mkdir()
    for length in (1, 99) if form == "v7" else (1, 99, 100, 101, 154, 155) if form == "ustar" else (1, 100, 155, 250):
        place = root / ("d" * min(length, 90)) / ("f" * min(length, 90 if form in ("v7", "ustar") else 250))
        place = place if form != "v7" else root / ("f" * (length - 1 or 1))
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(b"x" * length)
    (root / "link").symlink_to("f")
    (root / "zero").touch()
    os.utime(root / "zero", (0, 0))
    path = tmp_path / "x.tar"
    subprocess.run(["tar", "cf", path, f"--format={form}", "-C", root, "."], check=True, capture_output=True)
    archive = Archive(path)
    assert (archive.index.ends, archive.index.others) == ("", [])
    files = [one for one in root.rglob("*") if one.is_file() and not one.is_symlink()]
    for one in files:
        below = str(one.relative_to(root))
        assert archive.read(below, 999) == one.read_bytes()
        moment = one.stat().st_mtime_ns // 10**9 or -1  # 0 says nothing: many programs write it into every member
        assert archive.stat(below).modified // 1_000_000 == moment
    assert archive.link("link") == "f"


@pytest.mark.parametrize("form", ["gnu", "posix"])
def test_a_sparse_member_is_seen_and_not_read(tmp_path: Path, form: str) -> None:
    with (tmp_path / "holes").open("wb") as file:
        for place in range(0, 40 << 20, 1 << 20):  # more pieces than one header describes
            file.seek(place)
            file.write(b"data")
        file.truncate(1 << 30)
    (tmp_path / "after").write_bytes(b"after")
    path = tmp_path / "x.tar"
    tar = ["tar", "cSf", path, f"--format={form}", "-C", tmp_path, "holes", "after"]
    subprocess.run(tar, check=True, capture_output=True)
    archive = Archive(path)
    assert archive.stat("holes").size == 1 << 30
    assert archive.read("after", 99) == b"after"
    with pytest.raises(OSError, match="sparse"):
        archive.read("holes", 9)


def header(name: bytes = b"file", size: bytes = b"00000000000", kind: bytes = b"0", **fields: bytes) -> bytes:
    """A header with any bytes in its fields, and the right check sum."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[124 : 124 + len(size)] = size
    block[136:147] = fields.get("mtime", b"00000000001")
    block[156:157] = kind
    target = fields.get("target", b"")
    block[157 : 157 + len(target)] = target
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


END = bytes(1024)


def archived(tmp_path: Path, *blocks: bytes) -> Archive:
    (tmp_path / "x.tar").write_bytes(b"".join(blocks))
    return Archive(tmp_path / "x.tar")


def test_extended_headers_are_bounded(tmp_path: Path) -> None:
    """One that claims 8 GiB ends the reading; a file of that size in holes costs nothing."""
    archive = archived(tmp_path, header(), header(b"x", b"77777777777", b"x"))
    with (tmp_path / "x.tar").open("r+b") as file:
        file.truncate(9 << 30)
    archive = Archive(tmp_path / "x.tar")
    assert list(archive.index.rows) == ["file"]
    assert "extended header of 8,589,934,591 bytes" in archive.index.ends


@pytest.mark.slow
def test_hundred_thousand_long_names_in_a_row(tmp_path: Path) -> None:
    """Each long name belongs to the next member: a reader that calls itself for each one would overflow."""
    name = header(b"l", b"00000000004", b"L") + b"long".ljust(512, b"\0")
    archive = archived(tmp_path, name * 100_000, header(), END)
    assert (list(archive.index.rows), archive.index.ends) == (["long"], "")


def test_a_pax_header_of_digits(tmp_path: Path) -> None:
    """A length that never ends made `tarfile` take hours (CVE-2024-6232)."""
    digits = b"1" * (1 << 19)
    archive = archived(tmp_path, header(b"x", b"%011o" % len(digits), b"x"), digits, header(), END)
    assert "pax header that cannot be read" in archive.index.ends


@pytest.mark.parametrize("size", [b"\xff" * 12, b"-0000000001", b"\x80" + b"\xff" * 11, b"abcdefghijk", b"0000000009z"])
def test_a_size_that_is_none(tmp_path: Path, size: bytes) -> None:
    """A negative size made `tarfile` go round for ever (CVE-2025-8194)."""
    archive = archived(tmp_path, header(b"first"), header(size=size), END)
    assert (list(archive.index.rows), "no valid size" in archive.index.ends) == (["first"], True)


def test_a_size_beyond_the_end(tmp_path: Path) -> None:
    archive = archived(tmp_path, header(size=b"00000001000"), b"data")
    assert "inside 'file'" in archive.index.ends
    assert (archive.stat("file").size, archive.read("file", 99)) == (4, b"data")


def test_links_without_a_target(tmp_path: Path) -> None:
    archive = archived(
        tmp_path,
        header(b"hard", kind=b"1", target=b"absent"),
        header(b"self", kind=b"1", target=b"self"),
        header(b"out", kind=b"2", target=b"../x"),
        header(b"empty", kind=b"2"),
        END,
    )
    assert [why for _, why, *_ in archive.index.others] == [
        "a hard link to 'absent', which is no earlier member",
        "a hard link to 'self', which is no earlier member",
    ]
    with pytest.raises(LeavesError):
        archive.read("out", 1)
    assert archive.stat("empty").kind is Is.LINK


def test_names_that_lead_out(tmp_path: Path) -> None:
    names = [b"/absolute", b"../up", b"a/../../up", b"a/..", b"..", b"."]
    archive = archived(tmp_path, *(header(name, b"00000000001") + b"x".ljust(512, b"\0") for name in names), END)
    assert archive.list("") == []
    assert sum(size for _, _, size, _ in archive.index.others) == len(names)


def test_long_names_and_links_that_multiply(tmp_path: Path) -> None:
    """A name of a megabyte is no path; links that lead through each other again and again are given up."""
    long = b"a/" * (1 << 18)
    blocks = [header(b"l", b"%011o" % len(long), b"L"), long, header(), header(b"l", b"%011o" % len(long), b"K"), long]
    blocks += [header(b"link-0", kind=b"2")]
    blocks += [header(b"link-%d" % n, kind=b"2", target=b"/".join([b"link-%d" % (n - 1)] * 9)) for n in range(1, 40)]
    archive = archived(tmp_path, *blocks, header(b"file"), END)
    assert [len(name) for name, *_ in archive.index.others] == [4096]
    for number in (0, 5, 39):
        with pytest.raises(OSError, match=r"symbolic links|No such file"):
            archive.read(f"link-{number}/file", 1)
    assert archive.read("file", 1) == b""


def test_an_index_that_takes_too_much_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blobkit.sources.members.MEMORY", 1_000)
    archive = archived(tmp_path, *(header(b"%d" % number) for number in range(9)), END)
    assert len(archive.index) == 5
    assert "the others are not read" in archive.index.ends


def test_what_comes_after_the_end_is_not_read(tmp_path: Path) -> None:
    """A lone block of zeros is no end, as for `tar`."""
    archive = archived(tmp_path, header(b"a"), bytes(512), header(b"b"), END, header(b"c"), END)
    assert (list(archive.index.rows), archive.index.ends) == (["a", "b"], "")


def test_a_file_that_is_no_tar(tmp_path: Path) -> None:
    for data in (b"", b"\0", b"text" * 400, b"\x1f\x8b", b"\x1f\x8b" + b"x" * 999, b"\x28\xb5\x2f\xfd" + b"x" * 999):
        (tmp_path / "x").write_bytes(data)
        assert not is_tar(tmp_path / "x")
    (tmp_path / "x").write_bytes(bytes(10_240))
    assert is_tar(tmp_path / "x")


def test_memory_for_each_member_is_bounded(tmp_path: Path) -> None:
    """Headers with 64 KiB of attributes each leave nothing behind."""
    body = b"65000 SCHILY.xattr.x=".ljust(64_999, b"y") + b"\n"
    extended = header(b"x", b"%011o" % len(body), b"x") + body.ljust(-(-len(body) // 512) * 512, b"\0")
    with (tmp_path / "x.tar").open("wb") as file:
        for number in range(2_000):
            file.write(extended + header(b"file-%d" % number))
        file.write(END)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    archive = Archive(tmp_path / "x.tar")
    assert len(archive.list("")) == 2_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 8 << 10


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_damaged_archives(tmp_path: Path, mode: str) -> None:
    """Any damage: an index of what is there, and why it ends."""
    path = tmp_path / "x.tar"
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for number in range(20):
            info = tarfile.TarInfo("d/" * (number * 7) + f"file-{number}")
            info.size = number * 99
            tar.addfile(info, io.BytesIO(b"x" * info.size))
    data, random = path.read_bytes(), Random(mode)  # noqa: S311 (not for secrets)
    for _ in range(MUTATIONS):
        path.write_bytes(damaged(data, random))
        archive = Archive(path)
        for name in archive.index.rows:
            info = archive.stat(name)
            assert info.size >= 0
            if info.kind is Is.FILE and not archive.index.is_sparse(archive.index.rows[name]) and mode == "w":
                assert len(archive.read(name, 1 << 20)) == info.size
