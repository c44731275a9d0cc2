"""The example stores, and what the notebooks say of them."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import blobkit
from blobkit import demo
from blobkit.demo.images import IMAGES
from blobkit.demo.shop import IMAGES as SHOP
from blobkit.demo.shop import LOST, NEW, SIZES, shop_on
from blobkit.demo.stores import DAYS_OLD

DAY = 86_400


@pytest.fixture
def store() -> blobkit.Store:
    return demo.small()


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.layout(tmp_path_factory.mktemp("layout") / "images", unit=1)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo.registry(tmp_path_factory.mktemp("registry"), unit=1)


@pytest.fixture
def days(tmp_path: Path) -> demo.TwoDays:
    return demo.two_days(tmp_path, unit=1)


def files(root: Path) -> dict[str, tuple[int, int]]:
    """Return the size and the time of every file below a directory."""
    return {
        str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
def test_a_temporary_example_store_goes_when_python_ends() -> None:
    code = "from blobkit import demo; path = demo.images(unit=1); assert path.is_dir(); print(path)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not Path(done.stdout.strip()).parent.exists()


def test_the_small_store_has_the_tags_of_the_large_one(store: blobkit.Store) -> None:
    names = [name for image in IMAGES for name in image.names]
    assert sorted(store.tags()) == sorted([*names, "shop/worker:1"])


def test_nothing_is_wrong_in_the_example_stores(store: blobkit.Store, layout: Path) -> None:
    for example in (store, layout):
        assert "error" not in set(blobkit.audit(example).findings["severity"].astype(str))


def test_files_of_the_layout_are_as_old_as_their_tags(layout: Path) -> None:
    tags = blobkit.tags_frame(layout)
    old = (pd.Timestamp.now("UTC") - tags["modified"]).dt.total_seconds() / DAY
    assert {name: round(days) for name, days in old.items()} == DAYS_OLD


def test_two_tags_free_more_together_than_apart(store: blobkit.Store) -> None:
    pair = ("shop/web:1.0", "shop/web:1.1")
    both = blobkit.simulate_deref(store, *pair)
    assert both.bytes > sum(blobkit.simulate_deref(store, tag).bytes for tag in pair)
    before = set(store)
    freed = [store.untag(tag) for tag in pair]
    assert {digest for part in freed for digest in part.digests} == set(both.digests) == before - set(store)
    assert sum(part.bytes for part in freed) == both.bytes


def test_dropping_all_that_why_names_lets_a_blob_go(store: blobkit.Store) -> None:
    base = blobkit.to_frame(store)["refcount"].idxmax()
    why = blobkit.why(store, base)
    assert why.releasable
    assert base in why.preview().digests


def test_also_drop_says_what_goes_in_addition(store: blobkit.Store) -> None:
    one = blobkit.simulate_deref(store, "shop/web:1.0")
    best = one.also_drop.iloc[0]
    more = blobkit.simulate_deref(store, "shop/web:1.0", best["tag"])
    assert more.bytes == one.bytes + best["bytes"] > one.bytes + best["alone"]


@pytest.mark.slow
def test_the_registry_has_a_platform_with_a_tag_of_its_own(registry: Path) -> None:
    before = files(registry)
    needed = blobkit.simulate_deref(registry, "shop/worker:1-arm")
    collected = blobkit.simulate_deref(registry, "shop/worker:1-arm", policy="gc-m")
    assert (needed.bytes, needed.breaks) == (0, ())
    assert collected.breaks == ("shop/worker:1",)
    assert files(registry) == before


def test_the_registry_has_an_untagged_manifest_that_nothing_needs(registry: Path) -> None:
    untagged = blobkit.untagged_frame(registry)
    assert untagged.loc[untagged["needed_by"] == "", "repo"].tolist() == ["shop/web"]
    assert "shop/web:1.0" not in blobkit.tags_frame(registry).index


@pytest.mark.slow
def test_an_unreadable_manifest_makes_a_preview_uncertain(tmp_path: Path) -> None:
    place = demo.images(tmp_path / "damaged", unit=1)
    sound = blobkit.simulate_deref(place, "shop/web:*")
    manifest = place / "blobs" / blobkit.tags_frame(place).loc["data/etl:2", "digest"].replace(":", "/")
    manifest.chmod(0o644)
    manifest.write_bytes(b"not a manifest any more")
    unsure = blobkit.simulate_deref(f"oci:{place}", "shop/web:*")
    assert (unsure.exact, unsure.bytes, unsure.certain_bytes) == (False, sound.bytes, 0)


def test_a_plan_by_rules_of_its_own_is_the_plan_by_keep_last(layout: Path) -> None:
    snapshot = blobkit.scan(layout)
    tags = blobkit.tags_frame(snapshot)
    images = tags.drop_duplicates(["repo", "digest"]).sort_values("modified", ascending=False)
    stays = tags["digest"].isin(images.groupby("repo").head(1)["digest"]) | tags["repo"].str.startswith("base/")
    chosen = tags.index[~stays]
    preview = blobkit.simulate_deref(snapshot, chosen)
    assert preview.bytes > tags.loc[chosen, "exclusive"].sum()
    own = blobkit.plan(snapshot, keep=tags.index[stays], keep_last=0)
    tidy = blobkit.plan(snapshot, keep="base/*", keep_last=1)
    assert (own.tags, own.bytes) == (tuple(chosen), preview.bytes) == (tidy.tags, tidy.bytes)


def test_a_goal_by_number_of_tags_and_by_age(layout: Path) -> None:
    snapshot = blobkit.scan(layout)
    tags = blobkit.tags_frame(snapshot)
    days = (pd.Timestamp(snapshot.time) - tags["modified"]).dt.days
    fewest = blobkit.plan(snapshot, free="4KiB", keep="base/*")
    oldest = blobkit.plan(snapshot, free="4KiB", keep="base/*", cost=1000 / days)
    assert fewest.gap == oldest.gap == 0
    assert (fewest.tags, oldest.tags) == (("shop/worker:1",), ("shop/web:1.0", "shop/web:1.1"))
    with pytest.raises(blobkit.InfeasiblePlanError) as caught:
        blobkit.plan(snapshot, free="1MiB", keep="base/*", older_than="20d")
    possible = caught.value.possible
    assert blobkit.plan(snapshot, free=possible, keep="base/*", older_than="20d").bytes == possible


@pytest.mark.slow
def test_what_a_plan_says_is_what_its_commands_do(tmp_path: Path) -> None:
    place = demo.layout(tmp_path / "images", unit=1)
    before = blobkit.scan(place)
    plan = blobkit.plan(before, free="3KiB", keep="base/*", older_than="20d")
    assert not plan.verify(place)
    subprocess.run(["sh", "-c", plan.script("rm")], check=True, env={**os.environ, "PYTHONPATH": ""})
    assert plan.verify(place)
    assert before.bytes - blobkit.scan(place).bytes == plan.bytes


@pytest.mark.slow
def test_a_diff_adds_up(days: demo.TwoDays) -> None:
    changes = blobkit.diff(days.monday, days.tuesday)
    assert changes.frame["net"].sum() == changes.net == changes.after.bytes - changes.before.bytes
    assert changes.frame.loc["became garbage", "blobs"] > 0
    assert changes.frame.loc["became garbage", "net"] == 0
    assert blobkit.diff(days.monday, days.tuesday, by="repo").net == changes.net


def test_young_garbage_is_fresh_unless_its_age_does_not_count(days: demo.TwoDays) -> None:
    young, strict = blobkit.audit(days.tuesday), blobkit.audit(days.tuesday, min_age=0)
    assert "fresh" in set(young.findings["code"])
    assert "garbage" in set(strict.findings["code"])
    assert young.exceeds({"garbage": "1KiB", "error": None}) == ()
    assert len(strict.exceeds({"garbage": "1KiB", "error": None})) == 1


def test_umoci_would_take_the_signature(days: demo.TwoDays) -> None:
    comparison = blobkit.compare_gc(days.layout, "umoci")
    lost = comparison.frame[comparison.frame["needed"]]
    assert comparison.needed_bytes == lost["size"].sum() > 0
    assert sorted(lost["kind"].astype(str)) == ["config", "layer", "manifest"]


@pytest.mark.slow
def test_what_is_collected_was_garbage(days: demo.TwoDays) -> None:
    frame = blobkit.to_frame(days.tuesday)
    garbage = frame.index[frame["status"] == "garbage"]
    for digest in garbage:
        (days.layout / "blobs" / digest.replace(":", "/")).unlink()
    night = blobkit.diff(days.tuesday, days.layout)
    assert night.net == night.frame.loc["collected", "net"] == -frame.loc[garbage, "size"].sum()
    whole, changes = blobkit.diff(days.monday, days.layout), blobkit.diff(days.monday, days.tuesday)
    assert whole.net == changes.net + night.net
    assert whole.frame.loc["removed", "blobs"] == changes.frame.loc["became garbage", "blobs"]


def test_every_share_adds_up_to_what_is_stored(layout: Path) -> None:
    snapshot = blobkit.scan(layout)
    tags = blobkit.tags_frame(snapshot)
    team = tags["repo"].str.split("/").str[0].map({"shop": "shop team", "data": "data team"})
    for by in ("repo", "month", team, team.fillna("platform")):
        assert blobkit.usage(snapshot, by=by).frame["split"].sum() == snapshot.bytes
        assert blobkit.sharing(snapshot, by=by).frame["bytes"].sum() == snapshot.bytes
    repos = blobkit.usage(snapshot, by="repo").frame
    assert repos["closure"].sum() > snapshot.bytes > repos["exclusive"].sum()
    groups = ["shop/api", "shop/worker"]
    assert blobkit.simulate_deref(snapshot, groups=groups).bytes > repos.loc[groups, "exclusive"].sum()
    pairs = blobkit.sharing(snapshot, by="repo").pairs
    assert (pairs == pairs.T).all(axis=None)


@pytest.fixture(scope="module")
def june(tmp_path_factory: pytest.TempPathFactory) -> demo.ThreeDays:
    return demo.three_days(tmp_path_factory.mktemp("june"))


@pytest.mark.slow
def test_the_shop_is_the_same_every_time(june: demo.ThreeDays, tmp_path: Path) -> None:
    shop_on.cache_clear()
    first, again = (blobkit.Snapshot.load(path) for path in (june.tuesday, demo.shop(tmp_path)))
    assert first.to_dict() == again.to_dict()
    assert all(getattr(first, table).equals(getattr(again, table)) for table in ("nodes", "links", "pins", "notices"))
    assert str(tmp_path) not in str([again.address, *again.notices.to_pylist()])


@pytest.mark.slow
def test_the_shop_has_the_sizes_that_it_lists(june: demo.ThreeDays) -> None:
    layers = blobkit.to_frame(june.tuesday).query("kind == 'layer'")["size"]
    listed = [int(mib * 2**20) for name, mib in SIZES.items() if name != LOST]
    own = [int(image.own * 2**20) for image in (*SHOP, *NEW) for _ in range(1 + bool(image.arm)) if image.own]
    assert sorted(layers) == sorted([*listed, *own])


@pytest.mark.slow
def test_only_garbage_goes_in_the_night_to_wednesday(june: demo.ThreeDays) -> None:
    garbage = blobkit.to_frame(june.tuesday).query("status == 'garbage'")
    night = blobkit.diff(june.tuesday, june.wednesday)
    assert set(night.blobs.index) == set(garbage.index)
    assert night.net == -garbage["size"].sum()
    assert "garbage" not in set(blobkit.to_frame(june.wednesday)["status"])


def test_one_manifest_of_the_damaged_shop_is_unreadable(june: demo.ThreeDays, tmp_path: Path) -> None:
    preview = blobkit.simulate_deref(demo.shop(tmp_path, damaged=True), "data/train:*")
    assert (preview.exact, preview.certain_bytes) == (False, 0)
    assert preview.bytes == blobkit.simulate_deref(june.tuesday, "data/train:*").bytes


def test_layers_have_the_same_digests_whatever_wrote_the_header_of_gzip(monkeypatch: pytest.MonkeyPatch) -> None:
    before, compress = demo.small().list(), gzip.compress

    def unknown_system(data: bytes, level: int, *, mtime: int) -> bytes:
        packed = compress(data, level, mtime=mtime)
        return packed[:9] + b"\xff" + packed[10:]

    monkeypatch.setattr(gzip, "compress", unknown_system)
    assert demo.small().list() == before
