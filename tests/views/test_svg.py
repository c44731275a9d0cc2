"""Plots as inline SVG: safe, small, in the colours of both pages, and able to stand beside another one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from blobkit.views import svg
from blobkit.views.svg import DARK, LIGHT, Picture, picture, variable
from pages import Page

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOSTILE = '<script>alert(1)</script> "&amp; fill:#ffffff'


def plot() -> Axes:
    """Return axes with text, with text that has a halo, with a hatched bar and a clipped line."""
    ax = plt.figure(figsize=(4, 2)).add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.text(0.1, 0.2, HOSTILE, parse_math=False)
    ax.text(0.1, 0.6, "over a line", path_effects=[withStroke(linewidth=2, foreground="#ffffff")])
    ax.add_patch(Rectangle((0, 0), 0.5, 0.5, facecolor=str(mpl.rcParams["figure.facecolor"]), hatch="///"))
    ax.plot([-1, 2], [0, 1], color="#d55e00")
    ax.set_title(HOSTILE, loc="left", parse_math=False)
    return ax


@pytest.fixture(scope="module")
def drawn() -> Picture:
    mpl.use("Agg")
    return picture("one", plot)


def test_it_is_small_and_refers_to_nothing_outside(drawn: Picture) -> None:
    assert drawn.svg.startswith("<svg viewBox=")
    assert len(drawn.svg) < 4000
    assert not re.search(r"xmlns|xlink|DOCTYPE|metadata|<style|http|<\?xml", drawn.svg)
    assert len(re.findall(r"\d\.\d{3}", drawn.svg)) == 0


def test_text_is_text_with_its_title_first(drawn: Picture) -> None:
    page = Page(drawn.svg)
    assert [one.text for one in page.all("text")] == [HOSTILE, "over a line", HOSTILE]
    assert page.elements[1].tag == "title"
    assert page.elements[1].text == page.elements[0].attributes["aria-label"] == HOSTILE
    assert [one.attributes["class"] for one in page.all("g") if "class" in one.attributes] == ["halo"]


def test_colours_are_variables_with_a_value_on_each_page(drawn: Picture) -> None:
    assert (LIGHT.ink, DARK.ink) in drawn.colours
    assert (LIGHT.ground, DARK.ground) in drawn.colours
    assert ("#d55e00", "#d55e00") in drawn.colours
    assert set(re.findall(r"var\(([^)]*)\)", drawn.svg)) == {variable(*pair) for pair in drawn.colours}
    styles = [one.attributes.get("style", "") for one in Page(drawn.svg).elements]
    assert not [style for style in styles if "#" in style.replace("url(#", "")]


def test_clips_and_hatches_are_kept_and_differ_from_those_of_another_picture(drawn: Picture) -> None:
    other = picture("other", plot)
    ids = [set(re.findall(r' id="(\w+)"', one.svg)) for one in (drawn, other)]
    assert len(ids[0]) == 2
    assert not ids[0] & ids[1]
    for one, known in zip((drawn, other), ids, strict=True):
        assert set(re.findall(r"url\(#(\w+)\)", one.svg)) == known
    assert all({"width", "height"} <= set(one.attributes) for one in Page(drawn.svg).all("rect"))


def test_the_style_of_the_user_changes_nothing_and_no_figure_stays_open(drawn: Picture) -> None:
    with plt.style.context("dark_background"):
        assert picture("one", plot) == drawn
    assert plt.get_fignums() == []


def test_the_font_is_that_of_the_page_however_matplotlib_writes_it() -> None:
    short = "font: 700 10px 'DejaVu Sans', 'Verdana', sans-serif; text-anchor: start"
    assert svg._brief(short) == "font:700 10px var(--face);text-anchor:start"
    assert svg._brief("font-size: 10.5px; font-family: 'DejaVu Sans', sans-serif; fill: #123456") == (
        "font-size:10.5px;fill:#123456"
    )
