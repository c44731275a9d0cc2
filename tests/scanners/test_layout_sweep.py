"""How `umoci gc` opens a layout and sweeps it: what is gone when it stops, and what it never removes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

import blobkit
import real_umoci
from blobkit.scanners.facts import Facts
from blobkit.scanners.layouts.sweep import check_path
from layouts import DOCKER_MANIFEST, Layout, sha

if TYPE_CHECKING:
    from pathlib import Path

GARBAGE = sorted(sha(text) for text in (b"garbage 1", b"garbage 2", b"garbage 3"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return made(tmp_path / "layout")


def made(root: Path) -> Layout:
    """An image and three blobs of garbage: 0b..., 24... and 84... in the order of names."""
    layout = Layout(root)
    layout.image("kept", "layer of kept")
    for text in ("garbage 1", "garbage 2", "garbage 3"):
        layout.blob(text)
    return layout


def agrees(layout: Layout, *removed: str, stops: str = "") -> None:
    """Umoci removes these, and stops for that reason or for none; blobkit says so."""
    said = blobkit.compare_gc(layout.scan(), "umoci")
    assert stops in " ".join(said.aborts)
    assert bool(said.aborts) == bool(stops)
    assert set(said.removed_before_stop if stops else said.frame.index) == set(removed)
    assert said.to_dict()["removed_before_stop"] == (sorted(removed) if stops else [])
    if stops:
        n = len(removed)
        after = f" after removing {n} blob{'s' * (n != 1)}" if n else ""
        assert said.title().startswith(f"umoci gc would abort{after}; else it removes ")
    if real_umoci.installed():
        real = real_umoci.gc(layout.root)
        assert (set(real.removed), real.stopped) == (set(removed), bool(stops))


@pytest.mark.parametrize(
    "content", [None, "", "{}", '{"imageLayoutVersion":"1.1.0"}', '{"imageLayoutVersion":"1.0.0"}x']
)
def test_oci_layout_has_to_be_of_version_1_0_0(layout: Layout, content: str | None) -> None:
    path = layout.root / "oci-layout"
    path.unlink()
    if content is not None:
        path.write_text(content)
    agrees(layout, stops="oci-layout")


def test_oci_layout_in_another_spelling(layout: Layout) -> None:
    (layout.root / "oci-layout").write_text('{"x": 1, "IMAGElayoutVERSION": "1.0.0"}\n')
    agrees(layout, *GARBAGE)


def test_blobs_have_to_be_a_directory(layout: Layout) -> None:
    shutil.rmtree(layout.root / "blobs")
    layout.write({"manifests": []})
    agrees(layout, stops="blobs is not a directory")


@pytest.mark.parametrize(
    ("name", "before"), [("!", 0), ("1", 1), ("30", 2), ("85.tmp", 3), ("zz", 3), ("A" * 64, 3), ("2" * 63, 1)]
)
def test_a_name_that_is_no_digest_stops_it_when_its_turn_comes(layout: Layout, name: str, before: int) -> None:
    (layout.root / "blobs/sha256" / name).write_bytes(b"")
    agrees(layout, *GARBAGE[:before], stops=f"{name} in blobs/sha256 is not named like a blob")


def test_the_first_name_decides(layout: Layout) -> None:
    for name in ("zz", "30", "b7"):
        (layout.root / "blobs/sha256" / name).mkdir()
    agrees(layout, *GARBAGE[:2], stops="30 in blobs/sha256")


def test_directories_that_are_named_like_digests(layout: Layout) -> None:
    (layout.root / "blobs/sha256" / ("3" * 64)).mkdir()
    agrees(layout, *GARBAGE)
    (layout.root / "blobs/sha256" / ("3" * 64) / "x").write_bytes(b"")
    agrees(layout, *GARBAGE[:2], stops="is a directory that is not empty")


def test_a_damaged_image_stops_it_before_the_sweep(layout: Layout) -> None:
    (layout.root / "blobs/sha256/zz").write_bytes(b"")
    layout.image("broken", "a layer")
    layout.drop(sha(b"a layer"))
    said = blobkit.compare_gc(layout.scan(), "umoci")
    assert said.removed_before_stop == ()
    assert [why.partition(": ")[2][:15] for why in said.aborts][1:] == ["zz in blobs/sha"]
    if real_umoci.installed():
        assert real_umoci.gc(layout.root).removed == {}
        assert set(real_umoci.dropped(layout.root, ["broken"]).removed) > set(GARBAGE)


def test_files_beside_the_blobs_are_not_looked_at(layout: Layout) -> None:
    for name in (
        "blobs/stray",
        "blobs/md5/x",
        ".uploads/x",
        "oci-put-blob1",
        ".umoci-1/x",
        "ingest/y",
        "blobs/sha512/x",
    ):
        path = layout.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"bytes")
    agrees(layout, *GARBAGE)


def test_a_link_in_the_place_of_the_algorithm_hides_all_from_the_sweep(layout: Layout) -> None:
    (layout.root / "blobs/sha256").rename(layout.root / "elsewhere")
    (layout.root / "blobs/sha256").symlink_to("../elsewhere")
    agrees(layout)
    assert blobkit.to_frame(layout.scan("strong"))["status"].eq("live").all()
    assert len(blobkit.simulate_deref(layout.scan("strong"), "kept")) == 0
    assert len(blobkit.simulate_deref(layout.scan(), "kept")) == 3


def test_what_is_damaged_behind_that_link_stops_it_until_it_is_dropped(layout: Layout) -> None:
    layout.image("broken", "a layer")
    layout.drop(sha(b"a layer"))
    (layout.root / "blobs/sha256").rename(layout.root / "elsewhere")
    (layout.root / "blobs/sha256").symlink_to("../elsewhere")
    agrees(layout, stops=sha(b"a layer"))
    assert blobkit.simulate_deref(layout.scan("strong"), "broken").notices == ()


def test_a_link_in_the_place_of_blobs_hides_nothing(layout: Layout) -> None:
    (layout.root / "blobs").rename(layout.root / "elsewhere")
    (layout.root / "blobs").symlink_to("elsewhere")
    agrees(layout, *GARBAGE)


@pytest.mark.parametrize("path", ["blobs", "blobs/sha256"])
def test_what_lies_behind_a_link_out_of_the_layout_is_not_known(layout: Layout, tmp_path: Path, path: str) -> None:
    (layout.root / path).rename(tmp_path / "outside")
    (layout.root / path).symlink_to(tmp_path / "outside")
    said = blobkit.compare_gc(layout.scan(), "umoci")
    assert {why.partition(":")[0] for why in said.aborts} == {"what umoci gc does is not known"}
    assert (len(said), said.removed_before_stop) == (0, ())


def test_a_blob_behind_a_link_out_of_the_layout(layout: Layout, tmp_path: Path) -> None:
    layer = layout.path(sha(b"layer of kept"))
    layer.rename(tmp_path / "outside")
    layer.symlink_to(tmp_path / "outside")
    said = blobkit.compare_gc(layout.scan(), "umoci")
    assert "lies behind a symbolic link that leaves the store" in " ".join(said.aborts)
    assert not any("would abort" in why for why in said.aborts)
    assert not blobkit.simulate_deref(layout.scan("strong"), "kept").notices


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("a[b", 1),
        ("a[]", 1),
        ("a[^b", 1),
        ("[a-]", 1),
        ("[\\]", 1),
        ("a\\", 1),
        ("a[b]", 0),
        ("a]b", 0),
        ("[[]", 0),
        ("a b*?", 0),
    ],
)
def test_the_path_is_taken_for_a_pattern(tmp_path: Path, name: str, stops: int) -> None:
    agrees(made(tmp_path / name), *GARBAGE, stops="for a pattern of names, and it is none" if stops else "")


def test_a_pattern_of_each_directory() -> None:
    def noticed(path: str) -> bool:
        facts = Facts()
        check_path(path, facts)
        return [code for code, *_ in facts.notices] == ["path"]

    assert noticed("/a/[b/c]/d")
    assert not noticed("/a/[b]/c")
    assert not noticed("/plain/path")


def test_docker_images_are_taken_before_the_stop(layout: Layout) -> None:
    (layout.root / "blobs/sha256/zz").write_bytes(b"")
    layer, config = layout.blob("lost layer"), layout.config("lost")
    layout.add(layout.manifest(layer, config=config), "docker", DOCKER_MANIFEST)
    agrees(layout, *GARBAGE, layer, config, stops="zz in blobs/sha256")
