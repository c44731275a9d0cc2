"""The demands of another program's index.json, compared with the tags that the store has.

A name that the file moved names the new blob from then on. A name that the store itself moved since it was last shown
stays where the store put it: the file shows only what it was. A name that the store dropped since then comes back,
because whoever wrote the file may have written it anew, and no pin may be lost. Of a name that is there twice one
entry becomes the tag, the one that the store knows or else the first; the others lose the name, not the pin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.oci.index import Entry, without_name
from blobkit.render import abbreviate
from blobkit.store.layout.names import is_legal
from blobkit.store.layout.projection import SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blobkit.digest import Digest
    from blobkit.oci.documents import Reference
    from blobkit.oci.index import IndexFile
    from blobkit.transactions import Reading

__all__ = ["Demand", "demand"]


@dataclass(frozen=True)
class Demand:
    """The entries of an index.json: by `names` that they give, `loose` ones, `odd` ones that name no blob.

    `open` are those that the store does not have as they are; `before` is what the names in question name now;
    `vanished` are tags that the file does not show although the store did.
    """

    names: dict[str, Entry] = field(default_factory=dict)
    loose: list[Entry] = field(default_factory=list)
    odd: list[Entry] = field(default_factory=list)
    open: list[tuple[Entry, Reference]] = field(default_factory=list)
    before: Mapping[str, Digest] = field(default_factory=dict)
    vanished: tuple[str, ...] = ()
    notices: list[tuple[Digest, str]] = field(default_factory=list)


def demand(rows: Reading, file: IndexFile) -> Demand:
    """Return what the file asks for. Cost: all its entries and all tags."""
    tags, changed = rows.tags(), rows.changed_names()
    found = Demand(before=tags, vanished=_vanished(file, tags, changed))
    chosen = _chosen(file, tags)
    for entry in file.entries:
        if entry.target is None:
            found.odd.append(entry)
        else:
            _sort(found, entry, entry.target, chosen.get(entry.name), changed)
    _open(rows, found)
    return found


def _vanished(file: IndexFile, tags: Mapping[str, Digest], changed: Mapping[str, Digest | None]) -> tuple[str, ...]:
    """Return the tags that the file does not show, without those that were never shown."""
    shown = {entry.name for entry in file.entries}
    return tuple(name for name in tags if name not in shown and changed.get(name, "") is not None)


def _chosen(file: IndexFile, tags: Mapping[str, Digest]) -> dict[str, Entry]:
    """Return the entry that each legal name stands for."""
    chosen: dict[str, Entry] = {}
    for entry in file.entries:
        if entry.target and is_legal(entry.name):
            known = tags.get(entry.name) == entry.target.digest
            chosen[entry.name] = entry if known else chosen.get(entry.name, entry)
    return chosen


def _sort(
    found: Demand, entry: Entry, target: Reference, chosen: Entry | None, changed: Mapping[str, Digest | None]
) -> None:
    name, digest = entry.name, target.digest
    now = found.before.get(name)
    if chosen is entry and (now in (None, digest) or changed.get(name) != digest):
        found.names[name] = entry
    elif chosen is None:
        found.loose.append(entry)
        if name:
            found.notices.append(
                (digest, f"{name!r} is no name for a tag here: {abbreviate(digest)} is held without one")
            )
    elif chosen is entry or not chosen.target or chosen.target.digest != digest:
        found.loose.append(Entry(without_name(entry.raw), target))
        here = now if chosen is entry or not chosen.target else chosen.target.digest
        found.notices.append(
            (digest, f"{name} names {abbreviate(str(here))} here: {abbreviate(digest)} is held without it")
        )


def _open(rows: Reading, found: Demand) -> None:
    """Find the entries that the store does not have as they are."""
    for name, entry in found.names.items():
        if entry.target and found.before.get(name) != entry.target.digest:
            found.open.append((entry, entry.target))
    loose = {entry.target.digest for entry in found.loose if entry.target}
    given, records = rows.given(SOURCE, loose), rows.records(loose)
    for entry in found.loose:
        if entry.target and not (given.get(entry.target.digest) and records[entry.target.digest].anonymous):
            found.open.append((entry, entry.target))
