"""Plots of snapshots and answers: `blobkit.plot`. Each draws on given axes, or on a new figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.questions.preview import Preview
from blobkit.render import abbreviate, human_bytes, join_some
from blobkit.views.canvas import Canvas
from blobkit.views.drawing import draw_folded, draw_steps, rows_that_fit
from blobkit.views.folding import fold
from blobkit.views.scene import scene
from blobkit.views.waterfall import steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.inputs.targets import Targets
    from blobkit.views.waterfall import Step

__all__ = ["cascade", "reachability"]

MOST = 60


def reachability(
    x: SupportsSnapshot | Address | Preview,
    target: Targets | None = None,
    *,
    ax: Axes | None = None,
    policy: str | None = None,
) -> Axes:
    """Return axes with a reachability graph: roots on the left, links to the right, areas are bytes, colours are kinds.

    For a preview: freed blobs in colour, kept blobs in grey with the names that keep them. Else: the blobs that
    `target` (names, digests, patterns) reaches and those that reach it, or the whole store. At most 60 marks: if there
    are more blobs, those with equal referrers, then those of one repository, are folded into squares with their number.
    Every blob and byte is in one mark. Cost: nodes + links, once or a few times.

    >>> blobkit.plot.reachability(demo.small(), "shop/web:1.0").get_title("left")
    'What shop/web:1.0 reaches: 5 blobs, 6.7 KiB (policy counts)'
    """
    found = scene(x, target, policy)
    canvas = Canvas(ax)
    if not len(found.nodes):
        canvas.sentence("Nothing to draw: nothing is stored, and nothing is linked to.")
    else:
        draw_folded(canvas, fold(found, MOST, MOST if canvas.own else rows_that_fit(canvas)))
    return _titled(canvas, found.title, found.snapshot.policy)


def cascade(preview: Preview, *, ax: Axes | None = None) -> Axes:
    """Return axes with a waterfall: bytes that the targets reach, freed by level and kind, and kept with the reasons.

    Lengths are bytes; freed and kept add up to the reached bytes. Cost: nodes + links.

    >>> preview = blobkit.simulate_deref(demo.small(), "shop/web:1.*")
    >>> blobkit.plot.cascade(preview).get_title("left")
    'Dropping shop/web:1.* frees 5.2 KiB of 8.4 KiB, 7 of 8 blobs (policy counts)'
    """
    if not isinstance(preview, Preview):
        msg = f"a {type(preview).__name__} has no cascade to draw: give the result of simulate_deref"
        raise TypeError(msg)
    canvas = Canvas(ax)
    bars = steps(preview)
    if bars:
        draw_steps(canvas, bars)
    else:
        canvas.sentence("Nothing to draw: the targets reach no stored blob.")
    return _titled(canvas, _sum(preview, bars), preview.snapshot.policy)


def _sum(preview: Preview, bars: Sequence[Step]) -> str:
    """Return the totals of a waterfall in one line."""
    if not bars:
        return preview.title()
    reached, most = bars[0], "" if preview.exact else "at most "
    names = join_some([abbreviate(target) for target in preview.targets], 3)
    size = f"{human_bytes(preview.bytes)} of {human_bytes(reached.bytes)}"
    return f"Dropping {names} frees {most}{size}, {len(preview):,} of {reached.blobs:,} blobs"


def _titled(canvas: Canvas, title: str, policy: str) -> Axes:
    canvas.title(title, f"(policy {policy})")
    return canvas.done()
