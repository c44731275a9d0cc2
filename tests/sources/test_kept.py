"""The cache of documents by digest."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import Digest, of
from blobkit.sources import kept
from blobkit.sources.kept import Kept, kept_in

if TYPE_CHECKING:
    from pathlib import Path

CONTENTS = {of(text.encode()): text.encode() for text in ("one", "two" * 5000, "{}")}
LARGE = {of(text, "sha512"): text for text in (b"long digest",)}


def fill(cache: Kept) -> Kept:
    for digest, content in (CONTENTS | LARGE).items():
        cache.put(digest, content)
    return cache


def test_what_was_put_is_read_before_and_after_it_is_written(tmp_path: Path) -> None:
    cache = fill(kept_in(tmp_path))
    assert dict(cache.read(CONTENTS | LARGE)) == CONTENTS | LARGE
    cache.close()
    again = kept_in(tmp_path)
    assert dict(again.read([*CONTENTS, *LARGE, of(b"other")])) == CONTENTS | LARGE
    assert again.one(of(b"other")) is None
    assert again.place == str(tmp_path / "manifests.sqlite")
    again.close()


def test_documents_are_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file and from memory; no more digests are asked for than those of the piece."""
    monkeypatch.setattr(kept, "BATCH", 2)
    contents = {of(text): text for text in (b"%d" % number for number in range(7))}
    cache = kept_in(tmp_path)
    for number, (digest, content) in enumerate(contents.items()):
        cache.put(digest, content)
        if number == 3:
            cache.commit()
    wanted = iter([of(b"other"), *contents])
    found = cache.read(wanted)
    assert next(found) == (of(b"0"), b"0")
    assert next(wanted) == of(b"1")
    assert dict(found) == {digest: text for digest, text in contents.items() if text not in (b"0", b"1")}
    cache.close()


def test_pieces_are_written_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "PIECE", 2)
    cache = fill(kept_in(tmp_path))
    other = kept_in(tmp_path)
    assert len(dict(other.read(CONTENTS | LARGE))) == 4
    cache.close()
    other.close()


def test_memory_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = fill(kept_in(False))  # noqa: FBT003 (as users say it)
    cache.commit()
    assert dict(cache.read(CONTENTS)) == CONTENTS
    assert cache.place == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", [None, True])
def test_the_usual_place(given: bool | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fill(kept_in(given)).close()
    path = tmp_path / "blobkit/manifests.sqlite"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    fill(kept_in(tmp_path)).close()
    path = tmp_path / "manifests.sqlite"
    path.chmod(0o644)
    assert dict(kept_in(tmp_path).read(CONTENTS)) == CONTENTS
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_path_names_a_file_or_a_directory(tmp_path: Path) -> None:
    assert kept_in(tmp_path / "mine.sqlite").place == str(tmp_path / "mine.sqlite")
    assert kept_in(str(tmp_path / "sub")).place == str(tmp_path / "sub/manifests.sqlite")


def _not_sqlite(path: Path) -> None:
    path.write_bytes(b"hello" * 100)


def _cut(path: Path) -> None:
    fill(kept_in(path)).close()
    path.write_bytes(path.read_bytes()[:300])


def _other_program(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE documents (digest TEXT PRIMARY KEY, content BLOB)")


def _other_table(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA application_id = {kept.PROGRAM}")
        database.execute("CREATE TABLE documents (other TEXT)")


def _link(path: Path) -> None:
    fill(kept_in(path.with_name("real.sqlite"))).close()
    path.symlink_to(path.with_name("real.sqlite"))


def _writable(path: Path) -> None:
    fill(kept_in(path)).close()
    path.chmod(0o620)


def _in_the_open(path: Path) -> None:
    path.parent.chmod(0o777)


def _fifo(path: Path) -> None:
    os.mkfifo(path, 0o600)


SPOILED = [_not_sqlite, _cut, _other_program, _other_table, _link, _writable, _in_the_open, _fifo]


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_file_that_cannot_be_trusted_is_not_used(
    spoil: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cache.sqlite"
    spoil(path)  # type: ignore[operator]
    before = path.read_bytes() if path.is_file() else b""
    cache = kept_in(path)
    assert cache.place == ""
    assert "is not used" in caplog.text
    fill(cache).close()
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_content_that_was_changed_in_the_file_is_not_there(tmp_path: Path) -> None:
    fill(kept_in(tmp_path)).close()
    first, second, third = CONTENTS
    bomb = kept.zlib.compress(b"0" * (5 << 20))
    with sqlite3.connect(tmp_path / "manifests.sqlite") as database:
        for digest, content in ((first, b"junk"), (second, kept.zlib.compress(b"other")), (third, bomb)):
            database.execute("UPDATE documents SET content = ? WHERE digest = ?", (content, digest))
    cache = kept_in(tmp_path)
    assert dict(cache.read(CONTENTS)) == {}
    cache.put(first, CONTENTS[first])
    cache.close()
    assert kept_in(tmp_path).one(first) == CONTENTS[first]


def test_a_file_that_fails_meanwhile_is_given_up_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = kept_in(tmp_path)
    cache.put(Digest(next(iter(CONTENTS))), CONTENTS[next(iter(CONTENTS))])
    with sqlite3.connect(tmp_path / "manifests.sqlite") as database:
        database.execute("DROP TABLE documents")
    fill(cache).commit()
    assert "not used any more" in caplog.text
    assert dict(cache.read(CONTENTS)) == CONTENTS
    cache.close()
