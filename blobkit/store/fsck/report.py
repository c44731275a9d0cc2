"""Findings of a check, and what was done about them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from blobkit.present.answer import Answer
from blobkit.present.sections import ROWS_SHOWN, Section, Table, columns_table
from blobkit.present.units import Unit
from blobkit.render import count, human_bytes, printable, to_utf8

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["UNCHECKED", "Extent", "Finding", "Fsck"]

LINES = 40
"""Findings that are shown as text; all of them are in `findings`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: `code` is its kind, `digest` the blob or "", `action` what was done, "" if nothing."""

    code: str
    digest: str
    message: str
    action: str = ""

    def __str__(self) -> str:
        """Return one line."""
        text = ": ".join(filter(None, (self.code, self.digest, self.message)))
        return printable(to_utf8(f"{text} -> {self.action}" if self.action else text))


class Extent(NamedTuple):
    """The extent of a check: `blobs` in all, `bytes` of content that were read and hashed."""

    blobs: int = 0
    bytes: int = 0


UNCHECKED = Extent()


@dataclass(frozen=True, repr=False)
class Fsck(Answer):
    """The findings of a check of a store: falsy when there is none. `left` are the findings that still stand.

    `notes` are no damage, but good to know. `pandas.DataFrame(fsck.findings)` has a row for each finding.

    >>> demo.small().fsck().left
    ()
    """

    findings: tuple[Finding, ...] = ()
    checked: Extent = UNCHECKED
    notes: tuple[str, ...] = ()
    address: str = ""

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """The number of findings of each kind, by kind."""
        return dict(sorted(Counter(finding.code for finding in self.findings).items()))

    @cached_property
    def left(self) -> tuple[Finding, ...]:
        """The findings about which nothing was done, or nothing could be."""
        return tuple(finding for finding in self.findings if not finding.action)

    def __len__(self) -> int:
        """Return the number of findings."""
        return len(self.findings)

    def __str__(self) -> str:
        """Return what was found for the shell: a line a finding, as long as that is readable."""
        more = len(self) - LINES
        lines = [self.title(), *map(str, self.findings[:LINES]), *([f"and {more:,} more"] if more > 0 else [])]
        return "\n".join([*lines, *self._notes()])

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:  # noqa: ARG002 (there are few kinds)
        """Return the notes, and the number of findings of each kind."""
        kinds = columns_table({"finding": list(self.counts), "number": list(self.counts.values())})
        return (Section("", tuple(self._notes()), kinds),)

    def details(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the first findings."""
        shown = self.findings[:rows]
        names = ("code", "digest", "message", "action")
        columns = {name: [to_utf8(getattr(finding, name)) for finding in shown] for name in names}
        table = columns_table(columns, {"action": Unit.PROSE})
        return (Section("The first of them", table=Table(table.columns, max(len(self) - rows, 0))),)

    def _notes(self) -> list[str]:
        return [f"note: {printable(to_utf8(note))}" for note in self.notes]

    def to_dict(self) -> dict[str, object]:
        """Return everything as plain values, for JSON."""
        return {
            "address": to_utf8(self.address),
            "checked": self.checked._asdict(),
            "counts": dict(self.counts),
            "left": len(self.left),
            "findings": [{name: to_utf8(text) for name, text in asdict(finding).items()} for finding in self.findings],
            "notes": [to_utf8(note) for note in self.notes],
        }

    def title(self) -> str:
        """Return what was checked and found, in one line."""
        checked = f"{count(self.checked.blobs, 'blob')} checked, {human_bytes(self.checked.bytes)} hashed"
        if not self:
            return f"{checked}: sound"
        return f"{checked}: {count(len(self), 'finding')}, {len(self.left):,} left"
