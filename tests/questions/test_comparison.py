"""What a collector removes and breaks: what real runs of it did, and sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import blobkit
from blobkit.analysis.compiling import Kernel
from blobkit.errors import UnknownToolError
from blobkit.questions.comparison import compare_gc
from blobkit.snapshot.snapshot import build
from effort import TORTURE
from example_shapes import Shapes
from layouts import Registry
from registries import images

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit import Comparison
    from blobkit.snapshot.snapshot import Snapshot
    from conftest import Dataset

HTML_LIMIT = 15_000


@pytest.mark.slow
def test_what_garbage_collect_m_did_to_a_real_registry(dataset: Callable[[str], Dataset]) -> None:
    root, oracle = dataset("dev-registry")
    answer = compare_gc(root, "registry-m")
    assert set(answer.frame.index) == set(oracle["gc_real_m"]["blobs"])
    assert (answer.bytes, len(answer)) == (oracle["gc_real_m"]["bytes"], 22)
    wrong = oracle["gc_m_deletes_still_reachable_from_tags"]
    needed = answer.frame[answer.frame["needed"]]
    assert set(needed.index) == set(wrong["digests"])
    assert (len(needed), needed["size"].sum(), answer.needed_bytes) == (11, 83_147, wrong["bytes"])
    assert answer.kept_bytes == 0
    after = oracle["pull_check_all_tags"]["broken_after_gc_m"]
    broken = answer.broken.set_index("tag")["unlinked"].to_dict()
    assert {name: f"{children} broken children" for name, children in broken.items()} == after
    assert set().union(*needed["still_needed_by"]) == set(after)


@pytest.mark.slow
def test_what_garbage_collect_did_to_a_real_registry(dataset: Callable[[str], Dataset]) -> None:
    root, oracle = dataset("dev-registry")
    answer = compare_gc(root, "registry")
    assert set(answer.frame.index) == set(oracle["gc_real"]["blobs"])
    assert answer.bytes == oracle["gc_real"]["bytes"]
    assert (answer.needed_bytes, len(answer.broken)) == (0, 0)
    kept = set(oracle["semantic_garbage_roots_tags"]["digests"]) - set(oracle["gc_real"]["blobs"])
    assert set(answer.kept.index) == kept
    assert answer.kept_bytes == answer.kept["size"].sum() == 1_071_615 - 40_425


def test_what_umoci_gc_did_to_a_real_layout(dataset: Callable[[str], Dataset]) -> None:
    root, oracle = dataset("dev-oci-layout")
    answer = compare_gc(root, "umoci")
    assert set(answer.frame.index) == set(oracle["garbage"]["digests"])
    assert answer.bytes == oracle["garbage"]["bytes"]
    assert answer.broken["tag"].tolist() == ["web-2.0"]


def test_it_says_first_that_the_tool_would_abort(dataset: Callable[[str], Dataset]) -> None:
    root, _ = dataset("dev-pitfalls")
    told = compare_gc(root / "junk", "umoci")
    assert told.aborts
    assert told.notices[: len(told.aborts)] == told.aborts
    assert "umoci gc would abort; else it removes" in str(told).splitlines()[0]
    assert "would abort" in str(told).splitlines()[1]


Facts = tuple[list[tuple[str, str]], list[tuple[int, int, str]], list[tuple[int, str, str, str]]]


@st.composite
def registries(draw: st.DrawFn) -> tuple[Snapshot, dict[str, object]]:
    """A registry of any shape: indexes, images, layers, repositories that know manifests, tags, unknown revisions."""
    images_, layers = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    indexes = draw(st.integers(0, 3))
    index_ids, image_ids = range(indexes), range(indexes, indexes + images_)
    layer_ids = range(indexes + images_, indexes + images_ + layers)
    manifests = [*index_ids, *image_ids]
    below: dict[int, set[int]] = {i: draw(st.sets(st.sampled_from(image_ids), max_size=3)) for i in index_ids}
    below |= {i: draw(st.sets(st.sampled_from(layer_ids), max_size=3)) for i in image_ids}
    known = {r: draw(st.sets(st.sampled_from(manifests))) for r in ("a", "b")}
    tags = draw(st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), st.sampled_from(manifests)))
    return registry(indexes, indexes + images_ + layers, below, known, tags)


def registry(
    indexes: int,
    blobs: int,
    below: dict[int, set[int]],
    known: dict[str, set[int]],
    tags: dict[tuple[str, str], int],
) -> tuple[Snapshot, dict[str, object]]:
    """A registry: first come its indexes, then the images, then the layers; `below` is what each document lists."""
    virtual_nodes = [(repository, node) for repository, nodes in known.items() for node in sorted(nodes)]
    place = {pair: blobs + i for i, pair in enumerate(virtual_nodes)}
    links = [(i, j, "child" if i < indexes else "layer") for i, targets in below.items() for j in targets]
    links += [(place[pair], pair[1], "revision") for pair in virtual_nodes]
    links += [(place[pair], j, "mark") for pair in virtual_nodes for j in below[pair[1]]]
    pins = [(node, f"{r}:{name}", "tag", r) for (r, name), node in tags.items()]
    pins += [(place[r, node], f"{r}@{node}", "revision", r) for r, node in virtual_nodes]
    pins += [
        (place[r, node], f"{r}:{name}", "tagged-revision", r) for (r, name), node in tags.items() if node in known[r]
    ]
    snapshot = build(
        "registry",
        "random",
        nodes={
            "key": [f"n{i:02}" for i in range(blobs)] + [f"s{r}@{node}" for r, node in virtual_nodes],
            "size": [1 << i for i in range(blobs)] + [0] * len(virtual_nodes),
            "stored": ["yes"] * blobs + ["virtual"] * len(virtual_nodes),
        },
        links={end: [link[at] for link in links] for at, end in enumerate(("source", "target", "kind"))},
        pins={end: [pin[at] for pin in pins] for at, end in enumerate(("node", "name", "kind", "group"))},
    )
    return snapshot, {"below": below, "known": known, "tags": tags, "blobs": blobs}


HARD = (3, 9, {0: {3, 4}, 1: {4}, 2: {3}, 3: {6, 7}, 4: {7}, 5: {8}}, {"a": {0, 1, 3, 5}, "b": {2, 4}})
"""An index whose images no repository knows: its tags, four of them, lose layers by either collector."""
TAGGED = {("a", "x"): 0, ("a", "y"): 0, ("a", "z"): 0, ("b", "x"): 0, ("a", "w"): 1}


def reach(below: dict[int, set[int]], node: int) -> set[int]:
    return {node}.union(*(reach(below, target) for target in below.get(node, ())))


@pytest.mark.slow
def test_any_registry() -> None:
    shapes = Shapes()

    @settings(max_examples=40 * TORTURE)
    @given(registries(), st.booleans())
    @example(registry(*HARD, TAGGED), True)  # noqa: FBT003 (the second argument of the test)
    @example(registry(*HARD, {("b", "y"): 4}), True)  # noqa: FBT003
    @example(registry(*HARD, {**TAGGED, ("b", "y"): 2}), False)  # noqa: FBT003
    def each(case: tuple[Snapshot, dict], untagged: bool) -> None:  # type: ignore[type-arg]  # noqa: FBT001 (hypothesis gives it)
        compared(*case, untagged=untagged, shapes=shapes)

    each()
    shapes.check()


def compared(snapshot: Snapshot, facts: dict, *, untagged: bool, shapes: Shapes) -> None:  # type: ignore[type-arg]
    below, known, tags = facts["below"], facts["known"], facts["tags"]
    marked: set[int] = set()
    gone: set[tuple[str, int]] = set()
    for repository, nodes in known.items():
        for node in nodes:
            if untagged and not any(r == repository and node == on for (r, _), on in tags.items()):
                gone.add((repository, node))
            else:
                marked |= {node} | below[node]
    removed = set(range(facts["blobs"])) - marked
    reached = {f"{r}:{name}": reach(below, node) for (r, name), node in tags.items()}
    needed = set().union(*reached.values())

    answer = compare_gc(snapshot, "registry-m" if untagged else "registry")
    number = {f"n{node:02}": node for node in range(facts["blobs"])}
    frame = answer.frame
    assert {number[digest] for digest in frame.index} == removed
    assert {number[digest] for digest in frame.index[frame["needed"]]} == removed & needed
    for digest, names, few in zip(frame.index, frame["names"], frame["still_needed_by"], strict=True):
        holders = {name for name, nodes in reached.items() if number[digest] in nodes}
        assert names == len(holders)
        assert set(few) <= holders
        assert len(few) == min(3, len(holders))
        assert few == tuple(sorted(few))
    assert answer.bytes == sum(1 << node for node in removed)
    assert answer.needed_bytes == sum(1 << node for node in removed & needed)
    assert {number[digest] for digest in answer.kept.index} == marked - needed
    expected = {
        name: (
            len(nodes & removed),
            sum(1 << node for node in nodes & removed),
            sum((name.split(":")[0], node) in gone for node in nodes),
        )
        for name, nodes in reached.items()
    }
    found = {name: tuple(row) for name, *row, _ in answer.broken.itertuples(index=False)}
    assert found == {name: lost for name, lost in expected.items() if any(lost)}
    shapes.see(
        removed=removed - needed,
        needed=removed & needed,
        shared=any(len([name for name in reached if node in reached[name]]) > 3 for node in removed),
        kept=marked - needed,
        unlinked=gone,
        unlinked_below_a_tag=any(row[2] for row in expected.values()),
        whole=reached and not any(map(any, expected.values())),
        indexes=any(node in below and below[node] & set(below) for nodes in known.values() for node in nodes),
    )
    check(answer)


def check(answer: Comparison) -> None:
    """What holds of every comparison."""
    frame = answer.frame
    assert frame.columns.tolist() == ["size", "kind", "needed", "still_needed_by", "names"]
    assert (frame.index.name, frame.index.is_unique) == ("digest", True)
    assert (frame["size"].dtype, frame["needed"].dtype, frame["names"].dtype) == (np.int64, np.bool_, np.int64)
    assert answer.broken.columns.tolist() == ["tag", "blobs", "bytes", "unlinked", "name"]
    assert blobkit.to_frame(answer) is frame
    order = list(zip(~frame["needed"], -frame["size"], strict=True))
    assert order == sorted(order)
    assert (len(answer), bool(answer), answer.bytes) == (len(frame), len(frame) > 0, frame["size"].sum())
    assert (frame["names"] > 0).equals(frame["needed"])
    plain = json.loads(json.dumps(answer.to_dict()))
    assert (plain["bytes"], plain["needed_bytes"], plain["kept_bytes"]) == (
        answer.bytes,
        answer.needed_bytes,
        answer.kept_bytes,
    )
    assert len(plain["removed"]) == len(frame)
    assert answer.snapshot.caption() in str(answer)
    assert len(answer._repr_html_()) < HTML_LIMIT


def test_a_pin_without_a_name_needs_what_it_reaches() -> None:
    """Umoci does not follow a subject to its referrer, which lives with it."""
    snapshot = build(
        "oci",
        "layout",
        nodes={"key": ["sha256:aa", "sha256:bb"], "size": [5, 7]},
        links={"source": [0], "target": [1], "kind": ["referrer"]},
        pins={"node": [0], "name": [None], "kind": "entry"},
    )
    answer = compare_gc(snapshot, "umoci")
    assert answer.frame["still_needed_by"].tolist() == [("sha256:aa",)]
    assert answer.broken.to_dict("records") == [
        {"tag": "sha256:aa", "blobs": 1, "bytes": 7, "unlinked": 0, "name": "sha256:aa"}
    ]
    check(answer)


def test_a_manifest_that_cannot_be_read_makes_what_is_needed_a_lower_bound() -> None:
    snapshot = build(
        "oci",
        "layout",
        nodes={"key": ["sha256:aa", "sha256:bb"], "size": [5, 7], "opaque": [True, False]},
        links={"source": [], "target": [], "kind": []},
        pins={"node": [0], "name": ["x"], "kind": "entry"},
    )
    notice = compare_gc(snapshot, "umoci").notices[-1]
    assert "sha256:aa" in notice
    assert "more blobs than shown may be needed" in notice


@pytest.mark.parametrize("repositories", ["a", "ab", "abc"])
def test_a_platform_that_any_number_of_repositories_lose(tmp_path: Path, repositories: str) -> None:
    registry = Registry(tmp_path)
    child = registry.manifest(registry.blob("layer"))
    index = registry.index(child)
    for repository in repositories:
        registry.tag(repository, "x", registry.revision(repository, index))
        registry.revision(repository, child)
    registry.push("keeps", "y", "layer", annotations={"the": "other"})
    broken = compare_gc(registry.scan(), "registry-m").broken
    assert broken["blobs"].sum() == 0
    assert dict(zip(broken["name"], broken["unlinked"], strict=True)) == {f"{name}:x": 1 for name in repositories}


def test_names_of_strangers_are_escaped() -> None:
    snapshot = build(
        "oci",
        "layout",
        nodes={"key": ["sha256:aa", "sha256:bb"], "size": [5, 7]},
        links={"source": [0], "target": [1], "kind": ["referrer"]},
        pins={"node": [0], "name": ["<script>\x1b[31m" + "y" * 5000], "kind": "entry"},
    )
    answer = compare_gc(snapshot, "umoci")
    assert "<script>" not in answer._repr_html_()
    assert "\x1b" not in str(answer)
    check(answer)


@pytest.mark.parametrize(
    ("kind", "tool", "words"),
    [
        ("registry", "umoci", "use registry or registry-m"),
        ("oci", "registry-m", "use umoci"),
        ("go-blobstore", "umoci", "no tool's collector is known for it"),
        ("blobkit", "umoci", "scan oci:PATH for umoci"),
        ("registry", "crane", "use one of umoci, registry, registry-m"),
    ],
)
def test_a_tool_that_does_not_fit_is_refused(kind: str, tool: str, words: str) -> None:
    empty = {"key": [], "size": []}
    none: dict[str, list[str]] = {"source": [], "target": [], "kind": []}
    snapshot = build(kind, "x", nodes=empty, links=none, pins={"node": [], "name": [], "kind": []})
    with pytest.raises(UnknownToolError, match=words):
        compare_gc(snapshot, tool)


def test_an_empty_store(tmp_path: Path) -> None:
    (tmp_path / "docker/registry/v2/blobs").mkdir(parents=True)
    (tmp_path / "docker/registry/v2/repositories").mkdir()
    answer = compare_gc(f"registry:{tmp_path}", "registry-m")
    assert not answer
    assert len(answer.broken) == 0
    check(answer)


@pytest.mark.slow
def test_compiled_is_as_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = images(300)
    plain = blobkit.compare_gc(snapshot, "registry")
    monkeypatch.setattr(Kernel, "price", 0)
    again = blobkit.compare_gc(snapshot, "registry")
    assert again.frame.equals(plain.frame)
    assert again.broken.equals(plain.broken)
    assert len(plain.frame)
    assert plain.frame["names"].sum() > 0
