"""Scan the cache of the Hugging Face hub, read-only.

Layout: huggingface_hub 2.4, `file_download.py` and `utils/_cache_manager.py`. `<type>s--<id>/blobs` has the files,
`snapshots/<commit>` links to them by their names, `refs` has the commits that branches and tags name; `blobs` beside
the repositories is a store that these share. Cost: one `lstat` for each file and link.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from blobkit.progress import watched
from blobkit.scanners.caches.hub import PARTIAL, Hub
from blobkit.scanners.caches.look import Look
from blobkit.scanners.caches.repository import IGNORED, TYPES, Repository, read_repository
from blobkit.scanners.caches.shared import STORE, link_shared
from blobkit.scanners.facts import Facts, escape_controls
from blobkit.scanners.leftovers import Ledger
from blobkit.scanners.places import Place
from blobkit.scanners.scanned import completed
from blobkit.sources.directory import Directory
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from blobkit.scanners.scanned import Scanned

__all__ = ["scan"]

_REPOSITORY = f"(?:{'|'.join(TYPES)})--[^/]*"
HUB = Place(
    re.compile(
        rf"(?P<blob>{_REPOSITORY}/(?:blobs/[^/]+|snapshots/[^/]+/.+)|{STORE}/[0-9a-f]{{2}}/[0-9a-f]{{64}})"
        rf"|(?P<metadata>{_REPOSITORY}/(?:refs|trees|\.no_exist)/.+|\.locks/.+"
        rf"|{STORE}/[0-9a-f]{{2}}/[0-9a-f]{{64}}\.(?:refs|lock)|{STORE}/\.huggingface-shared-blobs"
        rf"|CACHEDIR\.TAG|version(?:_diffusers_cache)?\.txt)"
        rf"|(?P<upload>(?!))",
        re.DOTALL,
    ),
    re.compile(
        rf"|{_REPOSITORY}(?:/(?:(?:refs|trees|\.no_exist|snapshots)(?:/.*)?|blobs))?|\.locks(?:/.*)?"
        rf"|{STORE}(?:/[0-9a-f]{{2}})?",
        re.DOTALL,
    ),
    re.compile(r"(?!)(?P<label>)(?P<hex>)"),
)
"""The paths of a cache of the hub."""
_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-fA-F]{40}")
_SHA1 = 40
_PIECE = 1 << 20


def scan(root: Path, *, policy: str | None = None, progress: bool = True, verify: bool = False) -> Scanned:
    """Return the facts of the cache at `root`; it writes nothing, and follows no symbolic link out of `root`.

    `verify` hashes every blob that is named by the hash of its content.
    """
    facts = Facts(Ledger(os.fspath(root), HUB, blobs=True))
    hub = Hub(Look(Directory(root), facts))
    folders = list(_folders(hub))
    known = [read_repository(hub, one) for one in watched(folders, "repositories", show=progress, unit=" repositories")]
    harmful = link_shared(hub)
    again = _in_several(known)
    for repository in known:
        _pin(facts, repository, again)
        if not repository.revisions:
            _hold_links(hub, repository)
        _record_harm(facts, repository, harmful)
    _record_copies(hub, known)
    if verify:
        _verify(hub, watched(list(hub.nodes), "verifying", show=progress))
    return completed(facts, "huggingface", os.fspath(root), policy)


def _folders(hub: Hub) -> Iterable[str]:
    """Yield the names of the directories of repositories; one that is a symbolic link is not entered."""
    for entry in hub.look.entries("") or ():
        kind, dashes, _ = entry.name.partition("--")
        if kind not in TYPES or not dashes or entry.name in IGNORED:
            continue
        if entry.kind is Is.DIRECTORY:
            yield entry.name
        elif entry.kind is Is.LINK:
            hub.unseen.add(entry.name)
            if hub.look.target(entry.name) is not None:
                message = f"{escape_controls(entry.name)} is a symbolic link in the cache: removing it frees nothing"
                hub.facts.notice("symlink", message, "", hub.whole(entry.name))


def _in_several(known: list[Repository]) -> frozenset[str]:
    """Return the commits that several repositories have: the library deletes any one of these."""
    seen: set[str] = set()
    again: set[str] = set()
    for repository in known:
        again |= seen & repository.revisions.keys()
        seen |= repository.revisions.keys()
    return frozenset(again)


def _pin(facts: Facts, repository: Repository, again: frozenset[str]) -> None:
    """Record the pins of a repository: each revision is held by its first ref, or as detached if no ref names it."""
    name = repository.name
    for commit, revision in repository.revisions.items():
        refs = sorted(repository.refs.get(commit, ()), key=lambda ref: (ref != "main", ref))
        labels = [f"{name}@{ref}" for ref in refs]
        key = escape_controls(f"{name}@{commit}")
        kinds = zip(labels, ["first-ref", *["ref"] * len(refs)], strict=False)
        for label, kind in [*kinds, (key, "commit" if refs else "detached")]:
            facts.pin(revision.node, escape_controls(label), kind, name, revision.modified)
        if repository.faults:
            facts.pin(revision.node, None, "unpruned")
        if not _COMMIT.fullmatch(commit):
            facts.notice("odd-commit", f"the revision {key} is not named by a commit", key, repository.folder)
        if commit in again:
            facts.notice("same-commit", f"{key} is in several repositories", key, repository.folder)
    if repository.faults or not repository.revisions:
        facts.pin(repository.box, None, "unpruned")
    if repository.faults:
        why = f"{name}: {'; '.join(repository.faults[:3])}: huggingface_hub leaves this repository out"
        facts.notice("left-out", why, name, repository.folder)
    for commit, refs in repository.refs.items():
        if commit not in repository.revisions:
            _pin_broken(facts, repository, commit, refs)


def _hold_links(hub: Hub, repository: Repository) -> None:
    """Record that the links of a repository without revisions stay, and the shared files that they lead to."""
    for path in repository.blobs:
        if path in hub.aims:
            hub.facts.pin(hub.nodes[path], None, "unswept")


def _record_harm(facts: Facts, repository: Repository, harmful: frozenset[str]) -> None:
    """Record the revisions whose deletion removes a shared file that is in use elsewhere."""
    rest = harmful.intersection(repository.blobs) if harmful else frozenset()
    rest -= set().union(*(revision.paths for revision in repository.revisions.values()))
    for commit, revision in repository.revisions.items() if harmful else ():
        if rest or not harmful.isdisjoint(revision.paths):
            key = escape_controls(f"{repository.name}@{commit}")
            facts.notice("harmful-drop", f"{key} uses a shared file whose .refs is not complete", key)


def _pin_broken(facts: Facts, repository: Repository, commit: str, refs: list[str]) -> None:
    """Record the refs that name a revision that is not here."""
    shown = commit if _ETAG.fullmatch(commit) else "unknown"
    node = facts.node(escape_controls(f"{repository.name}@{shown}"))
    for ref in refs:
        facts.pin(node, escape_controls(f"{repository.name}@{ref}"), "ref", repository.name)


def _record_copies(hub: Hub, known: list[Repository]) -> None:
    """Record files with the same content in several repositories: a shared store would keep one."""
    by_etag: dict[str, list[str]] = defaultdict(list)
    for repository in known:
        for path in repository.blobs:
            etag = path.rpartition("/")[2]
            if _ETAG.fullmatch(etag) and path not in hub.aims:
                by_etag[etag].append(path)
    for etag, paths in by_etag.items():
        for path in paths if len(paths) > 1 else ():
            key = escape_controls(path)
            hub.facts.notice("copies", f"{key} is in {len(paths)} repositories (content {etag})", key, hub.whole(path))


def _verify(hub: Hub, paths: Iterable[str]) -> None:
    """Check the content of blobs that are named by its hash: sha256, or sha1 as git computes it."""
    for path in paths:
        etag = path.rpartition("/")[2]
        if path in hub.aims or not _ETAG.fullmatch(etag) or path.endswith(PARTIAL) or path.startswith(f"{STORE}/"):
            continue
        try:
            with hub.look.source.open(path) as file:
                size = hub.facts.size[hub.nodes[path]]
                start = f"blob {size}\0".encode() if len(etag) == _SHA1 else b""
                found = hashlib.sha1(start, usedforsecurity=False) if start else hashlib.sha256()
                while piece := file.read(_PIECE):
                    found.update(piece)
        except OSError as error:
            hub.look.failed(path, error, "read")
            continue
        if found.hexdigest() != etag:
            key = escape_controls(path)
            hub.facts.notice("digest-mismatch", f"{key} has content that does not match its name", key)
