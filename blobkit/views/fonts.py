"""Text that the installed fonts can draw: in any script if a font has it, else as escapes; never a warning.

Text is untrusted: control characters are shown as escapes. Right-to-left names are isolated, so that they do not
reorder the text beside them.
"""

from __future__ import annotations

import re
from functools import cache

import matplotlib as mpl
from matplotlib import ft2font
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

from blobkit.render import printable

__all__ = ["drawable", "families"]

_GENERIC = ("serif", "sans-serif", "cursive", "fantasy", "monospace")
_FALLBACKS = (
    "DejaVu Sans",
    "Noto Sans",
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans CJK KR",
    "Noto Sans CJK TC",
    "Source Han Sans SC",
    "Source Han Sans",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "PingFang SC",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Microsoft YaHei",
    "Yu Gothic",
    "Malgun Gothic",
    "Noto Sans Arabic",
    "Noto Naskh Arabic",
    "Noto Sans Hebrew",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
    "Noto Emoji",
    "Symbola",
    "Segoe UI Symbol",
    "Segoe UI Emoji",
    "Apple Symbols",
)
"""Fonts for scripts that the font of the style lacks, as systems have them; coloured bitmaps cannot be drawn."""

_RIGHT_TO_LEFT = re.compile(
    r"\S*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]\S*"
)
_ISOLATE, _END = "\u2068", "\u2069"
_REORDERS = hasattr(ft2font, "__libraqm_version__")
"""Whether matplotlib lays out text from right to left; before 3.11 it draws all characters in their logical order."""


def families() -> list[str]:
    """Return the font families for text, those of the style first; only installed ones, so that none is missed."""
    names: list[str] = []
    for family in mpl.rcParams["font.family"]:
        names += mpl.rcParams[f"font.{family}"] if family in _GENERIC else [family]  # type: ignore[index]  # (five keys)
    return list(_installed(tuple(names), len(fontManager.ttflist)))


def drawable(text: str, *, bold: bool = False) -> str:
    """Return the text in one line, with escapes for characters that are invisible or in no installed font."""
    text = printable(text)
    if text.isascii():
        return text
    known = _characters(tuple(families()), bold)
    shown = "".join(char if ord(char) in known else char.encode("unicode_escape").decode() for char in text)
    return _RIGHT_TO_LEFT.sub(rf"{_ISOLATE}\g<0>{_END}", shown) if _REORDERS else shown


@cache
def _installed(names: tuple[str, ...], fonts: int) -> tuple[str, ...]:  # noqa: ARG001 (fonts may be added)
    """Return the installed families among these, in order, then the fallbacks."""
    known = {font.name for font in fontManager.ttflist}
    return tuple(name for name in dict.fromkeys((*names, *_FALLBACKS)) if name in known)


@cache
def _characters(names: tuple[str, ...], bold: bool) -> frozenset[int]:  # noqa: FBT001 (a key of the cache)
    weight = "bold" if bold else "normal"
    paths = [findfont(FontProperties(family=[name], weight=weight), fallback_to_default=False) for name in names]
    return frozenset().union(*(get_font(path).get_charmap() for path in paths))
