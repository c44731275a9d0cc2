"""Plots as inline SVG: small, in the colours of a light or dark page, without a reference to anything outside.

Each plot is drawn twice, light and dark. The drawings differ in their colours only, so one of them is kept, and each of
its colours is a CSS variable with two values.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import matplotlib.pyplot as plt
from matplotlib.text import Text

from blobkit.render import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from matplotlib.axes import Axes

__all__ = ["DARK", "LIGHT", "Look", "Picture", "picture", "variable"]


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of a page: of the ground, of text, and of text that is less important."""

    ground: str
    ink: str
    faint: str


LIGHT = Look("#ffffff", "#1b1f24", "#57606a")
DARK = Look("#14171a", "#e6e8ea", "#a2abb4")

_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_NUMBER = re.compile(r"-?\d+\.\d+")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_NAMESPACE = re.compile(r"\{[^}]*\}")
_FAMILY = re.compile(r"font-family:[^;]*;?")
_FONT = re.compile(r"(?<=px) '[^;]*")
_UNTURNED = re.compile(r"rotate\(-?0 ")
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_IDS = frozenset({"id", "href"})
DIGITS = 2
FACE = "var(--face)"
"""The font of the page: matplotlib writes a font in one word with its size, or by itself; then the page sets it."""
HALO = "halo"
"""The class of labels with an outline in the colour of the ground."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing as an SVG element; `colours` are the values, on a light and on a dark page, of its CSS variables."""

    svg: str
    colours: frozenset[tuple[str, str]]


def picture(name: str, plot: Callable[[], Axes]) -> Picture:
    """Return the picture that a function draws. `name` makes ids unique in the page; the title becomes its text.

    Cost: the plot, twice.
    """
    light, title = _drawn(name, LIGHT, plot)
    dark, _ = _drawn(name, DARK, plot)
    pairs = _coloured(light, dark)
    light.set("role", "img")
    light.set("aria-label", title)
    heading = ET.Element("title")
    heading.text = title
    light.insert(0, heading)
    return Picture(ET.tostring(light, encoding="unicode"), frozenset(pairs))


def _drawn(name: str, look: Look, plot: Callable[[], Axes]) -> tuple[ET.Element, str]:
    """Return a plot as cleaned SVG, and its title."""
    with _style(name, look):
        axes = plot()
        figure = axes.get_figure(root=True)
        if figure is None:
            msg = "these axes have no figure"
            raise ValueError(msg)
        for text in figure.findobj(Text):
            if text.get_path_effects():
                text.set(path_effects=[], gid=HALO)  # with effects, each letter would become a path
        data = BytesIO()
        figure.savefig(data, format="svg", transparent=True, metadata=_NO_METADATA)
        title = printable(" ".join(axes.get_title(loc="left").split()))
        plt.close(figure)
    root = ET.fromstring(data.getvalue())  # noqa: S314 (matplotlib drew it)
    return _cleaned(root), title


@contextmanager
def _style(name: str, look: Look) -> Iterator[None]:
    """Give the style of a page, whatever the user's own style is; no window opens."""
    colours = dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), look.ground)
    inks = dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), look.ink)
    svg: dict[str, object] = {"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 10}
    with plt.ioff(), plt.style.context(["default", {**colours, **inks, **svg}]):
        yield


def _cleaned(root: ET.Element) -> ET.Element:
    """Return a drawing without metadata, style sheet, names of namespaces, unused ids and needless digits."""
    used = {ref for element in root.iter() for ref in _references(element)}
    root.attrib = {"viewBox": root.attrib["viewBox"]}
    for element in root.iter():
        element.tag = _NAMESPACE.sub("", element.tag)
        element.attrib = _kept({_NAMESPACE.sub("", key): value for key, value in element.attrib.items()}, used)
        if element.tag not in {"text", "tspan"}:
            element.text = None
        element.tail = None
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in {"metadata", "style"} or (child.tag in {"defs", "g"} and not len(child)):
                parent.remove(child)
    return root


def _kept(given: dict[str, str], used: set[str]) -> dict[str, str]:
    """Return the attributes that an element needs; colours are in its style, which can have variables."""
    found = {key: value if key in _IDS else _brief(value) for key, value in given.items()}
    colours = [f"{key}:{found.pop(key)}" for key in ("fill", "stroke") if key in found]
    if colours:
        found["style"] = ";".join([*colours, *filter(None, [found.get("style")])])
    if found.get("id") == HALO:
        found["class"] = HALO
    if found.get("id", "") not in used:
        found.pop("id", None)
    if found.get("transform", "").startswith("rotate(0 "):
        del found["transform"]
    return found


def _references(element: ET.Element) -> Iterator[str]:
    for key, value in element.attrib.items():
        if key.endswith("href"):
            yield value.removeprefix("#")
        yield from _REFERENCE.findall(value)


def _brief(value: str) -> str:
    """Return an attribute with fewer digits and blanks."""
    value = _FONT.sub(f" {FACE}", _FAMILY.sub("", value))
    value = _NUMBER.sub(lambda found: f"{float(found[0]):.{DIGITS}f}".rstrip("0").rstrip("."), value)
    value = _UNTURNED.sub("rotate(0 ", value)
    return " ".join(value.split()).replace(": ", ":").replace("; ", ";").rstrip(";")


def _coloured(light: ET.Element, dark: ET.Element) -> set[tuple[str, str]]:
    """Turn the colours of one drawing into variables; return the values of these on a light and on a dark page."""
    pairs: set[tuple[str, str]] = set()
    for one, other in zip(light.iter(), dark.iter(), strict=True):
        style = one.get("style", "")
        values = iter(list(zip(_COLOUR.findall(style), _COLOUR.findall(other.get("style", "")), strict=True)))
        parts = re.split(f"({_COLOUR.pattern})", style)
        for at in range(1, len(parts), 2):
            pair = next(values)
            parts[at] = f"var({variable(*pair)})"
            pairs.add(pair)
        if style:
            one.set("style", "".join(parts))
    return pairs


def variable(light: str, dark: str) -> str:
    """Return the name of the CSS variable for a colour with these values on a light and on a dark page."""
    return f"--{light[1:]}{dark[1:]}"
