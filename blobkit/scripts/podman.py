"""Commands for containers-storage: `podman` removes containers, volumes, names of images, images without a name.

It frees bytes at once. `podman rmi LIST` would remove the image of this platform that a list names, so lists are
removed by `podman manifest rm`, and no name is looked up by `podman image inspect`, which does the same.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from blobkit.oci.documents import is_index
from blobkit.render import printable
from blobkit.scripts.shell import SKIP, call, comment, describe
from blobkit.snapshot.pins import pin_labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.questions.deletion import Drop
    from blobkit.questions.preview import Preview

__all__ = ["with_podman"]

_PODMAN = """
FLAGS=${FLAGS:-} # more options for every call of podman, such as --runroot DIR
driver=
for one in zfs vfs btrfs overlay; do
    if [ -d "$ROOT/$one-layers" ] || [ -d "$ROOT/$one-images" ]; then driver=$one; fi
done
own=$(podman info --format '{{.Store.GraphRoot}}') || own=
pod() { # call podman on this root
    if [ "$own" = "$ROOT" ]; then
        podman $FLAGS "$@"
    else
        podman --root "$ROOT" --storage-driver "$driver" $FLAGS "$@"
    fi
}

images() { # print ID, name with tag, name with digest of every image
    pod images --all --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}'
}

id_of() { # NAME: print the ID of the image, or list, that has this name
    images | name=$1 awk '
        $2 == ENVIRON["name"] || (index(ENVIRON["name"], "@") && $3 == ENVIRON["name"]) {
            sub(/^sha256:/, "", $1); print $1; exit
        }'
}

unchanged() { # NAME ID NOW: check that the name still means this ID
    if [ "$3" != "$2" ]; then
        skip "$1" "it names ${3:-nothing} now, not $2"
        return 1
    fi
}

drop() { # ID NAME...: remove names of an image, and the image with the last one
    id=$1
    shift
    for name; do
        unchanged "$name" "$id" "$(id_of "$name")" || continue
        pod rmi "$name" || skip "$name" "podman does not remove it"
    done
}

drop_list() { # ID NAME...: remove a list of images, not the images in it
    id=$1
    shift
    for name; do
        unchanged "$name" "$id" "$(id_of "$name")" || continue
        if [ "$(images | id=sha256:$id awk '$1 == ENVIRON["id"]' | grep -c .)" -gt 1 ]; then
            pod untag "$name" "$name" || skip "$name" "podman does not untag it"
        else
            pod manifest rm "$name" || skip "$name" "podman does not remove it"
        fi
    done
}

drop_unnamed() { # ID: remove an image that has no name
    now=$(images | id=sha256:$1 awk '$1 == ENVIRON["id"] { print $2; exit }')
    if [ "$now" != "<none>:<none>" ]; then
        skip "image $1" "it is ${now:-gone} now"
    else
        pod rmi "$1" || skip "image $1" "podman does not remove it"
    fi
}

drop_container() { # ID NAME
    now=$(pod ps --all --external --no-trunc --format '{{.ID}} {{.Names}}' |
        name=$2 awk '$2 == ENVIRON["name"] { print $1; exit }')
    unchanged "$2" "$1" "$now" || return 0
    pod rm "$1" || skip "$2" "podman does not remove it (does it run?)"
}

drop_volume() { # NAME
    case $(pod volume inspect --format '{{.Mountpoint}}' -- "$1" || :) in
    "$ROOT/volumes/"*) pod volume rm -- "$1" || skip "volume $1" "podman does not remove it" ;;
    *) skip "volume $1" "it is not in this root now" ;;
    esac
}"""

_PRUNES = frozenset({"podman image prune", "podman image prune -a"})
_ORDER = ("container", "volume", "image")
"""What is removed first: a container uses volumes and images."""
_LIST = "the list itself: podman rmi would take the image in it for this platform"


def with_podman(preview: Preview, wanted: Iterable[Drop]) -> list[str]:
    """Return the commands that drop names, unnamed images, containers and volumes with podman."""
    lines = ["set -eu", f"ROOT={shlex.quote(preview.snapshot.address)}", *(SKIP + "\n" + _PODMAN).split("\n")]
    refused = _refused(preview)
    for drop in sorted(wanted, key=_place):
        lines += [comment(describe(drop)), *_commands(preview, drop, refused)]
    lines.append('echo "$skipped skipped" >&2')
    prune = preview.snapshot.rule.tool
    return [*lines, prune.replace("podman", "pod", 1) + " --force"] if prune in _PRUNES else lines


def _refused(preview: Preview) -> frozenset[str]:
    """Return the names that podman does not accept."""
    deletion, why = preview.deletion, preview.snapshot.store.dropping.refused
    return frozenset(pin_labels(preview.snapshot, deletion.rows[deletion.reason == why]))


def _place(drop: Drop) -> tuple[int, str]:
    kind = drop.digest.partition("/")[0]
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER), drop.digest


def _commands(preview: Preview, drop: Drop, refused: frozenset[str]) -> list[str]:
    """Return the commands that remove one thing, or some of its names."""
    kind, _, one = drop.digest.partition("/")
    good = [name for name in drop.names if name not in refused]
    why = preview.snapshot.store.dropping.refused
    lines = [call("skip", f"name {printable(name)}", why) for name in drop.names if name in refused]
    if kind == "volume":
        return lines or [call("drop_volume", one)]
    if kind == "container":
        return lines + [call("drop_container", one, name) for name in good]
    if good and _is_list(preview, drop):
        lines += [comment(_LIST), call("drop_list", one, *good)]
    elif good:
        lines.append(call("drop", one, *good))
    return lines + [call("drop_unnamed", one)] * bool(drop.number)


def _is_list(preview: Preview, drop: Drop) -> bool:
    snapshot = preview.snapshot
    return is_index(str(snapshot.nodes["media_type"][snapshot.find(drop.digest)]))
