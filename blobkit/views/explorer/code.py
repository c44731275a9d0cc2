"""The ticks as a call in Python, and as the commands of a script: what a reader takes along."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import is_digest
from blobkit.errors import BlobkitError
from blobkit.questions.inputs.patterns import EXPRESSION, anywhere
from blobkit.render import count
from blobkit.snapshot.lookups import matching_names, texts_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from blobkit.questions.row_columns import RowColumns
    from blobkit.questions.what_if import WhatIf

__all__ = ["call", "commands"]

LISTED = 12
LONGEST = 100_000
"""The most characters of a text for the page."""


def call(what_if: WhatIf, columns: RowColumns, search: str) -> str:
    """Return the call that gives the same answer; `search`: the pattern by which all were ticked, if they were."""
    ticked, tree = what_if.now.names, what_if.tree
    if not ticked.any():
        return "blobkit.tags_frame(x)  # tick something first"
    pattern = _pattern(search)
    if pattern and _same(ticked, columns, search):
        return f"preview = blobkit.simulate_deref(x, {pattern!r})"
    whole = _whole(ticked, columns)
    single = np.flatnonzero(ticked & ~np.isin(tree.repository, whole))
    if len(single) + len(whole) > LISTED:
        return f"preview = blobkit.simulate_deref(x, w.value)  # {count(int(ticked.sum()), 'name')}; w is this widget"
    names = [_argument(name) for name in texts_of(columns.snapshot, single)]
    groups = ", ".join(repr(tree.repositories[place]) for place in whole.tolist())
    arguments = ["x", *names, *([f"groups=[{groups}]"] if groups else [])]
    if len(arguments) <= 3:  # noqa: PLR2004 (they fit in a line)
        return f"preview = blobkit.simulate_deref({', '.join(arguments)})"
    lines = "".join(f"    {one},\n" for one in arguments)
    return f"preview = blobkit.simulate_deref(\n{lines})"


def commands(what_if: WhatIf) -> str:
    """Return the script of the default tool, its beginning if it is long; the reason if there is none."""
    if what_if.preview is None:
        return "# tick something first"
    try:
        text = what_if.preview.script()
    except BlobkitError as error:
        return f"# {error}"
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n# ... {len(text) - LONGEST:,} characters more: w.preview.script() has them all\n"


def _pattern(search: str) -> str:
    """Return a search as a pattern of whole names."""
    text = search.strip()
    return "" if not text or text.startswith(EXPRESSION) else f"*{text.strip('*')}*"


def _same(ticked: NDArray[np.bool_], columns: RowColumns, search: str) -> bool:
    """Return whether exactly the ticked names match a search, also among names that do not hold."""
    return bool((matching_names(columns.snapshot, anywhere(search.strip())) == ticked).all())


def _whole(ticked: NDArray[np.bool_], columns: RowColumns) -> NDArray[np.int64]:
    """Return the repositories with more than one name, all of them ticked."""
    tree, n = columns.tree, len(columns.tree.repositories)
    number = np.bincount(tree.repository, minlength=n)
    same = np.bincount(tree.repository[ticked], minlength=n) == number
    named = np.array([bool(name) for name in tree.repositories], np.bool_)
    return np.flatnonzero(same & named & (number > 1))


def _argument(name: str) -> str:
    return repr(f"tag:{name}" if is_digest(name) else name)
