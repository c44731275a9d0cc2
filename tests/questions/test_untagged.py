"""Untagged manifests: which nothing needs, and what may be asked beside that."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import blobkit
from layouts import INDEX, GoStore, Layout, Registry, nowhere

if TYPE_CHECKING:
    from pathlib import Path


def aged(registry: Registry) -> blobkit.Snapshot:
    """Make everything old, and scan."""
    for path in registry.root.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return registry.scan()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def untagged(registry: Registry, repo: str, *contents: str, **more: object) -> str:
    """Store an image that no tag names."""
    return registry.revision(repo, registry.manifest(*map(registry.blob, contents), **more))


def needed_by(snapshot: blobkit.Snapshot) -> dict[str, str]:
    frame = blobkit.untagged_frame(snapshot)
    return {f"{row.repo}@{row.digest}": str(row.needed_by) for row in frame.itertuples()}


def test_the_frame(registry: Registry) -> None:
    registry.push("b", "1", "base", "tagged")
    two = [untagged(registry, "b", "base", text) for text in ("one", "two")]
    untagged(registry, "a", "base")
    frame = blobkit.untagged_frame(aged(registry))
    assert list(frame) == ["repo", "digest", "kind", "size", "frees", "modified", "needed_by"]
    dtypes = ["str", "str", "category", "int64", "int64", "datetime64[us, UTC]", "str"]
    assert list(map(str, frame.dtypes)) == dtypes
    assert isinstance(frame.index, pd.RangeIndex)
    assert frame["repo"].tolist() == ["a", "b", "b"]
    assert frame["digest"].tolist()[1:] == sorted(two)
    assert frame["size"].tolist() == [registry.size(digest) for digest in frame["digest"]]
    own = {digest: registry.size(digest) + 3 for digest in two}
    assert dict(zip(frame["digest"], frame["frees"], strict=True)) | own == dict(
        zip(frame["digest"], frame["frees"], strict=True)
    )
    assert set(frame["modified"]) == {pd.Timestamp(1_000_000_000, unit="s", tz="UTC")}
    assert blobkit.untagged_frame(Registry(registry.root / "empty").scan()).empty


def test_an_index_needs_its_platforms_however_deep_and_an_artifact_what_it_is_about(registry: Registry) -> None:
    amd, other = untagged(registry, "app", "amd"), untagged(registry, "mirror", "amd")
    inner = registry.revision("app", registry.index(amd))
    outer = registry.tag("app", "deep", registry.revision("app", registry.index(registry.to(inner, INDEX))))
    about = untagged(registry, "app", "signature", subject=amd)
    again = untagged(registry, "app", "of it", subject=about)
    of_other = untagged(registry, "mirror", "of the mirrored", subject=other)
    gone = untagged(registry, "app", "of nothing", subject=nowhere(1))
    assert needed_by(aged(registry)) == {
        f"app@{amd}": "platform of app:deep",
        f"app@{inner}": "platform of app:deep",
        f"app@{about}": "referrer of app:deep",
        f"app@{again}": "referrer of app:deep",
        f"app@{gone}": "",
        f"mirror@{other}": "",
        f"mirror@{of_other}": "",
    }
    assert f"app@{outer}" not in needed_by(registry.scan())


def test_what_an_untagged_index_lists_goes_with_it(registry: Registry) -> None:
    amd, shared = untagged(registry, "app", "amd"), untagged(registry, "app", "shared")
    old = registry.revision("app", registry.index(amd, shared))
    registry.tag("app", "1", registry.revision("app", registry.index(shared)))
    preview = blobkit.simulate_deref(aged(registry), untagged=True)
    assert set(preview.targets) == {f"app@{amd}", f"app@{old}"}
    assert preview.title().startswith("Dropping 2 untagged manifests frees 3 blobs, ")
    assert preview.breaks == ()
    lines = [line.split()[2] for line in preview.script().splitlines() if line.startswith("drop ")]
    assert lines == [old, amd]


def test_beside_what_cannot_be_read_nothing_is_free(registry: Registry) -> None:
    """The tagged index may list any of them; an untagged one may itself be a referrer."""
    kept = untagged(registry, "app", "kept")
    free = untagged(registry, "other", "free")
    odd = registry.revision("other", registry.blob("no manifest"))
    index = registry.tag("app", "multi", registry.revision("app", registry.index(kept)))
    snapshot = aged(registry)
    assert needed_by(snapshot)[f"app@{kept}"] == "platform of app:multi"
    registry.path(index).write_text("{")
    found = needed_by(registry.scan())
    assert found[f"app@{kept}"] == "unknown: the image of a tag cannot be read"
    assert found[f"other@{odd}"] == "unknown: it cannot be read"
    assert found[f"other@{free}"] == ""
    registry.drop(index)
    assert needed_by(registry.scan())[f"app@{kept}"] == "unknown: the image of a tag cannot be read"


def test_what_is_not_stored_is_no_manifest(registry: Registry) -> None:
    one = untagged(registry, "app", "one")
    registry.revision("app", nowhere(1))
    assert list(needed_by(aged(registry))) == [f"app@{one}"]


def test_of_unknown_age_is_kept() -> None:
    nodes = {"key": [nowhere(1), f"r@{nowhere(1)}"], "size": [10, 0], "kind": ["manifest", "unknown"]}
    nodes["stored"] = ["yes", "virtual"]
    pins = {"node": [1], "name": [f"r@{nowhere(1)}"], "kind": "revision", "group": ["r"]}
    links = {"source": [1], "target": [0], "kind": ["revision"]}
    snapshot = blobkit.snapshot.snapshot.build("registry", "made", nodes=nodes, links=links, pins=pins)
    assert blobkit.untagged_frame(snapshot)["needed_by"].tolist() == ["fresh"]


def test_what_may_be_given_beside(registry: Registry) -> None:
    registry.push("app", "1", "tagged")
    one = untagged(registry, "app", "one")
    snapshot = aged(registry)
    assert blobkit.simulate_deref(snapshot, untagged=True, policy="revisions").targets == (f"app@{one}",)
    assert blobkit.simulate_deref(snapshot, untagged=True, groups=["app"]).targets == (f"app@{one}",)
    for given in ({"policy": "tags"}, {"all_pins": True}):
        with pytest.raises(ValueError, match="with untagged"):
            blobkit.simulate_deref(snapshot, untagged=True, **given)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="do not give a target with untagged"):
        blobkit.simulate_deref(snapshot, "app:1", untagged=True)
    with pytest.raises(blobkit.UnknownTargetError, match="no repository 'ap' here; did you mean app"):
        blobkit.simulate_deref(snapshot, untagged=True, groups="ap")
    goals = [{"free": 1}, {"until": 1}, {"older_than": "1d"}, {"keep_last": 0}, {"policy": "gc"}]
    for given in (*goals, {"cost": pd.Series({f"app@{one}": 1.0})}):
        with pytest.raises(ValueError, match="with untagged"):
            blobkit.plan(snapshot, untagged=True, **given)  # type: ignore[arg-type]
    with pytest.raises(blobkit.PlanError, match="groups is for untagged manifests only"):
        blobkit.plan(snapshot, keep_last=0, groups="app")
    with pytest.raises(blobkit.AgeError):
        blobkit.untagged_frame(snapshot, min_age="soon")


def test_kinds_that_have_none(tmp_path: Path) -> None:
    for x in (Layout(tmp_path / "l").scan(), GoStore(tmp_path / "g").scan()):
        for ask in (
            blobkit.untagged_frame,
            lambda x: blobkit.simulate_deref(x, untagged=True),
            lambda x: blobkit.plan(x, untagged=True),
        ):
            with pytest.raises(blobkit.UnknownPolicyError, match="have no untagged manifests"):
                ask(x)


@pytest.mark.slow
def test_a_plan(registry: Registry) -> None:
    registry.push("app", "1", "base", "tagged")
    platform = untagged(registry, "app", "platform")
    registry.tag("app", "multi", registry.revision("app", registry.index(platform)))
    one, two, there = (untagged(registry, repo, "base", repo) for repo in ("app", "app2", "elsewhere"))
    kept = registry.revision("app", registry.index(one))
    snapshot = aged(registry)
    plan = blobkit.plan(snapshot, untagged=True)
    assert set(plan.tags) == {f"app@{one}", f"app2@{two}", f"elsewhere@{there}", f"app@{kept}"}
    preview = blobkit.simulate_deref(snapshot, untagged=True)
    assert (plan.bytes, plan.collected) == (preview.bytes, preview.collected)
    assert plan.script().splitlines()[4:] == preview.script().splitlines()[3:]
    assert "Dropping 4 untagged manifests frees " in plan.title()
    assert "untagged and kept: 1 platform of app:multi" in str(plan)
    why = dict(zip(plan.spared["tag"], plan.spared["why"], strict=True))
    assert why[f"app@{platform}"] == "platform of app:multi"
    plan = blobkit.plan(snapshot, untagged=True, keep=kept, groups=["app", "app2"])
    assert plan.tags == (f"app2@{two}",)
    why = dict(zip(plan.spared["tag"], plan.spared["why"], strict=True))
    assert why[f"app@{kept}"] == f"keep {kept}"
    assert why[f"app@{one}"] == "part of a spared index"
    assert why[f"elsewhere@{there}"] == "not in these repositories"
    assert json.loads(json.dumps(plan.to_dict()))["collected"]["bytes"] == plan.collected.bytes
    assert plan._repr_html_()


def test_media_types_do_not_matter(registry: Registry) -> None:
    """An index is followed by its descriptor's type; a child that is an index as well."""
    amd = untagged(registry, "app", "amd")
    inner = registry.to(registry.revision("app", registry.index(amd)), INDEX)
    registry.tag("app", "1", registry.revision("app", registry.index(inner)))
    assert set(needed_by(aged(registry)).values()) == {"platform of app:1"}
