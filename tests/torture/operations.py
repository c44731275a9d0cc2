"""Random work on a store, written down in a ledger: every verb, alone and in batches, on own and on shared blobs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from blobkit.store.local import LocalStore
from ledger import REFUSALS, Effect, UndoneError
from patience import HANG
from workload import SHARED, SHARED_DIGESTS, Worker, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from blobkit.store.batch import Batch
    from independent_reader import Seen
    from workload import Job


def work(job: Job, base: Seen, steps: int | None = None) -> None:
    """Open the store, work until all is done or for ever, close it."""
    with LocalStore(job.root, durability=job.durability, timeout=HANG) as store:
        run(Worker(job, store, base), steps)


def run(worker: Worker, steps: int | None = None) -> None:
    """Do so many random things, or go on until killed."""
    names, weights = list(OPERATIONS), list(OPERATIONS.values())
    done = 0
    while steps is None or done < steps:
        with contextlib.suppress(*REFUSALS):
            worker.random.choices(names, weights)[0](worker)
        done += 1


def put_new(worker: Worker) -> None:
    worker.fresh()


def put_shared(worker: Worker) -> None:
    data = worker.random.choice(SHARED)
    worker.do(Effect({digest_of(data): (1, 1)}, verb="put shared"), lambda: worker.store.put(data))


def put_linked(worker: Worker) -> None:
    """Put a new blob that links to own blobs: each gives up a pin if it has one."""
    targets = sorted({worker.own() for _ in range(worker.random.randint(1, 3))})
    data, digest = worker.content()
    effect = Effect({digest: (1, 1)}, [(digest, target) for target in targets], verb="put with links")
    for target in targets:
        effect.pin(target, -1 if worker.pins[target] > 0 else 0)
    worker.do(effect, lambda: worker.store.put(data, links=targets))


def put_tagged(worker: Worker) -> None:
    data = worker.content()[0] if worker.random.random() < 0.8 else worker.random.choice(SHARED)
    effect = Effect(verb="put with tag")
    tag = worker.name(digest_of(data), effect)
    worker.do(effect, lambda: worker.store.put(data, tag=tag, move=True))
    worker.named(effect)


def put_large(worker: Worker) -> None:
    """Write new content in pieces, under any algorithm."""
    pieces = [worker.random.randbytes(worker.random.randint(1, worker.job.largest // 3)) for _ in range(3)]
    label = worker.random.choice(["sha256", "sha384", "sha512"])

    def written() -> None:
        with worker.store.new_writer(label) as writer:
            for piece in pieces:
                writer.write(piece)

    digest = digest_of(b"".join(pieces), label)
    worker.pins[digest] = 0
    worker.do(Effect({digest: (1, 1)}, verb="new_writer"), written)


def put_file(worker: Worker) -> None:
    data, digest = worker.content()
    path = worker.job.log.with_suffix(f".{digest[-8:]}")  # of its own: the model of a disk reads it afterwards
    path.write_bytes(data)
    worker.do(Effect({digest: (1, 1)}, verb="put a file"), lambda: worker.store.put(path))


def abandon(worker: Worker) -> None:
    """Leave a writer without a commit."""
    writer = worker.store.new_writer()
    writer.write(b"never committed")
    if worker.random.random() < 0.5:
        writer.cancel()


def ref(worker: Worker) -> None:
    digest = worker.any()
    worker.do(Effect({digest: (1, 1)}, verb="ref"), lambda: worker.store.ref(digest))


def deref(worker: Worker) -> None:
    digest = worker.any()
    worker.do(Effect({digest: (-1, -1)}, durable=True, verb="deref"), lambda: worker.store.deref(digest))


def link(worker: Worker) -> None:
    to, from_, transfer = worker.any(), worker.own(), worker.random.random() < 0.7
    effect = Effect({to: (-1, -1)} if transfer else {}, [(from_, to)], verb="link")
    worker.do(effect, lambda: worker.store.link(to, from_, transfer=transfer))


def unlink(worker: Worker) -> None:
    if worker.links:
        from_, to = worker.random.choice(worker.links)
        effect = Effect(unlinks=[(from_, to)], durable=True, verb="unlink")
        worker.do(effect, lambda: worker.store.unlink(to, from_))


def tag(worker: Worker) -> None:
    digest, transfer = worker.any(), worker.random.random() < 0.5
    effect = Effect(verb="tag")
    name = worker.name(digest, effect)
    if transfer:
        effect.pin(digest, -1)
    worker.do(effect, lambda: worker.store.tag(name, digest, move=True, transfer=transfer))
    worker.named(effect)


def untag(worker: Worker) -> None:
    effect = Effect(verb="untag")
    name = worker.name(None, effect)
    if effect.tags:
        worker.do(effect, lambda: worker.store.untag(name))
        worker.named(effect)


def read(worker: Worker) -> None:
    """Read an own blob that has a pin: it must be there, whole."""
    digest = worker.pinned()
    if digest is not None:
        data = worker.store.get(digest).read()
        if digest_of(data, digest.partition(":")[0]) != digest:
            msg = f"{digest} was read as something else"
            raise AssertionError(msg)


def batch(worker: Worker) -> None:
    """Put blobs that link to one another and a shared one, name one, drop an old one: all of it or, at times, none."""
    contents = [worker.content() for _ in range(worker.random.randint(2, 5))]
    digests = [digest for _, digest in contents]
    shared, old, fails = worker.random.choice(SHARED), worker.pinned(), worker.random.random() < 0.2
    effect = Effect(links=list(zip(digests[1:], digests, strict=False)), whole=digests, durable=True, verb="batch")
    tag = worker.name(digests[-1], effect)
    effect.pin(digest_of(shared), 1)
    if old is not None:
        effect.pin(old, -1)

    def all_of_it(together: Batch) -> None:
        for number, (data, _) in enumerate(contents):
            named = {"tag": tag, "move": True} if number == len(contents) - 1 else {}
            together.put(data, links=digests[max(number - 1, 0) : number], **named)
        together.put(shared)
        if old is not None:
            together.deref(old)
        if fails:
            raise UndoneError

    def act() -> None:
        with worker.store.batch() as together:
            all_of_it(together)

    worker.do(effect, act)
    worker.named(effect)


def put_many(worker: Worker) -> None:
    contents = [worker.content() for _ in range(worker.random.randint(2, 30))]
    effect = Effect({digest: (1, 1) for _, digest in contents}, whole=[d for _, d in contents], verb="put_many")
    shared = worker.random.choices(SHARED, k=2)
    for data in shared:
        effect.pin(digest_of(data), 1)
    worker.do(effect, lambda: worker.store.put_many([*shared, *(data for data, _ in contents)]))


def ref_and_deref_many(worker: Worker) -> None:
    own = [digest for digest in worker.pins if worker.pins[digest] > 0][-8:]
    if own:
        worker.do(Effect(dict.fromkeys(own, (1, 1)), verb="ref_many"), lambda: worker.store.ref_many(own))
        effect = Effect(dict.fromkeys(own, (-2, -2)), durable=True, verb="deref_many")
        worker.do(effect, lambda: worker.store.deref_many([*own, *own]))


def link_many(worker: Worker) -> None:
    targets = sorted({worker.own() for _ in range(3)} | {worker.random.choice(SHARED_DIGESTS)})
    source = worker.fresh()
    effect = Effect(dict.fromkeys(targets, (-1, -1)), [(source, target) for target in targets], verb="link_many")
    worker.do(effect, lambda: worker.store.link_many([(target, source) for target in targets]))


OPERATIONS: dict[Callable[[Worker], None], int] = {
    put_new: 12,
    put_shared: 12,
    put_linked: 12,
    put_tagged: 6,
    put_large: 3,
    put_file: 3,
    abandon: 2,
    ref: 6,
    deref: 18,
    link: 12,
    unlink: 5,
    tag: 6,
    untag: 3,
    read: 6,
    batch: 8,
    put_many: 4,
    ref_and_deref_many: 3,
    link_many: 3,
}
"""How often each is done."""
