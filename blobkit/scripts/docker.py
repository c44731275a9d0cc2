"""Commands for docker: containers, then names, then images without a name, then records of the build cache."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from blobkit.render import printable
from blobkit.scripts.shell import SKIP, call, comment, describe
from blobkit.snapshot.references import PIN_KINDS
from blobkit.snapshot.tables import codes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from blobkit.questions.deletion import Drop
    from blobkit.questions.preview import Preview

__all__ = ["with_docker"]

_DOCKER = """
DOCKER=${DOCKER:-docker} # DOCKER_HOST chooses the engine
ROOT=${ROOT:-$(cd -- "$SEEN" 2>/dev/null && pwd -P || printf '%s\n' "$SEEN")}
root=$("$DOCKER" info --format '{{.DockerRootDir}}')
if [ "$root" != "$ROOT" ]; then
    echo "stopped: this engine has its data in $root, not in $ROOT (type ROOT=$root sh ... if they are the same)" >&2
    exit 1
fi

id_of() { # IMAGE|CONTAINER NAME: print the ID that a name has now
    "$DOCKER" "$1" inspect --format '{{.Id}}' -- "$2" 2>/dev/null || :
}

drop_name() { # NAME IMAGE: remove a name; docker removes the image with its last one
    now=$(id_of image "$1")
    if [ "$now" != "$2" ]; then
        skip "$1" "it names ${now:-nothing} now, not $2"
    else
        "$DOCKER" rmi -- "$1" || skip "$1" "docker leaves it"
    fi
}

drop_unnamed() { # IMAGE: remove an image that still has no name
    names=$("$DOCKER" image inspect --format '{{len .RepoTags}} {{len .RepoDigests}}' -- "$1" 2>/dev/null) || names=gone
    if [ "$names" != "0 0" ]; then
        skip "$1" "it is gone, or has a name now"
    else
        "$DOCKER" rmi -- "$1" || skip "$1" "docker leaves it"
    fi
}

drop_container() { # NAME ID
    now=$(id_of container "$1")
    if [ "$now" != "$2" ]; then
        skip "$1" "it is ${now:-nothing} now, not $2"
    else
        "$DOCKER" rm -- "$1" || skip "$1" "docker leaves it"
    fi
}

drop_cache() { # RECORD: remove a record of the build cache, unless others build on it
    "$DOCKER" builder prune --force --all --filter "id=$1" || skip "$1" "docker leaves it"
}"""

_PRUNE = '"$DOCKER" builder prune --force --all'
_CACHE = "cache"
_ORDER = ("running", "container", "digest", "tagged-digest", "tag", "unnamed", _CACHE)
"""The kinds of pins as they are dropped: a container that is gone uses no image, a digest goes with the last tag."""
_FUNCTIONS = {
    "running": "drop_container",
    "container": "drop_container",
    "unnamed": "drop_unnamed",
    _CACHE: "drop_cache",
}


def with_docker(preview: Preview, wanted: Iterable[Drop]) -> list[str]:
    """Return the commands that drop names, containers and records of the build cache; docker collects by itself."""
    lines = ["set -eu", f"SEEN={shlex.quote(preview.snapshot.address)} # the data root of the snapshot"]
    lines += [*(SKIP + "\n" + _DOCKER).split("\n"), *(comment(describe(drop)) for drop in wanted)]
    rows = sorted(_rows(preview))
    cached = sum(row[0] == _CACHE for _, row in rows)
    whole = cached > 1 and cached == _all_records(preview)
    lines += [_call(*row) for _, row in rows if not (whole and row[0] == _CACHE)]
    if whole:
        lines += ["# All of the build cache, and what was built since the snapshot.", _PRUNE]
    return [*lines, 'echo "$skipped skipped" >&2']


def _all_records(preview: Preview) -> int:
    """Return the number of all records of the build cache."""
    return int((codes(preview.snapshot.pins["kind"]) == PIN_KINDS.index(_CACHE)).sum())


def _rows(preview: Preview) -> Iterator[tuple[tuple[int, int, str], tuple[str, str, str, str]]]:
    """Yield the place in the order and kind, name, key and reason to stay of each dropped pin.

    A record of the cache comes before those that it is built on: their nodes go at a higher level.
    """
    snapshot, deletion = preview.snapshot, preview.deletion
    pins, level = snapshot.pins, dict(zip(preview.removal.nodes.tolist(), preview.removal.level.tolist(), strict=True))
    for row, why in zip(deletion.rows.tolist(), deletion.reason.tolist(), strict=True):
        kind, name, node = (pins[column][row].as_py() for column in ("kind", "name", "node"))
        if kind in _ORDER and row not in deletion.along:
            place = _ORDER.index(kind), level.get(node, len(level)) if kind == _CACHE else 0, name or ""
            yield place, (kind, name or "", snapshot.key(node), why)


def _call(kind: str, name: str, key: str, why: str) -> str:
    """Return the command that drops a pin."""
    target = key.partition("/")[2]
    words = {"unnamed": (target,), _CACHE: (name,)}.get(kind, (name, target))
    if why:
        return call("skip", printable(name or key), why)
    return call(_FUNCTIONS.get(kind, "drop_name"), *words)
