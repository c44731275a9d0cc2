"""Plots of snapshots and answers, one family: `blobkit.plot`. Each draws on given axes, or on a new figure.

Colour says what happens: orange goes, blue stays, grey is not asked about, hatched is kept by several. The title is
the finding; the line below it says what is drawn, under which policy. Names are at the marks; what is folded says how
much it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.questions.audit import Audit
from blobkit.questions.diff import Diff
from blobkit.questions.plan import Plan
from blobkit.questions.preview import Preview
from blobkit.questions.sharing import Sharing
from blobkit.questions.usage import Usage
from blobkit.views.pictures import answers
from blobkit.views.pictures.cascade import cascade
from blobkit.views.pictures.growth import growth
from blobkit.views.pictures.icicle import icicle
from blobkit.views.pictures.reachability import reachability
from blobkit.views.pictures.sharing import sharing
from blobkit.views.pictures.sizes import sizes

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

__all__ = ["cascade", "growth", "icicle", "reachability", "sharing", "sizes"]

_DRAWN: dict[type, Callable[..., Axes]] = {
    Audit: answers.audit,
    Diff: answers.diff,
    Plan: answers.plan,
    Preview: cascade,
    Sharing: sharing,
    Usage: answers.usage,
}


def draw(answer: object, ax: Axes | None = None) -> Axes:
    """Return axes with the picture of an answer: its method `plot` calls this."""
    return _DRAWN[type(answer)](answer, ax=ax)
