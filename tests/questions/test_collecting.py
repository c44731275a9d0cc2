"""What is said to be done first: `collected`, `waiting`, `same_image`, the title; for every kind of store."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

import blobkit
from blobkit.snapshot.snapshot import build
from graphs import graphs, node_of, snapshot_of
from layouts import DOCKER_MANIFEST, INDEX, GoStore, Layout, Registry, nowhere, sha
from registries import images

if TYPE_CHECKING:
    from pathlib import Path

    from graphs import Graph

HTML_LIMIT = 15_000


def test_a_store_of_our_own_frees_at_once_what_was_promised(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path, durability="off") as store:
        low = store.put(b"low")
        store.put(b"top", tag="t:1", links=[low.digest])
        preview = blobkit.simulate_deref(store, "t:1")
        assert dataclasses.astuple(preview.collected) == (preview.bytes, tuple(sorted(preview.digests)), "blobkit", "")
        assert preview.waiting.empty
        assert preview.title() == "Dropping t:1 frees 2 blobs, 6 B"


def test_it_is_always_there_and_frozen(tmp_path: Path) -> None:
    go = GoStore(tmp_path / "g")
    digest = go.add("content", 1)
    preview = blobkit.simulate_deref(go.scan(), digest)
    assert preview.collected == blobkit.Collected(0, (), "", "")
    assert preview.title().endswith("frees 1 blob, 7 B")
    assert preview.waiting["reason"].tolist() == ["no program drops anything from a go-blobstore store in place"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        preview.collected.bytes = 1  # type: ignore[misc]


@pytest.mark.slow
@given(graphs(), st.booleans())
def test_never_more_than_is_stored_and_never_what_stays_by_name(graph: Graph, counting: bool) -> None:  # noqa: FBT001
    names = {node: [f"n{node}"] for node in graph.pinned()}
    for node in graph.pinned():
        preview = blobkit.simulate_deref(snapshot_of(graph, counting=counting, names=names), f"n{node}")
        gone = {node_of(digest) for digest in preview.collected.digests}
        assert preview.collected.bytes == graph.bytes(gone)
        assert set(preview.waiting.index) == set(preview.digests) - set(preview.collected.digests)
        assert int(preview.waiting["size"].sum()) == preview.bytes - graph.bytes(
            gone & set(map(node_of, preview.digests))
        )


@pytest.fixture
def docker(tmp_path: Path) -> Layout:
    """Two images of docker's types that share a layer: umoci gc would take what the one that stays needs."""
    layout = Layout(tmp_path / "l")
    for name in ("one", "two"):
        image = layout.manifest(layout.blob("shared"), layout.blob(name), mediaType=DOCKER_MANIFEST)
        layout.add(image, name, DOCKER_MANIFEST)
    return layout


def test_a_collector_that_takes_what_stays_is_not_run(docker: Layout) -> None:
    preview = blobkit.simulate_deref(docker.scan(), "one")
    assert sha(b"one") in preview.digests
    assert preview.collected.digests == tuple(sorted(preview.digests))
    assert preview.collection.by_hand
    text = preview.script()
    assert "umoci gc --layout" not in text
    assert "NOTE: files are removed by hand, as policy dependent says: umoci gc would delete" in text
    assert "needed by two" in text
    with pytest.raises(blobkit.UnknownToolError, match=r"umoci gc would delete .* use rm, which removes file by file"):
        blobkit.audit(docker.scan()).script()
    assert "os.replace" in blobkit.audit(docker.scan()).script("rm")


def test_an_unnamed_entry_that_umoci_cannot_drop(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.image("one", "content")
    plain = layout.image(None, "no name")
    preview = blobkit.simulate_deref(layout.scan("strong"), "one", plain)
    assert set(preview.waiting.index) == {plain, sha(b"no name"), layout.config()}
    assert set(preview.waiting["reason"]) <= {"a name that the script cannot drop needs it"}
    assert "umoci gc frees 2 blobs, " in preview.title()
    assert "the rest waits for sha256:" in preview.title()


def test_a_collector_that_stops(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.image("one", "content")
    layout.add(nowhere(1), "broken", INDEX)
    preview = blobkit.simulate_deref(layout.scan(), "one")
    assert (preview.collected.bytes, preview.collected.digests, preview.collected.tool) == (0, (), "umoci")
    assert "umoci gc would abort" in preview.collected.stops
    assert preview.title().startswith("Dropping one frees nothing: umoci gc would abort: ")
    assert len(preview.waiting) == len(preview)
    assert set(preview.waiting["reason"]) == {preview.collected.stops}


def test_text_html_and_json_say_first_what_is_done(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.push("app", "1", "a base layer" * 99, "own")
    registry.revision("app", registry.manifest(registry.blob("a base layer" * 99)))
    preview = blobkit.simulate_deref(registry.scan(), "app:1")
    assert (len(preview.collected.digests), len(preview)) == (2, 4)
    said = "Dropping app:1: registry garbage-collect frees 2 blobs, "
    for text in (str(preview), preview._repr_html_(), preview.title(), preview.script()):
        assert said in text
        assert "; the rest waits for app@sha256:" in text
    body = json.loads(json.dumps(preview.to_dict()))
    assert body["collected"]["bytes"] == preview.collected.bytes < body["bytes"]
    assert body["collected"]["digests"] == list(preview.collected.digests)
    assert list(body).index("collected") < list(body).index("bytes")
    assert {row["digest"] for row in body["waiting"]} == set(preview.waiting.index)
    plan = blobkit.plan(registry.scan(), keep_last=0)
    assert plan.title().startswith("Dropping 1 name: registry garbage-collect frees 2 blobs, ")
    assert json.loads(json.dumps(plan.to_dict()))["collected"] == body["collected"]


def test_names_of_the_same_image(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    image = layout.image("one", "content")
    for name in ("two", "three"):
        layout.add(image, name)
    layout.image("other", "other content")
    preview = blobkit.simulate_deref(layout.scan("strong"), "one")
    assert preview.same_image == ("three", "two")
    every = blobkit.simulate_deref(layout.scan("strong"), "one", "two", "three")
    size = blobkit.render.human_bytes(every.bytes)
    said = f"three, two name the same image and keep it: dropping all of them together frees {size}"
    assert said in str(preview)
    assert said in preview._repr_html_()
    assert preview.to_dict()["same_image"] == ["three", "two"]
    assert every.same_image == ()
    assert "same image" not in str(every)
    two = blobkit.simulate_deref(layout.scan("strong"), "one", "two")
    assert "three names the same image and keeps it: " in str(two)


HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\x1b[31mred\x1b[0m", "\u202egnp", "a\nb")


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_names_of_what_keeps_an_image(hostile: str) -> None:
    """In a snapshot that somebody made: names of repositories, tags and revisions."""
    names = [hostile * 20 + str(i) for i in range(40)]
    nodes = {"key": [nowhere(1), nowhere(2), nowhere(3), f"{hostile}@{nowhere(3)}"], "size": [10, 900, 10, 0]}
    nodes |= {"kind": ["manifest", "layer", "manifest", "unknown"], "stored": ["yes", "yes", "yes", "virtual"]}
    pins = {
        "node": [0, *[0] * 40, 3],
        "name": ["app:1", *names, f"{hostile}@{nowhere(3)}"],
        "kind": [*["tag"] * 41, "revision"],
        "group": ["app", *[hostile] * 40, hostile],
    }
    links = {"source": [0, 3, 2, 3], "target": [1, 2, 1, 1], "kind": ["layer", "revision", "layer", "mark"]}
    snapshot = build("registry", "made", nodes=nodes, links=links, pins=pins)
    for targets in (["app:1"], ["app:1", *names]):
        preview = blobkit.simulate_deref(snapshot, *(f"tag:{name}" for name in targets))
        html = preview._repr_html_()
        assert len(html.encode()) < HTML_LIMIT
        assert "<script" not in html
        assert "<img" not in html
        for text in (html, str(preview).replace("\n", ""), preview.title()):
            assert not any(char in text for char in ("\x1b", "\u202e", "\n"))


def test_the_same_answer_at_a_hundred_thousand_blobs() -> None:
    """Asking again builds no graph again: the view of the collector is kept with the snapshot."""
    snapshot = images(5000)
    names = blobkit.tags_frame(snapshot).index[:3]
    found = [blobkit.simulate_deref(snapshot, name) for name in names]
    assert all(preview.title() for preview in found)
    assert len({id(preview.collection.snapshot) for preview in found}) == 1
