"""The difference between another program's index.json and the tags that the store has.

A name that the file moved names the new blob from then on. A name that the store itself moved since it was last shown
stays where the store put it: the file shows only what it was. A name that the store dropped since then comes back,
because whoever wrote the file may have written it anew, and no pin may be lost. Of a name that is there twice one
entry becomes the tag, the one that the store knows or else the first; the others lose the name, not the pin. Another
entry of the same name and blob that says something else is held without the name, too: its annotations stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

from blobkit.oci.index import name_of, without_name
from blobkit.render import abbreviate, to_utf8
from blobkit.store.layout.names import is_legal
from blobkit.store.layout.preserved import SOURCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from blobkit.digest import Digest
    from blobkit.oci.documents import Reference
    from blobkit.oci.index import IndexFile
    from blobkit.oci.untrusted import Json
    from blobkit.transactions import Reading

__all__ = ["Claim", "IndexDiff", "compare"]


class Claim(NamedTuple):
    """An entry that names a blob, as index.json is to show it: `tag` is "" where it is pinned without one."""

    raw: Json
    target: Reference
    tag: str = ""
    notice: str = ""

    @property
    def label(self) -> str:
        """The name that the entry shows, else its digest."""
        return to_utf8(name_of(self.raw)) or self.target.digest


@dataclass(frozen=True)
class IndexDiff:
    """The entries of an index.json: `settled` are those that the store has as they are, `open` those to be taken in.

    `invalid` ones name no blob. `tags` is what all names name now, `vanished` those that the file does not show
    although the store did.
    """

    settled: list[Claim]
    open: list[Claim]
    invalid: list[object]
    tags: Mapping[str, Digest]
    vanished: tuple[str, ...]


def compare(tx: Reading, file: IndexFile) -> IndexDiff:
    """Return what the file asks for. Cost: all its entries and all tags."""
    tags, changed = tx.tags(), tx.changed_names()
    named = _named(file, tags, changed)
    claims = list(_claims(file, named))
    untagged = {claim.target.digest for claim in claims if not claim.tag}
    given, records = tx.given(SOURCE, untagged), tx.records(untagged)
    pinned = {blob for blob, number in given.items() if number and records[blob].anonymous}
    settled: list[Claim] = []
    unsettled: list[Claim] = []
    for claim in claims:
        is_here = tags.get(claim.tag) == claim.target.digest if claim.tag else claim.target.digest in pinned
        (settled if is_here else unsettled).append(claim)
    shown = {entry.name for entry in file.entries}
    vanished = tuple(name for name in tags if name not in shown and changed.get(name, "") is not None)
    return IndexDiff(settled, unsettled, [e.raw for e in file.entries if e.target is None], tags, vanished)


def _named(file: IndexFile, tags: Mapping[str, Digest], changed: Mapping[str, Digest | None]) -> dict[str, Digest]:
    """Return what each legal name of the file is to name."""
    found: dict[str, Digest] = {}
    for entry in file.entries:
        if entry.target is not None and is_legal(entry.name):
            known = tags.get(entry.name)
            found[entry.name] = known if known == entry.target.digest else found.get(entry.name, entry.target.digest)
    moved = {name: tags[name] for name, blob in found.items() if name in tags and changed.get(name) == blob}
    return {**found, **moved}


def _claims(file: IndexFile, named: Mapping[str, Digest]) -> Iterator[Claim]:
    """Yield what becomes of each entry that names a blob."""
    first: dict[str, Json] = {}
    for entry in file.entries:
        if entry.target is not None:
            claim = _claim(cast("Json", entry.raw), entry.name, entry.target, named)
            is_other = claim.tag and first.setdefault(claim.tag, claim.raw) != claim.raw
            yield _unnamed(claim) if is_other else claim


def _unnamed(claim: Claim) -> Claim:
    """Return the claim of an entry whose name and blob another entry has, too."""
    blob = abbreviate(claim.target.digest)
    text = f"{claim.tag} names {blob} by two entries that differ: the second one is held without the name"
    return Claim(without_name(claim.raw), claim.target, notice=text)


def _claim(raw: Json, name: str, target: Reference, named: Mapping[str, Digest]) -> Claim:
    """Return what becomes of an entry, with a notice where it loses its name."""
    blob = abbreviate(target.digest)
    if name not in named:
        text = f"{name!r} is no name for a tag here: {blob} is held without one" if name else ""
        return Claim(raw, target, notice=text)
    if named[name] != target.digest:
        text = f"{name} names {abbreviate(named[name])} here: {blob} is held without it"
        return Claim(without_name(raw), target, notice=text)
    return Claim(raw, target, name)
