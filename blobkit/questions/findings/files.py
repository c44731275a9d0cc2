"""Findings about files: unreadable ones, links out of the store, files that are not blobs, metadata."""

from __future__ import annotations

import re
import shlex
from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.access import how_to_include
from blobkit.cache import memoized
from blobkit.questions.columns import keys
from blobkit.questions.findings.finding import Finding, finding
from blobkit.render import count, join_some
from blobkit.snapshot.notices import BEYOND, NOT_VISIBLE, denied_in, not_followed_in, shared_in, upload_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta

    from numpy.typing import NDArray

    from blobkit.access import Denial
    from blobkit.snapshot.snapshot import Snapshot

    Row = tuple[str, str, str, int]
    """Key, path, message, and the node of the key (-1: none), of one notice."""
    Notices = Mapping[str, list[Row]]
    """The notices by code."""

__all__ = [
    "beyond_files",
    "described",
    "estimates",
    "leftovers",
    "orphans",
    "outside",
    "shared",
    "split",
    "unreadable",
    "unseen",
    "unseen_places",
]

DENIED = frozenset({"unreadable", "damaged", "damaged-revision", "damaged-tag"})
"""Notices that may come from missing permission: then no damage is certain."""
_REVISIONS = re.compile(r"/repositories/(.+)/_manifests(?:/revisions(?:/.*)?)?\Z")
NOTHING = np.empty(0, np.int32)


def split(notices: Notices) -> tuple[list[Row], list[Row], Notices]:
    """Return the notices about missing permission, those about links that are not followed, and all others.

    Mere consequences of these are omitted: a directory that seems empty, a tag without its revision link.
    """
    denied: list[Row] = []
    links: list[Row] = []
    rest: dict[str, list[Row]] = {}
    for code, rows in notices.items():
        for row in rows:
            if code in DENIED and denied_in(row[2]):
                denied.append(row)
            elif code == "symlink" and not_followed_in(row[2]):
                links.append(row)
            else:
                rest.setdefault(code, []).append(row)
    barred = {path for _, path, _, _ in (*denied, *links)}
    repositories = {found[1] for path in barred if (found := _REVISIONS.search(path))}
    rest["junk"] = [row for row in rest.get("junk", ()) if row[1] not in barred]
    tags = rest.get("tag-without-revision", ())
    rest["tag-without-revision"] = [row for row in tags if row[0].rpartition(":")[0] not in repositories]
    return denied, links, rest


def unreadable(snapshot: Snapshot, rows: list[Row]) -> Finding:
    """Return the finding for missing permission: the directories and files that cannot be read, with their owners."""
    barred = [denial for _, _, message, _ in rows if (denial := denied_in(message))]
    names = dict.fromkeys(f"{_below(snapshot, one.path)} (of {one.owner}, mode {one.mode})" for one in barred)
    return finding("unreadable", snapshot, _nodes(rows), names, _permitted(snapshot, barred) if barred else "")


def estimates(snapshot: Snapshot, rows: list[Row], _: timedelta) -> Iterator[Finding]:
    """Yield the nodes whose size is an estimate, with advice to look at their files."""
    barred = [denial for _, _, message, _ in rows if (denial := denied_in(message))]
    yield finding("estimated", snapshot, _nodes(rows), more=_permitted(snapshot, barred) if barred else "")


def outside(snapshot: Snapshot, rows: list[Row]) -> Finding:
    """Return the finding for links that are not followed, with advice to read their targets."""
    names = dict.fromkeys(_below(snapshot, path) if path else message for _, path, message, _ in rows)
    return finding("outside", snapshot, _nodes(rows), names, _followed(snapshot, rows[0]) if rows else "")


def _followed(snapshot: Snapshot, row: Row) -> str:
    """Return the advice to read the target of a link."""
    digest, path, message, _ = row
    target, store = not_followed_in(message) or ("", "")
    return (
        f"scan {store} too"
        if store
        else how_to_include(path, "" if digest else target, snapshot.kind, snapshot.address)
    )


def leftovers(snapshot: Snapshot, rows: list[Row], min_age: timedelta) -> Iterator[Finding]:
    """Yield the files and directories that are not blobs, with their bytes."""
    sizes, times = zip(*(upload_in(message) for _, _, message, _ in rows), strict=True)
    young = sum(time is not None and snapshot.time - time < min_age for time in times)
    more = f"{count(young, 'name')} written within the minimum age: leave these alone" if young else ""
    more = "; ".join(filter(None, (more, snapshot.store.leftovers)))
    yield Finding("leftover", NOTHING, sum(sizes), tuple(path or message for _, path, message, _ in rows), more)


def others(_: Snapshot, rows: list[Row], _min_age: timedelta) -> Iterator[Finding]:
    """Yield the files of an engine that are no part of its images, by directory, with their bytes."""
    size = sum(upload_in(message)[0] for _, _, message, _ in rows)
    yield Finding("other", NOTHING, size, tuple(path or message for _, path, message, _ in rows))


def orphans(snapshot: Snapshot, rows: list[Row], _: timedelta) -> Iterator[Finding]:
    """Yield the content that is not in the index, by digest."""
    size = sum(upload_in(message)[0] for _, _, message, _ in rows)
    root = shlex.quote(snapshot.address)
    more = (
        f"blobkit fsck --repair {root} moves those that are older than an hour to quarantine, "
        f"then blobkit fsck --purge {root} frees them"
    )
    yield Finding("orphan", NOTHING, size, tuple(key or message for key, _, message, _ in rows), more)


def shared(snapshot: Snapshot, rows: list[Row], _: timedelta) -> Iterator[Finding]:
    """Yield the blobs with files that have other names, here or in another layout."""
    linked = pd.Index([digest for _, _, message, _ in rows for digest in shared_in(message)], dtype="str")
    known = pd.Index(keys(snapshot, np.arange(snapshot.nodes.num_rows, dtype=np.int32)))
    nodes = known.get_indexer(linked)
    yield finding("shared-inode", snapshot, nodes[nodes >= 0])


def described(snapshot: Snapshot, _: timedelta) -> Iterator[Finding]:
    """Yield the files that describe the store."""
    disk = snapshot.disk
    if disk is not None and disk.described:
        yield Finding("metadata", NOTHING, disk.metadata, disk.names)


def beyond_files(snapshot: Snapshot) -> dict[str, int]:
    """Return the bytes that are stored and are in no file, by what they are: uploads in parts, old versions."""
    columns = (snapshot.notices[name].to_pylist() for name in ("code", "message"))
    found = dict.fromkeys(BEYOND.values(), 0)
    for code, message in zip(*columns, strict=True):
        if code in BEYOND:
            found[BEYOND[code]] += upload_in(message)[0]
    return {what: size for what, size in found.items() if size}


@memoized
def unseen(snapshot: Snapshot) -> NDArray[np.bool_]:
    """Return which nodes may be stored in unreadable places: none of these is certain to be missing.

    Cost: two binary searches for each notice.
    """
    found = np.zeros(snapshot.nodes.num_rows, np.bool_)
    columns = (snapshot.notices[name].to_pylist() for name in ("code", "key", "message"))
    names = snapshot.nodes["key"]
    for start in {key for code, key, message in zip(*columns, strict=True) if _is_unseen(code, key, message)}:
        end = f"{start}\U0010ffff"
        found[bisect_left(names, start, key=str) : bisect_left(names, end, key=str)] = True
    return found


def unseen_places(snapshot: Snapshot) -> frozenset[str]:
    """Return the paths that cannot be read: links out of the store, and places without permission."""
    columns = (snapshot.notices[name].to_pylist() for name in ("code", "path", "message"))
    rows = zip(*columns, strict=True)
    return frozenset(path for code, path, message in rows if path and _is_unseen(code, path, message))


def _is_unseen(code: str, key: str, message: str) -> bool:
    """Return whether a notice is about unreadable blobs with digests that start with its key."""
    if code == "unseen" or code in NOT_VISIBLE:
        return True
    return bool(key) and code in DENIED | {"symlink"} and bool(denied_in(message) or not_followed_in(message))


def _nodes(rows: list[Row]) -> NDArray[np.int32]:
    return np.array([node for _, _, _, node in rows if node >= 0], np.int32)


def _below(snapshot: Snapshot, path: str) -> str:
    """Return a path relative to the root of the store, if it is below the root."""
    root = snapshot.address.rstrip("/") + "/"
    return path[len(root) :] if path.startswith(root) and path != root else path


def _permitted(snapshot: Snapshot, barred: list[Denial]) -> str:
    """Return the command to type so that all of the store can be read."""
    command = shlex.join(["blobkit", "audit", snapshot.place])
    owners = sorted({one.owner for one in barred})
    mine = [one.path for one in barred if one.owner == one.user]
    if mine:
        return f"you own {join_some(list(dict.fromkeys(mine)), 3)}: chmod -R u+rX {shlex.quote(mine[0])}"
    if snapshot.store.unshare and any(owner.startswith("#") for owner in owners):
        return f"type: {snapshot.store.unshare} {command}"
    if len(owners) == 1 and owners[0] not in ("root", "another user"):
        return f"type: sudo -u {shlex.quote(owners[0])} {command}"
    return f"type: sudo {command}"
