"""The commands for OCI layouts: umoci, which drops names and collects; or by hand, entry by entry and file by file."""

from __future__ import annotations

import hashlib
import shlex
from typing import TYPE_CHECKING

import numpy as np

from blobkit.oci.names import REF_NAME
from blobkit.questions.frame import to_frame
from blobkit.render import count, human_bytes, printable
from blobkit.scripts.shell import SKIP, call, comment, said, skipped
from blobkit.snapshot.tables import ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit.questions.deletion import Drop
    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["by_hand", "with_umoci"]

FRESH = "24h"

_NAMED = """
named() { # NAME: the digests that it names in index.json
    python3 -c '
import json, sys
name = "REF_NAME"
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
}""".replace("REF_NAME", REF_NAME)

_BY_HAND = """\
import hashlib, json, os
NAME = "REF_NAME"
def key(entry):
    name = (entry.get("annotations") or {}).get(NAME)
    return entry["digest"], name.encode("utf-8", "backslashreplace").decode() if isinstance(name, str) else ""
with open("index.json", encoding="utf-8") as file:
    body = json.load(file)
entries = body.get("manifests") or []
lines = sorted(" ".join(key(entry)) for entry in entries)
if hashlib.sha256("\\n".join(lines).encode()).hexdigest() != SEEN:
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
""".replace("REF_NAME", REF_NAME)


def with_umoci(layout: str, wanted: Iterable[Drop]) -> list[str]:
    """Return the commands that drop names of an OCI layout, and collect."""
    lines = ["set -eu", f"LAYOUT={shlex.quote(layout)}", *(SKIP + "\n" + _NAMED).split("\n"), 'cd -- "$LAYOUT"']
    named: dict[str, list[str]] = {}
    for drop in wanted:
        lines.append(comment(said(drop)))
        for name in drop.names:
            if printable(name) == name:
                named.setdefault(name, []).append(drop.digest)
            else:
                lines.append(call("skip", printable(name), "umoci takes no such name: use rm"))
        if drop.number:
            lines.append(skipped(drop, "umoci drops names only, and an entry of index.json has none: use rm"))
    lines += [call("drop", name, *sorted(digests)) for name, digests in sorted(named.items())]
    return [*lines, 'echo "$skipped skipped" >&2', "# What nothing names any more goes now.", "umoci gc --layout ."]


def by_hand(preview: Preview, wanted: Iterable[Drop]) -> list[str]:
    """Return commands that take entries out of a layout's index.json and remove files; Python 3 edits the JSON.

    The files are those of what goes for sure, and of garbage that is older than a day.
    """
    snapshot = preview.snapshot
    status = to_frame(snapshot, columns=["status"], min_age=FRESH)["status"]
    garbage = [snapshot.find(digest) for digest in status.index[status == "garbage"]]
    gone = np.union1d(preview.sure, np.array(garbage, np.int32))
    size = human_bytes(int(snapshot.graph.size[garbage].sum()))
    lines = [comment(said(drop)) for drop in wanted]
    lines.append(comment(f"{count(len(garbage), 'blob')}, {size}, that nothing holds already, go as well"))
    lines += ["set -eu", f"LAYOUT={shlex.quote(snapshot.address)}", 'cd -- "$LAYOUT"', "python3 - <<'END'"]
    lines += [f"SEEN = {_seen(snapshot)!a}", f"DROP = {_entries(preview, gone)!a}", *_BY_HAND.splitlines(), "END"]
    files = [snapshot.key(node).replace(":", "/") for node in gone.tolist()]
    return [*lines, "while IFS= read -r file; do", '    rm -f -- "blobs/$file"', "done <<'END'", *files, "END"]


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
