"""A model of content in a bucket and rows in a database, and a search through every order of their steps.

One blob; clients put it and drop their pin, sweepers delete what is left. A transaction is one step. A request is two:
it is sent, and it takes effect, any time later, also when its sender has died, or never. Any process may die after any
step, any intent may run out: no clock is believed. The search is breadth first, so a failure is shown by the fewest
steps that lead to it. What is searched is the order of writes of `blobkit.store.remote.session`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    Step = tuple[str, "World"]


class Process(NamedTuple):
    """Where a client or sweeper is, the key that it works on, and how often it began again."""

    at: str = "start"
    key: str = ""
    turn: int = 0


class Grave(NamedTuple):
    """A tombstone: who claimed it, and whether an intent left it."""

    key: str
    claimed: int | None = None
    intended: bool = False


class World(NamedTuple):
    """Rows, intents and tombstones; objects, and requests on their way; who holds the lock; what clients were told."""

    row: tuple[int, str] | None
    intents: frozenset[tuple[str, int]]
    graves: frozenset[Grave]
    objects: frozenset[str]
    sent: frozenset[tuple[str, str, int]]
    lock: int | None
    processes: tuple[Process, ...]
    pins: int = 0
    crashes: int = 0

    def at(self, who: int, where: str, key: str | None = None, turn: int | None = None) -> World:
        """Return the world with a process elsewhere."""
        old = self.processes[who]
        new = Process(where, old.key if key is None else key, old.turn if turn is None else turn)
        return self._replace(processes=(*self.processes[:who], new, *self.processes[who + 1 :]))

    def send(self, verb: str, key: str, who: int) -> World:
        return self._replace(sent=self.sent | {(verb, key, who)})

    def pinned(self, key: str) -> World:
        """Return the world with one pin more, on a row that is there, or comes with this key."""
        row = (self.row[0] + 1, self.row[1]) if self.row else (1, key)
        return self._replace(row=row, pins=self.pins + 1)

    def dropped(self) -> World:
        """Return the world with one pin less; the last one leaves a tombstone."""
        count, key = self.row or (0, "")
        graves = self.graves if count > 1 else self.graves | {Grave(key)}
        return self._replace(row=(count - 1, key) if count > 1 else None, graves=graves, pins=self.pins - 1)

    def buried(self, key: str) -> World:
        """Return the world with a tombstone of this key, unless something knows it."""
        known = {grave.key for grave in self.graves} | {self.row[1] if self.row else ""} | {k for k, _ in self.intents}
        return self if key in known else self._replace(graves=self.graves | {Grave(key)})

    def awaits(self, who: int) -> bool:
        """Return whether a process has no answer to a request yet."""
        return any(sender == who for _, _, sender in self.sent)


@dataclass(frozen=True)
class Order:
    """An order of writes. `locked`: requests are sent while the only write lock is held, as on one machine.

    `once`: no key is used twice. `keeps`: the tombstone of an intent stays for as long as its writer may be late.
    """

    clients: int = 2
    sweepers: int = 2
    crashes: int = 2
    locked: bool = False
    once: bool = True
    keeps: bool = True

    def steps(self, world: World) -> Iterator[Step]:
        """Yield what may happen next."""
        for request in world.sent:
            yield from self._arrival(world, request)
        for who, process in enumerate(world.processes):
            if process.at in ("dead", "done"):
                continue
            if world.crashes < self.crashes and process.at != "start":
                lock = None if world.lock == who else world.lock
                yield f"{who} dies", world.at(who, "dead")._replace(lock=lock, crashes=world.crashes + 1)
            if not world.awaits(who):
                kind = "client" if who < self.clients else "sweeper"
                act = getattr(self, f"_{'locked_' if self.locked else ''}{kind}_{process.at}")
                yield from act(world, who, process)

    def _arrival(self, world: World, request: tuple[str, str, int]) -> Iterator[Step]:
        verb, key, who = request
        objects = world.objects | {key} if verb == "PUT" else world.objects - {key}
        left = world.sent - {request}
        yield f"{verb} {key} of {who} takes effect", world._replace(objects=objects, sent=left)
        if world.processes[who].at == "dead":
            yield f"{verb} {key} of {who}, which is dead, is lost", world._replace(sent=left)

    # On one machine: under the lock

    def _locked_client_start(self, world: World, who: int, _: Process) -> Iterator[Step]:
        if world.lock is None:
            yield f"{who} takes the lock", world.at(who, "in", "c")._replace(lock=who)

    def _locked_client_in(self, world: World, who: int, _: Process) -> Iterator[Step]:
        if world.row:
            yield f"{who} commits a pin", world.pinned("c").at(who, "has")._replace(lock=None)
        else:
            yield f"{who} sends PUT", world.send("PUT", "c", who).at(who, "out")

    def _locked_client_out(self, world: World, who: int, _: Process) -> Iterator[Step]:
        clear = world._replace(lock=None, graves=frozenset())
        yield f"{who} commits the row", clear.pinned("c").at(who, "has")

    def _locked_client_has(self, world: World, who: int, _: Process) -> Iterator[Step]:
        if world.lock is None:
            yield f"{who} drops its pin", world.dropped().at(who, "done")

    def _locked_sweeper_start(self, world: World, who: int, _: Process) -> Iterator[Step]:
        if world.graves and world.lock is None and not world.row:
            yield (
                f"{who} takes the lock, sends DELETE",
                world.send("DELETE", "c", who).at(who, "out")._replace(lock=who),
            )

    def _locked_sweeper_out(self, world: World, who: int, _: Process) -> Iterator[Step]:
        yield f"{who} forgets, lets go", world.at(who, "start")._replace(lock=None, graves=frozenset())

    # Over many hosts: intents and claims

    def _client_start(self, world: World, who: int, process: Process) -> Iterator[Step]:
        if world.row:
            yield f"{who} pins what is here", world.pinned("").at(who, "has")
            return
        key = f"{who}.{process.turn}" if self.once else "c"
        if any(grave.key == key and grave.claimed is not None for grave in world.graves):
            return  # its row is locked by the claim
        graves = frozenset(grave for grave in world.graves if grave.key != key)
        intents = world.intents | {(key, who)}
        yield f"{who} intends {key}", world._replace(intents=intents, graves=graves).at(who, "intends", key)

    def _client_intends(self, world: World, who: int, process: Process) -> Iterator[Step]:
        yield f"{who} sends PUT {process.key}", world.send("PUT", process.key, who).at(who, "sent")

    def _client_sent(self, world: World, who: int, process: Process) -> Iterator[Step]:
        key, turn = process.key, process.turn
        if (key, who) not in world.intents:
            again = ("start", 1) if turn == 0 else ("done", turn)
            yield f"{who} sees its intent gone", world.buried(key).at(who, again[0], "", again[1])
            return
        world = world._replace(intents=world.intents - {(key, who)})
        surplus = world.row is not None and world.row[1] != key
        world = world.pinned(key).at(who, "has")
        yield f"{who} commits {'a pin, its copy is surplus' if surplus else 'the row'}", world.buried(key)

    def _client_has(self, world: World, who: int, _: Process) -> Iterator[Step]:
        yield f"{who} drops its pin", world.dropped().at(who, "done", "")

    def _sweeper_start(self, world: World, who: int, _: Process) -> Iterator[Step]:
        for grave in world.graves:
            used = not self.once and (world.row or world.intents)
            free = grave.claimed is None or world.processes[grave.claimed].at == "dead"
            if free and not used:
                graves = world.graves - {grave} | {grave._replace(claimed=who)}
                yield f"{who} claims {grave.key}", world._replace(graves=graves).at(who, "claims", grave.key)
        for key, writer in world.intents:
            graves = world.graves | {Grave(key, intended=True)}
            left = world._replace(intents=world.intents - {(key, writer)}, graves=graves)
            yield f"the intent of {writer} for {key} runs out", left

    def _sweeper_claims(self, world: World, who: int, process: Process) -> Iterator[Step]:
        yield f"{who} sends DELETE {process.key}", world.send("DELETE", process.key, who).at(who, "deletes")

    def _sweeper_deletes(self, world: World, who: int, process: Process) -> Iterator[Step]:
        key = process.key
        mine = {grave for grave in world.graves if grave.key == key and grave.claimed == who}
        if self.keeps and any(grave.intended for grave in mine):
            writers = any(one.key == key and one.at in ("intends", "sent") for one in world.processes)
            if writers or any(verb == "PUT" and to == key for verb, to, _ in world.sent):
                return  # it stays for as long as a PUT may come
            if key in world.objects:
                yield f"{who} deletes {key} again", world.at(who, "claims")
                return
        yield f"{who} forgets {key}", world._replace(graves=world.graves - mine).at(who, "start", "")


class Verdict(NamedTuple):
    """The fault that was found, "" for none, the steps that lead to it, and the number of states."""

    fault: str
    steps: list[str]
    states: int


def search(order: Order, ignored: tuple[str, ...] = ()) -> Verdict:
    """Go through every state that can be reached, until one has a fault that is not ignored."""
    nothing: frozenset[object] = frozenset()
    processes = (Process(),) * (order.clients + order.sweepers)
    first = World(None, nothing, nothing, nothing, nothing, None, processes)  # type: ignore[arg-type]
    came: dict[World, tuple[World, str] | None] = {first: None}
    queue = deque([first])
    while queue:
        world = queue.popleft()
        before = len(came)
        moves = list(order.steps(world))
        fault = fault_of(world, order, is_end=not moves)
        if fault and fault not in ignored:
            return Verdict(fault, path_to(world, came), before)
        for label, after in moves:
            if after not in came:
                came[after] = (world, label)
                queue.append(after)
    return Verdict("", [], len(came))


def fault_of(world: World, order: Order, *, is_end: bool) -> str:
    """Return what is wrong with a state: LOST content, a wrong COUNT, a LEAK, or at the end a client that is STUCK."""
    if world.row and world.row[1] not in world.objects:
        return "LOST"
    if (world.row[0] if world.row else 0) != world.pins:
        return "COUNT"
    known = {key for key, _ in world.intents} | {grave.key for grave in world.graves}
    known |= {world.row[1]} if world.row else set()
    known |= {one.key for one in world.processes if one.at in ("intends", "sent", "in", "out")}  # its writer sees to it
    if not {*world.objects, *(key for verb, key, _ in world.sent if verb == "PUT")} <= known:
        return "LEAK"
    swept = any(one.at != "dead" for one in world.processes[order.clients :])
    if is_end and swept and any(one.at not in ("done", "dead") for one in world.processes[: order.clients]):
        return "STUCK"
    return "LEAK" if is_end and swept and world.objects - {world.row[1] if world.row else ""} else ""


def path_to(world: World, came: dict[World, tuple[World, str] | None]) -> list[str]:
    found = []
    while (step := came[world]) is not None:
        world, label = step
        found.append(label)
    return found[::-1]
