"""What is folded adds up: every blob, byte and link of a scene is in one mark, and figures are the preview's."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

import blobkit
from blobkit.snapshot.snapshot import build
from blobkit.views.folding import fold
from blobkit.views.layers import columns, stacked
from blobkit.views.scene import STATES, scene
from blobkit.views.waterfall import steps
from registries import Images, images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot


@pytest.fixture(scope="module", params=[20, 60, 200, 2_000, 10_000])
def store(request: pytest.FixtureRequest) -> Snapshot:
    return images(request.param)


def previews(snapshot: Snapshot) -> Iterator[Preview]:
    tags = blobkit.tags_frame(snapshot)
    for repository in tags["repo"].unique()[:4]:
        yield blobkit.simulate_deref(snapshot, groups=repository)
    yield blobkit.simulate_deref(snapshot, tags.index[::2])
    yield blobkit.simulate_deref(snapshot, tags.index[-1])


@pytest.mark.slow
@pytest.mark.parametrize(("most", "rows"), [(60, 60), (60, 12), (8, 8)])
def test_folded_groups_add_up_to_the_preview(store: Snapshot, most: int, rows: int) -> None:
    for preview in previews(store):
        groups = fold(scene(preview, None, None), most, rows).groups
        freed = [group for group in groups if group.state == "freed"]
        kept = [group for group in groups if group.state == "kept"]
        assert len(freed) + len(kept) == len(groups)
        assert (sum(g.blobs for g in freed), sum(g.bytes for g in freed)) == (len(preview), preview.bytes)
        assert (sum(g.blobs for g in kept), sum(g.bytes for g in kept)) == (
            len(preview.kept),
            preview.kept["size"].sum(),
        )
        assert all(group.note.startswith("kept by ") for group in kept)


@pytest.mark.slow
@pytest.mark.parametrize(("most", "rows"), [(60, 60), (60, 12), (8, 8)])
def test_a_whole_store_is_folded_into_few_groups_with_every_blob(store: Snapshot, most: int, rows: int) -> None:
    groups = fold(scene(store, None, None), most, rows).groups
    frame = blobkit.to_frame(store)
    assert len(groups) <= most
    assert max(np.bincount([group.layer for group in groups])) <= rows
    for state, reachable in (("live", True), ("garbage", False)):
        rest = frame[frame["reachable"] == reachable]
        some = [group for group in groups if group.state == state]
        assert (sum(g.blobs for g in some), sum(g.bytes for g in some)) == (len(rest), rest["size"].sum())


def test_nothing_is_folded_up_to_sixty_blobs() -> None:
    snapshot = images(50)
    folded = fold(scene(snapshot, None, None))
    assert all(group.number == 1 for group in folded.groups)
    assert len(folded.groups) == snapshot.blobs
    assert len(folded.links) == len(blobkit.links_frame(snapshot))


def test_links_between_groups_add_up_to_those_that_are_not_inside_one(store: Snapshot) -> None:
    found = scene(store, None, None)
    folded = fold(found)
    total = len(blobkit.links_frame(store))
    assert sum(number for _, _, number in folded.links) == total  # layers here never link inside themselves
    for source, target, _ in folded.links:
        assert folded.groups[source].layer < folded.groups[target].layer


def test_small_siblings_with_the_same_holders_are_folded_first() -> None:
    made = Images()
    for i in range(30):
        made.tags.append((made.image([made.blob("layer", 1000) for _ in range(2 + i % 2)]), f"a:{i}", "a"))
    big = made.blob("layer", 5e9)
    made.links.append((made.tags[0][0], big, "layer"))
    groups = fold(scene(made.snapshot(), f"a:{1}", None)).groups
    assert all(group.number == 1 for group in groups)
    groups = fold(scene(made.snapshot(), [f"a:{i}" for i in range(16)], None)).groups
    assert sorted({group.number for group in groups if group.mark == "layer" and group.bytes < 5e9}) == [2, 3]
    assert [group.number for group in groups if group.bytes == 5_000_000_000] == [1]


def test_what_a_repository_alone_holds_carries_its_name() -> None:
    made = Images()
    shared = made.blob("layer", 1e6)
    for name, size in (("blue", 1e5), ("red", 2e5)):  # the first by name is not the first by bytes
        for i in range(80):
            made.tags.append((made.image([shared, made.blob("layer", size)]), f"{name}:{i}", name))
    groups = fold(scene(made.snapshot(), None, None)).groups
    named = {(group.name, group.mark): group.number for group in groups}
    assert named["red", "manifest"] == named["blue", "manifest"] == 80
    assert named["red", "layer"] == named["blue", "layer"] == 80
    assert sum(group.number for group in groups if group.mark == "layer") == 161
    assert [group.bytes for group in groups if (group.name, group.mark) == ("red", "layer")] == [80 * 200_000]


def test_who_keeps_a_folded_group_is_who_keeps_it_afterwards() -> None:
    made = Images()
    shared = [made.blob("layer", 1e6 + i) for i in range(120)]
    for name in ("gone", "also", "stays"):
        for layer in shared:
            made.tags.append((made.image([layer]), f"{name}:{made.nodes[layer][0]}", name))
    preview = blobkit.simulate_deref(made.snapshot(), groups=["gone", "also"])
    groups = fold(scene(preview, None, None)).groups
    assert {group.note for group in groups if group.state == "kept"} == {"kept by stays"}
    assert {group.name for group in groups if group.state == "freed"} >= {"gone", "also"}


def test_what_different_repositories_keep_afterwards_is_told_apart() -> None:
    made = Images()
    for drop, keep, size in (("red", "blue", 1e6), ("blue", "red", 3e6)):
        for i in range(120):
            layer = made.blob("layer", size)
            made.tags += [
                (made.image([layer]), f"{drop}:drop{i}", drop),
                (made.image([layer]), f"{keep}:keep{i}", keep),
            ]
    preview = blobkit.simulate_deref(made.snapshot(), "*drop*")
    groups = fold(scene(preview, None, None)).groups
    kept = {group.note: group.bytes for group in groups if group.state == "kept" and group.mark == "layer"}
    assert kept == {"kept by blue": 120_000_000, "kept by red": 360_000_000}


def test_what_no_name_reaches_is_not_said_to_be_kept_by_one() -> None:
    made = Images()
    made.tags.append((made.image([made.blob("layer", 1e6)]), "a:1", "a"))
    preview = blobkit.simulate_deref(made.snapshot().with_policy("gc"), "a:1")
    assert {group.note for group in fold(scene(preview, None, None)).groups} == {"garbage already"}
    assert [bar.texts[0] for bar in steps(preview)][1:] == ["1 manifest, 1.5 KiB, garbage already"]


def test_what_links_nowhere_stands_in_the_last_layer_and_holders_before_it(store: Snapshot) -> None:
    found = scene(store, None, None)
    layer = dict(zip(found.nodes.tolist(), found.layer.tolist(), strict=True))
    for source, target in zip(*(store.links[end].to_pylist() for end in ("source", "target")), strict=True):
        assert layer[source] < layer[target]
    leaves = np.flatnonzero(np.diff(store.graph.indptr) == 0).tolist()
    assert {layer[leaf] for leaf in leaves} == {6}


def chain(length: int, *, closed: bool = False) -> Snapshot:
    return build(
        "oci",
        "demo",
        nodes={"key": [f"n{i:06}" for i in range(length)], "size": [1] * length, "kind": ["index"] * length},
        links={
            "source": list(range(length if closed else length - 1)),
            "target": [(i + 1) % length for i in range(length if closed else length - 1)],
            "kind": "child",
        },
        pins={"node": [0], "name": ["top"], "kind": "entry"},
    )


@pytest.mark.slow
@pytest.mark.parametrize("closed", [False, True])
def test_long_chains_and_cycles_are_drawn(closed: bool) -> None:  # noqa: FBT001 (parametrized)
    snapshot = chain(10_000, closed=closed)
    groups = fold(scene(snapshot, None, None)).groups
    assert sum(group.blobs for group in groups) == 10_000
    blobkit.plot.reachability(snapshot).figure.canvas.draw()
    preview = blobkit.simulate_deref(snapshot, "top")
    blobkit.plot.reachability(preview).figure.canvas.draw()
    bars = steps(preview)
    assert [bar.name for bar in bars][-1] == "levels 6 to 9999, index"


@pytest.mark.slow
def test_steps_start_where_the_one_before_ended_and_add_up(store: Snapshot) -> None:
    for preview in previews(store):
        reached, *bars = steps(preview)
        assert [bar.start for bar in bars] == np.cumsum([0, *(bar.bytes for bar in bars[:-1])]).tolist()
        freed = [bar for bar in bars if bar.state == "freed"]
        kept = [bar for bar in bars if bar.state == "kept"]
        assert (sum(b.blobs for b in freed), sum(b.bytes for b in freed)) == (len(preview), preview.bytes)
        assert (sum(b.blobs for b in kept), sum(b.bytes for b in kept)) == (
            len(preview.kept),
            preview.kept["size"].sum(),
        )
        assert (reached.blobs, reached.bytes) == (sum(b.blobs for b in bars), sum(b.bytes for b in bars))
        counts = [sum(b.blobs for b in freed if b.name.startswith(f"level {i},")) for i in range(len(preview.levels))]
        assert counts == [blobs for blobs, _ in preview.levels]


def test_garbage_is_told_from_what_is_live() -> None:
    found = scene(images(200), None, None)
    frame = blobkit.to_frame(found.snapshot)
    garbage = set(frame.index[~frame["reachable"]])
    assert {found.snapshot.key(node) for node in found.nodes[found.state == STATES.index("garbage")]} == garbage


def test_columns_keep_every_mark_once_and_stacked_marks_do_not_overlap() -> None:
    rng = random.Random(3)  # noqa: S311 (no secret)
    for _ in range(200):
        number = rng.randint(1, 40)
        layers = [rng.randrange(4) for _ in range(number)]
        links = tuple((rng.randrange(number), rng.randrange(number), 1) for _ in range(rng.randint(0, 80)))
        height = [rng.uniform(5, 30) for _ in range(number)]
        found = columns(layers, links, [1] * number)
        assert sorted(mark for column in found for mark in column) == list(range(number))
        y, tall = stacked(found, links, height)
        for column in found:
            bottom = 0.0
            for mark in column:
                assert y[mark] - height[mark] / 2 >= bottom - 1e-6
                bottom = y[mark] + height[mark] / 2
            assert bottom <= tall + 1e-6


def test_the_order_of_columns_uncrosses_links() -> None:
    layers = [0] * 10 + [1] * 10
    links = tuple((i, 19 - i, 1) for i in range(10))
    left, right = columns(layers, links, list(range(20)))
    assert [19 - mark for mark in left] == right
