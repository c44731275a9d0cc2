"""A saved snapshot that is open in an engine: the same for all of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

from blobkit.engines import sql
from blobkit.engines.asking import Questions
from blobkit.engines.facts import Facts
from blobkit.engines.steps import Walks
from blobkit.render import count
from blobkit.snapshot import saved
from blobkit.snapshot.kinds import policy_of, store_of

if TYPE_CHECKING:
    import os

    from blobkit.engines.answers import EngineDiff
    from blobkit.engines.grouping import By
    from blobkit.engines.steps import FrameEngine
    from blobkit.snapshot.parts.layout import Parts
    from blobkit.snapshot.records import Policy

__all__ = ["EngineSnapshot", "Saved", "saved_parts"]

Frame = TypeVar("Frame")


class Saved(NamedTuple):
    """A directory with a snapshot in parts, and the policy that it is judged under."""

    directory: Path
    parts: Parts
    meta: saved.Meta
    policy: Policy


def saved_parts(path: str | os.PathLike[str], policy: str | None = None, *, check: bool = True) -> Saved:
    """Return the parts of a saved snapshot, whose rows are checked unless `check` is False.

    SnapshotFormatError, UnknownPolicyError. Cost: a read of all files.
    """
    directory = Path(path).absolute()
    parts, meta = saved.verified_parts(directory) if check else saved.open_parts(directory)
    return Saved(directory, parts, meta, policy_of(meta.kind, policy, meta.address) if policy else meta.rule)


class EngineSnapshot(Questions[Frame]):
    """A snapshot that is open in an engine, which it closes."""

    def __init__(self, engine: FrameEngine[Frame], found: Saved, *, depth: int, pairs: int) -> None:
        self.engine, self.path = engine, found.directory
        try:
            super().__init__(_facts(Walks(engine, depth), found), found.policy, pairs=pairs)
        except BaseException:
            engine.close()
            raise

    def __enter__(self) -> Self:
        """Return the snapshot itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Return one line that names the store, the time, the policy, and the number of nodes."""
        return f"<{type(self).__name__} of {self.caption()}: {count(self.facts.nodes, 'node')}>"

    def close(self) -> None:
        """Remove all tables; the frames of answers end with them."""
        self.engine.close()

    def with_policy(self, name: str) -> Self:
        """Return the same facts under another policy; both are closed together."""
        return self._beside(self.path, self.facts, policy_of(self.facts.kind, name, self.facts.address))

    def diff(self, other: Self | str | os.PathLike[str], by: By = "repo", *, check: bool = True) -> EngineDiff[Frame]:
        """Return the changes to a later snapshot, as `blobkit.diff`: by cause; DiffError for another kind or policy.

        `other`: the directory of a snapshot in parts (judged under the same policy), or one that is open.
        """
        if isinstance(other, EngineSnapshot):
            found = saved_parts(other.path, other.policy, check=False)
        else:
            found = saved_parts(other, check=check)
            if found.meta.kind == self.facts.kind:
                found = found._replace(policy=self.rule)
        return self._diff(self._beside(found.directory, _facts(self.facts.walks, found), found.policy), by)

    def _beside(self, path: Path, facts: Facts, policy: Policy) -> Self:
        """Return other facts, or another policy, in the same engine."""
        other = object.__new__(type(self))
        other.engine, other.path = self.engine, path
        Questions.__init__(other, facts, policy, pairs=self.pairs)
        return other

    def _frame(self, table: str, columns: str, order: str) -> Frame:
        return self.engine.frame(f"SELECT {columns} FROM {table} ORDER BY {order}")


def _facts(walks: Walks, found: Saved) -> Facts:
    """Return the facts of a directory as views of an engine."""
    engine, meta = walks.engine, found.meta
    prefix = f"{engine.prefix}s{next(engine.numbers)}_"
    for name, paths in found.parts.paths(found.directory).items():
        engine.view(f"{prefix}{name}", paths, sql.columns(name, engine.dialect))
    size = engine.rows(f"SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM {prefix}nodes")[0][0]
    store = store_of(meta.kind, meta.address)
    return Facts(walks, prefix, meta.kind, meta.address, meta.time, store, found.parts.number, int(size))
