"""Shell scripts as text: POSIX sh, variables first, strangers' names quoted, no host named."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from blobkit.render import human_bytes, listed, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.questions.scripts.drops import Drop

__all__ = ["SKIP", "call", "comment", "said", "skipped", "with_blobkit", "with_ctr"]

NAMES_SHOWN = 12
COMMENT_SHOWN = 1000

SKIP = """
skipped=0
skip() { # NAME REASON
    printf 'skipped %s: %s\\n' "$1" "$2" >&2
    skipped=$((skipped + 1))
}"""
"""A function of the shell that says what is skipped, and counts it."""

_CTR = """
drop() { # NAMESPACE IMAGE DIGEST
    now=$(ctr -n "$1" images ls | name=$2 awk '$1 == ENVIRON["name"] { print $3 }')
    if [ "$now" != "$3" ]; then
        skip "$1/$2" "it names ${now:-nothing} now, not $3"
    else
        ctr -n "$1" images rm --sync "$2"
    fi
}"""

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


def comment(text: str) -> str:
    """Return a text as a comment: one line, whatever is in it."""
    shown = printable(text[:COMMENT_SHOWN])
    return f"# {shown}{'...' * (len(text) > COMMENT_SHOWN)}"


def with_ctr(wanted: Iterable[Drop]) -> list[str]:
    """Return the commands that remove images from containerd, which collects by itself: `--sync` waits for it."""
    lines = ["set -eu", *(SKIP + "\n" + _CTR).split("\n")]
    for drop in wanted:
        lines.append(comment(said(drop)))
        lines += [call("drop", *_within(name), drop.digest) for name in drop.names]
        if drop.number or not drop.names:
            lines.append(skipped(drop, "it is held by no image: see ctr leases ls, and labels containerd.io/gc.root"))
    return [*lines, 'echo "$skipped skipped" >&2', "# containerd has collected what nothing holds any more: --sync"]


def with_blobkit(path: str, wanted: Iterable[Drop]) -> list[str]:
    """Return a call of Python that drops tags and anonymous pins of a blobkit store, which frees at once."""
    lines = ["set -eu", f"STORE={shlex.quote(path)}", "PYTHON=${PYTHON:-python3} # one that has blobkit"]
    lines += ['"$PYTHON" - "$STORE" <<\'END\'', *_BLOBKIT.splitlines()]
    for drop in wanted:
        lines.append(f"    {comment(said(drop))}")
        lines += [f"    untag(store, {name!a}, {drop.digest!a})" for name in drop.names]
        lines += [f"    print(store.deref({drop.digest!a}))"] * drop.number
    return [*lines, "    pass", "END"]


def said(drop: Drop) -> str:
    """Return what a comment says of a drop: names, bytes, co-tags."""
    what = listed(drop.names, NAMES_SHOWN) or f"{drop.group}@{drop.digest}".lstrip("@")
    if drop.child:
        return f"{what}: goes because nothing that stays needs it"
    alone = f"{what}: alone frees {human_bytes(drop.bytes)} ({drop.bytes} bytes)"
    if len(drop.names) > 1:
        alone += ", all of them together"
    return f"{alone}; the same digest stays as {listed(drop.also, NAMES_SHOWN)}" if drop.also else alone


def call(*words: str) -> str:
    """Return a command whose words the shell takes as they are."""
    return " ".join([words[0], *map(shlex.quote, words[1:])])


def skipped(drop: Drop, why: str) -> str:
    """Return the call that says that a drop is skipped, and why."""
    name = listed(drop.names, NAMES_SHOWN) or f"{drop.group}@{drop.digest}".lstrip("@")
    return call("skip", printable(name), why)


def _within(name: str) -> tuple[str, str]:
    """Return namespace and image of a pin of containerd."""
    namespace, _, image = name.partition("/")
    return namespace, image
