"""The store against raw floors and other stores: one command, ratios of medians, interleaved in one run.

    python benchmarks/store.py [--quick | --long] [--only small|threads|levels|limits|large]

On disk (the directory of temporary files) and on tmpfs (/dev/shm, where there is one). Rates of one machine mean
little; the ratios are what to compare. On disk, what is dirty is written before each turn, and every turn of puts is
long enough to hold a drain of the journal. Who never syncs stands in a table of its own: that is another promise.
`--quick` takes less than a minute, `--long` streams 10 GiB.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from floors import Floor, against, interleaved, processor, table
from large import large
from peers import available
from shapes import cascades
from streams import streams

import blobkit
from blobkit.store import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BLOB = 4096
SYNCING = ("blobkit", "fsync floor", "disk-objectstore")
"""Who makes durable what it returns."""
PUTS = 2200
"""Puts a turn on disk: more than entries of the journal until it is drained."""
THREADS = 16


class Ours:
    """blobkit behind the face of a peer."""

    def __init__(self, root: Path, durability: str) -> None:
        self.store = blobkit.LocalStore(root, durability=durability)
        self.close = self.store.close
        self.list = self.store.list

    def add(self, data: bytes) -> str:
        return self.store.put(data).digest

    def add_many(self, items: Sequence[bytes]) -> list[str]:
        return [blob.digest for blob in self.store.put_many(items)]

    def read(self, key: str) -> bytes:
        return self.store.get(key).read()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small numbers, less than a minute")
    parser.add_argument("--long", action="store_true", help="stream 10 GiB instead of 2")
    parser.add_argument("--only", choices=["small", "threads", "levels", "limits", "large"])
    chosen = parser.parse_args()
    places = {"disk": Path(tempfile.gettempdir())}
    if os.access("/dev/shm", os.W_OK):  # noqa: S108 (tmpfs is what is measured)
        places["tmpfs"] = Path("/dev/shm")  # noqa: S108 (the same)
    rounds = 3 if chosen.quick else 9
    fast = places.get("tmpfs", places["disk"])
    parts: dict[str, Callable[[], object]] = {
        "small": lambda: everywhere(places, rounds, quick=chosen.quick),
        "threads": lambda: placed(places["disk"], lambda root: at_once(root, rounds)),
        "levels": lambda: placed(places["disk"], lambda root: levels(root, 50 if chosen.quick else 250, rounds)),
        "limits": lambda: [placed(place, partial(limits, name, min(rounds, 3))) for name, place in places.items()],
        "large": lambda: large_ones(fast, rounds, quick=chosen.quick, gibibytes=10 if chosen.long else 2),
    }
    for name, part in parts.items():
        if chosen.only in (None, name):
            part()


def everywhere(places: dict[str, Path], rounds: int, *, quick: bool) -> None:
    peers = available()
    for name, place in places.items():
        placed(place, lambda root, name=name: small(name, root, 300 if quick else 1000, rounds, peers))
        placed(place, lambda root, name=name: removals(name, root, rounds))


def large_ones(place: Path, rounds: int, *, quick: bool, gibibytes: float) -> None:
    placed(place, lambda root: cascades(root, quick=quick))
    placed(place, lambda root: large(root, quick=quick))
    placed(place, lambda root: streams(root, gibibytes=0.125 if quick else gibibytes, rounds=min(rounds, 5)))


def placed(place: Path, part: Callable[[Path], None]) -> None:
    with scratch(place) as root:
        part(root)


@contextmanager
def scratch(place: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="blobkit-benchmark-", dir=place) as root:
        yield Path(root)


def small(name: str, root: Path, number: int, rounds: int, peers: dict[str, Callable[[Path], object]]) -> None:
    """Measure blobs of 4 KiB, each contender in its own directory."""
    disk = name == "disk"
    stores = {
        "blobkit": Ours(root / "ours", "full" if disk else "off"),
        "raw floor": Floor(root / "raw", sync=False),
        **({"fsync floor": Floor(root / "synced", sync=True)} if disk else {}),
        **{peer: make(root / peer.split()[0]) for peer, make in peers.items()},
    }
    floor, settle = ("fsync floor", root) if disk else ("raw floor", None)
    few = PUTS if disk else number
    batches = [_blobs(few) for _ in range(rounds)], [_blobs(number) for _ in range(rounds)]
    single = interleaved({key: partial(_add, store, iter(batches[0])) for key, store in stores.items()}, rounds, settle)
    bulk = interleaved(
        {key: partial(_add_many, store, iter(batches[1])) for key, store in stores.items()}, rounds, settle
    )
    keys = {key: store.add_many(_blobs(number)) for key, store in stores.items()}
    read = interleaved({key: partial(_read, store, keys[key]) for key, store in stores.items()}, rounds)
    listed = interleaved({key: store.list for key, store in stores.items()}, rounds)
    for store in stores.values():
        store.close()
    bulk = {key: taken * few / number for key, taken in bulk.items()}
    groups = [
        [key for key in stores if key.startswith(SYNCING)],
        [key for key in stores if not key.startswith(SYNCING)],
    ]
    for group in groups if disk else [list(stores)]:
        promise = ("full; these sync" if "blobkit" in group else "these never sync") if disk else "off"
        rows = [
            _row("put", single, group, single[floor], 0.9 if disk else 0.28),
            _row("put_many", bulk, group, single[floor], 0 if disk else 0.8),
            _row("get().read()", read, group, read["raw floor"], 0.6),
            _row("list", listed, group, listed["raw floor"], 0),
        ]
        table(
            f"{name}: rates of 4 KiB, of the {floor} (reading: of the raw floor), {promise}",
            ["", *group, "target"],
            rows,
        )
    for peer in (peer for peer in stores if disk and peer.startswith("disk-objectstore")):
        ratios = single[peer] / single["blobkit"], bulk[peer] / bulk["blobkit"]
        print(f"\nput is {ratios[0]:.2f}x {peer} ({against(ratios[0], 1.4)})", end="")
        print(f", put_many {ratios[1]:.2f}x ({against(ratios[1], 1)})")


def removals(name: str, root: Path, rounds: int) -> None:
    """Measure the processor time of removals that free one blob each."""
    level = "full" if name == "disk" else "off"
    with blobkit.LocalStore(root / "removals", durability=level) as store:
        taken = []
        for _ in range(rounds):
            keys = iter([store.put(data).digest for data in _blobs(100)])
            taken.append(processor(lambda keys=keys: store.deref(next(keys)), 100))
    median = sorted(taken)[rounds // 2]
    print(f"\n{name}: a deref that frees one blob takes {median:.0f} us of processor time, {level}", end="")
    print(f" ({against(median, 120, above=False)})" if level == "off" else "")


def at_once(root: Path, rounds: int) -> None:
    """Measure threads that put at the same time."""
    stores = {"blobkit": Ours(root / "ours", "full"), "fsync floor": Floor(root / "floor", sync=True)}
    rows = []
    for number in (1, 4, THREADS):
        works = {key: partial(_crew, store, number) for key, store in stores.items()}
        taken = interleaved(works, rounds, root)
        ratio = taken["fsync floor"] / taken["blobkit"]
        rates = [f"{number * max(4, 64 // number) / seconds:,.0f}/s" for seconds in taken.values()]
        rows.append([str(number), *rates, f"{ratio:.2f}", against(ratio, 0.9) if number == THREADS else "-"])
    stores["blobkit"].close()
    table("disk: threads that put 4 KiB at once, full", ["threads", *stores, "of the floor", "target"], rows)


def limits(name: str, rounds: int, root: Path) -> None:
    """Measure from which size on content is put as fast without the journal."""
    rows = []
    usual = journal.LIMIT
    with blobkit.LocalStore(root / "with") as one, blobkit.LocalStore(root / "without") as other:
        for size in (4, 16, 32, 64, 128, 256):
            taken = interleaved(
                {
                    "journal": partial(_puts, one, size << 10, size << 10),
                    "staged": partial(_puts, other, size << 10, 0),
                },
                rounds,
                root,
            )
            rows.append(
                [
                    f"{size} KiB",
                    *(f"{seconds / PUTS * 1e6:,.0f} us" for seconds in taken.values()),
                    f"{taken['staged'] / taken['journal']:.2f}",
                ]
            )
    set_limit(usual)
    title = f"{name}: a put through the journal, and with three syncs instead, full"
    table(title, ["size", "journal", "staged", "ratio"], rows)


def _puts(store: blobkit.LocalStore, size: int, limit: int) -> None:
    set_limit(limit)
    for _ in range(PUTS):
        store.put(os.urandom(size))


def set_limit(size: int) -> None:
    """Let stores keep content up to this size in the journal."""
    from blobkit.store import methods, session  # noqa: PLC0415 (patched here only)

    methods.LIMIT = session.LIMIT = journal.LIMIT = size


def _crew(store: Floor, number: int) -> None:
    """Let so many threads put at once."""
    data = [_blobs(max(4, 64 // number)) for _ in range(number)]
    crew = [threading.Thread(target=lambda own=own: [store.add(one) for one in own]) for own in data]
    for one in crew:
        one.start()
    for one in crew:
        one.join()


def levels(root: Path, number: int, rounds: int) -> None:
    """Measure what durability costs where only the index is written."""
    stores = {level: Ours(root / level, level) for level in ("full", "normal", "off")}
    keys = {level: store.add(b"x") for level, store in stores.items()}
    works = {level: partial(_ref, store, keys[level], number) for level, store in stores.items()}
    taken = interleaved(works, rounds, root)
    for store in stores.values():
        store.close()
    rows = [[level, f"{number / found:,.0f}/s", f"{taken['full'] / found:.1f}"] for level, found in taken.items()]
    table("disk: ref by durability", ["durability", "rate", "x full"], rows)


def _row(what: str, taken: dict[str, float], group: Sequence[str], base: float, target: float) -> list[str]:
    """Return the rates of a group relative to work that takes `base` seconds."""
    ratios = {key: base / taken[key] for key in group}
    said = against(ratios["blobkit"], target) if target and "blobkit" in ratios else "-"
    return [what, *(f"{ratio:.2f}" for ratio in ratios.values()), said]


def _blobs(number: int) -> list[bytes]:
    return [os.urandom(BLOB) for _ in range(number)]


def _add(store: Floor, batches: Iterator[list[bytes]]) -> None:
    for data in next(batches):
        store.add(data)


def _add_many(store: Floor, batches: Iterator[list[bytes]]) -> None:
    store.add_many(next(batches))


def _read(store: Floor, keys: Sequence[str]) -> None:
    for key in keys:
        store.read(key)


def _ref(store: Ours, key: str, number: int) -> None:
    for _ in range(number):
        store.store.ref(key)


if __name__ == "__main__":
    main()
