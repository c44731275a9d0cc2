"""Scripts for vendors' registries, run against programs and sites that answer as the vendors' documents say."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.questions.deletion import Drop
from blobkit.scripts.hosted import with_vendor
from blobkit.snapshot.kinds import HOSTED
from blobkit.snapshot.records import Server
from layouts import Registry
from live_registry import needs, shell, syntax
from vendor_programs import Shop
from vendor_sites import SITES, TOKEN, site

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot

BY_MANIFEST = {
    "ghcr.io": "acme/deep/app",
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com": "acme/app",
    "public.ecr.aws": "alias/app",
    "shop.azurecr.io": "acme/app",
    "europe-west1-docker.pkg.dev": "project/images/app",
    "eu.gcr.io": "project/app",
    "docker.io": "acme/app",
}
"""A repository of each vendor that deletes manifests, by the host."""
BY_TAG = {"registry.gitlab.com": "group/project/app", "quay.io": "acme/app"}
"""A repository of each vendor that deletes tags only, by the host."""


class Case:
    """A vendor's registry with one repository, which a directory was scanned for."""

    def __init__(self, where: Path, host: str, repo: str) -> None:
        needs("jq", "curl")
        self.where, self.host, self.repo = where, host, repo
        registry = Registry(where / "registry")
        amd, arm, s390 = (
            registry.revision(repo, registry.manifest(registry.blob(name))) for name in ("amd", "arm", "s390")
        )
        self.digests = {
            "amd": amd,
            "arm": arm,
            "s390": s390,
            "multi": registry.tag(repo, "multi", registry.revision(repo, registry.index(amd, arm))),
            "other": registry.tag(repo, "other", registry.revision(repo, registry.index(arm, s390))),
            "1": registry.push(repo, "1", "base", "own"),
            "2": registry.push(repo, "2", "base", "two"),
            "untagged": registry.revision(repo, registry.manifest(registry.blob("untagged"))),
        }
        registry.tag(repo, "one", self.digests["1"])
        self.snapshot = hosted(registry.scan(), host)
        self.shop = Shop(where, self.snapshot)
        state = self.shop.read()
        if host == "eu.gcr.io":
            more = {"prefix": "europe-docker.pkg.dev/project/eu.gcr.io/", "repos": {"app": state["repos"][repo]}}
            self.shop.write(state | more)
        else:
            self.shop.write(state | {"prefix": f"{host}/"})

    def names(self, *tags: str) -> list[str]:
        return [f"{self.repo}:{tag}" for tag in tags]

    def run(self, preview: blobkit.Preview) -> subprocess.CompletedProcess[str]:
        """Check the script, run it, and return how it went; it knows no secret."""
        text = preview.script()
        syntax(text, self.where)
        assert TOKEN not in text
        with self._running() as settings:
            done = shell(text, self.where, **self.shop.settings, **settings)
        assert TOKEN not in done.stdout + done.stderr
        return done

    @contextmanager
    def _running(self) -> Iterator[dict[str, str]]:
        if self.host in SITES:
            with site(self.host, self.shop) as settings:
                yield settings
        else:
            yield {}

    @property
    def left(self) -> dict[str, list[str]]:
        """The tags of each manifest that is left, by its name here."""
        names = {digest: name for name, digest in self.digests.items()}
        found = {one.rpartition("@")[2]: tags for one, tags in self.shop.left.items()}
        return {names.get(digest, digest): sorted(tags) for digest, tags in found.items()}


def hosted(snapshot: Snapshot, host: str) -> Snapshot:
    """Return the snapshot as a scan over HTTP has it."""
    return replace(snapshot, address=f"registry+https://{host}")


@pytest.mark.slow
@pytest.mark.parametrize("host", BY_MANIFEST)
def test_manifests_go_with_their_children_and_nothing_else(tmp_path: Path, host: str) -> None:
    case = Case(tmp_path, host, BY_MANIFEST[host])
    done = case.run(blobkit.simulate_deref(case.snapshot, case.names("multi", "2", "1")))
    assert done.returncode == 0, done.stderr
    github = host == "ghcr.io"
    kept = {"arm": [], "s390": [], "other": ["other"], "1": ["1", "one"] if github else ["one"], "untagged": []}
    assert case.left == kept
    skipped = f"skipped {case.repo}:1: this registry cannot delete a tag and leave its manifest\n" if github else ""
    assert skipped in done.stderr
    assert f"{int(github)} skipped" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("host", BY_TAG)
def test_tags_go_one_at_a_time(tmp_path: Path, host: str) -> None:
    case = Case(tmp_path, host, BY_TAG[host])
    done = case.run(blobkit.simulate_deref(case.snapshot, case.names("multi", "2", "1")))
    assert done.returncode == 0, done.stderr
    assert {tag for tags in case.left.values() for tag in tags} == {"other", "one"}
    assert len(case.left) == len(case.digests)
    assert "0 skipped" in done.stderr
    deletions = [path for method, path in case.shop.read()["calls"] if method == "DELETE"]
    assert sorted(path.rstrip("/").rpartition("/")[2] for path in deletions) == ["1", "2", "multi"]


@pytest.mark.slow
@pytest.mark.parametrize("host", BY_MANIFEST | BY_TAG)
def test_a_tag_that_names_something_else_by_now_is_left(tmp_path: Path, host: str) -> None:
    case = Case(tmp_path, host, (BY_MANIFEST | BY_TAG)[host])
    preview = blobkit.simulate_deref(case.snapshot, case.names("multi", "2"))
    new = "sha256:" + "e" * 64
    case.shop.move("app" if host == "eu.gcr.io" else case.repo, "multi", new)
    done = case.run(preview)
    assert done.returncode == 0, done.stderr
    assert f"skipped {case.repo}:multi: it names {new} now, not {case.digests['multi']}" in done.stderr
    left = case.left
    assert left[new] == ["multi"]
    assert {"amd", "arm", "multi"} <= set(left)
    assert left.get("2", []) == []


@pytest.mark.slow
@pytest.mark.parametrize("host", BY_MANIFEST)
def test_a_manifest_that_got_another_tag_stays(tmp_path: Path, host: str) -> None:
    case = Case(tmp_path, host, BY_MANIFEST[host])
    preview = blobkit.simulate_deref(case.snapshot, case.names("multi"))
    case.shop.move("app" if host == "eu.gcr.io" else case.repo, "new", case.digests["multi"])
    done = case.run(preview)
    assert done.returncode == 0, done.stderr
    said = "Docker Hub refuses: another tag or index names it" if host == "docker.io" else "it has the tag new by now"
    assert said in done.stderr
    assert case.left["multi"] == ["new"] if host == "docker.io" else ["multi", "new"]
    assert f"skipped {case.repo}@{case.digests['amd']}: a manifest that contains it may still exist" in done.stderr
    assert "amd" in case.left


def untagged(case: Case) -> blobkit.Preview:
    """Return the preview of dropping what nothing needs, once it is old enough."""
    snapshot = replace(case.snapshot, time=case.snapshot.time.replace(year=case.snapshot.time.year + 2))
    preview = blobkit.simulate_deref(snapshot, untagged=True)
    assert preview.targets == (f"{case.repo}@{case.digests['untagged']}",)
    assert (preview.collected.tool, preview.collected.bytes) == ("", 0)
    return preview


@pytest.mark.slow
@pytest.mark.parametrize("host", BY_MANIFEST)
def test_untagged_manifests(tmp_path: Path, host: str) -> None:
    case = Case(tmp_path, host, BY_MANIFEST[host])
    done = case.run(untagged(case))
    assert done.returncode == 0, done.stderr
    assert set(case.left) == set(case.digests) - {"untagged"}


@pytest.mark.parametrize("host", BY_TAG)
def test_untagged_manifests_where_only_tags_can_be_deleted(tmp_path: Path, host: str) -> None:
    case = Case(tmp_path, host, BY_TAG[host])
    with pytest.raises(
        blobkit.UnknownToolError, match=f"no command is known that deletes manifests by digest on {host}"
    ):
        untagged(case).script()


def test_packages_of_a_user_have_another_path(tmp_path: Path) -> None:
    case = Case(tmp_path, "ghcr.io", "someone/app")
    case.shop.write(case.shop.read() | {"type": "User"})
    done = case.run(blobkit.simulate_deref(case.snapshot, case.names("2")))
    assert (done.returncode, "2" in case.left) == (0, False)
    assert ["gh", "api", "/users/someone", "--jq", ".type"] in case.shop.read()["calls"]


def test_account_and_region_come_from_the_host(tmp_path: Path) -> None:
    host = "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"
    case = Case(tmp_path, host, "acme/app")
    assert case.run(blobkit.simulate_deref(case.snapshot, case.names("2"))).returncode == 0
    for call in case.shop.read()["calls"]:
        assert call[1] == "ecr"
        assert call[3:7] == ["--region", "cn-north-1", "--registry-id", "123456789012"]


def test_a_deletion_that_fails_ends_the_script(tmp_path: Path) -> None:
    """Amazon answers well, and says in the answer that an index needs the manifest."""
    case = Case(tmp_path, "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "acme/app")
    state = case.shop.read()
    state["repos"]["acme/app"]["sha256:" + "f" * 64] = {"id": 5, "tags": [], "children": [case.digests["2"]]}
    case.shop.write(state)
    done = case.run(blobkit.simulate_deref(case.snapshot, case.names("2")))
    assert done.returncode == 1
    assert "ImageReferencedByManifestList" in done.stderr
    assert f"stopped: cannot delete acme/app@{case.digests['2']}" in done.stderr
    assert "2" in case.left


@pytest.mark.parametrize(
    "record", [kind for kind in HOSTED if kind.server and kind.server.vendor], ids=lambda kind: kind.server.vendor
)
def test_only_checked_digests_and_names_reach_a_command(tmp_path: Path, record: blobkit.snapshot.records.Kind) -> None:
    hosts = {"ecr": "123456789012.dkr.ecr.eu-west-1.amazonaws.com", "acr": "shop.azurecr.io", "gar": "gcr.io"}
    assert record.server is not None
    server = replace(record.server, host=hosts.get(record.server.vendor, "host.example"))
    drops = [
        Drop("app", "sha256:$(touch pwned)", names=("app:1",)),
        Drop("-rf", "sha256:" + "a" * 64, names=("-rf:1",), skip="no such name"),
    ]
    text = "\n".join(["#!/bin/sh", *with_vendor(server, drops)]) + "\n"
    syntax(text, tmp_path)
    called = [line for line in text.splitlines() if line.startswith(("drop ", "drop_tag ", "drop_child "))]
    assert called == []


def test_a_vendor_without_known_commands() -> None:
    with pytest.raises(blobkit.UnknownToolError, match=r"no command is known that deletes on reg\.example"):
        with_vendor(Server("reg.example", vendor="somebody"), [])
