"""The questions that owners of registries ask most: each is a line or two, and is judged by the files on disk."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import blobkit
from layouts import Registry, sha

if TYPE_CHECKING:
    from collections.abc import Iterable

    from blobkit import Snapshot

DEBIAN, PYTHON, NODE = "debian" * 500, "python" * 300, "node" * 400
OLD = datetime(2020, 3, 5, tzinfo=UTC).timestamp()


class Disk:
    """What is stored, by reading the files of a registry: no code of blobkit."""

    def __init__(self, registry: Registry) -> None:
        files = [path for path in registry.v2.glob("blobs/sha256/*/*/data") if path.is_file()]
        self.size = {f"sha256:{path.parent.name}": path.stat().st_size for path in files}
        self.month = {
            f"sha256:{path.parent.name}": datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m")
            for path in files
        }
        self.links: dict[str, list[str]] = {}
        self.platform: dict[str, str] = {}
        for path in files:
            body = json.loads(path.read_bytes()) if path.read_bytes().startswith(b"{") else {}
            parts = [*body.get("manifests", []), *body.get("layers", [])]
            parts += [body["config"]] if isinstance(body.get("config"), dict) and "layers" in body else []
            self.links[f"sha256:{path.parent.name}"] = [part["digest"] for part in parts]
            if "os" in body:
                self.platform[f"sha256:{path.parent.name}"] = f"{body['os']}/{body['architecture']}"
        current = registry.v2.glob("repositories/*/*/_manifests/tags/*/current/link")
        self.tags = {f"{'/'.join(path.parts[-7:-5])}:{path.parts[-3]}": path.read_text() for path in current}

    def reach(self, *names: str) -> set[str]:
        found: set[str] = set()
        todo = [self.tags.get(name, name) for name in names]
        while todo:
            digest = todo.pop()
            if digest not in found:
                found.add(digest)
                todo += self.links[digest]
        return found

    def bytes(self, digests: Iterable[str]) -> int:
        return sum(self.size[digest] for digest in digests)

    def freed(self, *names: str) -> set[str]:
        """What no other tag reaches."""
        return self.reach(*names) - self.reach(*(set(self.tags) - set(names)))

    def layers(self) -> dict[str, set[str]]:
        """The manifests that a tag reaches, by layer."""
        found: dict[str, set[str]] = {}
        for manifest in self.reach(*self.tags):
            for part in self.links[manifest]:
                if part not in self.platform and not self.links[part]:
                    found.setdefault(part, set()).add(manifest)
        return found


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Two teams and base images; one image has two platforms, one two names; some revisions lost their tags."""
    made = Registry(tmp_path)
    made.push("base/debian", "12", DEBIAN)
    made.push("base/node", "20", DEBIAN, NODE)
    for version in ("1.0", "1.1", "2.0-rc1", "2.0"):
        last = made.push("shop/web", version, DEBIAN, NODE, f"web {version}" * 40)
    made.tag("shop/web", "latest", last)
    made.push("data/etl", "1.0-rc1", DEBIAN, PYTHON, "etl rc" * 90)
    made.push("data/etl", "1.0", DEBIAN, PYTHON, "etl" * 70)
    images = [
        made.revision("data/ml", made.manifest(*map(made.blob, (PYTHON, own)), config=made.config(platform)))
        for platform, own in (("linux", "for linux" * 30), ("windows", "for windows" * 20))
    ]
    made.tag("data/ml", "5", made.revision("data/ml", made.index(*images)))
    made.revision("shop/web", made.manifest(*map(made.blob, (DEBIAN, "forgotten" * 100))))
    for path in filter(Path.is_file, made.v2.rglob("*")):
        then = OLD if path.stat().st_size > 1000 else OLD + 9e6
        os.utime(path, (then, then))
    for name in ("1.0", "1.1"):
        os.utime(made.v2 / f"repositories/shop/web/_manifests/tags/{name}/current/link", (OLD, OLD))
    return made


@pytest.fixture
def disk(registry: Registry) -> Disk:
    return Disk(registry)


@pytest.fixture
def store(registry: Registry) -> Snapshot:
    return registry.scan()


def team(tag: str) -> str:
    return tag.partition("/")[0]


def test_which_team_could_free_most_with_its_old_images(store: Snapshot, disk: Disk) -> None:
    old = store.tags_frame()["modified"] < "2020-04-01"
    frame = store.usage(by=team, where=old).frame
    assert frame.index[~frame["beside"]].tolist() == ["shop"]
    assert frame.loc["shop", "exclusive"] == disk.bytes(disk.freed("shop/web:1.0", "shop/web:1.1")) > 0


def test_what_would_dropping_all_release_candidates_free(store: Snapshot, disk: Disk) -> None:
    preview = store.simulate_deref("*-rc*")
    assert set(preview.digests) == disk.freed("shop/web:2.0-rc1", "data/etl:1.0-rc1")
    assert preview.bytes == disk.bytes(preview.digests) == store.simulate_deref("re:.*-rc[0-9]+").bytes


def test_how_much_came_each_month(store: Snapshot, disk: Disk) -> None:
    frame = store.growth()
    months = pd.Series(disk.size).groupby(pd.Series(disk.month)).sum()
    assert frame["new"][frame["new"] > 0].to_dict() == {pd.Period(month): size for month, size in months.items()}
    assert len(frame) > len(months) > 1
    assert frame["total"].iloc[-1] == disk.bytes(disk.size)


def test_which_base_layers_are_shared_most(store: Snapshot, disk: Disk) -> None:
    frame = store.to_frame(columns=["first_tag", "saved"]).nlargest(3, "saved")
    saved = {layer: disk.size[layer] * (len(users) - 1) for layer, users in disk.layers().items()}
    assert frame["saved"].tolist() == sorted(saved.values())[::-1][:3]
    assert frame["first_tag"].to_dict() == {
        sha(DEBIAN.encode()): "base/debian:12",
        sha(NODE.encode()): "base/node:20",
        sha(PYTHON.encode()): "data/ml:5",
    }


def test_how_many_untagged_manifests_does_each_repository_have(store: Snapshot, disk: Disk) -> None:
    frame = store.untagged_frame(min_age=0)
    spare = frame[frame["needed_by"] == ""].groupby("repo")["frees"].agg(["size", "sum"])
    lost = set(disk.size) - disk.reach(*disk.tags)
    assert spare.to_dict("index") == {"shop/web": {"size": 1, "sum": disk.bytes(lost)}}
    assert set(frame.loc[frame["repo"] == "data/ml", "needed_by"]) == {"platform of data/ml:5"}


def test_which_tags_share_most_of_their_bytes_with_an_image(store: Snapshot, disk: Disk) -> None:
    share = (store.sharing(by="tag").pairs["base/node:20"] / store.tags_frame()["closure"]).dropna()
    mine = disk.reach("base/node:20")
    assert share.to_dict() == {
        tag: disk.bytes(mine & disk.reach(tag)) / disk.bytes(disk.reach(tag)) for tag in disk.tags
    }
    assert 4 < (share > 0.8).sum() < len(share)


def test_what_does_each_team_pay(store: Snapshot, disk: Disk) -> None:
    frame = store.usage(by=team).frame
    assert frame["split"].sum() == disk.bytes(disk.size)
    for one in ("base", "data", "shop"):
        mine = [tag for tag in disk.tags if tag.startswith(one)]
        assert frame.loc[one, "closure"] == disk.bytes(disk.reach(*mine))
        assert frame.loc[one, "exclusive"] == disk.bytes(disk.freed(*mine))
    owner = store.tags_frame()["repo"].str.partition("/")[0]
    pd.testing.assert_frame_equal(store.usage(by=owner).frame, frame)


def test_what_is_the_cheapest_way_to_free_so_much(store: Snapshot, disk: Disk) -> None:
    cost = pd.Series(1.0, store.tags_frame().index).mask(lambda tags: tags.index.str.startswith("shop"), 9)
    plan = store.plan(free=1, keep=["base/*", "*:latest"], cost=cost)
    assert (len(plan), plan.gap, plan.tags[0].partition("/")[0]) == (1, 0, "data")
    assert plan.bytes == disk.bytes(disk.freed(*plan.tags))


def test_what_do_rules_of_retention_drop(store: Snapshot, disk: Disk) -> None:
    plan = store.plan(older_than="30d", keep_last=2, keep="base/*")
    assert set(plan.tags) == {"shop/web:1.0", "shop/web:1.1"}
    assert plan.bytes == disk.bytes(disk.freed(*plan.tags))


def test_what_does_a_tag_reach_blob_by_blob(store: Snapshot, disk: Disk) -> None:
    frame = store.reach("data/ml:5")
    assert set(frame.index) == disk.reach("data/ml:5")
    assert frame["size"].to_dict() == {digest: disk.size[digest] for digest in frame.index}
    assert sorted(set(frame["depth"])) == [0, 1, 2]


def test_what_does_each_platform_use(store: Snapshot, disk: Disk) -> None:
    frame = store.usage(by="platform").frame
    reached: dict[str, set[str]] = {}
    for manifest in disk.reach(*disk.tags):
        for config in disk.links[manifest]:
            if config in disk.platform:
                reached.setdefault(disk.platform[config], set()).update(disk.reach(manifest))
    assert frame["closure"][~frame["beside"]].to_dict() == {name: disk.bytes(found) for name, found in reached.items()}
    assert frame.loc["(other)", "split"] == disk.size[disk.tags["data/ml:5"]]
    assert frame["split"].sum() == disk.bytes(disk.size)


def test_which_names_mean_the_same_image(store: Snapshot, disk: Disk) -> None:
    tags = store.tags_frame()
    names = tags[tags["same_digest"] > 0].groupby("digest").apply(lambda rows: sorted(rows.index), include_groups=False)
    assert names.tolist() == [["shop/web:2.0", "shop/web:latest"]]
    assert names.index[0] == disk.tags["shop/web:latest"]


def test_how_is_garbage_got_rid_of(store: Snapshot, disk: Disk) -> None:
    preview = store.simulate_deref(untagged=True)
    assert set(preview.digests) == set(disk.size) - disk.reach(*disk.tags)
    assert "curl" in preview.script("curl")


def test_which_blobs_keep_most(store: Snapshot, disk: Disk) -> None:
    frame = store.to_frame(columns="retained").nlargest(3, "retained")
    retained = {}
    for digest in disk.size:
        links, disk.links = disk.links, {one: [t for t in found if t != digest] for one, found in disk.links.items()}
        left = disk.reach(*(tag for tag, target in disk.tags.items() if target != digest))
        disk.links = links
        retained[digest] = disk.bytes(disk.reach(*disk.tags) - left)
    assert frame["retained"].tolist() == sorted(retained.values())[::-1][:3]
    assert frame["retained"].to_dict() == {digest: retained[digest] for digest in frame.index}


def test_why_is_this_layer_still_here_and_what_changed(registry: Registry, store: Snapshot, disk: Disk) -> None:
    layer = sha(PYTHON.encode())
    assert store.why(layer).tags == tuple(sorted(tag for tag in disk.tags if layer in disk.reach(tag)))
    registry.push("data/etl", "1.1", DEBIAN, PYTHON, "new" * 20)
    came = store.diff(registry.scan()).blobs
    assert set(came.index[came["cause"] == "added"]) == set(Disk(registry).size) - set(disk.size)


def test_names_of_analyses_are_methods_of_a_store_too(tmp_path: Path) -> None:
    with blobkit.LocalStore(tmp_path / "s", durability="off") as made:
        made.put(b"layer", tag="shop/web:1")
        assert made.usage(by=team).frame["split"].to_dict() == {"shop": 5}
        assert made.growth()["total"].iloc[-1] == 5
