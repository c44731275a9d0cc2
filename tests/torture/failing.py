"""Do one verb after another on stores of their own, in children of their own, while strace lets system calls fail.

    strace -f -e inject=fsync:error=EIO:when=2 python tests/torture/failing.py PLACE put deref

strace counts the calls of each process from its start, so that in each child the same call fails. PLACE has a store
for each of the verbs. What happened is written with a call that is never made to fail.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from blobkit.errors import LayoutBehindWarning
from blobkit.store.local import LocalStore
from workload import digest_of, forked

if TYPE_CHECKING:
    from collections.abc import Callable

LAYER, IMAGE, OTHER, TOP, LEAF = (digest_of(data) for data in (b"layer", b"image", b"other", b"top", b"leaf"))
LARGE = b"large" * 300_000
AFTERWARDS = digest_of(b"afterwards")


def prepare(store: LocalStore) -> None:
    """Make what the verbs work on: v1 -> image -> layer <- other (one pin); top (one pin) -> leaf (one pin)."""
    store.put(b"layer")
    store.put(b"image", links=[LAYER], tag="v1")
    store.put(b"other", links=[LAYER])
    store.put(b"leaf")
    store.put(b"top", links=[LEAF])
    store.ref(LEAF)


def streamed(store: LocalStore) -> None:
    with store.new_writer("sha512") as writer:
        for start in range(0, len(LARGE), 400_000):
            writer.write(LARGE[start : start + 400_000])


def a_file(store: LocalStore) -> None:
    store.put(store.root.parent / "file")


def batched(store: LocalStore) -> None:
    with store.batch() as batch:
        new = batch.put(b"new").digest
        batch.put(b"newer", links=[new], tag="v1", move=True)
        batch.deref(OTHER)
        batch.link(LEAF, new)


VERBS: dict[str, Callable[[LocalStore], object]] = {
    "put": lambda store: store.put(b"new"),
    "put-many": lambda store: store.put_many([b"new", b"leaf", b"newer"]),
    "batch": batched,
    "put-known": lambda store: store.put(b"leaf"),
    "put-linked": lambda store: store.put(b"new", links=[OTHER, LEAF]),
    "put-tagged": lambda store: store.put(b"new", tag="v1", move=True),
    "put-file": a_file,
    "stream": streamed,
    "ref": lambda store: store.ref(TOP),
    "deref": lambda store: store.deref(TOP),
    "deref-cascade": lambda store: store.deref(OTHER),
    "link": lambda store: store.link(LEAF, OTHER),
    "unlink": lambda store: store.unlink(LEAF, TOP),
    "tag": lambda store: store.tag("v2", TOP),
    "tag-moved": lambda store: store.tag("v1", TOP, move=True, transfer=True),
    "untag": lambda store: store.untag("v1"),
}


def attempt(root: Path, verb: str) -> dict[str, str]:
    """Return what each step raised: opening, the verb, all else that one wants to do afterwards, closing."""
    raised: dict[str, str] = {}

    def step(name: str, act: Callable[[], object]) -> None:
        try:
            with warnings.catch_warnings(action="ignore", category=LayoutBehindWarning):
                act()
        except OSError as error:
            raised[name] = f"{type(error).__name__}: {error}"

    opened: list[LocalStore] = []
    step("open", lambda: opened.append(LocalStore(root)))
    if opened:
        (store,) = opened
        step("verb", lambda: VERBS[verb](store))
        step("read", lambda: [store.get(digest).read() for digest in store])
        step("go on", lambda: store.deref(store.put(b"afterwards").digest))
        step("close", store.close)
    return raised


def main(place: Path, *verbs: str) -> None:
    for verb in verbs:
        os.waitpid(forked(lambda verb=verb: told(place / verb, verb), place / verb / "trouble"), 0)


def told(place: Path, verb: str) -> None:
    raised = json.dumps({"pid": os.getpid(), "raised": attempt(place / "s", verb)}).encode()
    os.writev(os.open(place / "raised", os.O_CREAT | os.O_WRONLY), [raised])


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
