"""DuckDB against blobkit in memory on real stores, under every policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.engines import DuckSnapshot
from blobkit.errors import BlobkitError
from blobkit.snapshot import saved
from engines.equal import check, check_diff, check_dropped, check_tools, check_usage, names_of, some_live

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

    Dataset = tuple[Path, dict[str, object]]

STORES = (
    "dev-oci-layout", "dev-registry", "dev-containerd", "dev-containerd-docker", "dev-containers-storage",
    "dev-docker-root", "dev-huggingface-cache", "dev-ollama-models",
)  # fmt: skip


def duck_of(snapshot: Snapshot, place: Path, rows: int = 100) -> DuckSnapshot:
    saved.write_parts(place, snapshot.tables, snapshot._meta(), part_rows=rows)
    return DuckSnapshot(place, work=place.with_name("work"), threads=1, memory="500MB")


def check_all(snapshot: Snapshot, place: Path) -> None:
    with duck_of(snapshot, place) as duck:
        for policy in snapshot.policies:
            one, two = snapshot.with_policy(policy), duck.with_policy(policy)
            check(one, two)
            for target in [*names_of(one, 5), *some_live(one, 3)]:
                check_dropped(one, two, target)
            check_dropped(one, two, *names_of(one, 5))
            check_dropped(one, two, "*a*")
            for group in sorted(set(one.pins["group"].drop_null().to_pylist()))[:2]:
                check_dropped(one, two, groups=(group,))
        check_usage(snapshot, duck, {name: name[:3] for name in names_of(snapshot)})
        check_tools(snapshot, duck)


@pytest.mark.slow
@pytest.mark.parametrize("name", STORES)
def test_real_stores(dataset: Callable[[str], Dataset], tmp_path: Path, name: str) -> None:
    check_all(blobkit.scan(dataset(name)[0], progress=False), tmp_path / "x")


@pytest.mark.slow
def test_archives_and_pitfalls(dataset: Callable[[str], Dataset], tmp_path: Path) -> None:
    found = 0
    roots = [path for name in ("dev-archives", "dev-pitfalls") for path in sorted(dataset(name)[0].iterdir())]
    for number, root in enumerate(roots):
        try:
            snapshot = blobkit.scan(root, progress=False)
        except BlobkitError:
            continue
        found += 1
        with duck_of(snapshot, tmp_path / str(number)) as duck:
            for policy in snapshot.policies:
                one, two = snapshot.with_policy(policy), duck.with_policy(policy)
                check_dropped(one, two, *names_of(one, 3))
                check_usage(one, two, "tag")
            check_tools(snapshot, duck)
    assert found > 15


@pytest.mark.slow
def test_a_week_later(dataset: Callable[[str], Dataset], tmp_path: Path) -> None:
    before = blobkit.scan(dataset("dev-registry")[0], progress=False)
    rows = [row for row in range(before.pins.num_rows) if row % 5]
    nodes, links = before.nodes, before.links
    columns = {name: nodes[name] for name in ("key", "size", "kind", "media_type", "stored")}
    pins = before.pins.take(rows)
    after = blobkit.snapshot.snapshot.build(
        "registry", before.address, nodes=columns, links={name: links[name] for name in links.column_names},
        pins={name: pins[name] for name in pins.column_names},
    )  # fmt: skip
    with duck_of(before, tmp_path / "a") as one, duck_of(after, tmp_path / "b") as two:
        check_diff(before, after, one, two, "repo")
        check_diff(before, after, one, tmp_path / "b", "repo")
