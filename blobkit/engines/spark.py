"""Spark as an engine: answers from a saved snapshot in parts, on a cluster or on one machine.

Only `spark.sql`, `spark.read` and `DataFrame.write` are used, so that it runs on Spark Connect, too.
"""

from __future__ import annotations

import shutil
import weakref
from collections import Counter
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from blobkit.engines.dialect import SPARK
from blobkit.engines.grouping import PAIRS
from blobkit.engines.opening import EngineSnapshot, saved_parts
from blobkit.engines.steps import DEPTH
from blobkit.engines.workplace import Workplace
from blobkit.errors import EngineLimitError, MissingExtraError, UnreadableStoreError
from blobkit.render import printable

try:
    from pyspark.errors import PySparkException
except ImportError as error:
    MISSING = "pyspark, which answers from large snapshots on a cluster, is not installed"
    raise MissingExtraError(MISSING, hint="pip install 'blobkit[spark]', and Java 17 or later") from error

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

__all__ = ["SparkSnapshot"]

_PATTERN = frozenset("*?[]{}\\")


class Spark:
    """Tables as directories of parquet files, in a directory of its own; each is known to Spark as a view.

    A step is written and read again, so that no plan grows with the steps before it. A session has one space of names:
    those of each engine begin with a `prefix` of its own.
    """

    dialect = SPARK

    def __init__(self, spark: SparkSession, work: Path | None) -> None:
        self.spark = spark
        self.place = Workplace(work)
        self.numbers: Iterator[int] = count()
        self.prefix = f"{self.place.path.name.replace('-', '_')}_"
        self._parts: dict[str, list[str]] = {}
        self._schemas: dict[str, StructType] = {}
        self._views: set[str] = set()
        self._users = Counter[str]()
        self._close = weakref.finalize(self, self.place.close)

    def close(self) -> None:
        """Remove the directory, and the views of its tables."""
        for name in list(self._parts):
            self.drop(name)
        while self._views:
            self.spark.catalog.dropTempView(self._views.pop())
        self._close()

    def view(self, name: str, paths: list[Path], columns: str) -> None:
        """Name the rows of these parquet files, with these columns."""
        found = self.spark.read.parquet(*map(_url, map(str, paths)))
        raw = f"{name}_raw"
        found.createOrReplaceTempView(raw)
        self._views.add(raw)
        self.define(name, f"SELECT {columns} FROM {raw}")

    def define(self, name: str, query: str) -> None:
        """Name a query."""
        self.frame(query).createOrReplaceTempView(name)
        self._views.add(name)

    def step(self, name: str, query: str) -> None:
        """Make a table of the rows of a query."""
        self._write(name, self.frame(query))

    def add(self, name: str, more: str) -> None:
        """Add the rows of a table to another one: nothing is copied, the table has the files of both."""
        self._keep(name, [*self._parts[name], *self._parts[more]], self._schemas[name])

    def load(self, name: str, table: pa.Table) -> None:
        """Make a table of rows in memory: numbers and texts. Of no rows, Spark Connect infers no columns."""
        kinds = ("BIGINT" if pa.types.is_integer(field.type) else "STRING" for field in table.schema)
        columns = ", ".join(f"{name} {kind}" for name, kind in zip(table.column_names, kinds, strict=True))
        self._write(name, self.spark.createDataFrame(table, columns))

    def drop(self, *names: str) -> None:
        """Remove tables, if they are there; files that another table has stay."""
        for name in names:
            if name in self._parts:
                self.spark.catalog.dropTempView(name)
                self._release(self._parts.pop(name))

    def number(self, table: str) -> int:
        """Return the number of rows of a table or query; of a table they stand in its files, so that no job runs."""
        if table not in self._parts:
            return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])
        files = [file for path in self._parts[table] for file in Path(path).glob("*.parquet")]
        return sum(pq.read_metadata(file).num_rows for file in files)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query that has few."""
        frame = self.frame(query)
        with _told():
            return [tuple(row) for row in frame.collect()]

    def arrow(self, query: str) -> pa.Table:
        """Return the rows of a query as a table in memory."""
        frame = self.frame(query)
        with _told():
            return frame.toArrow()

    def frame(self, query: str) -> DataFrame:
        """Return the rows of a query as a DataFrame."""
        with _told():
            return self.spark.sql(query)

    def _write(self, name: str, rows: DataFrame) -> None:
        """Write rows to a new directory, and let it be the table."""
        path = f"{self.place.path}/{name}_{next(self.numbers)}"
        with _told():
            rows.write.parquet(_url(path))
        self._keep(name, [path], rows.schema)

    def _keep(self, name: str, paths: list[str], schema: StructType) -> None:
        self._users.update(paths)
        self._schemas[name] = schema
        self.spark.read.schema(schema).parquet(*map(_url, paths)).createOrReplaceTempView(name)
        self._release(self._parts.get(name, []))
        self._parts[name] = paths

    def _release(self, paths: list[str]) -> None:
        """Remove the directories that no table has any more."""
        self._users.subtract(paths)
        for path in set(paths):
            if self._users[path] <= 0:
                del self._users[path]
                shutil.rmtree(path, ignore_errors=True)


class SparkSnapshot(EngineSnapshot["DataFrame"]):
    """A snapshot saved in parts (`snapshot.save("dir/")`), which Spark answers from.

    `spark` is the session, classic or of Spark Connect, with ANSI mode (as by default). `path`, and `work` for tables
    between the steps, are directories that the driver and all executors reach under the same path: local ones where all
    is one machine, else ones that are mounted everywhere. What is in `work` is removed by `close()`, at the end of the
    process, or by the next SparkSnapshot after one that was killed. `policy`, `check`, `depth`, `pairs`: as for
    DuckSnapshot; the check of the rows runs in this process.

    Answers have the figures of the functions of the same names in `blobkit`; their frames are DataFrames of Spark, and
    end with `close()`. EngineLimitError for questions that would take too much, MissingExtraError without pyspark,
    SnapshotFormatError, UnknownPolicyError.

    >>> from blobkit.engines import SparkSnapshot  # doctest: +SKIP
    >>> with SparkSnapshot(spark, "/mnt/snapshots/now", work="/mnt/scratch") as snapshot:  # doctest: +SKIP
    ...     snapshot.usage(by="repo").frame.show()
    """

    def __init__(  # noqa: PLR0913 (the options are keyword-only)
        self,
        spark: SparkSession,
        path: str | os.PathLike[str],
        *,
        policy: str | None = None,
        work: str | os.PathLike[str] | None = None,
        check: bool = True,
        depth: int = DEPTH,
        pairs: int = PAIRS,
    ) -> None:
        found = saved_parts(path, policy, check=check)
        super().__init__(Spark(spark, Path(work) if work else None), found, depth=depth, pairs=pairs)


def _url(path: str) -> str:
    """Return a path as an address of Spark, which takes a bare one for that of its own file system.

    UnreadableStoreError for one that Spark would take for a pattern.
    """
    if odd := sorted(_PATTERN.intersection(path)):
        msg = f"Spark takes {printable(path)} for a pattern, because of the {odd[0]}"
        raise UnreadableStoreError(msg, hint="give a directory (path, work=) without *?[]{}\\")
    return f"file://{path}"


@contextmanager
def _told() -> Iterator[None]:
    """Raise what an error of Spark means here."""
    try:
        yield
    except PySparkException as error:
        reason = printable(str(error).strip().split("\n", maxsplit=1)[0])
        msg = f"Spark cannot go on ({reason})"
        raise EngineLimitError(msg, hint="look at its log; give it more memory or room, or another work=") from error
