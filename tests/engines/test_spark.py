"""Spark, in local mode, against blobkit in memory: the SQL of DuckDB in another dialect."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import EngineLimitError, SnapshotFormatError, UnreadableStoreError
from blobkit.snapshot.snapshot import build
from effort import TORTURE
from engines.equal import check, check_diff, check_dropped, check_tools, check_usage, names_of, pandas_of, some_live
from engines.test_datasets import STORES
from graphs import key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

    from blobkit.engines.spark import SparkSnapshot
    from blobkit.snapshot.snapshot import Snapshot

    Dataset = tuple[Path, dict[str, object]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "700m",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.session.timeZone": "Pacific/Auckland",
}
"""What is prepared for large tables takes longer here than the work. Months are those of UTC, wherever Spark is."""


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    pytest.importorskip("pyspark", reason="pip install 'blobkit[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java: apt install openjdk-17-jre-headless")
    from pyspark.sql import SparkSession  # noqa: PLC0415 (an extra)

    builder = SparkSession.builder.master("local[2]").config("spark.local.dir", str(tmp_path_factory.mktemp("spark")))
    for name, value in SETTINGS.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture
def opened(spark: SparkSession, tmp_path: Path) -> Callable[[Snapshot], SparkSnapshot]:
    from blobkit.engines.spark import SparkSnapshot  # noqa: PLC0415 (an extra)

    def open_it(snapshot: Snapshot, **options: object) -> SparkSnapshot:
        place = tmp_path / f"saved {snapshot.kind} {len(list(tmp_path.iterdir()))}"
        snapshot.save(f"{place}/")
        return SparkSnapshot(spark, place, work=tmp_path / "work", **options)

    return open_it


@pytest.mark.parametrize("name", STORES if TORTURE > 1 else ["dev-registry"])
def test_real_stores(dataset: Callable[[str], Dataset], opened: Callable[..., SparkSnapshot], name: str) -> None:
    """Under one policy; under every policy with `BLOBKIT_TORTURE=2`, which takes half an hour."""
    snapshot = blobkit.scan(dataset(name)[0], progress=False)
    with opened(snapshot) as engine:
        for policy in snapshot.policies[: None if TORTURE > 1 else 1]:
            one, two = snapshot.with_policy(policy), engine.with_policy(policy)
            check(one, two, ["repo"])
            check_dropped(one, two, *names_of(one, 3), *some_live(one, 1), "*a*")
        check_tools(snapshot, engine)


def test_the_other_groupings(opened: Callable[..., SparkSnapshot]) -> None:
    snapshot = blobkit.demo.small().snapshot()
    with opened(snapshot) as engine:
        for by in ("tag", "platform", "kind", "month"):
            check_usage(snapshot, engine, by)
        check_dropped(snapshot, engine, groups=("shop/web",))
        check_dropped(snapshot, engine, r"re:shop/(?P<name>web):1\.[0-9]")  # which Java writes otherwise


def test_a_counting_store_with_a_cycle(opened: Callable[..., SparkSnapshot]) -> None:
    snapshot = build(
        "blobkit",
        "/s",
        nodes={"key": [key(i) for i in range(4)], "size": [1, 10, 100, 1000]},
        links={"source": [0, 1, 2, 2], "target": [1, 2, 1, 3]},
        pins={"node": [0], "name": ["a"], "kind": ["tag"], "group": ["g"]},
    )
    with opened(snapshot) as engine:
        check(snapshot, engine, [])
        check_dropped(snapshot, engine, "a")


def test_odd_bytes_go_to_the_first_groups_by_name_exactly(opened: Callable[..., SparkSnapshot]) -> None:
    """Sizes that no double holds: the shares are whole numbers all the same."""
    size = 2**53 + 1
    snapshot = build(
        "oci",
        "/s",
        nodes={"key": [key(i) for i in range(4)], "size": [1, 1, 1, size]},
        links={"source": [0, 1, 2], "target": [3, 3, 3], "kind": ["layer"] * 3},
        pins={"node": [0, 1, 2], "name": ["a", "b", "c"], "kind": ["entry"] * 3, "group": ["a", "b", "c"]},
    )
    with opened(snapshot) as engine:
        check_usage(snapshot, engine, "repo")
        assert pandas_of(engine.usage("repo").frame)["split"].sum() == size + 3


def test_a_later_snapshot(dataset: Callable[[str], Dataset], opened: Callable[..., SparkSnapshot]) -> None:
    before = blobkit.scan(dataset("dev-oci-layout")[0], progress=False)
    names = ("name", "kind", "group")
    rows = [row for row in range(before.pins.num_rows) if row % 4]
    pins = before.pins.take(rows)
    after = build(
        before.kind,
        before.address,
        nodes={name: before.nodes[name] for name in ("key", "size", "kind", "media_type", "stored")},
        links={name: before.links[name] for name in before.links.column_names},
        pins={"node": pins["node"], **{name: pins[name] for name in names}},
        policy=before.policy,
    )
    with opened(before) as one, opened(after) as two:
        check_diff(before, after, one, two.path, "repo")
        policy = next(name for name in before.policies if name != before.policy)
        check(before.with_policy(policy), one.with_policy(policy), [])


def test_nothing_is_left_and_limits_are_told(
    opened: Callable[..., SparkSnapshot], spark: SparkSession, tmp_path: Path
) -> None:
    spark.range(3).createOrReplaceTempView("s0_nodes")  # of the user's own
    snapshot = blobkit.demo.small().snapshot()
    with opened(snapshot, pairs=3) as engine:
        with pytest.raises(EngineLimitError, match="more than the limit of 3 pairs"):
            engine.usage("tag")
        assert engine.garbage().bytes == 0
        tables = list((tmp_path / "work").glob("*/*"))
        assert len(tables) < 20, "tables that nobody needs any more are removed at once"
        assert repr(engine).startswith("<SparkSnapshot of blobkit:")
    assert not (tmp_path / "work").exists()
    assert [one.name for one in spark.catalog.listTables() if one.isTemporary] == ["s0_nodes"]
    assert spark.sql("SELECT count(*) FROM s0_nodes").collect()[0][0] == 3
    spark.catalog.dropTempView("s0_nodes")


def test_rows_are_checked_before_spark_reads_them(opened: Callable[..., SparkSnapshot], tmp_path: Path) -> None:
    snapshot = blobkit.demo.small().snapshot()
    with opened(snapshot) as engine:
        (engine.path / "links/part-00000.parquet").write_bytes(b"PAR1")
        with pytest.raises(SnapshotFormatError):
            type(engine)(engine.engine.spark, engine.path, work=tmp_path / "work")


def test_a_path_that_spark_takes_for_a_pattern_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    from blobkit.engines.spark import SparkSnapshot  # noqa: PLC0415 (an extra)

    blobkit.demo.small().snapshot().save(f"{tmp_path}/a{{b}}/")
    with pytest.raises(UnreadableStoreError, match=r"takes .* for a pattern, because of the \{"):
        SparkSnapshot(spark, tmp_path / "a{b}", work=tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_without_pyspark() -> None:
    code = "import sys; sys.modules['pyspark.errors'] = None\nfrom blobkit.engines import SparkSnapshot"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ})
    assert "pip install 'blobkit[spark]', and Java 17 or later" in done.stderr
