"""The commands that drop what a preview dropped, as text to read and run: blobkit deletes nothing in a foreign store."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.questions.preview import Preview

__all__ = ["script"]


def script(preview: Preview, tool: str | None = None, *, heading: Sequence[str] = ()) -> str:
    """Return a POSIX shell script that does with `tool` what the preview shows; the lines of `heading` come first.

    `tool` is crane, skopeo, regctl, curl, umoci, rm, ctr or blobkit; None takes what fits the kind of store.
    UnknownToolError where it does not fit, which names those that do.
    """
    raise NotImplementedError
