"""Names in any script: drawn if an installed font has them, else as escapes, and never with a warning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import ft2font
from matplotlib.font_manager import fontManager

import blobkit
from blobkit.views.fonts import drawable, families
from pictures import legible, texts
from registries import Images

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FALLBACK = "WenQuanYi Zen Hei"


@pytest.fixture
def chinese(tmp_path: Path) -> Iterator[None]:
    """Install a font with one box as every letter, under the name of one that systems have for Chinese."""
    pen = TTGlyphPen(None)
    pen.moveTo((50, 0))
    for place in ((50, 700), (950, 700), (950, 0)):
        pen.lineTo(place)
    pen.closePath()
    names = [".notdef", *(f"letter{i}" for i in range(3))]
    made = FontBuilder(1000)
    made.setupGlyphOrder(names)
    made.setupCharacterMap({ord(char): names[i + 1] for i, char in enumerate("日本語")})
    made.setupGlyf(dict.fromkeys(names, pen.glyph()))
    made.setupHorizontalMetrics(dict.fromkeys(names, (1000, 50)))
    made.setupHorizontalHeader(ascent=800, descent=-200)
    made.setupNameTable({"familyName": FALLBACK, "styleName": "Regular"})
    made.setupOS2()
    made.setupPost()
    made.save(tmp_path / "font.ttf")
    before = list(fontManager.ttflist)
    fontManager.addfont(tmp_path / "font.ttf")
    yield
    fontManager.ttflist[:] = before
    fontManager._findfont_cached.cache_clear()


def test_a_font_for_the_script_is_used_if_there_is_one(chinese: None) -> None:  # noqa: ARG001 (installs it)
    assert FALLBACK in families()
    assert drawable("日本語:1") == "日本語:1"
    made = Images()
    made.tags.append((made.image([made.blob("layer", 1e6)]), "日本語:1", "日本語"))
    axes = blobkit.plot.icicle(made.snapshot())
    legible(axes)
    axes.figure.canvas.draw()
    assert any("layer of 日本語:1" in text for text in texts(axes))


def test_letters_that_no_font_has_are_escapes() -> None:
    missing = "\U000131b0"  # an Egyptian hieroglyph
    assert drawable(f"{missing}:1") == r"\U000131b0:1"
    assert drawable(f"{missing}:1", bold=True) == r"\U000131b0:1"
    assert drawable("фирма/веб:1") == "фирма/веб:1"


def test_right_to_left_names_do_not_reorder_what_follows() -> None:
    if not hasattr(ft2font, "__libraqm_version__"):
        pytest.skip("this matplotlib draws all letters from left to right")
    shown = drawable("layer of مستودع/تطبيق:1  1000 B")
    assert shown == "layer of \u2068مستودع/تطبيق:1\u2069  1000 B"
    assert drawable("plain/name:1  1000 B") == "plain/name:1  1000 B"
    assert drawable("\u2068a\u2069 \u202eb") == r"\u2068a\u2069 \u202eb"  # marks of a stranger stay visible


def test_only_installed_families_are_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    with mpl.rc_context({"font.family": ["Not Installed", "monospace"]}):
        assert "Not Installed" not in families()
        assert families()[0] == "DejaVu Sans Mono"
        axes = plt.figure().add_subplot()
        blobkit.plot.sizes(Images().snapshot(), ax=axes)
        axes.figure.canvas.draw()
    assert not caplog.records
