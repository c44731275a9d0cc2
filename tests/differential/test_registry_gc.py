"""Random storage of registries, broken in every way that was seen: what `garbage-collect` does, and what we say.

BLOBKIT_DIFFERENTIAL says how many (120); from 3,000 on each rule and each sort of damage has to be reached 20 times.
"""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

import blobkit
import registry_documents
import registry_links
from blobkit.errors import BlobkitError
from blobkit.snapshot.kinds import collector
from live_registry import PROGRAM, needs
from random_registries import sound
from real_registry_gc import as_anybody, collect, readable, write
from registry_damage import DAMAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.snapshot.snapshot import Snapshot
    from random_registries import Storage
    from real_registry_gc import Run

REGISTRIES = int(os.environ.get("BLOBKIT_DIFFERENTIAL", "120"))
MANY, OFTEN = 3000, 20
TOOLS = {"registry": "gc", "registry-m": "gc-m"}
SELDOM = (
    "data-of-a-short-name",
    "manifest-of-many",
    "manifest-too-large",
    "media-type-unknown",
    "no-blobs",
    "no-tags",
    "swapped-links",
    "tags-moved-out",
    "unreadable-manifest",
    "untagged-config-elsewhere",
    "untyped-and-odd",
)
"""Reached seldom, or the only way to reach some rule: twice as often as others."""
DECK = [*sorted(DAMAGES), *SELDOM]
assert {*registry_links.UNREADABLE, *registry_documents.WRITERS}  # they make themselves known when they are imported


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, if there is such a place: thousands of small files are written."""
    memory = Path("/dev/shm")  # noqa: S108 (a directory of our own in it)
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with TemporaryDirectory(dir=memory) as own:
        yield Path(own)


def deck(turn: int, number: int) -> list[str]:
    """All sorts of damage, from the one on that has its turn: each has it equally often."""
    order = random.Random(f"{turn}:{number // len(DECK)}").sample(DECK, len(DECK))  # noqa: S311 (no secret)
    at = number % len(DECK)
    return order[at:] + order[:at]


def damaged(number: int) -> Storage:
    """A storage with no damage, or one, or a few."""
    rng = random.Random(number)  # noqa: S311 (no secret)
    storage = sound(rng)
    for turn, chance in enumerate((0.96, 0.75, 0.25)):
        if rng.random() < chance:
            storage.damages += [next(name for name in deck(turn, number) if DAMAGES[name](rng, storage))]
    return storage


def scanned(storage: Storage, directory: Path) -> Snapshot | None:
    """What is read of a storage, by somebody whom modes concern; None where that is refused."""
    root = write(storage, directory)
    try:
        with as_anybody() if storage.modes else nullcontext():
            return blobkit.scan(f"registry:{root}", progress=False)
    except BlobkitError:
        return None
    finally:
        readable(storage, directory)


def is_elsewhere(storage: Storage) -> bool:
    """Whether something lies where links lead out of the storage: what that is we do not look at."""
    return any(name.endswith("moved-out") for name in storage.damages)


def is_unsure(snapshot: Snapshot, tool: str) -> bool:
    """Whether we say that it is not known what a collector does."""
    return bool(stops(snapshot, tool) & {rule.code for rule in collector(tool).stops if rule.unsure})


def differs(snapshot: Snapshot | None, storage: Storage, tool: str, run: Run) -> Iterator[str]:
    """Say where we say otherwise than the real run."""
    if snapshot is None:
        if not run.stopped and not is_elsewhere(storage):
            yield f"refused, really {sorted(run.removed)}"
        return
    found = blobkit.compare_gc(snapshot, tool)
    ours = set(found.frame.index)
    if is_elsewhere(storage) or is_unsure(snapshot, tool):
        if not run.stopped and not ours <= run.removed.keys():
            yield f"would remove {len(ours - run.removed.keys())} that are kept"
        return
    if bool(found.aborts) != run.stopped:
        yield f"we: {found.aborts or 'runs'}; really: {run.said or 'runs'}"
    elif run.stopped:
        late = {rule.code for rule in collector(tool).stops if rule.late}
        if run.removed and (stops(snapshot, tool) - late or not run.removed.keys() <= ours):
            yield f"stops, and has removed {len(run.removed)} by then"
    else:
        frame = blobkit.to_frame(snapshot.with_policy(TOOLS[tool]))
        garbage = set(frame.index[frame["status"].isin(["garbage", "fresh"])])
        if not ours == garbage == run.removed.keys():
            yield f"{len(ours)} removed, {len(garbage)} garbage, really {len(run.removed)}"
        elif found.bytes != sum(run.removed.values()):
            yield f"{found.bytes} bytes, really {sum(run.removed.values())}"


def stops(snapshot: Snapshot, tool: str) -> set[str]:
    """The rules by which a collector stops here."""
    aborts = blobkit.compare_gc(snapshot, tool).aborts
    notices = (snapshot.notices[column].to_pylist() for column in ("code", "message"))
    found = {code for code, message in zip(*notices, strict=True) if any(why.endswith(message) for why in aborts)}
    return found & collector(tool).codes


def told(reached: dict[str, Counter[str]]) -> str:
    """How often each rule and each sort of damage was reached."""
    lines = [f"{REGISTRIES:,} registries"]
    for what, counts in reached.items():
        lines += [f"{what}: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))]
    return "\n".join(lines)


@pytest.mark.slow
def test_registries_are_collected_as_we_say(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs(PROGRAM, "setpriv")
    reached = {tool: Counter[str]() for tool in TOOLS} | {"damage": Counter[str]()}
    wrong = []
    for number in range(REGISTRIES):
        storage = damaged(number)
        snapshot = scanned(storage, directory)
        reached["damage"].update(storage.damages)
        for tool in TOOLS:
            run = collect(storage, directory, untagged=tool == "registry-m")
            wrong += [f"{number} {storage.damages} {tool}: {one}" for one in differs(snapshot, storage, tool, run)]
            reached[tool].update([*(stops(snapshot, tool) if snapshot else ()), "stops" if run.stopped else "runs"])
    with capsys.disabled():
        sys.stdout.write(f"\n{told(reached)}\n")
    assert not wrong, "\n".join(wrong[:20])
    if REGISTRIES >= MANY:
        wanted = {tool: [*collector(tool).codes, "runs"] for tool in TOOLS} | {"damage": sorted(DAMAGES)}
        assert not [name for what, names in wanted.items() for name in names if reached[what][name] < OFTEN]
