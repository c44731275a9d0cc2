"""The content of index.json: every tag, and what other programs wrote there that is no tag.

An entry shows its name only where no tag has it. A pin that goes to a link is noticed at the next rewriting only: the
blob stays, so that what index.json shows is there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from blobkit.oci.index import entry_for, name_of, ref_of, render_index, without_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from blobkit.digest import Digest
    from blobkit.model import Change, Record
    from blobkit.oci.untrusted import Json
    from blobkit.transactions import Reading, Writing

__all__ = ["SOURCE", "PreservedEntries", "digest_of", "is_shown", "rendered"]

SOURCE = "index.json"
"""The source by which the index remembers the pins of entries without a tag."""
KEPT = "layout_kept"
"""The meta fact that `PendingWork.kept` is about."""


@dataclass(frozen=True, slots=True)
class PreservedEntries:
    """The parts of an adopted index.json that are shown beside the tags.

    `rest` are its further fields; `tagged` has entries by tag, as far as they say more than blobkit would (platform,
    annotations, inline data). Each of the `pinned` has no name, or one that is no tag here: it stands for a recorded
    anonymous pin, and is shown for as long as its blob has one. `unresolved` entries could not be taken in: nothing is
    pinned for them, and they are shown as they were, because the program that wrote them may know better.
    """

    rest: Json = field(default_factory=dict)
    tagged: Mapping[str, Json] = field(default_factory=dict)
    pinned: tuple[Json, ...] = ()
    unresolved: tuple[object, ...] = ()

    @classmethod
    def load(cls, tx: Reading) -> PreservedEntries:
        """Return what the index remembers."""
        text = tx.meta(KEPT)
        if text is None:
            return cls()
        rest, tagged, pinned, unresolved = json.loads(text)
        return cls(rest, tagged, tuple(pinned), tuple(unresolved))

    def save(self, tx: Writing) -> None:
        """Let the index remember this."""
        parts = (self.rest, self.tagged, self.pinned, self.unresolved)
        tx.set_meta(KEPT, json.dumps(parts) if any(parts) else None)


def is_shown(tx: Reading, change: Change) -> bool:
    """Return whether a plan that is not applied yet changes what index.json shows. Cost: two questions at most."""
    if change.named or change.unnamed:
        return True
    if not tx.pending().kept:
        return False
    dropped = {blob for blob, number in change.pins.items() if number < 0}
    return any(tx.given(SOURCE, dropped.union(change.freed.digests)).values())


def rendered(tx: Writing) -> bytes:
    """Return index.json: the tags by name, then the entries that are none. Cost: all tags.

    Pinned entries whose blob has no anonymous pin any more are forgotten.
    """
    kept = PreservedEntries.load(tx)
    tags = tx.tags()
    records = tx.records({*tags.values(), *map(digest_of, kept.pinned)})
    kept = _pruned(tx, kept, tags, records)
    shown = [_entry(name, blob, records[blob], _raw(name, kept, tags)) for name, blob in tags.items()]
    others = [without_name(raw) if name_of(raw) in tags else raw for raw in (*kept.pinned, *kept.unresolved)]
    return render_index([*shown, *others], kept.rest)


def _entry(name: str, blob: Digest, record: Record, raw: Json | None = None) -> Json:
    return entry_for(name, blob, record.size, record.media_type, raw)


def _raw(name: str, kept: PreservedEntries, tags: Mapping[str, Digest]) -> Json | None:
    """Return the adopted entry of a tag; without its reference name where that is the name of another tag."""
    raw = kept.tagged.get(name)
    ref = ref_of(raw)
    return without_name(raw) if raw is not None and ref != name and ref in tags else raw


def _pruned(
    tx: Writing, kept: PreservedEntries, tags: Mapping[str, Digest], records: Mapping[Digest, Record]
) -> PreservedEntries:
    """Forget entries of tags that name something else or say no more than blobkit, and those whose pin is gone."""
    tagged = {
        name: raw
        for name, raw in kept.tagged.items()
        if (blob := tags.get(name)) == digest_of(raw)
        and _entry(name, blob, records[blob]) != _entry(name, blob, records[blob], raw)
    }
    dead = {blob for raw in kept.pinned if (blob := digest_of(raw)) not in records or not records[blob].anonymous}
    if len(tagged) < len(kept.tagged) or dead:
        pinned = tuple(raw for raw in kept.pinned if digest_of(raw) not in dead)
        kept = replace(kept, tagged=tagged, pinned=pinned)
        kept.save(tx)
        tx.give(SOURCE, dict.fromkeys(dead & records.keys(), 0))
    return kept


def digest_of(raw: Json) -> Digest:
    """Return the digest in an entry that is preserved as tagged or pinned."""
    return raw["digest"]  # type: ignore[return-value]  # only entries with a digest are preserved as such
