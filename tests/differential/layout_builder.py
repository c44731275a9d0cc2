"""Builds one random layout piece by piece; damage that is wanted is done once each, at a place that fits."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layout_damage import BODIES, DESCRIPTORS, LABELS, TEXTS, TOPS
from layouts import CONFIG, DOCKER_MANIFEST, INDEX, LAYER, MANIFEST, NAME, Layout
from random_fields import random_fields

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from random import Random

    from layout_damage import Json, Table

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
PLAIN_NAMES = ("latest", "1.0", "team/app:1", "reg.example.org:5000/team/core:9.0", "a--b", "x@y", "1", "v2+r1")
ODD_NAMES = ("-a", "a b", "a__b", "$(touch PWNED)", "it's", "\u00fc", "a/", "--help", "a\nb", "sha256:" + "a" * 64)
DOCUMENTS = ("manifest", "index", "config", "top")
RANDOM_FIELDS = "random-fields"
OF_TEXTS = {f"{name}-{kind}": (kind, name) for name in (*TEXTS, RANDOM_FIELDS) for kind in DOCUMENTS}


@dataclass
class Case:
    """A layout on disk, the names that its entries have (`whole_names` by docker's annotation, with the bare tag),
    what was built and which damage was done.
    """

    root: Path
    names: list[str] = field(default_factory=list)
    whole_names: dict[str, str] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)


class Builder:
    """Writes blobs and documents that differ from all others; `wanted` is the damage that is not done yet."""

    def __init__(self, root: Path, rng: Random, wanted: Sequence[str]) -> None:
        self.layout, self.case = Layout(root), Case(root)
        self.rng, self.wanted = rng, list(wanted)
        self.number, self.chance = 0, 0.3
        self.layers: list[str] = []
        self.images: list[tuple[str, str]] = []

    def hit(self, name: str, *, always: bool = False) -> bool:
        """Whether this damage is wanted and is done here; it is remembered."""
        if name not in self.wanted or (not always and self.rng.random() >= self.chance):
            return False
        self.wanted.remove(name)
        self.case.damage.append(name)
        return True

    def _changed(self, table: Table, place: str, body: Json) -> Json:
        for name in [*self.wanted]:
            if isinstance(body, dict) and name in table and place in table[name][0] and self.hit(name):
                body = table[name][1](body)  # type: ignore[assignment]  # damage makes anything of it
        return body

    def _text(self, kind: str, data: bytes) -> bytes:
        for name in [*self.wanted]:
            place, change = OF_TEXTS.get(name, ("", ""))
            if place == kind and self.hit(name):
                return TEXTS[change](data) if change in TEXTS else random_fields(kind, data, self.rng)
        return data

    def blob(self, data: bytes, place: str) -> str:
        """Store a blob, under sha512 where that is wanted."""
        is_long = any(LABELS.get(name) == place and self.hit(name) for name in [*self.wanted])
        return self.layout.blob(data, label="sha512" if is_long else "sha256")

    def document(self, kind: str, body: Json) -> str:
        """Store a document of this kind, changed where that is wanted."""
        data = json.dumps(self._changed(BODIES, kind, body)).encode()
        return self.blob(self._text(kind, data), kind)

    def to(self, digest: str, media_type: str, place: str, **more: object) -> Json:
        """A descriptor in this place, changed where that is wanted."""
        return self._changed(DESCRIPTORS, place, self.layout.to(digest, media_type, **more))

    def text(self, what: str) -> bytes:
        """Bytes that no other blob of the layout has."""
        self.number += 1
        return (f"{what} {self.number} " * self.rng.randrange(1, 6)).encode()

    def layer(self) -> str:
        """A new layer, or one that is there already."""
        if not self.layers or self.rng.random() < 0.6:
            self.layers.append(self.blob(self.text("layer"), "layer"))
        return self.rng.choice(self.layers)

    def config(self) -> str:
        """The config of an image."""
        self.number += 1
        body = {"architecture": "amd64", "os": "linux", "created": "2020-01-02T03:04:05Z", "author": str(self.number)}
        return self.document("config", {**body, "rootfs": {"type": "layers", "diff_ids": []}})

    def manifest(self, *layers: Json, **more: object) -> str:
        """An image manifest of OCI's types, over these layers and some new or shared ones."""
        config = self.to(self.config(), CONFIG, "config")
        others = [self.to(self.layer(), LAYER, "layer") for _ in range(self.rng.randrange(3))]
        body: Json = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [*layers, *others]}
        return self.document("manifest", {**body, **more})

    def docker_manifest(self) -> str:
        """An image manifest of docker's types."""
        config = self.layout.to(self.layout.blob(self.text("docker config")), DOCKER_CONFIG)
        layers = [self.layout.to(self.layer(), DOCKER_LAYER) for _ in range(self.rng.randrange(1, 3))]
        return self.layout.json({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST, "config": config, "layers": layers})

    def image(self) -> tuple[str, str]:
        """An image of either family with its media type: a new one, or one that is there already."""
        if not self.images or self.rng.random() < 0.7:
            is_docker = self.rng.random() < 0.2
            new = (self.docker_manifest(), DOCKER_MANIFEST) if is_docker else (self.manifest(), MANIFEST)
            self.images.append(new)
        return self.rng.choice(self.images)

    def index(self, *children: tuple[str, str], media_type: str = INDEX) -> str:
        """An image index or docker's list over these manifests."""
        platform = {"os": "linux", "architecture": self.rng.choice(("amd64", "arm64", "s390x"))}
        entries = [self.to(digest, type_, "child", platform=platform) for digest, type_ in children]
        body: Json = {"schemaVersion": 2, "mediaType": media_type, "manifests": entries}
        return self.document("index", body) if media_type == INDEX else self.layout.json(body)

    def name(self) -> str:
        """A name that no entry has, in most cases one that umoci takes."""
        pool = ODD_NAMES if self.rng.random() < 0.15 else PLAIN_NAMES
        left = [name for name in pool if name not in self.case.names]
        return self.rng.choice(left) if left else f"name-{len(self.case.names)}"

    def add(self, digest: str, media_type: str, name: str | None = None, **annotations: str) -> None:
        """List a blob in index.json: under a new name, this name, or none ("")."""
        name = self.name() if name is None else name
        if name:
            annotations = {**annotations, NAME: name}
            self.case.names.append(name)
        more = {"annotations": annotations} if annotations else {}
        self.layout.entries.append(self.to(digest, media_type, "entry", **more))

    def write_index(self) -> None:
        """Write index.json, the entries in any order."""
        self.rng.shuffle(self.layout.entries)
        body: Json = {"schemaVersion": 2, "manifests": self.layout.entries}
        data = json.dumps(self._changed(TOPS, "top", body), indent=self.rng.choice((None, 1))).encode()
        (self.layout.root / "index.json").write_bytes(self._text("top", data))
