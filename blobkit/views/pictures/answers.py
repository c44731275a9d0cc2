"""Pictures of answers as bars: usage by group, changes by cause, findings by bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.tree import RANKS
from blobkit.questions.findings.finding import FIGURES
from blobkit.questions.places import places_of, repository_of
from blobkit.render import count, human_bytes, signed_bytes, truncate
from blobkit.views.canvas import Canvas
from blobkit.views.pictures.bars import Bar, Part, draw_bars, folded
from blobkit.views.pictures.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from blobkit.questions.audit import Audit
    from blobkit.questions.diff import Diff
    from blobkit.questions.plan import Plan
    from blobkit.questions.preview import Preview
    from blobkit.questions.usage import Usage

__all__ = ["audit", "diff", "plan", "usage"]

ROWS, NAME, SEVERAL = 20, 40, "several together"
CAME, WENT, WILL_GO = ("added", "added as garbage", "revived"), ("removed", "collected"), ("became garbage",)
"""Causes of a change: blobs that came, that went, that will go."""
FREE = frozenset({"garbage", "orphan", "stale-upload"})
"""Findings whose bytes nothing needs."""


def usage(answer: Usage, *, ax: Axes | None = None) -> Axes:
    """Return axes with a bar for each group: bytes that it alone reaches, and (hatched) bytes that others reach too."""
    frame = answer.frame
    groups, beside = frame[~frame["beside"]], frame[frame["beside"]]
    groups = groups.sort_values(["closure", "exclusive"], ascending=False, kind="stable")
    policy = f"policy {answer.snapshot.policy}"
    parts = "solid: reached by the group alone; hatched: by others too"
    canvas = Canvas(ax, _used(answer), f"{policy}; {parts}" if frame["shared"].any() else policy)
    bars = [
        Bar(name, (Part(alone, canvas.stays), Part(shared, canvas.stays, hatched=True)), _amounts(alone, shared, blobs))
        for name, alone, shared, blobs in zip(
            groups.index, groups["exclusive"].tolist(), groups["shared"].tolist(), groups["blobs"].tolist(), strict=True
        )
    ]
    others = [
        Bar(name, (Part(size, canvas.grey),), _amounts(size, 0, blobs))
        for name, size, blobs in zip(beside.index, beside["split"].tolist(), beside["blobs"].tolist(), strict=True)
    ]
    return _drawn(canvas, [*folded(canvas, bars, ROWS, "group", shared=False), *others], "nothing is stored.")


def _used(answer: Usage) -> str:
    """Return the group that keeps most, and how much is shared."""
    groups = answer.frame[~answer.frame["beside"]]
    total, by = human_bytes(answer.bytes), truncate(answer.by, NAME)
    if not answer.bytes:
        return "No bytes are stored"
    if not len(groups):
        return f"{total} stored, in no group by {by}"
    top, alone = groups["exclusive"].idxmax(), int(groups["exclusive"].max())
    shared = answer.bytes - int(answer.frame["exclusive"].sum())
    most = f"{truncate(str(top), NAME)} keeps most alone: {human_bytes(alone)} of {total}"
    if not shared:
        return f"{truncate(str(top), NAME)} has most: {human_bytes(alone)} of {total}"
    part = f"{percent(shared, answer.bytes)} of {total} is kept by several"
    return f"{part}; {truncate(str(top), NAME)} keeps most alone: {human_bytes(alone)}" if alone else part or most


def _amounts(alone: int, shared: int, blobs: int) -> tuple[str, ...]:
    size = human_bytes(alone + shared)
    parts = f"{size}: {human_bytes(alone)} alone" if shared and alone else f"{size}, all shared" if shared else size
    return f"{parts}, {count(blobs, 'blob')}", parts, size


def diff(answer: Diff, *, ax: Axes | None = None) -> Axes:
    """Return axes with a bar for each cause: bytes that came, that went, and that changed their holders."""
    frame = answer.frame
    unchanged = int(frame["bytes"].iloc[-1])
    drawn = f"policy {answer.after.policy}; bytes by cause; {human_bytes(unchanged)} unchanged"
    canvas = Canvas(ax, _changed(answer), drawn)
    goes, stays = canvas.goes, canvas.stays
    look = dict.fromkeys(CAME, (stays, False)) | dict.fromkeys(WENT, (goes, False))
    look |= dict.fromkeys(WILL_GO, (canvas.mixed(goes, 0.5), False)) | {"became shared": (stays, True)}
    shown = frame[(frame["blobs"] > 0) & (frame.index != frame.index[-1])].sort_values("bytes", ascending=False)
    bars = []
    for row in shown.itertuples():
        amount = signed_bytes(row.net) if row.net else human_bytes(row.bytes)
        colour, hatched = look.get(str(row.Index), (canvas.mixed(stays, 0.5), False))
        part = Part(row.bytes, colour, hatched)
        bars.append(Bar(str(row.Index), (part,), (f"{amount}, {count(row.blobs, 'blob')}", amount)))
    return _drawn(canvas, bars, "no blob changed.")


def _changed(answer: Diff) -> str:
    frame = answer.frame
    came = [count(int(frame["blobs"][list(causes)].sum()), "blob") for causes in (CAME, WENT)]
    if not len(answer):
        return "No blob changed"
    return f"{signed_bytes(answer.net)} stored: {came[0]} came, {came[1].partition(' ')[0]} went"


def audit(answer: Audit, *, ax: Axes | None = None) -> Axes:
    """Return axes with a bar for each finding; the bytes that nothing needs are in the colour of what goes."""
    found = sorted((one for one in answer.found if one.code not in FIGURES), key=lambda one: -one.bytes)
    drawn = f"policy {answer.snapshot.policy}; bytes of each finding; a blob may be in several"
    canvas = Canvas(ax, _most(answer), drawn)
    bars = []
    for one in found:
        what = count(len(one.nodes), "blob") if len(one.nodes) else count(len(one.names), "name")
        size = human_bytes(one.bytes)
        part = Part(one.bytes, canvas.goes if one.code in FREE else canvas.grey)
        bars.append(Bar(f"{one.code} ({one.severity})", (part,), (f"{size}, {what}", size) if one.bytes else (what,)))
    return _drawn(canvas, folded(canvas, bars, ROWS, "finding"), "nothing was found.")


def _most(answer: Audit) -> str:
    """Return how many findings there are, and the bytes that nothing needs."""
    free = {finding.code: finding.bytes for finding in answer.found if finding.code in FREE and finding.bytes}
    if not free:
        return answer.title()
    parts = ", ".join(f"{human_bytes(size)} {code}" for code, size in free.items())
    return f"{answer.title()}; {parts} of {human_bytes(answer.bytes)}"


def plan(answer: Plan, *, ax: Axes | None = None) -> Axes:
    """Return axes with what goes: in all, with the goal as a line, and by the repository that alone kept it.

    Hatched: kept by several repositories, and freed only because names of all of them go.
    """
    preview = answer.preview
    canvas = Canvas(ax, answer.title(), f"policy {preview.snapshot.policy}")
    if not preview.nodes.size:
        canvas.sentence("Nothing to draw: no blob goes.")
        return canvas.done()
    needed = f"; line: {human_bytes(answer.needed)} needed" if answer.needed else ""
    canvas.heading(answer.title(), f"policy {preview.snapshot.policy}; what goes, by who alone kept it{needed}")
    bars = [
        Bar(
            name,
            (Part(size, canvas.goes, hatched=name == SEVERAL),),
            (f"{human_bytes(size)}, {count(blobs, 'blob')}", human_bytes(size)),
        )
        for name, size, blobs in _by_repository(preview)
    ]
    whole = human_bytes(preview.bytes)
    parts = tuple(part for bar in bars for part in bar.parts)
    first = Bar("in all", parts, (f"{whole}, {count(len(preview), 'blob')} for {count(len(answer), 'name')}", whole))
    draw_bars(canvas, [first, *folded(canvas, bars, ROWS, "repository")], min(answer.needed or 0, preview.bytes))
    return canvas.done()


def _by_repository(preview: Preview) -> list[tuple[str, int, int]]:
    """Return the freed bytes and blobs of each repository that alone kept them, and of several together, most first."""
    places = places_of(preview.snapshot)
    label = places.label[preview.nodes]
    label = np.where(places.rank[label] == RANKS.index("tag"), places.up[label], label)
    label = np.where(places.rank[label] == RANKS.index("repository"), label, -1)
    sizes = pd.Series(preview.snapshot.graph.size[preview.nodes]).groupby(label).agg(["sum", "size"])
    sizes = sizes.sort_values("sum", ascending=False, kind="stable")
    return [
        (repository_of(preview.snapshot, place) if place >= 0 else SEVERAL, size, blobs)
        for place, size, blobs in zip(sizes.index.tolist(), sizes["sum"].tolist(), sizes["size"].tolist(), strict=True)
    ]


def _drawn(canvas: Canvas, bars: list[Bar], nothing: str) -> Axes:
    if bars:
        draw_bars(canvas, bars)
    else:
        canvas.sentence(f"Nothing to draw: {nothing}")
    return canvas.done()
