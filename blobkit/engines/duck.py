"""DuckDB as an engine: answers from a saved snapshot in parts, in the memory that it is given."""

from __future__ import annotations

import os
import weakref
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blobkit.engines import sql
from blobkit.engines.dialect import DUCKDB
from blobkit.engines.grouping import PAIRS
from blobkit.engines.opening import EngineSnapshot, saved_parts
from blobkit.engines.steps import DEPTH
from blobkit.engines.workplace import Workplace
from blobkit.errors import EngineLimitError, Hint, MissingExtraError, UnreadableStoreError
from blobkit.questions.inputs.sizes import parse_size
from blobkit.render import printable

try:
    import duckdb
except ImportError as error:
    MISSING = "duckdb, which answers from large snapshots, is not installed"
    raise MissingExtraError(MISSING, hint="pip install 'blobkit[duckdb]'") from error

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

    from blobkit.questions.inputs.sizes import Size

__all__ = ["DuckSnapshot", "told"]

_SETTINGS = (
    "SET preserve_insertion_order = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET enable_progress_bar = false",
)


A_THREAD = 125_000_000
"""The memory in bytes that DuckDB wants for each thread; with less, queries over large tables may fail."""


OPERATORS = 0.3
"""The part of the memory that hash tables may fill: the pages that are being read and written need the rest."""


def _cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Duck:
    """A database in a directory of its own: tables that do not fit the memory are there."""

    dialect = DUCKDB
    prefix = ""

    def __init__(self, memory: Size, threads: int | None, work: Path | None) -> None:
        room = parse_size(memory)
        self.place = Workplace(work)
        if "?" in str(self.place.path):
            self.place.close()
            msg = f"DuckDB keeps no tables in {printable(str(self.place.path))}, because of the question mark"
            raise UnreadableStoreError(msg, hint="give another directory (work=)")
        self.numbers: Iterator[int] = count()
        self.db: DuckDBPyConnection = duckdb.connect(str(self.place.path / "tables.duckdb"))
        self._close = weakref.finalize(self, _close, self.db, self.place)
        spilled = sql.quoted(str(self.place.path / "spilled"))
        for setting in (*_SETTINGS, f"SET temp_directory = {spilled}"):
            self.db.execute(setting)
        self.db.execute(f"SET memory_limit = '{room // 1000}KB'")
        if self.rows("SELECT 1 FROM duckdb_settings() WHERE name = 'operator_memory_limit'"):  # not in DuckDB 1.3
            self.db.execute(f"SET operator_memory_limit = '{int(room * OPERATORS) // 1000}KB'")
        self.db.execute(f"SET threads = {threads or min(_cores(), max(1, room // A_THREAD))}")

    def close(self) -> None:
        """Close the database and remove its directory."""
        self._close()

    def _run(self, query: str) -> DuckDBPyConnection:
        """Run a query; errors as `told`."""
        with told():
            return self.db.execute(query)

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

    def number(self, table: str) -> int:
        """Return the number of rows of a table or query."""
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query that has few."""
        found = self._run(query)
        with told():
            return found.fetchall()

    def arrow(self, query: str) -> pa.Table:
        """Return the rows of a query as a table in memory."""
        with told():
            return self.db.sql(query).to_arrow_table()

    def frame(self, query: str) -> DuckDBPyRelation:
        """Return the rows of a query as a relation."""
        return self.db.sql(query)


class DuckSnapshot(EngineSnapshot["DuckDBPyRelation"]):
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
        found = saved_parts(path, policy, check=check)
        super().__init__(Duck(memory, threads, Path(work) if work else None), found, depth=depth, pairs=pairs)


@contextmanager
def told() -> Iterator[None]:
    """Raise what an error of DuckDB means: EngineLimitError if a query lacks memory or disk, KeyboardInterrupt."""
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        reason = printable(str(error).split("\n", maxsplit=1)[0])
        hint = Hint("give more memory (memory=), or a larger disk (work=)", "give more --memory")
        msg = f"DuckDB cannot go on ({reason})"
        raise EngineLimitError(msg, hint=hint) from error
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


def _literal(path: str) -> str:
    """Return a path as a pattern of DuckDB that means this path alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def _close(db: DuckDBPyConnection, place: Workplace) -> None:
    """Close a database and remove its directory; a process that was forked leaves both to its parent."""
    if place.is_ours:
        db.close()
        place.close()
