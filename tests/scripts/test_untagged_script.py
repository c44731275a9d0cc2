"""The script that deletes untagged manifests: run against a real registry, every tag still pulls."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

import blobkit
from layouts import garbage, sha

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from live_registry import Served

    Dataset = tuple[Path, dict[str, object]]


def aged(served: Served, seconds: int = 1_000_000_000) -> None:
    """Make everything old."""
    for path in served.root.rglob("*"):
        os.utime(path, (seconds, seconds))


def done(served: Served, preview: blobkit.Preview, tool: str | None = None) -> set[str]:
    """Run the script; return what it removed beyond what the collector removes anyway, as was said."""
    already, before = garbage(preview.snapshot, "gc"), served.stored()
    ended = served.run(preview.script(tool))
    assert ended.returncode == 0, ended.stderr
    assert "0 skipped" in ended.stderr
    gone = before - served.stored() - already
    assert gone == set(preview.collected.digests)
    return gone


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["curl", "skopeo"])
def test_a_real_registry(dataset: Callable[[str], Dataset], served: Served, tool: str) -> None:
    root, oracle = dataset("dev-registry")
    served.fill(root)
    snapshot = served.scan()
    tags = dict(blobkit.tags_frame(snapshot)["repo"])
    pulled = {tag for tag, repo in tags.items() if served.pulls(repo, tag.removeprefix(f"{repo}:"))}
    frame = blobkit.untagged_frame(snapshot)
    untagged = oracle["untagged_revisions"]
    assert isinstance(untagged, dict)
    assert {repo: sorted(rows["digest"]) for repo, rows in frame.groupby("repo")} == untagged
    assert (len(frame), int((frame["needed_by"] != "").sum())) == (8, 5)
    assert int(frame.loc[frame["needed_by"] == "", "frees"].sum()) == 948_294
    preview = blobkit.simulate_deref(snapshot, untagged=True)
    assert (len(preview.targets), preview.bytes, preview.collected.bytes) == (3, 1_031_190, 1_031_190)
    assert preview.title() == "Dropping 3 untagged manifests frees 9 blobs, 1007.0 KiB"
    assert len(done(served, preview, tool)) == 9
    assert pulled == set(tags)
    assert all(served.pulls(repo, tag.removeprefix(f"{repo}:")) for tag, repo in tags.items())
    for repo, digest in zip(frame["repo"], frame["digest"], strict=True):
        assert served.has(repo, digest) == (f"{repo}@{digest}" not in preview.targets)
    assert not blobkit.simulate_deref(served.scan(), untagged=True)


@pytest.mark.slow
@pytest.mark.parametrize("docker", [False, True])
def test_hard_cases(served: Served, *, docker: bool) -> None:
    shared, amd, lost = (served.image("app", name, "base", docker=docker) for name in ("shared", "amd", "lost"))
    old = served.index("app", shared, lost, tag="multi", docker=docker)
    served.index("app", shared, amd, tag="multi", docker=docker)
    live = served.image("app", "live", "base", tag="1", docker=docker)
    about = [{key: one[key] for key in ("mediaType", "digest", "size")} for one in (live, lost)]
    signature = served.image("app", "a signature", subject=about[0])
    signed = {key: signature[key] for key in ("mediaType", "digest", "size")}
    of_signature = served.image("app", "a signature of it", subject=signed)
    of_lost = served.image("app", "of what is lost", subject=about[1])
    mirrored = served.image("mirror", "amd", "base", docker=docker)
    aged(served)
    needed = {one: str(digest["digest"]) for one, digest in (("shared", shared), ("amd", amd))}
    frame = blobkit.untagged_frame(served.scan()).set_index("digest")["needed_by"]
    assert {frame[digest] for digest in needed.values() if isinstance(frame[digest], str)} <= {"platform of app:multi"}
    assert frame[str(signature["digest"])] == frame[str(of_signature["digest"])] == "referrer of app:1"
    preview = blobkit.simulate_deref(served.scan(), untagged=True)
    lines = [line.split()[1:3] for line in preview.script().splitlines() if line.startswith("drop ")]
    places = [lines.index(["app", str(one["digest"])]) for one in (old, lost)]
    assert places == sorted(places)
    gone = {str(one["digest"]) for one in (old, lost, of_lost)}
    assert {name.rpartition("@")[2] for name in preview.targets} == gone | {str(mirrored["digest"])}
    assert {sha(b"lost"), *gone} <= done(served, preview)
    assert served.pulls("app", "multi")
    assert served.pulls("app", "1")
    assert served.pulls("app", str(signature["digest"]))
    assert served.has("app", str(of_signature["digest"]))


def test_of_one_repository(served: Served) -> None:
    for repo in ("app", "other"):
        served.image(repo, f"in {repo}")
    aged(served)
    preview = blobkit.simulate_deref(served.scan(), untagged=True, groups="app")
    assert sha(b"in app") in done(served, preview)
    assert sha(b"in other") in served.stored()


def test_what_is_young_stays_and_what_it_contains(served: Served) -> None:
    old, alone = served.image("app", "old"), served.image("app", "alone")
    aged(served)
    new = served.index("app", old)
    frame = blobkit.untagged_frame(served.scan()).set_index("digest")["needed_by"]
    assert frame.to_dict() == {
        str(old["digest"]): "fresh",
        str(new["digest"]): "fresh",
        str(alone["digest"]): "",
    }
    preview = blobkit.simulate_deref(served.scan(), untagged=True)
    assert sha(b"alone") in done(served, preview)
    assert served.pulls("app", str(new["digest"]))
    every = blobkit.untagged_frame(served.scan(), min_age=0)
    assert set(every["needed_by"]) == {""}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_registries(served: Served, seed: int) -> None:
    """Images, indexes, moved tags, referrers of all sorts: every tag pulls afterwards, and referrers of images stay."""
    draw = random.Random(seed)  # noqa: S311 (no secret)
    made: dict[str, list[dict[str, object]]] = {"a": [], "b/c": []}
    subjects: list[tuple[str, str, str]] = []
    for i in range(24):
        repo = draw.choice(sorted(made))
        tag = draw.choice(["", "", "1", "2", "latest"])
        what = draw.random()
        if made[repo] and what < 0.3:
            chosen = draw.sample(made[repo], min(len(made[repo]), draw.randint(1, 3)))
            one = served.index(repo, *chosen, tag=tag)
        elif made[repo] and what < 0.5:
            subject = {key: value for key, value in draw.choice(made[repo]).items() if key != "platform"}
            one = served.image(repo, f"referrer {i}", tag=tag, subject=subject)
            subjects.append((repo, str(one["digest"]), str(subject["digest"])))
        else:
            layers = [f"layer {draw.randint(0, 6)}" for _ in range(draw.randint(1, 3))] + [f"own {i}"]
            one = served.image(repo, *layers, tag=tag, docker=draw.random() < 0.3)
        made[repo].append(one)
    aged(served)
    tags = dict(blobkit.tags_frame(served.scan())["repo"])
    names = {tag: tag.removeprefix(f"{repo}:") for tag, repo in tags.items()}
    live = {(tags[tag], str(digest)) for tag, digest in blobkit.tags_frame(served.scan())["digest"].items()}
    preview = blobkit.simulate_deref(served.scan(), untagged=True)
    done(served, preview, draw.choice([None, "skopeo"]))
    assert all(served.pulls(tags[tag], names[tag]) for tag in tags)
    for repo, referrer, subject in subjects:
        if (repo, subject) in live:
            assert served.pulls(repo, referrer)
    assert not blobkit.simulate_deref(served.scan(), untagged=True).targets
