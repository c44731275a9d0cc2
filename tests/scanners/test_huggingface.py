"""Scans of Hugging Face caches: names, revisions, the shared store, and what goes wrong in real caches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import UnknownTargetError, UnknownToolError
from blobkit.sources.directory import Directory
from caches import HubCache, commit_of, etag_of
from unprivileged import NOBODY, barred, common

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["common"]  # a fixture

WEIGHTS, OTHER = b"weights " * 200, b"other weights " * 90


@pytest.fixture
def cache(tmp_path: Path) -> HubCache:
    return HubCache(tmp_path / "hub")


def scan(cache: HubCache, policy: str | None = None) -> Snapshot:
    return blobkit.scan(f"huggingface:{cache.root}", policy=policy, progress=False)


def codes(snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    """Return the subjects of each finding of an audit."""
    found = snapshot.audit(min_age=0).findings
    both = zip(found["code"], found["names"], found["digests"], strict=True)
    return {code: names + digests for code, names, digests in both}


def status(snapshot: Snapshot, policy: str = "revisions") -> dict[str, str]:
    return snapshot.with_policy(policy).to_frame()["status"].astype("str").to_dict()


def test_every_type_of_repository_has_its_name(cache: HubCache) -> None:
    for name in ("model/gpt2", "model/a/b", "dataset/a/b", "space/a/b", "kernel/a/b"):
        cache.revision(name, name, {"f": name.encode()}, ["main"])
    assert set(scan(cache).tags_frame().index) == {
        f"{name}@main" for name in ("model/gpt2", "model/a/b", "dataset/a/b", "space/a/b", "kernel/a/b")
    }


def test_a_ref_means_its_revision_and_takes_the_others_along(cache: HubCache) -> None:
    first = cache.revision("model/a/b", "one", {"w": WEIGHTS}, ["main", "v1.0"])
    cache.revision("model/a/b", "two", {"w": OTHER}, ["next"])
    snapshot = scan(cache)
    for name, along in [
        ("model/a/b@main", ("model/a/b@v1.0",)),
        ("model/a/b@v1.0", ("model/a/b@main",)),
        (first, ("model/a/b@main", "model/a/b@v1.0")),
    ]:
        preview = snapshot.simulate_deref(name)
        assert (preview.bytes, preview.also_untagged) == (len(WEIGHTS), along)
        assert "also untagged" in str(preview)
    frame = snapshot.tags_frame()
    assert frame["exclusive"].to_dict() == {
        "model/a/b@main": len(WEIGHTS),
        "model/a/b@next": len(OTHER),
        "model/a/b@v1.0": len(WEIGHTS),
    }
    what_if = blobkit.what_if(snapshot)
    what_if.tick("model/a/b@v1.0")
    assert what_if.preview is not None
    assert what_if.preview.bytes == len(WEIGHTS)
    plan = snapshot.plan(free=1, keep=["model/a/b@v1.0"])
    assert plan.tags == ("model/a/b@next",)


def test_under_refs_each_ref_holds_alone(cache: HubCache) -> None:
    commit = cache.revision("model/a/b", "one", {"w": WEIGHTS}, ["main", "v1.0"])
    detached = cache.revision("model/a/b", "two", {"w": OTHER})
    snapshot = scan(cache, "refs")
    assert snapshot.simulate_deref("model/a/b@main").bytes == 0
    assert snapshot.simulate_deref("model/a/b@main", "model/a/b@v1.0").bytes == len(WEIGHTS)
    assert snapshot.simulate_deref(commit).bytes == len(WEIGHTS)
    assert snapshot.simulate_deref(detached).bytes == 0
    assert set(status(snapshot, "refs").values()) == {"live", "garbage"}
    assert snapshot.simulate_deref("model/a/b@v1.0").also_untagged == ()


def test_a_revision_is_no_blob(cache: HubCache) -> None:
    cache.revision("model/a/b", "one", {"w": WEIGHTS}, ["main"])
    snapshot = scan(cache)
    with pytest.raises(UnknownTargetError, match="has blobs and is none"):
        snapshot.why("model/a/b@main")
    key = f"models--a--b/blobs/{etag_of(WEIGHTS)}"
    assert list(blobkit.reach(snapshot, "model/a/b@main").index) == [key]
    assert snapshot.why(key).tags == ("model/a/b@main",)
    assert snapshot.why(etag_of(WEIGHTS)[:8]).digest == key


def test_what_no_revision_names_goes_with_the_repository(cache: HubCache) -> None:
    cache.revision("model/a/b", "one", {"w": WEIGHTS}, ["main"])
    cache.blob("model/a/b", OTHER)
    cache.partial("model/a/b", b"p" * 50)
    snapshot = scan(cache)
    assert snapshot.simulate_deref("model/a/b@main").bytes == len(WEIGHTS) + len(OTHER) + 50
    assert sorted(status(snapshot, "refs").values()) == ["garbage", "garbage", "live"]
    assert sorted(status(snapshot, "prune").values()) == ["garbage", "live", "live"]
    assert codes(snapshot)["stale-upload"] == (next(key for key in snapshot.to_frame().index if "incomplete" in key),)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda cache: cache.ref("model/a/b", "old", commit_of("gone")),
        lambda cache: cache.ref("model/a/b", "old", f"{commit_of('one')}\n"),
        lambda cache: cache.blob("model/a/b", OTHER).unlink(),
        lambda cache: (cache.folder("model/a/b") / "snapshots" / "file").touch(),
        lambda cache: (cache.folder("model/a/b") / "snapshots" / "loop").symlink_to("loop"),
    ],
)
def test_what_makes_the_library_leave_a_repository_out(cache: HubCache, spoil: object) -> None:
    cache.revision("model/a/b", "one", {"w": WEIGHTS}, ["main"])
    cache.revision("model/a/b", "two", {"w": OTHER}, ["next"])
    cache.revision("model/a/c", "three", {"w": b"w" * 300}, ["main"])
    spoil(cache)  # type: ignore[operator]
    snapshot = scan(cache)
    assert codes(snapshot)["left-out"] == ("model/a/b",)
    preview = snapshot.simulate_deref("model/a/b@main")
    assert (preview.bytes, preview.collected.bytes) == (len(WEIGHTS), 0)
    assert "leaves its repository out" in preview.script()
    assert snapshot.simulate_deref("model/a/c@main").collected.bytes == 300


def test_the_shared_store_frees_with_the_last_link(cache: HubCache) -> None:
    for name in ("model/a/b", "model/a/c"):
        cache.revision(name, name, {"w": WEIGHTS}, ["main"])
    place = cache.share(WEIGHTS, "model/a/b", "model/a/c")
    snapshot = scan(cache)
    assert snapshot.simulate_deref("model/a/b@main").bytes == 0
    assert snapshot.simulate_deref("model/*").freed.index.tolist() == [os.fspath(place.relative_to(cache.root))]
    assert snapshot.blobs == 1


def test_a_shared_file_without_a_list_is_never_freed(cache: HubCache) -> None:
    cache.revision("model/a/b", "one", {"w": WEIGHTS}, ["main"])
    place = cache.share(WEIGHTS, "model/a/b")
    place.with_name(f"{place.name}.refs").unlink()
    snapshot = scan(cache)
    assert snapshot.simulate_deref("model/a/b@main").bytes == 0
    assert set(status(snapshot, "prune").values()) == {"live"}
    assert "unswept" in codes(snapshot)


def test_a_link_that_is_not_listed_is_told_and_not_risked(cache: HubCache) -> None:
    for name in ("model/a/b", "model/a/c"):
        cache.revision(name, name, {"w": WEIGHTS}, ["main"])
    cache.share(WEIGHTS, "model/a/b", "model/a/c", listed=["model/a/b"])
    snapshot = scan(cache)
    assert "unlisted" in codes(snapshot)
    preview = snapshot.simulate_deref("model/a/b@main")
    assert (preview.bytes, preview.collected.bytes) == (0, 0)
    assert "without being listed" in preview.script()
    cache.share(WEIGHTS, "model/a/b", "model/a/c", listed=[])
    found = blobkit.compare_gc(scan(cache), "hf")
    assert (found.bytes, found.needed_bytes) == (len(WEIGHTS), len(WEIGHTS))
    assert set(found.broken["tag"]) == {"model/a/b@main", "model/a/c@main"}


def test_one_commit_in_two_repositories_is_not_deleted_by_its_name(cache: HubCache) -> None:
    for name in ("model/a/old", "model/a/new"):
        cache.revision(name, "one", {"w": WEIGHTS}, ["main"])
    preview = scan(cache).simulate_deref("model/a/old@main")
    assert (preview.bytes, preview.collected.bytes) == (len(WEIGHTS), 0)
    assert "several repositories" in preview.script()


def test_a_second_hop_is_kept(cache: HubCache) -> None:
    cache.revision("model/a/b", "one", {"w": WEIGHTS}, ["main"])
    blob = cache.blob("model/a/b", WEIGHTS)
    blob.rename(blob.with_name("moved"))
    blob.symlink_to("moved")
    snapshot = scan(cache)
    assert set(status(snapshot, "refs").values()) == {"live"}
    assert snapshot.why("models--a--b/blobs/moved").tags == ("model/a/b@main",)


def test_links_out_of_the_cache_are_not_followed(cache: HubCache, tmp_path: Path) -> None:
    outside = HubCache(tmp_path / "big disk")
    outside.revision("model/far/away", "one", {"w": OTHER}, ["main"])
    cache.revision("model/a/b", "two", {"w": WEIGHTS}, ["main"])
    place = cache.share(WEIGHTS, "model/a/b", listed=["model/a/b", "model/far/away"])
    (cache.root / "models--far--away").symlink_to(outside.folder("model/far/away"))
    (cache.folder("model/a/b") / "snapshots" / commit_of("two") / "out").symlink_to("/etc/passwd")
    snapshot = scan(cache)
    assert snapshot.bytes == len(WEIGHTS)
    assert codes(snapshot)["outside"] == (
        "models--far--away",
        f"models--a--b/snapshots/{commit_of('two')}/out",
    )
    assert snapshot.simulate_deref("model/a/b@main").bytes == 0, "another repository may use the shared file"
    assert f"{place.name[:12]}" in str(snapshot.audit())


@pytest.mark.parametrize("policy", ["revisions", "refs", "prune"])
def test_what_cannot_be_known_is_never_free(cache: HubCache, tmp_path: Path, policy: str) -> None:
    cache.revision("model/a/b", "one", {"w": WEIGHTS}, ["main"])
    cache.revision("model/a/b", "two", {"w": OTHER})
    cache.blob("model/a/b", b"orphan" * 40)
    (tmp_path / "elsewhere").write_text(commit_of("two"))
    (cache.folder("model/a/b") / "refs" / "out").symlink_to(tmp_path / "elsewhere")
    (cache.folder("model/a/b") / "snapshots" / "out").symlink_to(tmp_path)
    assert "garbage" not in status(scan(cache), policy).values()


def test_a_ref_that_vanishes_frees_nothing(cache: HubCache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.revision("model/a/b", "one", {"w": WEIGHTS}, ["main"])
    read = Directory.read

    def vanishing(self: Directory, path: str, limit: int) -> bytes:
        (cache.root / path).unlink(missing_ok=True)
        return read(self, path, limit)

    monkeypatch.setattr(Directory, "read", vanishing)
    snapshot = scan(cache)
    assert set(status(snapshot, "refs").values()) == {"unknown"}
    assert "vanished" in snapshot.notices["code"].to_pylist()
    assert "hub-stops" not in snapshot.notices["code"].to_pylist()


@pytest.mark.parametrize("part", ["", "/snapshots", "/blobs", "/refs"])
def test_parts_that_this_user_may_not_read(common: Path, part: str) -> None:
    cache = HubCache(common / "hub")
    cache.revision("model/a/b", "one", {"w": WEIGHTS}, ["main"])
    cache.revision("model/a/b", "two", {"w": OTHER})
    cache.revision("model/a/c", "three", {"w": b"c" * 300}, ["main"])
    if os.geteuid() == 0:
        for path in (cache.root, *cache.root.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    with barred(cache.root / f"models--a--b{part}"):
        snapshot = scan(cache)
        findings = snapshot.audit().findings.set_index("code")
        assert "chmod" in findings.loc["unreadable", "advice"]
        assert "garbage" not in {one for policy in snapshot.policies for one in status(snapshot, policy).values()}
        assert snapshot.simulate_deref("model/a/c@main").bytes == 300


def test_names_of_strangers(cache: HubCache) -> None:
    cache.revision(
        "model/a/b", "one", {"\x1b[31m<blink>": WEIGHTS, os.fsdecode(b"\xff\xfe"): OTHER}, ["\x07 bell"], links=False
    )
    odd = cache.root / os.fsdecode(b"models--\xff--\n")
    (odd / "blobs").mkdir(parents=True)
    (odd / "blobs" / os.fsdecode(b"\xff")).write_bytes(b"1" * 10)
    (odd / "blobs" / "\\xff").write_bytes(b"2" * 20)
    snapshot = scan(cache)
    assert snapshot.bytes == len(WEIGHTS) + len(OTHER) + 30
    assert snapshot.disk is not None
    assert snapshot.disk.bytes - snapshot.disk.metadata == snapshot.bytes
    shown = str(snapshot.audit()) + snapshot.audit()._repr_html_() + "".join(snapshot.tags_frame().index)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "<blink>" not in snapshot.audit()._repr_html_()


def test_pipes_sparse_files_and_deep_trees_end(cache: HubCache) -> None:
    deep = "/".join(["d"] * 300)
    cache.revision("model/a/b", "one", {f"{deep}/w": WEIGHTS}, ["main"])
    refs, blobs = cache.folder("model/a/b") / "refs", cache.folder("model/a/b") / "blobs"
    os.mkfifo(refs / "pipe")
    os.mkfifo(blobs / "pipe")
    with (refs / "huge").open("wb") as file:
        file.truncate(1 << 33)
    snapshot = scan(cache)
    assert snapshot.bytes == len(WEIGHTS)
    assert "junk" in codes(snapshot)
    assert snapshot.simulate_deref("model/a/b@main").bytes == len(WEIGHTS)


def test_copies_and_hard_links(cache: HubCache) -> None:
    for name in ("model/a/b", "model/a/c", "model/a/d"):
        cache.revision(name, name, {"w": WEIGHTS}, ["main"])
    blob = cache.blob("model/a/d", WEIGHTS)
    os.link(blob, cache.root.parent / "another name")
    findings = scan(cache).audit().findings.set_index("code")
    assert findings.loc["copies", "bytes"] == 2 * len(WEIGHTS)
    assert findings.loc["shared-inode", "digests"] == (f"models--a--d/blobs/{etag_of(WEIGHTS)}",)


def test_content_is_hashed_on_request(cache: HubCache) -> None:
    cache.revision("model/a/b", "one", {"w": WEIGHTS, "small": b"small"}, ["main"])
    assert "damaged" not in codes(blobkit.scan(f"huggingface:{cache.root}", progress=False, verify=True))
    cache.blob("model/a/b", WEIGHTS).write_bytes(WEIGHTS[:-1] + b"!")
    cache.blob("model/a/b", b"small").write_bytes(b"SMALL")
    found = codes(blobkit.scan(f"huggingface:{cache.root}", progress=False, verify=True))
    assert len(found["damaged"]) == 2


def test_there_is_no_collector_for_revisions(cache: HubCache) -> None:
    cache.revision("model/a/b", "one", {"w": WEIGHTS}, ["main"])
    with pytest.raises(UnknownToolError, match="hf cache prune"):
        scan(cache).audit().script()
    assert "hf cache prune --yes" in scan(cache, "refs").audit().script()
