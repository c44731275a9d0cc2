"""Work on a remote store until killed, and write down what was done: before each verb, and after it.

python tests/torture/remote_crew.py ROLE SEED DIRECTORY DATABASE SCHEMA BUCKET ENDPOINT LEASE

ROLE: putter, sweeper, naive-putter or naive-sweeper. The naive order has one key a digest, and no intents: a sweeper
claims, deletes and forgets; a putter sends, records, and takes its key back from those to delete.
"""

from __future__ import annotations

import json
import os
import random
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.digest import of
from blobkit.errors import BlobkitError, StoreBusyError
from blobkit.store.remote.session import RemoteSession
from blobkit.store.remote.shelf import placed
from blobkit.store.remote.store import RemoteStore
from blobkit.store.verbs import Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from blobkit.digest import Digest
    from blobkit.transactions import Writing

KINDS = 3
"""Contents that putters have at once, so that they meet."""
SIZE = 20_000


def content(epoch: int, kind: int) -> bytes:
    return (b"%d %d " % (epoch, kind)) * (SIZE // 8)


class Log:
    """What one process does: each line is written at once, and outlives it."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, **line: object) -> None:
        os.write(self._fd, json.dumps(line).encode() + b"\n")

    def act(self, pins: dict[Digest, int], act: Callable[[], object]) -> bool:
        """Do a verb that adds these pins; return whether it was done."""
        self.write(begun=pins)
        try:
            act()
        except BlobkitError as error:
            self.write(refused=f"{type(error).__name__}: {error}")
            return False
        self.write(done=pins)
        return True


class Putter:
    """Puts the contents of the moment in several ways, looks that they are there, and drops most of them again."""

    def __init__(self, store: RemoteStore, log: Log, root: Path, seed: int) -> None:
        self.store, self.log, self.root = store, log, root
        self.random = random.Random(seed)  # noqa: S311 (repeatable)

    def work(self) -> None:
        epoch = int((self.root / "epoch").read_text() or "0")
        kinds = self.random.sample(range(KINDS), self.random.choice((1, 1, 1, 2)))
        data = [content(epoch, kind) for kind in kinds]
        pins = {of(one): 1 for one in data}
        if self.log.act(pins, partial(self._put, data)):
            for digest, one in zip(pins, data, strict=True):
                self._look(digest, one)
            if self.random.random() < 0.95:
                self.log.act(dict.fromkeys(pins, -1), partial(self.store.deref_many, list(pins)))

    def _put(self, data: Sequence[bytes]) -> None:
        way = self.random.choice(("put", "put", "many", "batch", "staged"))
        if way == "many":
            self.store.put_many(data)
        elif way == "batch":
            with self.store.batch() as batch:
                for one in data:
                    batch.put(one)
        elif way == "staged" and len(data) == 1:
            with self.store.new_writer() as writer:
                writer.write(data[0])
        elif len(data) == 1:
            self.store.put(data[0])
        else:
            self.store.put_many(data)

    def _look(self, digest: Digest, data: bytes) -> None:
        """Read what this process holds a pin on."""
        try:
            found = self.store.get(digest).read()
        except BlobkitError as error:
            self.log.write(lost=f"{digest} {type(error).__name__}: {error}")
        else:
            self.log.write(read=digest) if found == data else self.log.write(lost=f"{digest} is other content")


def naive_run(
    session: RemoteSession, plan: Callable[[Work], object], _sent: object, coming: dict[Digest, bytes], **_: object
) -> object:
    """Send to the one key of each digest that has no row, then record it: the order of writes of a local store."""
    here = session.index.read(lambda tx: set(placed(tx).places(coming)))
    keys = {digest: session.placed_content.fresh(digest) for digest in coming if digest not in here}
    session.placed_content.upload({keys[digest]: coming[digest] for digest in keys})

    def attempt(tx: Writing) -> object:
        work = Work(tx, lambda recorded: placed(tx).places(recorded))
        result = plan(work)
        lacking = {digest: key for digest, key in keys.items() if not placed(tx).places([digest])}
        placed(tx).forget_places(list(lacking.values()))
        placed(tx).intend(list(lacking.values()))
        placed(tx).settle(lacking)
        if len(placed(tx).places(coming)) < len(coming):
            msg = "others removed meanwhile what was not sent: try again"
            raise StoreBusyError(msg)
        return result

    return session.index.write(attempt)


def main(role: str, seed: int, root: Path, addresses: Sequence[str], lease: float) -> None:
    database, schema, bucket, endpoint = addresses
    options = {"endpoint": endpoint, "region": "us-east-1"}
    spool = root / "spool"
    store = RemoteStore(database, bucket, schema=schema, storage_options=options, lease=lease, spool=spool)
    log = Log(root / f"{role}-{os.getpid()}.log")
    if role.startswith("naive"):
        RemoteSession._run = naive_run  # type: ignore[method-assign,assignment]
        store._places.fresh = lambda digest: f"blobs/{digest.replace(':', '/')}/{'0' * 32}"  # type: ignore[method-assign]
    putter = Putter(store, log, root, seed)
    while True:
        if role.endswith("putter"):
            putter.work()
        else:
            log.write(swept=sweep(store))


def sweep(store: RemoteStore) -> object:
    try:
        return store.sweep()
    except BlobkitError as error:
        return str(error)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:8], float(sys.argv[8]))
