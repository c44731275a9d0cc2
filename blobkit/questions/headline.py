"""A preview in words: the real effect first, then the promise of the policy, the reasons of the rest, and advice."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from blobkit.analysis.reach import live, unknown
from blobkit.cache import memoized
from blobkit.present.cells import NAME_SHOWN
from blobkit.present.sections import LINE_SHOWN, Section, frame_table
from blobkit.questions.collecting import collected_nodes, freed_later
from blobkit.questions.columns import keys
from blobkit.questions.inputs.selection import PinSelection
from blobkit.questions.inputs.targets import untagged
from blobkit.render import abbreviate, count, human_bytes, join_some, truncate
from blobkit.snapshot.estimates import estimated
from blobkit.snapshot.lookups import hidden_parts
from blobkit.snapshot.pins import pin_labels, rows_of_group, rows_of_names
from blobkit.snapshot.sets import minus, unique
from blobkit.snapshot.tables import numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from blobkit.questions.deletion import Deletion
    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot

__all__ = [
    "as_promised",
    "details_of",
    "headline",
    "hedge",
    "inexact",
    "left_in_use",
    "not_holding",
    "notes",
    "sections_of",
    "waits",
    "when",
    "with_names",
]

_LONG = re.compile(r"\b(sha\d{3}:[0-9a-f]{12})[0-9a-f]{52,}")
NOTICES_SHOWN = 3
WHY_SHOWN = 90
ADVISED = 3


def headline(preview: Preview, who: str, *, rest: bool = True) -> str:
    """Return the answer in one line: the bytes that the script and the collector free, and the promised bytes.

    `rest`: also the reason why the rest waits, which takes longest if very much is dropped.
    """
    promised, alone = _promised(preview), _alone(preview)
    if as_promised(preview):
        return f"{who} frees {promised}{when(preview)}{alone}"
    if preview.collection.stops:
        policy = f"{promised} would be freed under policy {preview.snapshot.policy}"
        why = truncate(_LONG.sub(r"\1", preview.collection.stops), WHY_SHOWN)
        return f"{who} frees nothing: {why}; {policy}{alone}"
    tool = preview.collection.command or freed_later(preview.snapshot)
    by = "the script, by hand," if preview.collection.by_hand else tool or "the script"
    done = collected_nodes(preview)
    does = f"{who}: {by} frees {_bound(preview)}{_what(len(done), int(preview.snapshot.graph.size[done].sum()))}"
    if len(minus(done, preview.nodes)):
        return f"{does}, not {promised} as policy {preview.snapshot.policy} says{alone}"
    return f"{does}, of {promised}{_rest(preview) if rest else ''}{alone}"


def when(preview: Preview) -> str:
    """Return the words after bytes that a registry frees at a time of its own, "" for others."""
    later = freed_later(preview.snapshot)
    return f" when {later} collects" if later and preview else ""


@memoized
def as_promised(preview: Preview) -> bool:
    """Return whether the collector frees exactly what the policy promises, or no tool is known."""
    if not preview.snapshot.store.tools:
        return True
    if preview.collection.stops or not (preview.is_read or _is_only_hidden(preview)):
        return False
    done = collected_nodes(preview)
    return len(done) == len(preview.nodes) and np.array_equal(unique(done), unique(preview.nodes))


def _is_only_hidden(preview: Preview) -> bool:
    """Return whether all that cannot be read is what a registry does not show: its collector reads it, too."""
    return hidden_parts(preview.snapshot).issuperset(preview.opaque)


def _bound(preview: Preview) -> str:
    """Return the words before bytes that a collector frees at most: what is not shown may hold some for it."""
    found = preview.collection
    left = minus(unknown(found.snapshot.graph), found.removal.nodes)
    if not hidden_parts(preview.snapshot).isdisjoint(keys(found.snapshot, left)):
        return "at most "
    return "about " if estimated(preview.snapshot)[collected_nodes(preview)].any() else ""


def notes(preview: Preview) -> list[str]:
    """Return the further notes for a reader, a line each."""
    lines = [preview.snapshot.caption(), *waits(preview), *_same_image(preview)]
    kept = preview.stays[live(preview.snapshot.graph)[preview.stays]]
    if len(kept):
        size = human_bytes(int(preview.snapshot.graph.size[kept].sum()))
        lines.append(f"kept: {count(len(kept), 'blob')} ({size}) that something else needs")
    if preview.also_untagged:
        lines.append(f"also untagged: {join_some(preview.also_untagged)}")
    lines += _advice(preview)
    lines += [f"not exact: {why}" for why in inexact(preview)] if len(preview) else []
    lines += preview.notices[:NOTICES_SHOWN]
    if len(preview.notices) > NOTICES_SHOWN:
        lines.append(f"and {count(len(preview.notices) - NOTICES_SHOWN, 'more notice')}: see .notices")
    return [truncate(line, LINE_SHOWN) for line in lines]


def sections_of(preview: Preview, rows: int) -> tuple[Section, ...]:
    """Return the notes and the biggest freed blobs."""
    freed = preview.freed.sort_values("size", ascending=False, kind="stable")
    columns = ("digest", "size", "level", "kind", "tags")
    return (Section("", tuple(notes(preview)), frame_table(freed, columns, rows=rows, total=["size"])),)


def details_of(preview: Preview, rows: int) -> tuple[Section, ...]:
    """Return the blobs that stay, those that the collector leaves, and names that free more with the targets."""
    waiting = frame_table(preview.waiting, ("digest", "size", "held_by", "reason"), rows=rows, total=["size"])
    also = frame_table(preview.also_drop, ("tag", "bytes", "alone", "extra", "digest"), rows=rows)
    return (
        _kept(preview, rows),
        Section("The collector leaves these", table=waiting),
        Section("Names that free more together with these than alone", table=also),
    )


def _kept(preview: Preview, rows: int) -> Section:
    """Return the biggest blobs that stay, with names that still need them."""
    stays, size = preview.stays, preview.snapshot.graph.size
    shown = frame_table(preview.why_kept(stays[:rows]), ("digest", "size", "kind", "still_needed_by"), rows=rows)
    rest = stays[len(shown) :]
    table = replace(shown, more=len(rest), rest={"size": int(size[rest].sum())})
    return Section(f"Kept: {_what(len(stays), int(size[stays].sum()))}", table=table)


def with_names(snapshot: Snapshot, dropped: PinSelection, names: Sequence[str]) -> PinSelection:
    """Return the selection with these names and all their pins added."""
    rows, count_of = dropped.rows, numbers(snapshot.pins["count"])
    for name in names:
        rows |= {row: int(count_of[row]) for row in rows_of_names(snapshot)[name]}
    return untagged(snapshot, PinSelection((*dropped.names, *names), dropped.groups, rows))


def _what(blobs: int, size: int) -> str:
    return f"{count(blobs, 'blob')}, {human_bytes(size)}"


def _promised(preview: Preview) -> str:
    what = _what(len(preview), preview.bytes)
    if preview.exact or not len(preview):
        return what
    return f"{hedge(preview)}{what}, {human_bytes(preview.certain_bytes)} for sure"


def hedge(preview: Preview) -> str:
    """Return the words before bytes that are not exact: an upper bound, or an estimate; "" if they are exact."""
    if preview.exact:
        return ""
    return "about " if preview.is_read else "at most "


def inexact(preview: Preview) -> list[str]:
    """Return the reasons why the bytes are not exact."""
    reasons = []
    hidden = hidden_parts(preview.snapshot)
    unread = [abbreviate(one) for one in preview.opaque if one not in hidden]
    if unread:
        reasons.append(f"the links of these cannot be read: {join_some(unread, 3)}")
    if len(unread) < len(preview.opaque):
        parts = join_some([one for one in preview.opaque if one in hidden], 3)
        reasons.append(f"the registry does not show these here, and they may hold the same blobs: {parts}")
    if preview.estimated:
        size = human_bytes(preview.bytes - preview.certain_bytes if preview.is_read else preview.bytes)
        some = f"{count(len(preview.estimated), 'size')}, {size} together," if preview.is_read else "some sizes"
        reasons.append(f"{some} are estimates (blobkit audit says why)")
    return reasons


def _names(names: Sequence[str], most: int = 2) -> str:
    return join_some([truncate(abbreviate(name), NAME_SHOWN) for name in names], most)


def _alone(preview: Preview) -> str:
    """Return the end of a sentence: the tool cannot delete these names alone, or leaves these."""
    names, limit = preview.deletion.alone, preview.snapshot.store.dropping.alone
    if names and limit:
        return f"; {limit.replace('{}', _names(names))}"
    left = [name for names in _left_in_use(preview.deletion, preview.dropped).values() for name in names]
    return f"; {_names(left)} {'stays' if len(left) == 1 else 'stay'}" if left else ""


def _left_in_use(deletion: Deletion, dropped: PinSelection) -> dict[str, list[str]]:
    """Return the targets that the tool leaves because something runs or uses them, by reason."""
    snapshot, limits = deletion.snapshot, deletion.snapshot.store.dropping
    found: dict[str, list[str]] = {}
    if limits.in_use or limits.running:
        left = np.flatnonzero(deletion.is_busy)
        for name, why in zip(pin_labels(snapshot, deletion.rows[left]), deletion.reason[left].tolist(), strict=True):
            if name not in dropped.also_untagged:
                found.setdefault(why, []).append(name)
    return found


def left_in_use(deletion: Deletion, dropped: PinSelection) -> list[str]:
    """Return notices about targets that the tool leaves because something runs or uses them."""
    return [f"{_names(names)}: {why}" for why, names in _left_in_use(deletion, dropped).items()]


def _rest(preview: Preview) -> str:
    """Return the end of a sentence: the names that hold the biggest waiting blob."""
    frame = preview.waiting
    if frame.empty:
        return ""
    held, reason = frame["held_by"].iloc[0], frame["reason"].iloc[0]
    return f"; the rest waits for {_names(held)}" if held else f"; the rest waits: {reason}"


def waits(preview: Preview) -> list[str]:
    """Return the reasons why blobs wait, with their bytes."""
    frame = preview.waiting
    tool = preview.collected.tool or freed_later(preview.snapshot)
    if frame.empty or preview.collected.stops or not tool:
        return []
    sums = frame.groupby("reason", sort=False)["size"].agg(["size", "sum"])
    return [f"waits: {_what(int(blobs), int(size))}: {reason}" for reason, blobs, size in sums.itertuples()]


def _same_image(preview: Preview) -> list[str]:
    """Return the other names that keep a dropped image, and the bytes that dropping them too frees."""
    if not preview.same_image or not preview.is_kept:
        return []
    names = preview.same_image
    both = preview.dropping(preview.snapshot, with_names(preview.snapshot, preview.dropped, names))
    size = human_bytes(both.collected.bytes if both.collected.tool else both.bytes)
    verb = "names the same image and keeps it" if len(names) == 1 else "name the same image and keep it"
    return [f"{_names(names, 3)} {verb}: dropping all of them together frees {size}"]


def _advice(preview: Preview) -> list[str]:
    """Return the tags that break, and the names that free more together with the targets than alone."""
    lines = [f"these tags could no longer be pulled: {join_some(preview.breaks)}"] if preview.breaks else []
    best = preview.also_drop.head(0 if preview.dropped.noun else ADVISED)
    at_most = hedge(preview)
    more = [
        f"with {_names([tag])} {at_most}{human_bytes(size)} more ({human_bytes(alone)} if dropped alone)"
        for tag, size, alone in zip(best["tag"], best["bytes"], best["alone"], strict=True)
    ]
    if more:
        lines.append(f"together {', or '.join(more)}")
    return lines + _with_commands(preview)


def _with_commands(preview: Preview) -> list[str]:
    """Return what a command of the engine that drops a whole group frees together with the targets."""
    snapshot, lines = preview.snapshot, []
    for group, command in snapshot.store.prunes.items() if preview.targets else ():
        rows = rows_of_group(snapshot, group)
        dropped = preview.dropped.rows
        rest = {row: 1 for row in rows.tolist() if row not in dropped}
        alone = preview.dropping(snapshot, PinSelection(rows=rest)).bytes
        both = preview.dropping(snapshot, PinSelection(preview.targets, rows=dropped | rest)).bytes
        if both > preview.bytes + alone:
            more, only = human_bytes(both - preview.bytes), human_bytes(alone)
            lines.append(f"together with {command} {hedge(preview)}{more} more ({only} if it is run alone)")
    return lines


def not_holding(snapshot: Snapshot, holds: NDArray[np.bool_]) -> list[str]:
    """Return a notice if some names are dropped, and none of them holds a blob under the policy."""
    if holds.any() or not len(holds):
        return []
    return [f"none of these names holds a blob under policy {snapshot.policy} (others: {', '.join(snapshot.policies)})"]
