"""What lies behind a symbolic link out of the store is unknown and kept, and the advice about it can be followed."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import UnreadableStoreError
from layouts import GoStore, Layout, Registry, garbage, nowhere, sha

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from blobkit.snapshot.snapshot import Snapshot

LOST = {"damaged", "missing", "tag-without-content", "junk"}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "layout")
    made.image("app:1", "layer")
    made.image("app:2", "another")
    return made


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "registry")
    for repo in ("team/app", "team/lib"):
        made.push(repo, "1", f"layer of {repo}", config=made.config(repo))
    return made


def move_out(path: Path, to: Path) -> Path:
    """Leave a symbolic link in the place of a file or directory."""
    to.parent.mkdir(parents=True, exist_ok=True)
    path.rename(to)
    path.symlink_to(to)
    return to


def outside(snapshot: Snapshot, *names: str) -> Any:  # noqa: ANN401 (a row of a frame)
    """The finding about links that are not followed, beside which nothing is called lost."""
    found = {row.code: row for row in blobkit.audit(snapshot, min_age=0).findings.itertuples()}
    assert not found.keys() & LOST
    assert found["outside"].names == names
    assert found["outside"].severity == "warning"
    return found["outside"]


@pytest.mark.parametrize("place", ["blobs", "blobs/sha256"])
def test_blobs_shared_through_a_link(layout: Layout, tmp_path: Path, place: str) -> None:
    move_out(layout.root / place, tmp_path / "pool")
    snapshot = layout.scan()
    row = outside(snapshot, place)
    assert "their targets are unknown, so blobs that these may need are kept" in row.advice
    assert garbage(snapshot) == set()
    assert "opaque" not in set(blobkit.audit(snapshot).findings["code"])
    preview = blobkit.simulate_deref(snapshot, "app:1")
    assert (preview.bytes, preview.exact) == (0, False)


def test_other_blobs_are_unknown_where_some_are_behind_a_link(layout: Layout, tmp_path: Path) -> None:
    loose = layout.blob("loose")
    layout.blob("in another algorithm", label="sha512")
    assert loose in garbage(layout.scan())
    move_out(layout.root / "blobs" / "sha512", tmp_path / "pool")
    snapshot = layout.scan()
    outside(snapshot, "blobs/sha512")
    assert garbage(snapshot) == set()


@pytest.mark.parametrize("what", ["manifest", "layer"])
def test_a_blob_behind_a_link(layout: Layout, tmp_path: Path, what: str) -> None:
    loose = layout.blob("loose")
    digest = layout.entries[0]["digest"] if what == "manifest" else sha(b"layer")  # type: ignore[index]
    move_out(layout.path(str(digest)), tmp_path / "elsewhere" / "file")
    snapshot = layout.scan()
    advice = outside(snapshot, f"blobs/{str(digest).replace(':', '/')}").advice
    assert "mount" not in advice  # that is for directories
    assert digest in blobkit.to_frame(blobkit.scan(followed(advice, tmp_path), progress=False)).index
    assert (loose in garbage(snapshot)) == (what == "layer")  # a layer that is named holds nothing


def test_what_is_really_missing_is_told_still(layout: Layout, tmp_path: Path) -> None:
    move_out(layout.path(sha(b"layer")), tmp_path / "file")
    layout.drop(sha(b"another"))
    found = blobkit.audit(layout.scan()).findings.set_index("code")["digests"]
    assert found["missing"] == (sha(b"another"),)


def test_a_link_that_leads_nowhere_is_damage(layout: Layout, tmp_path: Path) -> None:
    layout.path(nowhere(1)).symlink_to(tmp_path / "layout" / "gone")
    codes = set(blobkit.audit(layout.scan()).findings["code"])
    assert "damaged" in codes
    assert "outside" not in codes


@pytest.mark.parametrize("below", ["sha256", "sha256/{two}", "sha256/{two}/{hex}", "sha256/{two}/{hex}/data"])
def test_blobs_of_a_registry_behind_a_link(registry: Registry, tmp_path: Path, below: str) -> None:
    hexa = sha(b"layer of team/app").removeprefix("sha256:")
    place = f"docker/registry/v2/blobs/{below.format(two=hexa[:2], hex=hexa)}"
    move_out(registry.root / place, tmp_path / "disk2")
    snapshot = registry.scan()
    found = blobkit.audit(snapshot).findings.set_index("code")["names"]
    assert not set(found.index) & LOST
    assert found["outside"] == (place,)


@pytest.mark.parametrize("place", ["team", "team/lib"])
def test_a_repository_behind_a_link(registry: Registry, tmp_path: Path, place: str) -> None:
    target = move_out(registry.v2 / "repositories" / place, tmp_path / "disk2" / "lib")
    snapshot = registry.scan()
    advice = outside(snapshot, f"docker/registry/v2/repositories/{place}").advice
    for policy in snapshot.policies:
        assert garbage(snapshot, policy) == set()
    assert "opaque" not in set(blobkit.audit(snapshot).findings["code"])  # there is nothing to restore
    assert str(target) in advice
    link = shlex.quote(str(registry.v2 / "repositories" / place))
    assert f"rm {link} && mkdir {link} && mount --bind {target} {link}" in advice


def followed(text: str, home: Path) -> str:
    """Do the copy that an advice names, and return the address that it says to audit then."""
    command = text.partition("scan a copy that has it (")[2].partition(")")[0]
    copy, _, audit = command.partition(" && ")
    subprocess.run(["sh", "-c", copy], cwd=home, check=True)
    assert audit.startswith("blobkit audit ")
    kind, _, name = audit.removeprefix("blobkit audit ").partition(":")
    return f"{kind}:{home / name}"


def test_the_advice_for_a_layout_can_be_followed(layout: Layout, tmp_path: Path) -> None:
    whole = set(blobkit.to_frame(layout.scan()).index)
    move_out(layout.root / "blobs", tmp_path / "pool")
    address = followed(outside(layout.scan(), "blobs").advice, tmp_path)
    snapshot = blobkit.scan(address, progress=False)
    assert set(blobkit.to_frame(snapshot).index) == whole
    assert "outside" not in set(blobkit.audit(snapshot).findings["code"])


def test_the_advice_for_a_registry_can_be_followed(registry: Registry, tmp_path: Path) -> None:
    whole = set(blobkit.to_frame(registry.scan()).index)
    move_out(registry.v2 / "repositories" / "team", tmp_path / "disk2" / "team")
    advice = outside(registry.scan(), "docker/registry/v2/repositories/team").advice
    snapshot = blobkit.scan(followed(advice, tmp_path), progress=False)
    assert set(blobkit.to_frame(snapshot).index) == whole
    assert set(blobkit.tags_frame(snapshot).index) == {"team/app:1", "team/lib:1"}


@pytest.mark.parametrize("part", ["blobs", "repositories"])
def test_a_registry_with_half_of_it_elsewhere_says_how_to_scan_it(
    registry: Registry, tmp_path: Path, part: str
) -> None:
    whole = set(blobkit.to_frame(registry.scan()).index)
    move_out(registry.v2 / part, tmp_path / "disk2" / part)
    with pytest.raises(UnreadableStoreError) as refused:
        registry.scan()
    assert str(registry.v2 / part) in str(refused.value)
    snapshot = blobkit.scan(followed(str(refused.value), tmp_path), progress=False)
    assert set(blobkit.to_frame(snapshot).index) == whole


@pytest.mark.parametrize("part", ["docker", "docker/registry", "docker/registry/v2"])
def test_a_registry_that_is_elsewhere_as_a_whole_says_its_address(
    registry: Registry, tmp_path: Path, part: str
) -> None:
    whole = set(blobkit.to_frame(registry.scan()).index)
    move_out(registry.root / part, tmp_path / "disk2" / "registry")
    with pytest.raises(UnreadableStoreError) as refused:
        registry.scan()
    address = str(refused.value).rpartition(": scan ")[2]
    assert address.startswith("registry:")
    assert set(blobkit.to_frame(blobkit.scan(address, progress=False)).index) == whole


def test_a_link_into_another_store_says_its_address(layout: Layout, tmp_path: Path) -> None:
    other = Layout(tmp_path / "other")
    other.image("other:1", "other")
    shutil.rmtree(layout.root / "blobs")
    (layout.root / "blobs").symlink_to(other.root / "blobs")
    assert outside(layout.scan(), "blobs").advice.endswith(f"scan oci:{other.root} too")


def test_a_store_of_the_go_package_that_leads_out(tmp_path: Path) -> None:
    store = GoStore(tmp_path / "store")
    digest = store.add("content", 1)
    move_out(store.path(digest), tmp_path / "file")
    outside(store.scan(), f"blobs/{digest}/blob")
    move_out(store.root / "blobs", tmp_path / "elsewhere")
    with pytest.raises(UnreadableStoreError, match=r"leads out of .* by a symbolic link"):
        store.scan()


def test_older_snapshots_have_links_of_one_kind(layout: Layout) -> None:
    layout.path(nowhere(1)).symlink_to(layout.path(sha(b"layer")).name)
    found = blobkit.audit(layout.scan()).findings.set_index("code")["digests"]
    assert found["symlink"] == (nowhere(1),)
    assert "outside" not in found.index
