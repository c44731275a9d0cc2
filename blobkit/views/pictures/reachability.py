"""A picture of references: roots on the left, links to the right, areas are bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.render import human_bytes
from blobkit.views.canvas import Canvas
from blobkit.views.drawing import draw_folded, rows_that_fit
from blobkit.views.folding import fold
from blobkit.views.scene import scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.inputs.targets import Targets
    from blobkit.questions.preview import Preview
    from blobkit.views.folding import Folded
    from blobkit.views.scene import Scene

__all__ = ["reachability"]

MOST = 60


def reachability(
    x: SupportsSnapshot | Address | Preview,
    target: Targets | None = None,
    *,
    ax: Axes | None = None,
    policy: str | None = None,
) -> Axes:
    """Return axes with a reachability graph: roots on the left, links to the right, areas are bytes, shapes are kinds.

    For a preview: orange goes, blue stays, with the names that keep it. Else: the blobs that `target` (names, digests,
    patterns) reaches, in blue, and those that reach it, in grey; or the whole store. Garbage is hollow. At most 60
    marks: if there are more blobs, those with equal referrers, then those of one repository, are folded into double
    marks with their number. Every blob and byte is in one mark. Cost: nodes + links, once or a few times.

    >>> blobkit.plot.reachability(demo.small(), "shop/web:1.0").get_title("left")
    'What shop/web:1.0 reaches: 5 blobs, 6.7 KiB'
    """
    found = scene(x, target, policy)
    canvas = Canvas(ax, found.title, f"policy {found.snapshot.policy}")
    if not len(found.nodes):
        canvas.sentence("Nothing to draw: nothing is stored, and nothing is linked to.")
        return canvas.done()
    folded = fold(found, MOST, MOST if canvas.own else rows_that_fit(canvas))
    canvas.heading(found.title, _drawn(found, folded))
    draw_folded(canvas, folded)
    return canvas.done()


def _drawn(found: Scene, folded: Folded) -> str:
    """Return what is drawn: the colours that occur, and what is folded."""
    states = {group.state for group in folded.groups}
    words = {"freed": "orange goes", "kept": "blue stays", "above": "grey reaches it", "garbage": "hollow is garbage"}
    colours = [word for state, word in words.items() if state in states]
    largest = human_bytes(max(group.bytes for group in folded.groups))
    number = sum(group.number for group in folded.groups if group.number > 1)
    several = [f"double marks: {number:,} folded"] if number else []
    return "; ".join([f"policy {found.snapshot.policy}", *colours, f"areas are bytes, the largest {largest}", *several])
