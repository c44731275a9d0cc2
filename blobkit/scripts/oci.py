"""The commands for OCI layouts: umoci, which drops names and collects; or by hand, entry by entry and file by file."""

from __future__ import annotations

import hashlib
import shlex
from typing import TYPE_CHECKING

import numpy as np

from blobkit.digest import blob_path, is_digest
from blobkit.questions.frame import to_frame
from blobkit.render import count, human_bytes, printable
from blobkit.scripts.oci_index import EDIT, NAMED
from blobkit.scripts.shell import SKIP, call, comment, said
from blobkit.snapshot.roles import IS_ALIAS, NAMES
from blobkit.snapshot.sets import union
from blobkit.snapshot.tables import STORED, codes, ids

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from blobkit.questions.deletion import Drop
    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["by_hand", "with_umoci"]

FRESH = "24h"


def with_umoci(preview: Preview, wanted: Iterable[Drop], stops: str = "") -> list[str]:
    """Return the commands that drop names of an OCI layout, and collect; `stops` is why they do not collect."""
    layout = preview.snapshot.address
    lines = ["set -eu", f"LAYOUT={shlex.quote(layout)}", *(SKIP + "\n" + NAMED).split("\n"), 'cd -- "$LAYOUT"']
    lines += [comment(said(drop)) for drop in wanted]
    named: dict[str, list[str]] = {}
    for name, ref, digest, why in _dropped(preview):
        if why:
            lines.append(call("skip", _shown(name or digest), f"{why}: use rm"))
        else:
            named.setdefault(ref, []).append(digest)
    lines += [call("drop", ref, *sorted(set(digests))) for ref, digests in sorted(named.items())]
    lines.append('echo "$skipped skipped" >&2')
    if stops:
        return [*lines, comment(f"umoci gc is left out, because it would not do what is said above: {stops}")]
    return [*lines, "# What nothing names any more goes now.", "umoci gc --layout ."]


def _dropped(preview: Preview) -> list[tuple[str, str, str, str]]:
    """Return name, reference name and digest of each entry that is dropped, and why umoci cannot drop it."""
    snapshot, deletion = preview.snapshot, preview.deletion
    pins, refs = snapshot.pins, _refs(snapshot)
    is_entry = _is_entry(snapshot)
    found = []
    for row, why in zip(deletion.rows.tolist(), deletion.reason.tolist(), strict=True):
        if is_entry[row]:
            name, digest = pins["name"][row].as_py() or "", snapshot.key(pins["node"][row].as_py())
            found.append((name, refs.get((name, digest), name), digest, why))
    return found


def _refs(snapshot: Snapshot) -> dict[tuple[str, str], str]:
    """Return the reference name of each entry that has a whole name too, by that name and the digest."""
    pins = snapshot.pins
    rows = np.flatnonzero(IS_ALIAS[codes(pins["kind"])])
    keys = snapshot.keys(ids(pins["node"])[rows])
    parts = ((name, digest) for name, _, digest in (key.rpartition("@") for key in keys))
    return dict(zip(parts, pins["name"].take(rows).to_pylist(), strict=True))


def _is_entry(snapshot: Snapshot) -> NDArray[np.bool_]:
    """Return whether each pin is an entry of index.json that names a blob."""
    virtual = codes(snapshot.nodes["stored"]) == STORED.index("virtual")
    found: NDArray[np.bool_] = NAMES[codes(snapshot.pins["kind"])] & ~virtual[ids(snapshot.pins["node"])]
    return found


def _shown(name: str) -> str:
    """Return a name as an argument that nothing takes for an option."""
    shown = printable(name)
    return f"name {shown}" if shown.startswith("-") else shown


def by_hand(preview: Preview, wanted: Iterable[Drop]) -> list[str]:
    """Return commands that take entries out of a layout's index.json and remove files; Python 3 edits the JSON.

    The files are those of what goes for sure, and of garbage that is older than a day. Only digests become paths.
    """
    snapshot = preview.snapshot
    status = to_frame(snapshot, columns=["status"], min_age=FRESH)["status"]
    garbage = [snapshot.find(digest) for digest in status.index[status == "garbage"]]
    gone = union(preview.sure, np.array(garbage, np.int32))
    size = human_bytes(int(snapshot.graph.size[garbage].sum()))
    lines = [comment(said(drop)) for drop in wanted]
    lines.append(comment(f"{count(len(garbage), 'blob')}, {size}, that nothing holds already, go as well"))
    lines += ["set -eu", f"LAYOUT={shlex.quote(snapshot.address)}", 'cd -- "$LAYOUT"', "python3 - <<'END'"]
    lines += [f"SEEN = {_seen(snapshot)!a}", f"DROP = {_entries(preview, gone)!a}", *EDIT.splitlines(), "END"]
    files = [blob_path(key).removeprefix("blobs/") for key in snapshot.keys(gone) if is_digest(key)]
    return [*lines, "while IFS= read -r file; do", '    rm -f -- "blobs/$file"', "done <<'END'", *files, "END"]


def _seen(snapshot: Snapshot) -> str:
    """Return a hash of all entries of a layout's index.json, as digest and name."""
    rows = np.flatnonzero(_is_entry(snapshot))
    pins = snapshot.pins.take(rows)
    entries = zip(snapshot.keys(ids(pins["node"])), pins["name"].to_pylist(), pins["count"].to_pylist(), strict=True)
    lines = sorted(line for key, name, number in entries for line in [f"{key} {name or ''}"] * number)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _entries(preview: Preview, gone: NDArray[np.int32]) -> dict[tuple[str, str], int]:
    """Return how many entries of index.json go: those that are dropped, and those of blobs that go."""
    snapshot = preview.snapshot
    pins, is_entry = snapshot.pins, _is_entry(snapshot)
    node = ids(pins["node"])
    rows = preview.dropped.rows | dict.fromkeys(np.flatnonzero(np.isin(node, gone)).tolist(), 1 << 30)
    found: dict[tuple[str, str], int] = {}
    for row, number in rows.items():
        if is_entry[row]:
            entry = snapshot.key(node[row]), pins["name"][row].as_py() or ""
            found[entry] = found.get(entry, 0) + min(number, pins["count"][row].as_py())
    return found
