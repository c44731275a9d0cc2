"""Commands for Ollama: `ollama rm` removes a name, and at once the blobs that only its manifest names."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from blobkit.scripts.shell import SKIP, call, comment, describe, skip_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.questions.deletion import Drop

__all__ = ["with_ollama"]

_OLLAMA = """
manifest() { # PATH: print the path of a manifest, also of versions that link to blobs
    if [ -e "manifests-v2/$1" ]; then echo "manifests-v2/$1"; else echo "manifests/$1"; fi
}

drop() { # NAME PATH DIGEST: remove a name whose manifest has this digest
    file=$(manifest "$2")
    now=$(sha256sum "$file" 2> /dev/null | cut -d ' ' -f 1) || now=
    if [ "sha256:$now" != "$3" ]; then
        skip "$1" "its manifest is ${now:-absent} now, not $3"
    elif ! ollama rm "$1"; then
        skip "$1" "ollama cannot remove it"
    elif [ -e "$file" ]; then
        skip "$1" "the server has its models elsewhere: set OLLAMA_HOST to the one of $MODELS"
    fi
}"""


def with_ollama(models: str, wanted: Iterable[Drop]) -> list[str]:
    """Return the commands that remove names of models; the server that has them must run."""
    lines = ["set -eu", f"MODELS={shlex.quote(models)}", *(SKIP + "\n" + _OLLAMA).split("\n"), 'cd -- "$MODELS"']
    for drop in wanted:
        lines.append(comment(describe(drop)))
        lines += [call("drop", name, _path(name), drop.digest) for name in drop.names if not drop.skip]
        if drop.skip or not drop.names:
            lines.append(skip_call(drop, drop.skip or "no name holds it"))
    return [*lines, 'echo "$skipped skipped" >&2', "# Ollama has removed the blobs that nothing else names."]


def _path(name: str) -> str:
    """Return the path of the manifest of a name, below the directory of manifests."""
    group, _, tag = name.rpartition(":")
    above = ["registry.ollama.ai", "library"]
    parts = group.split("/", 2)
    return "/".join([*above[: 3 - len(parts)], *parts, tag])
