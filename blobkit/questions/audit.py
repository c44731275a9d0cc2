"""All problems of a store, and all wasted space, with advice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.errors import ThresholdError
from blobkit.present.answer import Answer
from blobkit.present.cells import NAME_SHOWN
from blobkit.present.plain import records
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, columns_table
from blobkit.protocols import as_snapshot, as_surveyed, draw_answer
from blobkit.questions.columns import categorical, keys, times
from blobkit.questions.findings.checks import findings
from blobkit.questions.findings.files import beyond_files
from blobkit.questions.findings.finding import FIGURES, FINDINGS, SEVERITIES
from blobkit.questions.garbage import collector_script
from blobkit.questions.inputs.ages import parse_age
from blobkit.questions.inputs.sizes import parse_size
from blobkit.questions.summary import Summary
from blobkit.render import abbreviate, choices, count, human_bytes, truncate
from blobkit.snapshot.notices import BEYOND, PARTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from matplotlib.axes import Axes

    from blobkit.present.sections import Table
    from blobkit.protocols import Address, StorageOptions, SupportsSnapshot
    from blobkit.questions.findings.finding import Finding
    from blobkit.questions.inputs.ages import Age
    from blobkit.questions.inputs.sizes import Size
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Audit", "audit", "limits"]

RIGHT = frozenset({"blobs", "bytes"})


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Answer):
    """The findings in a store; falsy if there are none. Garbage younger than `min_age` is `fresh`, and kept.

    A blob may be in several findings: for example, it is garbage and damaged. `summary` is an overview of the store.
    The finding `metadata` is a figure that every store has: it does not make an audit truthy, and only its own
    threshold of bytes counts it.

    >>> audit = blobkit.audit(demo.small())
    >>> audit.exceeds({"garbage": "1MiB", "missing": None})  # None: no missing blob is allowed
    ()
    """

    _internal = frozenset(("found", "problems"))

    snapshot: Snapshot
    min_age: timedelta
    top: int
    found: tuple[Finding, ...]

    @cached_property
    def findings(self) -> pd.DataFrame:
        """One row for each finding, the most severe first.

        `code`; `severity` (categorical: error, warning, info); `blobs`, `bytes` (int64); `oldest` (the first
        `modified` of its blobs, NaT unknown); `advice`; `digests` (tuple, of absent blobs too); `names` (tuple: tags,
        paths and other things that are not blobs).
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

    @property
    def bytes(self) -> int:
        """The bytes of all regular files below the store's root, each inode once: blobs and all other files.

        Only the bytes of the blobs, if the snapshot was made without reading the list of files. In a bucket also those
        of unfinished uploads in parts and of versions that are not current, as far as the scan counted them.
        """
        return self._listed + sum(self._beyond.values())

    @property
    def _listed(self) -> int:
        """The bytes of the files, or only of the blobs."""
        return self.snapshot.bytes if self.snapshot.disk is None else self.snapshot.disk.bytes

    @cached_property
    def _beyond(self) -> dict[str, int]:
        """The bytes that are stored and are in no file, by what they are."""
        return beyond_files(self.snapshot)

    @cached_property
    def summary(self) -> Summary:
        """Totals by status, the blobs that keep most, the tags."""
        return Summary(self.snapshot, self.top, self.min_age)

    def __bool__(self) -> bool:
        """Return whether anything was found."""
        return len(self.problems) > 0

    def exceeds(self, thresholds: Mapping[str, Size | None]) -> tuple[str, ...]:
        """Return the exceeded thresholds, a line for each; empty if none is exceeded.

        `thresholds` maps the code of a finding, or a severity, to the allowed bytes ("1GiB"), or to None to allow no
        such finding at all. ThresholdError for any other key, SizeError for a wrong size.
        """
        return tuple(line for name, most in limits(thresholds).items() for line in self._exceeding(name, most))

    def script(self, tool: str | None = None) -> str:
        """Return a POSIX shell script that runs the store's collector and drops no name; None: the default tool.

        UnknownToolError if no tool fits, if no collector exists, or if it would delete blobs that names need. The
        untagged manifests of a registry are not garbage for it: `simulate_deref(x, untagged=True).script()` drops them.
        """
        return collector_script(self.snapshot, tool)

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Return axes with a bar for each finding, of its bytes, on `ax` or on a new figure."""
        return draw_answer(self, ax)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        found = self.findings.astype({"severity": "str"}).drop(columns="oldest")
        oldest = [None if pd.isna(moment) else moment.isoformat() for moment in self.findings["oldest"]]
        return {
            **self.summary.to_dict(),
            "min_age": self.min_age.total_seconds(),
            "all_bytes": self.bytes,
            "beyond_files": self._beyond,
            "disk": None if self.snapshot.disk is None else self.snapshot.disk.to_meta(),
            "findings": records(found.assign(oldest=pd.Series(oldest, dtype=object)).set_index("code")),
        }

    def title(self) -> str:
        """Return the answer in one line."""
        number = {severity: sum(finding.severity == severity for finding in self.problems) for severity in SEVERITIES}
        info = number.pop("info")
        parts = [count(many, severity) for severity, many in number.items() if many] + [f"{info:,} info"] * bool(info)
        return f"Found {', '.join(parts)}" if parts else "Nothing found"

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the totals, the findings, the biggest blobs, the tags."""
        findings = Section("Findings", table=self._findings_table())
        return Section("", tuple(self._lines())), findings, *self.summary.tables(min(rows, self.top))

    def _lines(self) -> list[str]:
        lines = [*self.summary.totalled(), *self._totals()]
        if self.snapshot.store.note:
            lines.append(self.snapshot.store.note)
        return [truncate(line, LINE_SHOWN) for line in lines]

    def _totals(self) -> list[str]:
        """Return the line with the bytes of all files, if they were counted, and one with what is in no file."""
        return [*self._total_of_files(), *self._total_of_all()]

    def _total_of_all(self) -> list[str]:
        """Return the line with all bytes that are stored, if some of them are in no file."""
        if not self._beyond:
            return []
        noun = "blobs" if self.snapshot.disk is None else "files"
        parts = [f"{human_bytes(size)} {what}" for what, size in {noun: self._listed, **self._beyond}.items()]
        return [f"stored in all: {human_bytes(self.bytes)}: {', '.join(parts)}"]

    def _total_of_files(self) -> list[str]:
        disk = self.snapshot.disk
        if disk is None:
            return []
        other = {what: (what,) for what in ("leftover", "orphan", "other")} | {"uploads": ("upload", "stale-upload")}
        size = {what: sum(self._no_blobs(f) for f in self.found if f.code in codes) for what, codes in other.items()}
        size["leftover"] += sum(finding.beside for finding in self.found)
        size["uploads"] -= self._beyond.get(BEYOND[PARTS], 0)
        parts = {"blobs": self.snapshot.bytes, **size, "metadata": disk.metadata}
        twice = sum(parts.values()) - disk.bytes
        shown = [f"{human_bytes(number)} {what}" for what, number in parts.items() if number]
        shown += (
            [f"less {human_bytes(twice)} counted twice (files with several names) or not stored"] if twice > 0 else []
        )
        return [f"{count(disk.files, 'file')} in all, {human_bytes(disk.bytes)}: {', '.join(shown)}"] if shown else []

    def _no_blobs(self, finding: Finding) -> int:
        """Return the bytes of a finding that belong to no blob."""
        return finding.bytes - int(self.snapshot.graph.size[finding.nodes].sum())

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings, except those that are figures."""
        return tuple(finding for finding in self.found if finding.code not in FIGURES)

    def _findings_table(self) -> Table:
        """Return all findings, each with one of its blobs or names as an example."""
        problems = self.problems
        return columns_table(
            {
                "severity": [finding.severity for finding in problems],
                "finding": [finding.code for finding in problems],
                "blobs": [len(finding.nodes) or None for finding in problems],
                "bytes": [finding.bytes or None for finding in problems],
                "such as": [self._example(finding) for finding in problems],
                "advice": [finding.advice for finding in problems],
            }
        )

    def _example(self, finding: Finding) -> str:
        """Return the first name, or the first digest, of a finding."""
        text = finding.names[0] if finding.names else abbreviate(self.snapshot.key(int(finding.nodes[0])))
        return truncate(text, NAME_SHOWN)

    def _oldest(self, finding: Finding) -> pd.Timestamp | None:
        modified = times(self.snapshot, "modified", finding.nodes)
        return modified.min() if modified.notna().any() else None

    def _exceeding(self, name: str, most: int) -> list[str]:
        """Return a line if the findings of this code or severity have more than `most` bytes (-1: if there are any)."""
        counted = self.problems if name in SEVERITIES or most < 0 else self.found
        about = [finding for finding in counted if name in (finding.code, finding.severity)]
        size = sum(finding.bytes for finding in about)
        if not about or size <= most:
            return []
        limit = f", more than {human_bytes(most)}" if most >= 0 else ""
        return [f"{name}: {count(sum(len(f.nodes) for f in about), 'blob')}, {human_bytes(size)}{limit}"]


def limits(thresholds: Mapping[str, Size | None]) -> dict[str, int]:
    """Return the allowed bytes by code or severity; -1 if no such finding is allowed.

    ThresholdError for any other key, SizeError for a wrong size.
    """
    for name in thresholds:
        if name not in FINDINGS and name not in SEVERITIES:
            msg = f"{truncate(name, NAME_SHOWN)!r} is not a finding"
            raise ThresholdError(msg, hint=choices(name, (*SEVERITIES, *FINDINGS)))
    return {name: -1 if most is None else parse_size(most) for name, most in thresholds.items()}


def audit(
    x: SupportsSnapshot | Address,
    *,
    min_age: Age = "24h",
    top: int = 10,
    policy: str | None = None,
    storage_options: StorageOptions | None = None,
) -> Audit:
    """Return the problems of a store and its wasted space, the most severe first, with advice.

    Garbage and uploads younger than `min_age` ("24h", "7d", a timedelta, 0) at the time of the snapshot count as in
    progress: the advice is to keep them. `top` is the number of rows in the tables of the text. `storage_options`
    as in `scan`. Errors: as `scan`, AgeError. Cost: as `to_frame`.

    >>> audit = blobkit.audit(demo.small())
    >>> list(audit.findings["code"])
    ['suspect']
    """
    snapshot = as_snapshot(as_surveyed(x, storage_options), policy)
    age = parse_age(min_age)
    return Audit(snapshot, age, top, findings(snapshot, age))
