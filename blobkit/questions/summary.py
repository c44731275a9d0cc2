"""A store at a glance: what is stored, what of it is live, what is biggest, what each tag costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from blobkit.analysis.collectors import would_abort
from blobkit.protocols import as_snapshot
from blobkit.questions.frame import STATUS, tags_frame, to_frame
from blobkit.questions.shown import LINE_SHOWN
from blobkit.render import count, cut, html_card, html_table, human_bytes, listed, short, text_table

if TYPE_CHECKING:
    import pandas as pd

    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.asking.ages import Age
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Summary", "cells", "records", "summary", "table"]

BYTE_COLUMNS = frozenset({"size", "retained", "frees", "closure", "exclusive"})
RIGHT = BYTE_COLUMNS | {"refcount", "pins", "links_in", "links_out", "depth", "same_digest", "blobs", "bytes"}


@dataclass(frozen=True, eq=False, repr=False)
class Summary:
    """Totals by status, the `top` blobs by retained bytes, the tags, and what was noticed.

    Garbage younger than `min_age` is `fresh`; None: that is not judged.
    """

    snapshot: Snapshot
    top: int
    min_age: Age | None = None

    @cached_property
    def totals(self) -> pd.DataFrame:
        """`blobs` and `bytes` by status: live, garbage, fresh, unknown."""
        frame = to_frame(self.snapshot, columns=["size", "status"], min_age=self.min_age)
        totals = frame.groupby("status", observed=False)["size"].agg(["size", "sum"])
        return totals.set_axis(["blobs", "bytes"], axis=1)

    @cached_property
    def biggest(self) -> pd.DataFrame:
        """The blobs that retain most, with the columns that tell why they matter."""
        columns = ["size", "retained", "frees", "kind", "status", "refcount", "tags"]
        frame = to_frame(self.snapshot, columns=columns, min_age=self.min_age)
        return frame.sort_values(["retained", "size"], ascending=False).head(self.top)

    @cached_property
    def tags(self) -> pd.DataFrame:
        """All tags, those first that free most when dropped alone."""
        return tags_frame(self.snapshot).sort_values(["exclusive", "closure"], ascending=False)

    @property
    def frame(self) -> pd.DataFrame:
        """The main table: `biggest`."""
        return self.biggest

    @cached_property
    def notices(self) -> tuple[str, ...]:
        """Notices of unreadable, unknown or odd things, and the reasons for which a collector would stop."""
        return (*would_abort(self.snapshot), *self.snapshot.notices["message"].to_pylist())

    def __repr__(self) -> str:
        """Return what it is of, in one line."""
        return f"<Summary of {self.snapshot.caption()}>"

    def __str__(self) -> str:
        """Return the summary as text."""
        return "\n".join([*self._lines(), *self.tables()])

    def tables(self) -> list[str]:
        """Return the biggest blobs and the tags as text."""
        return [f"\n{title}\n{table(cells(frame))}" for title, frame in self._parts()]

    def totalled(self) -> list[str]:
        """Return what it is of and the totals, in a line each."""
        parts = [
            f"{blobs:,} {status} ({human_bytes(int(size))})"
            for status, blobs, size in self.totals.itertuples()
            if blobs or status in STATUS[:2]
        ]
        stored = f"{count(self.snapshot.blobs, 'blob')}, {human_bytes(self.snapshot.bytes)}: {', '.join(parts)}"
        return [self.snapshot.caption(), stored]

    def _repr_html_(self) -> str:
        parts = [f"<div><b>{title}</b></div>{_html(cells(frame))}" for title, frame in self._parts()]
        return html_card("Store", self._lines(), *parts)

    def to_dict(self) -> dict[str, object]:
        """Return the summary as plain values that JSON can hold."""
        return {
            "snapshot": self.snapshot.caption(),
            "kind": self.snapshot.kind,
            "policy": self.snapshot.policy,
            "blobs": self.snapshot.blobs,
            "bytes": self.snapshot.bytes,
            "totals": {str(status): {"blobs": int(b), "bytes": int(n)} for status, b, n in self.totals.itertuples()},
            "biggest": records(self.biggest),
            "tags": records(self.tags),
            "notices": list(self.notices),
        }

    def _lines(self) -> list[str]:
        lines = self.totalled()
        if self.totals.loc["unknown", "blobs"]:
            lines.append("unknown: a manifest in use cannot be read, so nothing unreachable is safe to delete")
        shown = [cut(f"notice: {message}", LINE_SHOWN) for message in self.notices[: self.top]]
        more = len(self.notices) - len(shown)
        return [*lines, *shown, *([f"and {count(more, 'notice')} more"] if more > 0 else [])]

    def _parts(self) -> list[tuple[str, pd.DataFrame]]:
        """Return the tables with their titles; of many tags only the first."""
        tags = self.tags[["digest", "kind", "closure", "exclusive", "same_digest"]]
        what = f"Tags by what dropping each alone frees ({min(len(tags), self.top):,} of {len(tags):,})"
        parts = [("Biggest by retained bytes", self.biggest), (what, tags.head(self.top))]
        return [(title, frame) for title, frame in parts if len(frame)]


def summary(x: SupportsSnapshot | Address, *, top: int = 10, policy: str | None = None) -> Summary:
    """Return the store at a glance, with tables of `top` rows. Cost: as `to_frame` and `tags_frame`."""
    snapshot = as_snapshot(x)
    return Summary(snapshot if policy is None else snapshot.with_policy(policy), top)


def cells(frame: pd.DataFrame, *, full: bool = False) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a frame as text: bytes for people, digests short unless `full`."""
    columns = [frame.index.to_series(), *(frame[name] for name in frame.columns)]
    names = [str(frame.index.name), *map(str, frame.columns)]
    texts = [[_cell(name, value, full=full) for value in column] for name, column in zip(names, columns, strict=True)]
    return names, [list(row) for row in zip(*texts, strict=True)]


def table(parts: tuple[list[str], list[list[str]]]) -> str:
    """Return header and rows as a text table."""
    return text_table(*parts, right=RIGHT)


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Return a frame as plain dicts, one a row: times as text, unknown ones as None."""
    plain = frame.reset_index()
    for name in plain.select_dtypes("datetimetz").columns:
        plain[name] = plain[name].map(lambda moment: moment.isoformat(), na_action="ignore").astype(object)
    plain = plain.astype(object).where(plain.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]


def _html(parts: tuple[list[str], list[list[str]]]) -> str:
    return html_table(*parts, right=RIGHT)


def _cell(name: str, value: object, *, full: bool) -> str:
    if name in BYTE_COLUMNS and not full:
        return human_bytes(int(str(value)))
    if isinstance(value, tuple):
        return (
            listed(list(map(str, value)), len(value)) if full else cut(listed([str(v) for v in value], 3), LINE_SHOWN)
        )
    return str(value) if full else cut(short(str(value)), LINE_SHOWN)
