"""A store whose directory is moved, removed or replaced while it is open says so, and writes nothing anywhere."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import StoreError
from blobkit.store.local import open_read_only
from draining import drain
from layouts import sha

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Verb = Callable[[blobkit.LocalStore], object]

DIGEST = sha(b"content")


def batched(store: blobkit.LocalStore) -> None:
    with store.batch() as batch:
        batch.put(b"new")


def written(store: blobkit.LocalStore) -> None:
    with store.new_writer() as writer:
        writer.write(b"new")


def content(root: Path) -> dict[str, bytes]:
    """The content of all files but for the locks of SQLite, which readers write too."""
    paths = (path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix != ".sqlite-shm")
    return {str(path): path.read_bytes() for path in paths}


WRITES: dict[str, Verb] = {
    "put": lambda store: store.put(b"new"),
    "put again": lambda store: store.put(b"content"),
    "put_many": lambda store: store.put_many([b"new", b"newer"]),
    "new_writer": written,
    "ref": lambda store: store.ref(DIGEST),
    "deref": lambda store: store.deref(DIGEST),
    "tag": lambda store: store.tag("y", DIGEST),
    "untag": lambda store: store.untag("x"),
    "batch": batched,
}
READS: dict[str, Verb] = {"open": lambda store: store.open(DIGEST)}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[blobkit.LocalStore]:
    with blobkit.LocalStore(tmp_path / "store") as store:
        store.put(b"content", tag="x")
        store.put(b"content")
        yield store


@pytest.mark.parametrize("verb", [*WRITES, *READS])
@pytest.mark.parametrize("how", ["moved", "removed", "replaced"])
def test_every_verb_says_that_the_store_is_not_there(
    store: blobkit.LocalStore, tmp_path: Path, verb: str, how: str
) -> None:
    shutil.move(store.root, tmp_path / "moved") if how != "removed" else shutil.rmtree(store.root)
    if how == "replaced":
        with blobkit.LocalStore(tmp_path / "store") as other:
            other.put(b"another store")
    before = content(tmp_path)
    with pytest.raises(StoreError, match="was moved, removed or replaced") as told:
        (WRITES | READS)[verb](store)
    assert str(tmp_path / "store") in str(told.value)
    assert content(tmp_path) == before


def test_small_content_is_read_from_the_store_that_was_opened_wherever_it_is(
    store: blobkit.LocalStore, tmp_path: Path
) -> None:
    shutil.move(store.root, tmp_path / "moved")
    with blobkit.LocalStore(tmp_path / "store") as other:
        other.put(b"another store")
        assert store.get(DIGEST).read() == b"content"
        assert other.get(sha(b"another store")).read() == b"another store"
    shutil.rmtree(tmp_path / "moved")
    with pytest.raises(StoreError, match="was moved, removed or replaced"):
        store.get(DIGEST).read()


def test_a_store_that_is_moved_back_works_again(store: blobkit.LocalStore, tmp_path: Path) -> None:
    shutil.move(store.root, tmp_path / "moved")
    with pytest.raises(StoreError):
        store.put(b"new")
    shutil.move(tmp_path / "moved", store.root)
    assert store.put(b"new").digest in store.list()
    assert store.get(DIGEST).read() == b"content"


def test_what_is_missing_where_nothing_moved_is_missing(store: blobkit.LocalStore) -> None:
    path = store.root / "blobs" / DIGEST.replace(":", "/")
    drain(store)
    path.unlink()
    with pytest.raises(blobkit.ContentMissingError):
        store.open(DIGEST)


def test_a_store_open_for_reading_says_so_too(store: blobkit.LocalStore, tmp_path: Path) -> None:
    store.close()
    with open_read_only(tmp_path / "store") as reader:
        assert len(reader.list()) == 1
        shutil.move(tmp_path / "store", tmp_path / "moved")
        with pytest.raises(StoreError):
            reader.list()
