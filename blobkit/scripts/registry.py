"""Commands for registries: one of four tools deletes through the API, then the registry's own collector runs."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from blobkit.digest import is_digest
from blobkit.render import printable
from blobkit.scripts.shell import SKIP, call, comment, describe, skip_call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.questions.deletion import Drop
    from blobkit.snapshot.records import Server

__all__ = ["ACCEPT", "CHECKS", "CHILD_AND_TAG", "dropped", "with_api"]

_ANY = "REGISTRY=${REGISTRY:?set it to the host and port of the registry}"
_LOCALS = ("localhost", "127.0.0.1")
_LOCAL = " | ".join(f"{host} | {host}:*" for host in _LOCALS)
_CONFIG = "CONFIG=${CONFIG:-/etc/docker/registry/config.yml} # of the registry, for its collector"
_FLAGS = """\
FLAGS=${FLAGS:-} # more options for every call of the tool
case $REGISTRY in
%s) FLAGS="%s $FLAGS" ;;
esac"""

CHECKS = """
at() { # REPOSITORY TAG-OR-DIGEST: print the reference
    case $2 in
    *:*) printf '%s@%s\\n' "$1" "$2" ;;
    *) printf '%s:%s\\n' "$1" "$2" ;;
    esac
}

changed= # the repositories that changed since the snapshot
unchanged() { # REPOSITORY DIGEST NAME...: check that each name (a tag or the digest) still names the digest
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
}"""
"""Shell functions that check what the names of a manifest name by now; they call `digest_of` of the tool."""

_DROP = """
drop() { # REPOSITORY DIGEST TAG...: delete the manifest and these tags
    if [ $# -gt 2 ]; then
        unchanged "$@" || return 0
    else
        unchanged "$@" "$2" || return 0
    fi
    delete "$1" "$2" || { echo "stopped: cannot delete $1@$2 (does the registry allow it?)" >&2; exit 1; }
}"""

CHILD_AND_TAG = """
drop_child() { # REPOSITORY DIGEST: delete a child whose parents were all deleted before
    case $changed in
    *" $1 "*) skip "$(at "$1" "$2")" "a manifest that contains it may still exist" ;;
    *) drop "$1" "$2" ;;
    esac
}

drop_tag() { # REPOSITORY DIGEST TAG: delete the tag alone, because the manifest stays
    unchanged "$@" || return 0
    untag "$1" "$3" || skip "$1:$3" "this registry cannot delete a tag and leave its manifest"
}"""
"""Shell functions that drop a child, and a tag alone; they call `drop`, and `untag` of the tool."""

ACCEPT = ", ".join(
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
{_LOCAL}) URL=http://$REGISTRY ;;
*) URL=https://$REGISTRY ;;
esac
ACCEPT='{ACCEPT}'

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
digest_of() { # hash the bytes of the manifest or index
    raw=$(mktemp)
    if skopeo inspect --raw $FLAGS "docker://$REGISTRY/$(at "$1" "$2")" > "$raw"; then
        kind=${digest%%:*}
        printf '%s:%s\\n' "$kind" "$("${kind}sum" < "$raw" | cut -d ' ' -f 1)"
    fi
    rm -f "$raw"
}

# shellcheck disable=SC2086
delete() { skopeo delete $FLAGS "docker://$REGISTRY/$(at "$1" "$2")"; }

untag() { return 1; } # skopeo would delete the manifest, and all other tags of it""",
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
"""For each tool: its flags for a registry on this machine, which uses HTTP; and its three commands."""

_COLLECT = """
# Remove the unreferenced blobs. Run this on the host of the registry's storage, while nobody pushes.
echo "$skipped skipped" >&2
command -v registry > /dev/null || registry() { docker-registry "$@"; } # its name on Debian"""

_LATER = """
# The garbage collection of the registry frees the bytes. Which program runs there is not known: in distribution
# (docker-registry) it is registry garbage-collect, run on the host of its storage while nobody pushes; in Harbor its
# job, or the schedule of that; zot collects by itself.
echo "$skipped skipped" >&2"""

_IN_STORAGE = "remove it in the registry's storage directory"
_LEAVE = """
# The collector is not run: it would remove needed blobs. The deleted manifests take space until it can run.
echo "$skipped skipped" >&2"""


def with_api(
    tool: str, wanted: Iterable[Drop], collector: str, why_not: str = "", server: Server | None = None
) -> list[str]:
    """Return the commands that delete manifests and tags through a registry's API, and run the registry's collector.

    `why_not`: why the collector is not run, "" if it is. `server`: the registry of the snapshot, None if its storage
    was read; without a collector the registry has to collect by itself.
    """
    lines = ["set -eu", *_registry(tool, server, collector), *SKIP.split("\n"), *_functions(tool, server)]
    for drop in wanted:
        lines += ["", comment(describe(drop)), *dropped(drop, "" if server else _IN_STORAGE)]
    if why_not:
        return [*lines, *_LEAVE.split("\n"), call("echo", f"not collected: {printable(why_not)}") + " >&2"]
    if not collector:
        return [*lines, *_LATER.split("\n")]
    return [*lines, *_COLLECT.split("\n"), f'{collector} "$CONFIG"']


def _registry(tool: str, server: Server | None, collector: str) -> list[str]:
    """Return the settings: the registry, its configuration if a collector runs, and the flags of the tool."""
    default = f"REGISTRY=${{REGISTRY:-{shlex.quote(server.host)}}}" if server else _ANY
    flags = _FLAGS % (_plain(server), _TOOLS[tool][0])
    return [default, *([_CONFIG] if collector else []), *flags.split("\n")]


def _functions(tool: str, server: Server | None) -> list[str]:
    """Return the shell functions that check and delete."""
    commands = _TOOLS[tool][1].replace(_LOCAL, _plain(server))
    return f"{CHECKS}\n{_DROP}\n{CHILD_AND_TAG}\n{commands}".split("\n")


def _plain(server: Server | None) -> str:
    """Return a pattern for hosts that are asked by HTTP without TLS."""
    if server is None or not server.plain or server.host.partition(":")[0] in _LOCALS:
        return _LOCAL
    return f"{_LOCAL} | {shlex.quote(server.host)}"


def dropped(drop: Drop, instead: str = "") -> list[str]:
    """Return the calls for one manifest; `instead`: advice where it cannot be deleted."""
    tags = [name.removeprefix(f"{drop.group}:") for name in drop.names]
    if drop.skip or not drop.group:
        why = drop.skip or "it is not in a repository"
        return [skip_call(drop, f"{why}: {instead}" if instead else why)]
    if not is_digest(drop.digest):
        return [skip_call(drop, "that is not a digest")]
    if drop.child:
        return [call("drop_child", drop.group, drop.digest)]
    if drop.whole:
        return [call("drop", drop.group, drop.digest, *tags)]
    return [call("drop_tag", drop.group, drop.digest, tag) for tag in tags]
