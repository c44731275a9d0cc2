"""Exports: what other tools read of them, and that nothing half done is left behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import demo
from blobkit.errors import BlobNotFoundError, ContentMissingError, ExportError, InvalidDigestError, TagNotFoundError
from blobkit.store.local import LocalStore, open_read_only
from blobkit.store.transfer import exporting
from layouts import MANIFEST, NAME, Layout, fingerprint, nowhere, sha

if TYPE_CHECKING:
    from collections.abc import Iterator

TAG = "team/app:1.0"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    """A store with an image of three layers, and the same image with one layer less."""
    layout = Layout(tmp_path / "origin")
    layout.image(TAG, "one", "two", "three")
    layout.image("2.0", "one", "two")
    with LocalStore(tmp_path / "store", durability="off") as store:
        store.import_(layout.root, progress=False)
        yield store


def scanned(path: Path) -> dict[str, str]:
    """The tags of a layout that is sound: every hash right, nothing missing, nothing beside."""
    snapshot = blobkit.scan(f"oci:{path}", verify=True, progress=False)
    assert snapshot.notices.to_pylist() == []
    assert set(blobkit.to_frame(snapshot)["status"]) == {"live"}
    return dict(blobkit.tags_frame(snapshot)["digest"])


def unpacked(path: Path) -> Path:
    target = path.with_suffix("")
    with tarfile.open(path) as tar:
        tar.extractall(target, filter="data")
    return target


def said(*command: str) -> str:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not here")
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("target", ["x", "x.tar", "oci:x", "oci-archive:x", "oci-archive:x.tar", "oci:x.tar"])
def test_an_image_is_exported_whole(
    store: LocalStore, tmp_path: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    digest = store.tags()[TAG]
    done = store.export(TAG, target)
    path = Path(done.target)
    is_archive = target.startswith("oci-archive:") or target == "x.tar"
    assert path == tmp_path / target.rpartition(":")[2]
    assert path.is_file() == is_archive
    layout = unpacked(path) if path.suffix and is_archive else path
    if layout.is_dir():
        assert scanned(layout) == {TAG: digest}
    image = json.loads(store.get(digest).read())
    size = store.get(digest).size + sum(part["size"] for part in (image["config"], *image["layers"]))
    assert (done.blobs, done.bytes, done.there, done.name, done.digest) == (5, size, 0, TAG, digest)
    assert done.notices == ()


@pytest.mark.slow
def test_other_tools_read_it(store: LocalStore, tmp_path: Path) -> None:
    demo.fill(store)
    digest = store.tags()[demo.TARGET]
    store.tag("plain", digest)
    store.export("plain", tmp_path / "x")
    store.export("plain", tmp_path / "x.tar")
    archive = said("skopeo", "inspect", f"oci-archive:{tmp_path / 'x.tar'}:plain")
    assert json.loads(archive)["Digest"] == digest
    assert json.loads(said("skopeo", "inspect", f"oci:{tmp_path / 'x'}:plain"))["Digest"] == digest
    said("skopeo", "copy", f"oci-archive:{tmp_path / 'x.tar'}", f"oci:{tmp_path / 'copied'}:y")
    assert scanned(tmp_path / "copied") == {"y": digest}
    assert said("umoci", "ls", "--layout", str(tmp_path / "x")).split() == ["plain"]
    assert "LAYER" in said("umoci", "stat", "--image", f"{tmp_path / 'x'}:plain")
    said("umoci", "gc", "--layout", str(tmp_path / "x"))
    assert scanned(tmp_path / "x") == {"plain": digest}


def test_an_archive_is_the_same_bytes_every_time(store: LocalStore, tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        store.export(TAG, tmp_path / name)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
    assert {m.mode for m in members if m.isfile()} == {0o644}
    assert fingerprint(tmp_path).keys() & {".a.tar", ".b.tar"} == set()


def test_a_layout_is_added_to_and_nothing_else_in_it_changes(store: LocalStore, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "x")
    layout.image("other", "one", "else")
    layout.write({"schemaVersion": 2, "annotations": {"kept": "yes"}, "manifests": [*layout.entries, {"odd": 1}]})
    done = store.export(TAG, tmp_path / "x")
    assert (done.blobs, done.there) == (3, 2)
    body = json.loads((tmp_path / "x/index.json").read_text())
    assert body["annotations"] == {"kept": "yes"}
    assert body["manifests"][:2] == [*layout.entries, {"odd": 1}]
    assert body["manifests"][2]["annotations"] == {NAME: TAG}
    blobs = {path: path.stat().st_ino for path in (tmp_path / "x/blobs/sha256").iterdir()}
    assert (store.export(TAG, tmp_path / "x").blobs, store.export("2.0", tmp_path / "x").blobs) == (0, 1)
    assert {path: path.stat().st_ino for path in blobs} == blobs
    assert len(json.loads((tmp_path / "x/index.json").read_text())["manifests"]) == 4
    assert {path.name for path in (tmp_path / "x").iterdir()} == {"blobs", "index.json", "oci-layout"}


def test_a_name_that_is_there_moves(store: LocalStore, tmp_path: Path) -> None:
    store.export(TAG, tmp_path / "x")
    store.tag(TAG, store.tags()["2.0"], move=True)
    store.export(TAG, tmp_path / "x")
    (entry,) = json.loads((tmp_path / "x/index.json").read_text())["manifests"]
    assert (entry["digest"], entry["mediaType"]) == (store.tags()["2.0"], MANIFEST)


def test_a_damaged_file_in_a_layout_is_written_anew(store: LocalStore, tmp_path: Path) -> None:
    store.export(TAG, tmp_path / "x")
    path = tmp_path / "x/blobs" / sha(b"two").replace(":", "/")
    path.write_text("owt")
    assert store.export(TAG, tmp_path / "x").blobs == 1
    assert path.read_text() == "two"


def test_an_empty_directory_becomes_a_layout(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    store.export(TAG, tmp_path / "x")
    assert scanned(tmp_path / "x").keys() == {TAG}


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_raw_blob_is_exported_too(store: LocalStore, tmp_path: Path, algorithm: str) -> None:
    inner = store.put(b"inner")
    blob = store.put(b"raw", algorithm=algorithm, links=[inner.digest])
    assert store.export(blob.digest, tmp_path / "x").blobs == 2
    assert store.export(blob.digest, tmp_path / "x").there == 2
    (entry,) = json.loads((tmp_path / "x/index.json").read_text())["manifests"]
    assert entry == {"mediaType": "application/octet-stream", "digest": blob.digest, "size": 3}
    assert (tmp_path / "x/blobs" / algorithm / blob.digest.partition(":")[2]).read_bytes() == b"raw"


def test_a_manifest_whose_type_nobody_said_is_named_by_what_it_says(store: LocalStore, tmp_path: Path) -> None:
    digest = store.tags()[TAG]
    with LocalStore(tmp_path / "bare", durability="off") as bare:
        bare.put(store.get(digest).read())
        done = bare.export(digest, tmp_path / "x")
    assert json.loads((tmp_path / "x/index.json").read_text())["manifests"][0]["mediaType"] == MANIFEST
    assert len(done.notices) == 4
    assert f"{sha(b'one')} is not linked here" in " ".join(done.notices)
    assert str(done).count("notice: ") == 4
    assert sha(b"one") in done._repr_html_()


@pytest.mark.parametrize("target", ["x", "x.tar", "old"])
@pytest.mark.parametrize("how", ["other", "short", "gone"])
def test_damaged_content_leaves_nothing_half_done(store: LocalStore, tmp_path: Path, target: str, how: str) -> None:
    store.export("2.0", tmp_path / "old")
    path = tmp_path / "store/blobs" / sha(b"three").replace(":", "/")
    path.chmod(0o644)
    path.unlink() if how == "gone" else path.write_text({"other": "eerht", "short": "th"}[how])
    before = {p.name for p in tmp_path.iterdir()}
    entries = (tmp_path / "old/index.json").read_bytes()
    with pytest.raises(ContentMissingError, match=sha(b"three")):
        store.export(TAG, tmp_path / target)
    assert {p.name for p in tmp_path.iterdir()} == before
    assert {p.name for p in (tmp_path / "old").iterdir()} == {"blobs", "index.json", "oci-layout"}
    assert (tmp_path / "old/index.json").read_bytes() == entries


def test_what_is_not_here_is_not_exported(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(TagNotFoundError, match="no tag 'nothing' in this store"):
        store.export("nothing", tmp_path / "x")
    with pytest.raises(BlobNotFoundError):
        store.export(nowhere(1), tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert not issubclass(TagNotFoundError, InvalidDigestError)


@pytest.mark.slow
def test_places_that_nothing_is_exported_to(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("")
    (tmp_path / "x.tar").write_text("mine")
    (tmp_path / "link.tar").symlink_to(tmp_path / "nowhere")
    Layout(tmp_path / "broken").write("{")
    Layout(tmp_path / "odd").write({"manifests": {"odd": 1}})
    store.close()
    before = fingerprint(tmp_path)
    refusals = {
        "store": "is a blobkit store",
        "file": "is no OCI image layout and not empty",
        "full": "is no OCI image layout and not empty",
        "x.tar": "exists: give a new file",
        "link.tar": "exists: give a new file",
        "broken": "cannot be read as an image index",
        "odd": "cannot be read as an image index",
        "no/where": "cannot be written (No such file or directory)",
        "no/where.tar": "cannot be written (No such file or directory)",
    }
    for name, why in refusals.items():
        with open_read_only(store.root) as opened, pytest.raises(ExportError) as error:
            opened.export(TAG, tmp_path / name)
        assert why in str(error.value)
    for target in ("", "oci:", "oci-archive:"):
        with open_read_only(store.root) as opened, pytest.raises(ExportError, match="is empty"):
            opened.export(TAG, target)
    assert fingerprint(tmp_path) == before


def test_a_disk_that_is_full_leaves_nothing(store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting.shutil, "copyfileobj", full)
    monkeypatch.setattr(exporting.tarfile.TarFile, "addfile", full)
    before = {path.name for path in tmp_path.iterdir()}
    for target in ("x", "x.tar"):
        with pytest.raises(ExportError, match="No space left on device"):
            store.export(TAG, tmp_path / target)
    assert {path.name for path in tmp_path.iterdir()} == before


def test_what_is_exported_can_be_imported_again(store: LocalStore, tmp_path: Path) -> None:
    store.export(TAG, tmp_path / "x")
    with LocalStore(tmp_path / "again", durability="off") as again:
        again.import_(tmp_path / "x", strict=True, progress=False)
        assert again.tags() == {TAG: store.tags()[TAG]}
        assert set(again) < set(store)
