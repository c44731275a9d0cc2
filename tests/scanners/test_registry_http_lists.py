"""Scans over HTTP with a vendor's list of all manifests are as scans of the storage directory, under every policy."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import blobkit
from blobkit.errors import CredentialsError, UnreadableStoreError
from blobkit.scanners.registries.web.adapters import github
from remote_servers.scripted import Reply
from remote_servers.vendor_apis import PASSWORD, TOKEN, USER, vendor_apis
from web_scans import over_http

if TYPE_CHECKING:
    from pathlib import Path

    from blobkit.snapshot.snapshot import Snapshot
    from remote_servers.fixtures import FilledRegistry
    from remote_servers.scripted import Asked, Scripted

pytest.importorskip("aiohttp")
POLICIES = ("tags", "revisions", "gc", "gc-m")
COLUMNS = ["size", "refcount", "links_in", "retained", "frees", "reachable", "kind", "platform", "tags", "created"]


@pytest.fixture(autouse=True)
def _login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def seen_by(name: str, server: Scripted, monkeypatch: pytest.MonkeyPatch, prefix: str = "") -> Snapshot:
    """Scan with this list; the user is logged in to both vendors."""
    host = server.url.removeprefix("http://")
    config = {"auths": {host: {"username": USER, "password": PASSWORD}}}
    with open(os.path.join(os.environ["DOCKER_CONFIG"], "config.json"), "w") as file:  # noqa: PTH118, PTH123 (a test)
        json.dump(config, file)
    monkeypatch.setenv("GITHUB_API_URL", server.url)
    return over_http(server.url, prefix, untagged=name, configs=True)


def why(snapshot: Snapshot) -> str:
    """Return the reason why untagged manifests are not seen."""
    (row,) = [one for one in snapshot.notices.to_pylist() if one["code"] == "untagged-unseen"]
    return str(row["message"])


def test_harbor_is_known_by_its_login(filled_registry: FilledRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = min(filled_registry.content.manifests)
    for asks in (True, False):
        with vendor_apis(filled_registry.storage, filled_registry.url, asks=asks) as server:
            seen = seen_by("auto", server, monkeypatch, prefix)
        assert ("untagged-unseen" in seen.notices["code"].to_pylist()) == (not asks)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ghcr", "harbor"])
def test_a_full_list_hides_nothing(filled_registry: FilledRegistry, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = blobkit.scan(f"registry:{filled_registry.storage}", progress=False)
    with vendor_apis(filled_registry.storage, filled_registry.url) as server:
        seen = seen_by(name, server, monkeypatch)
    assert "untagged-unseen" not in seen.notices["code"].to_pylist()
    for policy in POLICIES:
        want, got = (blobkit.to_frame(one.with_policy(policy), min_age=0) for one in (own, seen))
        pd.testing.assert_frame_equal(got[COLUMNS], want[COLUMNS])
    frames = [blobkit.untagged_frame(one, min_age=0) for one in (own, seen)]
    pd.testing.assert_frame_equal(frames[1], frames[0])
    assert len(frames[0]) > len(filled_registry.content.manifests)
    later = own.time.replace(year=own.time.year + 1)
    previews = [blobkit.simulate_deref(replace(one, time=later), untagged=True) for one in (own, seen)]
    assert previews[0].digests
    assert previews[1].digests == previews[0].digests
    assert previews[1].exact
    for tag in blobkit.tags_frame(own).index[:4]:
        for policy in POLICIES[:2]:
            one, other = (blobkit.simulate_deref(one.with_policy(policy), f"tag:{tag}") for one in (own, seen))
            assert (other.digests, other.exact) == (one.digests, True)


@pytest.mark.slow
def test_half_a_list_is_as_none(filled_registry: FilledRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(asked: Asked, reply: Reply) -> Reply:
        return Reply(404) if "page=3" in asked.path else reply

    with vendor_apis(filled_registry.storage, filled_registry.url, change=change, asks=True) as server:
        seen, without = seen_by("auto", server, monkeypatch), over_http(server.url, untagged="none", configs=True)
    for table in ("nodes", "links", "pins"):
        assert getattr(seen, table).to_pylist() == getattr(without, table).to_pylist()
    messages = [
        dict(zip(one.notices["code"].to_pylist(), one.notices["message"].to_pylist(), strict=True))
        for one in (seen, without)
    ]
    assert "has no such list (404), or does not show it to this user; blobs that" in messages[0]["untagged-unseen"]
    assert "this registry does not list them" in messages[1]["untagged-unseen"]
    preview = blobkit.simulate_deref(seen.with_policy("revisions"), blobkit.tags_frame(seen).index[0])
    assert not preview.exact


@pytest.mark.parametrize("name", ["ghcr", "harbor"])
@pytest.mark.parametrize(("status", "error"), [(401, CredentialsError), (404, UnreadableStoreError)])
def test_a_list_that_is_asked_for_by_name_and_fails_is_an_error(
    filled_registry: FilledRegistry, name: str, status: int, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(asked: Asked, reply: Reply) -> Reply:
        return reply if asked.path.startswith("/v2/") or "token" in asked.path else Reply(status)

    prefix = min(filled_registry.content.manifests)
    with (
        vendor_apis(filled_registry.storage, filled_registry.url, change=change) as server,
        pytest.raises(error, match=rf"the list of all manifests \({name}\) is not to be had") as found,
    ):
        seen_by(name, server, monkeypatch, prefix)
    assert f"-O untagged={name}" in found.value.in_shell()  # type: ignore[attr-defined]


def test_a_list_that_is_asked_for_by_name_without_a_token_is_an_error(
    filled_registry: FilledRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the variable to set; GitHub is not asked."""
    monkeypatch.delenv("GH_TOKEN")
    prefix, needs = min(filled_registry.content.manifests), r"\(ghcr\) is not to be had .* needs a token .*\(GH_TOKEN,"
    with vendor_apis(filled_registry.storage, filled_registry.url) as server:
        with pytest.raises(CredentialsError, match=needs):
            seen_by("ghcr", server, monkeypatch, prefix)
        assert not [path for path in server.paths if path.startswith(("/users", "/orgs"))]


def test_a_list_that_is_found_without_a_token_is_a_notice(
    filled_registry: FilledRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GH_TOKEN")
    prefix = min(filled_registry.content.manifests)
    with vendor_apis(filled_registry.storage, filled_registry.url) as server:
        monkeypatch.setattr(github, "HOST", server.url.removeprefix("http://"))
        seen = over_http(server.url, prefix, untagged="auto")
    assert "their list needs a token with the right read:packages (GH_TOKEN, or" in why(seen)


def test_a_list_that_is_found_and_fails_is_told_in_the_log(
    filled_registry: FilledRegistry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def change(asked: Asked, reply: Reply) -> Reply:
        return reply if asked.path.startswith("/v2/") or "token" in asked.path else Reply(401)

    prefix = min(filled_registry.content.manifests)
    with (
        caplog.at_level(logging.INFO, "blobkit"),
        vendor_apis(filled_registry.storage, filled_registry.url, change=change, asks=True) as server,
    ):
        seen = seen_by("auto", server, monkeypatch, prefix)
    assert "does not permit their list" in why(seen)
    assert "manifests without a tag are not seen: " in caplog.text


def test_an_unknown_list_is_refused_before_anything_is_asked(filled_registry: FilledRegistry) -> None:
    with vendor_apis(filled_registry.storage, filled_registry.url) as server:
        with pytest.raises(blobkit.AddressError, match="'harbour' is no list of untagged manifests"):
            over_http(server.url, untagged="harbour")
        assert server.paths == []
