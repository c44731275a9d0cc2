"""What processes did to a store, as they wrote it down, and what must hold of the store because of it.

Before a verb is called, its effect is written to a log; after it returned or refused, that too. A log is appended to
with one write a line, which outlives the death of its writer. Whatever moment the writer was stopped at: effects that
were acknowledged are there, exactly; those that were under way may be there, as a whole; refused ones are not.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blobkit.errors import BlobNotFoundError, LinkCycleError, NotPinnedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from independent_reader import Seen


class UndoneError(Exception):
    """Raised inside a batch, so that nothing of it becomes true."""


REFUSALS = (BlobNotFoundError, LinkCycleError, NotPinnedError, UndoneError)
"""What a verb may say when others did something meanwhile."""


@dataclass
class Effect:
    """What one verb will have done: pins that are added (least, most), links, tags (None: dropped).

    `whole` are new digests that come all together or not at all; `durable` says that the verb survives a loss of
    power even under durability "normal".
    """

    pins: dict[str, tuple[int, int]] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)
    unlinks: list[tuple[str, str]] = field(default_factory=list)
    tags: dict[str, str | None] = field(default_factory=dict)
    whole: list[str] = field(default_factory=list)
    durable: bool = False
    verb: str = ""
    state: str = "begun"

    def pin(self, digest: str, least: int, most: int | None = None) -> None:
        low, high = self.pins.get(digest, (0, 0))
        self.pins[digest] = (low + least, high + (least if most is None else most))


class Log:
    """The writing side: one file a writer."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    @contextmanager
    def doing(self, effect: Effect) -> Iterator[None]:
        """Write down the effect, then whether it was acknowledged or refused."""
        facts = {key: value for key, value in vars(effect).items() if value and key != "state"}
        self.say(facts)
        try:
            yield
        except REFUSALS:
            self.say("refused")
            raise
        self.say("done")

    def say(self, line: object) -> None:
        os.write(self._fd, json.dumps(line).encode() + b"\n")


def read(text: bytes) -> list[Effect]:
    """Return the effects of one log, each with the state that it reached; a kill may cut the last line."""
    effects: list[Effect] = []
    for line in map(json.loads, text[: text.rfind(b"\n") + 1].splitlines()):
        if isinstance(line, dict):
            effects.append(Effect(**line))
            effects[-1].links = [(source, target) for source, target in effects[-1].links]
        elif effects and effects[-1].state == "begun":
            effects[-1].state = line
    return effects


def problems(base: Seen, seen: Seen, logs: Sequence[Sequence[Effect]]) -> list[str]:
    """Return how the store as it was seen differs from what it must be, given how it was before."""
    everything = [effect for log in logs for effect in log if effect.state != "refused"]
    found = _wrong_pins(base, seen, everything)
    known = base.links.union(link for effect in everything for link in effect.links)
    found += [f"surplus link {link}" for link in seen.links - known]
    for log in logs:
        found += [f"lost link {link} of {link[0]}" for link in _due_links(log) - seen.links if link[0] in seen.blobs]
        for tag, values in _due_tags(base.tags, log).items():
            if seen.tags.get(tag) not in values:
                found.append(f"tag {tag} names {seen.tags.get(tag)}, not {values}")
    for effect in everything:
        here = [digest for digest in effect.whole if digest in seen.blobs]
        if effect.state == "begun" and 0 < len(here) < len(effect.whole):
            found.append(f"half of a {effect.verb}: {len(here)} of {len(effect.whole)} blobs")
    return found


def _wrong_pins(base: Seen, seen: Seen, effects: Iterable[Effect]) -> list[str]:
    low = Counter({digest: row.pins for digest, row in base.blobs.items()})
    high = Counter(low)
    for effect in effects:
        for digest, (least, most) in effect.pins.items():
            low[digest] += least if effect.state == "done" else min(least, 0)
            high[digest] += most if effect.state == "done" else max(most, 0)
    pins = {digest: row.pins for digest, row in seen.blobs.items()}
    return [
        f"{'lost' if pins.get(digest, 0) < low[digest] else 'surplus'}: {digest} has {pins.get(digest, 0)} pins, "
        f"not {low[digest]} to {high[digest]}"
        for digest in high.keys() | pins.keys()
        if not low[digest] <= pins.get(digest, 0) <= high[digest]
    ]


def _due_links(log: Iterable[Effect]) -> set[tuple[str, str]]:
    """Return the links that were acknowledged and that nobody tried to drop since."""
    due: set[tuple[str, str]] = set()
    for effect in log:
        if effect.state == "done":
            due.update(effect.links)
        if effect.state != "refused":
            due -= {(source, target) for source, target in effect.unlinks}
    return due


def _due_tags(before: Mapping[str, str], log: Iterable[Effect]) -> dict[str, set[str | None]]:
    """Return what each tag that the log speaks of may name now."""
    due: dict[str, set[str | None]] = {}
    for effect in log:
        for tag, blob in effect.tags.items():
            if effect.state == "done":
                due[tag] = {blob}
            elif effect.state == "begun":
                due[tag] = due.get(tag, {before.get(tag)}) | {blob}
    return due
