"""Commands for a blobkit store: a Python program that drops tags and anonymous pins, which frees blobs at once."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from blobkit.scripts.shell import comment, describe

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
    """Return commands that call Python to drop tags and anonymous pins of a blobkit store; this frees blobs at once."""
    lines = ["set -eu", f"STORE={shlex.quote(path)}", "PYTHON=${PYTHON:-python3} # with blobkit installed"]
    lines += ['"$PYTHON" - "$STORE" <<\'END\'', *_BLOBKIT.splitlines()]
    for drop in wanted:
        lines.append(f"    {comment(describe(drop))}")
        lines += [f"    untag(store, {name!a}, {drop.digest!a})" for name in drop.names]
        lines += [f"    print(store.deref({drop.digest!a}))"] * drop.number
    return [*lines, "    pass", "END"]
