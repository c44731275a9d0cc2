"""Record what the entries of an index.json name, and all that these reach; the same for a directory and an archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from blobkit.oci.documents import Reference, annotations_of, entry_of, repository
from blobkit.oci.names import Named, names_of
from blobkit.oci.spec import decode_index
from blobkit.oci.untrusted import DocumentError, Json, Odd, TooManyElementsError
from blobkit.progress import watched
from blobkit.render import to_utf8
from blobkit.scanners.documents import Documents
from blobkit.scanners.files import Files
from blobkit.scanners.layouts.collector import Marking

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.digest import Digest
    from blobkit.oci.index import IndexFile
    from blobkit.scanners.facts import Facts

__all__ = ["KeptFiles", "Top", "record", "record_marks", "top_of"]

KEPT = 32 << 20
"""Bytes of documents that are kept in memory while the scan follows umoci through them."""


class Root(NamedTuple):
    """An entry of index.json that names a blob: its descriptor and its names."""

    reference: Reference
    named: Named


@dataclass(frozen=True, slots=True)
class Top:
    """The entries of index.json. `undecoded`: why Go cannot decode it ("" if it can); `is_known`: this is certain."""

    entries: tuple[Json, ...]
    odd: tuple[str, ...] = ()
    undecoded: str = ""
    is_known: bool = True


class KeptFiles(Files):
    """Blob files that keep documents in memory, because these are needed again soon."""

    def __init__(self, facts: Facts, root: str, path: Callable[[Digest], str]) -> None:
        super().__init__(facts, root, path)
        self.kept: dict[Digest, bytes | None] = {}
        self.room = KEPT

    def whole(self, digest: Digest) -> bytes | None:
        """Return the content of a document, from memory if it was read before."""
        if digest in self.kept:
            return self.kept[digest]
        data = super().whole(digest)
        if len(data or b"") <= self.room:
            self.kept[digest] = data
            self.room -= len(data or b"")
        return data


def top_of(index: IndexFile) -> Top:
    """Return the entries of index.json as programs in Go decode them; if they cannot, as a lenient parser does."""
    try:
        return Top(tuple(decode_index(index.data)))
    except DocumentError as error:
        found = tuple(entry.raw for entry in index.entries if isinstance(entry.raw, dict))
        is_known = not isinstance(error, TooManyElementsError)
        return Top(found, index.odd[: len(index.entries) - len(found)], str(error), is_known)


def record(top: Top, facts: Facts, files: Files, *, progress: bool, verify: bool) -> Documents:
    """Record the blobs that the entries reach, and a pin for each entry; check the hashes of small blobs, or of all."""
    roots = _roots(top, facts)
    documents = Documents(facts, files)
    documents.follow(one.reference for one in watched(roots, "manifests", show=progress, unit=" entries"))
    unnamed = files.ordered(facts.stored_digests(None, documents.named))
    documents.parse_unnamed(files.ahead(watched(list(unnamed), "looking", show=progress)))
    _pin(facts, roots, documents)
    documents.finish()
    checked = files.ordered(files.stored() if verify else files.small())
    files.verify(iter(watched(list(checked), "verifying", show=progress)))
    return documents


def record_marks(top: Top, facts: Facts, files: Files, *, is_swept: bool) -> None:
    """Record what `umoci gc` marks from these entries."""
    if top.undecoded:
        code = "index-undecoded" if top.is_known else "too-large"
        facts.notice(code, f"index.json cannot be decoded: {top.undecoded}", "", "index.json")
    else:
        entries = [(entry, to_utf8(names_of(annotations_of(entry)).name)) for entry in top.entries]
        Marking(facts, files, is_swept=is_swept).record(entries)


def _roots(top: Top, facts: Facts) -> list[Root]:
    """Return the entries that name a blob; a node for the other ones counts as a root that may reference any blob."""
    odd = Odd()
    found = [(entry_of(entry, odd), names_of(annotations_of(entry))) for entry in top.entries]
    messages = (*top.odd, *odd.messages())
    for message in messages:
        facts.notice("odd", f"index.json: {message}", "", "index.json")
    if messages:
        facts.mark_unknown("index.json", ("entry",))
    return [Root(target, Named(*map(to_utf8, named))) for target, named in found if target]


def _pin(facts: Facts, roots: list[Root], documents: Documents) -> None:
    """Record a pin for each entry; one without a name gets another kind if it is a referrer of a stored blob."""
    names: dict[str, Digest] = {}
    for (digest, *_), (name, ref) in roots:
        subject = documents.subjects.get(digest)
        dependent = not name and subject is not None and facts.is_stored(subject)
        first = names.setdefault(name, digest) if name else digest
        kind = "referrer-entry" if dependent else "entry" if first == digest else "later-entry"
        facts.pin(facts.node(digest), name or None, kind, repository(name))
        if ref not in (name, ""):
            facts.pin(facts.virtual_node(f"{name}@{digest}", -1), ref, "ref-name")
        if first != digest:
            message = f"the name {name} is given to {first} and to {digest}"
            facts.notice("duplicate-name", message, name, "index.json")
        if not digest.startswith("sha256:"):
            facts.notice("algorithm", f"{digest} in index.json: many tools support sha256 only", name)
