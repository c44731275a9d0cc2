"""Everything that is wrong in a store, or takes space for nothing, with what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.errors import ThresholdError
from blobkit.protocols import as_snapshot
from blobkit.questions.asking.ages import parse_age
from blobkit.questions.asking.sizes import parse_size
from blobkit.questions.columns import categorical, keys, times
from blobkit.questions.findings.checks import findings
from blobkit.questions.findings.finding import MEANING, SEVERITIES
from blobkit.questions.shown import LINE_SHOWN, NAME_SHOWN, Shown
from blobkit.questions.summary import Summary, records
from blobkit.render import count, cut, human_bytes, short, text_table

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.asking.ages import Age
    from blobkit.questions.asking.sizes import Size
    from blobkit.questions.findings.finding import Finding
    from blobkit.questions.shown import Cells
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Audit", "audit", "limits"]

RIGHT = frozenset({"blobs", "bytes"})


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Shown):
    """What was found in a store; falsy where nothing was. Garbage younger than `min_age` is `fresh`, and kept.

    A blob may be in several findings: what nothing holds and is damaged is both. `summary` is the store at a glance.
    """

    snapshot: Snapshot
    min_age: timedelta
    top: int
    found: tuple[Finding, ...]

    @cached_property
    def findings(self) -> pd.DataFrame:
        """One row a finding, the gravest first.

        `code`; `severity` (categorical: error, warning, info); `blobs`, `bytes` (int64); `oldest` (the first
        `modified` of its blobs, NaT unknown); `advice`; `digests` (tuple, of absent blobs too); `names` (tuple: tags,
        paths and what else is no blob).
        """
        severity = [SEVERITIES.index(finding.severity) for finding in self.found]
        columns = {
            "code": pd.array([finding.code for finding in self.found], dtype="str"),
            "severity": categorical(np.array(severity, np.int8), SEVERITIES),
            "blobs": np.array([len(finding.nodes) for finding in self.found], np.int64),
            "bytes": np.array([finding.bytes for finding in self.found], np.int64),
            "oldest": pd.DatetimeIndex([self._oldest(finding) for finding in self.found], dtype="datetime64[us, UTC]"),
            "advice": pd.array([finding.advice for finding in self.found], dtype="str"),
            "digests": [tuple(keys(self.snapshot, finding.nodes).tolist()) for finding in self.found],
            "names": [finding.names for finding in self.found],
        }
        return pd.DataFrame(columns)

    @property
    def frame(self) -> pd.DataFrame:
        """The main table: `findings`."""
        return self.findings

    @cached_property
    def summary(self) -> Summary:
        """Totals by status, the blobs that keep most, the tags."""
        return Summary(self.snapshot, self.top, self.min_age)

    def __bool__(self) -> bool:
        """Return whether anything was found."""
        return len(self.found) > 0

    def exceeds(self, thresholds: Mapping[str, Size | None]) -> tuple[str, ...]:
        """Return, in a line each, the thresholds that are exceeded; none: all is as it may be.

        `thresholds` maps the code of a finding, or a severity, to the bytes that are allowed ("1GiB"), or to None
        where there may be no such finding at all. ThresholdError for what is neither, SizeError for no size.
        """
        return tuple(line for name, most in limits(thresholds).items() for line in self._exceeding(name, most))

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        found = self.findings.astype({"severity": "str"}).drop(columns="oldest")
        oldest = [None if pd.isna(moment) else moment.isoformat() for moment in self.findings["oldest"]]
        return {
            **self.summary.to_dict(),
            "min_age": self.min_age.total_seconds(),
            "findings": records(found.assign(oldest=pd.Series(oldest, dtype=object)).set_index("code")),
        }

    def title(self) -> str:
        """Return the answer in one line."""
        number = {severity: sum(finding.severity == severity for finding in self.found) for severity in SEVERITIES}
        parts = [count(many, "note" if severity == "info" else severity) for severity, many in number.items() if many]
        return f"Found {', '.join(parts)}" if parts else "Nothing found"

    def __str__(self) -> str:
        """Return the answer as text: the totals, the findings, the biggest blobs, the tags."""
        header, rows, right = self._table()
        table = ["", "Findings", text_table(header, rows, right=right)] if rows else []
        return "\n".join([self.title(), *self._lines(), *table, *self.summary.tables()])

    def _lines(self) -> list[str]:
        lines = self.summary.totalled()
        if self.snapshot.store.note:
            lines.append(self.snapshot.store.note)
        return [cut(line, LINE_SHOWN) for line in lines]

    def _table(self) -> Cells:
        """Return the findings as cells, each with one of what it is about."""
        rows: list[tuple[str, ...]] = [
            (
                finding.severity,
                finding.code,
                f"{len(finding.nodes):,}" if len(finding.nodes) else "",
                human_bytes(finding.bytes) if finding.bytes else "",
                self._example(finding),
                finding.advice,
            )
            for finding in self.found
        ]
        return ("severity", "finding", "blobs", "bytes", "such as", "what it means"), rows, RIGHT

    def _example(self, finding: Finding) -> str:
        """Return the first name, or the first digest, that a finding is about."""
        text = finding.names[0] if finding.names else short(self.snapshot.key(int(finding.nodes[0])))
        return cut(text, NAME_SHOWN)

    def _oldest(self, finding: Finding) -> pd.Timestamp | None:
        modified = times(self.snapshot, "modified", finding.nodes)
        return modified.min() if modified.notna().any() else None

    def _exceeding(self, name: str, most: int) -> list[str]:
        """Return a line where the findings of this code or severity are more than `most` bytes (-1: any at all)."""
        about = [finding for finding in self.found if name in (finding.code, finding.severity)]
        size = sum(finding.bytes for finding in about)
        if not about or size <= most:
            return []
        limit = f", more than {human_bytes(most)}" if most >= 0 else ""
        return [f"{name}: {count(sum(len(f.nodes) for f in about), 'blob')}, {human_bytes(size)}{limit}"]


def limits(thresholds: Mapping[str, Size | None]) -> dict[str, int]:
    """Return the bytes that are allowed by code or severity, -1 where there may be no such finding at all.

    ThresholdError for what is neither, SizeError for no size.
    """
    for name in thresholds:
        if name not in MEANING and name not in SEVERITIES:
            msg = f"{cut(name, NAME_SHOWN)!r} is no finding: use {', '.join((*SEVERITIES, *MEANING))}"
            raise ThresholdError(msg)
    return {name: -1 if most is None else parse_size(most) for name, most in thresholds.items()}


def audit(x: SupportsSnapshot | Address, *, min_age: Age = "24h", top: int = 10, policy: str | None = None) -> Audit:
    """Return what is wrong in a store or takes space for nothing, the gravest first, with advice.

    Garbage, and uploads, younger than `min_age` before the snapshot ("24h", "7d", a timedelta, 0) are in progress and
    never advised to be deleted. `top` is the number of rows in the tables of the text. Errors: what `scan` raises,
    AgeError. Cost: as `to_frame`.
    """
    snapshot = as_snapshot(x)
    snapshot = snapshot if policy is None else snapshot.with_policy(policy)
    age = parse_age(min_age)
    return Audit(snapshot, age, top, findings(snapshot, age))
