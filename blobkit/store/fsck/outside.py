"""The surroundings of a store in a directory: index.json as other programs see it, and temporary files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.digest import matches
from blobkit.errors import UnreadableStoreError
from blobkit.oci.documents import DOCUMENT_LIMIT
from blobkit.oci.walk import Walk, followed_type
from blobkit.store.fsck.subject import Outside, Suspect
from blobkit.store.layout.preserved import PreservedEntries

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator
    from pathlib import Path

    from blobkit.digest import Digest
    from blobkit.oci.documents import Reference
    from blobkit.oci.index import IndexFile
    from blobkit.protocols import Content
    from blobkit.store.layout.layout import Layout
    from blobkit.transactions import Reading

__all__ = ["LayoutOutside"]

LEFTOVERS = "index.sqlite.rebuild*"
VAGUE = frozenset({"", "application/octet-stream"})
"""Media types that do not tell whether something is a manifest."""


class LayoutOutside(Outside):
    """The layout of one root; `show` rewrites index.json."""

    def __init__(self, root: Path, layout: Layout, content: Content, show: Callable[[], None]) -> None:
        self._root = root
        self._layout = layout
        self._content = content
        self._show = show

    def faults(self, rows: Reading) -> list[Suspect]:
        """Return where `oci-layout` or index.json are not as they should be.

        Each is named by the bytes that it is about: a living writer does not leave the same ones for long.
        """
        found = []
        if not (self._root / "oci-layout").is_file():
            found.append(Suspect("layout-stale", message="oci-layout is gone", name="oci-layout"))
        if self._layout.is_absent():
            found.append(Suspect("layout-stale", message="index.json is gone", name="index.json"))
        elif self.is_foreign(rows):
            found.append(self._foreign())
        elif rows.meta("layout_dirty") is not None:
            name = rows.meta("layout_pending") or ""
            found.append(Suspect("layout-stale", message="index.json was not rewritten after a tag changed", name=name))
        elif not self._shows(rows):
            message = "index.json does not show the tags as they are"
            found.append(Suspect("layout-stale", message=message, name=self._layout.hash()))
        return found

    def is_foreign(self, rows: Reading) -> bool:
        """Return whether another program wrote index.json."""
        return not self._layout.is_absent() and not self._layout.is_ours(rows)

    def reached(self) -> Collection[Digest] | None:
        """Return what index.json reaches by manifests, None where a part of that cannot be read."""
        try:
            file = self._loaded()
        except UnreadableStoreError:
            return None
        return _closure(self._content, [entry.target for entry in file.entries if entry.target] if file else [])

    def leftovers(self) -> list[str]:
        """Return the temporary files that a dead process left beside the index; living ones hold the write lock."""
        return sorted(path.name for path in (self._root / ".blobkit").glob(LEFTOVERS))

    def clear_leftovers(self) -> None:
        """Remove them; the write lock is held."""
        for name in self.leftovers():
            (self._root / ".blobkit" / name).unlink(missing_ok=True)

    def show(self) -> None:
        """Write `oci-layout` if it is gone, and index.json as the tags are."""
        self._layout.lay_out()
        self._show()

    def _loaded(self) -> IndexFile | None:
        """Return what index.json holds, at once: whoever asks here asks again before an error counts."""
        return self._layout.load(timeout=0.0)

    def _foreign(self) -> Suspect:
        advice = "store.adopt() takes it in, and until then no file of a blob is removed"
        try:
            self._loaded()
        except UnreadableStoreError as error:
            return Suspect("layout-unreadable", message=str(error), name="index.json")
        message = f"another program wrote index.json: {advice}"
        return Suspect("layout-foreign", message=message, name=self._layout.hash())

    def _shows(self, rows: Reading) -> bool:
        """Return whether each tag has its entry, and each entry with a name is a tag or what was kept of adoptions."""
        try:
            file = self._loaded()
        except UnreadableStoreError:
            return False
        tags, kept = dict(rows.tags()), PreservedEntries.load(rows)
        entries = [entry for entry in file.entries if entry.name] if file else []
        named = {entry.name: entry.target.digest for entry in entries if entry.target and entry.name in tags}
        odd = [entry.raw for entry in entries if entry.name not in tags]
        return named == tags and all(raw in kept.pinned or raw in kept.unresolved for raw in odd)


def _closure(content: Content, start: Iterable[Reference]) -> set[Digest] | None:
    """Return what these reach by manifests; None where a manifest is absent or damaged, as all is reachable then.

    What no media type calls a leaf for certain is looked into: it may be a manifest.
    """
    found: set[Digest] = set()
    for level in Walk(lambda digests: _contents(content, digests), _read_as).levels(start):
        if any(step.fault and step.reference.followed for step in level):
            return None
        found.update(step.reference.digest for step in level)
    return found


def _read_as(reference: Reference) -> str | None:
    return "" if reference.media_type in VAGUE else followed_type(reference)


def _contents(content: Content, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes | str]]:
    """Yield the bytes of documents; not those that are absent, have another hash, or are too many for one."""
    for digest in digests:
        try:
            with content.open(digest) as file:
                data = file.read(DOCUMENT_LIMIT + 1)
        except OSError:
            continue
        if matches(data, digest):
            yield digest, data
