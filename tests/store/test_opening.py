"""What a directory may be before it is opened, and reading a store without a trace."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import (
    BlobNotFoundError,
    ContentMissingError,
    ExportError,
    NotAdoptedError,
    NotAStoreError,
    ReadOnlyStoreError,
    StoreBusyError,
    StoreClosedError,
    StoreDamagedError,
    StoreTooNewError,
)
from blobkit.index.sqlite import SqliteIndex
from blobkit.store.local import LocalStore, open_read_only
from draining import drain

if TYPE_CHECKING:
    from blobkit.transactions import Reading


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "er" / "store"


def made(root: Path, *contents: bytes) -> Path:
    with LocalStore(root, durability="off") as store:
        for number, content in enumerate(contents):
            store.put(content, tag=f"t{number}")
    return root


def tree(root: Path) -> dict[Path, tuple[int, int, bytes]]:
    """Content, mode and time of every file and directory."""
    paths = [root, *root.rglob("*")]
    return {p: (p.stat().st_mode, p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"") for p in paths}


def test_a_store_is_made_where_nothing_is(root: Path) -> None:
    with LocalStore(root) as store:
        digest = store.put(b"x").digest
        assert repr(store) == f"LocalStore({str(root)!r})"
    with LocalStore(str(root), create=False) as store:
        assert store.list() == [digest]


def test_a_store_is_made_in_an_empty_directory_or_one_that_was_being_made(root: Path) -> None:
    root.mkdir(parents=True)
    made(root)
    shutil.rmtree(root)
    (root / ".blobkit").mkdir(parents=True)
    made(root, b"x")


def test_an_empty_path_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for opened in (LocalStore, LocalStore.rebuild, open_read_only):
        with pytest.raises(NotAStoreError, match="the path of a store is empty: give the directory of one"):
            opened("")
    assert list(tmp_path.iterdir()) == []
    with LocalStore(".") as store:
        assert store.root == tmp_path


def test_create_false_makes_nothing(root: Path) -> None:
    with pytest.raises(NotAStoreError, match="does not exist"):
        LocalStore(root, create=False)
    assert not root.exists()
    root.mkdir(parents=True)
    with pytest.raises(NotAStoreError, match="is empty"):
        LocalStore(root, create=False)
    assert list(root.iterdir()) == []


def test_a_plain_layout_is_not_taken_over(root: Path) -> None:
    made(root, b"x")
    shutil.rmtree(root / ".blobkit")
    before = tree(root)
    with pytest.raises(NotAdoptedError, match=r"OCI image layout.*blobkit\.scan"):
        LocalStore(root)
    assert tree(root) == before


def test_any_other_directory_is_left_alone(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "letter.txt").write_text("dear")
    before = tree(root)
    with pytest.raises(NotAStoreError, match="not empty"):
        LocalStore(root)
    assert tree(root) == before
    with pytest.raises(NotAStoreError):
        LocalStore(root / "letter.txt")


@pytest.mark.parametrize("rest", [None, b""])
def test_blobs_without_their_index_are_not_forgotten(root: Path, rest: bytes | None) -> None:
    made(root, b"x")
    index = root / ".blobkit" / "index.sqlite"
    index.unlink()
    if rest is not None:
        index.write_bytes(rest)
    with pytest.raises(StoreDamagedError, match="restore it"):
        LocalStore(root)
    assert len(list((root / "blobs/sha256").iterdir())) == 1


def test_a_newer_store_is_not_touched(root: Path) -> None:
    made(root, b"x")
    with sqlite3.connect(root / ".blobkit" / "index.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = tree(root)
    for opened in (LocalStore, open_read_only):
        with pytest.raises(StoreTooNewError, match="schema 99"):
            opened(root)
    assert tree(root) == before


def test_an_index_that_is_no_database_is_damaged(root: Path) -> None:
    made(root, b"x")
    (root / ".blobkit" / "index.sqlite").write_bytes(b"no database" * 500)
    with pytest.raises(StoreDamagedError):
        LocalStore(root)


def test_unknown_durability(root: Path) -> None:
    with pytest.raises(ValueError, match="durability"):
        LocalStore(root, durability="most")
    assert not root.exists()


def test_the_lock_is_not_waited_for_forever(root: Path) -> None:
    made(root, b"x")
    path = root / ".blobkit" / "index.sqlite"
    one, two = SqliteIndex(path, durability="off"), SqliteIndex(path, durability="off", timeout=0.05)
    with one.writing(), pytest.raises(StoreBusyError), two.writing():
        pass
    assert two.read(lambda rows: rows.total()) == 1
    one.close()
    two.close()


def test_temporary_files_of_dead_processes_go_at_opening(root: Path) -> None:
    made(root)
    (root / ".blobkit/tmp/123-dead").write_bytes(b"x")
    with LocalStore(root, durability="off") as store, store.new_writer() as writer:
        writer.write(b"alive")
        with LocalStore(root, durability="off"):
            pass
        assert len(list((root / ".blobkit/tmp").iterdir())) == 1
    with LocalStore(root) as store:
        assert of(b"alive") in store


def test_content_that_is_gone_is_missed_when_read_and_healed_by_the_next_put(root: Path) -> None:
    with LocalStore(root, durability="off") as store:
        digest = store.put(b"content").digest
        path = root / "blobs/sha256" / digest[7:]
        for damage in (path.unlink, lambda: (path.unlink(), path.write_bytes(b"cont"))):
            damage()
            with pytest.raises(ContentMissingError) as caught:
                store.get(digest).read()
            assert isinstance(caught.value, FileNotFoundError)
            assert not caught.value.is_blob_not_exists()
            refcount = store.get(digest).refcount
            assert store.put(b"content").refcount == refcount + 1
            assert store.get(digest).read() == b"content"
            assert path.stat().st_mode & 0o777 == 0o444


def test_a_blob_that_was_removed_meanwhile_is_not_found(root: Path) -> None:
    with LocalStore(root, durability="off") as store:
        blob = store.get(store.put(b"x").digest)
        store.deref(blob.digest)
        with pytest.raises(BlobNotFoundError):
            blob.open()


# Reading without a trace


def check_reading(root: Path, *contents: bytes) -> None:
    """Read everything there is; nothing may change."""
    before = tree(root)
    with open_read_only(root) as store:
        assert store.list() == sorted(map(of, contents))
        for content in contents:
            assert store.get(of(content)).read() == content
        assert store.untag("t0", dry_run=True).bytes == len(contents[0])
        assert store.snapshot().nodes.num_rows == len(contents)
        for call in (
            lambda: store.put(b"y"),
            store.new_writer,
            lambda: store.ref(of(contents[0])),
            lambda: store.untag("t0"),
            store.sweep,
        ):
            with pytest.raises(ReadOnlyStoreError):
                call()
    with pytest.raises(StoreClosedError):
        store.list()
    assert tree(root) == before


def test_reading_leaves_no_trace(root: Path) -> None:
    check_reading(made(root, b"one", b"two"), b"one", b"two")


def test_reading_a_directory_that_cannot_be_written(root: Path) -> None:
    made(root, b"one")
    paths = [root, *root.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        check_reading(root, b"one")
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_reading_beside_an_open_store_sees_what_was_committed(root: Path) -> None:
    with LocalStore(root, durability="off") as store:
        store.put(b"one", tag="t0")
        assert (root / ".blobkit/index.sqlite-wal").exists()
        check_reading(root, b"one")
        with open_read_only(root) as frozen:
            store.put(b"two")
            assert len(frozen) == 2


def test_reading_what_a_killed_process_left(root: Path) -> None:
    script = """
import os, sys
from blobkit.store.local import LocalStore
LocalStore(sys.argv[1]).put(b"one", tag="t0")
os._exit(9)
"""
    subprocess.run([sys.executable, "-c", script, str(root)], check=False, env=environment())
    assert (root / ".blobkit/index.sqlite-wal").exists()
    check_reading(root, b"one")


def test_reading_again_when_the_store_changed_meanwhile(root: Path) -> None:
    made(root, b"one")
    with open_read_only(root) as frozen:
        assert len(frozen) == 1
        made(root, b"one", b"two")
        assert len(frozen) == 2
        asked = []

        def question(rows: Reading) -> int:
            asked.append(rows.total())
            if len(asked) == 1:
                made(root, b"one", b"two", b"three")
            return rows.total()

        assert frozen._index.read(question) == 3
        assert len(asked) == 2


def test_only_a_store_is_read(root: Path) -> None:
    with pytest.raises(NotAStoreError):
        open_read_only(root)
    root.mkdir(parents=True)
    (root / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    with pytest.raises(NotAStoreError):
        open_read_only(root)


@pytest.mark.slow
def test_the_verbs_load_no_numpy_and_a_snapshot_does(tmp_path: Path) -> None:
    script = """
import sys
from blobkit.store.local import LocalStore
HEAVY = {"numpy", "pandas", "pyarrow", "networkx", "numba"}
with LocalStore(sys.argv[1], durability="off") as store:
    digest = store.put(b"x", tag="t").digest
    store.link(store.put(b"y").digest, digest)
    store.simulate_deref(store.ref(digest).digest)
    store.untag("t")
    store.get(digest).read()
    store.sweep()
    assert not HEAVY & sys.modules.keys(), HEAVY & sys.modules.keys()
    assert store.snapshot().nodes.num_rows == 2
    assert "numpy" in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script, tmp_path / "s"], check=True, env=environment())


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.parametrize("media_type", [None, 5, "\ud800"])
def test_a_media_type_is_text(tmp_path: Path, media_type: object) -> None:
    with LocalStore(tmp_path / "s", durability="off") as store:
        with pytest.raises(TypeError, match="media_type"):
            store.put(b"x", media_type=media_type)
        assert store.list() == []


def test_a_store_of_an_earlier_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "store") as store:
        digest = store.put(b"kept", tag="kept").digest
    path = tmp_path / "store" / ".blobkit" / "index.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("DROP TABLE given")
        db.execute("DROP TABLE journal")
        db.execute("PRAGMA user_version = 1")
    with open_read_only(tmp_path / "store") as store:
        assert store.list() == [digest]
        assert not store.fsck(progress=False)
        (tmp_path / "store/blobs/sha256" / digest[7:]).rename(tmp_path / "aside")
        with pytest.raises(ContentMissingError):
            store.get(digest).read()
        (tmp_path / "aside").rename(tmp_path / "store/blobs/sha256" / digest[7:])
    with LocalStore(tmp_path / "store") as store:
        assert store.tags() == {"kept": digest}
        assert store.untag("kept").digests == (digest,)
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
        assert db.execute("SELECT count(*) FROM given").fetchone() == (0,)


@pytest.mark.parametrize(
    "harm", ["DELETE FROM media_types", "DELETE FROM blobs WHERE id = 1", "DELETE FROM blobs WHERE id = 2"]
)
def test_an_index_that_contradicts_itself_is_damaged_not_misread(tmp_path: Path, harm: str) -> None:
    with LocalStore(tmp_path / "store") as store:
        child = store.put(b"child").digest
        store.put(b"parent", links=[child])
    with contextlib.closing(sqlite3.connect(tmp_path / "store" / ".blobkit" / "index.sqlite")) as db:
        db.execute(harm)
        db.commit()
    with LocalStore(tmp_path / "store") as store, pytest.raises(StoreDamagedError, match="fsck --repair"):
        store.snapshot()


def test_a_root_that_is_no_text_can_be_scanned(tmp_path: Path) -> None:
    root = Path(os.fsdecode(os.fsencode(tmp_path) + b"/st\xffore"))
    with LocalStore(root) as store:
        digest = store.put(b"x").digest
    with open_read_only(root) as store:
        assert store.list() == [digest]


def test_a_link_that_leads_nowhere_and_a_file_are_no_stores(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotAStoreError, match="leads nowhere"):
        LocalStore(tmp_path / "link")
    for path in (tmp_path / "file", tmp_path / "file" / "store", tmp_path / "file" / "a" / "store"):
        with pytest.raises(NotAStoreError, match=f"{tmp_path / 'file'} is a file"):
            LocalStore(path)


@pytest.mark.parametrize("size", [1, 3 << 20])
def test_a_link_in_the_place_of_content_is_not_followed(tmp_path: Path, size: int) -> None:
    (tmp_path / "secret").write_bytes(b"s" * size)
    with LocalStore(tmp_path / "store") as store:
        digest = store.put(b"x" * size).digest
        blob, path = store.get(digest), tmp_path / "store" / "blobs" / digest.replace(":", "/")
        drain(store)
        path.unlink()
        path.symlink_to(tmp_path / "secret")
        for reading in (blob.read, blob.open, store.get(digest).read):
            with pytest.raises(ContentMissingError):
                reading()
        store.put(b"x" * size)
        assert blob.read() == b"x" * size
    assert (tmp_path / "secret").read_bytes() == b"s" * size


@pytest.mark.parametrize("timeout", [-1, float("nan"), float("inf"), 1e10, "x", None])
def test_a_timeout_is_a_number_of_seconds(tmp_path: Path, timeout: object) -> None:
    with pytest.raises(ValueError, match="seconds"):
        LocalStore(tmp_path / "store", timeout=timeout)  # type: ignore[arg-type]
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("address", ["registry+https://registry.example/app", "docker://registry.example/app"])
def test_an_address_on_another_machine_is_no_path(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what reads it, and makes no directory of that name; a path that exists is a path."""
    monkeypatch.chdir(tmp_path)
    says = re.escape(f"{address} is on another machine, and a blobkit store is a directory on this one")
    reads = re.escape(f"blobkit.scan({address!r}) reads it")
    for opened in (LocalStore, open_read_only, LocalStore.rebuild):
        with pytest.raises(NotAStoreError, match=f"{says}: {reads}"):
            opened(address)
    assert not any(tmp_path.iterdir())
    Path(address).mkdir(parents=True)
    with LocalStore(address, durability="off") as store:
        assert store.root == Path(address).absolute()
        with pytest.raises(ExportError, match="is on another machine: an export writes to a directory or archive"):
            store.export("app:1", "s3://bucket/app")
