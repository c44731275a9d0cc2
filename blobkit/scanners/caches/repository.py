"""Read one repository of a Hugging Face cache: its blobs, its refs, and the files of each revision.

Source: huggingface_hub 2.4, `utils/_cache_manager.py`. The first hop of a link counts, because that is what a deletion
removes. The library leaves a repository out of all its answers if one thing in it is wrong: `faults` tells which.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.render import to_utf8
from blobkit.scanners.caches.hub import PARTIAL
from blobkit.scanners.facts import escape_controls
from blobkit.sources.source import Is, LeavesError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.scanners.caches.hub import Hub
    from blobkit.sources.source import Entry

__all__ = ["IGNORED", "TYPES", "Repository", "read_repository"]

TYPES = {"models": "model", "datasets": "dataset", "spaces": "space", "kernels": "kernel"}
"""The type of a repository by the first part of its directory's name."""
IGNORED = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files of other programs, which the library passes over."""
REF_LIMIT = 4096
"""Bytes of a ref that are read; a commit has 40."""


@dataclass(slots=True)
class Revision:
    """A revision: its node, and the paths of the blobs and files that it consists of."""

    node: int
    modified: int
    paths: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Repository:
    """A repository in the directory `folder`, called `name`: revisions by commit, refs by commit, blobs by path."""

    folder: str
    name: str
    box: int
    revisions: dict[str, Revision] = field(default_factory=dict)
    refs: dict[str, list[str]] = field(default_factory=dict)
    blobs: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_repository(hub: Hub, folder: str) -> Repository:
    """Return the repository in a directory, with nodes for all its files and links from each revision to its files."""
    kind, _, rest = folder.partition("--")
    name = to_utf8(f"{TYPES[kind]}/{rest.replace('--', '/')}")
    found = Repository(folder, name, hub.facts.virtual_node(f"{folder}/", -1))
    for entry in hub.look.entries(f"{folder}/blobs") or ():
        path = f"{folder}/blobs/{entry.name}"
        if entry.kind is not Is.DIRECTORY and hub.at(path) is not None:
            found.blobs.append(path)
    _read_refs(hub, found)
    _read_revisions(hub, found)
    _link_rest(hub, found)
    return found


def _read_refs(hub: Hub, found: Repository) -> None:
    """Read the commit in each file below refs/."""
    top = f"{found.folder}/refs"
    info = hub.look.info(top)
    if info is not None and info.kind is Is.FILE:
        found.faults.append("refs is a file")
    for path, entry in _files_below(hub, top, named=False):
        if entry.name in IGNORED:
            continue
        commit = _commit_in(hub, path, entry)
        if commit is not None:
            found.refs.setdefault(commit, []).append(to_utf8(path[len(top) + 1 :]))


def _commit_in(hub: Hub, path: str, entry: Entry) -> str | None:
    """Return the text in a ref; None if it cannot be known, and then any revision may be the one."""
    data = hub.look.read(path, REF_LIMIT + 1) if entry.kind is not Is.OTHER else None
    try:
        if data is not None:
            return data.decode()
        why = "cannot be read"
    except UnicodeDecodeError:
        why = "is not text"
    if hub.look.exists(path):
        hub.facts.notice("hub-stops", f"the ref {escape_controls(path)} {why}", "", hub.whole(path))
    hub.unknown(path, named=False)
    return None


def _read_revisions(hub: Hub, found: Repository) -> None:
    top = f"{found.folder}/snapshots"
    entries = hub.look.entries(top)
    if entries is None:
        hub.unknown(top)
    info = hub.look.info(top)
    if info is None or info.kind not in (Is.DIRECTORY, Is.LINK) or not hub.look.exists(top):
        found.faults.append("it has no directory snapshots")
    for entry in entries or ():
        path = f"{top}/{entry.name}"
        if entry.kind is Is.DIRECTORY:
            found.revisions[entry.name] = _read_revision(hub, found, entry.name)
        elif entry.kind is Is.LINK:
            _linked_revision(hub, found, path)
        elif entry.name not in IGNORED:
            found.faults.append(f"snapshots/{to_utf8(entry.name)} is a file")
    for commit, refs in found.refs.items():
        if commit not in found.revisions:
            found.faults.append(f"{_count_refs(refs)} a revision that is not here")


def _linked_revision(hub: Hub, found: Repository, path: str) -> None:
    """Record a revision that is a symbolic link to a directory: its files are not looked at, so any may be needed."""
    if hub.look.target(path) is not None:
        hub.facts.notice("symlink", f"{escape_controls(path)} is a symbolic link", "", hub.whole(path))
    if hub.look.exists(path):
        hub.unknown(path)
    else:
        found.faults.append(f"{escape_controls(path)} leads nowhere")


def _count_refs(refs: list[str]) -> str:
    return f"the ref {refs[0]} names" if len(refs) == 1 else f"the refs {', '.join(sorted(refs)[:3])} name"


def _read_revision(hub: Hub, found: Repository, commit: str) -> Revision:
    """Record the node of a revision, and a link to each of its files."""
    top = f"{found.folder}/snapshots/{commit}"
    node = hub.facts.virtual_node(f"{found.name}@{commit}", -1)
    hub.facts.kind[node] = "snapshot"
    hub.facts.link(node, found.box, "repo")
    revision = Revision(node, -1)
    for path, entry in _files_below(hub, top):
        for target, of in _files_of(hub, found, path, entry):
            if target not in revision.paths:
                revision.paths.add(target)
                hub.facts.link(node, of, "file")
                revision.modified = max(revision.modified, hub.modified.get(of, -1))
    if not revision.paths:
        info = hub.look.info(top)
        revision.modified = info.modified if info else -1
    hub.facts.modified[node] = revision.modified
    return revision


def _files_of(hub: Hub, found: Repository, path: str, entry: Entry) -> Iterator[tuple[str, int]]:
    """Yield path and node of the file behind an entry of a revision: the file itself, or the first hop of a link."""
    if entry.kind is not Is.LINK:
        node = hub.at(path)
        if node is not None:
            yield path, node
        return
    try:
        target = hub.look.source.link(path)
    except OSError as error:
        hub.look.failed(path, error, "followed")
        if isinstance(error, LeavesError):
            yield path, hub.outside(path)
        return
    is_known = target in hub.nodes and target not in hub.aims
    if not is_known and not hub.look.exists(target):
        found.faults.append(f"the link {to_utf8(path[len(found.folder) + 1 :])} is broken")
        yield target, hub.nodes.get(target, hub.absent(target))
    elif (node := hub.at(target)) is not None:
        yield target, node


def _files_below(hub: Hub, top: str, *, named: bool = True) -> Iterator[tuple[str, Entry]]:
    """Yield the path and entry of everything below a directory that is no directory; `named`: see `Hub.unknown`."""
    todo = [top]
    while todo:
        here = todo.pop()
        entries = hub.look.entries(here)
        if entries is None:
            hub.unknown(here, named=named)
        for entry in entries or ():
            path = f"{here}/{entry.name}"
            if entry.kind is Is.DIRECTORY:
                todo.append(path)
            else:
                yield path, entry


def _link_rest(hub: Hub, found: Repository) -> None:
    """Record a link from the repository to each blob that no revision names."""
    named = set().union(*(revision.paths for revision in found.revisions.values()))
    for path in found.blobs:
        if path not in named:
            hub.facts.link(found.box, hub.nodes[path], "partial" if path.endswith(PARTIAL) else "residue")
