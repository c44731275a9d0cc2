"""What `Preview.collected` says is what the default script frees, run for real against a registry and on layouts."""

from __future__ import annotations

import random
import shutil
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest

import blobkit
from layouts import garbage
from live_registry import needs, shell

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot
    from live_registry import Served

    Dataset = tuple[Path, dict[str, object]]

FLOORS = {
    ("team-a/web:1.1",): 1950,
    ("library/hello:multi",): 75_037,
    ("team-a/web:2.0", "team-a/web:prod", "team-a/web:nightly"): 2253,
    ("team-b/tools:1", "team-b/tools:stable"): 554_280,
}
"""Bytes that real runs of the registry's collector freed."""


class Copies:
    """A running registry whose storage is a fresh copy for each run: as each is the same, it is scanned once."""

    def __init__(self, served: Served, root: Path) -> None:
        self.served, self.root = served, root
        served.fill(root)
        self.snapshot = served.scan()

    def fresh(self) -> Snapshot:
        self.served.fill(self.root)
        return self.snapshot

    def freed(self, preview: blobkit.Preview, tool: str | None = None) -> set[str]:
        """Run the script; return what it removed beyond what the collector would have removed anyway."""
        policy = preview.snapshot.store.policy_for(preview.snapshot.store.collected_by[preview.snapshot.policy])
        assert policy is not None
        before, already = self.served.stored(), garbage(preview.snapshot, policy.name)
        done = self.served.run(preview.script(tool))
        assert done.returncode == 0, done.stderr
        return before - self.served.stored() - already


@pytest.fixture(scope="module")
def copies(dataset: Callable[[str], Dataset], registry: Served) -> Copies:
    return Copies(registry, dataset("dev-registry")[0])


@pytest.mark.slow
def test_every_tag_of_a_real_registry(copies: Copies) -> None:
    tags = blobkit.tags_frame(copies.snapshot).index
    assert len(tags) == 19
    for tag in tags:
        preview = blobkit.simulate_deref(copies.fresh(), tag)
        gone = copies.freed(preview)
        assert tuple(sorted(gone)) == preview.collected.digests, tag
        assert (preview.collected.tool, preview.collected.stops) == ("curl", "")


@pytest.mark.slow
@pytest.mark.parametrize("names", FLOORS)
def test_floors(copies: Copies, names: tuple[str, ...]) -> None:
    snapshot = copies.fresh()
    preview = blobkit.simulate_deref(snapshot, *names)
    assert preview.collected.bytes == FLOORS[names]
    gone = copies.freed(preview)
    assert set(preview.collected.digests) == gone
    assert int(blobkit.to_frame(snapshot)["size"].loc[sorted(gone)].sum()) == FLOORS[names]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("policy", ["tags", "revisions", "gc", "gc-m"])
def test_sets_of_names_of_a_real_registry(copies: Copies, policy: str, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311 (no secret)
    snapshot = copies.fresh().with_policy(policy)
    pins = [pin["name"] for pin, holds in zip(snapshot.pins.to_pylist(), snapshot.holding, strict=True) if holds]
    names = draw.sample(sorted(set(pins)), draw.randint(2, 9))
    preview = blobkit.simulate_deref(snapshot, names)
    tool = draw.choice([None, "skopeo"])
    assert copies.freed(preview, tool) == set(preview.collected.digests), names


@pytest.mark.slow
def test_a_whole_repository(copies: Copies) -> None:
    for group in ("library/hello", "team-a/web", "library/python"):
        preview = blobkit.simulate_deref(copies.fresh(), groups=[group])
        assert copies.freed(preview) == set(preview.collected.digests)
        assert preview.collected.bytes > 0
        left = copies.served.scan("gc").pins
        assert group not in left["group"].to_pylist()


@pytest.mark.slow
def test_what_waits(copies: Copies) -> None:
    snapshot = copies.fresh()
    for tag in blobkit.tags_frame(snapshot).index:
        preview = blobkit.simulate_deref(snapshot, tag)
        waiting = preview.waiting
        assert set(waiting.index) == set(preview.digests) - set(preview.collected.digests)
        assert list(waiting) == ["size", "held_by", "reason"]
        assert (str(waiting.index.dtype), waiting.index.name, str(waiting["size"].dtype)) == ("str", "digest", "int64")
        assert int(waiting["size"].sum()) == preview.bytes - preview.collected.bytes
        left = blobkit.to_frame(snapshot.with_policy("gc"), columns=["status"])["status"]
        assert set(waiting.index) <= set(left.index[left == "live"])
        assert all(holders for holders in waiting["held_by"])
    waiting = blobkit.simulate_deref(snapshot, "team-a/web:1.1").waiting
    (row,) = waiting.to_dict("records")
    assert row["size"] == 14_770
    assert row["held_by"][0].startswith("team-a/web@sha256:")
    assert row["reason"] == "an untagged manifest of the repository needs it"


class Layouts:
    """A layout that is a fresh copy for each script; each text is run once."""

    def __init__(self, source: Path, place: Path) -> None:
        self.source, self.place, self.root = source, place, place / "layout"
        shutil.copytree(source, self.root)
        self.snapshot = blobkit.scan(f"oci:{self.root}", progress=False)
        self.removed = cache(self.run)

    def run(self, script: str) -> set[str]:
        """Return what a script removes."""
        subprocess.run(["rm", "-rf", self.root], check=True)
        subprocess.run(["cp", "-a", self.source, self.root], check=True)
        before = stored(self.root)
        done = shell(script, self.place)
        assert done.returncode == 0, done.stderr
        return before - stored(self.root)


@pytest.fixture(scope="module")
def layouts(dataset: Callable[[str], Dataset], tmp_path_factory: pytest.TempPathFactory) -> Layouts:
    needs("umoci")
    return Layouts(dataset("dev-oci-layout")[0], tmp_path_factory.mktemp("layouts"))


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["dependent", "strong", "ignore"])
def test_every_tag_of_a_real_layout(layouts: Layouts, policy: str) -> None:
    snapshot = layouts.snapshot.with_policy(policy)
    total = hand = 0
    for tag in blobkit.tags_frame(snapshot).index:
        preview = blobkit.simulate_deref(snapshot, tag)
        text = preview.script()
        by_hand = "umoci gc --layout" not in text
        already = garbage(snapshot, policy if by_hand else "strong")
        assert layouts.removed(text) - already == set(preview.collected.digests), tag
        total += preview.collected.bytes
        hand += by_hand
        assert by_hand == ("NOTE: files are removed by hand" in text)
    assert total > 0
    assert (hand > 0) == (policy == "dependent")  # umoci gc would delete referrers that no entry lists


def stored(root: Path) -> set[str]:
    return {f"sha256:{path.name}" for path in root.glob("blobs/sha256/*")}
