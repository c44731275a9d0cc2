"""A picture of growth: stored bytes by the month in which they came, or measured, and who alone keeps them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.protocols import SupportsSnapshot, as_snapshot
from blobkit.questions.columns import times
from blobkit.questions.growth import growth as measured
from blobkit.questions.growth import several
from blobkit.questions.places import places_of
from blobkit.render import count, human_bytes
from blobkit.views.canvas import Canvas

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from blobkit.protocols import Address
    from blobkit.questions.blocks import Places
    from blobkit.snapshot.snapshot import Snapshot

    One = SupportsSnapshot | Address
    Ints = NDArray[np.int64]

__all__ = ["growth"]

SEVERAL, GARBAGE = "kept by several", "reached by nothing"
HEIGHT, GAP, LABELS, YEAR, MOST = 200.0, 6.0, 0.4, 12, 1200
STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600)
"""Months between the names of months, and the most months that are drawn; older ones are in the first."""


@dataclass(frozen=True, eq=False)
class _Bands:
    """The bytes of each band (column) at each moment (row): the `names` of bands; where moments are, and their names.

    `unknown`: bytes of an unknown time, in no band. `steps`: whether bytes hold until the next moment.
    """

    where: NDArray[np.float64]
    moments: Sequence[str]
    names: Sequence[str]
    bytes: Ints
    unknown: int
    steps: bool

    @property
    def total(self) -> Ints:
        found: Ints = self.bytes.sum(axis=1)
        return found


def growth(x: One | Iterable[One], *, ax: Axes | None = None, policy: str | None = None) -> Axes:
    """Return axes with stored bytes over time, stacked by the namespace (or repository) that alone keeps them.

    Of one store: the bytes that are there today, by the month in which they came. Of several snapshots of a store: the
    bytes that were stored at each. Hatched: kept by several. Bands that are thinner than a label are one, "n more".
    Errors: as `blobkit.growth`. Cost: nodes + links of each snapshot.

    >>> blobkit.plot.growth(demo.small()).get_title("left")
    '27.5 KiB stored, all in one month'
    """
    if isinstance(x, str | os.PathLike | SupportsSnapshot):
        snapshots = [as_snapshot(x, policy)]
        found = _by_month(snapshots[0])
    else:
        snapshots = [as_snapshot(one, policy) for one in several(x)]
        found = _measured(snapshots)
    canvas = Canvas(ax, _finding(found), _drawn(found, snapshots[:1]))
    if not len(found.where) or not found.total.any():
        canvas.sentence("Nothing to draw: there are no bytes of a known time.")
        return canvas.done()
    if canvas.own:
        canvas.resize(canvas.width, HEIGHT)
    _draw(canvas, found)
    return canvas.done()


def _finding(found: _Bands) -> str:
    total = found.total if len(found.where) else np.zeros(1, np.int64)
    if not total[-1] + found.unknown:
        return "Nothing is stored"
    now = f"{human_bytes(int(total[-1]) + found.unknown)} stored"
    if not found.steps:
        if len(total) == 1:
            return f"{now} in the only snapshot"
        change, more = human_bytes(abs(int(total[-1] - total[0]))), "more" if total[-1] >= total[0] else "less"
        return f"{now}, {change} {more} than in the first of {len(total):,} snapshots"
    if not total[-1]:
        return f"{now}, all of an unknown time"
    ago = min(YEAR, len(total) - 1)
    if not ago:
        return f"{now}, all in one month"
    before = total[-1 - ago]
    return f"{now}, {total[-1] / before:,.1f} times what it was {count(ago, 'month')} before" if before else now


def _drawn(found: _Bands, first: Sequence[Snapshot]) -> str:
    policy = f"policy {first[0].policy}; " if first else ""
    what = "bytes that are there today, by the month in which they came," if found.steps else "bytes of each snapshot"
    rest = f"{human_bytes(found.unknown)} of unknown time left out; " if found.unknown else ""
    return f"{policy}{rest}{what} and who alone keeps them"


def _by_month(snapshot: Snapshot) -> _Bands:
    """Return the bytes of each band up to the end of each month."""
    nodes, band, names = _banded(snapshot)
    moment = times(snapshot, "modified", nodes).to_numpy("datetime64[us]")
    known = ~np.isnat(moment)
    size = snapshot.graph.size[nodes]
    unknown = int(size[~known].sum())
    month = moment[known].astype("datetime64[M]").astype(np.int64)
    last = int(month.max(initial=0)) if len(month) else 0
    month = np.maximum(month, last - MOST)
    start = int(month.min(initial=last))
    table = np.zeros((last - start + 1 if len(month) else 0, len(names)), np.int64)
    np.add.at(table, (month - start, band[known]), size[known])
    moments = [str(np.datetime64(start + i, "M")) for i in range(len(table))]
    return _Bands(np.arange(len(table), dtype=np.float64), moments, names, table.cumsum(axis=0), unknown, steps=True)


def _measured(snapshots: list[Snapshot]) -> _Bands:
    """Return the bytes of each band in each snapshot."""
    frame = measured(snapshots)
    snapshots = sorted(snapshots, key=lambda snapshot: snapshot.time)
    rows = []
    for snapshot in snapshots:
        nodes, band, names = _banded(snapshot)
        size = np.zeros(len(names), np.int64)
        np.add.at(size, band, snapshot.graph.size[nodes])
        rows.append(pd.Series(size, pd.Index(names[:1] + [f"/{name}" for name in names[1:-1]] + names[-1:])))
    table = pd.DataFrame(rows).fillna(0).astype("int64") if rows else pd.DataFrame()
    middle = [name for name in table.columns if name.startswith("/")]
    table = table[[SEVERAL, *middle, GARBAGE]] if rows else table
    at = np.array([moment.timestamp() for moment in frame.index], np.float64)
    moments = [f"{moment:%Y-%m-%d}" for moment in frame.index]
    names = [name.removeprefix("/") for name in table.columns]
    return _Bands(at, moments, names, table.to_numpy(np.int64), 0, steps=False)


def _banded(snapshot: Snapshot) -> tuple[NDArray[np.int32], Ints, list[str]]:
    """Return the stored blobs, the band of each, and the names of the bands."""
    nodes = np.flatnonzero(snapshot.graph.blob).astype(np.int32)
    places = places_of(snapshot)
    tops = places.children(places.store)
    names = [SEVERAL, *map(places.name, tops.tolist()), GARBAGE]
    band = np.append(_tops(places, tops), len(names) - 1)
    return nodes, band[places.label[nodes]], names


def _tops(places: Places, tops: NDArray[np.int32]) -> Ints:
    """Return for each place the band of the place at the top that it is in; 0 if it is above these."""
    found = np.zeros(len(places.up), np.int64)
    found[tops] = np.arange(1, len(tops) + 1)
    at = places.up
    for _ in range(len(set(places.rank.tolist()))):
        found = np.where(found == 0, found[at], found)
    return found


@dataclass(frozen=True, slots=True)
class _Band:
    """A band as it is drawn: its name, its bytes at each moment, and its look."""

    name: str
    bytes: Ints
    colour: str
    hatched: bool = False


def _draw(canvas: Canvas, found: _Bands) -> None:
    line, top, bottom = canvas.font * 1.35, canvas.font * 0.6, canvas.height - canvas.font * 1.8
    scale = (bottom - top) / max(int(found.total.max()), 1)
    bands = _shown(canvas, found, line / scale)
    texts = [f"{band.name}  {human_bytes(int(band.bytes[-1]))}" for band in bands]
    right = canvas.width - GAP - min(max(map(canvas.measure, texts)), canvas.width * LABELS)
    xs = _across(found, right)
    low, middles = np.zeros(len(found.where)), []
    for band in bands:
        high = low + band.bytes
        edges = [(x, bottom - y * scale) for x, y in _outline(xs, high, steps=found.steps)]
        edges += [(x, bottom - y * scale) for x, y in reversed(_outline(xs, low, steps=found.steps))]
        canvas.area(edges, colour=band.colour, hatched=band.hatched, edge=0.5)
        middles.append(bottom - (low[-1] + high[-1]) / 2 * scale)
        low = high
    canvas.line([0, right], [bottom, bottom], colour=canvas.mixed(canvas.ink, 0.6))
    room = canvas.width - right - GAP
    for band, text, y in zip(bands, texts, _spread(middles, line, bottom), strict=True):
        if band.bytes[-1]:
            shown = text if canvas.measure(text) <= room + 0.1 else canvas.fitted(band.name, room)
            canvas.write(right + GAP, y, shown)
    _moments(canvas, found, xs, bottom + canvas.font * 1.1)


def _shown(canvas: Canvas, found: _Bands, least: float) -> list[_Band]:
    """Return the bands from bottom to top; those thinner than `least` bytes at the end are one."""
    last, middle = found.bytes[-1], np.arange(1, len(found.names) - 1)
    middle = middle[found.bytes[:, middle].any(axis=0)]
    middle = middle[np.argsort(last[middle], kind="stable")]
    small = middle[last[middle] < least]
    big = middle[len(small) :]
    bands = [_Band(SEVERAL, found.bytes[:, 0], canvas.stays, hatched=True)]
    if len(small):
        name = f"{len(small):,} {'more' if len(big) else 'others alone'}" if len(small) > 1 else found.names[small[0]]
        bands.append(_Band(name, found.bytes[:, small].sum(axis=1), canvas.mixed(canvas.stays, 0.25)))
    shades = np.linspace(0.4, 0.75, max(len(big), 1)).tolist()
    for one, shade in zip(big.tolist(), shades, strict=False):
        bands.append(_Band(found.names[one], found.bytes[:, one], canvas.mixed(canvas.stays, shade)))
    bands.append(_Band(GARBAGE, found.bytes[:, -1], canvas.grey))
    return [band for band in bands if band.bytes.any()]


def _across(found: _Bands, right: float) -> list[float]:
    """Return the place of each moment from left to right, and of the end."""
    at = found.where - found.where[0]
    if found.steps or len(at) == 1:
        return [right * i / len(at) for i in range(len(at) + 1)]
    return [*(at / max(at[-1], 1) * right).tolist(), right]


def _outline(xs: Sequence[float], ys: NDArray[np.float64], *, steps: bool) -> list[tuple[float, float]]:
    """Return the points of a line: of steps, or straight from one moment to the next."""
    values = ys.tolist()
    if not steps and len(values) > 1:
        return list(zip(xs, values, strict=False))
    return [point for i, y in enumerate(values) for point in ((xs[i], y), (xs[i + 1], y))]


def _spread(wanted: Sequence[float], line: float, bottom: float) -> list[float]:
    """Return places from bottom to top near the wanted ones, no two nearer than a line."""
    found: list[float] = []
    below = bottom + line / 2
    for y in wanted:
        below = min(y, below - line)
        found.append(below)
    above = line * 0.4
    for i in range(len(found) - 1, -1, -1):
        found[i] = max(found[i], above)
        above = found[i] + line
    return found


def _moments(canvas: Canvas, found: _Bands, xs: Sequence[float], y: float) -> None:
    """Write the names of moments where they have room."""
    end = -GAP
    for at, text in _named(canvas, found, xs):
        half = canvas.measure(text) / 2
        x = min(max(at, half), canvas.width - half)
        if x - half >= end + GAP:
            canvas.write(x, y, text, align="center", colour=canvas.faint)
            end = x + half


def _named(canvas: Canvas, found: _Bands, xs: Sequence[float]) -> list[tuple[float, str]]:
    """Return the moments to name: the snapshots, or months so far apart that their names fit, or years."""
    if not found.steps:
        return list(zip(xs, found.moments, strict=False))
    room = canvas.measure("2000-01") + 2 * GAP
    step = next((step for step in STEPS if step * xs[1] >= room), STEPS[-1])
    parts = [moment.rpartition("-") for moment in found.moments]
    named = [
        (x, year if step % YEAR == 0 else f"{year}-{month}")
        for x, (year, _, month) in zip(xs, parts, strict=False)
        if (int(year) * YEAR + int(month) - 1) % step == 0
    ]
    return named or [(xs[0], found.moments[0])]
