"""Scans over HTTP that are interrupted, killed, or held up, and go on where they were."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

import blobkit
from blobkit.errors import RateLimitedError
from patience import until
from remote_servers.mask import mask
from web_scans import COLUMNS, check_same, over_http

if TYPE_CHECKING:
    from pathlib import Path

    from remote_servers.fixtures import FilledRegistry

pytest.importorskip("aiohttp")
SCAN = """
import sys, blobkit
from blobkit.sources import kept
kept.PIECE = 4
asked = {"configs": False, "at_once": 1}
blobkit.scan("registry+" + sys.argv[1], progress=False, cache=sys.argv[2], storage_options=asked)
"""


def manifests(url: str) -> int:
    """The number of manifests that tags reach."""
    return int(blobkit.to_frame(over_http(url))["kind"].isin(["manifest", "index", "artifact"]).sum())


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_scan_that_is_killed_goes_on_where_it_was(
    how: signal.Signals, filled_registry: FilledRegistry, tmp_path: Path
) -> None:
    every = manifests(filled_registry.url)
    with mask(filled_registry.url, "slow") as masked:
        process = subprocess.Popen(
            [sys.executable, "-c", SCAN, masked.url, tmp_path], stderr=subprocess.PIPE, env=dict(os.environ)
        )
        until(lambda: masked.counts["GET /manifests/"] >= 20)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
        assert process.returncode not in (0, 1) or b"KeyboardInterrupt" in said
        before = masked.counts["GET /manifests/"]
        seen = over_http(masked.url, cache=tmp_path, configs=False, at_once=16)
        after = masked.counts["GET /manifests/"] - before
    assert 20 <= before < every
    assert every - before <= after <= every - before + 5
    check_same(over_http(filled_registry.url), seen, COLUMNS)


def test_a_registry_that_refuses_more_requests_keeps_what_was_fetched(
    filled_registry: FilledRegistry, tmp_path: Path
) -> None:
    from remote_servers.scripted import Asked, Reply, scripted  # noqa: PLC0415
    from remote_servers.vendor_apis import _forwarded  # noqa: PLC0415

    asked, limit = Counter[str](), [30]

    def answer(one: Asked) -> Reply:
        is_pull = one.method == "GET" and "/manifests/" in one.path
        asked["pull"] += is_pull
        if is_pull and asked["pull"] > limit[0]:
            return Reply(429, b"{}", {"Retry-After": "7200"})
        return _forwarded(filled_registry.url, one)

    with scripted(answer) as server:
        with pytest.raises(RateLimitedError, match="429"):
            over_http(server.url, cache=tmp_path, configs=False, at_once=1)
        refused = asked["pull"]
        limit[0] = 10**6
        seen = over_http(server.url, cache=tmp_path, configs=False)
    assert asked["pull"] - refused == manifests(filled_registry.url) - 30
    check_same(over_http(filled_registry.url), seen, COLUMNS)


def test_two_scans_at_once_share_one_cache(filled_registry: FilledRegistry, tmp_path: Path) -> None:
    found: list[blobkit.Snapshot] = []
    threads = [
        threading.Thread(target=lambda: found.append(over_http(filled_registry.url, cache=tmp_path))) for _ in range(3)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 3
    check_same(found[0], found[1], COLUMNS)
    check_same(found[0], found[2], COLUMNS)


def test_the_number_of_requests_is_told_before_they_are_made(
    filled_registry: FilledRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    names = sorted(filled_registry.content.tags)[:2]
    tags = sum(len(filled_registry.content.tags[name]) for name in names)
    with caplog.at_level(logging.INFO, "blobkit"):
        over_http(filled_registry.url, repositories=names)
    said = [record.getMessage() for record in caplog.records]
    told = [line for line in said if "one request for each" in line or "to fetch" in line]
    assert told[0].startswith("2 repositories: one request for each")
    assert told[1].startswith(f"{tags} tags in 2 repositories")
    assert "to fetch" in told[2]
