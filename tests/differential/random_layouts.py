"""Random OCI layouts: what programs write into them, and what happens to them; one number makes one layout."""

from __future__ import annotations

import base64
from random import Random
from typing import TYPE_CHECKING

from file_damage import FILES
from layout_builder import DOCUMENTS, OF_TEXTS, RANDOM_FIELDS, Builder, Case
from layout_damage import BODIES, DESCRIPTORS, LABELS, LAYOUT_FILES, TEXTS, TOPS
from layouts import ARTIFACT, CONFIG, DOCKER_LIST, DOCKER_MANIFEST, INDEX, LAYER, MANIFEST, SCHEMA1

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["SORTS", "WAYS", "Case", "random_layout"]

IMAGE_NAME = "io.containerd.image.name"
DESCRIPTOR = "application/vnd.oci.descriptor.v1+json"
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar"
EMPTY = "application/vnd.oci.empty.v1+json"
PLAIN = "text/plain"


def named_image(b: Builder) -> None:
    b.add(*b.image())


def untagged_image(b: Builder) -> None:
    b.add(*b.image(), "")


def multi_platform(b: Builder) -> None:
    """An index whose platforms may be shared with another one."""
    b.add(b.index(*(b.image() for _ in range(b.rng.randrange(1, 4)))), INDEX)


def docker_list(b: Builder) -> None:
    b.add(b.index(b.image(), b.image(), media_type=DOCKER_LIST), DOCKER_LIST)


def nested_index(b: Builder) -> None:
    b.add(b.index((b.index(b.image()), INDEX), b.image()), INDEX)


def artifact(b: Builder) -> None:
    """An artifact: no image config, any layers."""
    config = b.to(b.layout.blob("{}"), EMPTY, "config")
    layer = b.to(b.blob(b.text("sbom"), "layer"), PLAIN, "layer")
    b.add(
        b.document("manifest", {"schemaVersion": 2, "artifactType": PLAIN, "config": config, "layers": [layer]}),
        MANIFEST,
    )


def referred(b: Builder) -> None:
    """An image and a referrer of it, listed or not, named or not; also a referrer of that."""
    subject = b.manifest()
    referrer = b.manifest(subject=b.to(subject, MANIFEST, "subject"))
    for digest in (subject, referrer, b.manifest(subject=b.to(referrer, MANIFEST, "subject"))):
        if b.rng.random() < 0.6:
            b.add(digest, MANIFEST, b.rng.choice((None, "")))


def absent_subject(b: Builder) -> None:
    """A referrer whose subject is stored, or (damage) is not."""
    subject = b.manifest()
    b.add(b.manifest(subject=b.layout.to(subject, MANIFEST)), MANIFEST)
    if b.hit("subject-absent", always=True):
        b.layout.drop(subject)


def index_with_subject(b: Builder) -> None:
    """A subject of an index: umoci does not look at it."""
    subject = b.layout.to(b.manifest(), MANIFEST)
    b.add(b.document("index", {"schemaVersion": 2, "manifests": [], "subject": subject}), INDEX)


def schema1(b: Builder) -> None:
    body = {"schemaVersion": 1, "name": "a", "tag": "b", "fsLayers": [{"blobSum": b.layer()}], "history": []}
    b.add(b.layout.json({**body, "n": b.number}), SCHEMA1)


def artifact_manifest(b: Builder) -> None:
    """The manifest of artifacts that OCI took back."""
    body = {"mediaType": ARTIFACT, "artifactType": PLAIN, "blobs": [b.layout.to(b.layer(), PLAIN)], "n": b.number}
    b.add(b.layout.json(body), ARTIFACT)


def inline_layer(b: Builder) -> None:
    """A layer that its descriptor carries, stored as well, or (damage) not."""
    data = b.text("inline")
    digest = b.layout.blob(data)
    b.add(b.manifest(b.to(digest, LAYER, "layer", data=base64.b64encode(data).decode())), MANIFEST)
    if b.hit("inline-absent", always=True):
        b.layout.drop(digest)


def foreign_layer(b: Builder) -> None:
    """A layer that lies elsewhere by design, stored as well, or (damage) not."""
    digest = b.layout.blob(b.text("foreign"))
    b.add(b.manifest(b.to(digest, FOREIGN, "layer", urls=["https://example.org"])), MANIFEST)
    if b.hit("foreign-absent", always=True):
        b.layout.drop(digest)


def name_twice(b: Builder) -> None:
    """One name on two digests (or on one, where chance takes the same image)."""
    name = b.name()
    b.add(*b.image(), name)
    b.add(*b.image(), name)


def entry_again(b: Builder) -> None:
    """One image under several entries."""
    image = b.image()
    for name in (None, "", None):
        b.add(*image, name)


def image_names(b: Builder) -> None:
    """What `docker save` writes: the bare tag, and the whole name in an annotation of its own."""
    tag = b.name()
    for repository in b.rng.sample(
        ("docker.io/library/web", "docker.io/group/tool", "reg.example.org/core"), b.rng.randrange(1, 3)
    ):
        whole = f"{repository}:{tag}"
        b.add(*b.image(), tag, **{IMAGE_NAME: whole})
        b.case.whole_names[whole.removeprefix("docker.io/").removeprefix("library/")] = tag


def two_positions(b: Builder) -> None:
    """One blob as a layer and as an entry of its own, under two media types."""
    layer = b.layer()
    b.add(b.manifest(b.to(layer, LAYER, "layer")), MANIFEST)
    b.add(layer, b.rng.choice((PLAIN, "", CONFIG.upper())))


def two_readings(b: Builder) -> None:
    """One manifest that two entries call differently."""
    digest = b.manifest()
    b.add(digest, MANIFEST)
    b.add(digest, b.rng.choice((DOCKER_MANIFEST, INDEX, PLAIN)))


def bare_blob(b: Builder) -> None:
    b.add(b.blob(b.text("bare"), "layer"), PLAIN)


def bare_config(b: Builder) -> None:
    b.add(b.config(), CONFIG)


def descriptor_document(b: Builder) -> None:
    """A document that is one descriptor."""
    b.add(b.layout.json(b.layout.to(b.manifest(), MANIFEST)), DESCRIPTOR)


def manifest_as_layer(b: Builder) -> None:
    b.add(b.manifest(b.to(b.manifest(), MANIFEST, "layer")), MANIFEST)


def empty_layers(b: Builder) -> None:
    """A layer of no bytes, without a size (which is right then), and one layer twice."""
    empty = b.layout.to(b.layout.blob(b""), LAYER)
    del empty["size"]
    again = b.to(b.layer(), LAYER, "layer")
    b.add(b.manifest(empty, again, again), MANIFEST)


def docker_only(b: Builder) -> None:
    b.add(b.docker_manifest(), DOCKER_MANIFEST)


WAYS: tuple[Callable[[Builder], None], ...] = (
    named_image, named_image, named_image, untagged_image, multi_platform, multi_platform, docker_list, nested_index,
    artifact, referred, referred, absent_subject, index_with_subject, schema1, artifact_manifest, inline_layer,
    foreign_layer, name_twice, entry_again, image_names, two_positions, two_readings, bare_blob, bare_config,
    descriptor_document, manifest_as_layer, empty_layers, docker_only,
)  # fmt: skip

ABSENT = {"subject-absent": absent_subject, "inline-absent": inline_layer, "foreign-absent": foreign_layer}
BRACKET = "path-with-bracket"
TEXT_SORTS = (*TEXTS, RANDOM_FIELDS, RANDOM_FIELDS, RANDOM_FIELDS)
RARE = (BRACKET, "blob-is-directory", "size-larger", "no-blobs-directory", "full-directory", "junk-name")
SORTS = (*BODIES, *DESCRIPTORS, *TOPS, *TEXT_SORTS, *LABELS, *LAYOUT_FILES, *FILES, *ABSENT, *RARE)
"""The names of all sorts of damage."""


def random_layout(number: int, base: Path) -> Case:
    """Write the layout of this number into a new directory below `base`.

    Damage goes round, so that all sorts come equally often over many numbers; a sixth of the layouts has none.
    """
    rng = Random(number)  # noqa: S311 (a test)
    wanted = [_sort(number + at * 31, rng) for at in range(rng.choice((0, 1, 2, 2, 2, 2)))]
    wanted = [BRACKET] if BRACKET in wanted else wanted  # umoci stops there at last only
    builder = Builder(base / f"layout{'[' if BRACKET in wanted else ''}{number}", rng, wanted)
    builder.hit(BRACKET, always=True)
    for _ in range(rng.randrange(1, 6)):
        _one(builder, rng.choice(WAYS))
    for _ in range(rng.randrange(4)):
        _garbage(builder)
    _until_done(builder)
    builder.chance = 1.0
    builder.write_index()
    _files(builder)
    return builder.case


def _sort(number: int, rng: Random) -> str:
    """The sort of damage whose turn it is; one to the text of a document is to any kind of document."""
    name = SORTS[number * 37 % len(SORTS)]
    return f"{name}-{rng.choice(DOCUMENTS)}" if name in TEXT_SORTS else name


def _one(builder: Builder, way: Callable[[Builder], None]) -> None:
    builder.case.built.append(way.__name__)
    way(builder)


def _garbage(builder: Builder) -> None:
    choice = builder.rng.randrange(4)
    if choice == 0:
        builder.layout.blob(builder.text("garbage"))
    elif choice == 1:
        builder.manifest()
    elif choice == 2:
        builder.index(builder.image())
    else:
        builder.layout.blob(builder.text("garbage"), label="sha512")


def _until_done(builder: Builder) -> None:
    """Build on until each damage to a document has found its place."""
    builder.chance = 1.0
    for name in [*builder.wanted]:
        if name in BODIES or name in DESCRIPTORS or name in LABELS or name in ABSENT or name in OF_TEXTS:
            for way in (ABSENT.get(name, referred), multi_platform, empty_layers, nested_index):
                if name in builder.wanted:
                    _one(builder, way)


def _files(builder: Builder) -> None:
    root = builder.layout.root
    for name in [*builder.wanted]:
        if name in FILES and builder.hit(name):
            FILES[name](root, builder.rng)
        elif name in LAYOUT_FILES and builder.hit(name):
            content = LAYOUT_FILES[name]
            (root / "oci-layout").unlink()
            if content is not None:
                (root / "oci-layout").write_bytes(content)
