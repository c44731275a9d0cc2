"""What a preview says: what goes, what stays and why, how sure that is, and how it looks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import given

import blobkit
from graphs import Graph, droppings, key, node_of, snapshot_of
from layouts import INDEX, MANIFEST, Layout, Registry, nowhere, sha

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.questions.preview import Preview

HTML_LIMIT = 15_000


@pytest.mark.slow
@given(droppings())
def test_kept_and_freed(case: tuple[Graph, dict[int, list[str]], list[str], bool]) -> None:
    graph, names, chosen, counting = case
    if not chosen:
        return
    preview = blobkit.simulate_deref(snapshot_of(graph, counting=counting, names=names), chosen)
    drops = {node: sum(name in chosen for name in found) for node, found in names.items()}
    gone = graph.recounted(drops) if counting else graph.swept(drops)
    assert set(map(node_of, preview.digests)) == gone
    assert (preview.bytes, len(preview), bool(preview)) == (graph.bytes(gone), len(gone), bool(gone))
    dropped = [node for node, count in drops.items() if count]
    reached = graph.reached(dropped)
    kept = preview.kept
    assert set(map(node_of, kept.index)) == reached - gone
    distance = graph.depths(dropped)
    left = {node: [name for name in found if name not in chosen] for node, found in names.items()}
    alive = graph.reached(graph.pinned()) - gone
    for digest, row in kept.iterrows():
        node = node_of(str(digest))
        assert row["level"] == distance[node]
        holders = [key(above) for above in sorted(graph.into[node] & alive)]
        assert row["holders"] == (*holders, *sorted(left.get(node, [])))
        needed = [
            name for root, found in left.items() for name in found if node in graph.reached([root]) and root in alive
        ]
        assert row["still_needed_by"] == tuple(sorted(needed))


@pytest.mark.slow
@given(droppings())
def test_frames_agree_with_figures(case: tuple[Graph, dict[int, list[str]], list[str], bool]) -> None:
    graph, names, chosen, counting = case
    if not chosen:
        return
    preview = blobkit.simulate_deref(snapshot_of(graph, counting=counting, names=names), chosen)
    frame = preview.freed
    assert preview.frame is frame
    assert tuple(frame.index) == preview.digests
    by_level = frame.groupby("level")["size"].agg(["count", "sum"])
    assert preview.levels == tuple(map(tuple, by_level.to_numpy().tolist()))
    assert frame.reset_index()[["level", "digest"]].apply(tuple, axis=1).is_monotonic_increasing or frame.empty
    assert preview.kept["size"].is_monotonic_decreasing
    assert preview.exact
    assert preview.certain_bytes == preview.bytes
    assert [str(frame[name].dtype) for name in frame] == ["int64", "int64", "category", "object"]
    assert {(one.index.name, str(one.index.dtype)) for one in (frame, preview.kept)} == {("digest", "str")}
    assert list(preview.kept) == [*frame, "holders", "still_needed_by"]


def test_a_chain_of_images_level_by_level(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    image = layout.manifest(layout.blob("layer"))
    layout.add(layout.index(image), "x", INDEX)
    preview = blobkit.simulate_deref(layout.scan(), "x")
    assert preview.freed["kind"].tolist() == ["index", "manifest", *preview.freed["kind"].tolist()[2:]]
    assert [blobs for blobs, _ in preview.levels] == [1, 1, 2]


@pytest.fixture
def doubtful(tmp_path: Path) -> Layout:
    """An image whose tag may go, while another root is an index that cannot be read."""
    layout = Layout(tmp_path)
    layout.image("x", "content")
    layout.add(nowhere(1), "broken", INDEX)
    return layout


def test_an_upper_bound_while_what_remains_cannot_be_read(doubtful: Layout) -> None:
    preview = blobkit.simulate_deref(doubtful.scan(), "x")
    assert not preview.exact
    assert preview.opaque == (nowhere(1),)
    assert preview.bytes == doubtful.scan().bytes
    assert preview.certain_bytes == 0
    assert "at most" in str(preview)
    assert nowhere(1)[:19] in str(preview)
    assert not preview.to_dict()["exact"]


def test_exact_once_what_cannot_be_read_is_dropped_too(doubtful: Layout) -> None:
    preview = blobkit.simulate_deref(doubtful.scan(), "x", "broken")
    assert preview.exact
    assert preview.certain_bytes == preview.bytes == doubtful.scan().bytes


def test_an_opaque_document_cannot_hold_what_contains_it(tmp_path: Path) -> None:
    """What links to it down a chain of digests was made after it, so it goes for sure; what lies beside does not."""
    layout = Layout(tmp_path)
    inner = layout.to(layout.drop(layout.manifest(layout.blob("inner"))), "application/vnd.oci.image.index.v1+json")
    beside = layout.manifest(layout.blob("beside"))
    outer = layout.index(inner, beside)
    layout.add(outer, "x", INDEX)
    layout.add(str(inner["digest"]), "y", INDEX)
    preview = blobkit.simulate_deref(layout.scan(), "x")
    assert not preview.exact
    assert preview.certain_bytes == layout.size(outer)
    assert preview.bytes == layout.size(outer, beside, sha(b"beside"), layout.config())


def test_an_opaque_document_may_hold_a_referrer_that_contains_it(tmp_path: Path) -> None:
    """What refers to something that it may list hangs on that, though it contains the document itself."""
    layout = Layout(tmp_path)
    subject = layout.manifest(layout.blob("subject"))
    inner = layout.to(layout.index(subject), INDEX)
    layout.add(layout.index(inner, subject=layout.to(subject, MANIFEST)), "x", INDEX)
    layout.add(str(inner["digest"]), "y", INDEX)
    assert not blobkit.simulate_deref(layout.scan(), "x")
    layout.drop(str(inner["digest"]))
    preview = blobkit.simulate_deref(layout.scan(), "x")
    assert (len(preview), preview.exact, preview.certain_bytes) == (1, False, 0)
    assert blobkit.simulate_deref(layout.scan("strong"), "x").certain_bytes == preview.bytes


def test_nothing_goes(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.add(layout.image("x", "content"), "y")
    preview = blobkit.simulate_deref(layout.scan(), "x")
    assert not preview
    assert (preview.bytes, preview.digests, preview.levels) == (0, (), ())
    assert preview.freed.empty
    assert len(preview.kept) == 3
    assert "frees 0 blobs, 0 B" in str(preview)
    assert preview._repr_html_()


def test_it_names_its_snapshot_time_and_policy(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.image("x", "content")
    snapshot = layout.scan()
    preview = blobkit.simulate_deref(snapshot, "x", policy="strong")
    for shown in (str(preview), preview._repr_html_()):
        assert str(tmp_path) in shown
        assert f"{snapshot.time:%Y-%m-%d %H:%M:%S} UTC" in shown
        assert "policy strong" in shown


def test_to_dict_is_json(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    image = registry.push("r", "1", "content")
    preview = blobkit.simulate_deref(registry.scan("gc"), f"r@{image}")
    body = json.loads(json.dumps(preview.to_dict()))
    assert body["targets"] == [f"r@{image}"]
    assert body["also_untagged"] == ["r:1"]
    assert (body["bytes"], body["blobs"], body["digests"]) == (preview.bytes, 3, list(preview.digests))
    assert body["levels"] == [{"blobs": blobs, "bytes": size} for blobs, size in preview.levels]
    assert (body["exact"], body["certain_bytes"], body["policy"]) == (True, preview.bytes, "gc")


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\x1b[31mred\x1b[0m",
    "\u202egnp",
    "a\nb",
    "&amp;'",
)


def check_html(preview: Preview) -> None:
    html = preview._repr_html_()
    assert len(html.encode()) < HTML_LIMIT
    assert "<script" not in html.lower()
    assert "http" not in html
    assert "<img" not in html
    assert not any(char in html + str(preview).replace("\n", "") for char in ("\x1b", "\u202e", "\x00"))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path, name: str) -> None:
    layout = Layout(tmp_path)
    layout.add(layout.image(name, "content"), name * 2)
    preview = blobkit.simulate_deref(layout.scan("strong"), name, name * 2)
    check_html(preview)
    assert len(preview) == 3
    assert "\n".join(str(preview).split("\n")).isprintable() is False  # only the line ends are not
    assert str(preview).replace("\n", "").isprintable()
    assert preview.targets == (name, name * 2)


@pytest.mark.parametrize("char", ["'", "\U000e0001", "<", "\x00", "ü"])
def test_html_stays_small_whatever_names_there_are(tmp_path: Path, char: str) -> None:
    layout = Layout(tmp_path / ("d" * 200))
    names = [f"{i}{char * 500}" for i in range(15)]
    for i, name in enumerate(names):
        image = layout.image(name, f"content {i}")
        for more in range(3):
            layout.add(image, f"{name}{more}")
        layout.drop(sha(f"content {i}".encode()))
    check_html(blobkit.simulate_deref(layout.scan("strong"), "*"))


def test_many_notices_do_not_drown_the_answer(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.add(layout.manifest(*({"digest": nowhere(i), "size": 1} for i in range(500))), "y")
    layout.image("x", "content")
    preview = blobkit.simulate_deref(layout.scan("strong"), "x")
    check_html(preview)
    assert len(preview.notices) == 500
    assert len(str(preview).splitlines()) < 30
    assert "more" in str(preview)


def test_frames_are_frames(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.image("x", "content")
    preview = blobkit.simulate_deref(layout.scan(), "x")
    assert isinstance(preview.freed, pd.DataFrame)
    assert preview.freed.loc[preview.freed["kind"] == "manifest", "tags"].tolist() == [("x",)]
