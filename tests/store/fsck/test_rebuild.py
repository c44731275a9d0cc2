"""A broken index is built anew from the blobs and index.json."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import blobkit.demo
import damage
from blobkit.cli import cli
from blobkit.digest import of
from blobkit.errors import NotAStoreError, StoreDamagedError, StoreTooNewError
from blobkit.store.fsck.directory import fsck_directory
from blobkit.store.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def facts(root: Path) -> dict[str, tuple[object, ...]]:
    with LocalStore(root) as store:
        found = [store.get(digest) for digest in store]
        return {b.digest: (b.size, b.refcount, b.pins, b.links, b.media_type, b.tags, b.read()) for b in found}


def overwrite(root: Path) -> None:
    (root / ".blobkit/index.sqlite").write_bytes(b"this is no database" * 500)


def tear(root: Path) -> None:
    path = root / ".blobkit/index.sqlite"
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def empty(root: Path) -> None:
    (root / ".blobkit/index.sqlite").write_bytes(b"")


def remove(root: Path) -> None:
    (root / ".blobkit/index.sqlite").unlink()


def drop_a_table(root: Path) -> None:
    with closing(sqlite3.connect(root / ".blobkit/index.sqlite")) as db, db:
        db.execute("DROP TABLE links")


def tear_one_page(root: Path) -> None:
    """Damage one page that few questions look at: SQLite's own check sees it."""
    with closing(sqlite3.connect(root / ".blobkit/index.sqlite")) as db:
        page, size = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'given'").fetchone()[0], 4096
    path = root / ".blobkit/index.sqlite"
    data = bytearray(path.read_bytes())
    data[(page - 1) * size : (page - 1) * size + 16] = b"\xff" * 16
    path.write_bytes(data)


BREAKS = (overwrite, tear, empty, remove, drop_a_table, tear_one_page)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images") / "store"
    with LocalStore(root, durability="off") as store:
        blobkit.demo.fill(store)
        store.put(b"nothing names me")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("break_it", BREAKS, ids=lambda one: one.__name__)
def test_a_store_of_images_comes_back_as_it_was(tmp_path: Path, images: Path, break_it: Callable[[Path], None]) -> None:
    root = tmp_path / "store"
    shutil.copytree(images, root)
    before = facts(root)
    break_it(root)
    files = damage.contents(root)
    found = fsck_directory(root, repair=False, content=True, progress=False)
    assert found.counts == {"index-damaged": 1}
    assert damage.contents(root) == files
    done = fsck_directory(root, repair=True, content=True, progress=False)
    assert not done.left, str(done)
    assert done.counts["unreached"] == 1
    assert facts(root) == before
    assert damage.faults(root) == set()
    assert not fsck_directory(root, repair=False, content=True, progress=False)


def test_what_index_json_does_not_know_is_pinned_and_what_is_damaged_moved(tmp_path: Path) -> None:
    root = tmp_path / "store"
    damage.build(root)
    place = damage.Place(root)
    place.rewrite(damage.victim(0), b"VICTIM 0")  # which has a tag
    place.rewrite(damage.victim(5), b"victim")
    overwrite(root)
    done = LocalStore.rebuild(root, progress=False)
    assert done.counts == {"index-damaged": 1, "entry": 1, "content-corrupt": 2, "unreached": 1}
    with LocalStore(root) as store:
        assert store.tags().keys() == {"image:1", "tree:1", "victim:1", "victim:2"}
        assert store.get(of(b"leaf", "sha512")).pins == 1
        assert len(store) == damage.VICTIMS + 6 - 2
        layers = [store.get(of(b"layer %d" % i)) for i in range(3)]
        assert [(blob.refcount, blob.pins) for blob in layers] == [(1, 0)] * 3
        store.put(b"absent")
        assert store.get(of(b"absent")).refcount == 2, "the image still waits for its absent layer"
    names = json.loads((root / "index.json").read_bytes())["manifests"]
    assert of(damage.victim(0)) in {entry["digest"] for entry in names}, "no entry of index.json is lost"
    assert damage.faults(root) == set()


@pytest.mark.slow
def test_without_a_readable_index_json_every_blob_is_pinned(tmp_path: Path) -> None:
    root = tmp_path / "store"
    damage.build(root)
    (root / "index.json").write_bytes(b"{")
    overwrite(root)
    done = fsck_directory(root, repair=True, content=True, progress=False)
    assert not done.left
    assert (root / ".blobkit/quarantine/index.json.unreadable").read_bytes() == b"{"
    with LocalStore(root) as store:
        assert store.tags() == {}
        assert {store.get(digest).pins for digest in store} == {1}
    assert damage.faults(root) == set()


def test_a_second_rebuild_keeps_the_first_in_quarantine(tmp_path: Path) -> None:
    root = tmp_path / "store"
    damage.build(root)
    for _ in range(2):
        overwrite(root)
        LocalStore.rebuild(root, progress=False)
    assert len(list((root / ".blobkit/quarantine").iterdir())) == 2


def test_errors_name_the_way_out(tmp_path: Path) -> None:
    root = tmp_path / "store"
    damage.build(root)
    for break_it in (overwrite, remove):
        break_it(root)
        with pytest.raises(StoreDamagedError, match="blobkit fsck --repair"):
            LocalStore(root)
    with pytest.raises(NotAStoreError):
        LocalStore.rebuild(tmp_path, progress=False)


def test_a_newer_store_is_not_touched(tmp_path: Path) -> None:
    root = tmp_path / "store"
    damage.build(root)
    damage.Place(root).run("PRAGMA user_version = 99")
    with pytest.raises(StoreTooNewError):
        LocalStore.rebuild(root, progress=False)
    with pytest.raises(StoreTooNewError):
        fsck_directory(root, repair=True, content=True, progress=False)


def test_the_command_says_what_is_left(tmp_path: Path) -> None:
    root = tmp_path / "store"
    damage.build(root)
    damage.PLANTS["corrupt"][1](damage.Place(root))
    damage.PLANTS["refcount"][1](damage.Place(root))

    def run(*options: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["fsck", str(root), *options], standalone_mode=False)
        assert done.exception is None
        return done.return_value, done.output

    code, text = run("--json")
    assert (code, json.loads(text)["counts"]) == (1, {"content-corrupt": 1, "refcount": 1})
    assert run("--no-content")[0] == 1
    code, text = run("--repair")
    assert (code, "counted anew" in text, "content-missing" in text) == (1, True, True)
    with LocalStore(root) as store:
        store.put(damage.victim(7))
    assert run()[0] == 0
    assert "1 file deleted" in run("--purge")[1]


def test_what_only_the_journal_of_the_old_index_has_is_restored(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    digest = store.put(b"small", tag="t").digest
    store._index.close()
    (tmp_path / "store/blobs/sha256" / digest[7:]).unlink()
    with closing(sqlite3.connect(tmp_path / "store/.blobkit/index.sqlite")) as db:
        db.execute("DROP TABLE links")
    LocalStore.rebuild(tmp_path / "store", progress=False)
    with LocalStore(tmp_path / "store") as store:
        assert store.tags() == {"t": digest}
        assert store.get(digest).read() == b"small"
        assert not store.fsck(progress=False)
