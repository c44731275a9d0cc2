"""The answers of Spark in local mode beside those of DuckDB: seconds, processor time, bytes shuffled and spilled.

    python benchmarks/engines_spark.py [--sizes 100k 1M] [--at DIR] [--cores 2]

Each answer runs in a session of its own, which is started before the time is taken; its figures are those of Spark's
event log. Totals must equal those of DuckDB with 2 GB: else the exit status is 1. Snapshots are made once and kept in
DIR, as by engines_sql.py. Needs pyspark and Java.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engines_sql import ANSWERS, SIZES, made_at, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

METRICS = {
    "cpu": ("Executor CPU Time",),
    "shuffled": ("Shuffle Write Metrics", "Shuffle Bytes Written"),
    "spilled": ("Disk Bytes Spilled",),
}
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.driver.host": "localhost",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.eventLog.enabled": "true",
    "spark.eventLog.compress": "false",
    "spark.eventLog.rolling.enabled": "false",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["100k", "1M"])
    parser.add_argument("--at", type=Path, default=Path(tempfile.gettempdir()) / "blobkit-engines-sql")
    parser.add_argument("--only", nargs="+", choices=ANSWERS, default=list(ANSWERS))
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--memory", default="3g", help="of the JVM")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        sys.stdout.write(json.dumps(asked(Path(options.child[0]), options.child[1], options)))
        return
    wrong = [one for size in options.sizes for one in measure(size, options)]
    if wrong:
        sys.exit("\n".join(["", *wrong]))


def measure(size: str, options: argparse.Namespace) -> Iterator[str]:
    """Print a row for each answer; yield what is wrong."""
    place = options.at / size
    made = made_at(place)
    print(f"\n## {size}: {made['blobs']:,.0f} blobs, {made['links']:,.0f} links, local[{options.cores}]")
    print("   Seconds; processor seconds of the executor; MB shuffled; MB spilled\n")
    print(f"| {'answer':10} | {'seconds':>8} | {'CPU s':>8} | {'shuffled':>8} | {'spilled':>8} | {'DuckDB s':>8} |")
    print(f"|{'-' * 12}|{('-' * 10 + '|') * 5}")
    for answer in options.only:
        spark, duck = spark_of(place, answer, options), run(place, answer, "2GB")
        if "failed" in spark:
            print(f"| {answer:10} | {spark['failed'][:60]}", flush=True)
            yield f"{size} {answer}: {spark['failed']}"
            continue
        if spark["totals"] != duck.get("totals"):
            yield f"{size} {answer}: NOT EQUAL: {spark['totals']} and {duck}"
        figures = (
            spark["wall"],
            spark["cpu"] / 1e9,
            spark["shuffled"] / 1e6,
            spark["spilled"] / 1e6,
            duck.get("wall", 0),
        )
        print(f"| {answer:10} | " + " | ".join(f"{one:8.1f}" for one in figures) + " |", flush=True)


def spark_of(place: Path, answer: str, options: argparse.Namespace) -> Mapping[str, object]:
    """Return what one answer costs in Spark, or why there is none."""
    command = [sys.executable, __file__, "--child", str(place), answer]
    command += ["--cores", str(options.cores), "--memory", options.memory]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]}
    return json.loads(done.stdout)


def asked(place: Path, answer: str, options: argparse.Namespace) -> dict[str, object]:
    """Start Spark, ask, and return the totals and what its event log says."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 (in the child only)

    from blobkit.engines import SparkSnapshot  # noqa: PLC0415 (the same)

    with tempfile.TemporaryDirectory(dir=place) as work:
        log = Path(work, "events")
        log.mkdir()
        builder = SparkSession.builder.master(f"local[{options.cores}]").config("spark.driver.memory", options.memory)
        for name, value in {**SETTINGS, "spark.eventLog.dir": log.as_uri(), "spark.local.dir": work}.items():
            builder = builder.config(name, value)
        spark = builder.getOrCreate()
        spark.sparkContext.setLogLevel("OFF")
        begun = time.perf_counter()
        with SparkSnapshot(spark, place / "now", work=work) as snapshot:
            totals = ANSWERS[answer][1](snapshot, f"{place}/later")
        wall = time.perf_counter() - begun
        spark.stop()
        return {"totals": totals, "wall": wall, **metrics(log)}


def metrics(log: Path) -> dict[str, int]:
    """Return the sums over all tasks in an event log."""
    found = dict.fromkeys(METRICS, 0)
    for path in filter(Path.is_file, log.rglob("*")):
        for line in path.open():
            task = json.loads(line).get("Task Metrics") if "SparkListenerTaskEnd" in line else None
            for name, way in METRICS.items():
                value: object = task or {}
                for step in way:
                    value = value.get(step, {}) if isinstance(value, dict) else {}
                found[name] += value if isinstance(value, int) else 0
    return found


if __name__ == "__main__":
    main()
