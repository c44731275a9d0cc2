"""The explorer by its protocol, without a browser: what it answers equals simulate_deref, and stays small."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blobkit
from blobkit import demo
from blobkit.analysis.tree import tree
from blobkit.render import human_bytes
from blobkit.snapshot.lookups import numbers_of
from blobkit.snapshot.snapshot import build
from explorer_pages import VIEW, FakePage
from layouts import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

NAMES = 11


@cache
def images() -> Snapshot:
    return demo.small().snapshot()


@cache
def truth(names: tuple[str, ...]) -> blobkit.Preview | None:
    return blobkit.simulate_deref(images(), *names) if names else None


def freed(reply: dict[str, Any]) -> int:
    return int(reply["result"]["title"].partition(" ")[0].replace(",", ""))


def tick(*labels: int, on: bool = True) -> dict[str, object]:
    return {"act": "tick", "labels": list(labels), "on": on}


def every(**view: object) -> dict[str, object]:
    return {"act": "all", "on": True, "view": VIEW | view}


def check(page: FakePage, reply: dict[str, Any], ticked: set[str]) -> None:
    """Compare an answer with previews of these names."""
    names = tuple(sorted(ticked))
    preview = truth(names)
    size = 0 if preview is None else preview.bytes
    assert page.widget.value == names
    if preview is not None:
        assert freed(reply) == size
        assert f"{human_bytes(size)}, {len(preview):,} blob" in "".join(reply["result"]["say"])
    parts = {part: value for part, value, _ in reply["result"]["parts"]}
    assert sum(parts.values()) == images().bytes
    assert parts["go"] == size
    assert parts.get("stay", 0) == (0 if preview is None else int(preview.kept["size"].sum()))
    top = reply["picture"]["blocks"][0]
    assert top[3:5] == [images().bytes, size]
    for row in page.rows(reply):
        if row["kind"] == 0:
            more = truth(tuple(sorted({*names, full(row)})))
            assert row["next"] == (0 if more is None else more.bytes) - size
            assert row["on"] == (full(row) in ticked)
    for chip in reply["result"]["chips"]:
        if len(chip["act"]["labels"]) == 1 and (label := chip["act"]["labels"][0]) < NAMES:
            more = truth(tuple(sorted({*names, name_of(label)})))
            assert more is not None
            assert chip["text"][1] == human_bytes(more.bytes - size)


def full(row: dict[str, Any]) -> str:
    return name_of(int(row["label"]))


def name_of(label: int) -> str:
    return str(images().pins["name"][int(tree(images()).row[label])])


def names_below(label: int) -> set[str]:
    places = tree(images())
    below = range(NAMES) if label >= NAMES else [label]
    return {name_of(one) for one in below if one == label or places.parent[one] == label}


LABELS = st.integers(0, NAMES + len(tree(images()).repositories) - 1)
CLICKS = st.one_of(
    st.tuples(st.just("tick"), LABELS, st.booleans()),
    st.tuples(st.just("all"), st.sampled_from(["", "web", "*:1", "[0-9]2"]), st.booleans()),
    st.tuples(st.just("range"), LABELS, LABELS),
    st.tuples(st.sampled_from(["undo", "redo", "clear"])),
)


def test_a_few_clicks_equal_simulate_deref() -> None:
    play([("tick", 6, True), ("range", 9, 13), ("undo",), ("all", "web", True), ("tick", 15, False), ("redo",)], "next")


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(CLICKS, max_size=8), st.sampled_from(["alone", "next", "name"]))
def test_random_clicks_equal_simulate_deref(clicks: list[tuple[Any, ...]], sort: str) -> None:
    play(clicks, sort)


def play(clicks: list[tuple[Any, ...]], sort: str) -> None:
    """Do these clicks, and compare each answer with a preview of what is ticked then."""
    page, opened = FakePage.of(images()), list(range(NAMES, NAMES + len(tree(images()).repositories)))
    view: dict[str, object] = {"sort": sort, "open": opened}
    past: list[set[str]] = []
    future: list[set[str]] = []
    ticked: set[str] = set()
    for click in clicks:
        before = set(ticked)
        match click:
            case ("tick", label, on):
                act: dict[str, object] = tick(label, on=on)
                ticked = ticked | names_below(label) if on else ticked - names_below(label)
            case ("all", search, on):
                act = {"act": "all", "on": on, "view": VIEW | {"search": search}}
                some = {name_of(i) for i in range(NAMES)}
                if search:
                    rows = blobkit.tags_frame(images()).index
                    regex = {"web": "web", "*:1": ":1", "[0-9]2": "[0-9]2"}[search]
                    some = set(rows[rows.str.contains(regex)])
                ticked = ticked | some if on else ticked - some
            case ("range", first, last):
                act = {"act": "range", "from": first, "to": last, "on": True, "view": VIEW | view}
                rows = [int(row["label"]) for row in page.rows(page.act(**view))]
                a, b = sorted((rows.index(first), rows.index(last)))
                ticked = ticked.union(*map(names_below, rows[a : b + 1]))
            case ("clear",):
                act, ticked = {"act": "clear"}, set()
            case _:
                act = {"act": click[0]}
        if click[0] in {"undo", "redo"}:
            one, two = (past, future) if click[0] == "undo" else (future, past)
            if one:
                two.append(before)
                ticked = one.pop()
        elif ticked != before:
            past.append(before)
            future.clear()
        reply = page.act(act, **view)
        check(page, reply, ticked)
        assert (reply["result"]["undo"], reply["result"]["redo"]) == (bool(past), bool(future))


def test_the_first_answer_shows_the_store() -> None:
    page = FakePage.of(images())
    reply = page.act()
    assert "".join(reply["result"]["say"]) == "27.5 KiB in 11 tags of 6 repositories: tick what you would delete"
    assert [row["name"] for row in page.rows(reply)][:2] == ["shop/worker", "shop/web"]
    assert sum(size for _, size, _ in reply["result"]["ages"]) == int(blobkit.tags_frame(images())["exclusive"].sum())
    assert "ages" not in page.act()["result"]


def test_what_travels_is_small_and_does_not_grow_with_the_store() -> None:
    page = FakePage.of(many(3_000))
    code = len(page.widget._esm) + len(page.widget._css)
    assert code + page.size(page.act()) < 50_000
    assert page.size(page.act(tick(3), flat=True)) < 10_000
    assert page.size(page.act(every())) < 10_000
    assert not any("value" in key or "preview" in key for key in page.widget.get_state())


def many(n: int) -> Snapshot:
    """A store of very many equal repositories, none of which has a wide block."""
    names = [f"team-{i % 40:02}/service-with-a-long-name-{i:06}:2026-01-{i % 28:02}" for i in range(n)]
    keys = [f"sha256:{i:064x}" for i in range(n)]
    pins = {"node": list(range(n)), "name": names, "group": [name.partition(":")[0] for name in names], "kind": "tag"}
    nodes = {"key": keys, "size": [1 << 30] * n, "kind": "manifest"}
    return build("registry", "many", nodes=nodes, links={"source": [], "target": []}, pins=pins)


@pytest.mark.slow
def test_every_block_can_be_reached_by_pages_of_smaller_ones() -> None:
    page, seen, zoom = FakePage.of(many(200)), set(), [201, -1, 0]
    places = page.widget.what_if.tree
    for namespace in range(places.first_namespace, places.nameless):
        zoom = [namespace, -1, 0]
        while zoom:
            blocks = page.act(zoom=zoom)["picture"]["blocks"]
            seen |= {block[6] for block in blocks if block[5] == "place" and places.names <= block[6] < namespace}
            zoom = next((block[8] for block in blocks if block[5] == "smaller" and block[0] == 1), None)
    assert seen == set(range(places.names, places.first_namespace))


def test_what_several_keep_opens_into_sets_and_these_into_blobs() -> None:
    page = FakePage.of(images())
    store = tree(images()).store
    picture = page.act(zoom=[-2 - store, -1, 0])["picture"]
    assert [crumb[0] for crumb in picture["crumbs"]] == ["everything", "kept by several namespaces"]
    (one,) = (block for block in picture["blocks"] if block[0] == 1)
    assert one[7] == "base/, data/, shop/"
    blobs = page.act(zoom=one[8])["picture"]["blocks"][1:]
    assert [block[7] for block in blobs] == ["layer of base/debian:12", "layer of base/python:3.12"]
    assert sum(block[3] for block in blobs) == one[3]


def test_the_part_of_several_shrinks_to_a_strip_that_the_title_counts() -> None:
    keys = [f"sha256:{i:064x}" for i in range(4)]
    links = {"source": [0, 1, 0], "target": [2, 2, 3], "kind": "layer"}
    pins = {"node": [0, 1], "name": ["a/x:1", "b/y:1"], "group": ["a/x", "b/y"], "kind": "tag"}
    nodes = {"key": keys, "size": [10, 10, 900, 80]}
    picture = FakePage.of(build("registry", "x", nodes=nodes, links=links, pins=pins)).act()["picture"]
    (strip,) = (block for block in picture["blocks"] if "strip" in block[5])
    assert (strip[1], strip[2], strip[3]) == (0.87, 0.13, 900)
    assert picture["title"].startswith("90 % of 1000 B is kept by several namespaces (the strip)")
    inside = [block for block in picture["blocks"] if block[0] == 1 and block is not strip]
    assert [(block[7], block[3]) for block in inside] == [("a/", 90), ("b/", 10)]
    assert inside[-1][1] + inside[-1][2] == pytest.approx(0.87, abs=1e-3)


def test_a_goal_gets_the_plan_as_a_chip() -> None:
    page = FakePage.of(images())
    reply = page.act({"act": "goal", "text": "9 KiB"})
    chip = reply["result"]["chips"][-1]
    plan = blobkit.plan(images(), free="9KiB")
    assert chip["text"][:2] == [f"plan: {len(plan)} tags free ", human_bytes(plan.bytes)]
    assert reply["result"]["goal"] == 9 * 1024
    assert freed(page.act(chip["act"])) == plan.bytes
    assert page.widget.value == plan.tags
    assert page.act({"act": "goal", "text": ""})["result"]["goal"] is None


@pytest.mark.parametrize(("text", "reason"), [("much", "not a size"), ("20G", "20GiB"), ("1 TiB", "cannot be freed")])
def test_a_goal_that_cannot_be_is_told(text: str, reason: str) -> None:
    reply = FakePage.of(images()).act({"act": "goal", "text": text})
    assert reason in reply["error"]
    assert reply["result"]["chips"] == []


def test_code_gives_the_same_answer() -> None:
    page, x = FakePage.of(images()), images()

    def same(*acts: dict[str, object]) -> str:
        code = page.act({"act": "clear"}, *acts, {"act": "code"})["code"]
        place: dict[str, Any] = {"blobkit": blobkit, "x": x, "w": page.widget}
        exec(code, place)  # noqa: S102 (what the user would run)
        assert place["preview"].digests == page.widget.preview.digests  # type: ignore[union-attr]
        return str(code)

    assert same(tick(6)) == "preview = blobkit.simulate_deref(x, 'shop/web:1.0')"
    assert "groups=['shop/web']" in same(tick(6), tick(7), tick(8), tick(9))
    assert same(every(search="web:1")) == "preview = blobkit.simulate_deref(x, '*web:1*')"
    assert "simulate_deref" not in page.act({"act": "clear"}, {"act": "code"})["code"]
    page = FakePage.of(many(40))
    x = page.widget.what_if.snapshot
    assert "w.value" in same(*(tick(i) for i in range(0, 30, 2)))


@pytest.mark.slow
def test_a_registry_tells_what_its_collector_frees_and_gives_a_script(tmp_path: Path) -> None:
    x = blobkit.scan(demo.registry(tmp_path / "registry", unit=1))
    page = FakePage.of(x)
    place = int(page.widget.what_if.tree.names)
    label = [i for i in range(place) if page.widget.what_if.owner_name(i) == "shop/web:1.1"]
    reply = page.act(tick(*label))
    preview = blobkit.simulate_deref(x, "shop/web:1.1")
    assert preview.collected.bytes != preview.bytes
    assert "".join(reply["result"]["say"]) == preview.title().replace("shop/web:1.1", "1 tag", 1)
    assert reply["result"]["say"][1] == human_bytes(preview.collected.bytes)
    (goes,) = (text for part, _, text in reply["result"]["parts"] if part == "go")
    assert f"collected {human_bytes(preview.collected.bytes)}" in goes
    assert page.act({"act": "script"})["code"] == preview.script()


def test_tags_that_would_break_are_told(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    amd, arm = (registry.revision("app", registry.manifest(registry.blob(text))) for text in ("amd", "arm"))
    registry.tag("app", "multi", registry.revision("app", registry.index(amd, arm)))
    registry.tag("app", "amd", amd)
    page = FakePage.of(registry.scan("gc-m"))
    labels = numbers_of(page.widget.what_if.snapshot, ["app:amd"]).tolist()
    reply = page.act(tick(*labels))
    assert ["warn", "1 other tag would no longer pull: app:multi"] in reply["result"]["notes"]


def test_a_store_without_names_has_a_sentence() -> None:
    nothing: dict[str, list[int]] = {"source": [], "target": []}
    empty = build("oci", "x", nodes={"key": [], "size": []}, links=nothing, pins={"node": []})
    reply = FakePage.of(empty).act()
    assert reply["result"]["empty"]
    assert "".join(reply["result"]["say"]) == "Nothing is stored here: there is nothing to delete."
    garbage = build("oci", "x", nodes={"key": [f"sha256:{0:064x}"], "size": [7]}, links=nothing, pins={"node": []})
    assert "".join(FakePage.of(garbage).act()["result"]["say"]) == "No name keeps anything of 7 B, 1 blob."
