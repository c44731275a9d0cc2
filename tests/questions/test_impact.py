"""What a removal means for the names that stay: what breaks, and what more would go. Against brute force."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

import blobkit
from blobkit.questions import impact
from graphs import Graph, droppings, key, node_of, snapshot_of
from layouts import INDEX, Layout, Registry, sha

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@given(droppings())
def test_each_name_frees_so_much_more(case: tuple[Graph, dict[int, list[str]], list[str], bool]) -> None:
    graph, names, chosen, counting = case
    if not chosen:
        return

    def gone(dropped: set[str]) -> set[int]:
        drops = {node: sum(name in dropped for name in found) for node, found in names.items()}
        return graph.recounted(drops) if counting else graph.swept(drops)

    preview = blobkit.simulate_deref(snapshot_of(graph, counting=counting, names=names), chosen)
    base = gone(set(chosen))
    frame = preview.also_drop
    assert list(frame) == ["tag", "bytes", "alone", "extra", "digest", "name", "blobs", "together"]
    others = {name for found in names.values() for name in found} - set(chosen)
    extra = {n: graph.bytes(gone({*chosen, n}) - base) - graph.bytes(gone({n})) for n in others}
    assert {row.tag: row.extra for row in frame.itertuples()} == {n: more for n, more in extra.items() if more > 0}
    assert frame["extra"].is_monotonic_decreasing
    for row in frame.itertuples(index=False):
        more = gone({*chosen, str(row.tag)}) - base
        assert (row.bytes, row.blobs) == (graph.bytes(more), len(more))
        assert (row.name, row.together, row.alone) == (row.tag, row.bytes, graph.bytes(gone({str(row.tag)})))
        only_both = more - gone({str(row.tag)})
        assert graph.sizes[node_of(str(row.digest))] == max(graph.sizes[node] for node in only_both)
    assert preview.breaks == ()


def test_what_frees_no_more_together_than_alone_is_no_advice() -> None:
    graph = Graph([1, 10, 5, 7], [1, 1, 0, 1], {(0, 2), (1, 2), (0, 3)})
    snapshot = snapshot_of(graph, counting=True, names={0: ["a"], 3: ["b"]})
    preview = blobkit.simulate_deref(snapshot, "a")
    assert preview.kept.index.tolist() == [key(3), key(2)]
    assert preview.also_drop.to_dict("records") == [
        {"tag": "b", "bytes": 7, "alone": 0, "extra": 7, "digest": key(3), "name": "b", "blobs": 1, "together": 7}
    ]
    said = "together with b 7 B more (0 B if dropped alone)"
    assert said in str(preview)
    assert said in preview._repr_html_()
    assert json.loads(json.dumps(preview.to_dict()))["also_drop"][0]["extra"] == 7
    graph = Graph([1, 10, 5, 7], [1, 1, 0, 1], {(0, 2), (1, 2)})
    preview = blobkit.simulate_deref(snapshot_of(graph, counting=True, names={0: ["a"], 3: ["b"]}), "a")
    assert preview.also_drop.empty
    assert "together" not in str(preview)
    graph = Graph([1, 10, 5, 0], [1, 1, 0, 0], {(0, 3), (1, 3), (1, 2)})  # only an empty blob goes with both
    preview = blobkit.simulate_deref(snapshot_of(graph, counting=True, names={0: ["a"], 1: ["b"]}), "a")
    assert preview.kept.index.tolist() == [key(3)]
    assert preview.also_drop.empty


def test_a_pin_of_which_one_is_left_still_holds() -> None:
    graph = Graph([1, 2, 4], [2, 1, 0], {(0, 2), (1, 2)})
    snapshot = snapshot_of(graph, counting=True, names={1: ["b"]})
    assert blobkit.simulate_deref(snapshot, key(0)).also_drop.empty
    both = blobkit.simulate_deref(snapshot, key(0), all_pins=True)
    assert both.also_drop[["tag", "bytes", "alone"]].to_numpy().tolist() == [["b", 6, 2]]


def test_more_goes_at_most_while_a_manifest_in_use_cannot_be_read(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.image("a", "shared", "a's")
    layout.image("b", "shared", "b's")
    assert "together with b " in str(blobkit.simulate_deref(layout.scan(), "a"))
    layout.add(layout.blob("no index"), "broken", INDEX)
    assert "together with b at most " in str(blobkit.simulate_deref(layout.scan(), "a"))


def test_what_two_more_names_keep_is_no_advice_for_one(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    for name in "abc":
        registry.push("app", name, "a base layer that is big" * 100, name)
    assert blobkit.simulate_deref(registry.scan(), "app:a").also_drop.empty
    preview = blobkit.simulate_deref(registry.scan(), "app:a", "app:b")
    assert preview.also_drop["tag"].tolist() == ["app:c"]
    every = blobkit.simulate_deref(registry.scan(), "app:a", "app:b", "app:c").bytes
    assert preview.also_drop["bytes"].tolist() == [every - preview.bytes]


@pytest.fixture
def platforms(tmp_path: Path) -> tuple[Registry, str, str]:
    """A tag on an index, and a tag on one of its two manifests, which has a layer of its own."""
    registry = Registry(tmp_path)
    amd, arm = (registry.revision("app", registry.manifest(registry.blob(text))) for text in ("amd", "arm"))
    registry.tag("app", "multi", registry.revision("app", registry.index(amd, arm)))
    registry.tag("app", "amd", amd)
    registry.tag("app", "arm", arm)
    return registry, amd, arm


def test_tags_that_would_no_longer_pull(platforms: tuple[Registry, str, str]) -> None:
    """The collector for untagged manifests looks one level down: the layers of a platform go under its index."""
    registry, *_ = platforms
    preview = blobkit.simulate_deref(registry.scan("gc-m"), "app:amd")
    assert sha(b"amd") in preview.digests
    assert preview.breaks == ("app:multi",)
    assert "these tags could no longer be pulled: app:multi" in str(preview)
    assert preview.to_dict()["breaks"] == ["app:multi"]
    assert "# these tags can no longer be pulled afterwards: app:multi" in preview.script()
    assert blobkit.simulate_deref(registry.scan("tags"), "app:amd").breaks == ()
    assert blobkit.simulate_deref(registry.scan("gc-m"), "app:amd", "app:multi").breaks == ()


def test_a_manifest_that_stays_stored_and_can_no_longer_be_asked_for(platforms: tuple[Registry, str, str]) -> None:
    """Another repository keeps all of it; in this one the index names a manifest that has no link any more."""
    registry, amd, _ = platforms
    registry.tag("other", "amd", registry.revision("other", amd))
    preview = blobkit.simulate_deref(registry.scan("gc"), f"app@{amd}")
    assert not preview
    assert preview.also_untagged == ("app:amd",)
    assert preview.breaks == ("app:multi",)
    whole = blobkit.simulate_deref(registry.scan("gc"), groups=["app"])
    assert "other:amd" not in whole.breaks


def test_an_index_whose_platform_another_repository_kept_complete(platforms: tuple[Registry, str, str]) -> None:
    """This repository has no link to the manifest of its own; the other one's kept the layers, until now."""
    registry, amd, arm = platforms
    registry.tag("other", "multi", registry.revision("other", registry.index(arm, amd)))
    registry.delete("app", amd)
    registry.tag("app", "amd", arm)
    registry.tag("third", "amd", registry.revision("third", amd))
    preview = blobkit.simulate_deref(registry.scan("gc-m"), "third:amd")
    assert sha(b"amd") in preview.digests
    assert preview.breaks == ("app:multi", "other:multi")


def test_nothing_breaks_where_names_hold_what_they_contain(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.add(layout.index(layout.image("x", "content")), "multi", INDEX)
    for policy in ("dependent", "strong", "ignore"):
        assert blobkit.simulate_deref(layout.scan(policy), "x").breaks == ()


def test_no_name_is_looked_for_where_names_hold_what_they_contain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other kinds of stores have other parts of an image; a registry needs none of them."""

    def refuse(_: object) -> None:
        pytest.fail("the holders of all parts were looked for")

    monkeypatch.setattr(impact, "_body_holders", refuse)
    registry = Registry(tmp_path)
    registry.push("app", "1", "content")
    preview = blobkit.simulate_deref(registry.scan(), "app:1")
    assert preview.digests
    assert preview.breaks == ()
