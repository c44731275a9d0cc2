"""Commands for the cache of the Hugging Face hub: `hf` removes revisions, or prunes after refs are removed."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from blobkit.scripts.shell import SKIP, call, comment, describe, skip_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.questions.deletion import Drop

__all__ = ["with_hf"]

_COMMIT = re.compile(r"[0-9a-fA-F]{40}")

_HF = """
hf version > /dev/null 2>&1 || { echo "hf does not run: pip install -U huggingface_hub" >&2; exit 1; }

refs_of() { # REPOSITORY COMMIT: print the refs that name the commit
    [ ! -d "$1/refs" ] || (
        cd -- "$1/refs"
        find . -type f | LC_ALL=C sort | while IFS= read -r ref; do
            if [ "$(cat -- "$ref")" = "$2" ]; then printf '%s\\n' "${ref#./}"; fi
        done
    )
}

drop() { # REPOSITORY COMMIT REF...: remove a revision that exactly these refs name
    repository=$1 commit=$2
    shift 2
    now=$(refs_of "$repository" "$commit")
    if [ ! -d "$repository/snapshots/$commit" ]; then
        skip "$repository $commit" "it is not here any more"
    elif [ "$now" != "$(printf '%s\\n' "$@")" ]; then
        skip "$repository $commit" "its refs are ${now:-none} now, not ${*:-none}"
    elif ! hf cache rm --yes --cache-dir . "$commit" || [ -d "$repository/snapshots/$commit" ]; then
        skip "$repository $commit" "hf does not remove it"
    fi
}

untag() { # REPOSITORY COMMIT REF: remove a ref that names the commit
    now=$(cat -- "$1/refs/$3" 2> /dev/null) || now=
    if [ "$now" != "$2" ]; then
        skip "$1 $3" "it names ${now:-nothing} now, not $2"
    else
        rm -f -- "$1/refs/$3"
    fi
}"""
_COLLECT = """\
# Remove the revisions that no ref names, while nothing downloads: partial downloads are removed, too."""


def with_hf(cache: str, wanted: Iterable[Drop], collector: str = "", stops: str = "") -> list[str]:
    """Return the commands that remove revisions of a cache; with a `collector`, those that remove refs and collect.

    `stops`: why the collector is not run, "" if it is.
    """
    lines = ["set -eu", f"CACHE={shlex.quote(cache)}", *(SKIP + "\n" + _HF).split("\n"), 'cd -- "$CACHE"']
    for drop in wanted:
        lines.append(comment(describe(drop)))
        lines += _dropped(drop, by_ref=bool(collector))
    lines.append('echo "$skipped skipped" >&2')
    if stops:
        return [*lines, comment(f"{collector} is left out, because it would not do what the preview shows: {stops}")]
    return [*lines, *_COLLECT.split("\n"), f"{collector} --yes --cache-dir ."] if collector else lines


def _dropped(drop: Drop, *, by_ref: bool) -> list[str]:
    """Return the calls for one revision."""
    repository = next((name.rpartition("@")[0] for name in (drop.digest, *drop.names)), "")
    kind, _, rest = repository.partition("/")
    folder = f"{kind}s--{rest.replace('/', '--')}"
    commit = drop.digest.removeprefix(f"{repository}@")
    refs = sorted(ref for name in drop.names if (ref := name.removeprefix(f"{repository}@")) != commit)
    if drop.skip or drop.number:
        return [skip_call(drop, drop.skip or "nothing removes a file of the shared store: delete it by hand")]
    if by_ref:
        return [call("untag", folder, commit, ref) for ref in refs]
    if not _COMMIT.fullmatch(commit):
        return [skip_call(drop, "hf cache rm takes commits of 40 hex digits")]
    return [call("drop", folder, commit, *refs)]
