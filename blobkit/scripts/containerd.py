"""Commands for containerd: `ctr` removes images, containerd collects by itself. No scanner reads its stores yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.scripts.shell import SKIP, call, comment, describe, skip_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.questions.deletion import Drop

__all__ = ["with_ctr"]

_CTR = """
drop() { # NAMESPACE IMAGE DIGEST
    now=$(ctr -n "$1" images ls | name=$2 awk '$1 == ENVIRON["name"] { print $3 }')
    if [ "$now" != "$3" ]; then
        skip "$1/$2" "it names ${now:-nothing} now, not $3"
    else
        ctr -n "$1" images rm --sync "$2"
    fi
}"""


def with_ctr(wanted: Iterable[Drop]) -> list[str]:
    """Return the commands that remove images from containerd, which collects by itself: `--sync` waits for it."""
    lines = ["set -eu", *(SKIP + "\n" + _CTR).split("\n")]
    for drop in wanted:
        lines.append(comment(describe(drop)))
        lines += [call("drop", *_within(name), drop.digest) for name in drop.names]
        if drop.number or not drop.names:
            lines.append(skip_call(drop, "no image holds it: see ctr leases ls, and labels containerd.io/gc.root"))
    return [*lines, 'echo "$skipped skipped" >&2', "# containerd has removed the unreferenced blobs: --sync"]


def _within(name: str) -> tuple[str, str]:
    """Return namespace and image of a containerd pin."""
    namespace, _, image = name.partition("/")
    return namespace, image
