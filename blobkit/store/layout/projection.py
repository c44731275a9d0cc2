"""The projection in index.json: every tag, and what other programs wrote there that is no tag.

Beside the tags blobkit keeps what it adopted: the further fields of index.json and of its entries (platform,
annotations, inline data), entries without a name or with one that is no tag here (`held`: each stands for a recorded
anonymous pin, and is shown for as long as its blob has one), and entries whose blob could not be taken in (`unheld`:
nothing is pinned for them; they are shown as they were, because only the program that wrote them may know better).
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

__all__ = ["SOURCE", "Kept", "digest_of", "is_shown", "rendered"]

SOURCE = "index.json"
"""As what the index remembers the pins that were given to entries without a tag."""
KEPT = "layout_kept"
"""The meta fact that `Standing.kept` is about."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The parts of an adopted index.json that are shown beside tags: fields, entries by tag, held and unheld."""

    rest: Json = field(default_factory=dict)
    named: Mapping[str, Json] = field(default_factory=dict)
    held: tuple[Json, ...] = ()
    unheld: tuple[object, ...] = ()

    @classmethod
    def of(cls, rows: Reading) -> Kept:
        """Return what the index remembers."""
        text = rows.meta(KEPT)
        if text is None:
            return cls()
        rest, named, held, unheld = json.loads(text)
        return cls(rest, named, tuple(held), tuple(unheld))

    def save(self, rows: Writing) -> None:
        """Let the index remember this."""
        parts = (self.rest, self.named, self.held, self.unheld)
        rows.set_meta(KEPT, json.dumps(parts) if any(parts) else None)


def is_shown(rows: Reading, change: Change) -> bool:
    """Return whether a plan that is not applied yet changes what index.json shows. Cost: two questions at most."""
    if change.named or change.unnamed:
        return True
    if not rows.standing().kept:
        return False
    dropped = {blob for blob, number in change.pins.items() if number < 0}
    return any(rows.given(SOURCE, dropped.union(change.freed.digests)).values())


def rendered(rows: Writing) -> bytes:
    """Return index.json: the tags by name, then the entries that are none. Cost: all tags.

    Held entries whose blob has no anonymous pin any more are forgotten.
    """
    kept = Kept.of(rows)
    tags = rows.tags()
    records = rows.records({*tags.values(), *map(digest_of, kept.held)})
    kept = _pruned(rows, kept, tags, records)
    shown: list[object] = [
        entry_for(name, blob, records[blob].size, records[blob].media_type, _raw(name, kept, tags))
        for name, blob in tags.items()
    ]
    shown += [without_name(raw) if name_of(raw) in tags else raw for raw in (*kept.held, *kept.unheld)]
    return render_index(shown, kept.rest)


def _raw(name: str, kept: Kept, tags: Mapping[str, Digest]) -> Json | None:
    """Return the adopted entry of a tag; without its reference name where that is the name of another tag."""
    raw = kept.named.get(name)
    ref = ref_of(raw)
    return without_name(raw) if raw is not None and ref != name and ref in tags else raw


def _pruned(rows: Writing, kept: Kept, tags: Mapping[str, Digest], records: Mapping[Digest, Record]) -> Kept:
    """Forget entries of tags that name something else, and held ones whose pin is gone."""
    named = {name: raw for name, raw in kept.named.items() if tags.get(name) == digest_of(raw)}
    dead = {blob for raw in kept.held if (blob := digest_of(raw)) not in records or not records[blob].anonymous}
    held = tuple(raw for raw in kept.held if digest_of(raw) not in dead)
    if len(named) < len(kept.named) or dead:
        kept = replace(kept, named=named, held=held)
        kept.save(rows)
        rows.give(SOURCE, dict.fromkeys(dead & records.keys(), 0))
    return kept


def digest_of(raw: Json) -> Digest:
    """Return what a kept entry of a tag or a held one names."""
    return raw["digest"]  # type: ignore[return-value]  # only entries with a digest are kept as held or named
