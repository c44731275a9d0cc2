"""The promise of a plan against what happened: blob for blob, from a snapshot before and one after."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from blobkit.analysis.reach import live
from blobkit.errors import PlanError
from blobkit.present.answer import Answer
from blobkit.present.cells import NAME_SHOWN
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, frame_table
from blobkit.questions.columns import categorical, keys
from blobkit.render import count, cut, human_bytes, listed, short
from blobkit.snapshot.sets import minus

if TYPE_CHECKING:
    from blobkit.questions.preview import Preview
    from blobkit.snapshot.snapshot import Snapshot

__all__ = ["Verified", "verified"]

STATES = ("gone", "still there", "unexpectedly gone")


@dataclass(frozen=True, eq=False, repr=False)
class Verified(Answer):
    """The fate of the blobs of `before` until `after` was read: truthy where all is as promised.

    `promised` bytes were to go. `tags_left` are names that were to be dropped and still are there.
    """

    before: Snapshot
    after: Snapshot
    promised: int
    tags_left: tuple[str, ...]
    frame: pd.DataFrame

    @property
    def bytes(self) -> int:
        """Bytes that were promised and are gone."""
        return self._bytes("gone")

    @cached_property
    def gone(self) -> tuple[str, ...]:
        """The digests that were promised and are gone."""
        return self._digests("gone")

    @cached_property
    def still_there(self) -> tuple[str, ...]:
        """The digests that were promised and are still there."""
        return self._digests("still there")

    @cached_property
    def unexpectedly_gone(self) -> tuple[str, ...]:
        """The digests that were in use, were not promised, and are gone."""
        return self._digests("unexpectedly gone")

    def __bool__(self) -> bool:
        """Return whether all that was promised is gone, and nothing else that was in use."""
        return not (self.still_there or self.unexpectedly_gone or self.tags_left)

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold."""
        return {
            "before": self.before.caption(),
            "after": self.after.caption(),
            "kept": bool(self),
            "promised_bytes": self.promised,
            "bytes": self.bytes,
            "gone": list(self.gone),
            "still_there": list(self.still_there),
            "unexpectedly_gone": list(self.unexpectedly_gone),
            "tags_left": list(self.tags_left),
        }

    def title(self) -> str:
        """Return the answer in one line."""
        kept = "The plan was kept" if self else "The plan was not kept"
        return f"{kept}: {human_bytes(self.bytes)} of {human_bytes(self.promised)} promised are gone"

    def _lines(self) -> list[str]:
        lines = [f"before: {self.before.caption()}", f"after: {self.after.caption()}"]
        lines += [
            f"{state}: {count(number, 'blob')}, {human_bytes(self._bytes(state))}"
            for state in STATES[1:]
            if (number := len(self._digests(state)))
        ]
        if self.tags_left:
            lines.append(f"still named: {listed([cut(short(tag), NAME_SHOWN) for tag in self.tags_left], 3)}")
        return [cut(line, LINE_SHOWN) for line in lines]

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the biggest blobs that are not as promised."""
        wrong = self.frame[self.frame["state"] != "gone"].sort_values("size", ascending=False, kind="stable")
        return (Section("", tuple(self._lines()), frame_table(wrong, rows=rows)),)

    def _digests(self, state: str) -> tuple[str, ...]:
        return tuple(self.frame.index[self.frame["state"] == state].tolist())

    def _bytes(self, state: str) -> int:
        return int(self.frame.loc[self.frame["state"] == state, "size"].sum())


def verified(preview: Preview, tags: tuple[str, ...], after: Snapshot) -> Verified:
    """Return what a preview of dropping `tags` promised against what is stored in `after`.

    Only stored blobs are compared; garbage of before that went along is as expected, new blobs are no concern, nor are
    those of which it could not be known whether they go, as something unreadable may link to them.
    PlanError where `after` is of another kind of store.
    """
    before = preview.snapshot
    if before.kind != after.kind:
        msg = f"{before.caption()} cannot be compared with {after.caption()}: give the same store, read later"
        raise PlanError(msg)
    blobs = np.flatnonzero(before.graph.blob & live(before.graph)).astype(np.int32)
    blobs = minus(blobs, minus(preview.nodes, preview.sure))
    promised = np.isin(blobs, preview.sure)
    digest = pd.Series(keys(before, blobs), name="digest")
    there = digest.isin(keys(after, np.flatnonzero(after.graph.blob).astype(np.int32))).to_numpy(bool)
    state = np.where(promised, np.where(there, 1, 0), np.where(there, -1, 2))
    said = state >= 0
    columns = {"size": before.graph.size[blobs[said]], "state": categorical(state[said], STATES)}
    frame = pd.DataFrame(columns, index=pd.Index(digest[said]))
    left = set(after.pins["name"].drop_null().to_pylist())
    return Verified(before, after, preview.certain_bytes, tuple(tag for tag in tags if tag in left), frame)
