"""Random roots of containers-storage: previews against a model of what podman does, step by step."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import blobkit
from conftest import MEMORY
from podman_model import Image, Model
from podman_roots import PodmanRoot, identifier

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

pytestmark = pytest.mark.slow

Steps = list[tuple[int, int, int, int]]
"""For each image: the one that it is built on, its number of new layers, its line of history, its number of names."""

steps = st.lists(
    st.tuples(st.integers(0, 8), st.integers(0, 2), st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=9
)


def built(root: PodmanRoot, plan: Steps, used: list[int], left: list[int]) -> Model:
    """Write images built on one another, containers on some of them, garbage on some layers; return the model."""
    model = Model()
    made: list[str] = []
    for number, (on, new, line, names) in enumerate(plan):
        base = model.images[made[on % len(made)]] if made and on else Image([], "", [], [])
        top, diffs = base.top, base.diffs
        for turn in range(new or not top):
            above = root.layer(f"layer {number}.{turn}", top)
            model.layers[above], top, diffs = top, above, [*diffs, f"layer {number}.{turn}"]
        image = Image([f"localhost/n:{number}.{one}" for one in range(names)], top, [*base.lines, str(line)], diffs)
        one = root.image(f"{number}", top, image.names, lines=image.lines, diffs=diffs)
        model.images[one] = image
        made.append(one)
    for number, at in enumerate(used):
        one = made[at % len(made)]
        name = root.container(f"box{number}", one, model.images[one].top)
        layer = identifier(f"layer of box{number}")
        model.layers[layer], model.containers[name] = model.images[one].top, (layer, one)
    for number, at in enumerate(left):
        top = model.images[made[at % len(made)]].top
        model.layers[root.layer(f"left {number}", top)] = top
    root.write()
    return model


def scanned(root: PodmanRoot) -> Snapshot:
    return blobkit.scan(root.address, progress=False)


@given(steps, st.lists(st.integers(0, 8), max_size=2), st.lists(st.integers(0, 8), max_size=2), st.data())
def test_previews_are_what_podman_does(plan: Steps, used: list[int], left: list[int], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
        root = PodmanRoot(Path(place) / "root")
        model = built(root, plan, used, left)
        assume(not model.ties())
        snapshot = scanned(root)
    assert set(snapshot.to_frame().index) == model.keys()
    names = sorted(name for image in model.images.values() for name in image.names)
    boxes = sorted(f"box{number}" for number in range(len(used)))
    dropped = data.draw(st.lists(st.sampled_from([*names, *boxes]), min_size=1, unique=True)) if names or boxes else []
    after = copy.deepcopy(model)
    refused = set()
    for box in sorted(set(dropped) & set(boxes)):
        after.remove_container(identifier(f"container {box}"))
    for name in sorted(set(dropped) & set(names)):
        if not after.remove(name):
            refused.add(name)
    if dropped:
        preview = snapshot.simulate_deref(dropped)
        assert set(preview.collected.digests) == model.keys() - after.keys()
        assert set(preview.collected.digests) <= set(preview.digests)
        assert preview.exact
        assert bool(refused) == any("is in use by" in notice for notice in preview.notices)
