"""Verbs of a remote store a second: its index in a real PostgreSQL, its content in memory, by one client or several.

    python benchmarks/remote_store.py [--clients 1 4 8] [--delays 0 1 20] [--seconds 3] [--blobs 1000000]

Each client is a process with a store of its own. `put`: new blobs; `ref`: one of 1,000 blobs that all clients share;
`link`: between own blobs; `batch`: 1,000 new blobs in a batch; `crossing`: removals of roots over the same 50 blobs as
those of another client; `cascade`: the removal of a root with 10,000 blobs. Delays are added to the network, in ms for
a round trip, by a process before the server. Commits are durable. Prints verbs a second of all clients together (blobs
a second for batches and cascades), how often plans were run again, errors, statements a verb of one client, and what a
snapshot costs.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from blobkit.errors import BlobkitError
from blobkit.index.postgres import connecting
from blobkit.index.postgres.index import PostgresIndex
from blobkit.store.remote.store import PlacedStore

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from remote_servers.databases import running_database
from remote_servers.in_memory import PlacesInMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

SHARED, CHILDREN, LEVEL = 1_000, 50, 10_000
ROUNDS = 40
"""Crossing removals of each client."""
SOCKET = ".s.PGSQL.5432"


class Client:
    """The verbs of one client; each method does one measured piece of work and returns how much that was."""

    def __init__(self, url: str, schema: str, number: int, spool: str) -> None:
        self.index = PostgresIndex(url, schema=schema, notes_names=False)
        self.store = PlacedStore(PlacesInMemory(Path(spool)), self.index)  # type: ignore[arg-type]
        self.store._session._sweep_now_and_then = lambda: None  # type: ignore[method-assign]  # noqa: SLF001
        self.number, self.count, self.level = number, 0, LEVEL
        self.own: Iterator[str] = iter(())

    def new(self) -> bytes:
        self.count += 1
        return b"%d %d %d" % (os.getpid(), self.number, self.count)

    def put(self) -> int:
        self.store.put(self.new())
        return 1

    def ref(self) -> int:
        self.count += 1
        self.store.ref(self.shared[self.count * 7919 % SHARED])
        return 1

    def link(self) -> int:
        to, from_ = next(self.own), next(self.own)
        self.store.link(to, from_)
        return 1

    def batch(self) -> int:
        with self.store.batch() as batch:
            for _ in range(1000):
                batch.put(self.new())
        return 1000

    def crossing(self) -> int:
        return 1 if self.store.deref(next(self.own)) is not None else 0

    def cascade(self) -> int:
        return len(self.store.deref(next(self.own)))

    def prepare(self, verb: str) -> None:
        """Make what a verb works on, before it is measured."""
        if verb == "ref":
            self.shared = [one.digest for one in self.store.put_many(b"shared %d" % n for n in range(SHARED))]
        elif verb == "link":
            self.own = iter([one.digest for one in self.store.put_many(self.new() for _ in range(4000))])
        elif verb == "crossing":
            self.own = iter([self.root(b"round %d" % turn, CHILDREN) for turn in range(ROUNDS)])
        elif verb == "cascade":
            self.own = iter([self.root(self.new(), self.level)])

    def root(self, name: bytes, children: int) -> str:
        """Put a root over so many blobs, which other clients have as well if the name is theirs, too."""
        below = [one.digest for one in self.store.put_many(b"%s %d" % (name, n) for n in range(children))]
        return self.store.put(self.new(), links=below).digest


def serve(number: int, url: str, schema: str, at: Barrier, asked: Connection) -> None:
    """Do what is asked: a verb, for so many seconds, at the same time as the other clients; answer with figures."""
    with tempfile.TemporaryDirectory() as spool:
        client = Client(url, schema, number, spool)
        while (job := asked.recv()) is not None:
            verb, seconds = job
            client.prepare(verb)
            repeats, done, errors = client.index.repeats, 0, 0
            at.wait()
            begin = time.monotonic()
            with suppress(StopIteration):
                while time.monotonic() < begin + seconds:
                    try:
                        done += getattr(client, verb)()
                    except BlobkitError as error:
                        print(error, file=sys.stderr)
                        errors += 1
            asked.send((done, begin, time.monotonic(), client.index.repeats - repeats, errors))


def measured(clients: list[Connection], verb: str, seconds: float) -> str:
    for one in clients:
        one.send((verb, seconds))
    found = [one.recv() for one in clients]
    done, repeats, errors = (sum(one[part] for one in found) for part in (0, 3, 4))
    span = max(end for _, _, end, _, _ in found) - min(begin for _, begin, _, _, _ in found)
    return f"{verb} {done / span:,.0f}/s ({repeats} again{f', {errors} ERRORS' if errors else ''})"


def round_of(url: str, schema: str, count: int, verbs: Mapping[str, float]) -> list[str]:
    """Measure all verbs with so many clients, in a schema of their own."""
    spawn = multiprocessing.get_context("spawn")
    PostgresIndex(url, schema=schema).close()
    at = spawn.Barrier(count)
    pipes = [spawn.Pipe() for _ in range(count)]
    for number, (_, theirs) in enumerate(pipes):
        spawn.Process(target=serve, args=(number, url, schema, at, theirs), daemon=True).start()
    clients = [mine for mine, _ in pipes]
    measured(clients, "put", 0.5)
    found = [measured(clients, verb, seconds) for verb, seconds in verbs.items()]
    for one in clients:
        one.send(None)
    return found


async def _delay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(1 << 16):
        loop.call_later(seconds, writer.write, data)
    loop.call_later(seconds, writer.close)


def before(place: str, server: str, milliseconds: float) -> None:
    """Listen in a directory, and pass on everything to the server, half of the time later each way."""

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_unix_connection(f"{server}/{SOCKET}")
        half = milliseconds / 2000
        await asyncio.gather(_delay(reader, to, half), _delay(there, writer, half), return_exceptions=True)

    async def run() -> None:
        async with await asyncio.start_unix_server(serve_one, f"{place}/{SOCKET}") as listening:
            await listening.serve_forever()

    asyncio.run(run())


def statements(url: str, schema: str) -> str:
    """Return how many requests each verb of one client sends to the server."""
    counts: Counter[str] = Counter()
    execute: Callable[..., object] = connecting.psycopg.Connection.execute

    def counted(*arguments: object, **named: object) -> object:
        counts["now"] += 1
        return execute(*arguments, **named)

    connecting.psycopg.Connection.execute = counted  # type: ignore[method-assign,assignment]
    found = []
    with tempfile.TemporaryDirectory() as spool:
        client = Client(url, schema, 0, spool)
        client.level = 100  # as many requests as for more
        for verb in ("put", "ref", "link", "batch", "crossing", "cascade"):
            client.prepare(verb)
            getattr(client, verb)()
            client.prepare(verb)
            counts.clear()
            getattr(client, verb)()
            found.append(f"{verb} {counts['now']}")
    connecting.psycopg.Connection.execute = execute  # type: ignore[method-assign,assignment]
    return ", ".join(found)


FILL = """INSERT INTO media_types(name) VALUES ('application/x');
INSERT INTO blobs(digest, size, refcount, pins, media_type, created, place)
    SELECT '\\x01'::bytea || sha256(n::text::bytea), n, 9, 1, 1, n, n::text FROM generate_series(1, {blobs}) n;
INSERT INTO links SELECT n, 1 + (n * 7919 + k * 104729) % (n - 1), 2 FROM generate_series(10::bigint, {blobs}) n,
    generate_series(1, 8) k ON CONFLICT DO NOTHING;
ANALYZE"""


def snapshots(url: str, blobs: int) -> Iterator[str]:
    """Yield what a snapshot of so many blobs, with 8 links each, costs its client: in memory, and saved in ranges."""
    index = PostgresIndex(url, schema="large", notes_names=False)
    with index._pool.connection() as db:  # noqa: SLF001 (filled past the index, which would take long)
        db.execute(FILL.format(blobs=blobs))
    index.close()
    spawn = multiprocessing.get_context("spawn")
    for how in ("in memory", "saved in ranges"):
        with spawn.Pool(1) as pool:
            cpu, wall, peak, links = pool.apply(snapshot, (url, how))
        figures = f"{cpu:.1f} s of CPU time in the client, {wall:.1f} s, {peak / 2**20:,.0f} MiB at the peak"
        yield f"snapshot {how} of {blobs:,} blobs, {links:,} links: {figures}"


def snapshot(url: str, how: str) -> tuple[float, float, int, int]:
    """Return seconds of CPU, seconds, peak memory and links of a snapshot; alone in a process."""
    with tempfile.TemporaryDirectory() as place:
        rows = PostgresIndex(url, schema="large", notes_names=False)
        store = PlacedStore(PlacesInMemory(Path(place, "spool")), rows)  # type: ignore[arg-type]
        cpu, wall = time.process_time(), time.monotonic()
        if how == "in memory":
            links = store.snapshot().links.num_rows
        else:
            store.save_snapshot(Path(place, "out"))
            links = sum(pq.ParquetFile(path).metadata.num_rows for path in Path(place, "out/links").iterdir())
        cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    return cpu, wall, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, links


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--delays", type=float, nargs="*", default=[0, 1, 20])
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--blobs", type=int, default=1_000_000, help="of the snapshot; 0 makes none")
    asked = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with running_database() as server:
        print("statements a verb:", statements(server.url, "counted"), flush=True)
        if asked.blobs:
            for line in snapshots(server.url, asked.blobs):
                print(line, flush=True)
        for delay in asked.delays:
            with tempfile.TemporaryDirectory(prefix="delay-") as place:
                proxy = spawn.Process(target=before, args=(place, str(server.place), delay), daemon=True)
                proxy.start()
                while not Path(place, SOCKET).exists():
                    time.sleep(0.01)
                url = f"postgresql://owner@/postgres?host={place}" if delay else server.url
                for count in asked.clients:
                    verbs = dict.fromkeys(("put", "ref", "link", "batch", "crossing", "cascade"), asked.seconds)
                    found = round_of(url, f"d{int(delay)}c{count}", count, verbs)
                    print(f"{delay:g} ms, {count} clients:", "; ".join(found), flush=True)
                proxy.kill()


if __name__ == "__main__":
    main()
