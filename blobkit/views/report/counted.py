"""The chapter about how a report was counted: the policy, the collector, versions, words, notices."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import blobkit
from blobkit.present.sections import LINE_SHOWN, Section, Table, columns_table
from blobkit.present.units import Unit
from blobkit.render import count, truncate
from blobkit.views.report.asked import NO_ADDRESS, Chapter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.snapshot.snapshot import Snapshot
    from blobkit.views.report.asked import Asked

__all__ = ["TITLE", "how_counted"]

TITLE = "How it was counted"
NOTICES = 20
WORDS = {
    "blob": "bytes with a digest: a layer, a config, a manifest, an index of manifests",
    "live": "a tag, or another pin that holds under the policy, reaches the blob by links that count",
    "garbage": "nothing reaches the blob",
    "fresh": "garbage younger than the minimum age, such as an upload in progress: it is kept",
    "unknown": "an unreadable manifest may need the blob: it is kept, and never counted as free",
    "closure": "all bytes that a tag or a repository reaches",
    "exclusive": "the bytes that go if this one alone is dropped; bytes that several reach are not in it",
}


def how_counted(asked: Asked) -> Chapter:
    """Return the chapter."""
    words = columns_table({"word": list(WORDS), "meaning": list(WORDS.values())}, {"meaning": Unit.PROSE})
    return Chapter(TITLE, (Section("", tuple(_lines(asked))), Section("Words", table=words), _notices(asked.snapshot)))


def _lines(asked: Asked) -> Iterator[str]:
    snapshot, rule = asked.snapshot, asked.snapshot.rule
    yield truncate(snapshot.caption(), LINE_SHOWN)
    facts = ((snapshot.links, "link"), (snapshot.pins, "pin"), (snapshot.notices, "notice"))
    yield f"blobkit {blobkit.__version__}; {', '.join(count(table.num_rows, noun) for table, noun in facts)}"
    if asked.address == NO_ADDRESS:
        yield f"{NO_ADDRESS} in a command is the path of the store, or of a saved snapshot of it"
    yield f"garbage younger than {asked.min_age / timedelta(hours=1):g} hours is fresh"
    yield f"policy {rule.name}: these pins hold: {_several(rule.pins)}; these links count: {_several(rule.links)}"
    yield f"policies for this kind of store: {', '.join(snapshot.policies)}"
    yield f"the store {'counts references' if rule.counting else 'marks what pins reach, and sweeps the rest'}"
    for one in snapshot.store.collectors:
        yield f"{one.command} is predicted as of version {one.version}"
    if snapshot.store.note:
        yield snapshot.store.note


def _several(kinds: frozenset[str]) -> str:
    return ", ".join(sorted(kinds))


def _notices(snapshot: Snapshot) -> Section:
    """Return the notices of the scan by code, with the first of each."""
    code, message, path = (snapshot.notices[name].to_pylist() for name in ("code", "message", "path"))
    number = Counter(code)
    first: dict[str, tuple[str, str]] = {}
    for one, *about in zip(code, message, path, strict=True):
        first.setdefault(one, (about[0], about[1]))
    shown = [one for one, _ in number.most_common(NOTICES)]
    columns: dict[str, list[object]] = {
        "notice": list(shown),
        "number": [number[one] for one in shown],
        "the first": [first[one][0] for one in shown],
        "path": [first[one][1] or "" for one in shown],
    }
    table = columns_table(columns, {"notice": Unit.WORD, "the first": Unit.PROSE})
    title = f"Notices of the scan ({snapshot.notices.num_rows:,})"
    lines = () if shown else ("The scan noticed nothing unreadable, unknown or odd.",)
    return Section(title, lines, Table(table.columns, len(number) - len(shown)))
