"""A real registry over HTTP, against the scan of its own storage directory."""

from __future__ import annotations

import logging
import re
import sqlite3
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import AddressError, InfeasiblePlanError, NotListableError, UnreadableStoreError
from blobkit.render import human_bytes
from layouts import codes, noticed
from remote_servers.mask import mask
from web_scans import CLAIMED, COLUMNS, UNSEEN, check_previews, check_same, over_http, reached, requests

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot
    from remote_servers.fixtures import FilledRegistry


@pytest.fixture(scope="module")
def own(filled_registry: FilledRegistry) -> Snapshot:
    return blobkit.scan(filled_registry.storage, progress=False)


def test_all_that_is_visible_is_as_in_the_directory(filled_registry: FilledRegistry, own: Snapshot) -> None:
    seen = over_http(filled_registry.url, configs=True)
    check_same(own, seen, COLUMNS + CLAIMED)
    check_previews(own, seen)
    assert not blobkit.simulate_deref(seen.with_policy("dependent"), "team1/app1:1.0").exact  # referrers may be hidden
    assert codes(seen) == UNSEEN
    assert seen.policy == "tags"
    assert seen.address == f"registry+{filled_registry.url}"


def test_a_scan_asks_for_each_thing_once_and_the_next_one_for_tags_only(
    filled_registry: FilledRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = filled_registry.content
    tags = sum(map(len, content.tags.values()))
    lists = {"catalog": 1, "probe": 1, "tags": len(content.tags), "tag": tags}
    with caplog.at_level(logging.INFO, "blobkit"):
        seen = over_http(filled_registry.url, cache=tmp_path)
        kinds = blobkit.to_frame(seen)["kind"].value_counts()
        manifests = int(kinds["manifest"] + kinds["index"] + kinds["artifact"])
        images = int(kinds["manifest"])
        assert requests(caplog) == lists | {"manifest": manifests, "config": images}
        again = over_http(filled_registry.url, cache=tmp_path)
    assert requests(caplog) == lists
    check_same(seen, again, COLUMNS + CLAIMED)
    assert re.search(r" 0 of \d+ tagged manifests to fetch, and what the cache lacks of their platforms", caplog.text)


def test_no_manifest_is_asked_for_by_its_tag(filled_registry: FilledRegistry) -> None:
    with mask(filled_registry.url, "slow") as masked:
        over_http(masked.url, configs=False, at_once=64)
    assert masked.counts["HEAD /manifests/"] == sum(map(len, filled_registry.content.tags.values()))
    assert masked.counts["GET /blobs/"] == masked.counts["HEAD /blobs/"] == 0


def test_without_configs_there_are_no_claims(filled_registry: FilledRegistry, own: Snapshot) -> None:
    seen = over_http(filled_registry.url)
    check_same(own, seen, COLUMNS)
    assert blobkit.to_frame(seen)["created"].isna().all()


def test_verify_asks_for_every_blob(
    filled_registry: FilledRegistry, own: Snapshot, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "blobkit"):
        seen = over_http(filled_registry.url, verify=True)
    kinds = blobkit.to_frame(seen)["kind"]
    assert requests(caplog)["blob"] == int(kinds.isin(["config", "layer"]).sum())
    check_same(own, seen, COLUMNS)
    assert codes(seen) == UNSEEN


@pytest.mark.parametrize("mode", ["pages", "nodigest", "flaky"])
def test_other_registries_give_the_same(mode: str, filled_registry: FilledRegistry, own: Snapshot) -> None:
    with mask(filled_registry.url, mode) as masked:
        seen = over_http(masked.url, configs=True)
    check_same(own, seen, COLUMNS + CLAIMED)
    assert codes(seen) == UNSEEN


def test_a_registry_with_the_referrers_api(filled_registry: FilledRegistry, own: Snapshot) -> None:
    with mask(filled_registry.url, "referrers") as masked:
        seen = over_http(masked.url)
    assert seen.policy == "dependent"
    assert codes(seen) == UNSEEN - {"referrers-unseen"}
    fallback = [name for name in blobkit.tags_frame(own).index if ":sha256-" in name]
    artifacts = {d for d, kind in blobkit.to_frame(own)["kind"].items() if kind == "artifact"}
    assert fallback
    assert artifacts
    assert artifacts <= reached(seen, "dependent").keys()
    lists = {str(one) for one in blobkit.tags_frame(own).loc[fallback, "digest"]}
    assert reached(own, "dependent").keys() - reached(seen, "dependent").keys() == lists
    name = blobkit.why(seen.with_policy("dependent"), min(artifacts)).tags[0]
    preview = blobkit.simulate_deref(seen, name)
    assert preview.exact
    assert not preview.collected.tool or preview.bytes


def test_an_image_that_is_gone_is_missing(filled_registry: FilledRegistry, own: Snapshot) -> None:
    with mask(filled_registry.url, "gone") as masked:
        seen = over_http(masked.url)
    victim = masked.victim.rpartition("/")[2]
    assert ("missing", victim) in noticed(seen)
    assert ("opaque", victim) in noticed(seen)
    lost = reached(own).keys() - reached(seen).keys()
    assert victim in lost
    assert len(lost) <= 3
    assert not blobkit.simulate_deref(seen, list(blobkit.tags_frame(seen).index)[-1]).exact


def test_an_image_with_other_content_than_its_digest_is_unreadable(filled_registry: FilledRegistry) -> None:
    with mask(filled_registry.url, "liar") as masked:
        seen = over_http(masked.url)
    victim = masked.victim.rpartition("/")[2]
    assert ("digest-mismatch", victim) in noticed(seen)
    assert ("opaque", victim) in noticed(seen)
    assert seen.find(victim) >= 0
    assert blobkit.to_frame(seen).loc[victim, "size"] == filled_registry.content.sizes[victim]
    audit = blobkit.audit(seen)
    assert victim in set(audit.findings.set_index("code").loc["opaque", "digests"])


def test_a_tag_that_answers_404_is_told(filled_registry: FilledRegistry, own: Snapshot) -> None:
    with mask(filled_registry.url, "stale") as masked:
        seen = over_http(masked.url)
    check_same(own, seen, COLUMNS)
    stale = {f"{repository}:zz-gone" for repository in filled_registry.content.tags}
    assert {key for code, key in noticed(seen) if code == "tag-without-revision"} == stale


def test_a_registry_without_a_catalog(filled_registry: FilledRegistry, own: Snapshot) -> None:
    names = sorted(filled_registry.content.tags)
    with mask(filled_registry.url, "hub") as masked:
        with pytest.raises(NotListableError, match="does not list"):
            over_http(masked.url)
        seen = over_http(masked.url, repositories=names)
        one = over_http(masked.url, names[0])
    assert reached(seen) == reached(own)
    assert set(one.pins["group"].drop_null().to_pylist()) == {names[0]}
    for snapshot in (seen, one):
        assert codes(snapshot) == UNSEEN | {"repositories-unseen"}
        preview = blobkit.simulate_deref(snapshot, f"{names[0]}:1.0")
        assert not preview.exact
        assert preview.certain_bytes == 0 < preview.bytes
        assert "at most" in preview.title()
        assert "other repositories" in str(preview)
        with pytest.raises(InfeasiblePlanError, match="other repositories may hold the same blobs"):
            blobkit.plan(snapshot, free=1)


def test_a_prefix_takes_a_repository_and_those_below_it(filled_registry: FilledRegistry) -> None:
    seen = over_http(filled_registry.url, "team0/group")
    assert set(seen.pins["group"].drop_null().to_pylist()) == {"team0/group/app0"}
    assert "repositories-unseen" in codes(seen)
    with pytest.raises(UnreadableStoreError, match="no repository team"):
        over_http(filled_registry.url, "team")


def test_a_plan_of_a_part_tells_what_is_certain_what_is_possible_and_what_to_scan(
    filled_registry: FilledRegistry,
) -> None:
    url = filled_registry.url
    part, named = over_http(url, "team0"), over_http(url, repositories=["team0/group/app0"])
    most = blobkit.simulate_deref(part, groups=["team0/group/app0"]).bytes
    assert most > 10_000
    doubt = "other repositories may hold the same blobs; scan the whole registry"
    for seen, python, shell in (
        (part, f", registry+{url}, if", f", registry+{url}, if"),
        (named, ' without storage_options["repositories"], if', " without --repositories, if"),
    ):
        with pytest.raises(InfeasiblePlanError) as caught:
            blobkit.plan(seen, free=10_000)
        error = caught.value
        assert (error.possible, error.at_most, error.needed) == (0, most, 10_000)
        sure = f"(10,000 bytes) cannot be freed for certain: 0 B (0 bytes) can, and at most {human_bytes(most)}"
        assert sure in str(error)
        assert f"{doubt}{python} it lists" in str(error)
        assert f"{doubt}{shell} it lists" in error.in_shell()
        assert error.in_shell().endswith("blobkit simulate shows what names free at most")
        with pytest.raises(InfeasiblePlanError, match=rf"at most .*{most:,} bytes. can, 0 B .* for certain"):
            blobkit.plan(seen, free="1GiB")


def test_rules_of_a_plan_of_a_part_are_told_with_upper_bounds(filled_registry: FilledRegistry) -> None:
    part = over_http(filled_registry.url, "team0")
    most = human_bytes(blobkit.simulate_deref(part, groups=["team0/group/app0"]).bytes)
    with pytest.raises(InfeasiblePlanError, match="at most 0 B") as caught:
        blobkit.plan(part, free=1, keep="team0/*")
    assert caught.value.at_most == 0
    told = f"at most {most} more without 'keep team0/*', at most {most} if nothing were spared"
    assert str(caught.value).endswith(told)


def test_a_plan_under_a_policy_that_untagged_manifests_hold_by_says_where_all_is(
    filled_registry: FilledRegistry,
) -> None:
    with pytest.raises(InfeasiblePlanError, match=r"manifests without a tag may hold .* scan the registry's storage"):
        blobkit.plan(over_http(filled_registry.url), free=1, policy="gc")


def test_untagged_manifests_that_are_not_listed_are_told_and_none_is_dropped(filled_registry: FilledRegistry) -> None:
    seen = over_http(filled_registry.url)
    preview = blobkit.simulate_deref(seen, untagged=True)
    assert not preview.dropped.rows
    told = str(preview).splitlines()
    assert told[0] == "Dropping 0 untagged manifests frees 0 blobs, 0 B"
    unlisted = "this registry does not list manifests without a tag: only those that a tag leads to are known"
    assert told[2:] == [f"{unlisted}; a scan of its storage shows all"]
    assert unlisted in str(blobkit.plan(seen, untagged=True))
    assert "none of these names holds" in str(blobkit.simulate_deref(seen, "team1/app1:1.0", policy="gc"))


def test_a_collector_removes_at_least_what_is_visible(filled_registry: FilledRegistry, own: Snapshot) -> None:
    """Manifests without a tag are not seen: `-m` removes them too, and plain collection keeps what they hold."""
    seen = over_http(filled_registry.url)
    real, told = (blobkit.compare_gc(one, "registry-m") for one in (own, seen))
    assert set(told.frame.index) <= set(real.frame.index)
    assert told.bytes == told.at_most_bytes < real.bytes
    assert f"would remove at least {len(told)} blobs" in told.title()
    assert told.notices == ("manifests without a tag are not visible: it removes them too, and what only they hold",)
    plain = blobkit.compare_gc(seen, "registry")
    assert "would remove at least 0 blobs, 0 B: none needed" in plain.title()
    hold = "manifests without a tag are not visible, and may hold the same blobs: a scan of the registry's storage"
    assert [one.startswith(hold) for one in plain.notices] == [True]
    assert "at least" not in blobkit.compare_gc(own, "registry-m").title()


def test_a_collector_removes_at_most_what_a_part_shows(filled_registry: FilledRegistry, own: Snapshot) -> None:
    """Other repositories may hold the same blobs; what is hidden is told apart from what cannot be read."""
    part = over_http(filled_registry.url, "team0")
    real, told = (blobkit.compare_gc(one, "registry-m") for one in (own, part))
    ours = set(blobkit.to_frame(part).index)
    gone = real.frame[real.frame.index.isin(ours)]
    assert told.bytes == len(told) == 0
    assert told.at_most_bytes == told.to_dict()["at_most_bytes"] >= gone["size"].sum() > 0
    assert "would remove at most" in told.title()
    assert "of what is visible: " in told.title()
    elsewhere, untagged = told.notices
    assert elsewhere == (
        "other repositories are not visible, and may hold the same blobs: "
        "a scan of the whole registry shows what they hold"
    )
    assert untagged.startswith("manifests without a tag are not visible: it removes them too")
    assert "cannot be read" not in str(told)
    both = blobkit.compare_gc(part, "registry").notices
    assert [one.rpartition(": ")[2] for one in both] == ["a scan of the registry's storage shows what they hold"]


def test_an_audit_tells_in_one_place_what_is_not_visible(filled_registry: FilledRegistry) -> None:
    audit = blobkit.audit(over_http(filled_registry.url))
    found = audit.findings.set_index("code")
    assert set(found.loc["not-visible", "names"]) == {
        "manifests without a tag",
        "unfinished uploads",
        "referrers without a tag",
    }
    assert not {"opaque", "missing", "unknown"} & set(found.index)
    assert "\nvisible: " in str(audit)
    assert "not visible are manifests without a tag, referrers without a tag, unfinished uploads" in str(audit)
    assert audit.exceeds({"error": None, "warning": None}) == ()


def test_ages_are_those_that_images_claim(filled_registry: FilledRegistry) -> None:
    seen = over_http(filled_registry.url)
    plan = blobkit.plan(seen, older_than="0")
    assert not plan.tags
    assert "no name has a time of modification" in plan.notices[0]
    by_claim = blobkit.plan(seen, older_than="0", age_by="created")
    assert "no image claims" in by_claim.notices[0]


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("repositories", ["Team/App"], "no name of a repository"),
        ("repositories", [], "empty"),
        ("repositories", 7, "give a list"),
        ("configs", "perhaps", "configs=yes"),
        ("at_once", 0, "1 to 256"),
        ("colour", 1, "no option"),
    ],
)
def test_an_option_that_is_none(option: str, value: object, why: str) -> None:
    with pytest.raises(AddressError, match=why):
        over_http("http://127.0.0.1:1", **{option: value})


def test_a_repository_that_is_not_there_is_an_error_of_the_audit(filled_registry: FilledRegistry) -> None:
    seen = over_http(filled_registry.url, repositories=["nobody/nothing", "team0/group/app0"])
    findings = blobkit.audit(seen).findings.set_index("code")
    (name,) = findings.loc["unreadable", "names"]
    assert name.startswith("the registry has no repository nobody/nothing with tags")
    assert findings.loc["unreadable", "severity"] == "error"
    assert "odd" not in findings.index
    assert seen.blobs


def test_progress_changes_nothing(filled_registry: FilledRegistry, own: Snapshot) -> None:
    check_same(own, blobkit.scan(f"registry+{filled_registry.url}", cache=False, progress=True), COLUMNS)


def test_nobody_is_there() -> None:
    with pytest.raises(UnreadableStoreError):
        over_http("http://127.0.0.1:9")


def test_what_is_read_is_private_and_has_no_secret(filled_registry: FilledRegistry, tmp_path: Path) -> None:
    seen = over_http(filled_registry.url, cache=tmp_path / "cache")
    file = tmp_path / "cache/manifests.sqlite"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    rows = sqlite3.connect(file).execute("SELECT digest FROM documents").fetchall()
    assert {digest for (digest,) in rows} <= set(blobkit.to_frame(seen).index)


def test_named_repositories_that_are_not_there_are_an_error(filled_registry: FilledRegistry) -> None:
    with pytest.raises(UnreadableStoreError, match="no repository team3/none, team3/nosuch with tags"):
        over_http(filled_registry.url, repositories=["team3/none", "team3/nosuch"])
