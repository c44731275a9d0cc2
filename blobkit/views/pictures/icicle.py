"""A picture of who keeps what: store, namespaces, repositories, tags, each as wide as what only it keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from blobkit.analysis.tree import RANKS
from blobkit.protocols import as_snapshot
from blobkit.questions.blocks import BLOB, LEVELS, NAMELESS, PLACE, SEVERAL, SMALLER, blocks
from blobkit.questions.places import places_of, repository_of
from blobkit.questions.preview import Preview
from blobkit.render import human_bytes
from blobkit.views.canvas import Canvas
from blobkit.views.pictures.words import dropping, percent, preview_in

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.blocks import Block, Places
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["icicle"]

ROW, GAP, PAD, THIN, LEAST = 30.0, 1.0, 4.0, 2.5, 2.5
SLIVER, FULL, MOST, WEDGE = 0.05, 0.78, 0.6, 0.7
SAYS = 13
"""The least letters of the shortened name of a blob: its kind alone is none."""
SHADES = (0.0, 0.5, 0.36, 0.24)
"""How strong the colour of a place is, by level."""


def icicle(x: SupportsSnapshot | Address | Preview, *, ax: Axes | None = None, policy: str | None = None) -> Axes:
    """Return axes with blocks: the store, its namespaces, repositories and tags, top to bottom, down to blobs.

    Each block is as wide as the bytes that go if it alone is dropped. Hatched: kept by several, which go only with all
    of them; if they are most of the store, the rest is zoomed. Of a preview, what goes is orange; if it is a small part
    of the store, only the place that it is in is shown. Blocks that are too narrow are one block, "n smaller". Garbage
    is not shown. Cost: nodes + links.

    >>> blobkit.plot.icicle(demo.small()).get_title("left")
    '17% of 27.5 KiB is kept by several namespaces; shop/ keeps most alone: 16.1 KiB'
    """
    x = preview_in(x)
    preview = x if isinstance(x, Preview) else None
    if preview is not None and policy is not None:
        msg = "a preview has its policy already: give a store to choose another"
        raise ValueError(msg)
    snapshot = as_snapshot(x.snapshot if isinstance(x, Preview) else x, policy)
    places = places_of(snapshot)
    whole = int(places.whole[places.store])
    canvas = Canvas(ax, "No bytes are in use", f"policy {snapshot.policy}")
    if not whole:
        canvas.sentence("Nothing to draw: pins reach no bytes.")
        return canvas.done()
    zoom = places.store if preview is None else _zoom(places, preview)
    said = _finding(places) if preview is None else dropping(preview, whole)
    canvas.heading(said, _drawn(snapshot, places, zoom))
    _draw_place(canvas, places, zoom, None if preview is None else preview.nodes)
    return canvas.done()


def _draw_place(canvas: Canvas, places: Places, zoom: int, freed: NDArray[np.int32] | None) -> None:
    """Draw a place with all below it; if several keep most of it, that first, and the rest zoomed."""
    how: dict[str, Any] = {"zoom": (PLACE, zoom), "parts": max(int(canvas.width / THIN), 1), "levels": LEVELS}
    several = [block for block in blocks(places, freed, **how | {"levels": 2})[1:] if block.kind == SEVERAL]
    part = sum(block.width for block in several) / max(int(places.whole[zoom]), 1)
    apart = MOST <= part < 1
    found = blocks(places, freed, shared=not apart, **how)
    rows = 1 + found[-1].level + WEDGE * apart
    if canvas.own:
        canvas.resize(canvas.width, ROW * rows)
    row = min(canvas.height / rows, ROW * 1.5)
    if apart:
        _split(canvas, several, found[0], int(places.whole[zoom]), row)
    _draw(canvas, found[apart:], canvas.width / max(found[0].width, 1), row, WEDGE * row * apart)


def _split(canvas: Canvas, several: list[Block], top: Block, whole: int, row: float) -> None:
    """Draw the whole as the part that one alone keeps, of which `top` is zoomed below, and what several keep."""
    scale = canvas.width / whole
    alone = whole - sum(block.width for block in several)
    tint = canvas.mixed(canvas.ink, 0.14)
    low = row * (1 + WEDGE)
    canvas.area([(0, row), (top.width * scale, row), (canvas.width, low), (0, low)], colour=tint)
    moved, x = [replace(top, width=alone, name="")], alone
    for block in several:
        moved.append(replace(block, x=x, level=0))
        x += block.width
    _draw(canvas, moved, scale, row, 0)
    page = f"{top.name.partition(': ')[2]}, " if top.width < alone else ""
    text = f"kept by one alone: {human_bytes(alone)}, {page}zoomed {whole / max(top.width, 1):,.0f} times"
    canvas.write(PAD, row * (1 + WEDGE / 2), canvas.fitted(text, canvas.width * 0.75), colour=canvas.faint)


def _zoom(places: Places, preview: Preview) -> int:
    """Return the lowest place that all freed blobs are in, but not one of which they are a large part."""
    inside, zoom = places.summed(places.freed(preview.nodes)), places.store
    total = int(inside[zoom])
    while 0 < total < places.whole[zoom] * SLIVER:
        below = [child for child in places.children(zoom).tolist() if inside[child] == total]
        if not below:
            break
        zoom = below[0]
    return zoom


def _finding(places: Places) -> str:
    """Return how much several places keep together, and the place that keeps most alone."""
    whole = int(places.whole[places.store])
    shared = sum(int(places.own[place]) for place in places.several(places.store))
    top = next((int(place) for place in places.children(places.store) if RANKS[places.rank[place]] != NAMELESS), -1)
    alone = int(places.whole[top]) if top >= 0 else 0
    most = f"{places.name(top)} keeps most alone: {human_bytes(alone)}" if alone else ""
    if not shared:
        return f"{most} of {human_bytes(whole)}" if most else f"{human_bytes(whole)} are in use"
    part = f"{percent(shared, whole)} of {human_bytes(whole)} is {places.together(places.store)}"
    return f"{part}; {most}" if most else part


def _drawn(snapshot: Snapshot, places: Places, zoom: int) -> str:
    beside = snapshot.bytes - int(places.whole[places.store])
    is_repository = RANKS[places.rank[zoom]] == "repository"
    name = repository_of(snapshot, zoom) if is_repository else places.name(zoom)
    part = "" if zoom == places.store else f"; only {name}"
    rest = f"; {human_bytes(beside)} that nothing reaches not shown" if beside else ""
    return (
        f"policy {snapshot.policy}{part}; width: bytes that go if it alone is dropped; hatched: kept by several{rest}"
    )


def _draw(canvas: Canvas, found: list[Block], scale: float, row: float, down: float) -> None:
    """Draw blocks with their labels; those below the first level are moved `down`."""
    for block in found:
        x, wide, top = block.x * scale, block.width * scale, block.level * row + down
        together = block.kind == SEVERAL
        canvas.block(x, top, wide, row - GAP, colour=_face(canvas, block), hatched=together, edge=0.6)
        if block.freed:
            goes = canvas.mixed(canvas.goes, FULL)
            canvas.block(x, top, max(block.freed * scale, LEAST), row - GAP, colour=goes, hatched=together, edge=0.6)
        text = _label(canvas, block, wide - 2 * PAD)
        if text:
            canvas.write(x + PAD, top + (row - GAP) / 2, text, halo=together)


def _label(canvas: Canvas, block: Block, room: float) -> str:
    """Return the name with the bytes, the name, or its start: of a blob more than its kind."""
    whole = f"{block.name}  {human_bytes(block.width)}"
    if not block.name or room < canvas.font * 2:
        return ""
    if canvas.measure(whole) <= room:
        return whole
    text = canvas.fitted(block.name, room)
    return "" if block.kind == BLOB and text.endswith("…") and len(text) < SAYS else text


def _face(canvas: Canvas, block: Block) -> str:
    if block.kind == SEVERAL:
        return canvas.stays
    if block.kind in {SMALLER, NAMELESS} or not block.level:
        return canvas.mixed(canvas.ink, 0.14)
    return canvas.mixed(canvas.stays, 0.18 if block.kind == BLOB else SHADES[min(block.level, len(SHADES) - 1)])
