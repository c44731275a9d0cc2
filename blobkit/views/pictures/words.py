"""Figures in words, as the titles of pictures have them."""

from __future__ import annotations

from typing import Any

from blobkit.questions.headline import as_promised, hedge
from blobkit.questions.preview import Preview
from blobkit.render import abbreviate, human_bytes, join_some

__all__ = ["dropping", "percent", "preview_in"]

HUNDRED, NAMES = 100, 3


def percent(part: float, whole: float) -> str:
    """Return a share: never `0%` of something, nor `100%` of less than all.

    >>> percent(1, 1000), percent(999, 1000), percent(1, 3), percent(0, 5)
    ('under 1%', 'over 99%', '33%', '0%')
    """
    share = round(HUNDRED * part / whole) if whole else 0
    if share == 0 and part:
        return "under 1%"
    return "over 99%" if share == HUNDRED and part < whole else f"{share}%"


def preview_in(x: object) -> Any:  # noqa: ANN401 (a preview, or x, whatever it is)
    """Return the preview of an answer that has one (a plan, a what-if with ticks), else `x` itself."""
    found = getattr(x, "preview", None)
    return found if isinstance(found, Preview) else x


def dropping(preview: Preview, whole: int, blobs: int = 0) -> str:
    """Return what goes of what is reached, or stored; the whole story, if the collector does less or more."""
    if not as_promised(preview):
        return preview.title()
    names = join_some([abbreviate(target) for target in preview.targets], NAMES)
    most = hedge(preview)
    number = f", {len(preview):,} of {blobs:,} blobs" if blobs else ""
    return f"Dropping {names} frees {most}{human_bytes(preview.bytes)} of {human_bytes(whole)}{number}"
