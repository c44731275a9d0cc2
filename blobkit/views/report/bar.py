"""A bar of bytes by status, with a key, for a page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from blobkit.render import human_bytes
from blobkit.views.svg import Picture, variable

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["bar"]

GREY = ("#8c959f", "#8c959f")
COLOURS = {"live": ("#0072b2", "#56b4e9"), "garbage": ("#d55e00", "#ff8a3d"), "fresh": ("#e69f00", "#e6b84d")}
"""The colours of a status on a light and on a dark page; of any other one: grey."""


def bar(parts: Sequence[tuple[str, int]]) -> Picture:
    """Return a bar with a part for each (status, bytes), and a key with the colour, bytes and share of each."""
    total, at = sum(size for _, size in parts), 0.0
    drawn, key = [], []
    for word, size in parts:
        share = 100 * size / total
        fill, name = variable(*COLOURS.get(word, GREY)), f"{escape(word)} {human_bytes(size)}"
        drawn.append(f'<rect x="{at:.2f}%" width="{share:.2f}%" height="100%" style="fill:var({fill})"/>')
        key.append(f'<li><span style="background:var({fill})"></span>{name} ({share:.3g} %)</li>')
        at += share
    title = ", ".join(f"{word} {human_bytes(size)}" for word, size in parts)
    label = f'role="img" aria-label="{escape(title)}"'
    svg = f'<svg class="bar" {label}><title>{escape(title)}</title>{"".join(drawn)}</svg>'
    colours = frozenset(COLOURS.get(word, GREY) for word, _ in parts)
    return Picture(f'{svg}<ul class="key">{"".join(key)}</ul>', colours)
