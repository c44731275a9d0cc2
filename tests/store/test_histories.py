"""Random histories: the store, its dry runs and the oracle agree after every step, and dry runs write nothing."""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from blobkit.content.memory import MemoryContent
from blobkit.index.memory import MemoryIndex
from blobkit.index.sqlite import SqliteIndex
from blobkit.store.local import LocalStore
from blobkit.store.store import Store
from blobkit.testing.histories import BLOBS, Step, aim, histories, play, play_model, state
from blobkit.testing.model import Model
from effort import TORTURE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from blobkit.testing.model import Gone

DIGESTS = {blob.digest: number for number, blob in enumerate(BLOBS)}
REMOVALS = ("deref", "unlink", "tag", "untag")


def followed(store: Store, model: Model, history: list[Step]) -> Iterator[tuple[Step, Gone | str]]:
    """Play a history on both; yield each step and what it returned."""
    for raw in history:
        step = aim(raw, model)
        preview = play(store, step, dry_run=True)
        expected = play_model(model, step)
        assert play(store, step) == expected, step
        assert state(store) == model.state(), step
        if step.verb in REMOVALS:
            assert preview == expected, step
        yield step, expected


def check_previews(store: Store, model: Model) -> None:
    """Hold that the dry run of every deref is what the oracle does."""
    for digest in model.anonymous:
        step = Step("deref", DIGESTS[digest])
        assert play(store, step, dry_run=True) == play_model(model.copy(), step)
    assert state(store) == model.state()


seen: Counter[str] = Counter()


def play_in_memory(history: list[Step]) -> None:
    store, model = Store(MemoryContent(), MemoryIndex()), Model()
    played = []
    for step, result in followed(store, model, history):
        played.append(step)
        check_previews(store, model)
        seen[result if isinstance(result, str) else f"{min(len(result), 5)} levels"] += 1
        seen["diamonds"] += any(len(level) > 1 for level in result[1:]) if not isinstance(result, str) else 0
    for digest in model.anonymous:
        copy, step = Store(MemoryContent(), MemoryIndex()), Step("deref", DIGESTS[digest])
        for before in played:
            play(copy, before)
        assert play(copy, step) == play(store, step, dry_run=True)


LEVELS = {"1 levels": 100, "2 levels": 10, "3 levels": 3, "5 levels": 3, "diamonds": 3}
LEAST = LEVELS | dict.fromkeys(("NotPinnedError", "LinkCycleError", "BlobNotFoundError", "TagExistsError"), 1)
ROUNDS = 20
"""One is enough for all of these; which histories are played in it depends on the version of hypothesis."""


def rare() -> dict[str, int]:
    """Return what was seen less often than it must be."""
    return {case: seen[case] for case, number in LEAST.items() if seen[case] < number}


@pytest.mark.slow
def test_in_memory_and_the_histories_reach_the_hard_cases() -> None:
    seen.clear()
    for number in range(ROUNDS):
        if rare():
            how = settings(
                max_examples=40 * TORTURE, deadline=None, database=None, suppress_health_check=list(HealthCheck)
            )
            seed(number)(how(given(histories())(play_in_memory)))()
    assert not rare(), seen


@pytest.mark.slow
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(histories(20))
def test_with_the_index_in_sqlite(history: list[Step]) -> None:
    with TemporaryDirectory() as directory:
        index = SqliteIndex(Path(directory, "index.sqlite"), durability="off")
        with Store(MemoryContent(), index) as store:
            model = Model()
            for _ in followed(store, model, history):
                pass
            check_previews(store, model)


@pytest.mark.slow
@settings(max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(12))
def test_in_a_directory_against_real_derefs_on_copies(history: list[Step]) -> None:
    with TemporaryDirectory() as directory:
        root = Path(directory, "store")
        model = Model()
        with LocalStore(root, durability="off") as store:
            for _ in followed(store, model, history):
                pass
            assert contents(root) == set(store.list())
            before = files(root)
            previews = {digest: play(store, Step("deref", DIGESTS[digest]), dry_run=True) for digest in store}
            for name in store.tags():
                store.untag(name, dry_run=True)
            assert files(root) == before
        for number, (digest, preview) in enumerate(previews.items()):
            copy = shutil.copytree(root, Path(directory, str(number)))
            with LocalStore(copy, durability="off") as store:
                assert play(store, Step("deref", DIGESTS[digest])) == preview
                assert contents(copy) == set(store.list())


class Undo(Exception):  # noqa: N818 (no error: it ends a batch)
    """Raised at the end of a batch that is to be undone."""


def play_batch(store: Store, model: Model, history: list[Step], *, undone: bool) -> Model:
    """Play a history in one batch; return the model as the store must be afterwards."""
    trial = model.copy()
    with contextlib.suppress(Undo), store.batch() as batch:
        for raw in history:
            step = aim(raw, trial)
            expected = play_model(trial, step)
            assert play(batch, step) == expected, step
        if undone:
            raise Undo
    return model if undone else trial


parts = st.lists(st.tuples(histories(8), st.sampled_from([False, False, True])), max_size=6)


@pytest.mark.slow
@settings(max_examples=40 * TORTURE, deadline=None, derandomize=True, database=None)
@given(parts)
def test_in_batches(batches: list[tuple[list[Step], bool]]) -> None:
    with TemporaryDirectory() as directory:
        index = SqliteIndex(Path(directory, "index.sqlite"), durability="off")
        for store in (Store(MemoryContent(), MemoryIndex()), Store(MemoryContent(), index)):
            model = Model()
            for history, undone in batches:
                model = play_batch(store, model, history, undone=undone)
                assert state(store) == model.state()
            check_previews(store, model)
            store.close()


@pytest.mark.slow
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(parts)
def test_in_batches_in_a_directory(batches: list[tuple[list[Step], bool]]) -> None:
    with TemporaryDirectory() as directory:
        root, model = Path(directory, "store"), Model()
        with LocalStore(root, durability="off") as store:
            for history, undone in batches:
                model = play_batch(store, model, history, undone=undone)
                assert state(store) == model.state()
                assert contents(root) == set(store.list())
                assert not list(root.glob(".blobkit/tmp/*"))


def contents(root: Path) -> set[str]:
    """The digests of all content files."""
    return {f"{path.parent.name}:{path.name}" for path in (root / "blobs").glob("*/*")}


def files(root: Path) -> dict[Path, tuple[int, int, bytes | None]]:
    """Content, mode and time of everything, but for the memory that SQLite shares between processes."""
    return {
        path: (path.stat().st_mode, path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in root.rglob("*")
        if not path.name.endswith("-shm")
    }
