"""Visible rows as buffers: columns of float64, of uint8, and texts as UTF-8 with uint32 offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.tree import NO_PLACE
from blobkit.questions.row_columns import NEVER
from blobkit.questions.rows import BLOB, MORE, NAME
from blobkit.render import count

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from blobkit.questions.rows import Ticks, Window
    from blobkit.views.explorer.words import Words

__all__ = ["packed"]

ON, PART, OPENS, OPEN = 1, 2, 4, 8


def packed(window: Window, words: Words, ticks: Ticks, nodes_from: int, *, is_flat: bool) -> list[bytes]:
    """Return the buffers of some rows. Numbers are whole up to 2^53, times milliseconds (-1: unknown)."""
    rows = zip(*(column.tolist() for column in (window.label, window.kind, window.number)), strict=True)
    name = words.name if is_flat else words.version
    texts = [_text(row, name, words, ticks.owner, nodes_from).encode() for row in rows]
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.uint32)
    return [_figures(window).tobytes(), _flags(window).tobytes(), offsets.tobytes(), b"".join(texts)]


def _figures(window: Window) -> NDArray[np.float64]:
    time = np.where(window.modified == NEVER, -1, window.modified // 1000)
    columns = (window.label, window.alone, window.next, window.closure, time, window.number)
    return np.array(columns, np.float64)


def _flags(window: Window) -> NDArray[np.uint8]:
    state = ON * window.ticked + PART * window.part + OPENS * (window.kind < BLOB) + OPEN * window.open
    return np.array([window.level, window.kind, state]).astype(np.uint8)


def _text(
    row: tuple[int, int, int],
    name: Callable[[int], str],
    words: Words,
    owners: NDArray[np.int32],
    nodes_from: int,
) -> str:
    """Return the name of a row; for a blob its kind, digest, owner and smallest image, with tabs between them."""
    label, kind, number = row
    if kind == NAME:
        return name(label)
    if kind == MORE:
        return f"and {count(number, 'smaller blob')}"
    if kind != BLOB:
        return words.name(label)
    node = label - nodes_from
    owner = int(owners[node])
    whose = "" if owner == NO_PLACE else words.owner(owner)
    return "\t".join((words.kind(node), words.key(node), whose, words.image(node)))
