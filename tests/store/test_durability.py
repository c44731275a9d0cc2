"""What `durability` promises, and how a weaker store hands over to a stronger one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from blobkit.store.local import LocalStore

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def is_unsynced(store: LocalStore) -> bool:
    return store._index.read(lambda rows: rows.meta("unsynced")) is not None


def level(store: LocalStore) -> int:
    return store._index._pool._idle[0].execute("PRAGMA synchronous").fetchone()[0]


def counted(store: LocalStore) -> list[int]:
    """Count how often everything is synced."""
    calls = []
    sync = store._content.sync
    store._content.sync = lambda: (calls.append(1), sync())
    return calls


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("normal", 1), ("off", 1)])
def test_the_level_of_commits(root: Path, durability: str, synchronous: int) -> None:
    with LocalStore(root, durability=durability) as store:
        assert level(store) == synchronous
        store.put(b"x", tag="t")
        store.untag("t")
        assert level(store) == synchronous
        assert is_unsynced(store) == (durability == "off")


def test_the_flag_is_durable_before_the_first_write(root: Path) -> None:
    LocalStore(root, durability="full").close()
    with LocalStore(root, durability="off") as store:
        assert not is_unsynced(store)
        store.list()
        assert not is_unsynced(store)
        order = []
        store._index._pool._idle[0].set_trace_callback(order.append)
        store.put(b"x")
        flag = next(i for i, sql in enumerate(order) if "'unsynced', '1'" in sql)
        blob = next(i for i, sql in enumerate(order) if sql.startswith("INSERT INTO blobs"))
        assert order[: flag + 2].count("PRAGMA synchronous = FULL") == 1
        assert "COMMIT" in order[flag:blob]
        assert is_unsynced(store)


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_stronger_opening_syncs_everything_first(root: Path, durability: str) -> None:
    with LocalStore(root, durability="off") as store:
        store.put(b"x")
    with LocalStore(root, durability="off") as store:
        assert is_unsynced(store)
    with LocalStore(root, durability=durability) as store:
        assert not is_unsynced(store)


def test_a_stronger_commit_syncs_everything_first_and_the_weaker_store_says_so_again(root: Path) -> None:
    with LocalStore(root, durability="full") as strong, LocalStore(root, durability="off") as weak:
        syncs = counted(strong)
        digest = strong.put(b"strong").digest
        assert syncs == []
        weak.put(b"weak")
        assert is_unsynced(strong)
        strong.ref(digest)
        assert syncs == [1]
        assert not is_unsynced(weak)
        strong.ref(digest)
        assert syncs == [1]
        weak.put(b"weaker")
        assert is_unsynced(strong)


def test_what_index_json_shows_is_always_durable_in_the_index(root: Path) -> None:
    with LocalStore(root, durability="normal") as store:
        store.put(b"x", tag="t")
        order: list[str] = []
        store._index._pool._idle[0].set_trace_callback(order.append)
        write = store._layout._write
        store._layout._write = lambda *file: (order.append("written"), write(*file))
        for change in (
            lambda: store.put(b"x", media_type="text/plain"),
            lambda: store.put(b"x", tag="u"),
            lambda: store.untag("u"),
        ):
            order.clear()
            change()
            before = order[: order.index("written")]
            durable = len(before) - 1 - before[::-1].index("PRAGMA synchronous = FULL")
            assert "COMMIT" in before[durable:]
            assert any(sql.startswith("INSERT OR REPLACE INTO meta") for sql in before[durable:])
