"""What this user may not read is unknown: it is told who may, and nothing there is called missing, damaged or free."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import UnreadableStoreError
from blobkit.connect import source
from layouts import GoStore, Layout, Registry, garbage, nowhere, sha
from patience import HANG
from unprivileged import NOBODY, barred, common, unprivileged

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["common"]

LOST = ("damaged", "missing", "tag-without-content")
"""Findings that would send somebody to copy again what is there."""
AS_NOBODY = f"""
import os, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
import blobkit.cli, unprivileged
if os.geteuid() == 0:
    unprivileged.import_all()
    os.setgroups([])
    os.setuid({NOBODY})
blobkit.cli.main()
"""
"""The command line of a user for whom modes hold; what it imports later must be there before."""


@pytest.fixture
def layout(common: Path) -> Layout:
    made = Layout(common / "store")
    made.image("app:1", "layer")
    made.blob("garbage")
    return made


@pytest.fixture
def registry(common: Path) -> Registry:
    made = Registry(common / "store")
    for repo in ("open", "closed"):
        made.push(repo, "1", f"layer of {repo}", config=made.config(repo))
    made.blob("garbage")
    return made


def findings(snapshot: Snapshot) -> dict[str, Any]:
    return {row.code: row for row in blobkit.audit(snapshot, min_age=0).findings.itertuples()}


def told(snapshot: Snapshot, *paths: str) -> Any:  # noqa: ANN401 (a row of a frame)
    """The finding `unreadable`, which names these paths, and beside which nothing is called lost."""
    found = findings(snapshot)
    assert not found.keys() & set(LOST)
    row = found["unreadable"]
    assert row.severity == "error"
    assert sorted(name.partition(" (")[0] for name in row.names) == sorted(paths)
    return row


@pytest.mark.parametrize("place", ["blobs", "blobs/sha256"])
@pytest.mark.parametrize("mode", [0, 0o444, 0o111])
def test_blobs_of_a_layout_that_may_not_be_read(layout: Layout, place: str, mode: int) -> None:
    with barred(layout.root / place, mode):
        snapshot = layout.scan()
    row = told(snapshot, place)
    assert f"mode {mode:04o})" in row.names[0]
    assert garbage(snapshot) == set()
    preview = blobkit.simulate_deref(snapshot, "app:1")
    assert not preview.exact
    assert preview.certain_bytes == 0


def test_what_may_hang_on_a_hidden_referrer_is_unknown(layout: Layout) -> None:
    layout.blob("in another algorithm", label="sha512")
    assert garbage(layout.scan()) != set()
    with barred(layout.root / "blobs/sha512"):
        snapshot = layout.scan()
    told(snapshot, "blobs/sha512")
    assert garbage(snapshot) == set()
    assert blobkit.simulate_deref(snapshot, "app:1").exact is False


@pytest.mark.parametrize("what", ["manifest", "layer"])
def test_a_blob_that_may_not_be_read(layout: Layout, what: str) -> None:
    image = str(layout.entries[0]["digest"])  # type: ignore[index]
    digest = image if what == "manifest" else sha(b"layer")
    with barred(layout.path(digest)):
        snapshot = layout.scan()
    row = told(snapshot, f"blobs/{digest.replace(':', '/')}")
    assert row.digests == (digest,)
    assert row.bytes == layout.size(digest)
    assert (garbage(snapshot) == set()) == (what == "manifest")


@pytest.mark.parametrize(
    "place",
    ["closed", "closed/_manifests", "closed/_manifests/revisions/sha256", "closed/_manifests/tags/1/current/link"],
)
def test_a_repository_that_may_not_be_read(registry: Registry, place: str) -> None:
    path = registry.v2 / "repositories" / place
    with barred(path):
        snapshot = registry.scan()
    told(snapshot, f"docker/registry/v2/repositories/{place}")
    for policy in ("tags", "gc-m") if "tags" in place else snapshot.policies:  # by revisions no tag holds anything
        assert garbage(snapshot, policy) == set(), policy


@pytest.mark.parametrize("below", ["", "sha256", "sha256/{two}", "sha256/{two}/{hex}", "sha256/{two}/{hex}/data"])
def test_blobs_of_a_registry_that_may_not_be_read(registry: Registry, below: str) -> None:
    digest = sha(b"layer of closed")
    hexa = digest.removeprefix("sha256:")
    place = f"docker/registry/v2/blobs/{below.format(two=hexa[:2], hex=hexa)}".rstrip("/")
    with barred(registry.root / place):
        snapshot = registry.scan()
    told(snapshot, place)
    if not below:
        assert garbage(snapshot) == set()


@pytest.mark.parametrize("place", ["", "info.json", "blob"])
def test_a_blob_of_the_go_package_that_may_not_be_read(common: Path, place: str) -> None:
    store = GoStore(common / "store")
    digest, loose = store.add("content", 1), store.add("loose", 0)
    with barred(store.root / "blobs" / digest / place):
        snapshot = store.scan()
    told(snapshot, f"blobs/{digest}/{place}".rstrip("/"))
    assert (garbage(snapshot) == {loose}) == (place == "blob")


def test_a_disk_that_fails_is_damage_and_no_want_of_permission(layout: Layout) -> None:
    layout.path(nowhere(1)).symlink_to(layout.path(nowhere(1)))  # a loop: nobody can read it
    with unprivileged():
        found = findings(layout.scan())
    assert "unreadable" not in found
    assert found["damaged"].names == (nowhere(1),)


def test_the_advice_can_be_typed(layout: Layout) -> None:
    with barred(layout.root / "blobs"):
        advice = told(layout.scan(), "blobs").advice
    if os.geteuid() == 0:
        assert advice.endswith(f"type: sudo blobkit audit oci:{layout.root}")
        os.chown(layout.root / "blobs", 4321, -1)
        with barred(layout.root / "blobs"):
            advice = told(layout.scan(), "blobs").advice
        assert advice.endswith(f"type: sudo -u '#4321' blobkit audit oci:{layout.root}")
        os.chown(layout.root / "blobs", NOBODY, -1)
        with barred(layout.root / "blobs"):
            advice = told(layout.scan(), "blobs").advice
    assert f"chmod -R u+rX {layout.root}/blobs" in advice


def test_leftovers_that_may_not_be_read_are_named_without_an_error(layout: Layout) -> None:
    (layout.root / "lost+found").mkdir()
    with barred(layout.root / "lost+found"):
        found = findings(layout.scan())
    assert "unreadable" not in found
    assert found["leftover"].names == ("lost+found",)


@pytest.mark.parametrize("kind", ["", "oci:", "registry:", "go-blobstore:", "blobkit:"])
@pytest.mark.parametrize("bar", ["store", ""])
def test_a_root_without_permission_says_just_that(layout: Layout, kind: str, bar: str) -> None:
    barrier = layout.root.parent / bar
    with barred(barrier), pytest.raises(UnreadableStoreError) as refused:
        blobkit.scan(f"{kind}{layout.root}", progress=False)
    assert str(refused.value).startswith(f"{barrier} cannot be read by user ")
    assert "mode 0000; run blobkit as a user who may read it: sudo -u " in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("place", ["", ".blobkit", ".blobkit/index.sqlite"])
@pytest.mark.parametrize("way", [blobkit.scan, blobkit.LocalStore, lambda root: source(root).__enter__()])
def test_a_store_of_ones_own_without_permission_says_just_that(
    common: Path, place: str, way: Callable[[Path], object]
) -> None:
    blobkit.LocalStore(common / "store").close()
    path = common / "store" / place
    with barred(path), pytest.raises(UnreadableStoreError) as refused:
        way(common / "store")
    assert str(refused.value).startswith(f"{path} cannot be read by user ")


@pytest.mark.slow
def test_the_command_line_ends_with_2_for_what_cannot_be_answered(layout: Layout, registry: Registry) -> None:
    del registry  # its directory is the same, and has the layout's files beside its own

    def audit(*arguments: str) -> subprocess.CompletedProcess[str]:
        run = [sys.executable, "-c", AS_NOBODY, "audit", *arguments]
        return subprocess.run(run, capture_output=True, text=True, check=False, timeout=HANG)

    store = layout.root / "blobs"
    store.chmod(0)
    try:
        part = audit(f"oci:{layout.root}", "--json")
        over = audit(f"oci:{layout.root}", "--fail-on", "unreadable")
        store.parent.chmod(0)
        whole = audit(str(layout.root))
    finally:
        store.parent.chmod(0o755)
        store.chmod(0o755)
    assert part.returncode == 2, part
    assert "unreadable" in {row["code"] for row in json.loads(part.stdout)["findings"]}
    assert part.stderr.startswith("blobkit: a part could not be read: blobs (of ")
    assert (over.returncode, whole.returncode, whole.stdout) == (3, 2, "")
    assert whole.stderr.count("\n") == 1
    assert whole.stderr.startswith(f"blobkit: {layout.root} cannot be read by user ")
