"""Real programs beside blobkit in one directory: they read the store in place, and what they write is adopted."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import ContentMissingError, LayoutChangedWarning
from blobkit.store.local import LocalStore
from draining import drain
from foreign import check
from patience import HANG

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

PROGRAMS = ("skopeo", "umoci")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason=f"needs {' and '.join(PROGRAMS)} (Debian packages of these names)"
)


def skopeo(*arguments: object) -> str:
    return run("skopeo", "--insecure-policy", *arguments)


def umoci(*arguments: object) -> str:
    return run("umoci", *arguments)


def run(*command: object) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, timeout=HANG)
    assert done.returncode == 0, done.stderr
    return done.stdout


def layer(name: str, content: bytes) -> tuple[bytes, str]:
    """A real layer with one file, and its diffID."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0), of(plain.getvalue())


def image(store: LocalStore, *layers: str, tag: str | None = None, architecture: str = "amd64") -> str:
    """Put a real image whose layers have a file of that name and content; return the digest of its manifest."""
    packed = [layer(name, name.encode()) for name in layers]
    config = {
        "os": "linux",
        "architecture": architecture,
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in packed]},
    }
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put(store, json.dumps(config).encode(), CONFIG),
        "layers": [put(store, content, LAYER) for content, _ in packed],
    }
    return store.put(json.dumps(body).encode(), media_type=MANIFEST, tag=tag).digest


def put(store: LocalStore, content: bytes, media_type: str) -> dict[str, object]:
    blob = store.put(content, media_type=media_type)
    return {"mediaType": media_type, "digest": blob.digest, "size": blob.size}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A layout with other images: b (base, b), c (base, c), both of two platforms."""
    path = tmp_path / "elsewhere"
    with LocalStore(path, durability="off") as store:
        image(store, "base", "b", tag="b")
        image(store, "base", "c", tag="c")
        children = [
            {
                "mediaType": MANIFEST,
                "digest": (digest := image(store, "base", f"on-{name}", architecture=name)),
                "size": store.get(digest).size,
                "platform": {"os": "linux", "architecture": name},
            }
            for name in ("amd64", "arm64")
        ]
        store.put(
            json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": children}).encode(),
            media_type=INDEX,
            tag="both",
        )
    shutil.rmtree(path / ".blobkit")
    return path


def readable(root: Path, name: str, tmp_path: Path) -> str:
    """Hold that both programs read an image, bytes and all; return the digest of its manifest."""
    copy = tmp_path / f"copy-of-{name.replace('/', '-').replace(':', '-')}"
    shutil.rmtree(copy, ignore_errors=True)
    skopeo("copy", f"oci:{root}:{name}", f"dir:{copy}")
    assert name in umoci("ls", "--layout", root).split()
    umoci("stat", "--image", f"{root}:{name}")
    return of((copy / "manifest.json").read_bytes())


def shown(root: Path) -> list[tuple[str, str]]:
    """The entries of index.json: (name, digest), "" where there is no name."""
    name = "org.opencontainers.image.ref.name"
    entries = json.loads((root / "index.json").read_bytes())["manifests"]
    return [(entry.get("annotations", {}).get(name, ""), entry["digest"]) for entry in entries]


def adopted(root: Path) -> LocalStore:
    """Open a store that another program wrote into, as a user would who reads the warning."""
    with pytest.warns(LayoutChangedWarning, match=r"adopt\(\)"):
        return LocalStore(root)


@pytest.mark.slow
def test_both_read_a_store_in_place_while_it_is_open(root: Path, tmp_path: Path) -> None:
    with LocalStore(root) as store:
        first = image(store, "base", "a", tag="shop/web:1.0")
        store.tag("latest", first)
        for name in ("shop/web:1.0", "latest"):
            assert readable(root, name, tmp_path) == first
            assert json.loads(skopeo("inspect", f"oci:{root}:{name}"))["Digest"] == first
        assert sorted(umoci("ls", "--layout", root).split()) == sorted(store.tags())
        umoci("unpack", "--rootless", "--image", f"{root}:latest", tmp_path / "bundle")
        files = {path.name: path.read_text() for path in (tmp_path / "bundle" / "rootfs").iterdir()}
        assert files == {"base": "base", "a": "a"}
        second = image(store, "base", "other")
        store.tag("latest", second, move=True, transfer=True)
        assert readable(root, "latest", tmp_path) == second
        assert store.untag("latest")
        assert "latest" not in umoci("ls", "--layout", root)


def test_both_read_every_tag_of_a_store_of_several_platforms(elsewhere: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "all", ignore_errors=True)
    with LocalStore(elsewhere, adopt=True) as store:
        skopeo("copy", "--all", f"oci:{elsewhere}:both", f"dir:{tmp_path / 'all'}")
        assert of((tmp_path / "all" / "manifest.json").read_bytes()) == store.tags()["both"]


@pytest.mark.slow
def test_what_skopeo_copies_into_a_store_is_adopted(root: Path, elsewhere: Path, tmp_path: Path) -> None:
    with LocalStore(root) as store:
        own = image(store, "base", "a", tag="a")
        base = store.get(own).links
        gone = store.put(b"raw").digest
        skopeo("copy", f"oci:{elsewhere}:b", f"oci:{root}:team/b:1")
        skopeo("copy", "--all", f"oci:{elsewhere}:both", f"oci:{root}:both")
        before = (root / "index.json").read_bytes()
        with pytest.warns(LayoutChangedWarning):
            store.deref(gone)
        assert (root / "index.json").read_bytes() == before
        assert (root / "blobs/sha256" / gone[7:]).exists()
        done = store.adopt()
        assert set(done.tags) == {"team/b:1", "both"}
        assert (done.entries, done.moved, done.vanished, done.damaged, done.notices) == ((), (), (), (), ())
        check(store)
        assert set(store.get(own).links) == set(base)
        shared = next(digest for digest in base if digest in store.get(store.tags()["team/b:1"]).links)
        assert store.get(shared).refcount == 4
        store.tag("b-again", store.tags()["team/b:1"])
        assert not store.untag("team/b:1")
        assert readable(root, "b-again", tmp_path)
        skopeo("copy", "--all", f"oci:{root}:both", f"dir:{tmp_path / 'both'}")  # umoci reads no such index
        assert not (root / "blobs/sha256" / gone[7:]).exists()
        assert store.untag("both")
        assert len(store.untag("b-again")) == 3
        assert readable(root, "a", tmp_path) == own


@pytest.mark.slow
def test_a_tag_that_skopeo_moves_leaves_the_old_image_pinned(root: Path, elsewhere: Path, tmp_path: Path) -> None:
    with LocalStore(root) as store:
        old = image(store, "base", "a", tag="app")
    skopeo("copy", f"oci:{elsewhere}:b", f"oci:{root}:app")
    with adopted(root) as store:
        done = store.adopt()
        new = store.tags()["app"]
        assert done.moved == (("app", old, new),)
        assert done.entries == ()
        assert store.get(old).pins == 1
        assert readable(root, "app", tmp_path) == new
        assert sorted(shown(root)) == sorted([("app", new), ("", old)])
        umoci("gc", "--layout", root)
        check(store)
        assert len(store.deref(old)) == 3
        assert shown(root) == [("app", new)]
        assert readable(root, "app", tmp_path) == new


@pytest.mark.slow
def test_a_layer_that_skopeo_found_is_not_taken_away_from_it(root: Path, elsewhere: Path, tmp_path: Path) -> None:
    """It copies no layer that has a file, and such a file may be one that a removal has not unlinked yet."""
    with LocalStore(root) as store:
        image(store, "base", "a", tag="a")
        image(store, "base", "c", tag="c")
        skopeo("copy", f"oci:{elsewhere}:b", f"oci:{root}:b")
        with pytest.warns(LayoutChangedWarning):
            store.untag("a")
        store.untag("c")
        skopeo("copy", f"oci:{elsewhere}:c", f"oci:{root}:c")
        assert store.list() == []
        # the name that was dropped and the one that was copied again cannot be told apart: both come back
        assert store.adopt().tags == ("a", "b", "c")
        for name in ("a", "b", "c"):
            readable(root, name, tmp_path)
        check(store)
        assert store.sweep() == 0


def test_tags_that_umoci_makes_and_removes(root: Path, tmp_path: Path) -> None:
    with LocalStore(root) as store:
        first = image(store, "base", "a", tag="a")
        umoci("tag", "--image", f"{root}:a", "b")
        umoci("rm", "--image", f"{root}:a")
        with pytest.warns(LayoutChangedWarning):
            store.put(b"x", tag="x")
        done = store.adopt()
        assert (done.tags, done.vanished, done.blobs) == (("b",), ("a",), ())
        assert store.get(first).tags == ("a", "b")
        assert sorted(umoci("ls", "--layout", root).split()) == ["a", "b", "x"]
        assert not store.untag("a")
        assert readable(root, "b", tmp_path) == first


@pytest.mark.slow
def test_an_image_that_umoci_makes(root: Path, tmp_path: Path) -> None:
    with LocalStore(root) as store:
        first = image(store, "base", tag="a")
    umoci("config", "--image", f"{root}:a", "--tag", "made", "--author", "<b>somebody</b>")
    (tmp_path / "file").write_text("inserted")
    umoci("insert", "--rootless", "--image", f"{root}:made", tmp_path / "file", "/file")
    with LocalStore(root, adopt=True) as store:
        assert store.adopted.tags == ("made",)
        assert len(store.adopted.entries) == 0
        check(store)
        made = readable(root, "made", tmp_path)
        assert store.tags() == {"a": first, "made": made}
        assert set(store.get(first).links) & set(store.get(made).links)


def test_umoci_gc_removes_what_index_json_does_not_show_and_put_heals_it(root: Path, tmp_path: Path) -> None:
    with LocalStore(root) as store:
        kept = image(store, "base", tag="a")
        raw = store.put(b"raw").digest
        named = store.put(b"named", tag="named").digest
        drain(store)  # before, it would still have what umoci removes
        umoci("gc", "--layout", root)
        assert not (root / "blobs/sha256" / raw[7:]).exists()
        with pytest.raises(ContentMissingError, match="put it again"):
            store.get(raw).read()
        assert store.get(named).read() == b"named"
        assert readable(root, "a", tmp_path) == kept
        store.put(b"raw")
        assert store.get(raw).read() == b"raw"
        assert store.get(raw).pins == 2
        check(store)


def test_an_adopted_entry_without_a_name_survives_umoci_gc(root: Path, elsewhere: Path) -> None:
    with LocalStore(root) as store:
        image(store, "base", "a", tag="a")
    skopeo("copy", f"oci:{elsewhere}:b", f"oci:{root}")
    with LocalStore(root, adopt=True) as store:
        (entry,) = store.adopted.entries
        store.put(b"x", tag="x")
        umoci("gc", "--layout", root)
        check(store)
        assert store.get(entry).pins == 1


def test_a_layout_that_umoci_made_becomes_a_store(root: Path, elsewhere: Path, tmp_path: Path) -> None:
    umoci("init", "--layout", root)
    umoci("new", "--image", f"{root}:empty")
    skopeo("copy", f"oci:{elsewhere}:b", f"oci:{root}:b")
    mode = (root / "index.json").stat().st_mode
    with LocalStore(root, adopt=True) as store:
        assert store.adopted.tags == ("b", "empty")
        store.put(b"x", tag="x")
        check(store)
        assert readable(root, "b", tmp_path)
        umoci("stat", "--image", f"{root}:empty")
    assert (root / "index.json").stat().st_mode == mode


def test_an_empty_layout_of_umoci_becomes_a_store(root: Path) -> None:
    umoci("init", "--layout", root)
    with LocalStore(root, adopt=True) as store:
        assert not store.adopted
        assert shown(root) == []
        image(store, "base", tag="a")
    assert umoci("ls", "--layout", root).split() == ["a"]


@pytest.mark.slow
def test_writers_at_once_lose_one_another_but_no_tag_of_the_store(root: Path, elsewhere: Path, tmp_path: Path) -> None:
    with LocalStore(root) as store:
        own = image(store, "base", "a", tag="a")
        source = f"oci:{elsewhere}:b"
        command = ["skopeo", "--insecure-policy", "copy", "--quiet", source]
        writers = [subprocess.Popen([*command, f"oci:{root}:t{i}"]) for i in range(6)]
        # one that reads an index.json which another is in the middle of writing gives up
        assert 0 in [writer.wait(timeout=HANG) for writer in writers]
        survived = {name for name, _ in shown(root)} - {"a"}
        assert survived
        assert set(store.adopt().tags) == survived
        assert store.tags().keys() == survived | {"a"}
        check(store)
        for name in store.tags():
            readable(root, name, tmp_path)
        assert store.tags()["a"] == own
