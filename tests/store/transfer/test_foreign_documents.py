"""Documents as other programs write them, on their way in and out: what tools read is kept, the rest is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import warnings
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import ExportError, LayoutTypeWarning
from blobkit.oci import index
from blobkit.store.local import LocalStore
from layouts import (
    CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX,
    LAYER,
    MANIFEST,
    NAME,
    Layout,
    fingerprint,
    nowhere,
    sha,
)
from patience import HANG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PLACES = ("manifest", "index.json")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore(tmp_path / "store", durability="off") as store:
        yield store


@pytest.fixture
def theirs(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "theirs")


def blobs(root: Path) -> dict[str, bytes]:
    """The content below blobs/, by name."""
    return {path.name: path.read_bytes() for path in (root / "blobs/sha256").iterdir()}


def skopeo(*arguments: object) -> str:
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not here (Debian package skopeo)")
    command = ["skopeo", "--insecure-policy", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=HANG).stdout


def latin1(theirs: Layout, place: str) -> str:
    """An image with a byte that is no UTF-8 in its manifest or in index.json; the digest of its manifest."""
    annotations = {"who": "caf\u00e9"}
    body = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": theirs.to(theirs.config(), CONFIG),
        "layers": [theirs.to(theirs.blob("layer"))],
    }
    body |= {"annotations": annotations} if place == "manifest" else {}
    image = theirs.blob(json.dumps(body, ensure_ascii=False).encode("latin-1"))
    more = annotations if place == "index.json" else {}
    entry = theirs.to(image, MANIFEST, annotations={NAME: "1", **more})
    text = json.dumps({"schemaVersion": 2, "manifests": [entry]}, ensure_ascii=False)
    (theirs.root / "index.json").write_bytes(text.encode("latin-1"))
    return image


@pytest.mark.parametrize("how", ["import", "adopt"])
@pytest.mark.parametrize("place", PLACES)
def test_bytes_that_are_no_utf8_come_and_go_whole(tmp_path: Path, theirs: Layout, place: str, how: str) -> None:
    image = latin1(theirs, place)
    before = blobs(theirs.root)
    root = theirs.root if how == "adopt" else tmp_path / "store"
    with LocalStore(root, durability="off", adopt=how == "adopt") as store:
        if how == "import":
            assert store.import_(theirs.root, progress=False).notices == ()
        assert store.tags() == {"1": image}
        assert set(store.get(image).links) == {theirs.config(), sha(b"layer")}
        assert store.export("1", tmp_path / "out").notices == ()
    assert len(before) == 3
    assert blobs(tmp_path / "out") == before
    skopeo("copy", f"oci:{tmp_path / 'out'}:1", f"dir:{tmp_path / 'copied'}")


@pytest.mark.parametrize("field", ["Manifests", "MANIFESTS", "manifest\u017f"])
def test_an_export_into_an_index_in_another_case_keeps_what_was_there(
    store: LocalStore, tmp_path: Path, field: str
) -> None:
    layout = Layout(tmp_path / "x")
    other = layout.image("other", "else")
    text = (layout.root / "index.json").read_text()
    assert '"manifests"' in text
    (layout.root / "index.json").write_text(text.replace('"manifests"', f'"{field}"'))
    new = store.put(b"new", tag="new").digest
    for _ in range(2):
        store.export("new", layout.root)
    found = dict(blobkit.tags_frame(f"oci:{layout.root}")["digest"])
    assert found == {"other": other, "new": new}
    assert list(json.loads((layout.root / "index.json").read_bytes())) == ["schemaVersion", "mediaType", "manifests"]
    skopeo("inspect", "--raw", f"oci:{layout.root}:other")


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "utf-16": lambda text: text.decode().encode("utf-16"),
    "NaN": lambda text: text.replace(b"{", b'{"x": NaN, ', 1),
    "bytes after the end": lambda text: text + b"{}",
    "infinite": lambda text: text.replace(b"{", b'{"x": 1e999, ', 1),
}


@pytest.mark.parametrize("how", SPOILED)
def test_nothing_is_exported_into_an_index_that_tools_cannot_read(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(index, "TIMEOUT", 0)
    layout = Layout(tmp_path / "x")
    layout.image("other", "else")
    text = (layout.root / "index.json").read_bytes()
    (layout.root / "index.json").write_bytes(SPOILED[how](text))
    store.put(b"new", tag="new")
    before = fingerprint(layout.root)
    with pytest.raises(ExportError, match="cannot be read as an image index"):
        store.export("new", layout.root)
    assert fingerprint(layout.root) == before


def test_an_export_waits_for_an_index_that_is_half_written(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path / "x")
    layout.image("other", "else")
    whole = (layout.root / "index.json").read_bytes()
    (layout.root / "index.json").write_bytes(whole[:20])
    monkeypatch.setattr(index, "TIMEOUT", 60)
    monkeypatch.setattr(index.time, "sleep", lambda _: (layout.root / "index.json").write_bytes(whole))
    store.put(b"new", tag="new")
    store.export("new", layout.root)
    assert set(blobkit.tags_frame(f"oci:{layout.root}").index) == {"other", "new"}


def untyped(theirs: Layout, kind: str) -> tuple[str, set[str]]:
    """An entry without a media type: what it names, and all that hangs on that."""
    image = theirs.image("gone", "layer")
    held = {image, sha(b"layer"), theirs.config()}
    entry = theirs.json({"schemaVersion": 2, "manifests": [theirs.to(image, MANIFEST)]}) if kind == "index" else image
    theirs.write({"manifests": [{"digest": entry, "size": theirs.size(entry), "annotations": {NAME: "x"}}]})
    return entry, held | {entry}


@pytest.mark.parametrize("kind", ["manifest", "index"])
def test_an_import_takes_what_hangs_on_an_entry_without_a_media_type(
    store: LocalStore, theirs: Layout, tmp_path: Path, kind: str
) -> None:
    entry, held = untyped(theirs, kind)
    garbage = theirs.blob("garbage")
    done = store.import_(theirs.root, progress=False)
    assert store.tags() == {"x": entry}
    assert held <= set(store.list())
    assert any("no media type there: read as" in notice for notice in done.notices)
    assert (store.get(entry).media_type, garbage in store) == (INDEX if kind == "index" else MANIFEST, False)
    assert set(store.untag("x", dry_run=True).digests) == held
    store.export("x", tmp_path / "out")
    assert set(blobs(tmp_path / "out")) == {digest.partition(":")[2] for digest in held}
    skopeo("copy", "--all", f"oci:{tmp_path / 'out'}:x", f"dir:{tmp_path / 'copied'}")


def test_an_entry_without_a_media_type_may_hold_anything(theirs: Layout) -> None:
    entry, held = untyped(theirs, "manifest")
    garbage = theirs.blob("garbage")
    frame = blobkit.to_frame(f"oci:{theirs.root}")
    assert frame["status"].astype(str).to_dict() == {entry: "live"} | dict.fromkeys(
        (held - {entry}) | {garbage}, "unknown"
    )


def test_what_cannot_be_read_behind_such_an_entry_keeps_all(store: LocalStore, theirs: Layout) -> None:
    entry, other = theirs.blob("no document"), theirs.blob("other")
    theirs.write({"manifests": [{"digest": entry, "size": 1}, {"digest": nowhere(1), "size": 1}]})
    done = store.import_(theirs.root, progress=False)
    assert set(store.list()) == {entry, other}
    assert any("that it may hold" in notice for notice in done.notices)


TYPES = {
    MANIFEST: (CONFIG, LAYER),
    DOCKER_MANIFEST: ("application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar"),
}


def typed_image(theirs: Layout, media_type: str) -> str:
    """An image whose manifest, config and layer have these types, in index.json under that name."""
    config, layer = TYPES.get(media_type, TYPES[MANIFEST])
    parts = {"config": theirs.to(theirs.config(), config), "layers": [theirs.to(theirs.blob("layer"), layer)]}
    image = theirs.json({"schemaVersion": 2, "mediaType": media_type, **parts})
    if media_type in (INDEX, DOCKER_LIST):
        child = theirs.to(image, MANIFEST if media_type == INDEX else DOCKER_MANIFEST)
        image = theirs.json({"schemaVersion": 2, "mediaType": media_type, "manifests": [child]})
    return theirs.add(image, "app:1", media_type)


def is_read(root: Path) -> bool:
    """Whether skopeo finds the image app:1 in a layout."""
    try:
        return bool(skopeo("inspect", "--raw", f"oci:{root}:app:1"))
    except subprocess.CalledProcessError as error:
        assert "no descriptor found for reference" in error.stderr  # noqa: PT017 (what skopeo said)
        return False


@pytest.mark.slow
@pytest.mark.parametrize("media_type", [MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_LIST])
def test_what_skopeo_cannot_read_is_said_and_nothing_else(theirs: Layout, tmp_path: Path, media_type: str) -> None:
    content = theirs.path(typed_image(theirs, media_type)).read_bytes()
    said: dict[str, bool] = {}
    for verb in ("put", "batch", "tag", "import", "export", "adopt"):
        root = theirs.root if verb == "adopt" else tmp_path / verb
        with LocalStore(root, durability="off", adopt=True) as store, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            done: object = store.adopted
            if verb == "put":
                store.put(content, media_type=media_type, tag="app:1")
            elif verb == "batch":
                with store.batch() as batch:
                    batch.put(content, media_type=media_type, tag="app:1")
            elif verb == "tag":
                store.tag("app:1", store.put(content, media_type=media_type).digest)
            elif verb != "adopt":
                done = store.import_(theirs.root, progress=False)
            if verb == "export":
                done = store.export("app:1", root := tmp_path / "out")
        said[verb] = "skopeo cannot read app:1" in "".join([str(done), *(str(one.message) for one in caught)])
        assert {one.category for one in caught} <= {LayoutTypeWarning}
        assert all(one.filename == __file__ for one in caught)
        assert is_read(root) != said[verb]
    assert set(said.values()) == {media_type in (DOCKER_MANIFEST, DOCKER_LIST)}


def test_a_warning_that_is_an_error_leaves_nothing_done(store: LocalStore, theirs: Layout) -> None:
    content = theirs.path(typed_image(theirs, DOCKER_MANIFEST)).read_bytes()
    with pytest.raises(LayoutTypeWarning, match="skopeo cannot read app:1 "):
        store.put(content, media_type=DOCKER_MANIFEST, tag="app:1")
    assert store.list() == []
    digest = store.put(content, media_type=DOCKER_MANIFEST).digest
    with pytest.raises(LayoutTypeWarning):
        store.tag("app:1", digest)
    assert store.tags() == {}
    assert not store.tag("app:1", digest, dry_run=True)
    store.put(b"any bytes", media_type="text/plain", tag="plain")


def test_a_name_that_is_given_twice_goes_to_the_first_entry(theirs: Layout, tmp_path: Path) -> None:
    images = [theirs.image(f"unused{number}", f"layer {number}") for number in range(2)]
    for first, second in (images, images[::-1]):
        root = tmp_path / first[-8:]
        theirs.write({"manifests": [theirs.to(one, MANIFEST, annotations={NAME: "x"}) for one in (first, second)]})
        shutil.copytree(theirs.root, root)
        read = json.loads(skopeo("inspect", f"oci:{root}:x"))["Digest"]
        with LocalStore(tmp_path / f"into {first[-8:]}", durability="off") as mine:
            mine.import_(root, progress=False)
            assert mine.tags() == {"x": first}
            assert mine.get(second).pins == 1
        with LocalStore(root, durability="off", adopt=True) as mine:
            assert mine.tags() == {"x": first} == {"x": read}
            assert mine.get(second).pins == 1
