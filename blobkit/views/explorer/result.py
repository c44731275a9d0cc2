"""The meaning of the ticks, in words and figures: a sentence, a bar, who keeps what stays, what to tick next."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.reach import unknown
from blobkit.questions.collecting import collected_nodes
from blobkit.questions.headline import as_promised, headline, waits, when
from blobkit.questions.row_columns import with_parts
from blobkit.render import count, human_bytes, join_some, truncate
from blobkit.views.explorer.words import ranked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blobkit.questions.preview import Preview
    from blobkit.questions.what_if import WhatIf
    from blobkit.views.explorer.words import Words

__all__ = ["AT_ONCE", "Chip", "Result", "result_of"]

NAME_SHOWN = 60
KEEPERS, CHIPS, BROKEN = 3, 3, 3
LINE_SHOWN = 300
AT_ONCE = 3_000
"""The most names whose real effect (the collector's) is worked out in the same answer; of more it follows later."""
HELP = (
    "“frees alone” is what goes if only that is dropped; “frees next” counts what is ticked already. "
    "Nothing is ever deleted here."
)


@dataclass(frozen=True, slots=True)
class Chip:
    """Something to tick next: a text with a strong part, its title, and the act that does it."""

    text: tuple[str, str, str]
    title: str
    act: dict[str, object]


@dataclass(frozen=True, slots=True)
class Result:
    """The figures and words above the picture.

    `say`: a sentence with a strong part; `title`: the exact bytes; `parts` of the bar: class, bytes, text; `notes`:
    class, text. `later`: the real effect is not in it yet.
    """

    say: tuple[str, str, str]
    title: str
    caption: str
    parts: list[tuple[str, int, str]]
    notes: list[tuple[str, str]]
    total: int
    ticked: int
    is_empty: bool
    chips: list[Chip] = field(default_factory=list)
    later: bool = False

    def to_json(self) -> dict[str, object]:
        """Return it as the page takes it."""
        return {
            "say": self.say,
            "title": self.title,
            "caption": self.caption,
            "parts": self.parts,
            "notes": self.notes,
            "total": self.total,
            "ticked": self.ticked,
            "empty": self.is_empty,
            "chips": [{"text": chip.text, "title": chip.title, "act": chip.act} for chip in self.chips],
        }


def result_of(what_if: WhatIf, words: Words, *, most: float = AT_ONCE) -> Result:
    """Return what the ticks mean; with their real effect if at most so many are ticked."""
    ticked = int(np.count_nonzero(what_if.now.names))
    if not ticked:
        return _start(what_if, words)
    before, after = what_if.start, what_if.now.owners
    freed, blobs = int(before.bytes.sum() - after.bytes.sum()), int(before.blobs.sum() - after.blobs.sum())
    preview = what_if.preview if ticked <= most else None
    who = f"Dropping {count(ticked, words.noun)}"
    kept, keepers = _kept(what_if)
    notes = [] if preview is None else _effects(preview, ticked)
    if keepers:
        notes.append(("", _keepers(words, keepers)))
    return Result(
        say=_said(preview, who, freed, blobs, ticked),
        title=f"{freed:,} bytes",
        caption=what_if.snapshot.caption(),
        parts=_parts(what_if, words, freed, kept, preview),
        notes=notes,
        total=what_if.snapshot.bytes,
        ticked=ticked,
        is_empty=False,
        chips=_chips(what_if, words, dict(keepers)),
        later=preview is None,
    )


def _start(what_if: WhatIf, words: Words) -> Result:
    """Return the figures while nothing is ticked."""
    snapshot, tree = what_if.snapshot, what_if.tree
    number = int(np.count_nonzero(tree.holds))
    say, notes = ("", human_bytes(snapshot.bytes), ""), []
    if number:
        repositories = len(np.unique(tree.repository[tree.holds]))
        where = f" in {count(number, words.noun)} of {count(repositories, 'repository')}: tick what you would delete"
        say, notes = ("", human_bytes(snapshot.bytes), where), [("soft", HELP)]
    elif not snapshot.blobs:
        say = ("Nothing is stored here: there is nothing to delete.", "", "")
    else:
        say = ("No name keeps anything of ", human_bytes(snapshot.bytes), f", {count(snapshot.blobs, 'blob')}.")
    parts = _parts(what_if, words, 0, 0, None)
    return Result(say, f"{snapshot.bytes:,} bytes", snapshot.caption(), parts, notes, snapshot.bytes, 0, not number)


def _said(preview: Preview | None, who: str, freed: int, blobs: int, ticked: int) -> tuple[str, str, str]:
    """Return the sentence: the real effect first, as the headline of a preview; the effective bytes are strong."""
    if preview is None or (as_promised(preview) and preview.exact):
        later = "" if preview is None else when(preview)
        return f"{who} frees ", human_bytes(freed), f", {count(blobs, 'blob')}{later}"
    text = headline(preview, who, rest=ticked <= AT_ONCE)
    strong = "nothing" if preview.collection.stops else human_bytes(_collected(preview))
    strong = strong if strong in text else human_bytes(preview.bytes)
    before, _, after = text.partition(strong)
    return before, strong, truncate(after, LINE_SHOWN)


def _collected(preview: Preview) -> int:
    """Return the bytes that are really freed, as `Preview.collected` has them, without the digests."""
    return int(preview.snapshot.graph.size[collected_nodes(preview)].sum())


def _effects(preview: Preview, ticked: int) -> list[tuple[str, str]]:
    """Return warnings: tags that break, bytes that are not certain, what the collector leaves."""
    lines = []
    if preview.breaks:
        names = join_some([truncate(name, NAME_SHOWN) for name in preview.breaks[: BROKEN + 1]], BROKEN)
        lines.append(("warn", f"{count(len(preview.breaks), 'other tag')} would no longer pull: {names}"))
    if not preview.exact:
        why = "some sizes are estimates" if preview.is_read else "a manifest in use cannot be read"
        lines.append(("warn", f"for sure {human_bytes(preview.certain_bytes)}: {why}"))
    if ticked <= AT_ONCE and not as_promised(preview):
        lines += [("", truncate(line, LINE_SHOWN)) for line in waits(preview)[:2]]
    return lines


def _parts(what_if: WhatIf, words: Words, freed: int, kept: int, preview: Preview | None) -> list[tuple[str, int, str]]:
    """Return the parts of the bar: what goes, what stays though ticked names use it, the rest, garbage."""
    snapshot = what_if.snapshot
    live = int(what_if.start.bytes.sum())
    rest, waste = live - freed - kept, snapshot.bytes - live
    share = 100 * freed / max(1, snapshot.bytes)
    done = ""
    if preview is not None and not as_promised(preview):
        done = f", collected {human_bytes(_collected(preview))}"
    word = "unknown, kept" if len(unknown(snapshot.graph)) else "garbage already"
    ticked = bool(what_if.now.names.any())
    parts = [
        ("go", freed, f"goes {human_bytes(freed)} ({share:.{1 if share < 10 else 0}f} %{done})"),  # noqa: PLR2004
        ("stay", kept, f"stays though ticked {words.noun}s use it {human_bytes(kept)}"),
        ("rest", rest, f"{'not touched' if ticked else f'kept by {words.noun}s'} {human_bytes(rest)}"),
        ("waste", waste, f"{word} {human_bytes(waste)}"),
    ]
    return [part for part in parts if part[1] > 0 or part[0] == "go"]


def _kept(what_if: WhatIf) -> tuple[int, list[tuple[int, int]]]:
    """Return the bytes that ticked names reach and that stay, and the places that keep most of them."""
    if not what_if.now.owners.bytes.any():
        return 0, []
    places, size, _ = what_if.now.kept
    return int(size.sum()), [(int(places[i]), int(size[i])) for i in ranked(size, 2 * KEEPERS)]


def _keepers(words: Words, keepers: Sequence[tuple[int, int]]) -> str:
    shown = [f"{truncate(words.owner(place), NAME_SHOWN)} ({human_bytes(size)})" for place, size in keepers[:KEEPERS]]
    return f"What stays is kept by {', '.join(shown)}{' and others' if len(keepers) > KEEPERS else ''}."


def _chips(what_if: WhatIf, words: Words, keepers: dict[int, int]) -> list[Chip]:
    """Return the names that free most in addition to what they free alone, and the repository that keeps most."""
    names, now = what_if.tree.names, what_if.now
    gain = np.where(now.names, 0, now.owners.bytes[:names] - what_if.start.bytes[:names])
    chips = []
    for name in ranked(gain, CHIPS):
        act: dict[str, object] = {"act": "tick", "labels": [name], "on": True}
        size, alone = int(now.owners.bytes[name]), int(what_if.start.bytes[name])
        text = (f"+ {truncate(words.name(name), NAME_SHOWN)} frees ", human_bytes(size), " more")
        chips.append(Chip(text, f"Tick it too; alone it frees {human_bytes(alone)}", act))
    shared = [place for place in keepers if names <= place < what_if.tree.first_namespace]
    return chips + [chip for place in shared[:1] if (chip := _whole(what_if, words, place))]


def _whole(what_if: WhatIf, words: Words, place: int) -> Chip | None:
    """Return the chip for all other names of a repository, if there are several."""
    tree, now = what_if.tree, what_if.now
    rest = int(np.count_nonzero((tree.repository == place - tree.names) & tree.holds & ~now.names))
    if rest < 2:  # noqa: PLR2004 (one has a chip of its own)
        return None
    size = int(with_parts(tree, now.owners.bytes)[place - tree.names])
    who = f"the other {count(rest, words.noun)} of {truncate(words.name(place), NAME_SHOWN)}"
    act: dict[str, object] = {"act": "tick", "labels": [place], "on": True}
    return Chip((f"+ {who} free ", human_bytes(size), " more"), "Tick them too", act)
