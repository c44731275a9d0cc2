"""An overview of a store: stored bytes by status, the biggest blobs, the cost of each tag."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from blobkit.analysis.collectors import would_abort
from blobkit.present.answer import Answer
from blobkit.present.plain import records
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, frame_table
from blobkit.protocols import as_snapshot
from blobkit.questions.frame import STATUS, tags_frame, to_frame
from blobkit.render import count, human_bytes, truncate
from blobkit.snapshot.notices import NOT_VISIBLE

if TYPE_CHECKING:
    import pandas as pd

    from blobkit.protocols import Address, SupportsSnapshot
    from blobkit.questions.inputs.ages import Age
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Summary", "summary"]


@dataclass(frozen=True, eq=False, repr=False)
class Summary(Answer):
    """Totals by status, the `top` blobs by retained bytes, the tags, and the notices.

    Garbage younger than `min_age` is `fresh`; None: this is not judged.
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
        """The blobs that retain most, with the columns that show why."""
        columns = ["size", "retained", "frees", "kind", "status", "refcount", "tags"]
        frame = to_frame(self.snapshot, columns=columns, min_age=self.min_age)
        return frame.sort_values(["retained", "size"], ascending=False).head(self.top)

    @cached_property
    def tags(self) -> pd.DataFrame:
        """All tags; first those that free most when dropped alone."""
        return tags_frame(self.snapshot).sort_values(["exclusive", "closure"], ascending=False)

    @property
    def frame(self) -> pd.DataFrame:
        """The main table: `biggest`."""
        return self.biggest

    @cached_property
    def notices(self) -> tuple[str, ...]:
        """Notices of unreadable, unknown or odd things, and the reasons why a collector would stop."""
        return (*would_abort(self.snapshot), *self.snapshot.notices["message"].to_pylist())

    def title(self) -> str:
        """Return the store in one line."""
        return self.snapshot.caption()

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the totals and notices, the biggest blobs, the tags."""
        return (Section("", tuple(self._lines()[1:])), *self.tables(min(rows, self.top)))

    def tables(self, rows: int) -> tuple[Section, ...]:
        """Return the biggest blobs and the tags; first those that free most alone."""
        tags = self.tags[["digest", "kind", "closure", "exclusive", "same_digest"]]
        title = f"Tags by the bytes that dropping each alone frees ({min(len(tags), rows):,} of {len(tags):,})"
        return (
            Section("Biggest by retained bytes", table=frame_table(self.biggest, rows=rows)),
            Section(title, table=frame_table(tags, rows=rows)),
        )

    def totalled(self) -> list[str]:
        """Return the caption and the totals, a line each."""
        parts = [
            f"{blobs:,} {status} ({human_bytes(int(size))})"
            for status, blobs, size in self.totals.itertuples()
            if blobs or status in STATUS[:2]
        ]
        known = f"{count(self.snapshot.blobs, 'blob')}, {human_bytes(self.snapshot.bytes)}"
        columns = (self.snapshot.notices[name].to_pylist() for name in ("code", "key"))
        unseen = [key for code, key in zip(*columns, strict=True) if code in NOT_VISIBLE]
        if not unseen:
            return [self.snapshot.caption(), f"{known}: {', '.join(parts)}"]
        least = f"stored: at least {human_bytes(self.snapshot.bytes)}; not visible are {', '.join(unseen)}"
        return [self.snapshot.caption(), least, f"visible: {known}: {', '.join(parts)}"]

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
        shown = [truncate(f"notice: {message}", LINE_SHOWN) for message in self.notices[: self.top]]
        more = len(self.notices) - len(shown)
        return [*lines, *shown, *([f"and {count(more, 'notice')} more"] if more > 0 else [])]


def summary(x: SupportsSnapshot | Address, *, top: int = 10, policy: str | None = None) -> Summary:
    """Return the overview of a store, with tables of `top` rows. Cost: as `to_frame` and `tags_frame`."""
    return Summary(as_snapshot(x, policy), top)
