"""DuckDB as an engine: answers from a saved snapshot in parts, in the memory that it is given."""

from __future__ import annotations

import os
import weakref
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from blobkit.engines import sql
from blobkit.engines.asking import Questions
from blobkit.engines.facts import Facts
from blobkit.engines.grouping import PAIRS
from blobkit.engines.steps import DEPTH, Walks
from blobkit.engines.workplace import Workplace
from blobkit.errors import EngineLimitError, Hint, MissingExtraError, UnreadableStoreError
from blobkit.questions.inputs.sizes import parse_size
from blobkit.render import count as counted
from blobkit.render import printable
from blobkit.snapshot import saved
from blobkit.snapshot.kinds import policy_of, store_of

try:
    import duckdb
except ImportError as error:
    MISSING = "duckdb, which answers from large snapshots, is not installed"
    raise MissingExtraError(MISSING, hint="pip install 'blobkit[duckdb]'") from error

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

    from blobkit.engines.answers import EngineDiff
    from blobkit.engines.grouping import By
    from blobkit.questions.inputs.sizes import Size
    from blobkit.snapshot.parts.layout import Parts

__all__ = ["DuckSnapshot"]

_SETTINGS = (
    "SET preserve_insertion_order = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_progress_bar = false",
)


A_THREAD = 125_000_000
"""The memory in bytes that DuckDB wants for each thread; with less, queries over large tables may fail."""


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Duck:
    """A database in a directory of its own: tables that do not fit the memory are there."""

    def __init__(self, memory: Size, threads: int | None, work: Path | None) -> None:
        room = parse_size(memory)
        self.place = Workplace(work)
        if "?" in str(self.place.path):
            self.place.close()
            msg = f"DuckDB keeps no tables in {printable(str(self.place.path))}, because of the question mark"
            raise UnreadableStoreError(msg, hint="give another directory (work=)")
        self.numbers = count()
        self.db: DuckDBPyConnection = duckdb.connect(str(self.place.path / "tables.duckdb"))
        self._close = weakref.finalize(self, _close, self.db, self.place)
        spilled = sql.quoted(str(self.place.path / "spilled"))
        for setting in (*_SETTINGS, f"SET temp_directory = {spilled}"):
            self.db.execute(setting)
        self.db.execute(f"SET memory_limit = '{room // 1000}KB'")
        self.db.execute(f"SET threads = {threads or min(_cores(), max(1, room // A_THREAD))}")

    def close(self) -> None:
        """Close the database and remove its directory."""
        self._close()

    def _run(self, query: str) -> DuckDBPyConnection:
        """Run a query; EngineLimitError if it does not get the memory or the space on disk that it needs."""
        try:
            return self.db.execute(query)
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            reason = printable(str(error).split("\n", maxsplit=1)[0])
            hint = Hint("give more memory (memory=), or a larger disk (work=)", "give more --memory")
            msg = f"DuckDB cannot go on ({reason})"
            raise EngineLimitError(msg, hint=hint) from error

    def view(self, name: str, paths: list[Path], columns: str) -> None:
        """Name the rows of these parquet files, with these columns."""
        files = ", ".join(sql.quoted(_literal(str(path))) for path in paths)
        self._run(f"CREATE VIEW {name} AS SELECT {columns} FROM read_parquet([{files}], hive_partitioning = false)")

    def define(self, name: str, query: str) -> None:
        """Name a query."""
        self._run(f"CREATE OR REPLACE VIEW {name} AS {query}")

    def step(self, name: str, query: str) -> None:
        """Make a table of the rows of a query."""
        self._run(f"CREATE OR REPLACE TABLE {name} AS {query}")

    def add(self, name: str, more: str) -> None:
        """Add the rows of a table to another one."""
        self._run(f"INSERT INTO {name} SELECT * FROM {more}")

    def load(self, name: str, table: pa.Table) -> None:
        """Make a table of rows in memory."""
        self.db.register("given_rows", table)
        try:
            self._run(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM given_rows")
        finally:
            self.db.unregister("given_rows")

    def drop(self, *names: str) -> None:
        """Remove tables."""
        for name in names:
            self._run(f"DROP TABLE IF EXISTS {name}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query that has few."""
        return self._run(query).fetchall()

    def arrow(self, query: str) -> pa.Table:
        """Return the rows of a query as a table in memory."""
        return self.db.sql(query).to_arrow_table()


class DuckSnapshot(Questions["DuckDBPyRelation"]):
    """A snapshot saved in parts (`snapshot.save("dir/")`), which DuckDB answers from without loading it.

    `memory`: the most that DuckDB uses, such as "8GB"; each thread needs 125 MB of it. What does not fit goes to
    `work`, a directory (by default in the system's temporary one), and is removed by `close()`, at the end of the
    process, or by the next DuckSnapshot after one that was killed. `policy`: as in `scan`. The rows are untrusted and
    checked first: one read of all files, which `check=False` leaves out. `depth`: the longest way that is followed.
    `pairs`: the most rows of group and blob.

    Answers have the figures of the functions of the same names in `blobkit`; their frames are DuckDB relations
    (`.df()`, `.to_arrow_table()`, `.write_parquet(path)`), and end with `close()`. EngineLimitError for questions that
    would take too much, SizeError, MissingExtraError without duckdb, SnapshotFormatError, UnknownPolicyError.

    >>> from blobkit.engines import DuckSnapshot
    >>> demo.small().snapshot().save("now/")
    >>> with DuckSnapshot("now", memory="200MB") as snapshot:
    ...     snapshot.usage(by="repo").bytes, snapshot.simulate_deref("shop/web:1.*").bytes
    (28112, 5369)
    """

    def __init__(  # noqa: PLR0913 (the options are keyword-only)
        self,
        path: str | os.PathLike[str],
        *,
        memory: Size = "2GB",
        policy: str | None = None,
        threads: int | None = None,
        work: str | os.PathLike[str] | None = None,
        check: bool = True,
        depth: int = DEPTH,
        pairs: int = PAIRS,
    ) -> None:
        directory = Path(path).absolute()
        parts, meta = saved.verified_parts(directory) if check else saved.open_parts(directory)
        rule = policy_of(meta.kind, policy, meta.address) if policy else meta.rule
        self.duck = Duck(memory, threads, Path(work) if work else None)
        self.path = directory
        facts = _facts(Walks(self.duck, depth), self.duck, directory, parts, meta)
        super().__init__(facts, rule, pairs=pairs)

    def __enter__(self) -> Self:
        """Return the snapshot itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def __repr__(self) -> str:
        """Return one line that names the store, the time, the policy, and the number of nodes."""
        return f"<DuckSnapshot of {self.caption()}: {counted(self.facts.nodes, 'node')}>"

    def close(self) -> None:
        """Remove all tables; the frames of answers end with them."""
        self.duck.close()

    def with_policy(self, name: str) -> DuckSnapshot:
        """Return the same facts under another policy; both are closed together."""
        other = object.__new__(DuckSnapshot)
        other.duck, other.path = self.duck, self.path
        Questions.__init__(other, self.facts, policy_of(self.facts.kind, name, self.facts.address), pairs=self.pairs)
        return other

    def diff(
        self, other: DuckSnapshot | str | os.PathLike[str], by: By = "repo", *, check: bool = True
    ) -> EngineDiff[DuckDBPyRelation]:
        """Return the changes to a later snapshot, as `blobkit.diff`: by cause; DiffError for another kind or policy.

        `other`: the directory of a snapshot in parts (judged under the same policy), or one that is open.
        """
        if isinstance(other, DuckSnapshot):
            directory, policy, is_checked = other.path, other.policy, True
        else:
            directory, policy, is_checked = Path(other).absolute(), "", not check
        parts, meta = saved.open_parts(directory) if is_checked else saved.verified_parts(directory)
        later = object.__new__(DuckSnapshot)
        later.duck, later.path = self.duck, directory
        rule = policy_of(meta.kind, policy, meta.address) if policy else meta.rule
        if not policy and meta.kind == self.facts.kind:
            rule = self.rule
        Questions.__init__(later, _facts(self.facts.walks, self.duck, directory, parts, meta), rule, pairs=self.pairs)
        return self._diff(later, by)

    def _frame(self, table: str, columns: str, order: str) -> DuckDBPyRelation:
        return self.duck.db.sql(f"SELECT {columns} FROM {table} ORDER BY {order}")


def _facts(walks: Walks, duck: Duck, directory: Path, parts: Parts, meta: saved.Meta) -> Facts:
    """Return the facts of a directory as views of a database."""
    prefix = f"s{next(duck.numbers)}_"
    for name, paths in parts.paths(directory).items():
        duck.view(f"{prefix}{name}", paths, sql.columns(name))
    size = duck.rows(f"SELECT CAST(coalesce(sum(size), 0) AS BIGINT) FROM {prefix}nodes")[0][0]
    store = store_of(meta.kind, meta.address)
    return Facts(walks, prefix, meta.kind, meta.address, meta.time, store, parts.number, int(size))


def _literal(path: str) -> str:
    """Return a path as a pattern of DuckDB that means this path alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _close(db: DuckDBPyConnection, place: Workplace) -> None:
    """Close a database and remove its directory; a process that was forked leaves both to its parent."""
    if place.is_ours:
        db.close()
        place.close()
