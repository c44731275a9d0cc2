"""One store, many processes that are killed, requests that land late: nothing acknowledged is lost, nothing leaks.

More: `BLOBKIT_TORTURE=20 pytest -s tests/torture/test_remote.py`. The naive order of writes fails in the same harness.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.errors import ContentMissingError
from blobkit.store.fsck import context
from blobkit.store.remote.store import RemoteStore
from patience import until
from remote_crew import KINDS, content
from remote_servers.buckets import SHARED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remote_servers.buckets import BucketServer
    from remote_servers.databases import DatabaseServer

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
LEASE, LATE = 2.0, 3.0
"""Seconds: writers that are late for their intents occur all the time."""
PUTTERS, SWEEPERS = 3, 2
PUTS_A_KILL = 6
EPOCH = 12
"""Puts after which other contents are put: of these, what a killed process holds stays."""


class Crew:
    """Processes that work on one store, and are replaced when they are killed."""

    def __init__(self, root: Path, naive: str, *arguments: object) -> None:
        self.root, self.naive, self.arguments = root, naive, [*map(str, arguments)]
        self.random = random.Random(7)  # noqa: S311 (repeatable)
        self.roles = [*["putter"] * PUTTERS, *["sweeper"] * SWEEPERS]
        self.members = [self._begin(role) for role in self.roles]
        self.kills = 0

    def _begin(self, role: str) -> subprocess.Popen[bytes]:
        seed = str(self.random.getrandbits(32))
        command = [sys.executable, HERE / "remote_crew.py", f"{self.naive}{role}", seed, self.root, *self.arguments]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with (self.root / "errors").open("ab") as errors:
            return subprocess.Popen(command, env=environment, stderr=errors)

    def kill_one(self) -> None:
        """Kill one at any moment, and let another one take its place."""
        number = self.random.randrange(len(self.members))
        time.sleep(self.random.random() * 0.3)
        self._kill(self.members[number])
        self.kills += 1
        self.members[number] = self._begin(self.roles[number])

    def end(self) -> None:
        for member in self.members:
            self._kill(member)

    def _kill(self, member: subprocess.Popen[bytes]) -> None:
        member.send_signal(signal.SIGKILL)
        code = member.wait()
        assert code == -signal.SIGKILL, (self.root / "errors").read_text()[-3000:]

    def lines(self) -> list[list[dict[str, object]]]:
        """Return what each process wrote; the last line of one that was killed may be torn."""
        logs = sorted(self.root.glob("*.log"))
        return [[json.loads(line) for line in log.read_bytes().split(b"\n")[:-1]] for log in logs]

    def puts(self) -> int:
        return sum(1 for log in self.lines() for line in log for pins in line.get("done", {}).values() if pins > 0)


def expected(logs: list[list[dict[str, object]]]) -> tuple[Counter[str], Counter[str]]:
    """Return the fewest and the most pins that each blob may have, after all that was done, or begun."""
    least: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for log in logs:
        open_: dict[str, int] = {}
        for line in log:
            if "begun" in line:
                open_ = line["begun"]
            elif "done" in line or "refused" in line:
                for digest, pins in line.get("done", {}).items():
                    least[digest] += pins
                    most[digest] += pins
                open_ = {}
        for digest, pins in open_.items():
            least[digest] += min(pins, 0)
            most[digest] += max(pins, 0)
    return least, most


@pytest.fixture
def late(bucket_server: BucketServer) -> Iterator[subprocess.Popen[str]]:
    """Requests to the server are late; the port is that of `late.port`."""
    port = bucket_server.url.rpartition(":")[2]
    command = [sys.executable, HERE / "late_requests.py", port, "5", str(LATE)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.port = int(process.stdout.readline())
        yield process
        process.kill()


def play(root: Path, crew: Crew, puts: int, stop_at_loss: bool) -> None:  # noqa: FBT001 (as named)
    """Let the crew work until so many puts were acknowledged, or one was lost; kill one now and then."""
    (root / "epoch").write_text("0")
    while (done := crew.puts()) < puts and not (stop_at_loss and losses(crew)):
        (root / "epoch").write_text(str(done // EPOCH))
        until(lambda done=done: crew.puts() >= done + PUTS_A_KILL, pause=0.05)
        crew.kill_one()


def losses(crew: Crew) -> list[object]:
    return [line["lost"] for log in crew.lines() for line in log if "lost" in line]


def settle(store: RemoteStore) -> None:
    """Sweep until every intent has run out, and every tombstone that waited for a late writer is gone."""
    end = time.monotonic() + 6 * LEASE
    while time.monotonic() < end:
        store.sweep()
        time.sleep(LEASE / 4)


def held_wrongly(store: RemoteStore, logs: list[list[dict[str, object]]]) -> list[object]:
    """Return the blobs with fewer or more pins than they may have."""
    least, most = expected(logs)
    found = {digest: store.get(digest) for digest in store}
    wrong = [(one.digest, one.refcount, one.pins) for one in found.values() if one.refcount != one.pins]
    for digest in {*least, *most, *found}:
        pins = found[digest].pins if digest in found else 0
        if not max(least[digest], 0) <= pins <= most[digest]:
            wrong.append((digest, pins, least[digest], most[digest]))
    return wrong


def unreadable(store: RemoteStore, epochs: int) -> list[str]:
    """Return the blobs whose content is not there, or is not what they are."""
    contents = {of(data): data for epoch in range(epochs + 1) for data in (content(epoch, k) for k in range(KINDS))}
    bad = []
    for digest in store:
        try:
            bad += [digest] if store.get(digest).read() != contents[digest] else []
        except ContentMissingError:
            bad.append(digest)
    return bad


@dataclass(frozen=True)
class Place:
    """One store on both servers, and the way to the bucket on which requests are late."""

    server: BucketServer
    database: tuple[str, str]
    bucket: str
    late: subprocess.Popen[str]
    root: Path

    def opened(self) -> RemoteStore:
        url, schema = self.database
        options = self.server.options
        return RemoteStore(url, self.bucket, schema=schema, storage_options=options, spool=self.root, lease=LEASE)

    def played(self, naive: str, puts: int) -> tuple[Crew, dict[str, int]]:
        """Let a crew work; return it, dead, and how many requests were delivered, when all of them are."""
        self.opened().close()  # so that it is there
        crew = Crew(self.root, naive, *self.database, self.bucket, f"http://127.0.0.1:{self.late.port}", LEASE)
        try:
            play(self.root, crew, puts, stop_at_loss=bool(naive))
        finally:
            crew.end()
        self.late.send_signal(signal.SIGTERM)
        return crew, json.loads(self.late.stdout.readline())


@pytest.fixture
def place(
    bucket_server: BucketServer,
    signed: None,  # noqa: ARG001
    database_server: DatabaseServer,
    late: subprocess.Popen[str],
    tmp_path: Path,
) -> Place:
    bucket = f"s3://{SHARED}/{bucket_server.prefix()}"
    return Place(bucket_server, (database_server.url, database_server.schema()), bucket, late, tmp_path)


def test_processes_are_killed_and_requests_land_late(place: Place, monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    crew, delivered = place.played("", 100 * more)
    with place.opened() as store:
        settle(store)
        logs, lost = crew.lines(), losses(crew)
        bad = unreadable(store, crew.puts() // EPOCH + 1)
        refused = sum("refused" in line for log in logs for line in log)
        print(f"{crew.puts()} acknowledged, {refused} refused, {crew.kills} killed: {len(lost)} lost")  # noqa: T201
        print(delivered, len(store), "blobs left")  # noqa: T201 (the figures of a long run)
        assert (lost, bad, held_wrongly(store, logs)) == ([], [], [])
        monkeypatch.setattr(context, "GRACE", -60.0)
        found = store.fsck(progress=False)
        assert found.counts.keys() <= {"orphan"}, str(found)
        print("objects that only a listing finds:", len(found.findings))  # noqa: T201 (likewise)
        assert not store.fsck(repair=True, progress=False).left
        places = store._index.read(lambda tx: set(tx.places(tx.digests()).values()))
        prefix = store._places._prefix
    keys = {key.removeprefix(prefix) for key in listed(place.server, prefix)}
    assert keys == places, "every object belongs to a blob, and every blob has one"
    assert delivered["deletions of the dead"], "no deletion landed after its sender died: try longer"


def test_the_naive_order_of_writes_loses_what_was_acknowledged(place: Place) -> None:
    crew, delivered = place.played("naive-", 1000)
    with place.opened() as store:
        bad = unreadable(store, crew.puts() // EPOCH + 1)
    print(f"{crew.puts()} acknowledged, {crew.kills} killed: {losses(crew)}, {len(bad)} bad, {delivered}")  # noqa: T201
    assert losses(crew) or bad, "this harness finds nothing"


def listed(server: BucketServer, prefix: str) -> list[str]:
    """Return all keys of blobs, as another client lists them."""
    pages = server.client.get_paginator("list_objects_v2").paginate(Bucket=SHARED, Prefix=f"{prefix}blobs/")
    return [one["Key"] for page in pages for one in page.get("Contents", ())]
