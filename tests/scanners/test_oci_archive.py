"""An OCI layout in a tar says the same as the directory, however it is packed; and what docker adds to it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import blobkit
from archives import Link, hybrid, layer, packed, picture, sha, write
from blobkit.errors import UnreadableStoreError
from blobkit.scanners import oci_archive
from blobkit.scanners.archives import names
from blobkit.sources.archive import Archive
from blobkit.testing.damage import damaged
from blobkit.testing.scanner import MUTATIONS, ScannerSuite, answered
from layouts import OCI_POLICIES, Layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from archives import Members
    from blobkit.scanners.layouts.entries import Top
    from blobkit.snapshot.snapshot import Snapshot

    Dataset = Callable[[str], tuple[Path, dict[str, Any]]]

OF_A_DIRECTORY = frozenset({"layout-file", "sweep", "path", "shared-inode"})
"""Notices about how `umoci gc` works on a directory."""
PACKINGS = {
    "tar": packed,
    "dot": lambda root, path: packed(root, path, before="./"),
    "gzip": lambda root, path: packed(root, path, mode="w:gz"),
    "xz": lambda root, path: packed(root, path, mode="w:xz"),
    "bzip2": lambda root, path: packed(root, path, mode="w:bz2"),
    "zstd": lambda root, path: zstd(packed(root, path)),
}
BASE, WEB, API = layer("base"), layer("web", 30_000), layer("api")
PICTURES = picture(["shop/web:1.0", "shop/web:2"], BASE, WEB), picture(["shop/api:1.0"], BASE, API)


def zstd(path: Path) -> Path:
    """The file, compressed in two frames as `pzstd` does it."""
    data, half = path.read_bytes(), path.stat().st_size // 2
    frames = [data[:half], data[half:]]
    if not shutil.which("zstd"):
        pytest.skip("zstd is not installed")
    path.write_bytes(
        b"".join(subprocess.run(["zstd", "-c"], input=one, capture_output=True, check=True).stdout for one in frames)
    )
    return path


def codes(snapshot: Snapshot) -> list[str]:
    return sorted(snapshot.notices["code"].to_pylist())


def check_same(directory: Snapshot, archive: Snapshot) -> None:
    """Hold that both say the same, under every policy."""
    assert archive.policies == directory.policies == ("dependent", "strong", "ignore")
    for policy in directory.policies:
        ours, theirs = (x.with_policy(policy).to_frame(absent=True, virtual=True) for x in (archive, directory))
        check_equal(ours, theirs)
        check_equal(*(x.with_policy(policy).tags_frame() for x in (archive, directory)))
    assert codes(archive) == [code for code in codes(directory) if code not in OF_A_DIRECTORY]
    ours, theirs = ({**x.disk.to_meta(), "names": sorted(x.disk.names)} for x in (archive, directory))
    assert ours == theirs
    assert archive.audit().bytes == directory.audit().bytes


def check_equal(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """Hold that two frames are equal, with times in whole seconds as in most archives."""
    seconds = [frame.assign(modified=frame["modified"].dt.floor("s")) for frame in (ours, theirs)]
    pd.testing.assert_frame_equal(*seconds)


class TestPlain(ScannerSuite):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return f"oci-archive:{packed(small(tmp_path / 'store').root, tmp_path / 'images.tar')}"


class TestDocker(ScannerSuite):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return f"oci-archive:{write(tmp_path / 'images.tar.gz', hybrid(*PICTURES), mode='w:gz')}"


def small(root: Path) -> Layout:
    """Two images with a layer in common, an artifact that describes one, garbage, and files that are no blobs."""
    layout = Layout(root)
    layout.image("shop/web:1", "a layer", "another layer")
    second = layout.image("shop/web:2", "a layer", "a third layer")
    layout.manifest(layout.blob("a signature"), subject=second)
    layout.blob("garbage" * 100)
    (root / "blobs/sha256/junk").write_bytes(b"junk")
    (root / "notes").mkdir()
    (root / "notes/file").write_bytes(b"notes")
    return layout


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_way_to_pack_a_layout(tmp_path: Path, packing: str) -> None:
    layout = small(tmp_path / "store")
    path = PACKINGS[packing](layout.root, tmp_path / "x.tar")
    archive = blobkit.scan(path, progress=False, verify=True)
    assert archive.kind == "oci-archive"
    check_same(blobkit.scan(layout.root, progress=False, verify=True), archive)


@pytest.mark.slow
def test_the_pitfalls(dataset: Dataset, tmp_path: Path) -> None:
    """Each broken layout says the same when it is packed."""
    root, _ = dataset("dev-pitfalls")
    cases = [case for case in sorted(root.iterdir()) if (case / "index.json").exists()]
    assert len(cases) > 10
    for case in cases:
        directory = blobkit.scan(case, progress=False)
        check_same(directory, blobkit.scan(packed(case, tmp_path / f"{case.name}.tar"), progress=False))


@pytest.mark.slow
def test_a_real_layout(dataset: Dataset, tmp_path: Path) -> None:
    root, _ = dataset("dev-oci-layout")
    check_same(
        blobkit.scan(root, progress=False), blobkit.scan(packed(root, tmp_path / "x.tar", mode="w:gz"), progress=False)
    )


def test_the_real_archives(dataset: Dataset) -> None:
    root, oracle = dataset("dev-archives")
    for name, want in oracle["files"].items():
        if "docker.tar" in name:
            continue
        snapshot = blobkit.scan(root / name, progress=False, verify=True)
        assert snapshot.kind == "oci-archive"
        frame = snapshot.to_frame()
        if "blobs" in want:
            assert frame["size"].to_dict() == want["blobs"]
        assert set(frame.index[frame["status"] == "garbage"]) == set(want.get("garbage", ()))
        with tarfile.open(root / name) as tar:
            members = tar.getmembers()
        assert len(members) == want["members"]
        assert snapshot.disk.bytes == snapshot.audit().bytes == sum(one.size for one in members if one.isreg())


def test_names_of_docker(tmp_path: Path) -> None:
    snapshot = blobkit.scan(write(tmp_path / "x.tar", hybrid(*PICTURES)), progress=False)
    assert (snapshot.kind, codes(snapshot)) == ("oci-archive", ["also-kind"])
    assert list(snapshot.tags_frame().index) == ["shop/api:1.0", "shop/web:1.0", "shop/web:2"]
    path = snapshot.notices["path"].to_pylist()[0]
    assert set(blobkit.scan(path, progress=False).tags_frame().index) == set(snapshot.tags_frame().index)


def test_names_that_only_manifest_json_has(tmp_path: Path) -> None:
    """Each image gets all of its names there; an entry that has the bare tag gets the whole name."""
    members = hybrid(*PICTURES, named=False)
    snapshot = blobkit.scan(write(tmp_path / "x.tar", members), progress=False)
    assert list(snapshot.tags_frame().index) == ["shop/api:1.0", "shop/web:1.0", "shop/web:2"]
    index = json.loads(dict(members)["index.json"])  # type: ignore[arg-type]
    for entry, tag in zip(index["manifests"], ("1.0", "1.0"), strict=True):
        entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    bare = [(name, json.dumps(index).encode() if name == "index.json" else content) for name, content in members]
    snapshot = blobkit.scan(write(tmp_path / "y.tar", bare), progress=False)
    assert list(snapshot.tags_frame().index) == ["shop/api:1.0", "shop/web:1.0"]
    assert "duplicate-name" not in codes(snapshot)
    assert "odd" in codes(snapshot)  # shop/web:2 is no name of an entry


def test_documents_of_the_old_format_are_no_garbage(tmp_path: Path) -> None:
    old = json.dumps({"id": "0" * 64, "created": "2024-05-06T07:08:09Z", "os": "linux"}).encode()
    path = write(tmp_path / "x.tar", [*hybrid(*PICTURES, legacy=[old]), ("blobs/sha256/" + "a" * 64, b"{}")])
    snapshot = blobkit.scan(path, progress=False)
    for policy in OCI_POLICIES:
        status = snapshot.with_policy(policy).to_frame()["status"]
        assert status[sha(old)] == "live"
        assert status[f"sha256:{'a' * 64}"] == "garbage"
    one = snapshot.simulate_deref("shop/api:1.0")
    every = snapshot.simulate_deref(*snapshot.tags_frame().index)
    assert (sha(old) in one.digests, sha(old) in every.digests) == (False, True)
    assert snapshot.why(sha(old)).tags == ("shop/api:1.0", "shop/web:1.0", "shop/web:2")


def test_links_in_the_place_of_blobs(tmp_path: Path) -> None:
    """A link inside is followed; what is behind one out of the archive is unknown."""
    layout = small(tmp_path / "store")
    first, second = sorted(layout.root.glob("blobs/sha256/*"), key=lambda path: path.stat().st_size)[-2:]
    first.rename(layout.root / "moved")
    first.symlink_to("../../moved")
    second.unlink()
    second.symlink_to("/etc/passwd")
    archive = blobkit.scan(packed(layout.root, tmp_path / "x.tar"), progress=False)
    directory = blobkit.scan(layout.root, progress=False)
    assert (
        archive.to_frame(absent=True)
        .drop(columns="modified")
        .equals(directory.to_frame(absent=True).drop(columns="modified"))
    )
    assert codes(archive) == [code for code in codes(directory) if code not in OF_A_DIRECTORY]
    assert archive.disk.bytes == directory.disk.bytes


@pytest.mark.parametrize("place", ["blobs", "blobs/sha256"])
@pytest.mark.parametrize("where", ["inside", "outside"])
def test_a_link_in_the_place_of_a_directory(tmp_path: Path, place: str, where: str) -> None:
    layout, out = small(tmp_path / "store"), where == "outside"
    (layout.root / place).rename(tmp_path / "aside")
    (layout.root / place).symlink_to("/" if out else "../moved" if place != "blobs" else "moved")
    if not out:
        (tmp_path / "aside").rename(layout.root / "moved")
    path = packed(layout.root, tmp_path / "x.tar")
    archive, directory = blobkit.scan(f"oci-archive:{path}", progress=False), blobkit.scan(layout.root, progress=False)
    check_equal(archive.to_frame(absent=True), directory.to_frame(absent=True))
    assert codes(archive) == [code for code in codes(directory) if code not in OF_A_DIRECTORY]
    assert archive.disk.bytes == directory.disk.bytes
    assert not out or "missing" not in set(archive.audit().findings["code"])


def test_a_file_that_changes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(small(tmp_path / "store").root, tmp_path / "x.tar")
    read = oci_archive._read_index

    def changed(archive: Archive) -> Top:
        with path.open("ab") as file:
            file.write(bytes(512))
        return read(archive)

    monkeypatch.setattr(oci_archive, "_read_index", changed)
    snapshot = blobkit.scan(path, progress=False)
    assert [one for one in snapshot.notices["message"].to_pylist() if "was changed while it was read" in one]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    members = [one for one in hybrid(*PICTURES) if one[0] != "index.json"]
    path = write(tmp_path / "x.tar", members)
    with pytest.raises(UnreadableStoreError, match=r"no index\.json, but manifest\.json"):
        blobkit.scan(f"oci-archive:{path}", progress=False)
    cut = write(tmp_path / "y.tar", hybrid(*PICTURES))
    cut.write_bytes(cut.read_bytes()[:30_000])
    with pytest.raises(UnreadableStoreError, match="cannot be read to its end"):
        blobkit.scan(cut, progress=False)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(blobkit.BlobkitError):
        blobkit.scan(f"oci-archive:{tmp_path / 'pipe'}", progress=False)


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_the_rest_of_a_cut_archive_is_unknown(tmp_path: Path, mode: str) -> None:
    """index.json comes first: what is there is answered, and nothing counts as free."""
    members = sorted(hybrid(*PICTURES), key=lambda one: not one[0].endswith(".json"))
    path = write(tmp_path / "x.tar", [*members, ("blobs/sha256/" + "b" * 64, os.urandom(50_000))], mode=mode)
    path.write_bytes(path.read_bytes()[: -30_000 if mode == "w:gz" else -60_000])
    snapshot = blobkit.scan(path, progress=False)
    assert "unreadable" in codes(snapshot)
    assert "garbage" not in set(snapshot.to_frame()["status"])
    assert not snapshot.simulate_deref("shop/web:2", "shop/web:1.0").exact


@pytest.mark.parametrize("packing", ["tar", "gzip"])
def test_an_import_is_that_of_the_directory(tmp_path: Path, packing: str) -> None:
    layout = small(tmp_path / "store")
    path = PACKINGS[packing](layout.root, tmp_path / "x.tar")
    frames = []
    for name, source in (("a", layout.root), ("b", path)):
        with blobkit.LocalStore(tmp_path / name, create=True) as store:
            store.import_(source)
            frames.append(store.to_frame().drop(columns=["created", "modified"]))
            assert not store.fsck().findings
    assert frames[0].equals(frames[1])


def test_documents_beyond_what_is_kept_take_one_more_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept of a compressed archive here: the documents of a level are read in one pass."""
    layout = small(tmp_path / "store")
    path = packed(layout.root, tmp_path / "x.tar", mode="w:gz")
    monkeypatch.setattr("blobkit.sources.members.KEPT", 0)
    check_same(blobkit.scan(layout.root, progress=False), blobkit.scan(path, progress=False))


@pytest.mark.slow
def test_damaged_documents(tmp_path: Path) -> None:
    """Each document is damaged in an archive that is sound otherwise."""
    members: Members = [*hybrid(*PICTURES), ("link", Link("blobs"))]
    documents = [name for name, content in members if isinstance(content, bytes) and content[:1] in b"{["]
    random = Random("documents")  # noqa: S311 (not for secrets)
    for _ in range(MUTATIONS):
        name = random.choice(documents)
        changed: Members = [
            (one, damaged(content, random) if one == name and isinstance(content, bytes) else content)
            for one, content in members
        ]
        path = write(tmp_path / "x.tar", changed)
        answered(f"oci-archive:{path}", all_answers=random.random() < 0.05)


def test_a_level_of_documents_is_read_in_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many manifests below one index, none of which is kept: not each one takes a pass."""
    layout = Layout(tmp_path / "store")
    config = layout.config()
    children = [layout.manifest(layout.blob(f"layer {number}"), config=config) for number in range(40)]
    layout.add(layout.index(*children), "shop/web:1", "application/vnd.oci.image.index.v1+json")
    path = packed(layout.root, tmp_path / "x.tar", mode="w:gz")
    monkeypatch.setattr("blobkit.sources.members.KEPT", 0)
    runs: list[object] = []
    run = Archive._run
    monkeypatch.setattr(Archive, "_run", lambda *args: runs.append(args) or run(*args))
    snapshot = blobkit.scan(path, progress=False)
    assert codes(snapshot) == []
    assert len(runs) <= 6  # the index of the archive, index.json, the two levels and the config, small blobs


@pytest.mark.slow
def test_names_and_entries_that_multiply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of entries of one large index, and thousands of names of one large config: each is read once."""
    layout = Layout(tmp_path / "store")
    child = layout.manifest(layout.blob("layer"), config=layout.json({"pad": "x" * (3 << 20)}))
    index = layout.index(*[child] * 10_000)
    entry = layout.to(index, "application/vnd.oci.image.index.v1+json")
    layout.write({"schemaVersion": 2, "manifests": [entry] * 5_000})
    config = json.loads(layout.path(child).read_bytes())["config"]["digest"].replace(":", "/")
    items = [{"Config": f"blobs/{config}", "RepoTags": [f"x:{number}"], "Layers": []} for number in range(5_000)]
    (layout.root / "manifest.json").write_text(json.dumps(items))
    path = packed(layout.root, tmp_path / "x.tar")
    read, parse = Archive.read, names.read_document
    asked: list[str] = []
    parsed: list[int] = []
    monkeypatch.setattr(Archive, "read", lambda self, path, limit: asked.append(path) or read(self, path, limit))
    monkeypatch.setattr(names, "read_document", lambda data, kind: parsed.append(len(data)) or parse(data, kind))
    for kind in ("oci-archive", "docker-archive"):
        blobkit.scan(f"{kind}:{path}", progress=False)
    assert max(Counter(asked).values()) < 10
    assert len(parsed) < 20_000  # the index once, and each of its children
