"""Random data roots: previews against a model of what dockerd does, command by command, with counts of its own.

The model follows moby 20.10 to 26.1, `daemon/images/image_delete.go` and `layer/layer_store.go`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blobkit
from conftest import MEMORY
from docker_roots import DockerRoot, digest
from effort import TORTURE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.snapshot.snapshot import Snapshot

NAMES = ["a:1", "a:2", "b:1", "c:1", f"a@{digest('a')}", f"b@{digest('b')}", f"b@{digest('c')}"]


@dataclass
class Engine:
    """What a daemon knows: names, images with parent and top layer, containers, layers, records of the cache."""

    names: dict[str, str] = field(default_factory=dict)
    parent: dict[str, str] = field(default_factory=dict)
    top: dict[str, str] = field(default_factory=dict)
    containers: dict[str, str] = field(default_factory=dict)
    container_layer: dict[str, str] = field(default_factory=dict)
    below: dict[str, str] = field(default_factory=dict)
    cache: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)

    def references(self, image: str) -> set[str]:
        return {name for name, one in self.names.items() if one == image}

    def is_used(self, image: str) -> bool:
        return image in self.containers.values()

    def rm(self, name: str) -> None:
        del self.containers[name]
        self.release(self.container_layer.pop(name))

    def rmi(self, name: str) -> None:
        image = self.names.get(name)
        if image is None:
            return
        if is_single(self.references(image)) and self.is_used(image):
            self.refused.add(name)
            return
        del self.names[name]
        repository = repository_of(name)
        left = self.references(image)
        if "@" not in name and not any("@" not in one and repository_of(one) == repository for one in left):
            for one in left:
                if repository_of(one) == repository:
                    del self.names[one]
        if not self.references(image):
            self.delete(image)

    def rmi_unnamed(self, image: str) -> None:
        if self.is_used(image):
            self.refused.add(image)
        else:
            self.delete(image)

    def delete(self, image: str) -> None:
        while image and not self.is_used(image) and not self.references(image):
            if image in self.parent.values():
                return
            parent, layer = self.parent.pop(image), self.top.pop(image)
            self.gone.add(f"image/{image}")
            self.release(layer)
            image = parent

    def prune(self, record: str) -> None:
        self.release(self.cache.pop(record))

    def release(self, layer: str) -> None:
        """Remove a layer that nothing holds, and then the one below it."""
        while layer and f"layer/{layer}" not in self.gone:
            holders = (*self.top.values(), *self.container_layer.values(), *self.cache.values())
            above = [one for one, low in self.below.items() if low == layer and f"layer/{one}" not in self.gone]
            if layer in holders or above:
                return
            self.gone.add(f"layer/{layer}")
            layer = self.below[layer]


def repository_of(name: str) -> str:
    return name.partition("@")[0] if "@" in name else name.rpartition(":")[0]


def is_single(references: set[str]) -> bool:
    """Whether docker counts these as one name."""
    if len(references) <= 1:
        return len(references) == 1
    tags = [name for name in references if "@" not in name]
    digests = {repository_of(name) for name in references if "@" in name}
    if len(tags) > 1:
        return False
    first = repository_of(tags[0]) if tags else next(iter(digests))
    return digests == {first}


@st.composite
def engines(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int, list[str]]], list[int], list[int], list[int]]:
    """Layers by the one below each, images by top layer, parent and names, containers, records, and what is dropped."""
    layers = [draw(st.integers(-1, place - 1)) for place in range(draw(st.integers(1, 6)))]
    free = list(draw(st.permutations(NAMES)))
    images = []
    for place in range(draw(st.integers(1, 6))):
        names = [free.pop() for _ in range(draw(st.sampled_from([0, 1, 1, 2, 3]))) if free]
        images.append((draw(st.integers(-1, len(layers) - 1)), draw(st.integers(-1, place - 1)), names))
    containers = draw(st.lists(st.integers(0, len(images) - 1), max_size=3))
    records = draw(st.lists(st.integers(0, len(layers) - 1), max_size=2))
    dropped = draw(st.lists(st.integers(0, 30), max_size=8))
    return layers, images, containers, records, dropped


def build(
    root: Path,
    layers: Sequence[int],
    images: Sequence[tuple[int, int, list[str]]],
    containers: Sequence[int],
    records: Sequence[int],
) -> tuple[DockerRoot, Engine]:
    """Write a data root, and the same as an engine."""
    store, engine, chains, made = DockerRoot(root), Engine(), [""], [""]
    for place, below in enumerate(layers):
        chains.append(store.layer(f"layer {place}", chains[below + 1]))
        engine.below[chains[-1]] = chains[below + 1]
    for place, (top, parent, names) in enumerate(images):
        image = store.image(*names, top=chains[top + 1], parent=made[parent + 1], text=f"image {place}")
        made.append(image)
        engine.parent[image], engine.top[image] = made[parent + 1], chains[top + 1]
        engine.names |= dict.fromkeys(names, image)
    for place, image in enumerate(containers):
        name, layer = f"box{place}", engine.top[made[image + 1]]
        store.container(name, made[image + 1], layer)
        engine.containers[name], engine.container_layer[name] = made[image + 1], layer
    for place, layer in enumerate(records):
        store.cache(f"record{place}", layer=chains[layer + 1])
        engine.cache[f"record{place}"] = chains[layer + 1]
    return store, engine


def drop(engine: Engine, names: Sequence[str]) -> None:
    """Drop these in the order of a script: containers, digests, tags, images without a name, the cache."""
    for name in names:
        if name in engine.containers:
            engine.rm(name)
    for is_tag in (False, True):
        for name in sorted(names):
            if name in engine.names and ("@" not in name) == is_tag:
                engine.rmi(name)
    for name in names:
        if name.startswith("image/"):
            engine.rmi_unnamed(name.removeprefix("image/"))
        elif name in engine.cache:
            engine.prune(name)


def targets(snapshot: Snapshot) -> list[str]:
    """Every name, and every image that is held without one."""
    keys = snapshot.nodes["key"].to_pylist()
    pins = [pin for pin in snapshot.pins.to_pylist() if pin["kind"] not in ("unswept", "lower")]
    return sorted({pin["name"] or keys[pin["node"]] for pin in pins})


@pytest.mark.slow
@settings(max_examples=60 * TORTURE)
@given(engines())
def test_previews_are_what_the_commands_do(
    made: tuple[list[int], list[tuple[int, int, list[str]]], list[int], list[int], list[int]],
) -> None:
    *shape, dropped = made
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
        store, engine = build(Path(place) / "root", *shape)  # type: ignore[arg-type]
        snapshot = store.scan()
    known = targets(snapshot)
    names = list(dict.fromkeys(known[number % len(known)] for number in dropped))
    if not names:
        return
    preview = blobkit.simulate_deref(snapshot, *names)
    drop(engine, names)
    left = preview.deletion.rows[preview.deletion.is_busy]
    busy = {pin["name"] or pin["node"] for pin in snapshot.pins.take(left).to_pylist()}
    busy = {snapshot.key(one).removeprefix("image/") if isinstance(one, int) else one for one in busy}
    assert {key for key in preview.digests if not key.startswith("container/")} == engine.gone
    assert {key for key in preview.collected.digests if not key.startswith("container/")} == engine.gone
    assert {name for name in busy if name in names or f"image/{name}" in names} == engine.refused
    assert set(preview.also_untagged) == {
        name for name in set(known) - set(names) if "@" in name and name not in engine.names and "container" not in name
    }
