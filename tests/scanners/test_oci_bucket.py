"""An OCI image layout in a bucket: what is seen there is what is seen of the same keys as files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("obstore")
pytest.importorskip("boto3")

from obstore.store import LocalStore

import blobkit
from blobkit.buckets.objects import Objects
from blobkit.errors import UnreadableStoreError
from blobkit.remotes import Remote
from blobkit.scanners import oci_bucket
from effort import TORTURE
from far_stores import audited, check_same, check_same_answers, local, told
from layouts import Layout, garbage, nowhere, sha
from random_layouts import random_layout
from remote_servers.buckets import SHARED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot
    from remote_servers.buckets import BucketServer

    Dataset = tuple[Path, dict[str, object]]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def far(layout: Layout, **more: bool) -> Snapshot:
    return local(oci_bucket, "oci", layout.root, **more)


def near(layout: Layout) -> Snapshot:
    return blobkit.scan(f"oci:{layout.root}", progress=False, verify=True)


def test_an_image_and_its_referrer_that_nothing_lists(layout: Layout) -> None:
    image = layout.image("1", "layer one", "layer two")
    layout.manifest(layout.blob("signature"), subject=image)
    layout.blob("garbage")
    layout.image(None, "unnamed")
    check_same(far(layout), near(layout))
    check_same_answers(far(layout), near(layout))
    assert garbage(far(layout)) == {sha(b"garbage")}


@pytest.mark.parametrize("every_file", [True, False])
def test_odd_things_beside_blobs(layout: Layout, *, every_file: bool) -> None:
    layout.image("1", "layer")
    layout.image("2", "lost layer")
    layout.drop(sha(b"lost layer"))
    (layout.root / "blobs/sha256/junk").write_text("junk")
    (layout.root / "blobs/md5").mkdir()
    (layout.root / "blobs/md5/one").write_text("one")
    (layout.root / "blobs/a file").write_text("a file")
    layout.blob("in sha512", label="sha512")
    (layout.root / "notes").mkdir()
    (layout.root / "notes/text").write_text("text")
    (layout.root / f"blobs/sha256/{nowhere(5)[7:]}").mkdir()
    (layout.root / f"blobs/sha256/{nowhere(5)[7:]}/inside").write_text("inside")
    if every_file:
        check_same(far(layout), near(layout))
    else:
        there = far(layout, every_file=False)
        assert there.nodes.drop_columns("id").equals(near(layout).nodes.drop_columns("id"))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(30 * TORTURE))
def test_random_damaged_layouts(quick_path: Path, number: int) -> None:
    root = without_what_no_bucket_has(random_layout(number, quick_path).root)
    try:
        here = blobkit.scan(f"oci:{root}", progress=False, verify=True)
    except UnreadableStoreError:
        with pytest.raises(UnreadableStoreError):
            local(oci_bucket, "oci", root)
        return
    check_same(local(oci_bucket, "oci", root), here)


def without_what_no_bucket_has(root: Path) -> Path:
    """Take away links, empty directories, empty files in the place of blobs, and a name that the client skips."""
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_symlink() or path.name == "#12":
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
        elif path.is_file() and not path.stat().st_size and path.parent.parent.name == "blobs":
            path.write_bytes(b"x")
    return root


@pytest.mark.slow
@pytest.mark.usefixtures("signed")
def test_a_real_layout_on_a_real_server(
    dataset: Callable[[str], Dataset], bucket_server: BucketServer, tmp_path: Path
) -> None:
    root, _ = dataset("dev-oci-layout")
    prefix = bucket_server.prefix()
    bucket_server.upload(root, prefix)
    mirror = bucket_server.mirror(SHARED, prefix, tmp_path / "mirror")
    here = blobkit.scan(f"oci:{mirror}", progress=False)
    there = blobkit.scan(f"oci+s3://{SHARED}/{prefix}", progress=False, storage_options=bucket_server.options)
    check_same(there, here)
    check_same_answers(there, here, most=10)


def test_an_empty_object_in_the_place_of_a_blob_is_none(layout: Layout) -> None:
    """zot keeps one layout for each repository, and empty objects for blobs that are in another one."""
    image = layout.image("1", "layer")
    layout.blob("garbage")
    layout.path(sha(b"layer")).write_bytes(b"")
    snapshot = far(layout)
    assert ("placeholder", sha(b"layer")) in {one[:2] for one in told(snapshot)}
    assert sha(b"layer") not in blobkit.to_frame(snapshot).index
    assert "missing" not in audited(snapshot)
    assert garbage(snapshot) == {sha(b"garbage")}
    layout.path(image).write_bytes(b"")
    assert garbage(far(layout)) == set()


def test_what_is_no_layout_is_refused(layout: Layout) -> None:
    with (
        Objects(LocalStore(layout.root.parent)) as objects,
        pytest.raises(UnreadableStoreError, match=r"no index\.json"),
    ):
        oci_bucket.facts_of(Remote("oci", "s3", "b"), objects, None, progress=False, every_file=True)
    layout.write("no JSON")
    with pytest.raises(UnreadableStoreError, match="cannot be read as an image index"):
        far(layout)
    shutil.rmtree(layout.root / "blobs")
    layout.write({"schemaVersion": 2, "manifests": []})
    check_same(far(layout), near(layout))
