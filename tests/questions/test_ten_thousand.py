"""Every answer about what goes, on ten thousand blobs, against dict counters and sets over the plain frames."""

from __future__ import annotations

import math
import random
from collections import Counter
from functools import cache

import pytest

import blobkit
from blobkit.analysis.compiling import Kernel
from registries import images

DRAWS = 60


class Counters:
    """The textbook: a count for each blob, and a blob whose count falls to nothing drops what it links to."""

    def __init__(self, snapshot: blobkit.Snapshot) -> None:
        self.size = blobkit.to_frame(snapshot)["size"].to_dict()
        self.below: dict[str, list[str]] = {node: [] for node in self.size}
        self.above: dict[str, list[str]] = {node: [] for node in self.size}
        self.count: Counter[str] = Counter()
        for source, target in blobkit.links_frame(snapshot)[["source", "target"]].itertuples(index=False):
            self.below[source].append(target)
            self.above[target].append(source)
        self.tags = blobkit.tags_frame(snapshot)["digest"].to_dict()
        for node in self.reached(self.tags.values()):
            self.count.update(self.below[node])
        self.count.update(self.tags.values())

    def reached(self, roots: object, without: str = "") -> set[str]:
        found: set[str] = set()
        todo = [root for root in roots if root != without]  # type: ignore[attr-defined]
        while todo:
            node = todo.pop()
            if node not in found:
                found.add(node)
                todo += [child for child in self.below[node] if child != without]
        return found

    def reaching(self, node: str) -> set[str]:
        """Return the tags that reach a blob: those of all that is above it."""
        found, todo = {node}, [node]
        while todo:
            todo = [parent for child in todo for parent in self.above[child] if parent not in found]
            found.update(todo)
        return {tag for tag, root in self.tags.items() if root in found}

    def freed(self, tags: list[str]) -> set[str]:
        count, gone = Counter(self.count), set()
        todo = [self.tags[tag] for tag in tags]
        while todo:
            node = todo.pop()
            count[node] -= 1
            if not count[node]:
                gone.add(node)
                todo += self.below[node]
        return gone

    def bytes(self, nodes: set[str]) -> int:
        return sum(self.size[node] for node in nodes)


@cache
def snapshot_for(mode: str) -> blobkit.Snapshot:
    """Return a snapshot of its own for each mode: what one has worked out does not answer for the other."""
    assert mode in ("plain", "compiled")
    return images(10_000)


@cache
def counters() -> Counters:
    return Counters(images(10_000))


@cache
def kept_and_freed() -> dict[str, tuple[int, int, set[str]]]:
    """Return for some live blobs the bytes that each keeps and frees, and the tags that reach it."""
    plain = counters()
    live = plain.reached(plain.tags.values())
    on = {digest: [tag for tag, root in plain.tags.items() if root == digest] for digest in plain.tags.values()}
    return {
        node: (
            plain.bytes(live - plain.reached(plain.tags.values(), without=node)),
            plain.bytes(plain.freed(on.get(node, []))),
            plain.reaching(node),
        )
        for node in random.Random(5).sample(sorted(live), DRAWS)  # noqa: S311 (no secret)
    }


@pytest.fixture(params=["plain", "compiled"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[blobkit.Snapshot, Counters]:
    monkeypatch.setattr(Kernel, "price", 0 if request.param == "compiled" else math.inf)
    return snapshot_for(request.param), counters()


@pytest.mark.slow
def test_previews_of_tags_alone_and_together(store: tuple[blobkit.Snapshot, Counters]) -> None:
    snapshot, plain = store
    rng = random.Random(3)  # noqa: S311 (no secret)
    repositories = sorted({tag.partition(":")[0] for tag in plain.tags})
    together = 0
    draws = DRAWS if snapshot is snapshot_for("compiled") else DRAWS // 2  # plain loops take long
    for draw in range(draws):
        whole = rng.sample(repositories, draw % 4)
        some = [tag for tag in plain.tags if tag.partition(":")[0] in whole] or rng.sample(sorted(plain.tags), 30)
        gone = plain.freed(some)
        preview = blobkit.simulate_deref(snapshot, *some)
        assert set(preview.digests) == gone
        assert preview.bytes == plain.bytes(gone)
        assert set(preview.kept.index) == plain.reached(plain.tags[tag] for tag in some) - gone
        together += len(gone) > len(set().union(*(plain.freed([tag]) for tag in some)))
    assert together > draws // 4


@pytest.mark.slow
def test_what_each_tag_frees_alone(store: tuple[blobkit.Snapshot, Counters]) -> None:
    snapshot, plain = store
    exclusive = blobkit.tags_frame(snapshot)["exclusive"].to_dict()
    assert exclusive == {tag: plain.bytes(plain.freed([tag])) for tag in plain.tags}
    assert len(exclusive) > 1000


@pytest.mark.slow
def test_what_each_blob_keeps_and_frees_and_who_reaches_it(store: tuple[blobkit.Snapshot, Counters]) -> None:
    snapshot, plain = store
    frame = blobkit.to_frame(snapshot)
    live = plain.reached(plain.tags.values())
    for node, (keeps, frees, reaching) in kept_and_freed().items():
        assert frame.loc[node, ["retained", "frees"]].tolist() == [keeps, frees]
        assert set(blobkit.why(snapshot, node).frame["name"]) == reaching
    assert set(frame.index[frame["status"] == "garbage"]) == set(frame.index) - live


@pytest.mark.slow
@pytest.mark.parametrize("percent", [1, 30, 90])
def test_a_plan_frees_what_it_says(store: tuple[blobkit.Snapshot, Counters], percent: int) -> None:
    snapshot, plain = store
    needed = plain.bytes(plain.reached(plain.tags.values())) * percent // 100
    plan = blobkit.plan(snapshot, free=needed)
    assert plan.bytes == plain.bytes(plain.freed(list(plan.tags))) >= needed
    for tag in plan.tags[:: max(1, len(plan.tags) // 5)]:
        assert plain.bytes(plain.freed([other for other in plan.tags if other != tag])) < needed
