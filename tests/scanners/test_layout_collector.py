"""What `umoci gc` follows and where it stops: one small layout for each rule, and the real umoci where it is here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import blobkit
import real_umoci
from layouts import (
    ARTIFACT,
    CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX,
    LAYER,
    MANIFEST,
    SCHEMA1,
    Layout,
    nowhere,
    sha,
)

if TYPE_CHECKING:
    from pathlib import Path

DESCRIPTOR = "application/vnd.oci.descriptor.v1+json"
OTHER_SIZE = {"size": 3}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An image and one blob of garbage."""
    made = Layout(tmp_path / "layout")
    made.image("kept", "layer of kept")
    made.blob("garbage")
    return made


def removed(layout: Layout, *more: str) -> None:
    """Umoci removes the garbage and these, and that is what blobkit says."""
    want = {sha(b"garbage"), *more}
    said = blobkit.compare_gc(layout.scan(), "umoci")
    assert (set(said.frame.index), said.aborts, said.removed_before_stop) == (want, (), ())
    frame = blobkit.to_frame(layout.scan("strong"))
    assert set(frame.index[~frame["reachable"]]) == set(frame.index[frame["status"] == "garbage"]) == want
    if real_umoci.installed():
        real = real_umoci.gc(layout.root)
        assert (set(real.removed), real.bytes, real.stopped) == (want, said.bytes, False)


def stops(layout: Layout, why: str, *, without: str = "") -> None:
    """Umoci stops for this reason and has removed nothing; where this name is dropped, it does not."""
    said = blobkit.compare_gc(layout.scan(), "umoci")
    assert why in " ".join(said.aborts)
    assert said.removed_before_stop == ()
    assert str(said).startswith("umoci gc would abort; else it removes ")
    if real_umoci.installed():
        real = real_umoci.gc(layout.root)
        assert (real.stopped, real.removed) == (True, {})
    if without:
        snapshot = layout.scan("strong")
        preview = blobkit.simulate_deref(snapshot, without)
        assert not any("would abort" in notice for notice in preview.notices)
        frame = blobkit.to_frame(snapshot)
        if real_umoci.installed():
            real = real_umoci.dropped(layout.root, [without])
            assert not real.stopped
            assert set(real.removed) == {*frame.index[~frame["reachable"]], *preview.digests}


def test_sound(layout: Layout) -> None:
    removed(layout)


@pytest.mark.parametrize("media_type", [DOCKER_MANIFEST, SCHEMA1, ARTIFACT, "text/plain", "", MANIFEST.upper()])
def test_a_manifest_that_is_called_anything_else_is_a_leaf(layout: Layout, media_type: str) -> None:
    layer, config = layout.blob("lost layer"), layout.config("lost")
    layout.add(layout.manifest(layer, config=config), "docker", media_type)
    removed(layout, layer, config)
    said = blobkit.compare_gc(layout.scan(), "umoci")
    follows = media_type in {DOCKER_MANIFEST, ARTIFACT}  # by the default policy, what the descriptor says
    assert ("docker" in set(said.broken["tag"])) == (media_type == DOCKER_MANIFEST)
    assert follows or not said.frame["needed"].any() or media_type == SCHEMA1


def test_a_docker_list_is_a_leaf(layout: Layout) -> None:
    layer, config = layout.blob("lost layer"), layout.config("lost")
    child = layout.manifest(layer, config=config)
    layout.add(layout.index(child), "list", DOCKER_LIST)
    removed(layout, layer, config, child)


def test_one_manifest_that_two_entries_call_differently(layout: Layout) -> None:
    layer, config = layout.blob("held by one name"), layout.config("held")
    manifest = layout.manifest(layer, config=config)
    layout.add(manifest, "docker", DOCKER_MANIFEST)
    layout.add(manifest, "oci")
    removed(layout)
    for name, freed in (("oci", {layer, config}), ("docker", set())):
        preview = blobkit.simulate_deref(layout.scan("strong"), name)
        assert set(preview.digests) == freed
        if real_umoci.installed():
            assert set(real_umoci.dropped(layout.root, [name]).removed) == {sha(b"garbage"), *freed}
    assert set(blobkit.simulate_deref(layout.scan("strong"), manifest).digests) == {manifest, layer, config}
    assert set(blobkit.to_frame(layout.scan("strong")).loc[manifest, "tags"]) == {"docker", "oci"}


def test_entries_without_a_name_that_call_one_manifest_differently(layout: Layout) -> None:
    manifest = layout.manifest(layout.blob("held"), config=layout.config("held"))
    layout.add(manifest, None)
    layout.add(layout.index(layout.to(manifest, "text/plain")), "index", INDEX)
    removed(layout)
    preview = blobkit.simulate_deref(layout.scan("strong"), manifest)
    assert set(preview.digests) == {sha(b"held"), layout.config("held")}  # the index holds it as a plain file
    layout.entries.pop(1)
    layout.write({"manifests": layout.entries})
    removed(layout, *preview.digests)


@pytest.mark.parametrize("order", [(MANIFEST, "text/plain"), ("text/plain", MANIFEST)])
def test_below_one_entry_the_first_mention_decides(layout: Layout, order: tuple[str, str]) -> None:
    layer, config = layout.blob("lost layer"), layout.config("lost")
    manifest = layout.manifest(layer, config=config)
    layout.add(layout.index(*(layout.to(manifest, called) for called in order)), "index", INDEX)
    removed(layout, *([] if order[0] == MANIFEST else [layer, config]))


def test_a_size_is_checked_at_the_first_mention(layout: Layout) -> None:
    layer = layout.blob("twice")
    layout.add(layout.manifest(layer, {**layout.to(layer), **OTHER_SIZE}), "second")
    removed(layout)
    layout.add(layout.manifest({**layout.to(layer), **OTHER_SIZE}, layer), "first")
    stops(layout, "has 3 bytes: it has 5", without="first")


def test_the_subject_of_a_manifest_is_followed_and_that_of_an_index_is_not(layout: Layout) -> None:
    layer, config = layout.blob("layer of subject"), layout.config("subject")
    subject = layout.manifest(layer, config=config)
    layout.add(layout.index(subject=layout.to(subject, MANIFEST)), "index", INDEX)
    removed(layout, subject, layer, config)
    assert set(blobkit.links_frame(layout.scan("strong"))["kind"]) == {"config", "layer"}  # no virtual node is needed
    layout.image("referrer", "sbom", subject=subject)
    removed(layout)


def test_what_is_called_a_manifest_is_followed_in_any_position(layout: Layout) -> None:
    inner = layout.manifest(layout.blob("inner layer"), config=layout.config("inner"))
    layout.add(layout.manifest(layout.to(inner, MANIFEST)), "as-layer")
    layout.add(layout.json(layout.to(inner, MANIFEST)), "as-descriptor", DESCRIPTOR)
    removed(layout)


def test_a_manifest_that_is_called_an_index_holds_nothing(layout: Layout) -> None:
    layer, config = layout.blob("lost layer"), layout.config("lost")
    layout.add(layout.manifest(layer, config=config), "wrong", INDEX)
    removed(layout, layer, config)


def test_an_index_that_is_called_a_manifest_has_no_config(layout: Layout) -> None:
    layout.add(layout.index(layout.manifest(layout.blob("inner"))), "wrong")
    stops(layout, "without a valid digest", without="wrong")


@pytest.mark.parametrize("place", ["entry", "layer", "config", "manifest"])
def test_sha512_anywhere_stops_it_and_is_never_removed(layout: Layout, place: str) -> None:
    label = {place: "sha512"}
    config = layout.json({"os": "linux", "n": 1}, label=label.get("config", "sha256"))
    layer = layout.blob("long", label=label.get("layer", "sha256"))
    manifest = layout.manifest(layer, config=config)
    if place == "manifest":
        manifest = layout.blob(layout.path(manifest).read_bytes(), label="sha512")
        layout.add(layout.index(layout.to(manifest, MANIFEST)), "long", INDEX)
    elif place == "entry":
        layout.add(layout.blob("bare", label="sha512"), "long", "text/plain")
    else:
        layout.add(manifest, "long")
    stops(layout, "umoci supports sha256 only", without="long")


def test_sha512_garbage_stays(layout: Layout) -> None:
    long = layout.blob("long garbage", label="sha512")
    removed(layout)
    frame = blobkit.to_frame(layout.scan("strong"))
    assert frame.loc[long, "status"] == "live"
    assert blobkit.to_frame(layout.scan()).loc[long, "status"] == "garbage"
    with pytest.raises(blobkit.NotPinnedError, match="is never removed by umoci gc"):
        blobkit.simulate_deref(layout.scan("strong"), long)


@pytest.mark.parametrize("more", [{}, {"urls": ["https://example.org"]}, {"data": "NyBieXRlcw=="}])
def test_what_is_named_has_to_be_stored(layout: Layout, more: dict[str, object]) -> None:
    absent = {"mediaType": LAYER, "digest": sha(b"7 bytes"), "size": 7, **more}
    layout.add(layout.manifest(absent), "absent")
    stops(layout, sha(b"7 bytes"), without="absent")


def test_a_subject_has_to_be_stored(layout: Layout) -> None:
    layout.add(layout.manifest(layout.blob("sbom"), subject=nowhere(3)), "referrer")
    stops(layout, nowhere(3), without="referrer")


def test_layers_are_hashed(layout: Layout) -> None:
    layout.image("broken", "as it was")
    layout.blob("as it is!", sha(b"as it was"))
    stops(layout, "has content that does not match", without="broken")


def test_a_directory_in_the_place_of_a_blob(layout: Layout) -> None:
    layout.image("broken", "a layer")
    layout.drop(sha(b"a layer"))
    layout.path(sha(b"a layer")).mkdir()
    stops(layout, sha(b"a layer"), without="broken")


@pytest.mark.parametrize("size", [None, 0, 6, 8, "7", 7.0, True, 1 << 63])
def test_wrong_sizes(layout: Layout, size: object) -> None:
    layout.entries.append({"mediaType": "text/plain", "digest": layout.blob("7 bytes"), "size": size})
    layout.write({"manifests": layout.entries})
    stops(layout, "it has 7" if size is None or size in {0, 6, 8} else "cannot be decoded")


@pytest.mark.parametrize("size", [7, -1, -(1 << 63)])
def test_sizes_that_it_takes(layout: Layout, size: object) -> None:
    layout.entries.append({"mediaType": "text/plain", "digest": layout.blob("7 bytes"), "size": size})
    layout.write({"manifests": layout.entries})
    removed(layout)


def test_no_bytes_need_no_size(layout: Layout) -> None:
    layout.add(layout.manifest({"mediaType": LAYER, "digest": layout.blob("")}), "empty")
    removed(layout)


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[]", '{"os": 5}', '{"created": ""}', '{"config": {"Env": "A=B"}}', '\ufeff{"os": "linux"}']
)
def test_a_config_has_to_be_one(layout: Layout, text: str) -> None:
    layout.add(layout.manifest(config=layout.blob(text)), "artifact")
    stops(layout, CONFIG, without="artifact")


@pytest.mark.parametrize(("config", "layer", "is_read"), [(CONFIG, LAYER, True), (LAYER, CONFIG, False)])
def test_a_bad_config_that_is_a_layer_too(layout: Layout, config: str, layer: str, *, is_read: bool) -> None:
    bad = layout.blob("no JSON")
    layout.add(layout.manifest(layout.to(bad, layer), config=layout.to(bad, config)), "both")
    if is_read:
        stops(layout, CONFIG, without="both")
    else:
        removed(layout)


@pytest.mark.parametrize("text", ["{}", "null", '{"os": "linux"} and more', '{"id": 5, "config": {"Healthcheck": 5}}'])
def test_configs_that_it_takes(layout: Layout, text: str) -> None:
    layout.add(layout.manifest(config=layout.blob(text)), "odd")
    removed(layout)


def test_another_type_of_config_may_be_anything(layout: Layout) -> None:
    layout.add(layout.manifest(config=layout.to(layout.blob("no JSON"), "text/plain")), "artifact")
    removed(layout)


@pytest.mark.parametrize(
    "more", [{"layers": None}, {"schemaVersion": 3}, {"mediaType": INDEX}, {"artifactType": 5}, {"subject": None}]
)
def test_manifests_that_it_takes(layout: Layout, more: dict[str, object]) -> None:
    layout.add(layout.manifest(**more), "odd")
    removed(layout)


@pytest.mark.parametrize(
    "more", [{"config": None}, {"layers": {}}, {"schemaVersion": "2"}, {"annotations": {"a": 1}}, {"subject": {}}]
)
def test_manifests_that_it_refuses(layout: Layout, more: dict[str, object]) -> None:
    layout.add(layout.json({**json.loads(layout.path(layout.manifest()).read_text()), **more}), "odd")
    layout.drop(layout.manifest())
    stops(layout, "", without="odd")


def test_a_name_on_an_entry_without_a_digest(layout: Layout) -> None:
    layout.entries.append({"mediaType": MANIFEST, "digest": "sha256:short", "annotations": {_NAME: "bad"}})
    layout.write({"manifests": layout.entries})
    stops(layout, "index.json has a descriptor without a valid digest ('sha256:short')", without="bad")


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ['{"manifests": []} x', '{"manifests": {}}', '{"schemaVersion": "2"}', '{"annotations": {"a": 1}}']
)
def test_an_index_json_that_it_cannot_decode(layout: Layout, text: str) -> None:
    layout.write(text)
    try:
        stops(layout, "index.json cannot be decoded")
    except blobkit.UnreadableStoreError:  # neither can blobkit
        assert not real_umoci.installed() or real_umoci.gc(layout.root).stopped


@pytest.mark.parametrize("text", ['{"Manifests": %s}', '{"manifests": [], "manife\u017fts": %s, "x": 5}'])
def test_fields_of_index_json_in_any_spelling(layout: Layout, text: str) -> None:
    layout.write(text.replace("%s", json.dumps(layout.entries)))
    removed(layout)


_NAME = "org.opencontainers.image.ref.name"
