"""The commands for containerd: `ctr` removes images, containerd collects by itself. No scanner reads its stores yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.scripts.shell import SKIP, call, comment, said, skipped

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
        lines.append(comment(said(drop)))
        lines += [call("drop", *_within(name), drop.digest) for name in drop.names]
        if drop.number or not drop.names:
            lines.append(skipped(drop, "it is held by no image: see ctr leases ls, and labels containerd.io/gc.root"))
    return [*lines, 'echo "$skipped skipped" >&2', "# containerd has collected what nothing holds any more: --sync"]


def _within(name: str) -> tuple[str, str]:
    """Return namespace and image of a pin of containerd."""
    namespace, _, image = name.partition("/")
    return namespace, image
