"""Workers that use a store and write each effect to a ledger.

Each worker has blobs of its own with random content, so it knows the effect of its operations on them exactly. A few
shared blobs are put, pinned and dropped by all workers.
"""

from __future__ import annotations

import hashlib
import os
import random
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blobkit.store.local import LocalStore
from ledger import Effect, Log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from independent_reader import Seen

SHARED = [b"shared %d" % number for number in range(12)]


def digest_of(data: bytes, label: str = "sha256") -> str:
    return f"{label}:{hashlib.new(label, data).hexdigest()}"


SHARED_DIGESTS = [digest_of(data) for data in SHARED]


@dataclass(frozen=True)
class Job:
    """Where and how to work: as number `number` of `crew`, with random choices that follow from `seed`."""

    root: Path
    log: Path
    seed: int
    number: int = 0
    crew: int = 1
    durability: str = "full"
    largest: int = 6 << 20


class Worker:
    """One process or thread that works; `base` is what an independent look saw before the work began."""

    def __init__(self, job: Job, store: LocalStore, base: Seen) -> None:
        self.job = job
        self.store = store
        self.random = random.Random(job.seed)  # noqa: S311 (repeatable)
        self.log = Log(job.log)
        self.tags = {tag: blob for tag, blob in base.tags.items() if tag.startswith(f"w{job.number}-")}
        own = sorted(d for d in base.blobs if d not in SHARED_DIGESTS and int(d[-8:], 16) % job.crew == job.number)
        self.pins = Counter({digest: base.anonymous(digest) for digest in own})
        self.links = sorted(link for link in base.links if link[0] in self.pins)

    def do(self, effect: Effect, act: Callable[[], object]) -> None:
        """Do it between two entries of the ledger; take it into account."""
        with self.log.doing(effect):
            act()
        for digest, (least, _) in effect.pins.items():
            self.count(digest, least)
        self.links = [link for link in [*self.links, *effect.links] if link not in effect.unlinks]

    def count(self, digest: str, number: int) -> None:
        """Take note of anonymous pins, if this is an own blob: a tag that is older than the work may name another's."""
        if digest in self.pins:
            self.pins[digest] += number

    def content(self) -> tuple[bytes, str]:
        """Return new content and its digest, which is an own one from now on."""
        data = self.random.randbytes(self.random.choice([1, 100, 4096, min(70_000, self.job.largest)]) + 16)
        digest = digest_of(data)
        self.pins[digest] = 0
        return data, digest

    def own(self) -> str:
        """Return an own blob, mostly one of the last; some have gone in a cascade meanwhile."""
        known = list(self.pins)[-30:]
        return self.random.choice(known) if known else self.fresh()

    def any(self) -> str:
        return self.own() if self.random.random() < 0.7 else self.random.choice(SHARED_DIGESTS)

    def pinned(self) -> str | None:
        """Return the last of the own blobs that have an anonymous pin."""
        return next((digest for digest in reversed(self.pins) if self.pins[digest] > 0), None)

    def fresh(self) -> str:
        """Put new content; return its digest."""
        data, digest = self.content()
        self.do(Effect({digest: (1, 1)}, verb="put"), lambda: self.store.put(data))
        return digest

    def name(self, digest: str | None, effect: Effect) -> str:
        """Return one of four own tag names, with what naming that blob does to pins."""
        tag = f"w{self.job.number}-{self.random.randrange(4)}"
        old = self.tags.get(tag)
        effect.durable = True
        if old != digest:
            effect.tags[tag] = digest
            if digest is not None:
                effect.pin(digest, 1)
            if old is not None:
                effect.pin(old, -1)
        return tag

    def named(self, effect: Effect) -> None:
        """Remember the names that a verb that returned gave; their pins are no anonymous ones."""
        for tag, digest in effect.tags.items():
            old = self.tags.pop(tag, None)
            if old is not None:
                self.count(old, 1)
            if digest is not None:
                self.tags[tag] = digest
                self.count(digest, -1)


def fsck(root: Path) -> list[str]:
    """Return what the store says is wrong with itself, once it was opened: kinds of damage and digests."""
    with LocalStore(root, durability="off", create=False) as store:
        return [f"{finding.code}: {finding.digest}" for finding in store.fsck(progress=False).findings]


def forked(act: Callable[[], None], trouble: Path) -> int:
    """Return the process id of a child that acts and ends with 0; else what happened is in the file `trouble`."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of a fork beside threads
        pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        act()
        code = 0
    except BaseException:  # noqa: BLE001 (whatever it is, the parent must see it)
        import traceback  # noqa: PLC0415 (only where all is lost)

        trouble.write_text(traceback.format_exc())
    finally:
        os._exit(code)
