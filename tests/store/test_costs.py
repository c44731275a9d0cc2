"""What a verb costs, in events: statements, write transactions, syncs, rewritings of index.json."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from blobkit.digest import of
from blobkit.store.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).parents[2]


class Costs:
    """Counts what a store asks of its database and how often it rewrites index.json."""

    def __init__(self, store: LocalStore) -> None:
        self._statements: list[str] = []
        self._rewrites: list[Path] = []
        (connection,) = store._index._pool._idle
        connection.set_trace_callback(self._statements.append)
        write = store._layout._write
        store._layout._write = lambda path, text: (self._rewrites.append(path), write(path, text))

    def of(self, act: Callable[[], object]) -> tuple[int, int, int]:
        """Return the write transactions, the statements in all, the rewritings."""
        self._statements.clear()
        self._rewrites.clear()
        act()
        begun = self._statements.count("BEGIN IMMEDIATE")
        assert begun == self._statements.count("COMMIT") - self._statements.count("BEGIN")
        return begun, len(self._statements), len(self._rewrites)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    with LocalStore(tmp_path / "store") as store:
        store.put(b"settled", tag="settled")
        yield store


def test_a_put_is_one_transaction(store: LocalStore) -> None:
    store.put(b"older")  # looks whether index.json, which was just written, is ours
    costs = Costs(store)
    transactions, statements, rewrites = costs.of(lambda: store.put(b"new"))
    assert (transactions, rewrites) == (1, 0)
    assert statements <= 6
    transactions, statements, rewrites = costs.of(lambda: store.put(b"new"))
    assert (transactions, rewrites) == (1, 0)
    assert statements <= 6


@pytest.mark.parametrize("what", ["bytearray", "memoryview", "path", "file"])
def test_a_put_of_little_is_one_sync_wherever_it_comes_from(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (tmp_path / "file").write_bytes(b"new")
    forms = {"bytearray": bytearray(b"new"), "memoryview": memoryview(b"new"), "path": str(tmp_path / "file")}
    forms["file"] = io.BytesIO(b"new")
    monkeypatch.setattr(os, "fsync", lambda _: pytest.fail("a sync"))
    store.put(b"older")
    assert Costs(store).of(lambda: store.put(forms[what]))[0] == 1
    assert store.get(of(b"new")).read() == b"new"


def test_a_pin_is_one_transaction_and_one_update(store: LocalStore) -> None:
    digest = store.put(b"x").digest
    assert Costs(store).of(lambda: store.ref(digest)) == (1, 4, 0)


def test_a_removal_is_two_transactions(store: LocalStore) -> None:
    digest = store.put(b"x").digest
    transactions, _, rewrites = Costs(store).of(lambda: store.deref(digest))
    assert (transactions, rewrites) == (2, 0)
    assert not (store.root / "blobs/sha256" / digest[7:]).exists()


def test_a_removal_that_frees_nothing_is_one_transaction(store: LocalStore) -> None:
    digest = store.put(b"x").digest
    store.ref(digest)
    transactions, _, rewrites = Costs(store).of(lambda: store.deref(digest))
    assert (transactions, rewrites) == (1, 0)


def test_untagging_is_two_transactions_and_one_rewriting(store: LocalStore) -> None:
    store.put(b"x", tag="t")
    transactions, _, rewrites = Costs(store).of(lambda: store.untag("t"))
    assert (transactions, rewrites) == (2, 1)
    assert not (store.root / "blobs/sha256" / of(b"x")[7:]).exists()


def test_a_put_with_a_tag_is_two_transactions_and_one_rewriting(store: LocalStore) -> None:
    transactions, _, rewrites = Costs(store).of(lambda: store.put(b"x", tag="t"))
    assert (transactions, rewrites) == (2, 1)


def test_thousands_are_swept_in_few_transactions(store: LocalStore) -> None:
    digests = [blob.digest for blob in store.put_many(b"%d" % number for number in range(513))]
    transactions, _, _ = Costs(store).of(lambda: store.deref_many(digests))
    assert transactions == 3
    assert len(store) == 1


TRACED = """
import sys
from blobkit.digest import of
from blobkit.store.local import LocalStore
with LocalStore(sys.argv[1]) as store, open("/dev/null", "w") as mark:
    def said(name):
        mark.write(name); mark.flush()
    store.put(b"settled", tag="settled")
    said("put"); digest = store.put(b"content").digest
    said("again"); store.put(b"content")
    said("ref"); store.ref(digest)
    said("deref"); store.deref(digest)
    store.deref(digest)
    said("freeing"); store.deref(digest)
    said("tagged"); store.put(b"content", tag="t")
    said("untag"); store.untag("t")
    said("end")
"""


def synced(tmp_path: Path) -> dict[str, Counter[str]]:
    """Return how often each verb made what durable."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not here: apt install strace")
    trace = tmp_path / "trace"
    command = [
        "strace",
        "-f",
        "-y",
        "-e",
        "trace=write,fsync,fdatasync,syncfs",
        "-o",
        trace,
        sys.executable,
        "-c",
        TRACED,
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    if subprocess.run(
        [*command, tmp_path / "store"], env=environment, check=False, stderr=subprocess.DEVNULL
    ).returncode:
        pytest.skip("strace may not trace here: allow ptrace")
    found: dict[str, Counter[str]] = {}
    verb = ""
    for line in trace.read_text().splitlines():
        if "/dev/null" in line:
            verb = re.search(r'"(\w*)"', line)[1]
        elif verb and "sync" in line and "write(" not in line:
            places = ("-wal", ".blobkit/tmp", "blobs/sha256", "store")
            found.setdefault(verb, Counter())[next(place for place in places if place in line)] += 1
    return found


@pytest.mark.slow
def test_syncs_of_each_verb(tmp_path: Path) -> None:
    """A rewriting of index.json syncs the file and its directory; all else is one commit."""
    found = synced(tmp_path)
    commit = {"-wal": 1}
    assert {verb: dict(found[verb]) for verb in ("put", "again", "ref", "deref", "freeing")} == {
        "put": commit,
        "again": commit,
        "ref": commit,
        "deref": {"-wal": 2},  # two of them
        "freeing": commit,
    }
    assert dict(found["untag"]) == dict(found["tagged"]) == {"-wal": 1, ".blobkit/tmp": 1, "store": 1}
