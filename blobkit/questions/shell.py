"""Shell scripts as text, for each tool: POSIX sh, variables first, strangers' names quoted, no host named."""

from __future__ import annotations

import hashlib
import re
import shlex
from typing import TYPE_CHECKING

import numpy as np

from blobkit.questions.frame import to_frame
from blobkit.render import count, human_bytes, listed, printable
from blobkit.tables import ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.questions.drops import Drop
    from blobkit.questions.preview import Preview
    from blobkit.snapshot import Snapshot

__all__ = ["by_hand", "comment", "with_api", "with_blobkit", "with_ctr", "with_umoci"]

FRESH = "24h"
NAMES_SHOWN = 12
COMMENT_SHOWN = 1000
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

_SKIP = """
skipped=0
skip() { # NAME REASON
    printf 'skipped %s: %s\\n' "$1" "$2" >&2
    skipped=$((skipped + 1))
}"""

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

_NAMED = """
named() { # NAME: the digests that it names in index.json
    python3 -c '
import json, sys
name = "org.opencontainers.image.ref.name"
entries = json.load(open("index.json", encoding="utf-8")).get("manifests") or []
found = {one["digest"] for one in entries if (one.get("annotations") or {}).get(name) == sys.argv[1]}
print(*sorted(ascii(digest)[1:-1] for digest in found))
' "$1"
}

drop() { # NAME DIGEST...: all that it names
    name=$1
    shift
    now=$(named "$name")
    if [ "$now" != "$*" ]; then
        skip "$name" "it names ${now:-nothing} now, not $*"
    else
        umoci rm --image ".:$name" || skip "$name" "umoci cannot drop it"
    fi
}"""

_BY_HAND = """\
import hashlib, json, os
NAME = "org.opencontainers.image.ref.name"
def key(entry):
    name = (entry.get("annotations") or {}).get(NAME)
    return entry["digest"], name if isinstance(name, str) else ""
with open("index.json", encoding="utf-8") as file:
    body = json.load(file)
entries = body.get("manifests") or []
lines = sorted(" ".join(key(entry)) for entry in entries)
if hashlib.sha256("\\n".join(lines).encode("utf-8", "backslashreplace")).hexdigest() != SEEN:
    raise SystemExit("skipped everything: the names in index.json are not those of the snapshot; make a new one")
left = []
for entry in entries:
    if DROP.get(key(entry), 0):
        DROP[key(entry)] -= 1
    else:
        left.append(entry)
body["manifests"] = left
temporary = f"index.json.{os.getpid()}"
with open(temporary, "x", encoding="utf-8") as file:
    os.fchmod(file.fileno(), os.stat("index.json").st_mode & 0o777)
    json.dump(body, file)
    file.flush()
    os.fsync(file.fileno())
os.replace(temporary, "index.json")
"""

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


def with_api(tool: str, wanted: Iterable[Drop], collector: str) -> list[str]:
    """Return the commands that delete manifests and tags by a registry's API, and run the registry's collector."""
    local, commands = _TOOLS[tool]
    lines = ["set -eu", *(_REGISTRY % local).split("\n")[1:], *(_SKIP + "\n" + _API + "\n" + commands).split("\n")]
    for drop in wanted:
        lines += ["", comment(_said(drop))]
        tags = [name.removeprefix(f"{drop.group}:") for name in drop.names]
        if not _REPOSITORY.fullmatch(drop.group) or not all(map(_TAG.fullmatch, tags)):
            lines.append(_skipped(drop, "no registry takes such a name: remove it where the registry keeps its files"))
        elif drop.whole:
            lines.append(_call("drop", drop.group, drop.digest, *tags))
        else:
            lines += [_call("drop_tag", drop.group, drop.digest, tag) for tag in tags]
    return [*lines, *_COLLECT.split("\n"), f'{collector} "$CONFIG"']


def with_umoci(layout: str, wanted: Iterable[Drop]) -> list[str]:
    """Return the commands that drop names of an OCI layout, and collect."""
    lines = ["set -eu", f"LAYOUT={shlex.quote(layout)}", *(_SKIP + "\n" + _NAMED).split("\n"), 'cd -- "$LAYOUT"']
    named: dict[str, list[str]] = {}
    for drop in wanted:
        lines.append(comment(_said(drop)))
        for name in drop.names:
            if printable(name) == name:
                named.setdefault(name, []).append(drop.digest)
            else:
                lines.append(_call("skip", printable(name), "umoci takes no such name: use rm"))
        if drop.number:
            lines.append(_skipped(drop, "umoci drops names only, and an entry of index.json has none: use rm"))
    lines += [_call("drop", name, *sorted(digests)) for name, digests in sorted(named.items())]
    return [*lines, 'echo "$skipped skipped" >&2', "# What nothing names any more goes now.", "umoci gc --layout ."]


def by_hand(preview: Preview, wanted: Iterable[Drop]) -> list[str]:
    """Return commands that take entries out of a layout's index.json and remove files; Python 3 edits the JSON.

    The files are those of what goes for sure, and of garbage that is older than a day.
    """
    snapshot = preview.snapshot
    status = to_frame(snapshot, columns=["status"], min_age=FRESH)["status"]
    garbage = [snapshot.find(digest) for digest in status.index[status == "garbage"]]
    gone = np.union1d(preview.sure, np.array(garbage, np.int32))
    size = human_bytes(int(snapshot.counted.size[garbage].sum()))
    lines = [comment(_said(drop)) for drop in wanted]
    lines.append(comment(f"{count(len(garbage), 'blob')}, {size}, that nothing holds already, go as well"))
    lines += ["set -eu", f"LAYOUT={shlex.quote(snapshot.address)}", 'cd -- "$LAYOUT"', "python3 - <<'END'"]
    lines += [f"SEEN = {_seen(snapshot)!a}", f"DROP = {_entries(preview, gone)!a}", *_BY_HAND.splitlines(), "END"]
    files = [snapshot.key(node).replace(":", "/") for node in gone.tolist()]
    return [*lines, "while IFS= read -r file; do", '    rm -f -- "blobs/$file"', "done <<'END'", *files, "END"]


def with_ctr(wanted: Iterable[Drop]) -> list[str]:
    """Return the commands that remove images from containerd, which collects by itself: `--sync` waits for it."""
    lines = ["set -eu", *(_SKIP + "\n" + _CTR).split("\n")]
    for drop in wanted:
        lines.append(comment(_said(drop)))
        lines += [_call("drop", *_within(name), drop.digest) for name in drop.names]
        if drop.number or not drop.names:
            lines.append(_skipped(drop, "it is held by no image: see ctr leases ls, and labels containerd.io/gc.root"))
    return [*lines, 'echo "$skipped skipped" >&2', "# containerd has collected what nothing holds any more: --sync"]


def with_blobkit(path: str, wanted: Iterable[Drop]) -> list[str]:
    """Return a call of Python that drops tags and anonymous pins of a blobkit store, which frees at once."""
    lines = ["set -eu", f"STORE={shlex.quote(path)}", "PYTHON=${PYTHON:-python3} # one that has blobkit"]
    lines += ['"$PYTHON" - "$STORE" <<\'END\'', *_BLOBKIT.splitlines()]
    for drop in wanted:
        lines.append(f"    {comment(_said(drop))}")
        lines += [f"    untag(store, {name!a}, {drop.digest!a})" for name in drop.names]
        lines += [f"    print(store.deref({drop.digest!a}))"] * drop.number
    return [*lines, "    pass", "END"]


def _said(drop: Drop) -> str:
    """Return what a comment says of a drop: names, bytes, co-tags."""
    what = listed(drop.names, NAMES_SHOWN) or f"{drop.group}@{drop.digest}".lstrip("@")
    if drop.child:
        return f"{what}: goes because nothing that stays needs it"
    alone = f"{what}: alone frees {human_bytes(drop.bytes)} ({drop.bytes} bytes)"
    if len(drop.names) > 1:
        alone += ", all of them together"
    return f"{alone}; the same digest stays as {listed(drop.also, NAMES_SHOWN)}" if drop.also else alone


def _call(*words: str) -> str:
    return " ".join([words[0], *map(shlex.quote, words[1:])])


def _skipped(drop: Drop, why: str) -> str:
    name = listed(drop.names, NAMES_SHOWN) or f"{drop.group}@{drop.digest}".lstrip("@")
    return _call("skip", printable(name), why)


def _within(name: str) -> tuple[str, str]:
    """Return namespace and image of a pin of containerd."""
    namespace, _, image = name.partition("/")
    return namespace, image


def _seen(snapshot: Snapshot) -> str:
    """Return a hash of all entries of a layout's index.json, as digest and name."""
    pins = snapshot.pins
    keys = (snapshot.key(node) for node in ids(pins["node"]).tolist())
    entries = zip(keys, pins["name"].to_pylist(), pins["count"].to_pylist(), strict=True)
    lines = sorted(line for key, name, number in entries for line in [f"{key} {name or ''}"] * number)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _entries(preview: Preview, gone: np.ndarray[tuple[int], np.dtype[np.int32]]) -> dict[tuple[str, str], int]:
    """Return how many entries of index.json go: those that are dropped, and those of blobs that go."""
    pins = preview.snapshot.pins
    node = ids(pins["node"])
    rows = preview.dropped.rows | dict.fromkeys(np.flatnonzero(np.isin(node, gone)).tolist(), 1 << 30)
    found: dict[tuple[str, str], int] = {}
    for row, number in rows.items():
        entry = preview.snapshot.key(node[row]), pins["name"][row].as_py() or ""
        found[entry] = found.get(entry, 0) + min(number, pins["count"][row].as_py())
    return found
