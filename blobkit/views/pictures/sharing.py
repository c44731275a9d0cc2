"""A picture of sharing: the bytes of each set of groups, or, of many sets, by how many groups reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from blobkit.questions.inputs.grouping import MORE, SPECIAL
from blobkit.questions.sharing import Sharing
from blobkit.questions.sharing import sharing as shared_by
from blobkit.render import count, human_bytes, join_some
from blobkit.views.canvas import Canvas, Dot
from blobkit.views.pictures.bars import GAP, Bar, Part, draw_bars, rows_of
from blobkit.views.pictures.words import percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes

    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.inputs.grouping import By

__all__ = ["sharing"]

SETS, ROWS, COLUMNS = 200, 14, 14
STEPS = ((1, 1), (2, 2), (3, 5), (6, 20), (21, 100), (101, None))
NOUNS = {"repo": ("repository", "repositories"), "tag": ("tag", "tags"), "platform": ("platform", "platforms")}
LINE, STEP, SLOPE, HEAD, NARROW = 1.9, 20.0, 38.0, 110.0, 360.0


def sharing(
    x: Sharing | SupportsSnapshot | Address, *, by: By = "repo", ax: Axes | None = None, policy: str | None = None
) -> Axes:
    """Return axes with the bytes that groups share; `x` may be the answer of `blobkit.sharing`, else `by` is as there.

    Up to 200 sets: a row for each of the largest, with a dot for each of its groups and a bar of its bytes. More sets:
    the bytes by how many groups reach them, with the largest set of each. Hatched: reached by several. Errors and cost:
    as `blobkit.sharing`.

    >>> blobkit.plot.sharing(demo.small()).get_title("left")
    '18% of 27.5 KiB is shared by several repositories'
    """
    found = x if isinstance(x, Sharing) else shared_by(x, by, policy=policy)
    several = found.frame[found.frame["groups"].map(len) > 1]
    canvas = Canvas(ax, _finding(found), f"policy {found.snapshot.policy}")
    if not found.bytes:
        canvas.sentence("Nothing to draw: there are no bytes.")
    elif not len(several) or len(several) > SETS or canvas.width < NARROW:
        few = len(several) <= SETS and len(several) > 0
        _named(canvas, found, several) if few else _spread(canvas, found)
    else:
        _dotted(canvas, found, several)
    return canvas.done()


def _finding(found: Sharing) -> str:
    if not found.bytes:
        return "No bytes are stored"
    part = f"{percent(found.shared_bytes, found.bytes)} of" if found.shared_bytes else "Nothing of"
    return f"{part} {human_bytes(found.bytes)} is shared by several {_noun(found, 2)}"


def _noun(found: Sharing, number: int) -> str:
    return NOUNS.get(found.by, ("group", "groups"))[number != 1]


def _amount(size: int, blobs: int) -> str:
    return f"{human_bytes(size)}, {count(blobs, 'blob')}"


def _left_out(several: pd.DataFrame, shown: int) -> str:
    """Return how many sets are not shown, and how much they have."""
    rest = several.iloc[shown:]
    if not len(rest):
        return f"all {count(len(several), 'set')}" if len(several) > 1 else "the only set"
    size = human_bytes(int(rest["bytes"].sum()))
    return f"the {shown:,} largest of {len(several):,} sets, {size} in the others"


def _named(canvas: Canvas, found: Sharing, several: pd.DataFrame) -> None:
    """Draw a bar for each set, with its names as text: where there is no room for columns."""
    best = several.head(rows_of(canvas, ROWS))
    drawn = f"policy {found.snapshot.policy}; bytes that exactly these reach; {_left_out(several, len(best))}"
    canvas.heading(_finding(found), drawn)
    bars = [
        Bar("", (Part(size, canvas.stays, hatched=True),), (f"{human_bytes(size)} of {join_some(groups, 2)}",))
        for groups, size in zip(best["groups"], best["bytes"].tolist(), strict=True)
    ]
    draw_bars(canvas, bars)


def _spread(canvas: Canvas, found: Sharing) -> None:
    """Draw a bar for each range of the number of groups that reach a blob."""
    drawn = (
        f"policy {found.snapshot.policy}; bytes by how many {_noun(found, 2)} reach them, and the largest set of each"
    )
    canvas.heading(_finding(found), drawn)
    frame = found.frame
    number, first = frame["groups"].map(len), frame["groups"].str[0]
    beside = (number == 1) & first.isin((*SPECIAL, MORE))
    bars = []
    for low, high in STEPS:
        rows = frame[(number >= low) & (number <= (high or number.max())) & ~beside]
        if len(rows):
            part = Part(int(rows["bytes"].sum()), canvas.stays, hatched=low > 1)
            bars.append(Bar(_range(low, high), (part,), _texts(rows)))
    for name, rows in frame[beside].groupby(first[beside], sort=False):
        bars.append(Bar(str(name), (Part(int(rows["bytes"].sum()), canvas.grey),), _texts(rows)[1:]))
    draw_bars(canvas, bars)


def _range(low: int, high: int | None) -> str:
    if high is None:
        return f"more than {low - 1}"
    return {1: "one alone"}.get(high) or (f"{low} together" if low == high else f"{low} to {high}")


def _texts(rows: pd.DataFrame) -> tuple[str, str, str]:
    """Return the bytes of these sets, with their blobs, with the largest of them: the longest first."""
    total = int(rows["bytes"].sum())
    amount = _amount(total, int(rows["blobs"].sum()))
    groups, size = rows["groups"].iloc[0], int(rows["bytes"].iloc[0])
    return f"{amount}; most: {human_bytes(size)} of {join_some(groups, 2)}", amount, human_bytes(total)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The places of the dots: a column for each group, a row for each set; `top` is where the rows start."""

    columns: list[str]
    top: float
    row: float

    def x(self, column: int) -> float:
        return (column + 0.5) * STEP

    def y(self, row: int) -> float:
        return self.top + (row + 0.5) * self.row


def _dotted(canvas: Canvas, found: Sharing, several: pd.DataFrame) -> None:
    """Draw a row for each set: dots for its groups on the left, a bar on the right."""
    canvas.heading(_finding(found), " ")
    head = min(HEAD, canvas.height * 0.35) if not canvas.own else HEAD
    rows = ROWS if canvas.own else max(int((canvas.height - head) / (canvas.font * LINE)), 1)
    best = several.head(rows)
    text = "each row: bytes that exactly these reach"
    canvas.heading(_finding(found), f"policy {found.snapshot.policy}; {text}; {_left_out(several, len(best))}")
    columns = _columns(best, min(COLUMNS, int(canvas.width * 0.45 / STEP)))
    names = [canvas.fitted(name, head / np.sin(np.radians(SLOPE)) - canvas.font) for name in columns]
    top = max(map(canvas.measure, names)) * float(np.sin(np.radians(SLOPE))) + canvas.font * 1.5
    if canvas.own:
        canvas.resize(canvas.width, top + canvas.font * LINE * len(best))
    grid = _Grid(columns, top, min((canvas.height - top) / len(best), canvas.font * LINE * 1.3))
    for i, name in enumerate(names):
        canvas.write(grid.x(i) - 2, top - 3, name, slope=SLOPE)
    _rows(canvas, found, best, grid)


def _columns(best: pd.DataFrame, most: int) -> list[str]:
    """Return the groups of these sets that reach most of their bytes."""
    reach = best.explode("groups").groupby("groups")["bytes"].sum().sort_values(ascending=False, kind="stable")
    return [str(name) for name in reach.index[:most]]


def _rows(canvas: Canvas, found: Sharing, best: pd.DataFrame, grid: _Grid) -> None:
    place = {name: i for i, name in enumerate(grid.columns)}
    left = grid.x(len(grid.columns)) + GAP
    texts = [_text(found, row, place) for row in best.itertuples(index=False)]
    scale = _scale(canvas, best["bytes"].tolist(), texts, canvas.width - left)
    dots: list[Dot] = []
    for i, (groups, _, size) in enumerate(best.itertuples(index=False)):
        y, here = grid.y(i), sorted(place[name] for name in groups if name in place)
        beside = [k for k in place.values() if not here or not here[0] <= k <= here[-1]]
        dots += [Dot(grid.x(k), y, 3.5, canvas.mixed(canvas.ink, 0.25)) for k in beside]
        dots += [Dot(grid.x(k), y, 6, canvas.ink) for k in here]
        if len(here) > 1:
            canvas.line([grid.x(here[0]), grid.x(here[-1])], [y, y], colour=canvas.ink, width=1.1)
        canvas.block(left, y - grid.row * 0.35, size * scale, grid.row * 0.7, colour=canvas.stays, hatched=True)
        end = left + size * scale + GAP
        canvas.write(end, y, canvas.fitted(texts[i], canvas.width - end))
    canvas.dots(dots)


def _text(found: Sharing, row: tuple[Sequence[str], int, int], place: dict[str, int]) -> str:
    groups, blobs, size = row
    hidden = sum(name not in place for name in groups)
    more = f" ({hidden:,} not shown)" if hidden else ""
    return f"{_amount(size, blobs)}, {len(groups):,} {_noun(found, 2)}{more}"


def _scale(canvas: Canvas, sizes: Sequence[int], texts: Sequence[str], room: float) -> float:
    """Return the points of a byte that leave room for each text."""
    found = [
        (room - GAP - min(canvas.measure(text) + GAP, room * 0.7)) / max(size, 1)
        for size, text in zip(sizes, texts, strict=True)
    ]
    return min(found)
