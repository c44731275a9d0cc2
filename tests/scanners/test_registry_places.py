"""Symbolic links in a registry's storage, and what may not be read: followed, hidden, or where the collector stops."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.scanners.registries import directories
from layouts import MANIFEST, Registry, codes, garbage, noticed, sha
from live_registry import PROGRAM
from real_registry_gc import as_anybody, blobs, collect_copy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

POLICIES = ("tags", "revisions", "gc", "gc-m")
A = "docker/registry/v2/repositories/app"
KEPT = sha(b"kept")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "registry")
    made.push("app", "1", "kept")
    made.push("lib", "1", "other")
    made.blob("waste")
    return made


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Forbid a file or directory to all but root, and be somebody else."""
    path.chmod(0)
    try:
        with as_anybody():
            yield
    finally:
        path.chmod(0o755)


def aborts(snapshot: blobkit.Snapshot) -> tuple[bool, bool]:
    plain, untagged = (blobkit.compare_gc(snapshot, tool).aborts for tool in ("registry", "registry-m"))
    return bool(plain), bool(untagged)


def really(registry: Registry, tmp_path: Path) -> set[str]:
    """What the real collector removes from a copy."""
    run = collect_copy(registry.root, tmp_path, untagged=False)
    assert run.code == 0, run.said
    return set(run.removed)


PARTS = {
    "repository": A,
    "_manifests": f"{A}/_manifests",
    "_layers": f"{A}/_layers",
    "revisions": f"{A}/_manifests/revisions",
    "tags": f"{A}/_manifests/tags",
    "tag": f"{A}/_manifests/tags/1",
    "current": f"{A}/_manifests/tags/1/current",
    "link": f"{A}/_manifests/tags/1/current/link",
    "blobs": "docker/registry/v2/blobs",
    "algorithm": "docker/registry/v2/blobs/sha256",
    "blob": f"docker/registry/v2/blobs/sha256/{KEPT[7:9]}/{KEPT[7:]}",
    "data": f"docker/registry/v2/blobs/sha256/{KEPT[7:9]}/{KEPT[7:]}/data",
    "repositories": "docker/registry/v2/repositories",
}


@pytest.mark.slow
@pytest.mark.parametrize("what", PARTS)
def test_a_part_moved_within_the_root_and_linked(registry: Registry, tmp_path: Path, what: str) -> None:
    """Nothing changes: the collector follows the link, and so do we."""
    path = registry.root / PARTS[what]
    before = registry.scan()
    path.rename(registry.root / "moved")
    path.symlink_to(os.path.relpath(registry.root / "moved", path.parent))
    after = registry.scan()
    for policy in POLICIES:
        assert garbage(after, policy) == garbage(before, policy)
    assert list(blobkit.tags_frame(after).index) == list(blobkit.tags_frame(before).index)
    assert after.bytes == before.bytes
    assert aborts(after) == (False, False)
    if shutil.which(PROGRAM):
        assert really(registry, tmp_path) == garbage(after, "gc")


@pytest.mark.parametrize("what", [name for name in PARTS if name not in ("blobs", "repositories", "_layers")])
def test_a_part_moved_out_of_the_root_is_unknown(registry: Registry, what: str) -> None:
    """Who follows the link may find anything there: nothing that it may hold is called free, by no policy."""
    path, away = registry.root / PARTS[what], registry.root.with_name("away")
    path.rename(away)
    path.symlink_to(away)
    snapshot = registry.scan()
    assert "symlink" in codes(snapshot)
    assert KEPT not in garbage(snapshot, "tags")
    holds = ("tags", "gc-m") if what in ("tags", "tag", "current", "link") else POLICIES
    for policy in holds if what not in ("algorithm", "blob", "data") else ():
        assert garbage(snapshot, policy) == set(), policy
        preview = blobkit.simulate_deref(snapshot, "lib:1", policy=policy)
        assert (preview.exact, preview.certain_bytes) == (False, 0)
    removed = set(blobkit.compare_gc(snapshot, "registry").frame.index)
    assert KEPT not in removed


@pytest.mark.parametrize("what", ["repository", "_manifests", "revisions"])
def test_a_collector_that_reads_more_than_we_see_removes_nothing_that_is_known(registry: Registry, what: str) -> None:
    path, away = registry.root / PARTS[what], registry.root.with_name("away")
    path.rename(away)
    path.symlink_to(away)
    for tool in ("registry", "registry-m"):
        found = blobkit.compare_gc(registry.scan(), tool)
        assert len(found) == 0
        assert found.aborts
        assert all("is not known" in why for why in found.aborts)


def test_a_manifest_behind_a_link_matters_where_it_is_read(registry: Registry) -> None:
    """-m passes over an untagged one."""
    untagged = registry.revision("app", registry.manifest(registry.blob("untagged")))
    away = registry.root.with_name("away")
    registry.path(untagged).rename(away)
    registry.path(untagged).symlink_to(away)
    snapshot = registry.scan()
    assert len(blobkit.compare_gc(snapshot, "registry")) == 0
    assert set(blobkit.compare_gc(snapshot, "registry-m").frame.index) == {sha(b"untagged"), sha(b"waste")}


def test_a_manifest_of_more_elements_than_we_read(registry: Registry) -> None:
    """What the collector marks for it is not known, so nothing is."""
    layers = "{}," * 1_000_000
    body = f'{{"schemaVersion": 2, "mediaType": "{MANIFEST}", "layers": [{layers}{{}}]}}'
    registry.tag("app", "2", registry.revision("app", registry.blob(body)))
    for tool in ("registry", "registry-m"):
        found = blobkit.compare_gc(registry.scan(), tool)
        assert len(found) == 0
        assert any("more elements" in why for why in found.aborts)


def test_layers_that_are_away_are_a_sign_of_a_repository_still(registry: Registry) -> None:
    away = registry.root.with_name("away")
    (registry.root / f"{A}/_layers").rename(away)
    (registry.root / f"{A}/_layers").symlink_to(away)
    assert garbage(registry.scan(), "gc") == {sha(b"waste")}


@pytest.mark.parametrize(
    ("place", "target"),
    [("up", ".."), ("self", "self"), ("_manifests/revisions/up", ".."), ("_manifests/revisions/self", "self")],
)
def test_links_that_lead_in_a_circle_stop_the_collector(
    registry: Registry, tmp_path: Path, place: str, target: str
) -> None:
    (registry.root / A / place).symlink_to(target)
    snapshot = registry.scan()
    assert aborts(snapshot) == (True, True)
    assert "gc-loop" in codes(snapshot)
    if shutil.which(PROGRAM):
        assert collect_copy(registry.root, tmp_path, untagged=False).stopped


@pytest.mark.parametrize("place", ["_uploads", "_layers/up", "_manifests/up", "_x"])
def test_a_circle_where_nothing_goes_round_is_no_matter(registry: Registry, tmp_path: Path, place: str) -> None:
    (registry.root / A / place).symlink_to(".." if "/" not in place else "../..")
    assert aborts(registry.scan()) == (False, False)
    if shutil.which(PROGRAM):
        assert really(registry, tmp_path) == {sha(b"waste")}


def test_a_circle_among_the_blobs(registry: Registry) -> None:
    (registry.v2 / "blobs/up").symlink_to(".")
    assert aborts(registry.scan()) == (True, True)


@pytest.mark.parametrize("place", ["_0", "new", "_manifests/revisions/link", "_manifests/tags/2", "_manifests/tags/@2"])
def test_a_link_that_leads_nowhere(registry: Registry, tmp_path: Path, place: str) -> None:
    """It is passed over, but for its name among the tags."""
    (registry.root / A / place).symlink_to("nowhere")
    assert aborts(registry.scan()) == (False, place.endswith("@2"))
    if shutil.which(PROGRAM):
        assert collect_copy(registry.root, tmp_path, untagged=True).stopped == place.endswith("@2")


def test_layers_that_lead_nowhere_make_no_repository(registry: Registry, tmp_path: Path) -> None:
    shutil.rmtree(registry.root / f"{A}/_layers")
    (registry.root / f"{A}/_layers").symlink_to("nowhere")
    snapshot = registry.scan()
    assert KEPT in garbage(snapshot, "gc")
    if shutil.which(PROGRAM):
        assert really(registry, tmp_path) == garbage(snapshot, "gc")


def test_a_repository_under_two_names(registry: Registry) -> None:
    """Its image stays while one of the names is left."""
    (registry.root / f"{A}-too").symlink_to("app")
    snapshot = registry.scan()
    assert list(blobkit.tags_frame(snapshot).index) == ["app-too:1", "app:1", "lib:1"]
    assert blobkit.simulate_deref(snapshot, "app:1").digests == ()


@pytest.mark.parametrize(("links", "stops"), [(39, False), (41, True)])
def test_as_many_links_as_the_system_follows(registry: Registry, tmp_path: Path, links: int, *, stops: bool) -> None:
    for number in range(links):
        (registry.v2 / f"chain/{number}").mkdir(parents=True)
        (registry.v2 / f"chain/{number}/n").symlink_to(f"../{number + 1}")
    (registry.v2 / f"chain/{links}/_layers").mkdir(parents=True)
    (registry.root / A / "n").symlink_to("../../chain/0")
    assert aborts(registry.scan()) == (stops, stops)
    if shutil.which(PROGRAM):
        assert collect_copy(registry.root, tmp_path, untagged=False).stopped == stops


@pytest.mark.slow
def test_links_that_make_more_paths_than_anybody_can_go(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two links a level are a million paths after twenty: looked at as far as is reasonable, the rest is unknown."""
    assert directories.FOLLOWED == 10_000
    monkeypatch.setattr(directories, "FOLLOWED", 300)
    for number in range(20):
        (registry.v2 / f"chain/{number}").mkdir(parents=True)
        for name in "ab":
            (registry.v2 / f"chain/{number}/{name}").symlink_to(f"../{number + 1}")
    (registry.v2 / "chain/20").mkdir()
    (registry.root / A / "n").symlink_to("../../chain/0")
    snapshot = registry.scan()
    assert garbage(snapshot, "gc") == set()


UNREADABLE = {
    "repository": (A, (True, True)),
    "_layers": (f"{A}/_layers", (False, False)),
    "_manifests": (f"{A}/_manifests", (True, True)),
    "revisions": (f"{A}/_manifests/revisions", (True, True)),
    "tags": (f"{A}/_manifests/tags", (False, True)),
    "tag": (f"{A}/_manifests/tags/1", (False, True)),
    "link of a tag": (f"{A}/_manifests/tags/1/current/link", (False, True)),
    "blob": (PARTS["blob"], (True, True)),
    "layer": (PARTS["data"], (False, False)),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_may_not_be_read(registry: Registry, what: str) -> None:
    """The collector stops where it looks there; nothing that may be held there is free."""
    path, stops = UNREADABLE[what]
    with locked(registry.root / path):
        snapshot = registry.scan()
    assert aborts(snapshot) == stops
    assert "unreadable" in codes(snapshot) or what == "layer"
    assert KEPT not in garbage(snapshot, "tags")
    assert blobs(registry.root)


@pytest.mark.parametrize("path", [A, f"{A}/_manifests", f"{A}/_manifests/revisions"])
def test_what_may_not_be_read_where_the_collector_does_not_come(registry: Registry, path: str) -> None:
    """It takes what is there; a pull needs it still."""
    (registry.v2 / "repositories/_0").write_text("this ends its way")
    with locked(registry.root / path):
        snapshot = registry.scan()
    assert aborts(snapshot) == (False, False)
    assert KEPT in garbage(snapshot, "gc")
    assert garbage(snapshot, "tags") == garbage(snapshot, "revisions") == set()


@pytest.mark.parametrize("manifest", ["kept", "untagged"])
def test_a_manifest_that_may_not_be_read(registry: Registry, manifest: str) -> None:
    untagged = registry.revision("app", registry.manifest(registry.blob("untagged")))
    kept = blobkit.tags_frame(registry.scan())["digest"]["app:1"]
    with locked(registry.path(kept if manifest == "kept" else untagged)):
        snapshot = registry.scan()
    assert aborts(snapshot) == (True, manifest == "kept")
    assert "gc-manifest-unread" in codes(snapshot)
    assert garbage(snapshot, "revisions") == set()


@pytest.mark.parametrize("place", [A, f"{A}/notes"])
def test_a_directory_that_may_be_listed_and_not_entered(registry: Registry, place: str) -> None:
    (registry.root / A / "notes").mkdir()
    (registry.root / A / "notes/x").write_text("x")
    path = registry.root / place
    path.chmod(0o644)
    try:
        with as_anybody():
            snapshot = registry.scan()
    finally:
        path.chmod(0o755)
    assert aborts(snapshot) == (True, True)
    assert ("unreadable", "") in noticed(snapshot)
