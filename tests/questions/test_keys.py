"""Keys that are no digest: targets, subjects of why, starts of keys, completion, sizes on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import AmbiguousTargetError, BlobNotFoundError, NotPinnedError, UnknownTargetError
from blobkit.render import abbreviate
from blobkit.snapshot.snapshot import Snapshot, build

if TYPE_CHECKING:
    from pathlib import Path

BASE, TOP, IMAGE = (f"layer/{'a1' * 32}", f"layer/{'a1' * 4}{'b2' * 28}", f"image/{'c3' * 32}")


@pytest.fixture
def picture() -> Snapshot:
    """An image with a name on two layers, a container without a name, and a layer that nothing holds."""
    nodes = {
        "key": [BASE, TOP, IMAGE, "container/box", "layer/" + "d4" * 32, "volume/data"],
        "size": [1000, 100, 10, 5, 7, 3],
        "disk": [4096, 4096, 512, 4096, 4096, 512],
        "kind": ["layer", "layer", "image", "container", "layer", "volume"],
    }
    links = {"source": [2, 1, 3], "target": [1, 0, 1], "kind": ["top", "parent-layer", "uses"]}
    pins = {
        "node": [2, 3, 5],
        "name": ["shop/web:1", "box", None],
        "kind": ["tag", "container", "volume"],
        "group": ["shop/web", None, None],
    }
    return build("containers-storage", "/store", nodes=nodes, links=links, pins=pins)


def test_a_key_is_a_target_like_a_digest(picture: Snapshot) -> None:
    assert picture.simulate_deref(IMAGE).bytes == 10
    assert picture.simulate_deref("digest:container/box").bytes == 5
    assert picture.simulate_deref("volume/data").bytes == 3
    assert set(picture.simulate_deref("shop/web:1", "box").freed.index) == {IMAGE, TOP, BASE, "container/box"}


def test_a_key_that_only_links_hold_is_refused_with_the_call_to_make(picture: Snapshot) -> None:
    with pytest.raises(NotPinnedError, match="why"):
        picture.simulate_deref(BASE)


def test_why_takes_keys_and_names(picture: Snapshot) -> None:
    why = picture.why(BASE)
    assert why.digest == BASE
    assert why.tags == ("box", "shop/web:1")
    assert why.others == ()
    assert set(why.holders) == {TOP}
    assert picture.why("shop/web:1").digest == IMAGE
    assert "layer/" in str(why)


def test_the_start_of_a_key_is_enough_where_one_has_it(picture: Snapshot) -> None:
    assert picture.why("c3c3c3").digest == IMAGE
    assert picture.why("image/c3c3c3").digest == IMAGE
    assert picture.why(abbreviate(IMAGE)).digest == IMAGE
    with pytest.raises(AmbiguousTargetError, match="2 keys"):
        picture.why("a1a1a1")
    with pytest.raises(UnknownTargetError):
        picture.why("layer/c3c3c3")
    with pytest.raises(UnknownTargetError):
        picture.why("c3c3c")


def test_a_digest_is_the_end_of_a_key_where_no_blob_has_it() -> None:
    """Docker shows an image's ID as `sha256:...`."""
    nodes = {"key": ["image/sha256:" + "c3" * 32, "image/sha256:" + "c4" * 32], "size": [1, 2]}
    pins = {"node": [0, 1], "name": ["shop/web:1", None], "kind": ["tag", "unnamed"]}
    picture = build("docker", "/store", nodes=nodes, links={"source": [], "target": []}, pins=pins)
    assert picture.simulate_deref("sha256:" + "c4" * 32).bytes == 2
    assert picture.why("sha256:c3c3c3").tags == ("shop/web:1",)
    with pytest.raises(BlobNotFoundError):
        picture.why("sha256:" + "c5" * 32)


def test_an_exact_name_beats_the_start_of_a_key() -> None:
    nodes = {"key": [BASE, IMAGE], "size": [1, 2]}
    pins = {"node": [1, 0], "name": ["a1a1a1", None], "kind": ["tag", "unnamed"]}
    picture = build("containers-storage", "/store", nodes=nodes, links={"source": [], "target": []}, pins=pins)
    preview = picture.simulate_deref("a1a1a1")
    assert list(preview.freed.index) == [IMAGE]
    assert "taken as the name" in " ".join(preview.notices)


def test_a_key_of_another_form_or_of_a_virtual_node_is_no_target() -> None:
    nodes = {"key": ["layer/" + "ab" * 32, "model/x@abc"], "size": [1, 0], "stored": ["yes", "virtual"]}
    links = {"source": [1], "target": [0], "kind": ["content"]}
    pins = {"node": [1], "name": ["ns/image:1"], "kind": ["image"]}
    picture = build("containerd", "/store", nodes=nodes, links=links, pins=pins)
    assert picture.why("ns/image:1").digest == "layer/" + "ab" * 32
    with pytest.raises(UnknownTargetError):
        picture.why("model/x@abc")
    plain = build(
        "oci", "/s", nodes={"key": ["x" * 9], "size": [1]}, links={"source": [], "target": []}, pins={"node": []}
    )
    with pytest.raises((UnknownTargetError, BlobNotFoundError)):
        plain.why("x" * 9)


def test_sizes_on_disk_are_a_column_where_a_store_has_them(picture: Snapshot, tmp_path: Path) -> None:
    frame = picture.to_frame()
    assert list(frame)[:2] == ["size", "disk"]
    assert int(frame.loc[BASE, "disk"]) == 4096
    assert frame["disk"].dtype == "int64"
    picture.save(tmp_path / "saved.blobkit")
    assert blobkit.Snapshot.load(tmp_path / "saved.blobkit").to_frame().equals(frame)
    picture.to_parquet(tmp_path / "tables")
    assert blobkit.Snapshot.from_parquet(tmp_path / "tables").to_frame().equals(frame)
    assert "disk" not in blobkit.demo.small().to_frame()


@pytest.mark.parametrize(
    ("key", "short"),
    [
        (IMAGE, "image/c3c3c3c3c3c3"),
        (f"image/sha256:{'c3' * 32}", "image/sha256:c3c3c3c3c3c3"),
        (f"models--a--b/blobs/{'0f' * 20}", "models--a--b/blobs/0f0f0f0f0f0f"),
        (f"shop/web:{'0f' * 20}", f"shop/web:{'0f' * 20}"),
        ("volume/data", "volume/data"),
    ],
)
def test_long_hashes_in_keys_are_shown_short_and_those_in_names_whole(key: str, short: str) -> None:
    assert abbreviate(key) == short
