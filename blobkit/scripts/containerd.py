"""Commands for containerd: `ctr` removes images, docker those of its own namespace; containerd collects by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.render import printable
from blobkit.scripts.shell import SKIP, call, comment, describe, skip_call

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from blobkit.questions.deletion import Drop
    from blobkit.questions.preview import Preview

__all__ = ["reasons", "with_ctr"]

_CTR = """
# CONTAINERD_ADDRESS chooses the daemon: it must be the one with this root directory.
drop() { # NAMESPACE IMAGE DIGEST
    now=$(ctr -n "$1" images ls | name=$2 awk '$1 == ENVIRON["name"] { print $3 }')
    if [ "$now" != "$3" ]; then
        skip "$1/$2" "it names ${now:-nothing} now, not $3"
    else
        ctr -n "$1" images rm --sync -- "$2"
    fi
}"""
_DOCKER = """
# DOCKER_HOST chooses the engine: it must be the one that keeps its images in this containerd.
docker_drop() { # NAMESPACE IMAGE DIGEST
    now=$("${DOCKER:-docker}" image inspect --format '{{.Id}}' -- "$2" 2>/dev/null) || now=
    if [ "$now" != "$3" ]; then
        skip "$1/$2" "it names ${now:-nothing} now, not $3"
    else
        "${DOCKER:-docker}" rmi -- "$2" || skip "$1/$2" "docker leaves it"
    fi
}"""
MOBY = "moby"
"""The namespace of docker: its engine must remove its names, because it keeps records of its own."""


def reasons(preview: Preview) -> dict[str, str]:
    """Return the dropped names that stay, and why."""
    rows, reason = preview.deletion.rows, preview.deletion.reason
    names = preview.snapshot.pins["name"].take(rows).to_pylist()
    return {name: why for name, why in zip(names, reason.tolist(), strict=True) if name and why}


def with_ctr(wanted: Iterable[Drop], stays: Mapping[str, str]) -> list[str]:
    """Return the commands that remove images from containerd, which collects by itself: `--sync` waits for it.

    `stays`: names that are passed over, and why.
    """
    lines: list[str] = []
    for drop in wanted:
        lines.append(comment(describe(drop)))
        lines += [_call(name, drop.digest, stays.get(name, "")) for name in drop.names]
        if drop.number or not drop.names:
            lines.append(skip_call(drop, drop.skip or _other(drop.digest)))
    is_dockers = any(line.startswith("docker_drop ") for line in lines)
    functions = SKIP + "\n" + _CTR + ("\n" + _DOCKER if is_dockers else "")
    end = ["# containerd has removed the unreferenced blobs and snapshots: the commands above wait for it"]
    return ["set -eu", *functions.split("\n"), *lines, 'echo "$skipped skipped" >&2', *end]


def _call(name: str, digest: str, why: str) -> str:
    """Return the command that removes one name, or passes over it."""
    namespace, _, image = name.partition("/")
    if why:
        return call("skip", printable(name), why)
    return call("docker_drop" if namespace == MOBY else "drop", namespace, image, digest)


def _other(key: str) -> str:
    """Return why a pin without a name stays, and what removes it by hand."""
    kind, _, rest = key.partition("/")
    namespace, _, name = rest.partition("/")
    if kind in ("lease", "container") and name:
        return f"its own program removes it; by hand: {call('ctr', '-n', namespace, f'{kind}s', 'rm', name)}"
    return "no image holds it: see ctr leases ls, and labels containerd.io/gc.root"
