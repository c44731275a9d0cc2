"""Every file of a store is told once: as a blob, as what describes the store, as an upload, or as a leftover."""

from __future__ import annotations

import os
import random
import stat
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.scanners import leftovers
from blobkit.scanners.facts import Facts, listing
from blobkit.scanners.leftovers import Ledger
from blobkit.scanners.places import LAYOUT
from layouts import GoStore, Layout, Registry, nowhere, sha

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from blobkit.questions.audit import Audit
    from blobkit.snapshot.snapshot import Snapshot

V2 = "docker/registry/v2"


def used(root: Path) -> tuple[int, int]:
    """How many regular files are below a directory, and their bytes, as `du` counts them: each inode once."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            info = os.lstat(f"{folder}/{name}")
            if stat.S_ISREG(info.st_mode):
                found[info.st_ino] = info.st_size
    return len(found), sum(found.values())


def write(path: Path, size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def sizes(audit: Audit) -> dict[str, int]:
    return audit.findings.set_index("code")["bytes"].to_dict()


def names(audit: Audit, code: str) -> tuple[str, ...]:
    found: tuple[str, ...] = audit.findings.set_index("code").loc[code, "names"]
    return found


def audited(snapshot: Snapshot, root: Path) -> Audit:
    """The audit of a store in which no file has two names: its total is what `du` says, part by part."""
    audit = blobkit.audit(snapshot)
    files, size = used(root)
    assert snapshot.disk is not None
    assert (snapshot.disk.files, snapshot.disk.bytes, audit.bytes) == (files, size, size)
    told = sizes(audit)
    beside = sum(told.get(code, 0) for code in ("leftover", "metadata", "upload", "stale-upload", "junk"))
    assert snapshot.bytes + beside == size
    assert audit.to_dict()["all_bytes"] == size
    return audit


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "layout")
    made.image("app:1", "layer")
    return made


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "registry")
    digest = made.push("team/app", "1", "layer")
    made.link(f"team/app/_manifests/tags/1/index/{digest.replace(':', '/')}/link", digest)
    made.link(f"team/app/_layers/{sha(b'layer').replace(':', '/')}/link", sha(b"layer"))
    return made


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (".uploads/117ab70a", ".uploads"),
        ("ingest/ab12/data", "ingest"),
        ("ingest/ab12/ref", "ingest"),
        ("oci-put-blob123456", "oci-put-blob123456"),
        ("lost+found/#1", "lost+found"),
        ("tmp/a/b/c", "tmp"),
        (".blobkit/tmp/1", ".blobkit/tmp"),
        ("sha256.bak/" + "a" * 64, "sha256.bak"),
    ],
)
def test_files_in_a_layout_that_are_no_blobs(layout: Layout, path: str, told: str) -> None:
    write(layout.root / path, 9000)
    audit = audited(layout.scan(), layout.root)
    assert names(audit, "leftover") == (told,)
    assert sizes(audit)["leftover"] == 9000
    assert "8.8 KiB leftover" in str(audit)


@pytest.mark.parametrize("path", ["blobs/sha256/.nfs01", "blobs/sha256.bak/" + "a" * 64, "blobs/README", "blobs/x/y/z"])
def test_files_in_the_place_of_blobs_have_their_bytes(layout: Layout, path: str) -> None:
    write(layout.root / path, 700)
    audit = audited(layout.scan(), layout.root)
    assert sizes(audit)["junk"] == 700
    assert "leftover" not in sizes(audit)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("blobs/sha256/ab/.nfs0000000000aa", f"{V2}/blobs/sha256/ab/.nfs0000000000aa"),
        ("blobs/.nfs0000000000aa", f"{V2}/blobs/.nfs0000000000aa"),
        ("blobs/tmp/data", f"{V2}/blobs/tmp"),
        ("blobs/sha256.old/notes/more", f"{V2}/blobs/sha256.old"),
        ("repositories/team/app/.DS_Store", f"{V2}/repositories/team/app/.DS_Store"),
        ("repositories/_trash/app/link", f"{V2}/repositories/_trash"),
        ("repositories/team/app/_uploads/1/part", f"{V2}/repositories/team/app/_uploads/1/part"),
        ("repositories/team/app/_manifests/tags/1/note", f"{V2}/repositories/team/app/_manifests/tags/1/note"),
        ("../../../lost+found/x/y", "lost+found"),
        ("../other", "docker/registry/other"),
    ],
)
def test_files_in_a_registry_that_are_no_blobs(registry: Registry, path: str, told: str) -> None:
    write(registry.v2 / path, 5000)
    audit = audited(registry.scan(), registry.root)
    assert names(audit, "leftover") == (told,)
    assert sizes(audit)["leftover"] == 5000


def test_files_beside_a_blob_of_a_registry(registry: Registry) -> None:
    for name in (".nfs00000000001c0302", ".data.Xq3b9Z"):
        write(registry.path(sha(b"layer")).with_name(name), 40)
    audit = audited(registry.scan(), registry.root)
    assert sizes(audit)["leftover"] == 80
    assert all(name.startswith(f"{V2}/blobs/sha256/") for name in names(audit, "leftover"))


def test_a_registry_given_by_the_directory_with_its_blobs(registry: Registry) -> None:
    write(registry.v2 / "blobs" / "tmp" / "data", 5000)
    audit = audited(blobkit.scan(f"registry:{registry.v2}", progress=False), registry.v2)
    assert names(audit, "leftover") == ("blobs/tmp",)


def test_what_describes_a_registry(registry: Registry) -> None:
    upload = "repositories/team/app/_uploads/61e8289d"
    for path in (f"{upload}/startedat", f"{upload}/hashstates/sha256/0", "../../../scheduler-state.json"):
        write(registry.v2 / path, 10)
    write(registry.v2 / upload / "data", 4321)
    audit = audited(registry.scan(), registry.root)
    assert sizes(audit)["upload"] == 4321
    assert sizes(audit)["metadata"] == 30 + 5 * len(nowhere(1))
    assert "5 files called link" in names(audit, "metadata")
    assert "leftover" not in sizes(audit)


def test_what_describes_a_layout(layout: Layout) -> None:
    write(layout.root / "cache.db", 100)
    audit = audited(layout.scan(), layout.root)
    assert set(names(audit, "metadata")) == {"index.json", "oci-layout", "cache.db"}
    assert audit.exceeds({"metadata": 1000, "leftover": None}) == ()
    assert not any("metadata" in line for line in audit.exceeds({"metadata": None, "info": None}))
    assert [line.partition(":")[0] for line in audit.exceeds({"metadata": 100})] == ["metadata"]


def test_what_describes_a_store_of_the_go_package(tmp_path: Path) -> None:
    store = GoStore(tmp_path / "store")
    digest = store.add("content", 1)
    write(store.root / "temp-blob-1", 50)
    write(store.root / "note", 60)
    write(store.root / "blobs" / digest / "note", 70)
    audit = audited(store.scan(), store.root)
    told = sizes(audit)
    assert (told["upload"], told["leftover"], told["junk"]) == (50, 60, 70)
    assert told["metadata"] == store.info(digest).stat().st_size


def test_empty_files_take_no_space(layout: Layout) -> None:
    write(layout.root / "index.json.lock", 0)
    assert "leftover" not in sizes(audited(layout.scan(), layout.root))


def test_leftovers_that_were_written_lately_are_to_be_left_alone(layout: Layout) -> None:
    old, new = write(layout.root / "old", 10), write(layout.root / "new", 20)
    then = new.stat().st_mtime - 100 * 3600
    os.utime(old, (then, then))
    advice = blobkit.audit(layout.scan()).findings.set_index("code").loc["leftover", "advice"]
    assert "1 name written within the minimum age: leave these alone" in advice
    advice = blobkit.audit(layout.scan(), min_age=0).findings.set_index("code").loc["leftover", "advice"]
    assert "leave these alone" not in advice


def test_only_the_largest_leftovers_are_told_one_by_one(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "LISTED_ALONE", 2)
    for size in (30, 10, 20, 40):
        write(layout.root / f"file{size}", size)
    audit = audited(layout.scan(), layout.root)
    first, second, others = names(audit, "leftover")
    assert (first, second) == ("file40", "file30")
    assert others.startswith("2 more files and directories holds 30 B (30 bytes)")


def test_the_same_file_under_two_names_counts_once(layout: Layout) -> None:
    digest = sha(b"layer")
    os.link(layout.path(digest), layout.root / "backup")
    os.link(layout.root / "oci-layout", layout.root / "oci-layout~")
    write(layout.root / "one", 100)
    os.link(layout.root / "one", layout.root / "two")
    snapshot = layout.scan()
    audit = blobkit.audit(snapshot)
    assert audit.bytes == used(layout.root)[1]
    assert sizes(audit)["leftover"] == 100
    assert sizes(audit)["shared-inode"] == 5
    assert audit.findings.set_index("code").loc["shared-inode", "digests"] == (digest,)
    assert "less" not in "".join(audit._lines())


def test_one_file_under_two_digests_is_told(layout: Layout) -> None:
    twin = sha(b"layer", "sha512")
    layout.path(twin).parent.mkdir()
    os.link(layout.path(sha(b"layer")), layout.path(twin))
    audit = blobkit.audit(layout.scan())
    assert audit.bytes == used(layout.root)[1]
    assert sizes(audit)["shared-inode"] == 10
    assert "less 5 B counted twice (files with several names)" in str(audit)


def test_hard_links_shared_with_another_layout_are_told(layout: Layout, tmp_path: Path) -> None:
    other = Layout(tmp_path / "other")
    os.link(layout.path(sha(b"layer")), other.path(sha(b"layer")))
    audit = audited(layout.scan(), layout.root)
    row = audit.findings.set_index("code").loc["shared-inode"]
    assert (row["severity"], row["digests"], row["bytes"]) == ("info", (sha(b"layer"),), 5)
    assert "bytes are freed only when the last name is removed" in row["advice"]
    other.path(sha(b"layer")).unlink()
    assert "shared-inode" not in sizes(blobkit.audit(layout.scan()))


@pytest.mark.parametrize("place", ["blobs", "blobs/sha256"])
def test_blobs_behind_a_link_inside_the_store_are_no_leftovers(layout: Layout, place: str) -> None:
    write(layout.root / "blobs" / "sha256" / ".nfs01", 30)
    (layout.root / place).rename(layout.root / "data")
    (layout.root / place).symlink_to(layout.root / "data")
    audit = audited(layout.scan(), layout.root)
    assert audit.snapshot.blobs == 3
    assert sum(sizes(audit).get(code, 0) for code in ("junk", "leftover")) == 30


def test_the_file_that_a_blob_links_to_is_no_leftover(layout: Layout) -> None:
    path = layout.path(sha(b"layer"))
    (layout.root / "pool").mkdir()
    path.rename(layout.root / "pool" / "file")
    path.symlink_to("../../pool/file")
    write(layout.root / "pool" / "other", 11)
    audit = audited(layout.scan(), layout.root)
    assert sizes(audit)["leftover"] == 11


def test_a_link_to_a_blob_counts_once(layout: Layout) -> None:
    layout.path(nowhere(1)).symlink_to(layout.path(sha(b"layer")).name)
    snapshot = layout.scan()
    assert blobkit.audit(snapshot).bytes == used(layout.root)[1]
    assert snapshot.blobs == 4


def test_the_root_may_be_a_link(layout: Layout, tmp_path: Path) -> None:
    write(layout.root / "note", 12)
    (tmp_path / "link").symlink_to(layout.root)
    moved = layout.path(sha(b"layer")).rename(layout.root / "pool")
    layout.path(sha(b"layer")).symlink_to(moved)
    audit = audited(blobkit.scan(f"oci:{tmp_path / 'link'}", progress=False), layout.root)
    assert names(audit, "leftover") == ("note",)


def test_a_directory_that_is_listed_twice_counts_once(layout: Layout) -> None:
    write(layout.root / "blobs" / "sha256" / ".nfs01", 30)
    facts = Facts(Ledger(str(layout.root), LAYOUT))
    for _ in range(2):
        for place in ("", "/blobs", "/blobs/sha256"):
            listing(f"{layout.root}{place}", facts)
    disk = Ledger.close(facts.ledger, facts) if facts.ledger else None
    assert disk is not None
    assert disk.bytes == sum((layout.root / name).stat().st_size for name in ("index.json", "oci-layout")) + 30


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_files_anywhere_are_told(layout: Layout, registry: Registry, tmp_path: Path, seed: int) -> None:
    go = GoStore(tmp_path / "go")
    go.add("content", 1)
    rng = random.Random(seed)  # noqa: S311 (no secret)
    scans: tuple[tuple[Path, Any], ...] = (
        (layout.root, layout.scan), (registry.root, registry.scan), (go.root, go.scan)
    )  # fmt: skip
    words = [".nfs01", "data", "link", "blobs", "sha256", "_layers", "x", "a" * 64, "info.json", "startedat", "b.db"]
    for root, scan in scans:
        folders = [root, *(path for path in sorted(root.rglob("*")) if path.is_dir())]
        for _ in range(rng.randrange(1, 12)):
            path = rng.choice(folders).joinpath(*rng.choices(words, k=rng.randrange(1, 4)))
            if not path.exists() and all(not above.is_file() for above in path.parents):
                write(path, rng.randrange(1, 1000))
        audited(scan(), root)


def test_totals_are_saved_with_a_snapshot(layout: Layout, tmp_path: Path) -> None:
    write(layout.root / "note", 12)
    snapshot = layout.scan()
    snapshot.save(tmp_path / "s.blobkit")
    snapshot.to_parquet(tmp_path / "parquet")
    for again in (
        blobkit.Snapshot.load(tmp_path / "s.blobkit"),
        blobkit.Snapshot.from_parquet(tmp_path / "parquet"),
        snapshot.with_policy("strong"),
    ):
        assert again.disk == snapshot.disk
        assert blobkit.audit(again).bytes == used(layout.root)[1]


@pytest.mark.parametrize(
    "disk",
    ["[]", "1", '{"files": 1}', '{"files": -1, "bytes": 1, "described": 0, "metadata": 0}']
    + [f'{{"files": 1, "bytes": {n}, "described": 0, "metadata": 0}}' for n in ("1.5", "true", "null", "1e3", 1 << 63)]
    + [f'{{"files": 1, "bytes": 1, "described": 0, "metadata": 0, "names": {n}}}' for n in ('"x"', "[1]", ["x"] * 99)],
)
def test_made_up_totals_are_refused(layout: Layout, tmp_path: Path, disk: str) -> None:
    layout.scan().to_parquet(tmp_path / "parquet")
    path = tmp_path / "parquet" / "snapshot.json"
    text = path.read_text()
    start = text.index('"disk": {')
    path.write_text(text[:start] + f'"disk": {disk}'.replace("'", '"') + "\n}")
    with pytest.raises(blobkit.SnapshotFormatError, match=r"snapshot\.json: disk"):
        blobkit.Snapshot.from_parquet(tmp_path / "parquet")
