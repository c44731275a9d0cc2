"""The commands for a store of blobkit: a call of Python that drops tags and anonymous pins, which frees at once."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from blobkit.scripts.shell import comment, said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.questions.deletion import Drop

__all__ = ["with_blobkit"]

_BLOBKIT = """\
import sys
import blobkit
def untag(store, name, digest):
    now = store.tags().get(name)
    if now == digest:
        print(store.untag(name))
    else:
        print(f"skipped {name!a}: it names {now or 'nothing'} now, not {digest}", file=sys.stderr)
with blobkit.LocalStore(sys.argv[1], create=False) as store:
"""


def with_blobkit(path: str, wanted: Iterable[Drop]) -> list[str]:
    """Return a call of Python that drops tags and anonymous pins of a blobkit store, which frees at once."""
    lines = ["set -eu", f"STORE={shlex.quote(path)}", "PYTHON=${PYTHON:-python3} # one that has blobkit"]
    lines += ['"$PYTHON" - "$STORE" <<\'END\'', *_BLOBKIT.splitlines()]
    for drop in wanted:
        lines.append(f"    {comment(said(drop))}")
        lines += [f"    untag(store, {name!a}, {drop.digest!a})" for name in drop.names]
        lines += [f"    print(store.deref({drop.digest!a}))"] * drop.number
    return [*lines, "    pass", "END"]
