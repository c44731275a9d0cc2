"""The commands for registries: deleting by their API with one of four tools, then the registry's own collector."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blobkit.scripts.shell import SKIP, call, comment, said, skipped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.questions.deletion import Drop

__all__ = ["with_api"]

_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

_REGISTRY = """
REGISTRY=${REGISTRY:?set it to the host and port of the registry}
CONFIG=${CONFIG:-/etc/docker/registry/config.yml} # of the registry, for its collector
FLAGS=${FLAGS:-} # more options for every call of the tool
case $REGISTRY in
localhost | localhost:* | 127.0.0.1 | 127.0.0.1:*) FLAGS="%s $FLAGS" ;;
esac"""

_API = """
at() { # REPOSITORY TAG-OR-DIGEST: how the tool writes it
    case $2 in
    *:*) printf '%s@%s\\n' "$1" "$2" ;;
    *) printf '%s:%s\\n' "$1" "$2" ;;
    esac
}

unchanged() { # REPOSITORY DIGEST NAME...: whether each name, a tag or the digest itself, still names the digest
    repository=$1 digest=$2
    shift 2
    for name; do
        now=$(digest_of "$repository" "$name") || now=
        if [ "$now" != "$digest" ]; then
            skip "$(at "$repository" "$name")" "it names ${now:-nothing} now, not $digest"
            return 1
        fi
    done
}

drop() { # REPOSITORY DIGEST TAG...: delete the manifest, and with it these tags
    if [ $# -gt 2 ]; then
        unchanged "$@" || return 0
    else
        unchanged "$@" "$2" || return 0
    fi
    delete "$1" "$2" || { echo "stopped: cannot delete $1@$2 (does the registry allow it?)" >&2; exit 1; }
}

drop_tag() { # REPOSITORY DIGEST TAG: delete the tag alone, because the manifest stays
    unchanged "$@" || return 0
    untag "$1" "$3" || skip "$1:$3" "this registry cannot delete a tag and leave its manifest"
}"""

_ACCEPT = ", ".join(
    f"application/vnd.{name}+json"
    for name in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
        "oci.artifact.manifest.v1",
    )
)

_TOOLS = {
    "curl": (
        "",
        f"""
case $REGISTRY in
*://*) URL=$REGISTRY ;;
localhost | localhost:* | 127.0.0.1 | 127.0.0.1:*) URL=http://$REGISTRY ;;
*) URL=https://$REGISTRY ;;
esac
ACCEPT='{_ACCEPT}'

# shellcheck disable=SC2086
digest_of() {{ # REPOSITORY TAG-OR-DIGEST
    curl $FLAGS -fsS --head -H "Accept: $ACCEPT" "$URL/v2/$1/manifests/$2" | tr -d '\\r' |
        sed -n 's/^[Dd][Oo][Cc][Kk][Ee][Rr]-[Cc]ontent-[Dd]igest: *//p'
}}

# shellcheck disable=SC2086
delete() {{ curl $FLAGS -fsS -o /dev/null -X DELETE "$URL/v2/$1/manifests/$2"; }}

untag() {{ delete "$1" "$2"; }}""",
    ),
    "crane": (
        "--insecure",
        """
# shellcheck disable=SC2086
digest_of() { crane digest $FLAGS "$REGISTRY/$(at "$1" "$2")"; }

# shellcheck disable=SC2086
delete() { crane delete $FLAGS "$REGISTRY/$(at "$1" "$2")"; }

untag() { delete "$1" "$2"; }""",
    ),
    "skopeo": (
        "--tls-verify=false",
        """
# shellcheck disable=SC2086
digest_of() { # of what is there, an index too: its bytes are hashed
    raw=$(mktemp)
    if skopeo inspect --raw $FLAGS "docker://$REGISTRY/$(at "$1" "$2")" > "$raw"; then
        kind=${digest%%:*}
        printf '%s:%s\\n' "$kind" "$("${kind}sum" < "$raw" | cut -d ' ' -f 1)"
    fi
    rm -f "$raw"
}

# shellcheck disable=SC2086
delete() { skopeo delete $FLAGS "docker://$REGISTRY/$(at "$1" "$2")"; }

untag() { return 1; } # it would delete the manifest, and with it what else is named so""",
    ),
    "regctl": (
        "",
        """
# shellcheck disable=SC2086
digest_of() { regctl $FLAGS manifest head "$REGISTRY/$(at "$1" "$2")"; }

# shellcheck disable=SC2086
delete() { regctl $FLAGS manifest delete "$REGISTRY/$(at "$1" "$2")"; }

# shellcheck disable=SC2086
untag() { regctl $FLAGS tag delete "$REGISTRY/$1:$2"; }""",
    ),
}
"""For each tool: its flags for a registry on this machine, which speaks HTTP; and its three commands."""

_COLLECT = """
# What nothing names any more goes now. Run it where the registry keeps its files, while nothing is pushed.
echo "$skipped skipped" >&2
command -v registry > /dev/null || registry() { docker-registry "$@"; } # as Debian calls it"""


def with_api(tool: str, wanted: Iterable[Drop], collector: str) -> list[str]:
    """Return the commands that delete manifests and tags by a registry's API, and run the registry's collector."""
    local, commands = _TOOLS[tool]
    lines = ["set -eu", *(_REGISTRY % local).split("\n")[1:], *(SKIP + "\n" + _API + "\n" + commands).split("\n")]
    for drop in wanted:
        lines += ["", comment(said(drop))]
        tags = [name.removeprefix(f"{drop.group}:") for name in drop.names]
        if not _REPOSITORY.fullmatch(drop.group) or not all(map(_TAG.fullmatch, tags)):
            lines.append(skipped(drop, "no registry takes such a name: remove it where the registry keeps its files"))
        elif drop.whole:
            lines.append(call("drop", drop.group, drop.digest, *tags))
        else:
            lines += [call("drop_tag", drop.group, drop.digest, tag) for tag in tags]
    return [*lines, *_COLLECT.split("\n"), f'{collector} "$CONFIG"']
