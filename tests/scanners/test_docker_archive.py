"""An archive of `docker save` in each of its forms: images, names, layers, and every byte that it has."""

from __future__ import annotations

import json
import lzma
import shutil
import tarfile
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

import blobkit
from archives import Link, classic, hexed, hybrid, layer, picture, sha, skopeo, squeezed, write
from blobkit.errors import AddressError, UnreadableStoreError
from blobkit.testing.damage import damaged
from blobkit.testing.scanner import MUTATIONS, ScannerSuite, answered

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from archives import Members
    from blobkit.snapshot.snapshot import Snapshot

    Dataset = Callable[[str], tuple[Path, dict[str, Any]]]

BASE, WEB, API = layer("base"), layer("web", 30_000), layer("api")
PICTURES = (
    picture(["shop/web:1.0", "shop/web:latest"], BASE, WEB),
    picture(["shop/api:1.0"], BASE, API),
    picture(None, BASE),
)
FORMS = {"classic": classic, "skopeo": skopeo}


def scanned(path: Path, members: Members, **more: bool) -> Snapshot:
    return blobkit.scan(write(path, members), progress=False, **more)


def codes(snapshot: Snapshot) -> list[str]:
    return sorted(snapshot.notices["code"].to_pylist())


class TestClassic(ScannerSuite):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return f"docker-archive:{write(tmp_path / 'images.tar', classic(*PICTURES))}"


class TestSkopeo(ScannerSuite):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        path = write(tmp_path / "images.tar.gz", skopeo(*PICTURES), mode="w:gz", tar_format=tarfile.PAX_FORMAT)
        return f"docker-archive:{path}"


@pytest.mark.parametrize("form", FORMS)
def test_images_names_and_layers(tmp_path: Path, form: str) -> None:
    members = FORMS[form](*PICTURES)
    snapshot = scanned(tmp_path / "images.tar", members)
    assert (snapshot.kind, snapshot.policy, codes(snapshot)) == ("docker-archive", "tags", [])
    frame = snapshot.to_frame()
    blobs = [*(one.config for one in PICTURES), BASE, WEB, API]
    assert frame["size"].to_dict() == {sha(content): len(content) for content in blobs}
    assert set(frame["status"]) == {"live"}
    assert frame.loc[sha(BASE), ["kind", "links_in"]].tolist() == ["layer", 3]
    config = frame.loc[sha(PICTURES[0].config)]
    assert (config["kind"], config["platform"], config["tags"]) == (
        "config",
        "linux/amd64",
        ("shop/web:1.0", "shop/web:latest"),
    )
    assert str(config["created"]) == "2024-05-06 07:08:09+00:00"
    tags = snapshot.tags_frame()
    assert tags.loc["shop/api:1.0", "exclusive"] == len(API) + len(PICTURES[1].config)
    both = snapshot.simulate_deref("shop/web:1.0", "shop/web:latest")
    assert set(both.digests) == {sha(WEB), sha(PICTURES[0].config)}
    assert snapshot.disk.bytes == sum(len(content) for _, content in members if isinstance(content, bytes))
    assert snapshot.audit().bytes == snapshot.disk.bytes


def test_the_real_archives(dataset: Dataset) -> None:
    root, oracle = dataset("dev-archives")
    for name, want in oracle["files"].items():
        if "docker.tar" in name:
            snapshot = blobkit.scan(root / name, progress=False)
            assert (snapshot.kind, codes(snapshot)) == ("docker-archive", [])
            frame, tags = snapshot.to_frame(), snapshot.tags_frame()
            assert set(frame["status"]) == {"live"}
            for image in want.get("images", {}).values():
                assert {tags.loc[tag, "closure"] for tag in image["tags"]} == {image["closure_bytes"]}
                assert snapshot.simulate_deref(*image["tags"]).bytes == image["unique_bytes"]
                layers = {f"sha256:{name.removesuffix('.tar')}" for name in image["layers"]}
                reached = set(snapshot.reach(image["tags"][0]).index)
                assert {digest for digest in reached if frame.loc[digest, "kind"] == "layer"} == layers
            for item in want.get("manifest.json", ()):
                digest = f"sha256:{item['Config'].removesuffix('.json')}"
                assert frame.loc[digest, "tags"] == tuple(sorted(item["RepoTags"]))
            if "payload_bytes" in want:
                assert frame["size"].sum() == want["payload_bytes"]
                assert (frame["kind"] == "layer").sum() == want["distinct_layers"]
            with tarfile.open(root / name) as tar:
                assert snapshot.disk.bytes == sum(member.size for member in tar if member.isreg())


def test_layers_go_by_position_not_by_name(tmp_path: Path) -> None:
    """The members are named like each other's layers, as hostile or careless writers do."""
    one = picture(["x:1"], BASE, WEB)
    names = [f"{hexed(WEB)}.tar", f"{hexed(BASE)}.tar"]
    item = {"Config": "config", "RepoTags": ["x:1"], "Layers": names}
    members: Members = [*zip(names, [BASE, WEB], strict=True), ("config", one.config)]
    members.append(("manifest.json", json.dumps([item]).encode()))
    snapshot = scanned(tmp_path / "x.tar", members, verify=True)
    sizes = snapshot.to_frame()["size"]
    assert (sizes[sha(BASE)], sizes[sha(WEB)], codes(snapshot)) == (len(BASE), len(WEB), [])


def test_an_image_without_a_name_is_held_by_the_archive(tmp_path: Path) -> None:
    snapshot = scanned(tmp_path / "x.tar", classic(picture(None, BASE)))
    assert snapshot.tags_frame().empty
    assert set(snapshot.to_frame()["status"]) == {"live"}
    assert snapshot.to_frame()["pins"].sum() == 1


def test_the_last_image_takes_the_name(tmp_path: Path) -> None:
    snapshot = scanned(tmp_path / "x.tar", classic(picture(["x:1"], BASE), picture(["x:1"], WEB)))
    assert codes(snapshot) == ["duplicate-name"]
    assert snapshot.tags_frame().loc["x:1", "digest"] == sha(picture(["x:1"], WEB).config)
    assert set(snapshot.to_frame()["status"]) == {"live"}


def test_a_hard_link_and_a_replaced_member(tmp_path: Path) -> None:
    """The last member of a name counts; the bytes of the earlier one are a leftover."""
    one = picture(["x:1"], BASE, WEB)
    members = [(name, content) for name, content in classic(one) if name != "manifest.json"]
    config = f"{hexed(one.config)}.json"
    item = {"Config": config, "RepoTags": ["x:1"], "Layers": ["hard", "twice"]}
    base = next(name for name, content in members if content == BASE)
    members += [("hard", Link(base, hard=True)), ("twice", API), ("twice", WEB)]
    members.append(("manifest.json", json.dumps([item]).encode()))
    snapshot = scanned(tmp_path / "x.tar", members, verify=True)
    frame = snapshot.to_frame()
    assert frame["size"].to_dict() == {sha(content): len(content) for content in (one.config, BASE, WEB)}
    assert codes(snapshot) == ["leftover", "leftover"]  # the replaced member, and the second copy of WEB
    assert snapshot.disk.bytes == sum(len(content) for _, content in members if isinstance(content, bytes))
    found = snapshot.audit().findings.set_index("code")["bytes"]
    assert found["leftover"] == len(API) + len(WEB)


@pytest.mark.parametrize("squeeze", [squeezed, lzma.compress])
def test_compressed_layers_have_the_digest_of_their_content(tmp_path: Path, squeeze: Callable[[bytes], bytes]) -> None:
    """Some programs put compressed layers into the archive: they are smaller there than their content."""
    one = picture(["x:1"], BASE)
    item = {"Config": "c", "RepoTags": ["x:1"], "Layers": ["layer.tar.gz"]}
    small = squeeze(BASE)
    members: Members = [("layer.tar.gz", small), ("c", one.config), ("manifest.json", json.dumps([item]).encode())]
    snapshot = scanned(tmp_path / "x.tar", members, verify=True)
    assert (snapshot.to_frame().loc[sha(BASE), "size"], codes(snapshot)) == (len(small), [])
    with blobkit.LocalStore(tmp_path / "store", create=True) as store:
        done = store.import_(tmp_path / "x.tar")
        assert store.get(sha(BASE)).read() == BASE
    assert "skopeo cannot read x:1" in str(done)  # an image of docker has no manifest


def test_verify_finds_a_layer_with_other_content(tmp_path: Path) -> None:
    one = picture(["x:1"], layer("large", 200_000))
    members = [(name, WEB * 8 if content in one.layers else content) for name, content in classic(one)]
    assert codes(scanned(tmp_path / "x.tar", members)) == []
    assert codes(scanned(tmp_path / "x.tar", members, verify=True)) == ["digest-mismatch"]


def test_parts_that_are_absent(tmp_path: Path) -> None:
    one, two = picture(["x:1"], BASE, WEB), picture(["y:1"], API)
    gone = f"{hexed(two.config)}.json"
    members = [(name, content) for name, content in classic(one, two) if content != WEB and name != gone]
    snapshot = scanned(tmp_path / "x.tar", members)
    assert codes(snapshot) == ["leftover", "missing", "unreadable"]
    preview = snapshot.simulate_deref("x:1")
    assert not preview.exact
    assert set(preview.digests) <= {sha(one.config), sha(BASE)}


def test_a_config_that_does_not_fit_its_layers(tmp_path: Path) -> None:
    """`docker load` refuses it: what the image needs is unknown, and kept."""
    one = picture(["x:1"], BASE, WEB)
    members = classic(one, picture(["y:1"], API))
    items = json.loads(dict(members)["manifest.json"])  # type: ignore[arg-type]
    items[0]["Layers"] = items[0]["Layers"][:1]
    members = [(name, content) for name, content in members if name != "manifest.json"]
    members.append(("manifest.json", json.dumps(items).encode()))
    snapshot = scanned(tmp_path / "x.tar", members)
    assert "unparseable" in codes(snapshot)
    assert not snapshot.simulate_deref("y:1").exact


def test_the_other_kind_of_an_archive_that_is_both(tmp_path: Path) -> None:
    """Read as a docker-archive, documents of other formats stay as long as an image does."""
    old = json.dumps({"id": "0" * 64, "created": "2024-05-06T07:08:09Z"}).encode()
    path = write(tmp_path / "x.tar", hybrid(*PICTURES, legacy=[old]))
    snapshot = blobkit.scan(f"docker-archive:{path}", progress=False)
    frame = snapshot.to_frame()
    assert set(frame["status"]) == {"live"}
    assert frame.loc[sha(PICTURES[0].config), "tags"] == ("shop/web:1.0", "shop/web:latest")
    assert frame.loc[sha(old), "size"] == len(old)
    assert snapshot.simulate_deref("shop/api:1.0").bytes == len(API) + len(PICTURES[1].config)
    assert snapshot.simulate_deref("shop/web:1.0", "shop/web:latest", "shop/api:1.0").bytes > 0


def test_a_file_system_is_no_image(tmp_path: Path) -> None:
    members: Members = [(name, None) for name in (".dockerenv", "bin", "dev", "etc", "proc", "usr")]
    path = write(tmp_path / "export.tar", [*members, ("etc/passwd", b"root")])
    for address in (path, f"docker-archive:{path}", f"oci-archive:{path}"):
        with pytest.raises((AddressError, UnreadableStoreError), match=r"tar of a file system, as `docker export`"):
            blobkit.scan(address, progress=False)


def test_other_archives_and_files(tmp_path: Path) -> None:
    path = write(tmp_path / "random.tar", [("a", b"1"), ("b/c", b"2")])
    for address in (path, f"docker-archive:{path}", f"oci-archive:{path}"):
        with pytest.raises((AddressError, UnreadableStoreError), match=r"neither oci-layout, index\.json nor manifest"):
            blobkit.scan(address, progress=False)
    text = tmp_path / "text"
    text.write_text("no archive")
    with pytest.raises(AddressError, match="neither a saved snapshot nor an archive"):
        blobkit.scan(text, progress=False)
    with pytest.raises(UnreadableStoreError, match="not a tar archive"):
        blobkit.scan(f"docker-archive:{text}", progress=False)
    layout = write(tmp_path / "layout.tar", [one for one in hybrid(*PICTURES) if one[0] != "manifest.json"])
    with pytest.raises(UnreadableStoreError, match="give it as oci-archive:PATH"):
        blobkit.scan(f"docker-archive:{layout}", progress=False)


def test_an_archive_of_the_first_dockers(tmp_path: Path) -> None:
    members: Members = [("0" * 64 + "/json", b"{}"), ("0" * 64 + "/layer.tar", BASE), ("repositories", b"{}")]
    path = write(tmp_path / "x.tar", members)
    with pytest.raises(UnreadableStoreError, match=r"docker before 1\.10 wrote it; load it into docker, and save"):
        blobkit.scan(path, progress=False)


def test_names_that_lead_out_are_never_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"{}")
    one = picture(["x:1"], BASE)
    names = ["../secret", str(tmp_path / "secret"), "a/../../secret"]
    members: Members = [(name, b"{}") for name in names]
    items = [{"Config": name, "RepoTags": [f"{number}:1"], "Layers": names} for number, name in enumerate(names)]
    members += [one for one in classic(one) if one[0] != "manifest.json"]
    members += [("out", Link("../../etc/passwd")), ("manifest.json", json.dumps([*items, {"Config": "out"}]).encode())]
    snapshot = scanned(tmp_path / "x.tar", members)
    assert snapshot.tags_frame().empty
    assert snapshot.disk.bytes == sum(len(content) for _, content in members if isinstance(content, bytes))


def test_an_archive_that_is_cut(tmp_path: Path) -> None:
    """The names come last, so a cut archive is refused; where they come first, the rest is unknown."""
    path = write(tmp_path / "x.tar", classic(*PICTURES))
    whole = path.read_bytes()
    path.write_bytes(whole[:30_000])
    with pytest.raises(UnreadableStoreError, match="cannot be read to its end"):
        blobkit.scan(f"docker-archive:{path}", progress=False)
    members = sorted(classic(*PICTURES), key=lambda one: one[0] != "manifest.json")
    path = write(tmp_path / "y.tar", members)
    path.write_bytes(path.read_bytes()[:30_000])
    snapshot = blobkit.scan(path, progress=False)
    assert "unreadable" in codes(snapshot)
    assert not snapshot.simulate_deref(snapshot.tags_frame().index[0]).exact


@pytest.mark.slow
def test_damaged_documents(tmp_path: Path) -> None:
    """Each document is damaged in an archive that is sound otherwise."""
    members = classic(*PICTURES[:2])
    documents = [name for name, content in members if name.endswith(".json")]
    random = Random("documents")  # noqa: S311 (not for secrets)
    for _ in range(MUTATIONS):
        name = random.choice(documents)
        changed = [
            (one, damaged(content, random) if one == name and isinstance(content, bytes) else content)
            for one, content in members
        ]
        path = write(tmp_path / "x.tar", changed)
        answered(f"docker-archive:{path}", all_answers=random.random() < 0.05)


@pytest.mark.skipif(not shutil.which("skopeo"), reason="skopeo is not installed")
@pytest.mark.parametrize("form", FORMS)
def test_skopeo_reads_these_archives(tmp_path: Path, form: str) -> None:
    """The archives of these tests are what another program takes for an archive of docker."""
    import subprocess  # noqa: PLC0415 (for this test only)

    path = write(tmp_path / "x.tar", FORMS[form](*PICTURES[:2]))
    tool = ["skopeo", "--tmpdir", str(tmp_path), "inspect", "--no-tags", f"docker-archive:{path}:shop/api:1.0"]
    run = subprocess.run(tool, capture_output=True, check=True)
    assert json.loads(run.stdout)["Layers"] == [sha(BASE), sha(API)]
