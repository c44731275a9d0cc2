"""Requests that each verb of a remote store sends to the database: on a network they are its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.index.postgres import connecting
from blobkit.store.remote.store import PlacedStore
from remote_servers.in_memory import PlacesInMemory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.index.postgres.index import PostgresIndex

MANY = 100


@pytest.fixture
def store(open_index: Callable[..., PostgresIndex], tmp_path: Path) -> PlacedStore:
    return PlacedStore(PlacesInMemory(tmp_path), open_index(notes_names=False))


@pytest.fixture
def requests(store: PlacedStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], int]:
    """A function that does something and returns how many requests that took; connections are open already."""
    sent: list[object] = []
    execute = connecting.psycopg.Connection.execute

    def counted(*arguments: object, **named: object) -> object:
        sent.append(arguments[1])
        return execute(*arguments, **named)

    store.tag("warm", store.put(b"warm").digest)
    store._session._sweep_now_and_then = lambda: None
    monkeypatch.setattr(connecting.psycopg.Connection, "execute", counted)

    def count(act: Callable[[], object]) -> int:
        sent.clear()
        act()
        print(*sent, sep="\n")  # noqa: T201 (shown where a figure is another one)
        return len(sent)

    return count


def test_requests_of_each_verb(store: PlacedStore, requests: Callable[[Callable[[], object]], int]) -> None:
    one, two = store.put(b"one").digest, store.put(b"two").digest
    blob = store.get(one)
    assert {
        "put of new content": requests(lambda: store.put(b"new")),
        "put of what is here": requests(lambda: store.put(b"new")),
        "ref": requests(lambda: store.ref(one)),
        "link": requests(lambda: store.link(one, two)),
        "tag": requests(lambda: store.tag("t", two)),
        "get": requests(lambda: store.get(one)),
        "read": requests(blob.read),
        "in": requests(lambda: one in store),
        "tags": requests(store.tags),
        "untag": requests(lambda: store.untag("t")),
        "deref that frees two": requests(lambda: store.deref(two)),
        "sweep": requests(store.sweep),
    } == {
        "put of new content": 10,
        "put of what is here": 6,
        "ref": 5,
        "link": 7,
        "tag": 9,
        "get": 5,
        "read": 1,
        "in": 1,
        "tags": 1,
        "untag": 8,
        "deref that frees two": 9,
        "sweep": 8,
    }


def test_requests_do_not_grow_with_the_work(
    store: PlacedStore, requests: Callable[[Callable[[], object]], int]
) -> None:
    """A cascade takes as many as it has levels, a bulk as one."""
    contents = [b"%d" % number for number in range(MANY)]
    children = [one.digest for one in store.put_many(contents)]
    root = store.put(b"root", links=children).digest
    few, many = (
        requests(lambda: store.put_many([b"few"])),
        requests(lambda: store.put_many([b"x%s" % c for c in contents])),
    )
    assert (few, many) == (10, 11), "many are locked and looked at in two requests"
    assert requests(lambda: store.deref(root)) == 10
    assert len(store) == MANY + 2


def test_a_batch_asks_once_for_each_blob_and_writes_once(
    store: PlacedStore, requests: Callable[[Callable[[], object]], int]
) -> None:
    def batch() -> None:
        with store.batch() as verbs:
            for number in range(MANY):
                verbs.put(b"%d" % number)

    assert requests(batch) == MANY + 11
