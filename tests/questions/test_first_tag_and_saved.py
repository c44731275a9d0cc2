"""The columns `first_tag` and `saved`, by brute force over the names and the manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given

import blobkit
from blobkit.analysis import groups as analysis
from blobkit.snapshot.snapshot import build
from graphs import Graph, key, named_graphs, snapshot_of
from layouts import Registry, sha

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Dataset


@pytest.mark.slow
@pytest.mark.parametrize("counting", [False, True])
@pytest.mark.parametrize("listed", [1 << 18, 0])
@given(named_graphs())
def test_the_name_with_the_smallest_closure(
    counting: bool,  # noqa: FBT001 (pytest gives it by name)
    listed: int,
    case: tuple[Graph, dict[int, list[str]], object],
) -> None:
    graph, names, _ = case
    snapshot = snapshot_of(graph, counting=counting, names=names)
    roots: dict[str, list[int]] = {}
    for node, found in names.items():
        for name in found:
            roots.setdefault(name, []).append(node)
    reached = {name: graph.reached(nodes) for name, nodes in roots.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "LISTED_ALWAYS", listed)
        patch.setattr(analysis, "LISTED_PER_LINK", 4 if listed else 0)
        frame = blobkit.to_frame(snapshot, columns=["first_tag"], virtual=True)
    assert str(frame["first_tag"].dtype) == "str"
    for node in range(len(graph)):
        among = [(graph.bytes(nodes), name) for name, nodes in reached.items() if node in nodes]
        digest = key(node)
        assert frame.loc[digest, "first_tag"] == (min(among)[1] if among else "")


def test_a_layer_is_called_by_the_image_that_brought_it(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("shop/web", "1", "debian", "the web application")
    base = registry.push("base/debian", "12", "debian")
    registry.tag("base/debian", "latest", base)
    registry.push("shop/worker", "1", "debian", "the web application", "and more of it")
    frame = blobkit.to_frame(tmp_path, columns=["size", "kind", "first_tag", "saved"])
    layer = frame.loc[sha(b"debian")]
    assert (layer["first_tag"], layer["saved"]) == ("base/debian:12", 2 * len("debian"))
    shared = frame.loc[sha(b"the web application")]
    assert (shared["first_tag"], shared["saved"]) == ("shop/web:1", len("the web application"))
    assert frame.loc[sha(b"and more of it"), "saved"] == 0
    assert frame["saved"].sum() == 2 * len("debian") + len("the web application")


def test_uses_are_reachable_manifests_once_each() -> None:
    """Of five manifests one is garbage, one lists the layer twice, one names it as its config, two are plain."""
    snapshot = build(
        "oci",
        "/s",
        nodes={
            "key": [key(i) for i in range(8)],
            "size": [1, 1, 1, 1, 1, 100, 1, 50],
            "kind": ["manifest"] * 5 + ["layer", "index", "layer"],
        },
        links={
            "source": [0, 1, 1, 2, 3, 4, 6, 6, 0],
            "target": [5, 5, 5, 5, 5, 5, 5, 4, 7],
            "kind": ["layer", "layer", "layer", "config", "layer", "layer", "layer", "child", "layer"],
        },
        pins={"node": [0, 1, 3, 6], "name": list("abcd"), "kind": ["entry"] * 4},
    )
    assert blobkit.to_frame(snapshot, columns="saved")["saved"].to_dict() == {
        **{key(i): 0 for i in range(8)},
        key(5): 100 * (4 - 1),
    }


def test_saved_of_a_real_registry(dataset: Callable[[str], Dataset]) -> None:
    root, _ = dataset("dev-registry")
    snapshot = blobkit.scan(root)
    graph, frame = blobkit.to_graph(snapshot), blobkit.to_frame(snapshot)
    for digest, saved in blobkit.to_frame(snapshot, columns="saved")["saved"].items():
        users = [
            d for d in graph.predecessors(digest) if frame.loc[d, "reachable"] and frame.loc[d, "kind"] == "manifest"
        ]
        is_layer = frame.loc[digest, "kind"] == "layer"
        assert saved == (frame.loc[digest, "size"] * max(len(users) - 1, 0) if is_layer else 0)


def test_they_are_given_where_they_are_asked_for(tmp_path: Path) -> None:
    Registry(tmp_path).push("a", "1", "x")
    assert not {"first_tag", "saved"} & set(blobkit.to_frame(tmp_path))
    assert list(blobkit.reach(tmp_path, "a:1", columns=["first_tag", "saved"])) == ["depth", "first_tag", "saved"]
    with pytest.raises(ValueError, match=r"it has size, .*first_tag, saved"):
        blobkit.to_frame(tmp_path, columns="saves")
