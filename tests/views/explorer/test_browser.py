"""The explorer in JupyterLab, by mouse and by keys: what it shows equals simulate_deref.

One notebook serves all tests: each has an explorer of its own there, and `test_restart.py` comes last.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit import demo

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from blobkit.snapshot.snapshot import Snapshot
    from browsing import Book, Explorer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def truth() -> Snapshot:
    return demo.small().snapshot()


def freed(truth: Snapshot, *names: str) -> int:
    return blobkit.simulate_deref(truth, *names).bytes if names else 0


def test_ticks_by_mouse_equal_simulate_deref(book: Book, truth: Snapshot) -> None:
    shown = book.explorer("mouse")
    assert "27.5 KiB in 11 tags of 6 repositories" in shown.text(".say")
    shown.open("shop/web")
    shown.tick("1.0")
    assert shown.freed == freed(truth, "shop/web:1.0")
    assert "Dropping 1 tag frees 1.6 KiB, 3 blobs" in shown.text(".say")
    chip = shown.box.locator(".chip").first
    assert chip.inner_text() == "+ shop/web:1.1 frees 3.6 KiB more"
    shown.act(chip.click)
    assert shown.freed == freed(truth, "shop/web:1.0", "shop/web:1.1")
    shown.button("Undo")
    assert shown.freed == freed(truth, "shop/web:1.0")
    shown.button("Redo")
    assert shown.freed == freed(truth, "shop/web:1.0", "shop/web:1.1")
    shown.open("1.0")
    assert shown.box.locator(".row.gone code").count() == 4
    shown.button("Clear")
    assert "tick what you would delete" in shown.text(".say")
    assert shown.box.locator(".row.on").count() == 0


def test_a_range_a_goal_and_code(book: Book, truth: Snapshot) -> None:
    shown = book.explorer("mouse")
    shown.act(shown.box.locator("label", has_text="flat").locator("input").click)
    order = shown.names
    shown.tick(order[1])
    shown.tick(order[4], modifiers=["Shift"])
    assert shown.freed == freed(truth, *order[1:5])
    shown.button("Code")
    assert "simulate_deref" in shown.text(".code pre")
    shown.box.locator(".code button", has_text="Close").click()
    goal = shown.box.locator(".goal input")
    goal.fill("9 KiB")
    shown.act(lambda: goal.press("Enter"))
    plan = blobkit.plan(truth, free="9KiB")
    shown.act(shown.box.locator(".chip", has_text="plan").click)
    assert shown.freed == plan.bytes
    assert shown.box.locator(".bar u").count() == 1
    goal.fill("much")
    shown.act(lambda: goal.press("Enter"))
    assert "is not a size" in shown.text(".trouble")


def test_keys_alone_do_all(book: Book, truth: Snapshot) -> None:
    shown = book.explorer("keys")
    cells = book.visit.page.locator(".jp-Notebook .jp-Cell").count()
    shown.box.locator(".row").first.focus()
    shown.page.keyboard.press("ArrowDown")
    shown.press("ArrowRight")
    shown.page.keyboard.press("ArrowDown")
    first = shown.names[2]
    shown.press("Space")
    assert shown.freed == freed(truth, f"shop/web:{first}")
    shown.page.keyboard.press("ArrowDown")
    shown.page.keyboard.press("ArrowDown")
    shown.press("Shift+Space")
    assert shown.freed == freed(truth, *(f"shop/web:{name}" for name in shown.names[2:5]))
    shown.press("Control+z")
    shown.press("Control+z")
    assert "tick what" in shown.text(".say")
    shown.press("Control+Shift+z")
    assert shown.freed == freed(truth, f"shop/web:{first}")
    shown.page.keyboard.press("ArrowLeft")
    shown.press("ArrowLeft")
    assert shown.names[1:3] == ["shop/web", "data/etl"]
    shown.press("Enter")
    assert shown.box.locator(".crumbs button").all_inner_texts() == ["everything", "shop/", "web"]
    shown.page.keyboard.press("/")
    shown.act(lambda: shown.page.keyboard.type("etl"))
    assert "2 tags match" in shown.text(".foot")
    shown.page.keyboard.press("ArrowDown")
    assert shown.box.locator(".row:focus").count() == 1
    assert book.visit.page.locator(".jp-Notebook .jp-Cell").count() == cells


def test_search_sort_and_filters(book: Book, truth: Snapshot) -> None:
    shown = book.explorer("finding")
    shown.search("etl")
    assert shown.names == ["data/etl"]
    shown.act(shown.box.locator(".all input").click)
    assert shown.freed == freed(truth, "data/etl:1", "data/etl:2")
    assert "2 tags match, 2 ticked" in shown.text(".foot")
    shown.search("re:(")
    assert "is not a regular expression" in shown.text(".trouble")
    shown.search("")
    assert shown.text(".trouble") == ""
    tags = blobkit.tags_frame(truth)
    shown.act(shown.box.locator("label", has_text="flat").locator("input").click)
    shown.act(shown.box.locator(".cols .closure button").click)
    assert [tags.loc[name, "closure"] for name in shown.names] == sorted(tags["closure"], reverse=True)
    shown.act(shown.box.locator(".cols .name button").click)
    assert shown.names == sorted(tags.index)
    assert shown.box.locator(".cols .name").get_attribute("aria-sort") == "ascending"
    shown.act(shown.box.locator("label", has_text="ticked only").locator("input").click)
    assert shown.names == ["data/etl:1", "data/etl:2"]
    shown.act(lambda: shown.box.locator("label", has_text="older than").locator("input").fill("5"))
    assert "0 tags match" in shown.text(".foot")


def test_zoom_into_the_part_of_several(book: Book) -> None:
    shown = book.explorer("zooming")
    shown.act(shown.blocks("shop/").first.click)
    shown.act(shown.blocks("web").first.click)
    assert shown.box.locator(".crumbs button").all_inner_texts() == ["everything", "shop/", "web"]
    shown.act(shown.blocks("kept by several tags").first.click)
    assert shown.box.locator(".blocks .l1").first.inner_text().startswith("1.0, 1.1")
    shown.act(shown.box.locator(".crumbs button").first.click)
    assert shown.box.locator(".crumbs button").count() == 1
    shown.box.locator(".blocks > [tabindex='0']").focus()
    shown.page.keyboard.press("ArrowDown")
    shown.page.keyboard.press("ArrowRight")
    focused = shown.box.locator(".blocks > :focus")
    assert (focused.get_attribute("aria-label") or "").startswith("data/:")
    shown.press("Enter")
    shown.press("Escape")
    assert shown.box.locator(".crumbs button").count() == 1
    shown.tick("shop/web")
    web = shown.box.locator(".blocks .l2", has_text="web").get_attribute("title") or ""
    assert re.fullmatch(r"web: (.* KiB), of which \1 goes", web)


def test_python_and_two_pages_share_ticks(book: Book, truth: Snapshot) -> None:
    one, two = book.explorer("python"), book.explorer("second")
    one.act(one.box.locator(".cols .name button").click)
    before = one.seq, two.seq
    book.run("heard = []\nmade['python'].observe(lambda c: heard.append(c.new), 'value')")
    book.run("made['python'].value = ('shop/web:1.0',)")
    one.answered(before[0])
    two.answered(before[1])
    assert one.freed == two.freed == freed(truth, "shop/web:1.0")
    seq = one.seq
    two.tick("data/etl")
    one.answered(seq)
    assert one.freed == two.freed == freed(truth, "shop/web:1.0", "data/etl:*")
    assert book.evaluate("heard[-1]") == ["data/etl:1", "data/etl:2", "shop/web:1.0"]
    assert book.evaluate("made['python'].preview.bytes") == one.freed
    assert one.names[0] == "base/debian"
    assert two.names[0] == "shop/worker"


def test_a_host_that_loses_buffers(book: Book, truth: Snapshot) -> None:
    shown = book.explorer("lost")
    shown.tick("shop/web")
    assert shown.freed == freed(truth, "shop/web:*")
    assert shown.names[0] == "shop/worker"


def test_a_registry_shows_the_collector_and_a_script(book: Book, tmp_path: Path) -> None:
    x = blobkit.scan(demo.registry(tmp_path / "registry", unit=1))
    shown = book.explorer("registry")
    shown.open("shop/web")
    shown.tick("1.1")
    preview = blobkit.simulate_deref(x, "shop/web:1.1")
    assert shown.text(".say") == preview.title().replace("shop/web:1.1", "1 tag", 1)
    assert "collected" in shown.text(".key")
    shown.button("Script")
    script = shown.text(".code pre")
    assert script.startswith("#!/bin/sh")
    assert "shop/web" in script


def test_hostile_names_stay_text(book: Book) -> None:
    shown = book.explorer("hostile")
    shown.act(shown.box.locator("label", has_text="flat").locator("input").click)
    shown.act(shown.box.locator(".all input").click)
    shown.button("Code")
    assert "<img src=x onerror=alert(1)>" in shown.names
    assert "a\\u202eb\\x00c\\td\\ne" in shown.names
    assert shown.box.locator("img, script").count() == 0
    assert "<img src=x onerror=alert(1)>" in shown.text(".code pre")
    width = shown.box.bounding_box()
    assert width is not None
    assert width["width"] < 1000


def test_an_empty_store_is_a_sentence(book: Book) -> None:
    shown = book.explorer("empty")
    assert shown.text(".say") == "Nothing is stored here: there is nothing to delete."
    assert not shown.box.locator(".grid").is_visible()


def violations(shown: Explorer) -> list[tuple[str, str]]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install '.[browser]'")
    found = axe.Axe().run(shown.page, context=f".{shown.name}").response["violations"]
    return [(one["id"], one["nodes"][0]["html"][:200]) for one in found]


@pytest.mark.parametrize("theme", ["Light", "Dark", "Narrow"])
def test_axe_finds_nothing(book: Book, theme: str) -> None:
    shown = book.explorer("themes")
    book.theme("Light" if theme == "Narrow" else theme)
    if theme == "Light":
        shown.open("shop/web")
        shown.tick("1.0")
        shown.open("1.0")
    if theme == "Narrow":
        before = shown.seq
        shown.box.evaluate("box => { box.parentElement.style.width = '420px'; }")
        shown.answered(before)
        assert not shown.box.locator(".cols .closure").is_visible()
        assert shown.box.evaluate("box => box.scrollWidth <= box.clientWidth")
        before = shown.seq
        shown.box.evaluate("box => { box.parentElement.style.width = '260px'; }")
        shown.answered(before)
        assert shown.box.locator(".row .name").first.evaluate("name => name.clientWidth") > 80
        assert shown.box.locator(".row .meter").first.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
    assert ("dark" in (shown.box.get_attribute("class") or "").split()) == (theme == "Dark")
    assert violations(shown) == []


def test_a_saved_notebook_shows_it_without_python(browser: Browser, truth: Snapshot) -> None:
    exporters = pytest.importorskip("nbconvert", reason="pip install '.[browser]'")
    formats = pytest.importorskip("nbformat")
    widget = blobkit.explore(truth)
    widget.value = ("shop/web:1.0",)
    data, _ = widget._repr_mimebundle_()
    output = formats.v4.new_output("display_data", data=data)
    cell = formats.v4.new_code_cell("w", outputs=[output])
    text, _ = exporters.HTMLExporter(embed_images=True).from_notebook_node(formats.v4.new_notebook(cells=[cell]))
    page = browser.new_context(java_script_enabled=False).new_page()
    page.route("**/*", lambda route: route.abort())
    page.set_content(text, wait_until="domcontentloaded")
    shown = page.locator(".blobkit-x")
    assert "Dropping 1 tag frees 1.6 KiB, 3 blobs" in shown.inner_text()
    assert shown.locator("svg rect").count() > 10
    assert shown.locator("tr").count() == 12
    page.context.close()
