"""The store against raw floors and other stores: one command, ratios of medians, interleaved in one run.

    python benchmarks/store.py [--quick | --long]

On disk (the directory of temporary files) and on tmpfs (/dev/shm, where there is one). Rates of one machine mean
little; the ratios are what to compare. `--quick` takes less than a minute, `--long` streams 10 GiB.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from floors import Floor, against, interleaved, table
from large import large
from peers import available
from shapes import cascades
from streams import streams

import blobkit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BLOB = 4096


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
    chosen = parser.parse_args()
    places = {"disk": Path(tempfile.gettempdir())}
    if os.access("/dev/shm", os.W_OK):  # noqa: S108 (tmpfs is what is measured)
        places["tmpfs"] = Path("/dev/shm")  # noqa: S108 (the same)
    number = 200 if chosen.quick else 1000
    rounds = 3 if chosen.quick else 5
    peers = available()
    for name, place in places.items():
        with scratch(place) as root:
            small(name, root, number, rounds, peers)
    with scratch(places["disk"]) as root:
        levels(root, number // 4, rounds)
    fast = places.get("tmpfs", places["disk"])
    with scratch(fast) as root:
        cascades(root, quick=chosen.quick)
    with scratch(fast) as root:
        large(root, quick=chosen.quick)
    with scratch(fast) as root:
        streams(root, gibibytes=10 if chosen.long else 0.125 if chosen.quick else 2, rounds=rounds)


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
    floor = "fsync floor" if disk else "raw floor"
    few = number // 10 if disk else number
    batches = [_blobs(few) for _ in range(rounds)], [_blobs(number) for _ in range(rounds)]
    single = interleaved({key: partial(_add, store, iter(batches[0])) for key, store in stores.items()}, rounds)
    bulk = interleaved({key: partial(_add_many, store, iter(batches[1])) for key, store in stores.items()}, rounds)
    keys = {key: store.add_many(_blobs(number)) for key, store in stores.items()}
    read = interleaved({key: partial(_read, store, keys[key]) for key, store in stores.items()}, rounds)
    listed = interleaved({key: store.list for key, store in stores.items()}, rounds)
    for store in stores.values():
        store.close()
    rows = [_row("single add, 4 KiB", single, floor, 0.8 if disk else 0.4, 1)]
    one_by_one = single["blobkit"] / few / (bulk["blobkit"] / number)
    rows.append(_row("bulk add", {key: taken * few / number for key, taken in bulk.items()}, floor, 0.6, single[floor]))
    rows.append(_row("single read", read, "raw floor", 0.45, 1))
    rows.append(_row("list", listed, "raw floor", 0, 1))
    title = f"{name}: rates relative to the {floor} (more is better), {'full' if disk else 'off'}; others as they come"
    table(title, ["", *stores, "target"], rows)
    print(f"\nput_many is {one_by_one:.1f}x put, one by one" + (f" ({against(one_by_one, 5)})" if disk else ""))
    for peer, taken in bulk.items():
        if taken < bulk["blobkit"] and peer not in {"raw floor", "fsync floor"}:
            print(f"bulk add: {peer} is ahead by {bulk['blobkit'] / taken:.1f}x")
    for peer, taken in read.items():
        if peer.startswith("disk-objectstore"):
            print(f"single read: {taken / read['blobkit']:.1f}x {peer} ({against(taken / read['blobkit'], 10)})")


def levels(root: Path, number: int, rounds: int) -> None:
    """Measure what durability costs where only the index is written."""
    stores = {level: Ours(root / level, level) for level in ("full", "normal", "off")}
    keys = {level: store.add(b"x") for level, store in stores.items()}
    taken = interleaved({level: partial(_ref, store, keys[level], number) for level, store in stores.items()}, rounds)
    for store in stores.values():
        store.close()
    rows = [[level, f"{number / found:,.0f}/s", f"{taken['full'] / found:.1f}"] for level, found in taken.items()]
    table("disk: ref by durability", ["durability", "rate", "x full"], rows)
    print(f"\nnormal {against(taken['full'] / taken['normal'], 10)}")


def _row(what: str, taken: dict[str, float], floor: str, target: float, scale: float) -> list[str]:
    """Return the rates relative to the floor, whose time is `scale` where it is that of another row (not 1)."""
    base = taken[floor] if scale == 1 else scale
    ratios = {key: base / seconds for key, seconds in taken.items()}
    return [what, *(f"{ratio:.2f}" for ratio in ratios.values()), against(ratios["blobkit"], target) if target else "-"]


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
