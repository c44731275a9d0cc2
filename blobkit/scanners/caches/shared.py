"""Read the shared store of a Hugging Face cache: files that several repositories link to, and lists of these links.

Source: huggingface_hub 2.4, `utils/_shared_blobs.py`. Beside each file is a list `.refs` of the links to it. The
library removes a file when no listed link leads to it any more, and never without a list.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.scanners.facts import escape_controls
from blobkit.sources.source import Is

if TYPE_CHECKING:
    from blobkit.scanners.caches.hub import Hub

__all__ = ["MARKER", "STORE", "link_shared"]

STORE = "blobs"
MARKER = ".huggingface-shared-blobs"
MARKER_LIMIT = 16
_VERSIONS = (b"1\n", b"1\r\n")
_LIST_LIMIT = 16 << 20
"""Bytes of a list that are read; a longer one counts as unreadable, and its file as needed."""
_PREFIX = re.compile(r"[0-9a-f]{2}")
_HASH = re.compile(r"[0-9a-f]{64}")
_LINE = re.compile(r"(?:models|datasets|spaces|kernels)--[^/]+/blobs/[^/]+")


@dataclass(slots=True)
class _Shared:
    """The files of the store, each with the paths in its list, None if it has none; `marked`: the library uses it.

    `harmed`: files with links that are not listed.
    """

    marked: bool
    listed: dict[str, frozenset[str] | None] = field(default_factory=dict)
    harmed: set[str] = field(default_factory=set)


def link_shared(hub: Hub) -> frozenset[str]:
    """Record the files of the shared store, and where each blob that is a link leads; all repositories are known.

    Return the links to files that have several links, some not listed: the removal of such a link may do harm.
    """
    store = _read_store(hub)
    todo = sorted(hub.aims)
    done: set[str] = set()
    while todo:
        path = todo.pop()
        if path not in done:
            done.add(path)
            _link(hub, store, path)
            todo += hub.aims.keys() - done
    for path, listed in store.listed.items():
        if not store.marked or listed is None or any(line.partition("/")[0] in hub.unseen for line in listed):
            _hold(hub, path, marked=store.marked)
    number = Counter(hub.aims.values())
    return frozenset(path for path, aim in hub.aims.items() if aim in store.harmed and number[aim] > 1)


def _read_store(hub: Hub) -> _Shared:
    """Record a node for each file of the store."""
    look, names = hub.look, {}
    for entry in look.entries(STORE) or ():
        names[entry.name] = entry.kind
    marker = look.read(f"{STORE}/{MARKER}", MARKER_LIMIT) if names.get(MARKER) is Is.FILE else None
    found = _Shared(marked=marker in _VERSIONS)
    for name, kind in names.items():
        if kind is Is.DIRECTORY and _PREFIX.fullmatch(name):
            for entry in look.entries(f"{STORE}/{name}") or ():
                path = f"{STORE}/{name}/{entry.name}"
                is_one = entry.kind is Is.FILE and _HASH.fullmatch(entry.name) and entry.name.startswith(name)
                if is_one and hub.at(path) is not None:
                    found.listed[path] = _listed(hub, f"{path}.refs")
    return found


def _listed(hub: Hub, path: str) -> frozenset[str] | None:
    """Return the paths in a list; None if it is absent, unreadable, too long, or not text."""
    info = hub.look.info(path)
    if info is None or info.kind is not Is.FILE or info.size > _LIST_LIMIT:
        return None
    data = hub.look.read(path, _LIST_LIMIT + 1)
    try:
        return frozenset(filter(_LINE.fullmatch, (data or b"").decode().splitlines())) if data is not None else None
    except UnicodeDecodeError:
        return None


def _link(hub: Hub, store: _Shared, path: str) -> None:
    """Record where a blob that is a link leads."""
    facts, source, target = hub.facts, hub.nodes[path], hub.aims[path]
    node = hub.at(target)
    if node is None:
        node = hub.absent(target)
    listed = store.listed.get(target)
    if target not in store.listed or (listed is not None and path not in listed):
        facts.link(source, node, "unlisted")
        if target in store.listed:
            message = f"{escape_controls(target)} is in use by {escape_controls(path)}, which its .refs does not list"
            store.harmed.add(target)
            facts.notice("unlisted", message, escape_controls(target), hub.whole(target))
    else:
        facts.link(source, node, "shared")


def _hold(hub: Hub, path: str, *, marked: bool) -> None:
    """Record that nothing removes a file of the store."""
    hub.facts.pin(hub.nodes[path], None, "unswept")
    why = "has no readable list .refs, or links in it cannot be seen" if marked else f"is beside no valid {MARKER}"
    key = escape_controls(path)
    hub.facts.notice("unswept", f"{key} {why}: it is never removed", key, hub.whole(path))
