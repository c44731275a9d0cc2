"""What small, odd or huge things of strangers can do to a scan: little, and each is said."""

from __future__ import annotations

import json
import os
import tarfile
import tempfile
from pathlib import Path

import pytest

import blobkit
from blobkit.errors import SnapshotFormatError
from blobkit.oci.documents import read_document
from blobkit.oci.untrusted import ODD_KEPT, DocumentError, Odd, parse_json
from blobkit.scanners.go_blobstore import parse
from blobkit.snapshot.snapshot import Snapshot
from graphs import same_facts
from layouts import MANIFEST, Layout, Registry, codes, freed, garbage, nowhere, sha

MEMORY = Path("/dev/shm")  # noqa: S108 (directories of random names in it)


def odd_messages(snapshot: Snapshot) -> list[str]:
    notices = snapshot.notices.to_pydict()
    return [text for code, text in zip(notices["code"], notices["message"], strict=True) if code == "odd"]


@pytest.mark.parametrize("layer", [{}, 7, {"digest": "x"}, {"digest": [["deep"]]}, {"digest": "sha256:" + "A" * 64}])
def test_many_odd_layers_are_a_few_notices_and_a_number(tmp_path: Path, layer: object) -> None:
    layout = Layout(tmp_path / "x")
    layout.add(layout.json({"mediaType": MANIFEST, "config": None, "layers": [layer] * 5000}), "x")
    messages = odd_messages(layout.scan())
    assert len(messages) == ODD_KEPT + 1
    assert messages[-1].endswith("4,990 more things like these")


def test_few_odd_layers_are_told_one_by_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "x")
    layout.add(layout.json({"mediaType": MANIFEST, "config": None, "layers": [{}] * ODD_KEPT}), "x")
    assert len(odd_messages(layout.scan())) == ODD_KEPT


@pytest.mark.slow
def test_many_odd_entries_and_links(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "x")
    orphan = layout.blob("orphan")
    layout.write({"manifests": [{}] * 5000})
    snapshot = layout.scan()
    assert len(odd_messages(snapshot)) == ODD_KEPT + 1
    assert garbage(snapshot) == set()
    assert blobkit.to_frame(snapshot).loc[orphan, "status"] == "unknown"
    info = {"refCount": 1, "linksTo": ["x"] * 5000 + [nowhere(2)] * 2 + [nowhere(3)]}
    found = parse(json.dumps(info).encode(), nowhere(1))
    assert found.links == (nowhere(2), nowhere(3))
    assert len(found.odd) == ODD_KEPT + 1


def test_oddities_are_counted() -> None:
    odd = Odd()
    for number in range(1, ODD_KEPT + 1):
        odd.append(f"{number}")
    assert odd.messages() == tuple(odd)
    odd.append("one more")
    assert odd.messages() == (*odd, "1 more things like these")


DENSE = {
    "objects": b'{"layers":[' + b"{}," * 400_000 + b"{}]}",
    "lists": b'{"layers":[' + b"[]," * 400_000 + b"[]]}",
    "objects in another case": b'{"LAYERS":[' + b"{}," * 250_000 + b"{}]}",
    "numbers": b'{"layers":[' + b"1," * 1_900_000 + b"1]}",
}


@pytest.mark.parametrize("dense", DENSE)
def test_more_elements_than_a_document_has_are_refused(dense: str) -> None:
    assert len(DENSE[dense]) < 4 << 20
    with pytest.raises(DocumentError, match="more elements than"):
        read_document(DENSE[dense], MANIFEST)


@pytest.mark.slow
def test_a_document_as_large_as_any_is_read() -> None:
    """4 MiB of short descriptors, with a platform and annotations each."""
    layer = {"digest": nowhere(1), "platform": {"os": "linux", "architecture": "arm"}, "annotations": {}, "size": 1}
    layers = [layer] * ((4 << 20) // (len(json.dumps(layer)) + 2) - 1)
    document = read_document(json.dumps({"layers": layers}).encode(), MANIFEST)
    assert len(document.references) == len(layers) > 20_000
    body = parse_json(json.dumps({"manifests": [{"Digest": nowhere(1)}] * 600_000}).encode())  # 56 MB
    assert body["manifests"] == [{"digest": nowhere(1)}] * 600_000


def test_sizes_that_no_number_can_sum_are_refused() -> None:
    if not MEMORY.is_dir():
        pytest.skip("no file system in memory, where files may claim to be that large")
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        layout = Layout(Path(place) / "x")
        for number in range(3):
            os.truncate(layout.path(layout.blob("", nowhere(number))), 1 << 62)
            if number == 0:
                assert layout.scan().bytes == 1 << 62
        other = Layout(Path(place) / "y")
        for number in range(3):
            (other.root / f"{number}").touch()
            os.truncate(other.root / f"{number}", 1 << 62)
        with pytest.raises(SnapshotFormatError, match=r"files of the store have 13,835.*sparse files"):
            other.scan()
        with pytest.raises(SnapshotFormatError, match=r"13,835,058,055,282,163,[0-9]+ bytes.*sparse files"):
            layout.scan()


@pytest.mark.parametrize("char", ["\n", "\x1b", "\x7f", "\x85"])
def test_names_with_control_characters_are_kept_and_saved(tmp_path: Path, char: str) -> None:
    """A repository, a tag whose link is damaged, and a directory that is a symbolic link: all become virtual nodes."""
    registry = Registry(tmp_path / "r")
    image = registry.push(f"a{char}b", f"t{char}", "content")
    registry.link(f"c{char}d/_manifests/tags/x{char}/current/link", "damaged")
    (registry.v2 / "repositories" / f"e{char}").symlink_to(tmp_path)
    snapshot = registry.scan()
    snapshot.save(tmp_path / "x")
    assert same_facts(snapshot, Snapshot.load(tmp_path / "x"))
    assert all(key.isprintable() for key in blobkit.to_frame(snapshot, absent=True).index)
    (shown,) = blobkit.tags_frame(snapshot).index
    assert image in freed(snapshot, shown)
    assert freed(snapshot, f"a{char}b@{image}", policy="revisions")


def unreadable_layer(layout: Layout, content: str) -> tuple[str, str]:
    """An image with a layer that its descriptor calls a manifest, and a blob that this may link to."""
    orphan = layout.blob("orphan")
    odd = layout.blob(content or json.dumps({"layers": [{"digest": orphan}]}))
    layout.add(layout.manifest(layout.to(odd, MANIFEST)), "app:1")
    layout.image("app:2", "content")
    return odd, orphan


@pytest.mark.parametrize("policy", ["dependent", "strong", "ignore"])
def test_an_unreadable_manifest_in_the_place_of_a_layer_is_opaque(tmp_path: Path, policy: str) -> None:
    layout = Layout(tmp_path / "x")
    odd, orphan = unreadable_layer(layout, "{not JSON")
    snapshot = layout.scan(policy)
    assert {"opaque", "unparseable"} <= codes(snapshot)
    assert blobkit.to_frame(snapshot).loc[orphan, "status"] == "unknown"
    assert garbage(snapshot) == set()
    preview = blobkit.simulate_deref(snapshot, "app:2")
    assert (preview.exact, preview.opaque) == (False, (odd,))
    assert preview.certain_bytes < preview.bytes
    assert orphan not in blobkit.simulate_deref(snapshot, "app:1").digests
    assert blobkit.audit(snapshot).findings.set_index("code").loc["unknown", "blobs"] == 1


def test_the_same_manifest_readable_holds_what_it_links_to(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "x")
    odd, orphan = unreadable_layer(layout, "")
    snapshot = layout.scan()
    assert blobkit.to_frame(snapshot).loc[orphan, "status"] == "live"
    assert {odd, orphan} <= freed(snapshot, "app:1")
    assert blobkit.simulate_deref(snapshot, "app:2").exact


def test_the_collected_layout(shared: Path, tmp_path: Path) -> None:
    packed = shared / "data" / "attack" / "manifest-as-layer.tar.gz"
    if not packed.exists():
        pytest.skip(f"{packed} is not here")
    with tarfile.open(packed) as tar:
        tar.extractall(tmp_path, filter="data")
    snapshot = blobkit.scan(tmp_path / "manifest-as-layer", progress=False)
    assert garbage(snapshot) == set()
    assert (blobkit.to_frame(snapshot)["status"] == "unknown").sum() == 1
    assert not blobkit.simulate_deref(snapshot, "app:2").exact
    assert sha(b"") not in freed(snapshot, "app:1")
