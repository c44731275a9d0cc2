"""The option to let an engine answer, and its answers as text: for snapshots that are larger than the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobkit.engines import DuckSnapshot
from blobkit.engines.duck import told
from blobkit.present.answer import Answer
from blobkit.present.cells import NAME_SHOWN
from blobkit.present.plain import records
from blobkit.present.sections import LINE_SHOWN, ROWS_SHOWN, Section, frame_table
from blobkit.render import count, human_bytes, join_some, truncate

if TYPE_CHECKING:
    from duckdb import DuckDBPyRelation

    from blobkit.commands.shown import Output
    from blobkit.engines.answers import EngineUsage

__all__ = ["print_usage"]


def print_usage(directory: str, by: str, policy: str | None, memory: str, out: Output) -> None:
    """Print the use of space in a snapshot that was saved in parts, as DuckDB finds it."""
    with DuckSnapshot(directory, policy=policy, memory=memory) as snapshot:
        found = snapshot.usage(by)
        with told():
            answer = _Usage(snapshot, found)
        out.answer(answer, answer.to_dict)


class _Usage(Answer):
    """The groups by their shares, then the special rows, as the answer in memory has them."""

    def __init__(self, snapshot: DuckSnapshot, found: EngineUsage[DuckDBPyRelation]) -> None:
        self.snapshot, self.found = snapshot, found
        self.frame = found.frame.df().set_index("group")

    def title(self) -> str:
        """Return the answer in one line."""
        groups = count(int((~self.frame["beside"]).sum()), "group")
        return f"{human_bytes(self.found.bytes)} by {truncate(self.found.by, NAME_SHOWN)}: {groups}"

    def to_dict(self) -> dict[str, object]:
        """Return the answer as plain values that JSON can hold, as `blobkit.Usage.to_dict`."""
        return {
            "snapshot": self.snapshot.caption(),
            "policy": self.snapshot.policy,
            "by": self.found.by,
            "bytes": self.found.bytes,
            "groups": records(self.frame),
        }

    def sections(self, rows: int = ROWS_SHOWN) -> tuple[Section, ...]:
        """Return the groups with the largest shares, then the special rows."""
        lines = [truncate(self.snapshot.caption(), LINE_SHOWN)]
        if unread := self.found.unread:
            lines.append(f"manifests in use cannot be read ({join_some(list(unread), 3)}): exclusive is an upper bound")
        beside = self.frame["beside"].to_numpy(bool)
        frame = self.frame.drop(columns="beside")
        top = frame[~beside].sort_values("split", ascending=False, kind="stable")
        return (
            Section("", tuple(lines), frame_table(top, rows=rows, total=["split"])),
            Section("In no group", table=frame_table(frame[beside])),
        )
