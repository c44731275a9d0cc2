"""Commands for vendors' registries: the vendor's own program or API deletes, and the vendor frees the bytes later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.errors import UnknownToolError
from blobkit.scripts.registry import CHECKS, CHILD_AND_TAG, dropped
from blobkit.scripts.shell import SKIP, call, comment, describe
from blobkit.scripts.sites import GITLAB, HUB, QUAY
from blobkit.scripts.vendors import AWS, AZ, GCLOUD, GH, azure, ecr, ecr_public, google

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from blobkit.questions.deletion import Drop
    from blobkit.snapshot.records import Server

__all__ = ["with_vendor"]

_NEEDS = """
for program; do
    command -v "$program" > /dev/null || { echo "$program is not installed" >&2; exit 1; }
done"""

_MANIFESTS = """
only() { # REPOSITORY DIGEST TAG...: check that the manifest has no other tag by now: it goes with all of them
    repository=$1 digest=$2
    shift 2
    has=$(tags_of "$repository" "$digest") || { skip "$(at "$repository" "$digest")" "its tags are unknown"; return 1; }
    for tag in $has; do
        case " $* " in
        *" $tag "*) ;;
        *)
            changed="$changed $repository "
            skip "$(at "$repository" "$digest")" "it has the tag $tag by now"
            return 1
            ;;
        esac
    done
}

drop() { # REPOSITORY DIGEST TAG...: delete the manifest and these tags
    if [ $# -gt 2 ]; then
        unchanged "$@" || return 0
    else
        unchanged "$@" "$2" || return 0
    fi
    only "$@" || return 0
    delete "$@" || { echo "stopped: cannot delete $1@$2" >&2; exit 1; }
}"""
"""Shell functions for registries that delete manifests; they call `tags_of` and `delete` of the vendor."""

_TAGS = """
drop() { # REPOSITORY DIGEST TAG...: delete these tags; the registry removes what nothing names
    if [ $# -eq 2 ]; then
        skip "$(at "$1" "$2")" "this registry deletes tags only, and removes by itself what no tag reaches"
        return 0
    fi
    unchanged "$@" || return 0
    name=$1
    shift 2
    for tag; do
        untag "$name" "$tag" || { echo "stopped: cannot delete $name:$tag" >&2; exit 1; }
    done
}

drop_tag() { drop "$@"; } # REPOSITORY DIGEST TAG"""
"""Shell functions for registries that delete tags only; they call `untag` of the vendor."""


@dataclass(frozen=True, slots=True)
class _Vendor:
    """The programs of a vendor's script, its shell functions, those of its `host`; `by_tag`: it deletes tags only."""

    needs: tuple[str, ...]
    commands: str
    host: Callable[[str], str] = lambda _: ""
    by_tag: bool = False


_VENDORS = {
    "ghcr": _Vendor(("gh",), GH),
    "ecr": _Vendor(("aws",), AWS, ecr),
    "ecr-public": _Vendor(("aws",), AWS, ecr_public),
    "acr": _Vendor(("az",), AZ, azure),
    "gar": _Vendor(("gcloud",), GCLOUD, google),
    "hub": _Vendor(("curl", "jq"), HUB),
    "gitlab": _Vendor(("curl", "jq"), GITLAB, by_tag=True),
    "quay": _Vendor(("curl", "jq"), QUAY, by_tag=True),
}
"""The vendors by the names in their records."""


def with_vendor(server: Server, wanted: Iterable[Drop]) -> list[str]:
    """Return the commands that delete manifests or tags as this vendor allows it.

    UnknownToolError for a vendor whose commands are not known, and for manifests where only tags can be deleted.
    """
    vendor, wanted = _known(server), list(wanted)
    if vendor.by_tag:
        wanted = _tagged(server, wanted)
    drops = _TAGS if vendor.by_tag else _MANIFESTS + "\n" + CHILD_AND_TAG
    parts = (SKIP, CHECKS, vendor.host(server.host), vendor.commands, drops)
    lines = ["set -euf", call("set", "--", *vendor.needs), *_NEEDS.split("\n")[1:], *"\n".join(parts).split("\n")]
    for drop in wanted:
        lines += ["", comment(describe(drop)), *dropped(drop)]
    return [
        *lines,
        "",
        f"# {server.frees} frees the bytes by itself, when is not known.",
        'echo "$skipped skipped" >&2',
    ]


def _known(server: Server) -> _Vendor:
    vendor = _VENDORS.get(server.vendor)
    if vendor is None:
        msg = f"no command is known that deletes on {server.host}"
        raise UnknownToolError(msg, hint="delete there as its documents say")
    return vendor


def _tagged(server: Server, wanted: list[Drop]) -> list[Drop]:
    """Return the drops without the children, which the vendor removes; UnknownToolError if no tag is dropped."""
    tagged = [drop for drop in wanted if not drop.child]
    if tagged and not any(drop.names for drop in tagged):
        msg = f"no command is known that deletes manifests by digest on {server.host}"
        raise UnknownToolError(msg, hint=f"{server.frees} removes by itself what no tag reaches")
    return tagged
