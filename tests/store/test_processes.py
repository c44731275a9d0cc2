"""Several processes and threads on one directory, and stores that were forked."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blobkit.content.memory import MemoryContent
from blobkit.digest import of
from blobkit.errors import StoreClosedError, WriterClosedError
from blobkit.index.memory import MemoryIndex
from blobkit.index.pool import Lease
from blobkit.store.local import LocalStore
from blobkit.store.store import Store
from patience import HANG

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from blobkit.digest import Digest

REPOSITORY = Path(__file__).parents[2]

CYCLE = """
import sys
from blobkit.store.local import LocalStore
with LocalStore(sys.argv[1], durability="off") as store:
    for number in range(150):
        with store.new_writer() as writer:
            writer.write(b"the same content")
            digest = writer.commit().digest
        assert store.get(digest).read() == b"the same content", "lost under a reference that is held"
        store.put(b"own %s %d" % (sys.argv[2].encode(), number), links=[digest], tag=f"p{sys.argv[2]}", move=True)
        store.deref(store.put(b"both %d" % (number % 3)).digest)
"""


@pytest.mark.slow
def test_processes_that_put_and_remove_the_same_content(tmp_path: Path) -> None:
    root = tmp_path / "store"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-W", "error", "-c", CYCLE, str(root)]
    running = [subprocess.Popen([*command, str(number)], env=environment) for number in range(3)]
    assert [process.wait(HANG) for process in running] == [0, 0, 0]
    with LocalStore(root, durability="off") as store:
        assert sorted(store.tags()) == ["p0", "p1", "p2"]
        same = store.get(of(b"the same content"))
        assert (same.refcount, same.pins) == (3, 0)
        assert len(store) == 4
        assert {path.name for path in (root / "blobs/sha256").iterdir()} == {d[7:] for d in store}
        for name in ("p0", "p1"):
            assert len(store.untag(name)) == 1
        assert len(store.untag("p2")) == 2


def test_a_blob_that_returns_while_its_file_is_unlinked_keeps_it(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with LocalStore(root, durability="off") as store, LocalStore(root, durability="off") as other:
        digest = store.put(b"x").digest
        returning = threading.Thread(target=lambda: other.put(b"x"))
        delete = store._content.delete

        def delayed(digests: Collection[Digest]) -> Sequence[Digest]:
            returning.start()
            returning.join(0.3)  # it must wait for the lock, which is held here
            return delete(digests)

        store._content.delete = delayed
        assert store.deref(digest).digests == (digest,)
        returning.join()
        assert other.get(digest).read() == b"x"


@pytest.mark.slow
def test_threads_share_a_store(tmp_path: Path) -> None:
    with LocalStore(tmp_path / "store", durability="off") as store:
        failed = []

        def work(number: int) -> None:
            try:
                for step in range(30):
                    digest = store.put(b"%d" % step, algorithm=("sha256", "sha512")[number % 2]).digest
                    store.put(b"%d %d" % (number, step), links=[digest])
                    list(store)
            except BaseException as error:  # noqa: BLE001 (whatever it is, the test must see it)
                failed.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed
        assert len(store) == 60 + 120
        found = [store.get(digest) for digest in store]
        links = [target for blob in found for target in blob.links]
        assert all(blob.refcount == blob.pins + links.count(blob.digest) for blob in found)


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked child; return 0 if it did not fail."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def test_a_forked_store_is_opened_again_by_the_child(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with LocalStore(root) as store:
        digest = store.put(b"before").digest

        def child() -> None:
            uses = (store.list, lambda: store.put(b"x"), lambda: store.ref(digest), store.batch().__enter__)
            for use in (*uses, store.new_writer, store.snapshot):
                with pytest.raises(StoreClosedError, match="open it again in this process"):
                    use()
            store.close()
            with LocalStore(root) as own:
                own.put(b"in the child")
                own.ref(digest)

        assert in_child(child) == 0
        assert store.get(digest).refcount == 2
        store.deref(digest)
        assert len(store) == 2


def test_a_transaction_that_was_forgotten_is_closed_before_a_fork(tmp_path: Path) -> None:
    root = tmp_path / "store"
    with LocalStore(root) as store:
        lost: list[object] = [Lease(store._index._pool)]
        lost.append(lost)
        del lost
        assert in_child(lambda: LocalStore(root).close()) == 0


@pytest.mark.parametrize("place", ["memory", "directory"])
def test_a_forked_writer_belongs_to_the_parent(tmp_path: Path, place: str) -> None:
    store = LocalStore(tmp_path / "store") if place == "directory" else Store(MemoryContent(), MemoryIndex())
    with store, store.new_writer() as writer:
        writer.write(b"half")

        def child() -> None:
            for use in (lambda: writer.write(b"x"), writer.commit):
                with pytest.raises(WriterClosedError, match="forked"):
                    use()
            writer.cancel()

        assert in_child(child) == 0
        writer.write(b" and half")
        assert writer.commit().digest == of(b"half and half")
