"""Check index.json as other programs see it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from blobkit.errors import UnreadableStoreError
from blobkit.oci.walk import Walk, followed_type
from blobkit.store.fsck.context import Candidate
from blobkit.store.layout.preserved import PreservedEntries
from blobkit.store.transfer.verifying import documents

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from blobkit.contents import Content
    from blobkit.digest import Digest
    from blobkit.oci.documents import Reference
    from blobkit.oci.index import IndexFile
    from blobkit.store.fsck.context import FsckContext
    from blobkit.store.layout.layout import Layout
    from blobkit.transactions import Reading

__all__ = ["LayoutCheck"]

FOREIGN = "another program wrote index.json: store.adopt() takes it in, and until then no file of a blob is removed"
VAGUE = frozenset({"", "application/octet-stream"})
"""Media types that do not tell whether something is a manifest."""


class LayoutCheck:
    """The check of the layout of one root; `show` rewrites index.json as the tags are."""

    def __init__(self, root: Path, layout: Layout, content: Content, show: Callable[[], None]) -> None:
        self._root = root
        self._layout = layout
        self._content = content
        self._show = show
        self.is_foreign = layout.is_foreign

    def faults(self, context: FsckContext) -> list[Candidate]:
        """Return the faults that two looks find in the same bytes of index.json.

        A writer announces in the index what it is about to write, so that the second look knows it.
        """
        first = set(context.ask(self._faults))
        return [fault for fault in context.ask(self._faults) if fault in first]

    def reached(self) -> Collection[Digest] | None:
        """Return what index.json reaches by manifests; None where a part of that is absent or cannot be read.

        A blob is taken for a leaf only where its media type says so for certain; else it is read as a manifest.
        """
        try:
            file = self._layout.load()
        except UnreadableStoreError:
            return None
        found: set[Digest] = set()
        start = [entry.target for entry in file.entries if entry.target] if file else []
        for level in Walk(partial(documents, self._content.open), _read_as).levels(start):
            if any(step.fault and step.reference.followed for step in level):
                return None
            found.update(step.reference.digest for step in level)
        return found

    def show(self) -> None:
        """Write `oci-layout` if it is gone, and index.json as the tags are."""
        self._layout.lay_out()
        self._show()

    def _faults(self, tx: Reading) -> list[Candidate]:
        """Return where `oci-layout` or index.json are not as they should be, each with the hash of index.json."""
        stale = Candidate("layout-stale", message="oci-layout is gone", name=self._layout.hash())
        found = [] if (self._root / "oci-layout").is_file() else [stale]
        try:
            file = self._layout.load()
        except UnreadableStoreError as error:
            return [*found, stale._replace(code="layout-unreadable", message=str(error))]
        if file is None:
            found.append(stale._replace(message="index.json is gone"))
        elif not self._layout.is_ours(tx):
            found.append(stale._replace(code="layout-foreign", message=FOREIGN))
        elif tx.meta("layout_dirty") is not None:
            found.append(stale._replace(message="index.json was not rewritten after a tag changed", is_pending=True))
        elif not _shows(file, tx):
            found.append(stale._replace(message="index.json does not show the tags as they are"))
        return found


def _shows(file: IndexFile, tx: Reading) -> bool:
    """Return whether each tag has its entry, and each entry with a name is a tag or what was kept of adoptions."""
    tags, kept = dict(tx.tags()), PreservedEntries.load(tx)
    entries = [entry for entry in file.entries if entry.name]
    named = {entry.name: entry.target.digest for entry in entries if entry.target and entry.name in tags}
    odd = [entry.raw for entry in entries if entry.name not in tags]
    return named == tags and all(raw in kept.pinned or raw in kept.unresolved for raw in odd)


def _read_as(reference: Reference) -> str | None:
    return "" if reference.media_type in VAGUE else followed_type(reference)
