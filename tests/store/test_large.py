"""Deep chains, wide fans, many links: no recursion, nothing quadratic."""

from __future__ import annotations

import itertools
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest

from blobkit.content.memory import MemoryContent
from blobkit.digest import of
from blobkit.errors import LinkCycleError
from blobkit.index.memory import MemoryIndex
from blobkit.index.sqlite import SqliteIndex
from blobkit.model import Change, Link, NewBlob
from blobkit.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from blobkit.digest import Digest

DEPTH = 6000
NOW = datetime.now(UTC)


def steps(store: Store, act: Callable[[], object]) -> int:
    """Return how many hundreds of instructions SQLite executes meanwhile: what costs time, without a clock."""
    counted = itertools.count()
    db = store._index._pool._idle[-1]
    db.set_progress_handler(lambda: next(counted) * 0, 100)
    act()
    db.set_progress_handler(None, 0)
    return next(counted)


def calls(act: Callable[[], object]) -> int:
    """Return how many functions are called meanwhile."""
    counted = itertools.count()
    sys.setprofile(lambda *_: next(counted))
    try:
        act()
    finally:
        sys.setprofile(None)
    return next(counted)


def cost(store: Store, act: Callable[[], object]) -> int:
    """Return how many functions are called meanwhile, or how many instructions SQLite executes."""
    return calls(act) if isinstance(store._index, MemoryIndex) else 100 * steps(store, act)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    index = MemoryIndex() if request.param == "memory" else SqliteIndex(tmp_path / "index.sqlite", durability="off")
    with Store(MemoryContent(), index) as store:
        yield store


def fill(store: Store, links: Iterable[tuple[int, int]], count: int) -> list[Digest]:
    """Record blobs 0 to count - 1, pinned unless something links to them, by the bulk way of the index."""
    blobs = [of(b"%d" % number) for number in range(count)]
    linked = [Link(blobs[source], blobs[target]) for source, target in links]
    held = {}
    for link in linked:
        held[link.target] = held.get(link.target, 0) + 1
    with store._index.writing() as rows:
        rows.add([NewBlob(blob, 1, "", NOW) for blob in blobs])
        rows.apply(Change(dict.fromkeys(held, -1), held, linked))
    return blobs


@pytest.mark.slow
def test_a_deep_chain_goes_in_one_deref(store: Store) -> None:
    blobs = fill(store, ((i, i + 1) for i in range(DEPTH - 1)), DEPTH)
    freed = store.deref(blobs[0])
    assert freed.digests == tuple(blobs)
    assert freed.levels == ((1, 1),) * DEPTH
    assert len(store) == 0


@pytest.mark.slow
def test_a_wide_fan_goes_at_once_and_stays_for_its_second_holder(store: Store) -> None:
    fan = [(0, i) for i in range(2, DEPTH)] + [(1, i) for i in range(2, DEPTH)]
    blobs = fill(store, fan, DEPTH)
    assert store.deref(blobs[0]).digests == (blobs[0],)
    assert len(store.deref(blobs[1])) == DEPTH - 1
    assert len(store) == 0


@pytest.mark.slow
def test_a_cycle_through_a_deep_chain_is_found_and_a_new_blob_needs_no_search(store: Store) -> None:
    blobs = fill(store, ((i, i + 1) for i in range(DEPTH - 1)), DEPTH)
    with pytest.raises(LinkCycleError):
        store.link(blobs[0], blobs[-1], transfer=True)
    fresh, leaf = store.put(b"fresh").digest, store.put(b"leaf").digest
    assert cost(store, lambda: store.link(blobs[0], fresh)) < DEPTH / 6
    assert cost(store, lambda: store.link(leaf, blobs[-1])) < DEPTH / 6


@pytest.mark.slow
def test_linking_many_children_to_one_parent_is_not_quadratic(store: Store) -> None:
    parent = store.put(b"parent").digest
    children = fill(store, (), 3000)
    first, _, last = (
        cost(store, lambda some=some: [store.link(child, parent) for child in some])
        for some in (children[:1000], children[1000:2000], children[2000:])
    )
    assert last < 1.5 * first
    assert store.get(parent).links == tuple(sorted(children))


def wide(count: int) -> list[tuple[int, int]]:
    return [(0, child) for child in range(1, count)]


def chain(count: int) -> list[tuple[int, int]]:
    return [(i, i + 1) for i in range(count - 1)]


def two_levels(count: int) -> list[tuple[int, int]]:
    middle = count // 10
    links = {(0, i) for i in range(1, middle)} | {(1 + i % (middle - 1), i) for i in range(middle, count)}
    return sorted(links | {(1 + i * 7 % (middle - 1), i) for i in range(middle, count)})


ACTS = {
    "remove": lambda store, blobs, _: store.deref(blobs[0]),
    "preview": lambda store, blobs, _: store.simulate_deref(blobs[0]),
    "unlink": lambda store, blobs, links: [store.unlink(blobs[to], blobs[source]) for source, to in links[::-1]],
    "link one by one": lambda store, blobs, links: [
        store.link(blobs[to], blobs[source], transfer=False) for source, to in links
    ],
    "link many": lambda store, blobs, links: store.link_many(
        [(blobs[to], blobs[source]) for source, to in links], transfer=False
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("index", [MemoryIndex, SqliteIndex])
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("shape", [wide, chain, two_levels])
def test_four_times_as_many_blobs_take_four_times_as_many_steps(
    quick_path: Path, shape: Callable[[int], list[tuple[int, int]]], act: str, index: type
) -> None:
    found = []
    for count in (250, 1000):
        given = () if index is MemoryIndex else (quick_path / f"{count}.sqlite",)
        with Store(MemoryContent(), index(*given)) as store:
            links = shape(count)
            blobs = fill(store, () if act.startswith("link") else links, count)
            found.append(cost(store, partial(ACTS[act], store, blobs, links)))
    assert found[1] < 5.5 * found[0], found
