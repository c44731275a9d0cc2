"""The widget in Python: value and preview, observers, two pages, and readers without Python."""

from __future__ import annotations

import html.parser
import re
from typing import TYPE_CHECKING

import ipywidgets
import pytest
import traitlets

import blobkit
from blobkit import demo
from blobkit.errors import UnknownPolicyError, UnknownTargetError
from blobkit.snapshot.snapshot import build
from blobkit.views.explorer import widget as module
from explorer_pages import FakePage, message

if TYPE_CHECKING:
    from blobkit.snapshot.snapshot import Snapshot

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "a\u202eb\x00c\td\ne",
    "</script><script>alert(2)</script>",
    "x" * 5000,
    "$(reboot)",
    "&amp;\"'",
]


@pytest.fixture(scope="module")
def images() -> Snapshot:
    return demo.small().snapshot()


def hostile() -> Snapshot:
    nodes = {"key": [f"sha256:{i:064x}" for i in range(6)], "size": [1000 + i for i in range(6)]}
    pins = {"node": list(range(6)), "name": HOSTILE, "kind": "entry"}
    return build("oci", "<b>here</b>\x1b[2J", nodes=nodes, links={"source": [], "target": []}, pins=pins)


def test_value_ticks_exactly_these_names(images: Snapshot) -> None:
    widget = blobkit.explore(images)
    assert (widget.value, widget.preview) == ((), None)
    widget.value = ["shop/web:1.1", "shop/web:1.0"]
    assert widget.value == ("shop/web:1.0", "shop/web:1.1")
    assert widget.preview is not None
    assert widget.preview.digests == blobkit.simulate_deref(images, *widget.value).digests
    widget.value = ("data/etl:1",)
    assert widget.value == ("data/etl:1",)
    assert repr(widget) == f"<Explorer: {blobkit.simulate_deref(images, 'data/etl:1').title()}>"
    widget.what_if.undo()
    assert widget.value == ("shop/web:1.0", "shop/web:1.1")
    widget.value = ()
    assert widget.preview is None


def test_a_typo_is_an_error_with_the_nearest_names_and_changes_nothing(images: Snapshot) -> None:
    widget = blobkit.explore(images)
    widget.value = ("shop/web:1.0",)
    with pytest.raises(UnknownTargetError, match=r"nothing here is named 'shop/wib:1.1'; did you mean shop/web:1.1"):
        widget.value = ("shop/web:2.0", "shop/wib:1.1")
    for wrong in ("shop/web:1.0", [5], [None], None, 5):
        with pytest.raises(traitlets.TraitError, match="value takes names"):
            widget.value = wrong
    with pytest.raises(UnknownTargetError):
        widget.value = ("shop/*",)
    with pytest.raises(traitlets.TraitError):
        widget.preview = None
    assert widget.value == ("shop/web:1.0",)


def test_observers_hear_of_changes_from_python_and_from_pages(images: Snapshot) -> None:
    page = FakePage.of(images)
    heard: list[tuple[object, object]] = []
    page.widget.observe(lambda change: heard.append((change.old, change.new)), "value")
    previews: list[blobkit.Preview | None] = []
    page.widget.observe(lambda change: previews.append(change.new), "preview")
    page.widget.value = ("data/etl:1",)
    page.act({"act": "tick", "labels": [3], "on": True})
    page.act({"act": "tick", "labels": [3], "on": True})
    page.act({"act": "undo"})
    one, two = ("data/etl:1",), ("data/etl:1", "data/etl:2")
    assert heard == [((), one), (one, two), (two, one)]
    assert [preview and preview.targets for preview in previews] == [one, two, one]


def test_names_and_previews_are_made_only_for_those_who_ask(images: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts the names that are made: a tick of very many would wait for them."""
    page, made = FakePage.of(images), []
    kind = type(page.widget.what_if.now)
    pins = kind.pins
    monkeypatch.setattr("blobkit.views.explorer.result.AT_ONCE", 0)
    monkeypatch.setattr("blobkit.views.explorer.session.AT_ONCE", 0)
    monkeypatch.setattr(kind, "pins", property(lambda self: made.append(1) or pins.func(self)))
    reply = page.act({"act": "tick", "labels": [6], "on": True})
    assert (reply["later"], made) == (True, [])
    hear = page.widget.observe(lambda _: None, "value") or (lambda _: None)
    page.act({"act": "tick", "labels": [7], "on": True})
    assert made
    page.widget.unobserve_all()
    made.clear()
    page.act({"act": "tick", "labels": [8], "on": True})
    assert made == []
    assert callable(hear)
    full = page.act({"act": "effects"})
    assert not full["later"]


def test_two_pages_share_ticks_and_each_has_its_own_view(images: Snapshot) -> None:
    page = FakePage.of(images)
    one = page.send(message({"act": "tick", "labels": [6], "on": True}, ask="one", flat=True))
    told = [content for content, _ in page.replies if "changed" in content]
    assert told == [{"changed": True, "by": "one"}]
    two = page.send(message(ask="two", seq=4, sort="name", up=True))
    assert (one["to"], two["to"], two["seq"]) == ("one", "two", 4)
    assert one["rows"]["rows"] == 11
    assert page.rows(two)[0]["name"] == "base/debian"
    assert two["result"]["ticked"] == 1
    assert not any("changed" in content for content, _ in page.replies)


def test_a_page_that_gets_no_buffers_gets_text(images: Snapshot) -> None:
    page = FakePage.of(images)
    rows = page.rows(page.act())
    reply = page.send(message() | {"plain": True})
    assert page.buffers == []
    assert page.rows(reply) == rows


def test_it_composes_with_ipywidgets(images: Snapshot) -> None:
    widget = blobkit.explore(images)
    assert ipywidgets.VBox([widget]).children == (widget,)
    heard: list[tuple[str, ...]] = []
    made = ipywidgets.interactive(lambda names: heard.append(tuple(names)), names=widget)
    assert widget in made.children
    widget.value = ("data/etl:1",)
    assert heard[-1] == ("data/etl:1",)


def test_hostile_names_are_text_everywhere() -> None:
    page = FakePage.of(hostile())
    reply = page.act({"act": "all", "on": True, "view": message()["view"]}, {"act": "code"}, flat=True)
    names = [row["name"] for row in page.rows(reply)]
    assert len(names) == len(HOSTILE)
    assert all(len(name) <= 160 and name.isprintable() for name in names)
    assert all(text.isprintable() for text in reply["result"]["say"])
    place: dict[str, object] = {"blobkit": blobkit, "x": page.widget.what_if.snapshot, "w": page.widget}
    exec(reply["code"], place)  # noqa: S102 (what the user would run)
    assert place["preview"].digests == page.widget.preview.digests  # type: ignore[attr-defined,union-attr]
    assert page.size(reply) < 10_000


SAFE = {"b", "defs", "div", "g", "pattern", "rect", "small", "style", "svg", "table", "td", "text", "th", "title", "tr"}


class Elements(html.parser.HTMLParser):
    """The names of the elements of a page, and the attributes that could run something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.dangerous: list[tuple[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.dangerous += [attr for attr in attrs if attr[0].startswith("on") or attr[0] in {"src", "href"}]


@pytest.mark.parametrize("make", [lambda: demo.small().snapshot(), hostile])
def test_without_python_there_is_a_page_without_a_script(make: object) -> None:
    widget = blobkit.explore(make())  # type: ignore[operator]
    widget.value = tuple(sorted(blobkit.tags_frame(widget.what_if.snapshot).index)[:2])
    data, _ = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    page = data["text/html"]
    elements = Elements(page)
    assert elements.names <= SAFE
    assert elements.dangerous == []
    assert len(page.encode()) < 15_000
    assert "Dropping 2 tags" in page
    assert re.search(r"url\((?!#)", page) is None


def test_an_empty_store_is_a_sentence_without_python_too() -> None:
    nothing: dict[str, list[int]] = {"source": [], "target": []}
    widget = blobkit.explore(build("oci", "x", nodes={"key": [], "size": []}, links=nothing, pins={"node": []}))
    page = widget._repr_mimebundle_()[0]["text/html"]
    assert "Nothing is stored here" in page
    assert "<svg" not in page


@pytest.mark.slow
def test_an_address_a_store_and_a_policy(tmp_path: object) -> None:
    place = demo.registry(f"{tmp_path}/registry", unit=1)
    widget = blobkit.explore(place, policy="revisions")
    assert widget.what_if.snapshot.policy == "revisions"
    assert all("@sha256:" in name for name in widget.what_if.alone.index)
    with pytest.raises(UnknownPolicyError):
        blobkit.explore(place, policy="none")
    assert isinstance(demo.small().explore(), module.Explorer)
