"""The commands for registries: deleting by their API with one of four tools, then the registry's own collector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.digest import is_digest
from blobkit.render import printable
from blobkit.scripts.shell import SKIP, call, comment, said, skipped

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.questions.deletion import Drop

__all__ = ["with_api"]

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

changed= # the repositories in which something is not as in the snapshot
unchanged() { # REPOSITORY DIGEST NAME...: whether each name, a tag or the digest itself, still names the digest
    repository=$1 digest=$2
    shift 2
    for name; do
        now=$(digest_of "$repository" "$name") || now=
        if [ "$now" != "$digest" ]; then
            changed="$changed $repository "
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

drop_child() { # REPOSITORY DIGEST: delete what only manifests contain that were deleted before it
    case $changed in
    *" $1 "*) skip "$(at "$1" "$2")" "what contains it may still be there" ;;
    *) drop "$1" "$2" ;;
    esac
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

_LEAVE = """
# The collector is not run: it would take what is needed. What was deleted takes space until it can be run.
echo "$skipped skipped" >&2"""


def with_api(tool: str, wanted: Iterable[Drop], collector: str, why_not: str = "") -> list[str]:
    """Return the commands that delete manifests and tags by a registry's API, and run the registry's collector.

    `why_not`: why the collector is not run, "" where it is.
    """
    local, commands = _TOOLS[tool]
    lines = ["set -eu", *(_REGISTRY % local).split("\n")[1:], *(SKIP + "\n" + _API + "\n" + commands).split("\n")]
    for drop in wanted:
        lines += ["", comment(said(drop)), *_dropped(drop)]
    if why_not:
        return [*lines, *_LEAVE.split("\n"), call("echo", f"not collected: {printable(why_not)}") + " >&2"]
    return [*lines, *_COLLECT.split("\n"), f'{collector} "$CONFIG"']


def _dropped(drop: Drop) -> list[str]:
    """Return the calls for one manifest."""
    tags = [name.removeprefix(f"{drop.group}:") for name in drop.names]
    if drop.skip or not drop.group:
        return [skipped(drop, f"{drop.skip or 'it is in no repository'}: remove it where the registry keeps its files")]
    if not is_digest(drop.digest):
        return [skipped(drop, "that is no digest")]
    if drop.child:
        return [call("drop_child", drop.group, drop.digest)]
    if drop.whole:
        return [call("drop", drop.group, drop.digest, *tags)]
    return [call("drop_tag", drop.group, drop.digest, tag) for tag in tags]
