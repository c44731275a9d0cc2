"""The command that deletes what removals left, in a local store and in one of many hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

import blobkit
from blobkit.cli import cli
from blobkit.content.directory import DirectoryContent
from blobkit.index.memory_places import PlacedMemoryIndex
from remote_servers.buckets import SHARED

if TYPE_CHECKING:
    from pathlib import Path

    from remote_servers.buckets import BucketServer


def said(*arguments: str) -> str:
    """What a command prints, which must not fail."""
    return CliRunner().invoke(cli, arguments, catch_exceptions=False, standalone_mode=False).stdout


def refused(*arguments: str) -> str:
    """What the command line says of an error of the library."""
    with pytest.raises(blobkit.BlobkitError) as caught:
        said(*arguments)
    return caught.value.in_shell()


def test_files_that_could_not_be_unlinked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "store"
    with monkeypatch.context() as patched, blobkit.LocalStore(root) as store:
        patched.setattr(DirectoryContent, "delete", lambda *_: [])
        kept, *gone = store.put_many([b"kept", b"1", b"2"])
        store.deref_many([one.digest for one in gone])
    assert len(list(root.glob("blobs/*/*"))) == 3
    assert said("sweep", str(root)) == "2 files deleted\n"
    assert said("sweep", str(root)) == "0 files deleted\n"
    assert [path.name for path in root.glob("blobs/*/*")] == [kept.digest.partition(":")[2]]


def test_what_is_no_store_is_not_made_one(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert refused("sweep", str(tmp_path / "empty")).endswith("is empty, and is no store: give the path of one")
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> PlacedMemoryIndex:
    """The index of every database here; closing it is nothing."""
    index = PlacedMemoryIndex()
    monkeypatch.setattr(index, "close", lambda: None)
    monkeypatch.setattr("blobkit.store.remote.store.open_index", lambda *_, **__: index)
    return index


def test_objects_that_removals_left(
    bucket_server: BucketServer,
    signed: None,  # noqa: ARG001
    database: PlacedMemoryIndex,  # noqa: ARG001
    tmp_path: Path,
) -> None:
    addresses = "postgresql://db.example/blobs", f"s3://{SHARED}/{bucket_server.prefix()}"
    options = [f"-O{name}={value}" for name, value in bucket_server.options.items()]
    assert "holds no store: give the bucket" in refused("sweep", *options, *addresses)
    with blobkit.RemoteStore(*addresses, storage_options=bucket_server.options, spool=tmp_path) as store:
        store._session._removals = 0
        gone = store.put_many([b"1", b"2", b"3"])
        store.deref_many([one.digest for one in gone])
        assert said("sweep", *options, *addresses) == "3 objects deleted\n"
        assert said("sweep", *options, *addresses) == "0 objects deleted\n"
        assert not list(store._places.listed())


def test_an_address_of_another_machine_needs_its_bucket() -> None:
    assert refused("sweep", "postgresql://u:secret@db.example/blobs") == (
        "a store of many hosts has two addresses, of its database and of its bucket: give s3://BUCKET/PREFIX, too"
    )
    assert "not at registry+s3" in refused("sweep", "registry+s3://bucket", "s3://bucket")
